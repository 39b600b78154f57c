package endpoint

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestForeignHostsAndOriginsAreRefused(t *testing.T) {
	f := start(t, Options{Hosts: []string{"Router.example:443"}, Origins: []string{"https://App.example"}})
	port := f.addr[strings.LastIndexByte(f.addr, ':'):]
	cases := []struct {
		name    string
		headers []string
		want    int
	}{
		{"plain", nil, 200},
		{"foreign host", []string{"Host", "evil.example"}, 403},
		{"foreign host with our port", []string{"Host", "evil.example" + port}, 403},
		{"host like ours", []string{"Host", "127.0.0.1.evil.example" + port}, 403},
		{"localhost", []string{"Host", "localhost" + port}, 200},
		{"upper case and trailing dot", []string{"Host", "LOCALHOST."}, 200},
		{"ipv6 loopback", []string{"Host", "[::1]" + port}, 200},
		{"ipv6 loopback without port", []string{"Host", "[::1]"}, 200},
		{"ipv6 other", []string{"Host", "[fe80::1]:80"}, 403},
		{"another address", []string{"Host", "192.0.2.1"}, 403},
		{"configured host", []string{"Host", "router.example"}, 200},
		{"loopback origin", []string{"Origin", "http://localhost:3000"}, 200},
		{"configured origin", []string{"Origin", "https://app.example", "Sec-Fetch-Site", "cross-site"}, 200},
		{"foreign origin", []string{"Origin", "https://evil.example"}, 403},
		{"null origin", []string{"Origin", "null"}, 403},
		{"empty userinfo trick", []string{"Origin", "http://localhost@evil.example"}, 403},
		{"userinfo", []string{"Origin", "http://evil.example@localhost"}, 403},
		{"origin with a path", []string{"Origin", "http://localhost/x"}, 403},
		{"other scheme", []string{"Origin", "file://localhost"}, 403},
		{"two origins", []string{"Origin", "http://localhost", "Origin", "http://localhost"}, 403},
		{"cross-site without origin", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"same-origin", []string{"Sec-Fetch-Site", "same-origin"}, 200},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for _, path := range []string{"/healthz", "/api/status", "/api/search?q=x"} {
				if got := f.send(t, http.MethodGet, path, "", c.headers...).StatusCode; got != c.want {
					t.Errorf("GET %s = %d, want %d", path, got, c.want)
				}
			}
			if c.want == 403 {
				for _, path := range []string{"/mcp", "/sse", "/message", "/nothing/here", "/readyz", "/api/call"} {
					if got := f.send(t, http.MethodPost, path, "{}", c.headers...).StatusCode; got != 403 {
						t.Errorf("POST %s = %d, want 403", path, got)
					}
				}
			}
		})
	}
}

func TestAbsoluteFormIsChecked(t *testing.T) {
	f := start(t, Options{})
	conn, err := net.Dial("tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET http://evil.example/healthz HTTP/1.1\r\nHost: %s\r\n\r\n", f.addr)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("absolute-form request for another host = %v, %v", resp, err)
	}
}

