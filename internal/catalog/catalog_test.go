package catalog

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func tool(t testing.TB, server, definition string) *Tool {
	t.Helper()
	out, err := NewTool(server, json.RawMessage(definition))
	if err != nil {
		t.Fatalf("NewTool(%q, %s): %v", server, definition, err)
	}
	return out
}

func TestPublicName(t *testing.T) {
	long := strings.Repeat("x", 70)
	for _, tt := range []struct{ server, tool, want string }{
		{"github", "create_issue", `github__create_issue`},
		{"my.server", "get-it", `my_server__get-it`},
		{"files", "read file", `files__read_file_[0-9a-f]{8}`},
		{"files", "read/file", `files__read_file_[0-9a-f]{8}`},
	} {
		if got := PublicName(tt.server, tt.tool); !regexp.MustCompile("^" + tt.want + "$").MatchString(got) {
			t.Errorf("PublicName(%q, %q) = %q, want %q", tt.server, tt.tool, got, tt.want)
		}
	}
	a, b := PublicName("s", long+"a"), PublicName("s", long+"b")
	if len(a) != 64 || len(b) != 64 || a == b {
		t.Errorf("long names give %q and %q, want two of 64 characters", a, b)
	}
	if PublicName("files", "read file") == PublicName("files", "read/file") {
		t.Error("two names that are cleaned alike share a public name")
	}
}

func TestCheckServerName(t *testing.T) {
	for _, ok := range []string{"a", "github", "my.server", "a-b_c.d", "9", strings.Repeat("a", 32)} {
		if err := CheckServerName(ok); err != nil {
			t.Errorf("CheckServerName(%q) = %v, want nil", ok, err)
		}
	}
	for _, bad := range []string{"", "A", "-a", ".a", "a b", "a/b", "ä", "a__b", "a_.b", "a_", "a.", strings.Repeat("a", 33)} {
		if err := CheckServerName(bad); err == nil {
			t.Errorf("CheckServerName(%q) = nil, want an error", bad)
		}
	}
}

func TestResolve(t *testing.T) {
	s := NewSnapshot([]*Tool{
		tool(t, "github", `{"name":"create_issue"}`),
		tool(t, "github", `{"name":"list-projects"}`),
		tool(t, "jira", `{"name":"create_issue"}`),
		tool(t, "jira", `{"name":"getBoard"}`),
		tool(t, "my.db", `{"name":"query"}`),
		tool(t, "odd", `{"name":"a b/c"}`),
		tool(t, "odd", `{"name":"github_create_issue"}`),
		tool(t, "pair", `{"name":"get_it"}`),
		tool(t, "pair", `{"name":"get-it"}`),
	})
	for _, tt := range []struct {
		name string
		want []string
	}{
		{"github__create_issue", []string{"github/create_issue"}},
		{"github/create_issue", []string{"github/create_issue"}},
		{"github:create_issue", []string{"github/create_issue"}},
		{"github.create_issue", []string{"github/create_issue"}},
		{"GitHub__Create_Issue", []string{"github/create_issue"}},
		{"mcp__router__github__create_issue", []string{"github/create_issue"}},
		{"mcp__my_router__github__create_issue", []string{"github/create_issue"}},
		{"MCP__router__jira__getboard", []string{"jira/getBoard"}},
		{" getBoard ", []string{"jira/getBoard"}},
		{"list_projects", []string{"github/list-projects"}},
		{"create_issue", []string{"github/create_issue", "jira/create_issue"}},
		{"my.db__query", []string{"my.db/query"}},
		{"my_db__query", []string{"my.db/query"}},
		{"my.db/query", []string{"my.db/query"}},
		{"odd/a b/c", []string{"odd/a b/c"}},
		{"pair__get_it", []string{"pair/get_it"}},
		{"pair__get-it", []string{"pair/get-it"}},
		{"get_it", []string{"pair/get-it", "pair/get_it"}},
		{"nothing", nil},
		{"github__nothing", nil},
		{"__", nil},
		{"", nil},
	} {
		var got []string
		for _, t := range s.Resolve(tt.name) {
			got = append(got, t.ID.String())
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("Resolve(%q) mismatch (-want +got):\n%s", tt.name, diff)
		}
	}
	for tool := range s.All() {
		if got := s.Resolve(tool.Name); len(got) != 1 || got[0] != tool {
			t.Errorf("Resolve(%q) = %v, want the tool of that public name alone", tool.Name, got)
		}
	}
}

