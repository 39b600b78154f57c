package endpoint

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"toolrouter/internal/catalog"
	"toolrouter/router"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// backend is the far end of a router under test: one server with a few tools
// that do what tests need.
type backend struct {
	calls     chan catalog.Call // what arrived, if anybody looks
	cancelled chan string       // tools whose context ended
	release   chan struct{}     // lets "hold" go
	state     string            // the requestState of "state"
}

func newBackend() *backend {
	return &backend{calls: make(chan catalog.Call, 4096), cancelled: make(chan string, 64<<10), release: make(chan struct{}), state: "backend's"}
}

func (b *backend) Servers() []catalog.Server {
	return []catalog.Server{{Name: "demo", State: catalog.Ready}}
}

func (b *backend) Search(_ context.Context, q catalog.Query) (catalog.Found, error) {
	return catalog.Found{Hits: []catalog.Hit{{ID: catalog.ID{Server: "demo", Tool: "echo"}, Score: 1}}, Total: 1}, nil
}

// rawResult has what a typed result would lose: an unknown field, an unknown
// content type, an integer over 2^53, characters that HTML would escape, and
// line breaks between its tokens.
const rawResult = "{\"content\":[{\"type\":\"hologram\",\"depth\":9007199254740993,\"html\":\"<b>&</b>\"}],\n \"vendor\":{\"n\":1.0},\r\n\"_meta\":{\"big\":9007199254740993}}"

func (b *backend) Call(ctx context.Context, c catalog.Call) (json.RawMessage, error) {
	select {
	case b.calls <- c:
	default:
	}
	switch c.ID.Tool {
	case "raw":
		if c.Caller != nil {
			c.Caller.Notify(methodProgress, json.RawMessage("{\n}")) // heard only by a client that wants it
		}
		return json.RawMessage(rawResult), nil
	case "echo":
		return text(string(c.Arguments)), nil
	case "notify":
		return b.notify(c)
	case "hold":
		return b.hold(ctx, c)
	case "panic":
		if c.Caller != nil {
			c.Caller.Notify(methodProgress, json.RawMessage(`{"progress":1}`))
		}
		panic("a bug")
	case "big":
		return text(strings.Repeat("x", 8<<20)), nil
	}
	return b.ask(ctx, c)
}

func text(s string) json.RawMessage {
	quoted, _ := json.Marshal(s)
	return json.RawMessage(`{"content":[{"type":"text","text":` + string(quoted) + `}]}`)
}

func (b *backend) notify(c catalog.Call) (json.RawMessage, error) {
	var args struct{ Count int }
	if err := json.Unmarshal(c.Arguments, &args); err != nil {
		return nil, err
	}
	for i := range args.Count {
		c.Caller.Notify(methodProgress, json.RawMessage(fmt.Sprintf(`{"progress":%d,"total":%d}`, i+1, args.Count)))
	}
	for _, level := range []string{"debug", "info", "error"} {
		c.Caller.Notify(methodMessage, json.RawMessage(`{"level":"`+level+`","data":"`+level+`"}`))
	}
	return text("notified"), nil
}

func (b *backend) hold(ctx context.Context, c catalog.Call) (json.RawMessage, error) {
	if c.Caller != nil {
		c.Caller.Notify(methodProgress, json.RawMessage(`{"progress":1}`))
	}
	select {
	case <-ctx.Done():
		b.cancelled <- c.ID.Tool
		return nil, ctx.Err()
	case <-b.release:
		return text("released"), nil
	}
}

var questions = map[string][2]string{
	"elicit": {"elicitation/create", `{"message":"sure?","requestedSchema":{"type":"object","properties":{"ok":{"type":"boolean"}}}}`},
	"sample": {"sampling/createMessage", `{"messages":[{"role":"user","content":{"type":"text","text":"hi"}}],"maxTokens":5}`},
	"roots":  {"roots/list", ""},
}

// ask asks the client what the tool is named for, "ask_all" everything at once.
func (b *backend) ask(ctx context.Context, c catalog.Call) (json.RawMessage, error) {
	if c.Retry != nil {
		return text("answers " + string(c.Retry.Responses) + " state " + c.Retry.State), nil
	}
	if c.ID.Tool == "state" {
		return json.RawMessage(`{"resultType":"input_required","inputRequests":{"a":{"method":"roots/list"}},"requestState":"` + b.state + `"}`), nil
	}
	var names []string
	for name := range questions {
		if c.ID.Tool == name || c.ID.Tool == "ask_all" {
			names = append(names, name)
		}
	}
	answers := make(chan string, len(names))
	for _, name := range names {
		go func() {
			q := questions[name]
			var params json.RawMessage
			if q[1] != "" {
				params = json.RawMessage(q[1])
			}
			got, err := c.Caller.Ask(ctx, q[0], params)
			if err != nil {
				got = json.RawMessage("error: " + err.Error())
			}
			answers <- name + "=" + string(got)
		}()
	}
	var all []string
	for range names {
		all = append(all, <-answers)
	}
	if ctx.Err() != nil {
		b.cancelled <- c.ID.Tool
	}
	return text(strings.Join(all, "; ")), nil
}

var toolNames = []string{"raw", "echo", "notify", "hold", "panic", "big", "elicit", "sample", "roots", "ask_all", "state"}

