package upstream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"toolrouter/internal/catalog"
	"toolrouter/internal/mcptest"
)

// listen serves until the test ends.
func listen(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

func urlSpec(url string) Spec {
	return Spec{Name: "s", URL: url, Timeout: 10 * time.Second, StartTimeout: 8 * time.Second}
}

// modernSpec insists on revision 2026-07-28.
func modernSpec(url string) Spec {
	s := urlSpec(url)
	s.Protocol = mcp.ProtocolVersion20260728
	return s
}

// mcpgo is a server on mcp-go of both eras.
func mcpgo(t *testing.T) *httptest.Server {
	return listen(t, server.NewStreamableHTTPServer(mcptest.NewServer(), server.WithStateful(true)))
}

// gosdk is a server on the official SDK. It speaks the newest revision only if
// it is stateless.
func gosdk(stateless bool) http.Handler {
	s := sdk.NewServer(&sdk.Implementation{Name: "sdk", Version: "1"}, nil)
	type args struct {
		Text string `json:"text"`
	}
	sdk.AddTool(s, &sdk.Tool{Name: "echo"}, func(_ context.Context, _ *sdk.CallToolRequest, a args) (*sdk.CallToolResult, any, error) {
		return &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: a.Text}}}, nil, nil
	})
	sdk.AddTool(s, &sdk.Tool{Name: "progress"}, func(ctx context.Context, r *sdk.CallToolRequest, _ args) (*sdk.CallToolResult, any, error) {
		for i := range 3 {
			err := r.Session.NotifyProgress(ctx, &sdk.ProgressNotificationParams{ProgressToken: r.Params.GetProgressToken(), Progress: float64(i + 1)})
			if err != nil {
				return nil, nil, err
			}
		}
		return &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: "done"}}}, nil, nil
	})
	return sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return s }, &sdk.StreamableHTTPOptions{Stateless: stateless})
}

func TestHTTP(t *testing.T) {
	sse := func(t *testing.T) string {
		s := server.NewSSEServer(mcptest.NewServer())
		return listen(t, s).URL + "/sse"
	}
	streamable := func(t *testing.T) string { return mcpgo(t).URL + "/mcp" }
	stateless := func(t *testing.T) string { // keeps no sessions
		return listen(t, server.NewStreamableHTTPServer(mcptest.NewServer(), server.WithStateLess(true))).URL
	}
	official := func(t *testing.T) string { return listen(t, gosdk(true)).URL }
	stateful := func(t *testing.T) string { return listen(t, gosdk(false)).URL }
	tests := []struct {
		name                string
		url                 func(*testing.T) string
		transport, protocol string
		want                string // revision
	}{
		{"both eras", streamable, "", "", "2025-11-25"},
		{"both eras, declared", streamable, "http", "", "2025-11-25"},
		{"both eras, without sessions", stateless, "", "", "2026-07-28"},
		{"2026-07-28", streamable, "", "2026-07-28", "2026-07-28"},
		{"2025-11-25", streamable, "", "2025-11-25", "2025-11-25"},
		{"2025-03-26", streamable, "", "2025-03-26", "2025-03-26"},
		{"falls back to SSE", sse, "", "", "2025-11-25"},
		{"SSE", sse, "sse", "", "2025-11-25"},
		{"SSE of the first revision", sse, "sse", "2024-11-05", "2024-11-05"},
		{"official SDK", official, "", "", "2026-07-28"},
		{"official SDK, stateful", stateful, "", "", "2025-11-25"},
		{"official SDK, older", stateful, "", "2025-06-18", "2025-06-18"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			spec := urlSpec(tt.url(t))
			spec.Transport, spec.Protocol = tt.transport, tt.protocol
			f := start(t, Options{}, spec)
			if s := f.await("s", catalog.Ready); s.Protocol != tt.want || s.Tools == 0 {
				t.Errorf("state = %+v, want revision %s", s, tt.want)
			}
			if got := f.must(toolCall("echo", `{"text":"über"}`)); got != "über" {
				t.Errorf("echo = %q", got)
			}
			a := &asker{}
			f.must(callFor(a, "progress", `{"text":""}`))
			if err := f.backend("s").session.Load().ping(t.Context()); err != nil {
				t.Errorf("the look whether the server stands = %v", err)
			}
			if heard := a.heard(); len(heard) < 2 || !strings.HasPrefix(heard[0], `notifications/progress {`) || strings.Contains(heard[0], "Token") {
				t.Errorf("progress = %q", heard)
			}
			began := time.Now()
			f.stop()
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("stopping took %v", took)
			}
		})
	}
}

