package demo

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// connect gives a client of a server in this process.
func connect(t *testing.T, s *server.MCPServer) *client.Client {
	t.Helper()
	c, err := client.NewInProcessClient(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Initialize(t.Context(), mcp.InitializeRequest{}); err != nil {
		t.Fatal(err)
	}
	return c
}

// call gives a result's text and whether it is an error.
func call(t *testing.T, c *client.Client, tool, arguments string) (string, bool) {
	t.Helper()
	r, err := c.CallTool(t.Context(), mcp.CallToolRequest{Params: mcp.CallToolParams{Name: tool, Arguments: json.RawMessage(arguments)}})
	if err != nil {
		t.Fatalf("%s(%s): %v", tool, arguments, err)
	}
	var text strings.Builder
	for _, part := range r.Content {
		text.WriteString(part.(mcp.TextContent).Text)
	}
	return text.String(), r.IsError
}

// step is a call and what its text has to hold.
type step struct {
	tool, arguments, want string
	fails                 bool
}

func play(t *testing.T, c *client.Client, steps []step) {
	t.Helper()
	for _, s := range steps {
		got, isError := call(t, c, s.tool, s.arguments)
		if isError != s.fails || !strings.Contains(got, s.want) {
			t.Errorf("%s(%s) = %q, error %v; want %q in it, error %v", s.tool, s.arguments, got, isError, s.want, s.fails)
		}
	}
}

func TestFiles(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	for name, content := range map[string]string{
		"todo.txt": "buy milk\nwrite to Lisbon\ncall Anna\n", "bin": "\x00\x01", "sub/deep.txt": "more MILK here",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("milk"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "way-out")); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	play(t, connect(t, filesServer(root)), []step{
		{tool: "list_directory", arguments: `{}`, want: "sub/\ntodo.txt (35 bytes)"},
		{tool: "list_directory", arguments: `{"path":"/sub"}`, want: "deep.txt"},
		{tool: "list_directory", arguments: `{"path":"no"}`, want: "there is no no: list_directory shows", fails: true},
		{tool: "list_directory", arguments: `{"path":"way-out"}`, want: "leads out of the folder", fails: true},
		{tool: "read_file", arguments: `{"path":"todo.txt"}`, want: "buy milk\nwrite"},
		{tool: "read_file", arguments: `{"path":"todo.txt","first_line":2,"lines":1}`, want: "write to Lisbon\n"},
		{tool: "read_file", arguments: `{"path":"todo.txt","first_line":99}`, want: ""},
		{tool: "read_file", arguments: `{"path":"../secret"}`, want: "leads out of the folder", fails: true},
		{tool: "read_file", arguments: `{"path":"way-out/secret"}`, want: "leads out of the folder", fails: true},
		{tool: "read_file", arguments: `{"path":"sub"}`, want: "is a folder", fails: true},
		{tool: "read_file", arguments: `{"path":"bin"}`, want: "is not text", fails: true},
		{tool: "read_file", arguments: `{}`, want: "path", fails: true},
		{tool: "read_file", arguments: `{"path":"todo.txt","colour":1}`, want: "colour", fails: true},
		{tool: "write_file", arguments: `{"path":"new/a.txt","content":"one\n"}`, want: "wrote 4 bytes to new/a.txt"},
		{tool: "write_file", arguments: `{"path":"new/a.txt","content":"two\n","append":true}`, want: "wrote"},
		{tool: "read_file", arguments: `{"path":"new/a.txt"}`, want: "one\ntwo\n"},
		{tool: "write_file", arguments: `{"path":"../x","content":""}`, want: "leads out of the folder", fails: true},
		{tool: "write_file", arguments: `{"path":"way-out/x","content":""}`, want: "leads out of the folder", fails: true},
		{tool: "search_files", arguments: `{"query":"milk"}`, want: "sub/deep.txt:1: more MILK here\ntodo.txt:1: buy milk"},
		{tool: "search_files", arguments: `{"query":"DEEP"}`, want: "sub/deep.txt"},
		{tool: "search_files", arguments: `{"query":"nowhere"}`, want: "nothing contains"},
		{tool: "search_files", arguments: `{"query":" "}`, want: "query is empty", fails: true},
		{tool: "file_info", arguments: `{"path":"todo.txt"}`, want: `"kind":"file","size":35`},
		{tool: "file_info", arguments: `{"path":"sub"}`, want: `"kind":"folder"`},
		{tool: "move_file", arguments: `{"from":"new/a.txt","to":"kept/b.txt"}`, want: "moved"},
		{tool: "move_file", arguments: `{"from":"kept/b.txt","to":"todo.txt"}`, want: "there already", fails: true},
		{tool: "move_file", arguments: `{"from":"kept/b.txt","to":"../b.txt"}`, want: "leads out", fails: true},
		{tool: "delete_file", arguments: `{"path":"kept"}`, want: "folder with 1 entries", fails: true},
		{tool: "delete_file", arguments: `{"path":"kept/b.txt"}`, want: "deleted"},
		{tool: "delete_file", arguments: `{"path":"kept"}`, want: "deleted"},
		{tool: "delete_file", arguments: `{"path":"/"}`, want: "topmost", fails: true},
	})
	if _, err := os.Stat(filepath.Join(outside, "x")); err == nil {
		t.Error("a file was written outside the folder")
	}
}

func TestNotes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "notes.db")
	n, err := openNotebook(file)
	if err != nil {
		t.Fatal(err)
	}
	n.now = func() time.Time { return time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC) }
	play(t, connect(t, notesServer(n)), []step{
		{tool: "list_notes", arguments: `{}`, want: `{"notes":[],"total":0}`},
		{tool: "add_note", arguments: `{"title":"Invoice","text":"from February","tags":["#Money","money"]}`, want: `"id":1,"title":"Invoice","text":"from February","tags":["money"],"created":"2026-03-02T10:00:00Z"`},
		{tool: "add_note", arguments: `{"title":"Trip","text":"train to Lisbon"}`, want: `"id":2`},
		{tool: "add_note", arguments: `{"title":" ","text":""}`, want: "a title has 1 to 200 bytes", fails: true},
		{tool: "add_note", arguments: `{"title":"Long","text":"` + strings.Repeat("x", maxNote+1) + `"}`, want: "split it", fails: true},
		{tool: "list_notes", arguments: `{"limit":1}`, want: `"title":"Trip"`},
		{tool: "list_notes", arguments: `{"tag":"Money"}`, want: `"total":1`},
		{tool: "search_notes", arguments: `{"query":"february INVOICE"}`, want: `"total":1`},
		{tool: "search_notes", arguments: `{"query":"february lisbon"}`, want: `"total":0`},
		{tool: "search_notes", arguments: `{"query":""}`, want: "query is empty", fails: true},
		{tool: "update_note", arguments: `{"id":2,"title":"Journey"}`, want: `"title":"Journey","text":"train to Lisbon"`},
		{tool: "update_note", arguments: `{"id":2}`, want: "nothing to change", fails: true},
		{tool: "tag_note", arguments: `{"id":1,"add":["due"],"remove":["MONEY"]}`, want: `"tags":["due"]`},
		{tool: "tag_note", arguments: `{"id":1}`, want: "no tags given", fails: true},
		{tool: "get_note", arguments: `{"id":1}`, want: "from February"},
		{tool: "get_note", arguments: `{"id":7}`, want: "there is no note 7: list_notes", fails: true},
		{tool: "delete_note", arguments: `{"id":1}`, want: "deleted note 1"},
		{tool: "delete_note", arguments: `{"id":1}`, want: "there is no note 1", fails: true},
	})
	if err := n.db.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := openNotebook(file)
	if err != nil {
		t.Fatal(err)
	}
	defer again.db.Close()
	play(t, connect(t, notesServer(again)), []step{
		{tool: "list_notes", arguments: `{}`, want: `"title":"Journey"`},
		{tool: "add_note", arguments: `{"title":"Third","text":""}`, want: `"id":3`},
	})
	if _, err := openNotebook(file); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("opening the notes twice gives %v, want an error that says who has them", err)
	}
}

