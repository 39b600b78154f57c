package endpoint

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"toolrouter/router"
)

// control serves the control socket and gives its path.
func (f *fixture) control(t *testing.T) string {
	t.Helper()
	path := socketPath(t)
	f.serveControl(t, path)
	return path
}

func (f *fixture) serveControl(t *testing.T, path string) {
	t.Helper()
	ln := listenUnix(t, path)
	f.stop = background(t, func(ctx context.Context) error { return f.ServeControl(ctx, ln) })
}

// socketPath is a place for a socket.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "r") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

func listenUnix(t *testing.T, path string) net.Listener {
	t.Helper()
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

func TestClient(t *testing.T) {
	steps := 0
	f := build(t, Options{
		Version: "1.2",
		Status:  func() any { return map[string]int{"tools": 11} },
		Reindex: func(_ context.Context, progress func(done, total int)) error {
			if steps++; steps > 1 {
				return errors.New("disk full")
			}
			for i := range 1000 {
				progress(i+1, 1000)
			}
			return nil
		},
	})
	c := Dial(f.control(t))
	defer c.Close()
	ctx := t.Context()
	if err := c.Ping(ctx); err != nil {
		t.Errorf("Ping: %v", err)
	}
	if raw, err := c.Status(ctx); err != nil || strings.TrimSpace(string(raw)) != `{"tools":11}` {
		t.Errorf("Status = %s, %v", raw, err)
	}
	found, err := c.Search(ctx, router.SearchRequest{Query: "echo", Limit: 3})
	if err != nil || len(found.Hits) != 1 || found.Hits[0].Name != "demo__echo" || found.Catalog != len(toolNames) {
		t.Errorf("Search = %+v, %v", found, err)
	}
	if raw, err := c.Call(ctx, "demo/raw", nil); err != nil || string(raw) != rawResult {
		t.Errorf("Call = %s, %v", raw, err)
	}
	if raw, err := c.Call(ctx, "demo/nothing", nil); err != nil || !strings.Contains(string(raw), `"isError":true`) {
		t.Errorf("Call of an unknown tool = %s, %v", raw, err)
	}
	if _, err := c.Call(ctx, "", nil); apiCode(err) != "bad_request" {
		t.Errorf("Call without a name: %v", err)
	}
	last := 0
	if err := c.Reindex(ctx, func(done, _ int) { last = done }); err != nil || last != 1000 {
		t.Errorf("Reindex: %v after %d", err, last)
	}
	if err := c.Reindex(ctx, nil); apiCode(err) != "reindex" || err.Error() != "disk full" {
		t.Errorf("failing Reindex: %v", err)
	}
}

func apiCode(err error) string {
	if api, ok := errors.AsType[*APIError](err); ok {
		return api.Code
	}
	return ""
}

func TestNoRouter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	c := Dial(path)
	if err := c.Ping(t.Context()); !errors.Is(err, ErrNoRouter) {
		t.Errorf("Ping = %v", err)
	}
	if err := NewBridge(strings.NewReader(""), new(strings.Builder)).Attach(t.Context(), path); !errors.Is(err, ErrNoRouter) {
		t.Errorf("Attach = %v", err)
	}
}

func TestAPIByHTTP(t *testing.T) {
	ready := errors.New("index is being rebuilt")
	f := start(t, Options{Ready: func() error { return ready }})
	cases := []struct {
		method, path, body string
		status             int
		contains           string
	}{
		{"GET", "/healthz", "", 200, `"ok"`},
		{"GET", "/readyz", "", 503, "index is being rebuilt"},
		{"GET", "/api/search?q=echo&limit=2", "", 200, `"name":"demo__echo"`},
		{"GET", "/api/search?q=echo&limit=many", "", 400, `"hint"`},
		{"POST", "/api/search", `{"query":"echo"}`, 200, `"took_ms"`},
		{"POST", "/api/search", `{"query":"a","query":"b"}`, 400, "twice"},
		{"POST", "/api/search", `[]`, 400, "bad_request"},
		{"GET", "/api/search", "", 400, "give q"},
		{"DELETE", "/api/search", "", 405, ""},
		{"POST", "/api/call", `{"name":"demo__echo","arguments":{"a":1}}`, 200, `{\"a\":1}`},
		{"POST", "/api/call", `{}`, 400, "bad_request"},
		{"POST", "/api/search", `{"limit":"many","query":"a"}`, 400, "bad_request"},
		{"GET", "/api/call", "", 405, ""},
		{"GET", "/api/status", "", 200, `"version"`},
		{"POST", "/api/reindex", "", 404, ""}, // on the control socket only
		{"GET", "/attach", "", 404, ""},
		{"GET", "/nothing", "", 404, "not_found"},
		{"POST", "/message?sessionId=x", "{}", 404, "session"},
	}
	for _, c := range cases {
		t.Run(c.method+c.path, func(t *testing.T) {
			resp := f.send(t, c.method, c.path, c.body)
			got := readString(t, resp.Body)
			if resp.StatusCode != c.status || !strings.Contains(got, c.contains) {
				t.Errorf("= %d %s, want %d with %q", resp.StatusCode, got, c.status, c.contains)
			}
			if !json.Valid([]byte(got)) {
				t.Errorf("not JSON: %s", got)
			}
		})
	}
	ready = nil
	if got := f.send(t, http.MethodGet, "/readyz", "").StatusCode; got != 200 {
		t.Errorf("/readyz when ready = %d", got)
	}
}