func TestHTTPListChanged(t *testing.T) {
	for _, protocol := range []string{"2026-07-28", "2025-11-25"} {
		t.Run(protocol, func(t *testing.T) {
			spec := urlSpec(mcpgo(t).URL)
			spec.Protocol = protocol
			f := start(t, Options{}, spec)
			f.await("s", catalog.Ready)
			f.growsUntilTold()
		})
	}
}

// TestHTTPRestart has a server go away and come back at the same address.
func TestHTTPRestart(t *testing.T) {
	for _, protocol := range []string{"2026-07-28", "2025-11-25"} {
		t.Run(protocol, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			addr := ln.Addr().String()
			serve := func(ln net.Listener) *http.Server {
				s := &http.Server{Handler: server.NewStreamableHTTPServer(mcptest.NewServer(), server.WithStateful(true))}
				go s.Serve(ln) // ends with Close below
				return s
			}
			srv := serve(ln)
			spec := urlSpec("http://" + addr + "/mcp")
			spec.Protocol = protocol
			f := start(t, Options{}, spec)
			f.await("s", catalog.Ready)
			f.must(toolCall("echo", `{}`))
			arrived := make(chan struct{}, 1)
			slow := f.goTry(callFor(&asker{heed: func() { signal(arrived) }}, "progress", `{"count":2,"every_ms":600000}`))
			receive(t, arrived)

			srv.Close() // is noticed by the call that breaks off, and looked into
			var un *catalog.Unavailable
			if err := receive(t, slow); !errors.As(err, &un) || !un.Sent {
				t.Errorf("call under way when the server went away = %v", err)
			}
			f.await("s", catalog.Down)
			if _, err := f.try(toolCall("echo", `{}`)); !errors.As(err, &un) || un.Sent {
				t.Errorf("call while the server is away = %v", err)
			}
			if ln, err = net.Listen("tcp", addr); err != nil {
				t.Fatal(err)
			}
			srv = serve(ln)
			defer srv.Close()
			f.await("s", catalog.Ready)
			f.must(toolCall("echo", `{}`))
		})
	}
}

// TestHTTPConnectionsClosed has a server close its connections while calls are
// on their way: whatever net/http says of that, it is a server out of reach.
func TestHTTPConnectionsClosed(t *testing.T) {
	for _, protocol := range []string{"2026-07-28", "2025-11-25"} {
		t.Run(protocol, func(t *testing.T) { connectionsClosed(t, protocol) })
	}
}

func connectionsClosed(t *testing.T, protocol string) {
	var conns sync.Map
	srv := httptest.NewUnstartedServer(server.NewStreamableHTTPServer(mcptest.NewServer(), server.WithStateful(true)))
	srv.Config.ConnState = func(c net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Store(c, nil)
		}
	}
	srv.Start()
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
	})
	spec := urlSpec(srv.URL + "/mcp")
	spec.Protocol = protocol
	f := start(t, Options{}, spec)
	f.await("s", catalog.Ready)
	var wg sync.WaitGroup
	var good, lost atomic.Int64
	end := time.Now().Add(time.Second)
	for range 16 {
		wg.Go(func() {
			for time.Now().Before(end) {
				switch _, err := f.try(toolCall("echo", `{}`)); {
				case err == nil:
					good.Add(1)
				case errors.As(err, new(*catalog.Unavailable)):
					lost.Add(1)
					time.Sleep(time.Millisecond) // while it is down, calls fail at once
				default:
					t.Errorf("call = %v", err)
					return
				}
			}
		})
	}
	for time.Now().Before(end) {
		time.Sleep(3 * time.Millisecond)
		conns.Range(func(c, _ any) bool {
			conns.Delete(c)
			c.(net.Conn).Close() // many are closed already
			return true
		})
	}
	wg.Wait()
	if good.Load() == 0 || lost.Load() == 0 {
		t.Errorf("%d calls answered, %d lost: want some of both", good.Load(), lost.Load())
	}
	t.Logf("%d calls answered, %d lost", good.Load(), lost.Load())
}

// slowAndBad answers calls whose arguments hold "slow" when it is let, and others
// that hold "bad" by bad.
func slowAndBad(t *testing.T, modern bool, bad func(w http.ResponseWriter, r *http.Request, m mcptest.Message)) (srv *httptest.Server, slow chan struct{}, let func()) {
	slow, release := make(chan struct{}, 1), make(chan struct{})
	let = sync.OnceFunc(func() { close(release) })
	srv = answering(t, modern, func(w http.ResponseWriter, r *http.Request, m mcptest.Message) {
		switch {
		case strings.Contains(string(m.Params), "slow"):
			slow <- struct{}{}
			select {
			case <-release:
			case <-r.Context().Done():
				return
			}
		case strings.Contains(string(m.Params), "bad"):
			bad(w, r, m)
			return
		}
		respond(w, m, `{"content":[{"type":"text","text":"fine"}]}`)
	})
	t.Cleanup(let)
	return srv, slow, let
}