func TestRefusedBodies(t *testing.T) {
	f := start(t, Options{MaxBody: 1 << 20})
	call := callBody("1", "echo", "{}", "")
	deep := strings.Repeat("[", 200) + strings.Repeat("]", 200)
	cases := []struct {
		name, body string
		headers    []string
		status     int
		contains   string
	}{
		{"text/plain", call, []string{"Content-Type", "", "Content-Type", "text/plain"}, 415, ""},
		{"form", call, []string{"Content-Type", "", "Content-Type", "application/x-www-form-urlencoded"}, 415, ""},
		{"no type", call, []string{"Content-Type", ""}, 415, ""},
		{"packed", call, []string{"Content-Encoding", "gzip"}, 415, ""},
		{"charset", call, []string{"Content-Type", "", "Content-Type", "Application/JSON; charset=utf-8"}, 200, "result"},
		{"too large", `{"a":"` + strings.Repeat("x", 1<<20) + `"}`, nil, 413, "limit of 1048576 bytes, which http.max_body"},
		{"no JSON", "hello", nil, 400, "-32700"},
		{"empty", "", nil, 400, "-32700"},
		{"cut off", call[:len(call)-1], nil, 400, "-32700"},
		{"two", call + call, nil, 400, "-32700"},
		{"not UTF-8", strings.Replace(call, "demo", "d\xffmo", 1), nil, 400, "-32700"},
		{"deep", callBody("1", "echo", `{"x":`+deep+`}`, ""), nil, 400, "nested deeper"},
		{"repeated name", strings.Replace(call, `"name":"call_tool"`, `"name":"safe","name":"call_tool"`, 1), nil, 400, "-32600"},
		{"other case", strings.Replace(call, `"name":"call_tool"`, `"name":"safe","NAME":"call_tool"`, 1), nil, 400, "ambiguous"},
		{"folding s", strings.Replace(call, `"id"`, `"paramſ":{},"id"`, 1), nil, 400, "ambiguous"},
		{"escaped twin", strings.Replace(call, `"name":"call_tool"`, `"name":"safe","n\u0061me":"call_tool"`, 1), nil, 400, "twice"},
		{"NUL twin", strings.Replace(call, `"name":"call_tool"`, `"name":"safe","name\u0000":"call_tool"`, 1), nil, 400, "ambiguous"},
		{"METHOD", strings.Replace(call, `"method"`, `"METHOD"`, 1), nil, 400, "ambiguous"},
		{"repeated deep inside", callBody("1", "echo", `{"a":{"b":1,"b":2}}`, ""), nil, 400, "twice"},
		{"null id", callBody("null", "echo", "{}", ""), nil, 400, "-32600"},
		{"float id", callBody("1.5", "echo", "{}", ""), nil, 400, "-32600"},
		{"huge id", callBody("1e400", "echo", "{}", ""), nil, 400, "-32600"},
		{"object id", callBody("{}", "echo", "{}", ""), nil, 400, "-32600"},
		{"big integer id", callBody("123456789012345678901234567890", "echo", "{}", ""), nil, 200, `"id":123456789012345678901234567890,`},
		{"call as notification", strings.Replace(call, `"id":1,`, "", 1), nil, 400, "-32600"},
		{"other JSON-RPC", strings.Replace(call, "2.0", "1.0", 1), nil, 400, "-32600"},
		{"method is a number", strings.Replace(call, `"tools/call"`, "5", 1), nil, 400, "-32600"},
		{"unknown tool", strings.Replace(call, "call_tool", "rm", 1), nil, 200, "-32602"},
		{"unknown method", `{"jsonrpc":"2.0","id":1,"method":"tools/destroy"}`, nil, 200, "-32601"},
		{"unknown version", call, []string{headerVersion, "1999-01-01"}, 400, "unsupported"},
		{"unknown session", call, []string{headerSession, "nope"}, 404, "-32001"},
		{"modern ignores a session", callBody("1", "echo", "{}", modernMeta("{}", "")), modernHeaders(headerSession, "nope"), 200, "result"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			status, got := f.post(t, c.body, c.headers...)
			if status != c.status || !strings.Contains(got, c.contains) {
				t.Errorf("= %d %.300s, want %d with %q", status, got, c.status, c.contains)
			}
		})
	}
}

