package endpoint

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"toolrouter/router"
)

// fixed answers at once, so that a benchmark sees the transport alone.
type fixed struct{ result, tools json.RawMessage }

func (fixed) Instructions() string         { return "" }
func (f fixed) ToolsJSON() json.RawMessage { return f.tools }
func (fixed) OverviewChanged(func())       {}

func (f fixed) tool(context.Context, string, input) (json.RawMessage, error) { return f.result, nil }
func (fixed) find(context.Context, json.RawMessage, bool) (router.SearchAnswer, error) {
	return router.SearchAnswer{}, nil
}

// BenchmarkToolsCall compares a small tools/call through this endpoint with the
// same call through mcp-go's own server and a typed handler.
func BenchmarkToolsCall(b *testing.B) {
	payload := string(bytes.Repeat([]byte("x"), 200))
	typed := server.NewMCPServer("bench", "1")
	typed.AddTool(mcp.NewTool(toolCall), func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return mcp.NewToolResultText(payload), nil
	})
	e := newEndpoint(fixed{result: text(payload), tools: json.RawMessage("[]")}, Options{})
	l := newLife(b.Context())
	defer l.kill(nil)
	defer l.stop()
	ours := e.front(newGuard(nil, e.opts).wrap(e.routes(http.NewServeMux())))
	handlers := map[string]http.Handler{
		"mcpgo": server.NewStreamableHTTPServer(typed, server.WithStateLess(true)),
		"ours": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ours.ServeHTTP(w, r.WithContext(withLife(r.Context(), l)))
		}),
	}
	for _, who := range []string{"mcpgo", "ours"} {
		for _, era := range []string{"legacy", "modern"} {
			b.Run(who+"/"+era, func(b *testing.B) { benchmarkPost(b, handlers[who], era) })
		}
	}
}

func benchmarkPost(b *testing.B, h http.Handler, era string) {
	ts := httptest.NewServer(h)
	defer ts.Close()
	body := callBody("1", "echo", `{"path":"a/b"}`, "")
	headers := map[string]string{"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
	if era == "modern" {
		body = callBody("1", "echo", `{"path":"a/b"}`, modernMeta("{}", ""))
		pairs := modernHeaders()
		for i := 0; i < len(pairs); i += 2 {
			headers[pairs[i]] = pairs[i+1]
		}
	}
	client := ts.Client()
	b.ReportAllocs()
	for b.Loop() {
		req, _ := http.NewRequest(http.MethodPost, ts.URL+"/mcp", bytes.NewReader([]byte(body)))
		for k, v := range headers {
			req.Header.Set(k, v)
		}
		resp, err := client.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		n, _ := io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK || n < 200 {
			b.Fatalf("status %d, %d bytes", resp.StatusCode, n)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	body := []byte(callBody("1", "echo", `{"path":"a/b","text":"line\nline"}`, modernMeta("{}", "")))
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parse(body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSplice(b *testing.B) {
	dst := make([]byte, 0, 64<<10)
	big := []byte(`{"content":[{"type":"text","text":"` + string(bytes.Repeat([]byte("words "), 4000)) + `"}],"_meta":{"a":1}}`)
	b.SetBytes(int64(len(big)))
	b.ReportAllocs()
	for b.Loop() {
		dst = appendModern(dst[:0], big)
	}
}