// goTry makes a call in a goroutine of its own, which ends with the call.
func (f *fixture) goTry(call catalog.Call) <-chan error {
	result := make(chan error, 1)
	go func() {
		_, err := f.try(call)
		result <- err
	}()
	return result
}

// TestHTTPCallAlone has one call fail in a way that says nothing of the others:
// the session stays, and a call that is under way goes on.
func TestHTTPCallAlone(t *testing.T) {
	breaks := func(w http.ResponseWriter, _ *http.Request, _ mcptest.Message) {
		if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
			conn.Close()
		}
	}
	forbids := func(header, body string) func(http.ResponseWriter, *http.Request, mcptest.Message) {
		return func(w http.ResponseWriter, _ *http.Request, _ mcptest.Message) {
			if header != "" {
				w.Header().Set("WWW-Authenticate", header)
			}
			w.WriteHeader(http.StatusForbidden)
			io.WriteString(w, body)
		}
	}
	tests := []struct {
		name string
		bad  func(http.ResponseWriter, *http.Request, mcptest.Message)
		sent bool // the error is an Unavailable of a call that may have been carried out
		want string
	}{
		{"broken off", breaks, true, "EOF"},
		{"forbidden", forbids(`Bearer error="insufficient_scope", scope="admin"`, ""), false, `403 Forbidden: Bearer error="insufficient_scope", scope="admin"`},
		{"forbidden in words", forbids("", "not your repository"), false, "403 Forbidden: not your repository"},
		{"forbidden by an error", forbids("", `{"jsonrpc":"2.0","id":null,"error":{"code":-32003,"message":"scope admin is missing"}}`), false, "scope admin is missing (code -32003)"},
	}
	for _, tt := range tests {
		for _, modern := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, modern %v", tt.name, modern), func(t *testing.T) {
				srv, arrived, let := slowAndBad(t, modern, tt.bad)
				spec := urlSpec(srv.URL)
				spec.Timeout = 25 * time.Second
				f := start(t, Options{}, spec)
				f.await("s", catalog.Ready)
				session := f.backend("s").session.Load()
				slow := f.goTry(toolCall("echo", `{"where":"slow"}`))
				receive(t, arrived)

				_, err := f.try(toolCall("echo", `{"where":"bad"}`))
				var un *catalog.Unavailable
				if !strings.Contains(fmt.Sprint(err), tt.want) || errors.As(err, &un) != tt.sent || tt.sent && (!un.Sent || un.State != catalog.Ready) {
					t.Errorf("the bad call = %v (%+v), want %s", err, un, tt.want)
				}
				f.awaitThat("a look whether the server stands was begun", func() bool { return len(session.check) == 0 })
				if got := f.must(toolCall("echo", `{}`)); got != "fine" {
					t.Errorf("the next call = %q", got)
				}
				let()
				if err := receive(t, slow); err != nil {
					t.Errorf("the call that was under way = %v", err)
				}
				if s := f.state("s"); s.State != catalog.Ready || s.Restarts != 0 || f.backend("s").session.Load() != session {
					t.Errorf("state = %+v, want the same session", s)
				}
			})
		}
	}
}

// TestHTTPForbiddenList has a server forbid the list, when a person has to act.
func TestHTTPForbiddenList(t *testing.T) {
	var forbid atomic.Bool
	inner := answering(t, true, nil)
	srv := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if forbid.Load() && r.Header.Get("Mcp-Method") == "tools/list" {
			http.Error(w, "no longer", http.StatusForbidden)
			return
		}
		inner.Config.Handler.ServeHTTP(w, r)
	}))
	f := start(t, Options{}, urlSpec(srv.URL))
	f.await("s", catalog.Ready)
	forbid.Store(true)
	f.backend("s").poke()
	if s := f.await("s", catalog.NeedsSignIn); !strings.Contains(s.LastError, "no longer") {
		t.Errorf("last error = %q", s.LastError)
	}
}