func TestTime(t *testing.T) {
	now := time.Date(2026, 3, 2, 13, 30, 0, 0, time.UTC)
	play(t, connect(t, timeServer(clock{func() time.Time { return now }})), []step{
		{tool: "current_time", arguments: `{}`, want: `"time":"2026-03-02T13:30:00Z","timezone":"UTC","weekday":"Monday"`},
		{tool: "current_time", arguments: `{"timezone":"Asia/Tokyo"}`, want: `2026-03-02T22:30:00+09:00`},
		{tool: "current_time", arguments: `{"timezone":"Mars/Base"}`, want: `"Mars/Base" is not a time zone: list_time_zones`, fails: true},
		{tool: "current_time", arguments: `{"timezone":"../etc/passwd"}`, want: "is not a time zone", fails: true},
		{tool: "convert_time", arguments: `{"time":"2026-07-01 09:00","from_timezone":"Europe/Berlin","to_timezone":"America/New_York"}`, want: "2026-07-01T03:00:00-04:00"},
		{tool: "convert_time", arguments: `{"time":"09:00","from_timezone":"Asia/Tokyo","to_timezone":"UTC"}`, want: "2026-03-02T00:00:00Z"},
		{tool: "convert_time", arguments: `{"time":"soon","to_timezone":"UTC"}`, want: "is not a time: write 2026-03-02 14:30", fails: true},
		{tool: "time_difference", arguments: `{"from":"2026-03-01","to":"2026-03-03 01:30"}`, want: `"duration":"2 days 1h30m0s","seconds":178200`},
		{tool: "time_difference", arguments: `{"from":"now","to":"2026-03-02T13:29:00Z"}`, want: `"duration":"-1m0s"`},
		{tool: "add_duration", arguments: `{"time":"2026-01-31","days":1,"duration":"90m"}`, want: "2026-02-01T01:30:00Z"},
		{tool: "add_duration", arguments: `{"duration":"-1h 30m"}`, want: "2026-03-02T12:00:00Z"},
		{tool: "add_duration", arguments: `{"duration":"2 days"}`, want: "whole days in days", fails: true},
		{tool: "add_duration", arguments: `{}`, want: "nothing to add", fails: true},
		{tool: "add_duration", arguments: `{"days":99999999}`, want: "ten thousand years", fails: true},
		{tool: "list_time_zones", arguments: `{"contains":"new york"}`, want: "America/New_York"},
		{tool: "list_time_zones", arguments: `{"contains":"atlantis"}`, want: "no zone's name contains", fails: true},
	})
}