func TestModernHeadersMustEqualTheBody(t *testing.T) {
	f := start(t, Options{})
	body := callBody("1", "echo", "{}", modernMeta("{}", ""))
	h := func(version, method, name string, more ...string) []string {
		return append([]string{headerVersion, version, headerMethod, method, headerName, name}, more...)
	}
	cases := []struct {
		name, body string
		headers    []string
		status     int
		contains   string
	}{
		{"equal", body, modernHeaders(), 200, "result"},
		{"base64", body, h("2026-07-28", methodCall, "=?base64?Y2FsbF90b29s?="), 200, "result"},
		{"broken base64", body, h("2026-07-28", methodCall, "=?base64?%?="), 400, "-32020"},
		{"other name", body, h("2026-07-28", methodCall, "search_tools"), 400, "-32020"},
		{"no name", body, h("2026-07-28", methodCall, ""), 400, "-32020"},
		{"other method", body, h("2026-07-28", methodList, toolCall), 400, "-32020"},
		{"no method", body, h("2026-07-28", "", toolCall), 400, "-32020"},
		{"legacy header", body, h("2025-11-25", methodCall, toolCall), 400, "-32020"},
		{"no version header", body, h("", methodCall, toolCall), 400, "-32020"},
		{"only the header", callBody("1", "echo", "{}", ""), modernHeaders(), 400, "-32602"},
		{"no capabilities", callBody("1", "echo", "{}", `,"_meta":{"`+metaVersion+`":"2026-07-28"}`), modernHeaders(), 400, "-32602"},
		{"a later version", strings.Replace(body, "2026-07-28", "2099-01-01", 1), h("2099-01-01", methodCall, toolCall), 400, "-32022"},
		{"resumption", body, modernHeaders("Last-Event-ID", "1"), 400, "-32020"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			status, got := f.post(t, c.body, c.headers...)
			if status != c.status || !strings.Contains(got, c.contains) {
				t.Errorf("= %d %.300s, want %d with %q", status, got, c.status, c.contains)
			}
		})
	}
	for _, method := range []string{http.MethodGet, http.MethodDelete, http.MethodPut} {
		resp := f.send(t, method, "/mcp", "", headerVersion, "2026-07-28", headerSession, "x")
		if resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") == "" {
			t.Errorf("%s in the modern era = %d, Allow %q", method, resp.StatusCode, resp.Header.Get("Allow"))
		}
	}
}

func TestNothingReservedGoesOn(t *testing.T) {
	f := start(t, Options{})
	const meta = `"progressToken":"canary","x.modelcontextprotocol/y":"canary","tools.mcp.com/z":"canary","traceparent":"00-1","vendor/n":1e2`
	for _, era := range []struct {
		body    string
		headers []string
	}{
		{callBody("1", "echo", "{}", `,"_meta":{`+meta+`}`), nil},
		{callBody("1", "echo", "{}", modernMeta("{}", ","+meta)), modernHeaders()},
	} {
		headers := append([]string{"Authorization", "Bearer canary", "Cookie", "canary=1"}, era.headers...)
		if status, got := f.post(t, era.body, headers...); status != 200 {
			t.Fatalf("status %d: %s", status, got)
		}
		call := <-f.backend.calls
		if got := string(call.Meta); got != `{"traceparent":"00-1","vendor/n":1e2}` {
			t.Errorf("_meta for the backend = %s", got)
		}
		if strings.Contains(string(call.Arguments)+string(call.Meta), "canary") || call.Retry != nil {
			t.Errorf("a canary went on: %+v", call)
		}
	}
}

func TestOverloadIsSaid(t *testing.T) {
	f := start(t, Options{MaxCalls: 2})
	var wg sync.WaitGroup
	for i := range 2 {
		wg.Go(func() { f.post(t, callBody(fmt.Sprint(i), "hold", "{}", "")) })
		<-f.backend.calls
	}
	const search = `{"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"search_tools","arguments":{"query":"echo"}}}`
	if status, got := f.post(t, search); status != 200 || !strings.Contains(got, "demo__echo(") {
		t.Errorf("search beside calls that hang = %d %s", status, got)
	}
	if got := f.send(t, http.MethodGet, "/api/search?q=echo", "").StatusCode; got != 200 {
		t.Errorf("search by the API beside calls that hang = %d", got)
	}
	resp := f.send(t, http.MethodPost, "/mcp", callBody("9", "echo", "{}", ""))
	if got := readString(t, resp.Body); resp.StatusCode != 429 || resp.Header.Get("Retry-After") == "" || !strings.Contains(got, "retryAfterMs") {
		t.Errorf("third call = %d %s", resp.StatusCode, got)
	}
	if resp := f.send(t, http.MethodPost, "/api/call", `{"name":"demo__echo"}`); resp.StatusCode != 429 {
		t.Errorf("third call by the API = %d", resp.StatusCode)
	}
	close(f.backend.release)
	wg.Wait()
	if status, got := f.post(t, callBody("9", "echo", "{}", "")); status != 200 {
		t.Errorf("after the rush = %d %s", status, got)
	}
}