// TestHTTPSessionLeft has a server forget its session while a call is under way.
// That one goes on as long as it likes, and is in nobody's way.
func TestHTTPSessionLeft(t *testing.T) {
	setup := func(t *testing.T) (f *fixture, slow <-chan error, let func()) {
		forget := func(w http.ResponseWriter, _ *http.Request, _ mcptest.Message) { http.NotFound(w, nil) }
		srv, arrived, let := slowAndBad(t, false, forget)
		spec := urlSpec(srv.URL)
		spec.Timeout = 25 * time.Second
		f = start(t, Options{}, spec)
		f.await("s", catalog.Ready)
		slow = f.goTry(toolCall("echo", `{"where":"slow"}`))
		receive(t, arrived)
		if _, err := f.try(toolCall("echo", `{"where":"bad"}`)); !errors.As(err, new(*catalog.Unavailable)) {
			t.Errorf("the call whose session was forgotten = %v", err)
		}
		f.must(toolCall("echo", `{}`))
		if n := f.state("s").Restarts; n != 1 {
			t.Fatalf("%d new sessions, want 1", n)
		}
		return f, slow, let
	}
	t.Run("the call ends", func(t *testing.T) {
		f, slow, let := setup(t)
		time.Sleep(drainTime + time.Second) // longer than a backend that is not wanted would be given
		let()
		if err := receive(t, slow); err != nil {
			t.Errorf("the call that was under way = %v", err)
		}
		f.must(toolCall("echo", `{}`)) // the end of the old session is not the end of the new one
		if n := f.state("s").Restarts; n != 1 {
			t.Errorf("%d new sessions, want 1", n)
		}
	})
	t.Run("the router stops", func(t *testing.T) {
		f, slow, _ := setup(t)
		f.stop()
		if err := receive(t, slow); !errors.As(err, new(*catalog.Unavailable)) {
			t.Errorf("the call that was under way = %v", err)
		}
	})
	t.Run("it is no longer wanted", func(t *testing.T) {
		f, slow, _ := setup(t)
		f.Apply(nil)
		if err := receive(t, slow); !errors.As(err, new(*catalog.Unavailable)) {
			t.Errorf("the call that was under way = %v", err)
		}
	})
}

// TestHTTPClosed begins a call on a session that was ended meanwhile: it is not
// sent, and told so.
func TestHTTPClosed(t *testing.T) {
	var calls atomic.Int32
	srv := answering(t, true, func(http.ResponseWriter, *http.Request, mcptest.Message) { calls.Add(1) })
	f := start(t, Options{}, urlSpec(srv.URL))
	f.await("s", catalog.Ready)
	s := f.backend("s").session.Load()
	s.Close()
	_, err := s.call(t.Context(), toolCall("echo", `{}`), func() {})
	if !errors.As(err, new(*lostError)) || wasSent(err) || calls.Load() != 0 {
		t.Errorf("call = %v after %d requests, want one that was not sent", err, calls.Load())
	}
}

// TestSSEStreamEnds has the one stream end on which the answer would have come:
// it is not waited for.
func TestSSEStreamEnds(t *testing.T) {
	inner := server.NewMCPServer("n", "1")
	arrived, release := make(chan struct{}, 1), make(chan struct{})
	defer close(release)
	inner.AddTool(mcp.NewTool("echo"), func(_ context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		if r.GetString("x", "") == "slow" {
			arrived <- struct{}{}
			<-release
		}
		return mcp.NewToolResultText("fine"), nil
	})
	srv := listen(t, server.NewSSEServer(inner))
	spec := urlSpec(srv.URL + "/sse")
	spec.Timeout = time.Hour
	f := start(t, Options{}, spec)
	f.await("s", catalog.Ready)
	slow := f.goTry(toolCall("echo", `{"x":"slow"}`))
	receive(t, arrived)
	srv.CloseClientConnections()
	var un *catalog.Unavailable
	if err := receive(t, slow); !errors.As(err, &un) || !un.Sent {
		t.Errorf("call = %v, want one whose server went away", err)
	}
	f.must(toolCall("echo", `{}`))
}

// TestHTTPSessionForgotten has a server of an older revision forget its session:
// the call it was noticed in is not made again, the next one succeeds.
func TestHTTPSessionForgotten(t *testing.T) {
	var h atomic.Pointer[server.StreamableHTTPServer]
	renew := func() {
		h.Store(server.NewStreamableHTTPServer(mcptest.NewServer(), server.WithStateful(true), server.WithDisableStreaming(true)))
	}
	renew()
	srv := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.Load().ServeHTTP(w, r) }))
	spec := urlSpec(srv.URL)
	spec.Protocol = "2025-11-25"
	for _, safe := range []bool{false, true} {
		t.Run(fmt.Sprint("safe ", safe), func(t *testing.T) {
			f := start(t, Options{}, spec)
			f.await("s", catalog.Ready)
			renew()
			call := toolCall("calls", `{}`)
			call.Safe = safe
			_, err := f.try(call)
			var un *catalog.Unavailable
			if safe && err != nil || !safe && (!errors.As(err, &un) || un.Sent || !strings.Contains(err.Error(), "forgotten")) {
				t.Errorf("first call = %v", err)
			}
			want := map[bool]string{false: "1", true: "2"}[safe]
			if got := f.must(toolCall("calls", `{}`)); got != want {
				t.Errorf("the server counts %s calls, want %s", got, want)
			}
		})
	}
}

