package upstream

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"toolrouter/internal/catalog"
	"toolrouter/internal/mcptest"
)

func TestMain(m *testing.M) {
	mcptest.Main()
	for variable, serve := range map[string]func(){rootsServer: serveRoots, sayingServer: serveSaying, echoServer: serveEcho} {
		if os.Getenv(variable) != "" {
			serve()
			return
		}
	}
	goleak.VerifyTestMain(m)
}

// fixture is a running Manager and what it told.
type fixture struct {
	*Manager
	t    *testing.T
	stop func() // ends Run and waits; may be called twice
	log  *logBuffer

	mu       sync.Mutex
	listings []Listing
	states   []catalog.Server
}

// start runs a Manager until the test ends.
func start(t *testing.T, o Options, specs ...Spec) *fixture {
	t.Helper()
	f := &fixture{t: t, log: &logBuffer{}}
	listed, changed := o.Listed, o.Changed
	o.Listed = func(ctx context.Context, l Listing) error {
		f.mu.Lock()
		f.listings = append(f.listings, l)
		f.mu.Unlock()
		if listed != nil {
			return listed(ctx, l)
		}
		return nil
	}
	o.Changed = func(s catalog.Server) {
		f.mu.Lock()
		f.states = append(f.states, s)
		f.mu.Unlock()
		if changed != nil {
			changed(s)
		}
	}
	o.Log = slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	f.Manager = New(o)
	for _, s := range specs {
		if err := s.Validate(); err != nil {
			t.Fatalf("spec %s: %v", s.Name, err)
		}
	}
	f.Apply(specs)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = f.Run(ctx)
	}()
	f.stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(f.stop)
	return f
}

// logBuffer keeps what is logged. With UPSTREAM_LOG set it is shown, too.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if os.Getenv("UPSTREAM_LOG") != "" {
		_, _ = os.Stderr.Write(p)
	}
	return b.text.Write(p)
}

// count tells how often something was logged.
func (b *logBuffer) count(what string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Count(b.text.Bytes(), []byte(what))
}

// spec is a server of mcptest as a child process.
func spec(kind string, args ...string) Spec {
	return Spec{
		Name: "s", Command: mcptest.Command(), Env: []string{mcptest.Env(kind, args...)},
		Timeout: 20 * time.Second, StartTimeout: 10 * time.Second,
	}
}

// await waits until a server is in a state.
func (f *fixture) await(name string, want catalog.State) catalog.Server {
	f.t.Helper()
	var last catalog.Server
	ok := eventually(20*time.Second, func() bool {
		last = f.state(name)
		return last.State == want
	})
	if !ok {
		f.t.Fatalf("server %s is %+v, want state %s", name, last, want)
	}
	return last
}

func (f *fixture) state(name string) catalog.Server {
	for _, s := range f.Servers() {
		if s.Name == name {
			return s
		}
	}
	return catalog.Server{}
}

// backend gives the backend behind a server.
func (f *fixture) backend(name string) *backend { return (*f.backends.Load())[name] }

// awaitCalls waits until so many calls are under way.
func (f *fixture) awaitCalls(name string, want int) {
	f.t.Helper()
	f.awaitThat(fmt.Sprintf("%d calls are under way", want), func() bool {
		s := f.backend(name).session.Load()
		return s != nil && int(s.flights.nameless.Load())+len(s.flights.some(func(*flight) bool { return true })) == want
	})
}

// awaitThat waits until something is so, generously.
func (f *fixture) awaitThat(what string, ok func() bool) {
	f.t.Helper()
	if !eventually(20*time.Second, ok) {
		f.t.Fatalf("not so: %s", what)
	}
}

// growsUntilTold has a server change its tools until that is noticed: nothing
// tells when a server has opened the stream on which it says so.
func (f *fixture) growsUntilTold() {
	f.t.Helper()
	n := 0
	f.awaitThat("a change of the tools is noticed", func() bool {
		if n++; n%20 == 1 {
			f.must(toolCall("grow", fmt.Sprintf(`{"name":"new_%d"}`, n)))
		}
		return strings.Contains(names(f.lastListing("s")), "new_")
	})
}

// lastListing gives the newest listing of a server.
func (f *fixture) lastListing(name string) (last Listing) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.listings {
		if l.Server.Name == name {
			last = l
		}
	}
	return last
}

func eventually(limit time.Duration, ok func() bool) bool {
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return true
		}
	}
	return ok()
}

// toolCall makes a call of a tool on server s.
func toolCall(tool, args string) catalog.Call {
	return catalog.Call{ID: catalog.ID{Server: "s", Tool: tool}, Arguments: json.RawMessage(args)}
}

