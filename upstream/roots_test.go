package upstream

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"toolrouter/internal/catalog"
	"toolrouter/internal/mcptest"
)

// rootsServer makes the test binary a server that keeps roots.
const rootsServer = "UPSTREAM_ROOTS_SERVER"

// serveRoots is a server on the official SDK that asks for roots after the
// handshake and whenever it is told that they changed, and keeps what it is told
// as long as it is told any. Its tool tells them.
func serveRoots() {
	var mu sync.Mutex // held until the answer is taken in
	kept := "those it was started with"
	ask := func(ctx context.Context, s *sdk.ServerSession) {
		mu.Lock()
		defer mu.Unlock()
		r, err := s.ListRoots(ctx, nil)
		switch {
		case err != nil:
			fmt.Fprintln(os.Stderr, "roots:", err)
		case len(r.Roots) == 0:
			kept = "none"
		default:
			kept = r.Roots[0].URI
		}
	}
	s := sdk.NewServer(&sdk.Implementation{Name: "roots", Version: "1"}, &sdk.ServerOptions{
		InitializedHandler:      func(ctx context.Context, r *sdk.InitializedRequest) { ask(ctx, r.Session) },
		RootsListChangedHandler: func(ctx context.Context, r *sdk.RootsListChangedRequest) { ask(ctx, r.Session) },
	})
	sdk.AddTool(s, &sdk.Tool{Name: "kept"}, func(context.Context, *sdk.CallToolRequest, struct{}) (*sdk.CallToolResult, any, error) {
		mu.Lock()
		defer mu.Unlock()
		return &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: kept}}}, nil, nil
	})
	if err := s.Run(context.Background(), &sdk.StdioTransport{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

// rootsOfClient is a client with one root.
func rootsOfClient(client, root string) *asker {
	return &asker{client: client, can: map[string]bool{"roots": true}, answer: func(context.Context, string, json.RawMessage) (json.RawMessage, error) {
		return json.RawMessage(`{"roots":[{"uri":"file:///` + root + `"}]}`), nil
	}}
}

// TestRootsFollowTheClient has clients take turns on one process that keeps
// roots: each call is served with its own client's.
func TestRootsFollowTheClient(t *testing.T) {
	spec := Spec{Name: "s", Command: mcptest.Command(), Env: []string{rootsServer + "=1"}, Protocol: "2025-11-25"}
	f := start(t, Options{}, spec)
	f.await("s", catalog.Ready)
	f.awaitThat("it asked after the handshake", f.backend("s").session.Load().roots.asks.Load)
	turns := []struct {
		caller catalog.Caller
		want   string
	}{
		{nil, "those it was started with"},
		{rootsOfClient("a", "a"), "file:///a"},
		{rootsOfClient("b", "b"), "file:///b"},
		{rootsOfClient("a", "a"), "file:///a"},
		{rootsOfClient("a", "kept, and not asked for"), "file:///a"},
		{rootsOfClient("a, with other roots", "c"), "file:///c"},
		{&asker{}, "none"},
		{rootsOfClient("b", "b"), "file:///b"},
		{nil, "none"},
	}
	for i, turn := range turns {
		call := callFor(turn.caller, "kept", `{}`)
		f.awaitThat(fmt.Sprintf("turn %d finds %q", i, turn.want), func() bool { return f.must(call) == turn.want })
	}
}

// TestRootsInTheCall has a server that asks in each call, and keeps nothing: it is
// told once in vain that they changed, and then no more.
func TestRootsInTheCall(t *testing.T) {
	f := start(t, Options{}, legacySpecs(t)["stdio"])
	f.await("s", catalog.Ready)
	asks := &f.backend("s").session.Load().roots.asks
	for i, client := range []string{"a", "b", "a", "c"} {
		if got := f.must(callFor(rootsOfClient(client, client), "roots", `{}`)); got != "1" {
			t.Errorf("client %s has %s roots, want 1", client, got)
		}
		if asks.Load() != (i == 0) {
			t.Errorf("after call %d it passes for one that keeps roots: %v", i, asks.Load())
		}
	}
}