// answering is an HTTP server of both eras without any library. reply gives the
// answer to a tools/call.
func answering(t *testing.T, modern bool, reply func(w http.ResponseWriter, r *http.Request, m mcptest.Message)) *httptest.Server {
	return listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m mcptest.Message
		if r.Method != http.MethodPost || json.NewDecoder(r.Body).Decode(&m) != nil {
			http.Error(w, "no", http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		switch {
		case m.Method == "server/discover" && modern:
			respond(w, m, `{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"n","version":"v"}}}`)
		case m.Method == "initialize" && !modern:
			w.Header().Set("Mcp-Session-Id", "x")
			respond(w, m, `{"protocolVersion":"2025-06-18","capabilities":{"tools":{},"logging":{}},"serverInfo":{"name":"n","version":"v"}}`)
		case m.ID == nil:
			w.WriteHeader(http.StatusAccepted)
		case m.Method == "tools/list":
			respond(w, m, `{"tools":[{"name":"echo","inputSchema":{"type":"object","properties":{"where":{"type":"string","x-mcp-header":"Where"}}}},`+
				`{"name":"wrong","inputSchema":{"properties":{"o":{"type":"object","x-mcp-header":"O"}}}}]}`)
		case m.Method == "tools/call":
			reply(w, r, m)
		default:
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"Method not found"}}`, m.ID)
		}
	}))
}

// respond answers a request with a result.
func respond(w io.Writer, m mcptest.Message, result string) {
	fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":%s}`, m.ID, result)
}

// TestHTTPAnswers has servers answer a call in every odd way. The connection
// survives each of them.
func TestHTTPAnswers(t *testing.T) {
	big := strings.Repeat("x", maxBody+1)
	status := func(code int, body string) func(http.ResponseWriter, *http.Request, mcptest.Message) {
		return func(w http.ResponseWriter, _ *http.Request, _ mcptest.Message) {
			w.WriteHeader(code)
			io.WriteString(w, body)
		}
	}
	tests := []struct {
		name  string
		reply func(http.ResponseWriter, *http.Request, mcptest.Message)
		want  string
	}{
		{"verbatim", func(w http.ResponseWriter, _ *http.Request, m mcptest.Message) {
			respond(w, m, mcptest.Verbatim)
		}, mcptest.Verbatim},
		{"verbatim on a stream", func(w http.ResponseWriter, _ *http.Request, m mcptest.Message) {
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprintf(w, ": hello\n\ndata: {\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":%s}\n\n", m.ID, mcptest.Verbatim)
		}, mcptest.Verbatim},
		{"another's id", func(w http.ResponseWriter, _ *http.Request, _ mcptest.Message) {
			io.WriteString(w, `{"jsonrpc":"2.0","id":77,"result":{}}`)
		}, "answered another request"},
		{"too large", func(w http.ResponseWriter, _ *http.Request, m mcptest.Message) {
			respond(w, m, `"`+big+`"`)
		}, "longer than"},
		{"too large on a stream", func(w http.ResponseWriter, _ *http.Request, m mcptest.Message) {
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprintf(w, "data: {\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":\"%s\"}\n\n", m.ID, big)
		}, "longer than"},
		{"compressed", func(w http.ResponseWriter, _ *http.Request, _ mcptest.Message) {
			w.Header().Set("Content-Encoding", "gzip")
			io.WriteString(w, "\x1f\x8b")
		}, `encoding "gzip"`},
		{"a page", func(w http.ResponseWriter, _ *http.Request, _ mcptest.Message) {
			w.Header().Set("Content-Type", "text/html")
			io.WriteString(w, "<html>log in, please</html>")
		}, "text/html"},
		{"500", status(500, strings.Repeat("e", 1<<20)), "status 500"},
		{"503", status(503, "try later"), "try later"},
		{"error object with 400", func(w http.ResponseWriter, _ *http.Request, m mcptest.Message) {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32602,"message":"bad arguments","data":[1]}}`, m.ID)
		}, "bad arguments (code -32602)"},
		{"error object with 404", func(w http.ResponseWriter, _ *http.Request, m mcptest.Message) {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"Method not found"}}`, m.ID)
		}, "Method not found (code -32601)"},
		{"stream without an answer", func(w http.ResponseWriter, _ *http.Request, _ mcptest.Message) {
			w.Header().Set("Content-Type", "text/event-stream")
			io.WriteString(w, ": nothing\n\n")
		}, "without an answer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var bad atomic.Bool
			srv := answering(t, true, func(w http.ResponseWriter, r *http.Request, m mcptest.Message) {
				if bad.Load() {
					tt.reply(w, r, m)
					return
				}
				respond(w, m, `{"content":[{"type":"text","text":"fine"}]}`)
			})
			f := start(t, Options{}, urlSpec(srv.URL))
			f.await("s", catalog.Ready)
			bad.Store(true)
			got, err := f.try(toolCall("echo", `{}`))
			if err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, tt.want) || len(got) > 70<<10 {
				t.Errorf("call = %q, want %q", catalog.Clip(got, 300), tt.want)
			}
			if strings.Contains(got, srv.URL) {
				t.Errorf("the error tells the URL, which may hold a secret: %s", catalog.Clip(got, 300))
			}
			bad.Store(false)
			if got := f.must(toolCall("echo", `{}`)); got != "fine" {
				t.Errorf("the next call = %q", got)
			}
			if s := f.state("s"); s.Restarts != 0 {
				t.Errorf("it connected anew %d times", s.Restarts)
			}
		})
	}
}

