//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// roads are the ways into a router.
var roads = []struct {
	name string
	open func(*testing.T, *instance) *peer
}{
	{"http", func(t *testing.T, r *instance) *peer { return overHTTP(t, r, "") }},
	{"http with sessions", func(t *testing.T, r *instance) *peer { return overHTTP(t, r, legacy) }},
	{"stdio", func(t *testing.T, r *instance) *peer { return overStdio(t, r.command("stdio"), "") }},
	{"stdio with sessions", func(t *testing.T, r *instance) *peer { return overStdio(t, r.command("stdio"), legacy) }},
}

// TestEveryTool calls every tool of the real servers directly and through the
// router, by every road into it, and wants the same results.
func TestEveryTool(t *testing.T) {
	for _, road := range roads {
		t.Run(road.name, func(t *testing.T) {
			near, far := t.TempDir(), t.TempDir()
			r := startInstance(t, realServers(t, far)...)
			through := road.open(t, r)
			for _, b := range realServers(t, near) {
				t.Run(b.Name, func(t *testing.T) {
					direct := overStdio(t, b.process(), legacy)
					compareServer(t, b.Name, direct, through, near, far)
				})
			}
		})
	}
}

// compareServer plays one server's steps to both and compares.
func compareServer(t *testing.T, server string, direct, through *peer, near, far string) {
	time.Sleep(500 * time.Millisecond) // everything asks for roots a while after the handshake
	list, err := direct.session.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range list.Tools {
		if !slices.ContainsFunc(steps[server], func(s step) bool { return s.tool == tool.Name }) {
			t.Errorf("%s lists %s, which no step calls", server, tool.Name)
		}
	}
	for _, s := range steps[server] {
		if !slices.ContainsFunc(list.Tools, func(tool *mcp.Tool) bool { return tool.Name == s.tool }) {
			t.Errorf("%s does not list %s to a client that can be asked", server, s.tool)
			continue
		}
		want, wantErr := direct.call(s.tool, s.at(near))
		name, arguments := routed(server+"__"+s.tool, s.at(far))
		got, err := through.call(name, arguments)
		switch {
		case err != nil && wantErr != nil && essence(err) == essence(wantErr): // one that is for the client
		case err != nil:
			t.Errorf("%s(%s): %v", s.tool, s.arguments, err)
		case wantErr != nil: // a protocol error comes back as a tool's
			if text := string(got); !strings.Contains(text, `"isError":true`) || !strings.Contains(text, essence(wantErr)) {
				t.Errorf("%s(%s) = %s, want the error %q", s.tool, s.arguments, got, essence(wantErr))
			}
		default:
			if diff := cmp.Diff(normal(t, want, near), normal(t, got, far)); diff != "" {
				t.Errorf("%s(%s) differs through the router (-direct +routed):\n%s", s.tool, s.arguments, diff)
			}
		}
	}
}

// at puts the folder into a step's arguments.
func (s step) at(dir string) json.RawMessage {
	return json.RawMessage(strings.ReplaceAll(s.arguments, "{dir}", filepath.Join(dir, "files")))
}

// essence is an error's own words, without what the SDK puts in front.
func essence(err error) string {
	text := err.Error()
	return strings.Trim(text[strings.LastIndex(text, ": ")+2:], `"`)
}

// changing is what differs between two calls of one server a moment apart.
var changing = map[string]*regexp.Regexp{
	"<time>": regexp.MustCompile(`\d{1,2}:\d{2}:\d{2}( ?[AP]M)?|\d{4}-\d\d-\d\dT[\d:.]+Z?|[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d \d{4}`),
	"<env>":  regexp.MustCompile(`^\{\s*"[A-Z_]+": "(?s:.*)\}$`),
}

// normal decodes a result and takes out where it was made and when. In revision
// 2026-07-28 a result also says of which type it is.
func normal(t *testing.T, raw json.RawMessage, dir string) any {
	t.Helper()
	raw = bytes.ReplaceAll(raw, []byte(dir), []byte("<dir>"))
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var result map[string]any
	if err := d.Decode(&result); err != nil {
		t.Fatalf("decode result %s: %v", raw, err)
	}
	if result["resultType"] == "complete" {
		delete(result, "resultType")
	}
	return scrub(result)
}

func scrub(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if blob, ok := v["blob"].(string); ok { // may hold a time too
			if text, err := base64.StdEncoding.DecodeString(blob); err == nil {
				v["blob"] = string(text)
			}
		}
		for key, member := range v {
			v[key] = scrub(member)
		}
	case []any:
		for i, member := range v {
			v[i] = scrub(member)
		}
	case string:
		for word, pattern := range changing {
			v = pattern.ReplaceAllString(v, word)
		}
		return v
	}
	return v
}