func TestPanicIsAnError(t *testing.T) {
	f := start(t, Options{})
	const token = `"progressToken":"t"`
	for _, c := range []struct {
		name, extra string
		headers     []string
		events      int // 0 if the answer is no stream
	}{
		{"nothing said", "", nil, 0},
		{"after a notification", `,"_meta":{` + token + `}`, nil, 2},
		{"modern", modernMeta("{}", ","+token), modernHeaders(), 2},
		{"modern, can be asked", modernMeta(`{"roots":{}}`, ","+token), modernHeaders(), 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range 20 { // the writer of a stream may be ahead of the panic or behind
				status, got := f.post(t, callBody("1", "panic", "{}", c.extra), c.headers...)
				if status != 200 || !strings.Contains(got, `"id":1,"error":{"code":-32603`) || strings.Contains(got, "a bug") {
					t.Errorf("= %d %s", status, got)
				}
				if n := len(events(got)); n != c.events {
					t.Errorf("%d events, want %d: %s", n, c.events, got)
				}
			}
		})
	}
	if got := f.send(t, http.MethodPost, "/api/call", `{"name":"demo__panic"}`).StatusCode; got != 500 {
		t.Errorf("panic in a call by the API = %d, want 500", got)
	}
	if status, _ := f.post(t, callBody("1", "echo", "{}", "")); status != 200 {
		t.Errorf("after a panic = %d", status)
	}
}

func TestSlowBodyIsCutOff(t *testing.T) {
	f := build(t, Options{})
	f.bodyTime = 50 * time.Millisecond
	serveOn(t, f)
	conn, err := net.Dial("tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != http.StatusRequestTimeout {
		t.Errorf("slow body: %v, %v", resp, err)
	}
}

func TestCallOutlivesTheBodyTime(t *testing.T) {
	f := build(t, Options{})
	f.bodyTime = 500 * time.Millisecond
	serveOn(t, f)
	go func() {
		<-f.backend.calls
		time.Sleep(f.bodyTime + 100*time.Millisecond)
		close(f.backend.release)
	}()
	if status, got := f.post(t, callBody("1", "hold", "{}", "")); status != 200 || !strings.Contains(got, "released") {
		t.Errorf("= %d %s", status, got)
	}
}

func TestReaderThatStopsIsLeft(t *testing.T) {
	f := build(t, Options{})
	f.chunkTime = 50 * time.Millisecond
	gaveUp := make(chan struct{})
	ln := listenLoopback(t)
	background(t, func(ctx context.Context) error {
		return f.serve(ctx, ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer close(gaveUp)
			f.serveMCP(w, r)
		}))
	})
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	body := callBody("1", "big", "{}", "")
	fmt.Fprintf(conn, "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	select {
	case <-gaveUp:
	case <-time.After(30 * time.Second):
		t.Fatal("the server writes for ever to a client that does not read")
	}
	raw, _ := io.ReadAll(conn)
	if len(raw) >= 8<<20 {
		t.Errorf("read %d bytes after the deadline", len(raw))
	}
}