// TestHTTPResults is TestStdioResults over HTTP, for plain answers and streams.
func TestHTTPResults(t *testing.T) {
	for _, stream := range []bool{false, true} {
		t.Run(fmt.Sprint("stream ", stream), func(t *testing.T) {
			var says atomic.Pointer[string]
			srv := answering(t, true, func(w http.ResponseWriter, _ *http.Request, m mcptest.Message) {
				message := fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,%s}`, m.ID, *says.Load())
				if stream {
					w.Header().Set("Content-Type", "text/event-stream")
					message = "data: " + message + "\n\n"
				}
				io.WriteString(w, message)
			})
			f := start(t, Options{}, urlSpec(srv.URL))
			f.await("s", catalog.Ready)
			for _, tt := range unreadable {
				says.Store(&tt.says)
				_, err := f.try(toolCall("echo", `{}`))
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("call answered with %q = %v, want %s", tt.says, err, tt.want)
				}
			}
			fine := `"result":{}`
			says.Store(&fine)
			f.must(toolCall("echo", `{}`))
			if s := f.state("s"); s.Restarts != 0 {
				t.Errorf("it connected anew %d times", s.Restarts)
			}
		})
	}
}

// TestHTTPNoServer has URLs behind which no MCP server is: the reason tells what
// they answer, and at once.
func TestHTTPNoServer(t *testing.T) {
	elsewhere := listen(t, http.NotFoundHandler()).URL
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "30")
			if r.Method == http.MethodGet {
				w.WriteHeader(http.StatusMethodNotAllowed)
			} else {
				w.WriteHeader(code)
			}
		}
	}
	page := func(code int, contentType string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", contentType)
			if r.Method == http.MethodPost {
				w.WriteHeader(code)
			}
			io.WriteString(w, "ok")
		}
	}
	moved := func(to string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				http.Redirect(w, r, to, http.StatusFound)
				return
			}
			w.WriteHeader(http.StatusMethodNotAllowed)
		}
	}
	tests := []struct {
		name    string
		handler http.HandlerFunc
		want    string
	}{
		{"too many requests", status(429), "neither Streamable HTTP (the server answered 429 Too Many Requests, Retry-After: 30) nor HTTP+SSE (the server answered 405 Method Not Allowed, Retry-After: 30) works at this URL"},
		{"not found", http.NotFound, "neither Streamable HTTP (the server answered 404 Not Found) nor HTTP+SSE (the server answered 404 Not Found)"},
		{"moved elsewhere", moved(elsewhere), "redirected to another origin, " + elsewhere},
		{"moved", moved("/mcp/"), "redirected by 302 Found, which loses the message"},
		{"a page", page(200, "text/html"), "text/html"},
		{"text", page(200, "text/plain"), "text/plain"},
		{"a page for GET alone", page(405, "text/html"), `(the server answered with "text/html" and not with a stream of events)`},
		{"a stream that ends", page(405, "text/event-stream"), "the server ended the stream"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			spec := urlSpec(listen(t, tt.handler).URL)
			spec.StartTimeout = time.Minute
			f := start(t, Options{}, spec)
			if s := f.await("s", catalog.Down); !strings.Contains(s.LastError, tt.want) {
				t.Errorf("last error = %q, want %q", s.LastError, tt.want)
			}
		})
	}
}

// TestTooManyTools has a server list more than is taken: that will not change
// soon, and filters do not help.
func TestTooManyTools(t *testing.T) {
	list := `{"tools":[` + strings.Repeat(`{"name":"x"},`, maxTools) + `{"name":"x"}]}`
	inner := answering(t, true, nil)
	srv := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Mcp-Method") != "tools/list" {
			inner.Config.Handler.ServeHTTP(w, r)
			return
		}
		var m mcptest.Message
		_ = json.NewDecoder(r.Body).Decode(&m)
		w.Header().Set("Content-Type", "application/json")
		respond(w, m, list)
	}))
	f := start(t, Options{}, urlSpec(srv.URL))
	if s := f.await("s", catalog.Down); !strings.Contains(s.LastError, "list tools: more than 5000 tools") || !strings.Contains(s.LastError, "split the server") {
		t.Errorf("last error = %q", s.LastError)
	}
	f.awaitThat("it is tried again late", func() bool { return f.log.count("retry_in="+maxDelay.String()) > 0 })
}

// TestHTTPRequest looks at what a server is sent.
func TestHTTPRequest(t *testing.T) {
	for _, modern := range []bool{true, false} {
		t.Run(fmt.Sprint("modern ", modern), func(t *testing.T) {
			var header http.Header
			var params string
			srv := answering(t, modern, func(w http.ResponseWriter, r *http.Request, m mcptest.Message) {
				header, params = r.Header, string(m.Params)
				respond(w, m, `{}`)
			})
			spec := urlSpec(srv.URL)
			spec.Headers = []string{"Authorization=Bearer a=b", "X-Key=k"}
			f := start(t, Options{Version: "9"}, spec)
			f.await("s", catalog.Ready)
			l := f.lastListing("s")
			if held := l.Held["wrong"]; modern != (held != "") {
				t.Errorf("held = %q", l.Held)
			}
			call := toolCall("echo", `{"where":"Wien"}`)
			call.Meta = json.RawMessage(`{"traceparent":"t","io.modelcontextprotocol/clientInfo":{"name":"canary"},"io.modelcontextprotocol\/x":"canary","progressToken":"canary"}`)
			call.Caller = &asker{can: map[string]bool{"roots": true}, quiet: true, level: "notice"}
			call.Retry = &catalog.Answers{Responses: json.RawMessage(`{"q": {"action":"accept"}}`), State: "st\"ate"}
			f.must(call)
			want := `{"name":"echo","arguments":{"where":"Wien"},"_meta":{"traceparent":"t"`
			if modern {
				want += `,"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"toolrouter","version":"9"},"io.modelcontextprotocol/clientCapabilities":{"roots":{}},"io.modelcontextprotocol/logLevel":"notice"`
			}
			want += `},"inputResponses":{"q":{"action":"accept"}},"requestState":"st\"ate"}`
			if params != want {
				t.Errorf("params:\n%s\nwant:\n%s", params, want)
			}
			wantHeader := map[string]string{"Authorization": "Bearer a=b", "X-Key": "k", "Mcp-Method": "", "Mcp-Name": "", "Mcp-Param-Where": "", "Mcp-Session-Id": "x", "Mcp-Protocol-Version": "2025-06-18"}
			if modern {
				wantHeader = map[string]string{"Authorization": "Bearer a=b", "Mcp-Method": "tools/call", "Mcp-Name": "echo", "Mcp-Param-Where": "Wien", "Mcp-Session-Id": "", "Mcp-Protocol-Version": "2026-07-28"}
			}
			for name, want := range wantHeader {
				if got := header.Get(name); got != want {
					t.Errorf("header %s = %q, want %q", name, got, want)
				}
			}
		})
	}
}

// TestHTTPConnectionIsUsedAgain counts the connections of many calls, whether or
// not the server says how long its answers are.
func TestHTTPConnectionIsUsedAgain(t *testing.T) {
	for _, modern := range []bool{true, false} {
		for _, chunked := range []bool{true, false} {
			t.Run(fmt.Sprintf("modern %v, chunked %v", modern, chunked), func(t *testing.T) {
				var from sync.Map
				srv := answering(t, modern, func(w http.ResponseWriter, r *http.Request, m mcptest.Message) {
					from.Store(r.RemoteAddr, true)
					w.Header().Set("Content-Type", "application/json; charset=utf-8")
					fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,`, m.ID)
					if chunked {
						w.(http.Flusher).Flush()
					}
					fmt.Fprint(w, `"result":{"content":[{"type":"text","text":"x"}]}}`)
				})
				f := start(t, Options{}, urlSpec(srv.URL))
				f.await("s", catalog.Ready)
				for range 10 {
					f.must(toolCall("echo", `{}`))
				}
				n := 0
				from.Range(func(any, any) bool { n++; return true })
				if n > 2 { // the handshake's may be the first
					t.Errorf("10 calls came over %d connections", n)
				}
			})
		}
	}
}

// TestHTTPStopHangs has a server that does not let go of its session.
func TestHTTPStopHangs(t *testing.T) {
	inner := answering(t, false, nil)
	release := make(chan struct{})
	srv := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			<-release
		}
		inner.Config.Handler.ServeHTTP(w, r)
	}))
	defer close(release)
	f := start(t, Options{}, urlSpec(srv.URL))
	f.await("s", catalog.Ready)
	began := time.Now()
	f.stop()
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("stopping took %v", took)
	}
}

func TestHTTPSignIn(t *testing.T) {
	for _, code := range []int{401, 403} {
		for _, kind := range []string{"", "sse"} {
			t.Run(fmt.Sprint(code, kind), func(t *testing.T) {
				srv := listen(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
					w.WriteHeader(code)
				}))
				spec := urlSpec(srv.URL)
				spec.Transport = kind
				f := start(t, Options{}, spec)
				s := f.await("s", catalog.NeedsSignIn)
				if !strings.Contains(s.LastError, "invalid_token") || !strings.Contains(s.LastError, fmt.Sprint(code)) {
					t.Errorf("last error = %q", s.LastError)
				}
				_, err := f.try(toolCall("echo", `{}`))
				var un *catalog.Unavailable
				if !errors.As(err, &un) || un.State != catalog.NeedsSignIn {
					t.Errorf("call = %v", err)
				}
			})
		}
	}
	t.Run("during a call", func(t *testing.T) {
		srv := answering(t, true, func(w http.ResponseWriter, _ *http.Request, _ mcptest.Message) {
			http.Error(w, "token has expired", http.StatusUnauthorized)
		})
		f := start(t, Options{}, urlSpec(srv.URL))
		f.await("s", catalog.Ready)
		_, err := f.try(toolCall("echo", `{}`))
		var un *catalog.Unavailable
		if !errors.As(err, &un) || un.State != catalog.NeedsSignIn || !strings.Contains(err.Error(), "token has expired") {
			t.Errorf("call = %v", err)
		}
	})
}

func TestHTTPRedirect(t *testing.T) {
	var leaked atomic.Int32
	thief := listen(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { leaked.Add(1) }))
	srv := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, thief.URL, http.StatusTemporaryRedirect)
	}))
	f := start(t, Options{}, urlSpec(srv.URL))
	s := f.await("s", catalog.Down)
	if leaked.Load() != 0 || !strings.Contains(s.LastError, "another origin") {
		t.Errorf("%d requests followed; last error = %q", leaked.Load(), s.LastError)
	}
}

// TestHTTPCancel looks how a server learns that nobody waits any more.
func TestHTTPCancel(t *testing.T) {
	for _, modern := range []bool{true, false} {
		t.Run(fmt.Sprint("modern ", modern), func(t *testing.T) {
			asked, closed, cancelled := make(chan string, 1), make(chan struct{}), make(chan string, 1)
			inner := answering(t, modern, func(_ http.ResponseWriter, r *http.Request, m mcptest.Message) {
				asked <- string(m.ID)
				<-r.Context().Done()
				close(closed)
			})
			srv := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if bytes.Contains(body, []byte(`"notifications/cancelled"`)) {
					cancelled <- string(body)
				}
				r.Body = io.NopCloser(bytes.NewReader(body))
				inner.Config.Handler.ServeHTTP(w, r)
			}))
			f := start(t, Options{}, urlSpec(srv.URL))
			f.await("s", catalog.Ready)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			result := make(chan error, 1)
			go func() { // ends with the call
				_, err := f.Call(ctx, toolCall("echo", `{}`))
				result <- err
			}()
			id := receive(t, asked)
			cancel()
			if err := receive(t, result); !errors.Is(err, context.Canceled) {
				t.Errorf("call = %v", err)
			}
			receive(t, closed)
			if !modern {
				if got := receive(t, cancelled); !strings.Contains(got, `"requestId":`+id) {
					t.Errorf("notification: %q for request %s", got, id)
				}
			}
			f.stop() // what was on its way has arrived
			if len(cancelled) > 0 {
				t.Errorf("needless notification: %q", <-cancelled)
			}
		})
	}
}

// receive waits for what another goroutine sends, generously.
func receive[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(20 * time.Second):
		t.Fatal("nothing came")
	}
	return v
}

func TestLimitedBody(t *testing.T) {
	event := strings.Repeat("x", 60)
	tests := []struct {
		name string
		text string
		ok   bool
	}{
		{"one event", "data: " + event + "\n\n", true},
		{"many events", strings.Repeat("data: "+event+"\n\n", 50), true},
		{"many events with CRLF", strings.Repeat("data: "+event+"\r\n\r\n", 50), true},
		{"one event of many lines", strings.Repeat("data: "+event+"\n", 50), false},
		{"one long line", "data: " + strings.Repeat(event, 5), false},
		{"a long line after events", strings.Repeat("data: "+event+"\n\n", 50) + strings.Repeat(event, 5), false},
	}
	for _, tt := range tests {
		for _, chunk := range []int{1, 2, 7, 1000} {
			b := &limitedBody{ReadCloser: io.NopCloser(strings.NewReader(tt.text)), max: 200, events: true}
			_, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{b}, make([]byte, chunk))
			if ok := err == nil; ok != tt.ok {
				t.Errorf("%s, %d bytes at a time: %v", tt.name, chunk, err)
			}
		}
	}
}
