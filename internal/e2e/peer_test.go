//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// legacy is the newest protocol revision with sessions; "" offers the newest of all.
const legacy = "2025-11-25"

// peer is a session of the official SDK. It can be asked (sampling, elicitation,
// roots), and it keeps the last result as it came over the wire, since the SDK's
// own types would hide what they do not know.
type peer struct {
	t        *testing.T
	client   *mcp.Client
	session  *mcp.ClientSession
	tap      *tap
	mu       sync.Mutex
	progress []*mcp.ProgressNotificationParams
}

// connect opens a session over a transport, which the tap listens to.
func connect(t *testing.T, transport mcp.Transport, tap *tap, revision string) *peer {
	t.Helper()
	p := &peer{t: t, tap: tap}
	client := mcp.NewClient(&mcp.Implementation{Name: "e2e", Version: "1"}, &mcp.ClientOptions{
		Capabilities: &mcp.ClientCapabilities{
			RootsV2: &mcp.RootCapabilities{ListChanged: true},
			Elicitation: &mcp.ElicitationCapabilities{
				Form: &mcp.FormElicitationCapabilities{}, URL: &mcp.URLElicitationCapabilities{},
			},
		},
		CreateMessageHandler: func(_ context.Context, r *mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) {
			return &mcp.CreateMessageResult{
				Role: "assistant", Model: "e2e-model", StopReason: "endTurn",
				Content: &mcp.TextContent{Text: fmt.Sprintf("sampled %d messages", len(r.Params.Messages))},
			}, nil
		},
		ElicitationHandler: func(_ context.Context, r *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			if r.Params.Mode == "url" {
				return &mcp.ElicitResult{Action: "accept"}, nil
			}
			return &mcp.ElicitResult{Action: "accept", Content: map[string]any{"name": "Ada Lovelace", "check": true, "integer": 7}}, nil
		},
		ProgressNotificationHandler: func(_ context.Context, r *mcp.ProgressNotificationClientRequest) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.progress = append(p.progress, r.Params)
		},
	})
	client.AddRoots(&mcp.Root{URI: "file:///e2e/root", Name: "e2e root"})
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	session, err := client.Connect(ctx, transport, &mcp.ClientSessionOptions{ProtocolVersion: revision})
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	p.client, p.session = client, session
	t.Cleanup(func() { _ = session.Close() })
	return p
}

// overStdio talks to a child process.
func overStdio(t *testing.T, cmd *exec.Cmd, revision string) *peer {
	t.Helper()
	tap := &tap{}
	return connect(t, &tappedTransport{&mcp.CommandTransport{Command: cmd}, tap}, tap, revision)
}

// overHTTP talks to the router's /mcp.
func overHTTP(t *testing.T, r *instance, revision string) *peer {
	t.Helper()
	tap := &tap{}
	return connect(t, &mcp.StreamableClientTransport{
		Endpoint: "http://" + r.addr + "/mcp", HTTPClient: &http.Client{Transport: tap},
	}, tap, revision)
}

// call makes a call and gives the result as it came over the wire.
func (p *peer) call(tool string, arguments any) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(p.t.Context(), 20*time.Second)
	defer cancel()
	if _, err := p.session.CallTool(ctx, &mcp.CallToolParams{Name: tool, Arguments: arguments}); err != nil {
		return nil, err
	}
	return p.tap.result(), nil
}

// steps gives the progress that has arrived so far and forgets it.
func (p *peer) steps() (out []float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.progress {
		out = append(out, s.Progress)
	}
	p.progress = nil
	return out
}

// routed is the peer's call of a backend's tool through call_tool.
func routed(tool string, arguments any) (string, map[string]any) {
	return "call_tool", map[string]any{"name": tool, "arguments": arguments}
}

// tap listens to a session and keeps the last result.
type tap struct {
	mu   sync.Mutex
	last json.RawMessage
}

func (t *tap) result() json.RawMessage {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last
}

func (t *tap) keep(result json.RawMessage) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = result
}

// tappedTransport listens to a transport that frames messages itself.
type tappedTransport struct {
	mcp.Transport
	tap *tap
}

func (t *tappedTransport) Connect(ctx context.Context) (mcp.Connection, error) {
	c, err := t.Transport.Connect(ctx)
	return &tappedConnection{c, t.tap}, err
}

type tappedConnection struct {
	mcp.Connection
	tap *tap
}

func (c *tappedConnection) Read(ctx context.Context) (jsonrpc.Message, error) {
	m, err := c.Connection.Read(ctx)
	if r, ok := m.(*jsonrpc.Response); ok && r.Result != nil {
		c.tap.keep(r.Result)
	}
	return m, err
}

// RoundTrip listens to answers over HTTP, which are a JSON body or a stream of
// events.
func (t *tap) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil || r.Method != http.MethodPost {
		return resp, err
	}
	resp.Body = &tappedBody{ReadCloser: resp.Body, tap: t}
	return resp, nil
}

// tappedBody looks at each line before the SDK gets it.
type tappedBody struct {
	io.ReadCloser
	tap  *tap
	line []byte
}

func (b *tappedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	for _, c := range p[:n] {
		if b.line = append(b.line, c); c == '\n' {
			b.endLine()
		}
	}
	if err != nil {
		b.endLine()
	}
	return n, err
}

func (b *tappedBody) endLine() {
	var reply struct {
		Result json.RawMessage `json:"result"`
	}
	if json.Unmarshal(bytes.TrimPrefix(b.line, []byte("data:")), &reply) == nil && reply.Result != nil {
		b.tap.keep(reply.Result)
	}
	b.line = nil
}