func TestSnapshotWith(t *testing.T) {
	one := NewSnapshot([]*Tool{tool(t, "a", `{"name":"x"}`), tool(t, "b", `{"name":"y"}`)})
	two := one.With(Change{
		Server:   "a",
		Upserted: []*Tool{tool(t, "a", `{"name":"z"}`)},
		Removed:  []ID{{"a", "x"}},
	})
	if one.Tool(ID{"a", "x"}) == nil || one.Len() != 2 {
		t.Error("With changed the snapshot it was called on")
	}
	if two.Tool(ID{"a", "x"}) != nil || two.Tool(ID{"a", "z"}) == nil || two.Tool(ID{"b", "y"}) == nil || two.Len() != 2 {
		t.Error("With did not apply the change")
	}
	three := two.With(Change{Server: "b", Removed: []ID{{"b", "y"}}})
	if diff := cmp.Diff([]string{"a"}, three.Servers()); diff != "" {
		t.Errorf("a server without tools is still listed (-want +got):\n%s", diff)
	}
	if got := new(Snapshot).With(Change{Server: "a", Upserted: []*Tool{tool(t, "a", `{"name":"x"}`)}}).Len(); got != 1 {
		t.Errorf("With on the zero value gives %d tools, want 1", got)
	}
}

func TestParamTypes(t *testing.T) {
	for _, tt := range []struct{ name, schema, want string }{
		{"plain", `{"properties":{"a":{"type":"string"}},"required":["a"]}`, "a: string"},
		{"required first", `{"properties":{"b":{"type":"integer"},"a":{"type":"string"}},"required":["a"]}`, "a: string, b?: integer"},
		{"schema order", `{"properties":{"z":{"type":"boolean"},"a":{"type":"number"}}}`, "z?: boolean, a?: number"},
		{"enum", `{"properties":{"s":{"type":"string","enum":["open","closed"]}}}`, `s?: "open"|"closed"`},
		{"long enum", `{"properties":{"s":{"enum":["a","b","c","d","e","f"]}}}`, `s?: string`},
		{"const", `{"properties":{"s":{"const":5}}}`, `s?: 5`},
		{"array", `{"properties":{"l":{"type":"array","items":{"type":"string"}}}}`, "l?: string[]"},
		{"array of any", `{"properties":{"l":{"type":"array"}}}`, "l?: any[]"},
		{"array of enum", `{"properties":{"l":{"type":"array","items":{"enum":["a","b"]}}}}`, `l?: ("a"|"b")[]`},
		{"nullable", `{"properties":{"a":{"type":["string","null"]}}}`, "a?: string"},
		{"anyOf null", `{"properties":{"a":{"anyOf":[{"type":"string"},{"type":"null"}]}}}`, "a?: string"},
		{"union", `{"properties":{"a":{"oneOf":[{"type":"string"},{"type":"integer"}]}}}`, "a?: string|integer"},
		{"nested", `{"properties":{"o":{"type":"object","required":["t"],"properties":{"b":{"type":"object","properties":{"x":{}}},"t":{"type":"string"}}}}}`, "o?: {b?: {…}, t: string}"},
		{"nested cut", `{"properties":{"o":{"type":"object","properties":{"a":{},"b":{},"c":{},"d":{},"e":{},"f":{},"g":{}}}}}`, "o?: {a?: any, b?: any, c?: any, d?: any, e?: any, f?: any, …}"},
		{"free object", `{"properties":{"o":{"type":"object"}}}`, "o?: {…}"},
		{"ref", `{"$defs":{"S":{"type":"string"}},"properties":{"a":{"$ref":"#/$defs/S"}}}`, "a?: string"},
		{"ref loop", `{"$defs":{"S":{"$ref":"#/$defs/S"}},"properties":{"a":{"$ref":"#/$defs/S"}}}`, "a?: any"},
		{"recursive", `{"$defs":{"N":{"type":"object","properties":{"n":{"$ref":"#/$defs/N"}}}},"properties":{"a":{"$ref":"#/$defs/N"}}}`, "a?: {n?: {…}}"},
		{"allOf", `{"allOf":[{"properties":{"a":{"type":"string"}},"required":["a"]},{"properties":{"b":{}}}]}`, "a: string, b?: any"},
		{"true", `true`, ""},
		{"odd members", `{"properties":[],"required":"a","type":7}`, ""},
		{"property is true", `{"properties":{"a":true}}`, "a?: any"},
		{"odd name", `{"properties":{"a b":{"type":"string"}}}`, `"a b"?: string`},
		{"nothing", ``, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, p := range params(json.RawMessage(tt.schema)) {
				got = append(got, p.Signature())
			}
			if s := strings.Join(got, ", "); s != tt.want {
				t.Errorf("signature = %q, want %q", s, tt.want)
			}
		})
	}
}

