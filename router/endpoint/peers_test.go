package endpoint

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// sdkClient is the official SDK's client with everything a client can have.
func sdkClient(t *testing.T, tr sdk.Transport, version string, on sdk.ClientOptions) *sdk.ClientSession {
	t.Helper()
	_, s := sdkPeer(t, tr, version, on)
	return s
}

// sdkPeer is sdkClient for a test that changes the client later.
func sdkPeer(t *testing.T, tr sdk.Transport, version string, on sdk.ClientOptions) (*sdk.Client, *sdk.ClientSession) {
	t.Helper()
	on.CreateMessageHandler = func(context.Context, *sdk.CreateMessageRequest) (*sdk.CreateMessageResult, error) {
		return &sdk.CreateMessageResult{Content: &sdk.TextContent{Text: "sampled"}, Model: "m", Role: "assistant"}, nil
	}
	on.ElicitationHandler = func(context.Context, *sdk.ElicitRequest) (*sdk.ElicitResult, error) {
		return &sdk.ElicitResult{Action: "accept", Content: map[string]any{"ok": true}}, nil
	}
	c := sdk.NewClient(&sdk.Implementation{Name: "peer", Version: "1"}, &on)
	c.AddRoots(&sdk.Root{URI: "file:///work", Name: "work"})
	s, err := c.Connect(t.Context(), tr, &sdk.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.InitializeResult().ProtocolVersion; got != version {
		t.Fatalf("negotiated %s, want %s", got, version)
	}
	t.Cleanup(func() { s.Close() })
	return c, s
}

func sdkCall(t *testing.T, s *sdk.ClientSession, tool string, args map[string]any, token any) string {
	t.Helper()
	params := &sdk.CallToolParams{Name: toolCall, Arguments: map[string]any{"name": "demo__" + tool, "arguments": args}}
	if token != nil {
		params.SetProgressToken(token)
	}
	res, err := s.CallTool(t.Context(), params)
	if err != nil {
		t.Fatalf("call %s: %v", tool, err)
	}
	if len(res.Content) != 1 {
		t.Fatalf("call %s: %d content items", tool, len(res.Content))
	}
	return res.Content[0].(*sdk.TextContent).Text
}

// sdkTransports are the ways in which the official SDK's client reaches us.
func sdkTransports(t *testing.T, f *fixture) map[string]func() sdk.Transport {
	return map[string]func() sdk.Transport{
		"http": func() sdk.Transport { return &sdk.StreamableClientTransport{Endpoint: f.url("/mcp")} },
		"sse":  func() sdk.Transport { return &sdk.SSEClientTransport{Endpoint: f.url("/sse")} },
		"stdio": func() sdk.Transport {
			r, w := f.stdio(t)
			return &sdk.IOTransport{Reader: r, Writer: w}
		},
	}
}

// stdio serves one stdio client and gives its ends.
func (f *fixture) stdio(t testing.TB) (io.ReadCloser, io.WriteCloser) { return piping(t, f.ServeStdio) }

// piping lets serve talk to a client by pipes and gives the client's ends.
func piping(t testing.TB, serve func(ctx context.Context, in io.Reader, out io.Writer) error) (io.ReadCloser, io.WriteCloser) {
	up, down := newPipe(), newPipe()
	stop := background(t, func(ctx context.Context) error {
		defer down.w.Close()
		return serve(ctx, up.r, down.w)
	})
	t.Cleanup(func() {
		up.w.Close()
		_ = stop()
	})
	return down.r, up.w
}

func TestOfficialClient(t *testing.T) {
	f := start(t, Options{Version: "1"})
	eachPeer(t, f, func(t *testing.T, connect func() sdk.Transport, version string) {
		var mu sync.Mutex
		var progress []float64
		changed := make(chan struct{}, 8)
		s := sdkClient(t, connect(), version, sdk.ClientOptions{
			ProgressNotificationHandler: func(_ context.Context, r *sdk.ProgressNotificationClientRequest) {
				mu.Lock()
				defer mu.Unlock()
				progress = append(progress, r.Params.Progress)
			},
			ToolListChangedHandler: func(context.Context, *sdk.ToolListChangedRequest) { changed <- struct{}{} },
		})
		list, err := s.ListTools(t.Context(), nil)
		if err != nil || len(list.Tools) != 2 {
			t.Fatalf("ListTools = %v, %v", list, err)
		}
		if got := sdkCall(t, s, "notify", map[string]any{"count": 20}, "tok"); got != "notified" {
			t.Errorf("notify = %q", got)
		}
		waitFor(t, "20 notifications", func() bool { mu.Lock(); defer mu.Unlock(); return len(progress) == 20 })
		for tool, want := range map[string]string{"elicit": `"action":"accept"`, "sample": "sampled", "roots": "file:///work"} {
			if got := sdkCall(t, s, tool, nil, nil); !strings.Contains(got, want) {
				t.Errorf("%s = %q, want %q in it", tool, got, want)
			}
		}
		if got := sdkCall(t, s, "ask_all", nil, nil); strings.Contains(got, "error") || strings.Count(got, ";") != 2 {
			t.Errorf("ask_all = %q", got)
		}
		f.router.Publish(view(t, "other", "Other things."))
		select {
		case <-changed:
		case <-time.After(5 * time.Second):
			t.Error("no tools/list_changed")
		}
		f.router.Publish(view(t, "demo", "Does things."))
	})
}

// eachPeer runs a test over every transport in both eras.
func eachPeer(t *testing.T, f *fixture, test func(t *testing.T, connect func() sdk.Transport, version string)) {
	for name, connect := range sdkTransports(t, f) {
		for _, version := range []string{"2025-11-25", "2026-07-28"} {
			t.Run(name+"/"+version, func(t *testing.T) { test(t, connect, version) })
		}
	}
}

func TestOfficialClientCancels(t *testing.T) {
	f := start(t, Options{})
	eachPeer(t, f, func(t *testing.T, connect func() sdk.Transport, version string) {
		s := sdkClient(t, connect(), version, sdk.ClientOptions{})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-f.backend.calls
			cancel()
		}()
		_, err := s.CallTool(ctx, &sdk.CallToolParams{Name: toolCall, Arguments: map[string]any{"name": "demo__hold"}})
		if err == nil {
			t.Error("a cancelled call has a result")
		}
		select {
		case <-f.backend.cancelled:
		case <-time.After(5 * time.Second):
			t.Error("the backend was not cancelled")
		}
	})
}

