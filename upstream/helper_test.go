package upstream

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"toolrouter/internal/catalog"
	"toolrouter/internal/mcptest"
)

func TestMain(m *testing.M) {
	mcptest.Main()
	goleak.VerifyTestMain(m)
}

// fixture is a running Manager and what it told.
type fixture struct {
	*Manager
	t    *testing.T
	stop func() // ends Run and waits; may be called twice

	mu       sync.Mutex
	listings []Listing
	states   []catalog.Server
}

// start runs a Manager until the test ends.
func start(t *testing.T, o Options, specs ...Spec) *fixture {
	t.Helper()
	f := &fixture{t: t}
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
	if o.Log == nil && os.Getenv("UPSTREAM_LOG") != "" {
		o.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
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

// spec is a server of mcptest as a child process.
func spec(kind string, args ...string) Spec {
	return Spec{
		Name: "s", Command: mcptest.Command(), Env: []string{mcptest.Env(kind, args...)},
		Timeout: 20 * time.Second, StartTimeout: 10 * time.Second,
	}
}

// server waits until a server is in a state.
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

// try makes a call and gives the text of its result.
func (f *fixture) try(call catalog.Call) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	raw, err := f.Call(ctx, call)
	if err != nil {
		return "", err
	}
	return resultText(raw), nil
}

// must makes a call that succeeds.
func (f *fixture) must(call catalog.Call) string {
	f.t.Helper()
	text, err := f.try(call)
	if err != nil {
		f.t.Fatalf("call %s: %v", call.ID, err)
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

// asker is a client that can do everything, and notes what it was told.
type asker struct {
	can    map[string]bool
	quiet  bool // no progress token
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
}

func (a *asker) heard() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.told...)
}

func (a *asker) LogLevel() string           { return "info" }
func (a *asker) WantsProgress() bool        { return !a.quiet }
func (a *asker) Can(capability string) bool { return a.can[capability] }
func (a *asker) Repeats() bool              { return true }
func (a *asker) Ask(ctx context.Context, method string, params json.RawMessage) (json.RawMessage, error) {
	return a.answer(ctx, method, params)
}