// What a model can put right, it is told as a tool's result: many clients show
// it no more of a protocol error than that there was one.
func TestBadArgumentsAreToldAsResults(t *testing.T) {
	f := start(t, Options{})
	for _, c := range []struct{ tool, arguments, contains string }{
		{toolCall, `{}`, `name`},
		{toolCall, `{"name":"demo__echo","arguments":5}`, `arguments`},
		{toolCall, `"demo__echo"`, `object`},
		{toolSearch, `{}`, `query`},
		{toolSearch, `{"query":7}`, `query`},
		{toolSearch, `{"query":"a","limit":"many"}`, `limit`},
		{toolSearch, `[]`, `object`},
	} {
		body := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"` + c.tool + `","arguments":` + c.arguments + `}}`
		asked := strings.TrimSuffix(body, "}}") + modernMeta(canAll, "") + "}}"
		_, legacy := f.post(t, body)
		_, modern := f.post(t, asked, headerVersion, "2026-07-28", headerMethod, methodCall, headerName, c.tool)
		for door, got := range map[string]string{"legacy": legacy, "modern": modern, "stdio": piped(t, f, body)} {
			if !strings.Contains(got, `"result":{`) || !strings.Contains(got, `"isError":true`) || !strings.Contains(got, c.contains) {
				t.Errorf("%s %s by %s = %s, want an isError result that names %s", c.tool, c.arguments, door, got, c.contains)
			}
		}
	}
}

func TestEveryDoorTellsTheSameOfAnUnknownTool(t *testing.T) {
	f := start(t, Options{})
	const want = `"isError":true`
	_, mcp := f.post(t, callBody("1", "rm_rf", "{}", ""))
	api := readString(t, f.send(t, http.MethodPost, "/api/call", `{"name":"demo__rm_rf"}`).Body)
	stdio := piped(t, f, callBody("1", "rm_rf", "{}", ""))
	if !strings.Contains(api, want) || !strings.Contains(mcp, strings.TrimSpace(api)) || !strings.Contains(stdio, strings.TrimSpace(api)) {
		t.Errorf("mcp %s\napi %s\nstdio %s", mcp, api, stdio)
	}
}

func TestAttachedClient(t *testing.T) {
	f := build(t, Options{})
	path := f.control(t)
	for _, version := range []string{"2025-11-25", "2026-07-28"} {
		up, down := newPipe(), newPipe()
		done := make(chan error, 1)
		go func() {
			defer down.w.Close()
			done <- NewBridge(up.r, down.w).Attach(t.Context(), path)
		}()
		s := sdkClient(t, &sdk.IOTransport{Reader: down.r, Writer: up.w}, version, sdk.ClientOptions{})
		if got := sdkCall(t, s, "elicit", nil, nil); !strings.Contains(got, "accept") {
			t.Errorf("elicit = %q", got)
		}
		s.Close()
		if err := <-done; err != nil {
			t.Errorf("Attach = %v", err)
		}
	}
}

func TestAttachAnswersWhatWasPiped(t *testing.T) {
	f := build(t, Options{})
	path := f.control(t)
	time.AfterFunc(100*time.Millisecond, func() { close(f.backend.release) })
	var out strings.Builder
	if err := NewBridge(strings.NewReader(callBody("1", "hold", "{}", "")+"\n"+callBody("2", "raw", "{}", "")), &out).Attach(t.Context(), path); err != nil {
		t.Error(err)
	}
	if got := out.String(); !strings.Contains(got, `"id":1,"result"`) || !strings.Contains(got, `"id":2,"result"`) {
		t.Errorf("= %s", got)
	}
}

// A router goes away under its client; the client is joined to a second one, and
// then served by the process itself.
func TestBridgeSurvivesItsRouters(t *testing.T) {
	f := build(t, Options{DrainTimeout: 300 * time.Millisecond})
	path := f.control(t)
	up, down := newPipe(), newPipe()
	out := bufio.NewScanner(down.r)
	next := func() string { out.Scan(); return out.Text() }
	b := NewBridge(up.r, down.w)
	join := func(f func() error) chan error {
		done := make(chan error, 1)
		go func() { done <- f() }()
		return done
	}
	joined := join(func() error { return b.Attach(t.Context(), path) })
	fmt.Fprintln(up.w, `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":`+canAll+`,"clientInfo":{"name":"t","version":"1"}}}`)
	if got := next(); !strings.Contains(got, "protocolVersion") {
		t.Fatalf("initialize = %s", got)
	}
	fmt.Fprintln(up.w, `{"jsonrpc":"2.0","method":"notifications/initialized"}`)

	for _, kind := range []string{"attach", "host"} {
		fmt.Fprintln(up.w, callBody(`"held"`, "hold", "{}", ""))
		<-f.backend.calls
		go f.stop()
		if got := next(); !strings.Contains(got, `"id":"held","error"`) {
			t.Fatalf("call in flight = %s", got)
		}
		if err := <-joined; !errors.Is(err, ErrLost) {
			t.Fatalf("Attach = %v, want %v", err, ErrLost)
		}
		f = build(t, Options{DrainTimeout: 300 * time.Millisecond})
		if kind == "attach" {
			f.serveControl(t, path)
			joined = join(func() error { return b.Attach(t.Context(), path) })
		} else {
			joined = join(func() error { return b.Host(t.Context(), f.Endpoint) })
		}
		fmt.Fprintln(up.w, callBody("1", "elicit", "{}", "")) // the new router knows what the client can
		got := next()
		if !strings.Contains(got, "elicitation/create") {
			t.Fatalf("%s: question = %s", kind, got)
		}
		fmt.Fprintln(up.w, `{"jsonrpc":"2.0","id":"`+askedID(got)+`","result":{"action":"accept"}}`)
		if got := next(); !strings.Contains(got, "accept") {
			t.Fatalf("%s: result = %s", kind, got)
		}
		<-f.backend.calls
	}
	up.w.Close()
	if err := <-joined; err != nil {
		t.Errorf("Host after the client left = %v", err)
	}
}