// goClient is mcp-go's client in one of the eras.
func goClient(t *testing.T, f *fixture, modern bool) *client.Client {
	t.Helper()
	tr, err := transport.NewStreamableHTTP(f.url("/mcp"))
	if err != nil {
		t.Fatal(err)
	}
	all := answerer{}
	options := []client.ClientOption{client.WithSamplingHandler(all), client.WithElicitationHandler(all), client.WithRootsHandler(all)}
	if !modern {
		options = append(options, client.WithLegacyProtocolOnly())
	}
	c := client.NewClient(tr, options...)
	t.Cleanup(func() { c.Close() })
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Initialize(t.Context(), mcp.InitializeRequest{}); err != nil {
		t.Fatal(err)
	}
	return c
}

type answerer struct{}

func (answerer) CreateMessage(context.Context, mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) {
	return &mcp.CreateMessageResult{SamplingMessage: mcp.SamplingMessage{Role: mcp.RoleAssistant, Content: mcp.NewTextContent("sampled")}, Model: "m"}, nil
}

func (answerer) Elicit(context.Context, mcp.ElicitationRequest) (*mcp.ElicitationResult, error) {
	return &mcp.ElicitationResult{ElicitationResponse: mcp.ElicitationResponse{Action: mcp.ElicitationResponseActionAccept, Content: map[string]any{"ok": true}}}, nil
}

func (answerer) ListRoots(context.Context, mcp.ListRootsRequest) (*mcp.ListRootsResult, error) {
	return &mcp.ListRootsResult{Roots: []mcp.Root{{URI: "file:///work"}}}, nil
}