func TestNewTool(t *testing.T) {
	const def = `{"name":"del","title":"Delete","description":"Deletes.","inputSchema":{"type":"object","properties":{"id":{"type":"string","description":"Which."}}},"annotations":{"destructiveHint":true,"readOnlyHint":false},"vendor":{"x":1}}`
	got := tool(t, "s", def)
	if string(got.Definition) != def {
		t.Errorf("the definition changed to %s", got.Definition)
	}
	if got.Title != "Delete" || got.Description != "Deletes." || got.Hints.Mark() != "destructive" {
		t.Errorf("NewTool = %+v", got)
	}
	if string(got.InputSchema()) != `{"type":"object","properties":{"id":{"type":"string","description":"Which."}}}` {
		t.Errorf("InputSchema = %s", got.InputSchema())
	}
	want := []Param{{Name: "id", Type: "string", Description: "Which."}}
	if diff := cmp.Diff(want, got.Params); diff != "" {
		t.Errorf("params mismatch (-want +got):\n%s", diff)
	}
	reordered := tool(t, "s", `{"description":"Deletes.",  "name":"del","vendor":{"x":1},"title":"Delete","annotations":{"readOnlyHint":false,"destructiveHint":true},"inputSchema":{"properties":{"id":{"description":"Which.","type":"string"}},"type":"object"}}`)
	if reordered.Hash != got.Hash {
		t.Error("the order of keys changes the hash")
	}
	if flipped := tool(t, "s", strings.Replace(def, `"destructiveHint":true`, `"destructiveHint":false`, 1)); flipped.Hash == got.Hash {
		t.Error("an annotation can change without changing the hash")
	}
	if odd := tool(t, "s", `{"name":"x","inputSchema":true,"annotations":[],"title":7,"icons":"a"}`); odd.Hints.Mark() != "write" {
		t.Errorf("a tool without annotations is marked %q, want write", odd.Hints.Mark())
	}
	for _, bad := range []string{`{}`, `{"name":7}`, `{"name":""}`, `[]`, `null`, `"x"`, `{"name":"a\u0007b"}`, `{"name":"` + strings.Repeat("x", 129) + `"}`,
		`{"name":"x","d":"` + strings.Repeat("x", MaxDefinition) + `"}`} {
		if _, err := NewTool("s", json.RawMessage(bad)); err == nil {
			t.Errorf("NewTool(%.40s) = nil error, want one", bad)
		}
	}
}

func TestFirstSentence(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"Create an issue. Then more.", "Create an issue."},
		{"Lists v1.2 items, e.g. files. More", "Lists v1.2 items, e.g. files."},
		{"One\nline\tonly", "One line only"},
		{"Is it? Yes.", "Is it?"},
		{"\x1b[31mred\x1b[0m \u202eevil\u200b text", "red evil text"},
		{"\x1b]0;title\x07shown \x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\ \u009b2Jend\x1b", "shown link end"},
		{"", ""},
		{strings.Repeat("word ", 100), strings.TrimSpace(strings.Repeat("word ", 15)) + "…"},
	} {
		if got := FirstSentence(tt.in, 80); got != tt.want {
			t.Errorf("FirstSentence(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func FuzzNewTool(f *testing.F) {
	f.Add(`{"name":"x","inputSchema":{"properties":{"a":{"$ref":"#/properties/a"}}}}`)
	f.Add(`{"name":"x","inputSchema":{"$ref":"#"}}`)
	f.Add(`{"name":"é/ü","inputSchema":{"allOf":[{"$ref":"#/allOf/0"}]},"annotations":{"readOnlyHint":"yes"}}`)
	f.Fuzz(func(t *testing.T, definition string) {
		tool, err := NewTool("s", json.RawMessage(definition))
		if err != nil {
			return
		}
		if len(tool.Name) > 64 {
			t.Errorf("public name %q is too long", tool.Name)
		}
		for _, r := range tool.Name {
			if !isNameRune(r) {
				t.Errorf("public name %q holds %q", tool.Name, r)
			}
		}
		if string(tool.Definition) != definition {
			t.Error("the definition changed")
		}
		if got := NewSnapshot([]*Tool{tool}).Resolve(tool.Name); len(got) != 1 {
			t.Errorf("Resolve(%q) finds %d tools, want 1", tool.Name, len(got))
		}
	})
}

func BenchmarkNewTool(b *testing.B) {
	def := json.RawMessage(`{"name":"create_issue","description":"Create a new issue in a repository.","inputSchema":{"type":"object","properties":{"owner":{"type":"string","description":"Repository owner"},"repo":{"type":"string","description":"Repository name"},"title":{"type":"string"},"labels":{"type":"array","items":{"type":"string"}},"state":{"enum":["open","closed"]}},"required":["owner","repo","title"]},"annotations":{"readOnlyHint":false}}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := NewTool("github", def); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkResolve(b *testing.B) {
	var tools []*Tool
	for s := range 176 {
		for i := range 26 {
			tools = append(tools, tool(b, fmt.Sprintf("server%d", s), fmt.Sprintf(`{"name":"tool_%d_%d"}`, s, i)))
		}
	}
	s := NewSnapshot(tools)
	for _, name := range []string{"server90__tool_90_7", "server90/tool_90_7", "tool_90_7"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if len(s.Resolve(name)) != 1 {
					b.Fatal("not found")
				}
			}
		})
	}
}