func TestZonesLoad(t *testing.T) {
	count := 0
	for name := range strings.Lines(zoneNames) {
		count++
		if _, err := loadZone(strings.TrimSpace(name)); err != nil {
			t.Error(err)
		}
	}
	if count < 400 {
		t.Errorf("there are %d zones, want 400 and more", count)
	}
}

// TestDefinitions holds what every tool of the bundled servers owes its reader.
func TestDefinitions(t *testing.T) {
	n, err := openNotebook(filepath.Join(t.TempDir(), "notes.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer n.db.Close()
	for name, s := range map[string]*server.MCPServer{"files": filesServer(nil), "notes": notesServer(n), "time": timeServer(clock{time.Now})} {
		list, err := connect(t, s).ListTools(t.Context(), mcp.ListToolsRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if len(list.Tools) < 5 {
			t.Errorf("%s lists %d tools, want 5 and more", name, len(list.Tools))
		}
		for _, tool := range list.Tools {
			if tool.Description == "" || tool.Annotations.ReadOnlyHint == nil || tool.Annotations.DestructiveHint == nil {
				t.Errorf("%s/%s lacks a description or hints", name, tool.Name)
			}
			for param, schema := range tool.InputSchema.Properties {
				if m, ok := schema.(map[string]any); !ok || m["description"] == "" {
					t.Errorf("%s/%s: parameter %s has no description", name, tool.Name, param)
				}
			}
		}
	}
}

func TestRunRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"nothing", nil, `no demo server "nothing": there are files`},
		{"files", nil, "usage: demo-server files DIR"},
		{"time", []string{"x"}, "usage: demo-server time"},
		{"files", []string{filepath.Join(t.TempDir(), "none")}, "open folder"},
		{"replay", []string{filepath.Join(t.TempDir(), "none")}, "open recorded list"},
	} {
		err := Run(t.Context(), tt.name, tt.args, strings.NewReader(""), nil)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Run(%q, %q) = %v, want %q in it", tt.name, tt.args, err, tt.want)
		}
	}
}

// TestRunOverStdio drives a bundled server as the router does: lines in, lines
// out, and an end when the input ends.
func TestRunOverStdio(t *testing.T) {
	in := `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}
{"jsonrpc":"2.0","id":2,"method":"tools/list"}
`
	var out strings.Builder
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := Run(ctx, "time", nil, strings.NewReader(in), &out); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), `"serverInfo":{"name":"time"`) {
		t.Errorf("Run wrote %q, want the answer to initialize in it", out.String())
	}
}

func TestSpecs(t *testing.T) {
	dir := t.TempDir()
	catalogue := filepath.Join(dir, "recorded.jsonl")
	if err := os.WriteFile(catalogue, []byte(`{"server":"time","tool":{"name":"x"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Specs("router", filepath.Join(dir, "demo"), catalogue)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range got {
		names = append(names, s.Name)
	}
	if want := "files notes time time-recorded"; strings.Join(names, " ") != want {
		t.Errorf("Specs gives servers %v, want %s", names, want)
	}
	sample := filepath.Join(dir, "demo", "files", "todo.txt")
	if err := os.WriteFile(sample, []byte("mine"), 0o600); err != nil {
		t.Fatalf("the sample files are not there: %v", err)
	}
	if _, err := Specs("router", filepath.Join(dir, "demo"), ""); err != nil {
		t.Fatal(err)
	}
	if data, _ := os.ReadFile(sample); string(data) != "mine" {
		t.Error("a second Specs overwrote the user's file")
	}
}