func TestDisconnectCancelsTheCall(t *testing.T) {
	f := start(t, Options{})
	const rounds = 400
	before := runtime.NumGoroutine()
	for i := range rounds {
		headers, body := []string(nil), callBody("1", "hold", "{}", "")
		if i%2 == 1 {
			headers, body = modernHeaders(), callBody("1", "hold", "{}", modernMeta(`{"elicitation":{}}`, ""))
		}
		ctx, cancel := context.WithCancel(t.Context())
		req, _ := http.NewRequestWithContext(ctx, http.MethodPost, f.url("/mcp"), strings.NewReader(body))
		req.Header.Set("Content-Type", "application/json")
		for j := 0; j < len(headers); j += 2 {
			req.Header.Set(headers[j], headers[j+1])
		}
		go func() {
			<-f.backend.calls
			cancel()
		}()
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
		}
		select {
		case <-f.backend.cancelled:
		case <-time.After(5 * time.Second):
			t.Fatalf("round %d: the backend was not cancelled", i)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	waitFor(t, "goroutines to end", func() bool { return runtime.NumGoroutine() <= before+10 })
	waitFor(t, "the places of the calls", func() bool { return len(f.calls) == 0 })
}

func TestClientsDoNotHearEachOther(t *testing.T) {
	f := start(t, Options{})
	var wg sync.WaitGroup
	for client := range 10 {
		wg.Go(func() {
			token := fmt.Sprintf(`"client-%d"`, client)
			for range 10 {
				_, got := f.post(t, callBody("1", "notify", `{"count":100}`, `,"_meta":{"progressToken":`+token+`}`))
				if n := strings.Count(got, `"progressToken":`+token); n != 100 || strings.Count(got, `"progressToken"`) != n {
					t.Errorf("client %d heard %d of its own 100 of %d", client, n, strings.Count(got, `"progressToken"`))
				}
			}
		})
	}
	wg.Wait()
}

// A body that is announced as too large is refused before it is asked for.
func TestAnnouncedBodyOverTheLimit(t *testing.T) {
	f := start(t, Options{MaxBody: 1000})
	for _, path := range []string{"/mcp", "/api/call"} {
		conn, err := net.Dial("tcp", f.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n", path, f.addr)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := readString(t, resp.Body); resp.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(got, "limit of 1000 bytes, which http.max_body") {
			t.Errorf("POST %s = %s %s, want 413 with the limit", path, resp.Status, got)
		}
		resp.Body.Close()
	}
}

// A client whose call ends because the router stops did not cancel it, and must
// not be told so, by whichever door it came.
func TestStoppingIsNotCancelling(t *testing.T) {
	hold, api := callBody("1", "hold", "{}", `,"_meta":{"progressToken":1}`), `{"name":"demo__hold","arguments":{}}`
	modern := callBody("1", "hold", "{}", modernMeta(canAll, `,"progressToken":1`))
	for door, call := range map[string]func(t *testing.T, f *fixture) io.Reader{
		"mcp": func(t *testing.T, f *fixture) io.Reader { return f.send(t, http.MethodPost, "/mcp", hold).Body },
		"mcp modern": func(t *testing.T, f *fixture) io.Reader {
			return f.send(t, http.MethodPost, "/mcp", modern, modernHeaders()...).Body
		},
		"api": func(t *testing.T, f *fixture) io.Reader { return f.send(t, http.MethodPost, "/api/call", api).Body },
		"sse": func(t *testing.T, f *fixture) io.Reader {
			stream := f.send(t, http.MethodGet, "/sse", "").Body
			for path := range eventsOf(stream) {
				f.send(t, http.MethodPost, path, hold)
				break
			}
			return stream
		},
		"attached": func(t *testing.T, f *fixture) io.Reader {
			conn := attachBare(t, f.control(t))
			t.Cleanup(func() { conn.Close() })
			fmt.Fprintln(conn, hold)
			return conn
		},
	} {
		t.Run(door, func(t *testing.T) {
			f := build(t, Options{DrainTimeout: 50 * time.Millisecond})
			f.afterDrain = 30 * time.Second
			serveOn(t, f)
			stopped := make(chan struct{})
			go func() {
				defer close(stopped)
				<-f.backend.calls
				_ = f.stop()
			}()
			if got := readString(t, call(t, f)); !strings.Contains(got, errCutOff.Message) {
				t.Errorf("the call ended with %s, want %q", got, errCutOff.Message)
			}
			<-stopped
		})
	}
}