func TestGoClientInBothEras(t *testing.T) {
	f := start(t, Options{Version: "1"})
	for _, era := range []struct {
		name, version string
		modern        bool
	}{{"legacy", "2025-11-25", false}, {"modern", "2026-07-28", true}} {
		t.Run(era.name, func(t *testing.T) {
			c := goClient(t, f, era.modern)
			var mu sync.Mutex
			n := 0
			c.OnNotification(func(mcp.JSONRPCNotification) { mu.Lock(); defer mu.Unlock(); n++ })
			req := mcp.CallToolRequest{}
			req.Params.Name = toolCall
			req.Params.Arguments = map[string]any{"name": "demo__notify", "arguments": map[string]any{"count": 300}}
			req.Params.Meta = &mcp.Meta{ProgressToken: "p"}
			if _, err := c.CallTool(t.Context(), req); err != nil {
				t.Fatal(err)
			}
			waitFor(t, "300 notifications", func() bool { mu.Lock(); defer mu.Unlock(); return n >= 300 })
			for tool, want := range map[string]string{"elicit": "accept", "sample": "sampled", "roots": "file:///work", "ask_all": "file:///work"} {
				req := mcp.CallToolRequest{}
				req.Params.Name = toolCall
				req.Params.Arguments = map[string]any{"name": "demo__" + tool}
				res, err := c.CallTool(t.Context(), req)
				if err != nil {
					t.Fatalf("%s: %v", tool, err)
				}
				raw, _ := json.Marshal(res.Content)
				if !strings.Contains(string(raw), want) || strings.Contains(string(raw), "error") {
					t.Errorf("%s = %s, want %q in it", tool, raw, want)
				}
			}
		})
	}
}

func TestModernListenHearsChanges(t *testing.T) {
	f := start(t, Options{})
	c := goClient(t, f, true)
	heard := make(chan string, 8)
	c.OnNotification(func(n mcp.JSONRPCNotification) { heard <- n.Method })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var listening sync.WaitGroup
	defer listening.Wait()
	defer cancel()
	listening.Go(func() { _ = c.Listen(ctx, mcp.SubscriptionFilter{ToolsListChanged: true}) })
	waitFor(t, "the acknowledgement", func() bool { return len(heard) > 0 })
	f.router.Publish(view(t, "other", "Other things."))
	for {
		select {
		case m := <-heard:
			if m == mcp.MethodNotificationToolsListChanged {
				return
			}
		case <-time.After(5 * time.Second):
			t.Fatal("no tools/list_changed on the subscription")
		}
	}
}

// TestClientsAreToldApart has clients call who have roots of their own: a backend
// knows each by its calls, until the client says that its roots changed.
func TestClientsAreToldApart(t *testing.T) {
	f := start(t, Options{})
	kinds := sdkTransports(t, f)
	kinds["bridge"] = func() sdk.Transport {
		r, w := piping(t, func(ctx context.Context, in io.Reader, out io.Writer) error {
			return NewBridge(in, out).Host(ctx, f.Endpoint)
		})
		return &sdk.IOTransport{Reader: r, Writer: w}
	}
	whose := func(t *testing.T, s *sdk.ClientSession) any {
		t.Helper()
		sdkCall(t, s, "echo", nil, nil)
		return (<-f.backend.calls).Caller.Client()
	}
	for kind, connect := range kinds {
		t.Run(kind, func(t *testing.T) {
			mover, one := sdkPeer(t, connect(), "2025-11-25", sdk.ClientOptions{})
			_, two := sdkPeer(t, connect(), "2025-11-25", sdk.ClientOptions{})
			a, b := whose(t, one), whose(t, two)
			if a == nil || b == nil || a == b {
				t.Errorf("two clients are %p and %p", a, b)
			}
			if again := whose(t, one); again != a {
				t.Errorf("one client is %p, then %p", a, again)
			}
			mover.AddRoots(&sdk.Root{URI: "file:///more"})
			waitFor(t, "another identity", func() bool { return whose(t, one) != a })
			if again := whose(t, two); again != b {
				t.Errorf("the roots of another changed, and the client is %p, then %p", b, again)
			}
			if modern := whose(t, sdkClient(t, connect(), "2026-07-28", sdk.ClientOptions{})); modern != nil {
				t.Errorf("a client that never says that its roots changed is %p", modern)
			}
		})
	}
}