func view(t testing.TB, server, description string) *router.View {
	t.Helper()
	var tools []*catalog.Tool
	for _, name := range toolNames {
		tool, err := catalog.NewTool(server, json.RawMessage(`{"name":"`+name+`","description":"`+description+`","inputSchema":{"type":"object"}}`))
		if err != nil {
			t.Fatal(err)
		}
		tools = append(tools, tool)
	}
	return &router.View{Snapshot: catalog.NewSnapshot(tools)}
}

// fixture is an Endpoint on a loopback listener, with a real router behind it.
type fixture struct {
	*Endpoint
	router  *router.Router
	backend *backend
	addr    string
	stop    func() error // ends serving and gives its error
}

func start(t testing.TB, o Options) *fixture {
	t.Helper()
	f := build(t, o)
	serveOn(t, f)
	return f
}

func serveOn(t testing.TB, f *fixture) {
	t.Helper()
	ln := listenLoopback(t)
	f.addr = ln.Addr().String()
	f.stop = background(t, func(ctx context.Context) error { return f.Serve(ctx, ln) })
}

func listenLoopback(t testing.TB) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

func build(t testing.TB, o Options) *fixture {
	t.Helper()
	b := newBackend()
	r := router.New(b, b, router.Options{})
	r.Publish(view(t, "demo", "Does things."))
	if o.DrainTimeout == 0 {
		o.DrainTimeout = time.Second
	}
	return &fixture{Endpoint: New(r, o), router: r, backend: b}
}

// background runs f until the test ends or stop is called.
func background(t testing.TB, f func(context.Context) error) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	stopped := false
	stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(time.Minute):
			t.Error("serving did not end")
			return nil
		}
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("serve: %v", err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return stop
}

func (f *fixture) url(path string) string { return "http://" + f.addr + path }

// send makes one HTTP request; headers come in pairs.
func (f *fixture) send(t testing.TB, method, path, body string, headers ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, f.url(path), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	for i := 0; i < len(headers); i += 2 {
		switch {
		case headers[i] == "Host":
			req.Host = headers[i+1]
		case headers[i+1] == "":
			req.Header.Del(headers[i])
		default:
			req.Header.Add(headers[i], headers[i+1])
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

func (f *fixture) post(t testing.TB, body string, headers ...string) (status int, answer string) {
	t.Helper()
	resp := f.send(t, http.MethodPost, "/mcp", body, headers...)
	return resp.StatusCode, readString(t, resp.Body)
}

func readString(t testing.TB, r io.Reader) string {
	t.Helper()
	raw, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// legacySession begins a session of revision 2025-11-25 and gives its id.
func (f *fixture) legacySession(t testing.TB, capabilities string) string {
	t.Helper()
	return f.sessionOf(t, "2025-11-25", capabilities)
}

func (f *fixture) sessionOf(t testing.TB, revision, capabilities string) string {
	t.Helper()
	resp := f.send(t, http.MethodPost, "/mcp", `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"`+revision+
		`","capabilities":`+capabilities+`,"clientInfo":{"name":"test","version":"1"}}}`)
	id, got := resp.Header.Get(headerSession), readString(t, resp.Body)
	if id == "" || !strings.Contains(got, revision) {
		t.Fatalf("initialize: status %d, session %q: %s", resp.StatusCode, id, got)
	}
	status, _ := f.post(t, `{"jsonrpc":"2.0","method":"notifications/initialized"}`, headerSession, id)
	if status != http.StatusAccepted {
		t.Fatalf("initialized: status %d", status)
	}
	return id
}

// callBody is a tools/call of one of the backend's tools.
func callBody(id, tool, arguments, extra string) string {
	return `{"jsonrpc":"2.0","id":` + id + `,"method":"tools/call","params":{"name":"call_tool","arguments":{"name":"demo__` + tool +
		`","arguments":` + arguments + `}` + extra + `}}`
}

// modernMeta is the _meta of a request of revision 2026-07-28, to follow other params.
func modernMeta(capabilities, extra string) string {
	return `,"_meta":{"` + metaVersion + `":"2026-07-28","` + metaCapabilities + `":` + capabilities + extra + `}`
}

// modernHeaders are the headers of a tools/call of that revision.
func modernHeaders(more ...string) []string {
	return append([]string{headerVersion, "2026-07-28", headerMethod, methodCall, headerName, toolCall}, more...)
}

// events reads the data of a text/event-stream.
func events(raw string) (data []string) {
	for line := range strings.Lines(raw) {
		if d, ok := strings.CutPrefix(line, "data: "); ok {
			data = append(data, strings.TrimRight(d, "\r\n"))
		}
	}
	return data
}

// eventsOf gives the data of events as they arrive, until the stream ends.
func eventsOf(stream io.Reader) iter.Seq[string] {
	return func(yield func(string) bool) {
		for lines := bufio.NewScanner(stream); lines.Scan(); {
			if d, ok := strings.CutPrefix(lines.Text(), "data: "); ok && !yield(d) {
				return
			}
		}
	}
}

// askedID is the id of a question that a message asks.
func askedID(msg string) string {
	_, rest, _ := strings.Cut(msg, `"id":"`)
	id, _, _ := strings.Cut(rest, `"`)
	return id
}

func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func mustJSON(t testing.TB, raw string) map[string]any {
	t.Helper()
	var v map[string]any
	d := json.NewDecoder(bytes.NewReader([]byte(raw)))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("not JSON: %v: %.200s", err, raw)
	}
	return v
}