// TestCleanEnvironment wants a backend to see what was declared for it and
// nothing else of ours.
func TestCleanEnvironment(t *testing.T) {
	r := startInstance(t, realServers(t, t.TempDir())...)
	name, arguments := routed("everything__get-env", map[string]any{})
	got, err := overHTTP(t, r, "").call(name, arguments)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(got, []byte("E2E_DECLARED")) || bytes.Contains(got, []byte("E2E_CANARY")) {
		t.Errorf("the backend's environment is %s, want what was declared and no more", got)
	}
}

// TestListing compares what is listed: all tools, definitions byte for byte.
func TestListing(t *testing.T) {
	r := startInstance(t, realServers(t, t.TempDir())...)
	through := overHTTP(t, r, "")
	list, err := through.session.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Tools) != 2 || len(through.tap.result()) > 3000+1200 {
		t.Errorf("tools/list has %d tools in %d bytes, want 2 in 3000 and the overview", len(list.Tools), len(through.tap.result()))
	}
	tools := map[string]int{}
	for _, s := range r.status().Servers {
		tools[s.Name] = s.Tools
	}
	for _, b := range realServers(t, t.TempDir()) {
		direct := overStdio(t, b.process(), legacy)
		time.Sleep(500 * time.Millisecond)
		if _, err := direct.session.ListTools(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		var raw struct {
			Tools []struct {
				Name        string          `json:"name"`
				InputSchema json.RawMessage `json:"inputSchema"`
			} `json:"tools"`
		}
		if err := json.Unmarshal(direct.tap.result(), &raw); err != nil {
			t.Fatal(err)
		}
		if tools[b.Name] != len(raw.Tools) {
			t.Errorf("%s: the router knows %d tools, the server lists %d", b.Name, tools[b.Name], len(raw.Tools))
		}
		for _, tool := range raw.Tools {
			loaded, err := through.session.CallTool(t.Context(), &mcp.CallToolParams{
				Name: "search_tools", Arguments: map[string]any{"tools": []string{b.Name + "__" + tool.Name}},
			})
			if err != nil {
				t.Fatal(err)
			}
			if text := loaded.Content[0].(*mcp.TextContent).Text; !strings.Contains(text, string(tool.InputSchema)) {
				t.Errorf("search_tools of %s gives\n%s\nwant in it, byte for byte,\n%s", tool.Name, text, tool.InputSchema)
			}
		}
	}
}

// TestProgress wants every step of a long call to arrive, in order.
func TestProgress(t *testing.T) {
	r := startInstance(t, realServers(t, t.TempDir())...)
	for _, road := range roads {
		p := road.open(t, r)
		tool, arguments := routed("everything__trigger-long-running-operation", map[string]any{"duration": 1, "steps": 5})
		params := &mcp.CallToolParams{Name: tool, Arguments: arguments}
		params.SetProgressToken("e2e-" + road.name)
		if _, err := p.session.CallTool(t.Context(), params); err != nil {
			t.Errorf("%s: %v", road.name, err)
			continue
		}
		steps := p.steps()
		for end := time.Now().Add(10 * time.Second); len(steps) < 5 && time.Now().Before(end); {
			time.Sleep(10 * time.Millisecond) // over HTTP a notification may be handled after the result
			steps = append(steps, p.steps()...)
		}
		if diff := cmp.Diff([]float64{1, 2, 3, 4, 5}, steps); diff != "" {
			t.Errorf("%s: progress mismatch (-want +got):\n%s", road.name, diff)
		}
	}
}

// TestCancel wants a cancelled call to end at once and the session to live on.
func TestCancel(t *testing.T) {
	r := startInstance(t, realServers(t, t.TempDir())...)
	for _, road := range roads {
		p := road.open(t, r)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		tool, arguments := routed("everything__trigger-long-running-operation", map[string]any{"duration": 30, "steps": 30})
		began := time.Now()
		_, err := p.session.CallTool(ctx, &mcp.CallToolParams{Name: tool, Arguments: arguments})
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 2*time.Second {
			t.Errorf("%s: a cancelled call ended after %v with %v", road.name, time.Since(began), err)
		}
		echo, arguments := routed("everything__echo", map[string]any{"message": "still here"})
		if got, err := p.call(echo, arguments); err != nil || !bytes.Contains(got, []byte("still here")) {
			t.Errorf("%s: the call after a cancelled one gives %s, %v", road.name, got, err)
		}
	}
}
