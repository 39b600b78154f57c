package upstream

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"testing"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"toolrouter/internal/catalog"
	"toolrouter/internal/mcptest"
)

const benchArgs = `{"text":"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"}`

// BenchmarkCall measures a call through the Manager against the same call made
// directly with mcp-go's client and with its bare transport.
func BenchmarkCall(b *testing.B) {
	http := httptest.NewServer(server.NewStreamableHTTPServer(mcptest.NewServer(), server.WithStateful(true)))
	defer http.Close()
	for _, protocol := range []string{"2025-11-25", "2026-07-28"} {
		specs := map[string]Spec{"stdio": spec("good"), "http": urlSpec(http.URL)}
		for name, s := range specs {
			s.Protocol = protocol
			b.Run(name+" "+protocol+" manager", func(b *testing.B) { benchManager(b, s) })
			b.Run(name+" "+protocol+" direct", func(b *testing.B) { benchDirect(b, s) })
		}
	}
}

func benchManager(b *testing.B, s Spec) {
	m := New(Options{})
	m.Apply([]Spec{s})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = m.Run(ctx) }()
	defer func() { cancel(); <-done }()
	call := toolCall("echo", benchArgs)
	if _, err := m.Call(ctx, call); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Call(ctx, call); err != nil {
			b.Fatal(err)
		}
	}
}

// benchDirect uses mcp-go's own transport, raw and without a timeout.
func benchDirect(b *testing.B, s Spec) {
	var t transport.Interface
	if s.stdio() {
		t = transport.NewStdioWithOptions(s.Command[0], s.Env, nil)
	} else {
		h, err := transport.NewStreamableHTTP(s.URL, transport.WithHTTPBasicClient(newHTTPClient(nil, nil)), transport.WithHTTPLogger(quiet))
		if err != nil {
			b.Fatal(err)
		}
		t = h
	}
	ctx := context.Background()
	c := client.NewClient(t, client.WithProtocolVersion(s.Protocol))
	if err := c.Start(ctx); err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Initialize(ctx, mcp.InitializeRequest{}); err != nil {
		b.Fatal(err)
	}
	params, err := newRequestMeta(s.Protocol, "1").callParams(catalog.Call{ID: catalog.ID{Tool: "echo"}, Arguments: json.RawMessage(benchArgs)}, "")
	if err != nil {
		b.Fatal(err)
	}
	r := transport.JSONRPCRequest{JSONRPC: "2.0", Method: "tools/call", Params: params}
	if mcp.IsModernProtocol(s.Protocol) {
		r.Header = map[string][]string{mcp.HeaderMethod: {"tools/call"}, mcp.HeaderName: {"echo"}}
	}
	b.ReportAllocs()
	for i := int64(1000); b.Loop(); i++ {
		r.ID = mcp.NewRequestId(i)
		if resp, err := t.SendRequest(ctx, r); err != nil || resp.Error != nil {
			b.Fatal(err, resp)
		}
	}
}