// callFor is toolCall for a client.
func callFor(caller catalog.Caller, tool, args string) catalog.Call {
	call := toolCall(tool, args)
	call.Caller = caller
	return call
}

// try makes a call and gives the text of its result.
func (f *fixture) try(call catalog.Call) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	raw, err := f.Call(ctx, call)
	if err != nil {
		return "", err
	}
	return resultText(raw), nil
}

// must makes a call that succeeds. It may be used in any goroutine.
func (f *fixture) must(call catalog.Call) string {
	f.t.Helper()
	text, err := f.try(call)
	if err != nil {
		f.t.Errorf("call %s: %v", call.ID, err)
	}
	return text
}

func resultText(raw json.RawMessage) string {
	var r struct {
		Content []struct {
			Text string `json:"text"`
		} `json:"content"`
	}
	if json.Unmarshal(raw, &r) != nil || len(r.Content) == 0 || r.Content[0].Text == "" {
		return string(raw)
	}
	return r.Content[0].Text
}

// sayingServer makes the test binary a server that answers a call with the
// members of a message, any bytes, which are in the call's argument "say".
const sayingServer = "UPSTREAM_SAYING_SERVER"

func sayingSpec() Spec {
	return Spec{Name: "s", Command: mcptest.Command(), Env: []string{sayingServer + "=1"}}
}

// sayingCall makes a call that is answered with members of a message; ID among them
// stands for the call's.
func sayingCall(members string) catalog.Call {
	return toolCall("say", fmt.Sprintf(`{"say":%q}`, base64.StdEncoding.EncodeToString([]byte(members))))
}

func serveSaying() {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var m struct {
			ID     json.RawMessage
			Method string
			Params struct {
				Arguments struct{ Say []byte }
			}
		}
		if json.Unmarshal(in.Bytes(), &m) != nil || m.ID == nil {
			continue
		}
		members := `"id":ID,"error":{"code":-32601,"message":"Method not found"}`
		switch m.Method {
		case "initialize":
			members = `"id":ID,"result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"n","version":"v"}}`
		case "tools/list":
			members = `"id":ID,"result":{"tools":[{"name":"say","inputSchema":{"type":"object"}}]}`
		case "tools/call":
			if members = string(m.Params.Arguments.Say); !strings.Contains(members, `"id"`) {
				members = `"id":ID,` + members
			}
		}
		fmt.Printf(`{"jsonrpc":"2.0",%s}`+"\n", strings.ReplaceAll(members, "ID", string(m.ID)))
	}
}

// unreadable are answers that a client could not read, with what is said instead.
var unreadable = []struct{ says, want string }{
	{`"result":null`, "the server's result is no object but null"},
	{`"result":5`, "no object but 5"},
	{`"result":[]`, "no object but []"},
	{`"result":"str"`, `no object but "str"`},
	{`"result":true`, "no object but true"},
	{`"result":{"content":[{"type":"text","text":"gr` + "\xfc" + `n"}]}`, "the server's reply is not UTF-8"},
	{`"error":{"code":-1,"message":"gr` + "\xfc" + `n","data":"` + "\xfc" + `"}`, "gr\ufffdn"},
}

// asker is a client, and notes what it was told.
type asker struct {
	can    map[string]bool
	quiet  bool   // no progress token
	level  string // of log messages
	client any    // whose it is
	heed   func() // is called at each notification
	answer func(ctx context.Context, method string, params json.RawMessage) (json.RawMessage, error)

	mu   sync.Mutex
	told []string // "method params"
}

func (a *asker) Notify(method string, params json.RawMessage) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var b bytes.Buffer
	_ = json.Compact(&b, params)
	a.told = append(a.told, method+" "+b.String())
	if a.heed != nil {
		a.heed()
	}
}

func (a *asker) heard() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.told...)
}

func (a *asker) Client() any                { return a.client }
func (a *asker) LogLevel() string           { return a.level }
func (a *asker) WantsProgress() bool        { return !a.quiet }
func (a *asker) Can(capability string) bool { return a.can[capability] }
func (a *asker) Repeats() bool              { return true }
func (a *asker) Ask(ctx context.Context, method string, params json.RawMessage) (json.RawMessage, error) {
	return a.answer(ctx, method, params)
}

// echoServer makes the test binary be a server that answers with what it was
// sent. It tells its address, and ends with its input.
const echoServer = "UPSTREAM_ECHO"

func serveEcho() {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(body)
	}))
	fmt.Println(s.URL)
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// startEcho starts an echoServer and gives its URL.
func startEcho(b *testing.B) string {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), echoServer+"=1")
	in, inErr := cmd.StdinPipe()
	out, outErr := cmd.StdoutPipe()
	if err := errors.Join(inErr, outErr, cmd.Start()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(url)
}
