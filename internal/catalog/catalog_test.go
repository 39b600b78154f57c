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
		{"a", "b__c", `a__b__c`},
		{"a__b", "c", `a__b__c_[0-9a-f]{8}`},
		{"a.", "c", `a___c_[0-9a-f]{8}`},
		{"a", "_c", `a___c`},
		{"a", "beef_20251122", `a__beef_20251122_[0-9a-f]{8}`},
		{"a", "cafe-1234567", `a__cafe-1234567`},
	} {
		if got := PublicName(tt.server, tt.tool); !regexp.MustCompile("^" + tt.want + "$").MatchString(got) {
			t.Errorf("PublicName(%q, %q) = %q, want %q", tt.server, tt.tool, got, tt.want)
		}
	}
	a, b := PublicName("s", long+"a"), PublicName("s", long+"b")
	if len(a) != 64 || len(b) != 64 || a == b {
		t.Errorf("long names give %q and %q, want two of 64 characters", a, b)
	}
}

// Names that could be taken for each other, in whatever way, stay apart.
func TestPublicNamesAreUnambiguous(t *testing.T) {
	cleaned := strings.TrimPrefix(PublicName("a", "b c"), "a__")
	owners := map[string]ID{}
	for _, server := range []string{"a", "a_", "a__b", "a_.b_", "a.", "a__b__c", "b"} {
		for _, tool := range []string{"b c", "b/c", "b_c", cleaned, "c", "_c", "__c", "b__c", "_b__c", "b__" + cleaned, "deadbeef", "_deadbeef"} {
			id := ID{server, tool}
			name := PublicName(server, tool)
			if other, taken := owners[name]; taken {
				t.Errorf("%s and %s are both called %s", other, id, name)
			}
			owners[name] = id
		}
	}
}

func TestCheckServerName(t *testing.T) {
	for _, ok := range []string{"a", "github", "my.server", "a-b_c.d", "9", "a__b", "a_.b", "a_", "a.", "a-", strings.Repeat("a", 32)} {
		if err := CheckServerName(ok); err != nil {
			t.Errorf("CheckServerName(%q) = %v, want nil", ok, err)
		}
	}
	for _, bad := range []string{"", "A", "-a", ".a", "a b", "a/b", "ä", "_a", strings.Repeat("a", 33)} {
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
		tool(t, "pair", `{"name":"a b"}`),
		tool(t, "pair", `{"name":"a_b_854f7e81"}`), // as the one before is called in public
		tool(t, "sky", `{"name":"get_alerts"}`),
		tool(t, "sea", `{"name":"get-alerts"}`),
		tool(t, "sea", `{"name":"getTide"}`),
		tool(t, "sea", `{"name":"gettide"}`),
		tool(t, "sea__north", `{"name":"get_alerts"}`),
		tool(t, "sea", `{"name":"north__get_alerts"}`),
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
		{"get_it", []string{"pair/get_it"}},
		{"get-it", []string{"pair/get-it"}},
		{"Get_It", []string{"pair/get-it", "pair/get_it"}},
		{"pair/get-it", []string{"pair/get-it"}},
		{"PAIR.get_it", []string{"pair/get_it"}},
		{"mcp__router__pair__get-it", []string{"pair/get-it"}},
		{"mcp__router__pair__GET-IT", []string{"pair/get-it", "pair/get_it"}},
		{"pair/a b", []string{"pair/a b"}},
		{"pair/a_b_854f7e81", []string{"pair/a_b_854f7e81"}},
		{"get-alerts", []string{"sea/get-alerts"}},
		{"GET_ALERTS", []string{"sea/get-alerts", "sea__north/get_alerts", "sky/get_alerts"}},
		{"sky/get-alerts", []string{"sky/get_alerts"}},
		{"getTide", []string{"sea/getTide"}},
		{"sea/gettide", []string{"sea/gettide"}},
		{"sea/GETTIDE", []string{"sea/getTide", "sea/gettide"}},
		{"sea__north__get_alerts", []string{"sea/north__get_alerts"}},
		{"sea__north/get_alerts", []string{"sea__north/get_alerts"}},
		{"sea/north__get_alerts", []string{"sea/north__get_alerts"}},
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
	if twin := tool(t, "s", `{"name":"x","Name":"y","inputSchema":{"properties":{"a":{}}},"InputSchema":{"properties":{"b":{}}},"annotations":{"ReadOnlyHint":true}}`); twin.ID.Tool != "x" ||
		twin.Params[0].Name != "a" || !strings.Contains(string(twin.InputSchema()), `"a"`) || twin.Hints.ReadOnly {
		t.Errorf("members of another letter case count: %+v", twin)
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
	if deep := tool(t, "s", `{"name":"x","d":`+strings.Repeat("[", 9000)+strings.Repeat("]", 9000)+`}`); deep.Hash == "" {
		t.Error("a deep definition has no hash")
	}
	for _, bad := range []string{`{}`, `{"name":7}`, `{"name":""}`, `[]`, `null`, `"x"`, `{"name":"a\u0007b"}`, `{"name":"` + strings.Repeat("x", 129) + `"}`,
		`{"name":"x","d":"` + strings.Repeat("x", MaxDefinition) + `"}`,
		`{"name":"x","d":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`} {
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
		{"Search the archive\n\nArgs:\n query: what", "Search the archive"},
		{"\n \r\n  Search\n  it \r\n \t\r\nReturns: all", "Search it"},
		{"# Search\n\nFind all. And more.", "# Search Find all."},
		{"Modes:\n\n* one\n\nMore", "Modes: * one"},
		{"###", "###"},
		{"検索します。詳しくは後で。", "検索します。"},
		{"「はい。」と言う！？そう。", "「はい。」と言う！？"},
		{"天気（今日。）を見る", "天気（今日。）を見る"},
		{"ETC. No", "ETC. No"},
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
	f.Add(`{"name":"x","inputSchema":{"$defs":{"J":{"anyOf":[{"type":"string"},{"type":"array","items":{"$ref":"#/$defs/J"}}]}},"properties":{"o":{"$ref":"#/$defs/J"}}}}`)
	f.Add(`{"name":"x","inputSchema":` + doubling(30, "anyOf") + `}`)
	f.Add(`{"name":"x","inputSchema":` + doubling(30, "allOf") + `}`)
	f.Add(`{"name":"x_deadbeef","inputSchema":{"allOf":{},"required":7,"properties":{"a":{"enum":"x","anyOf":true,"type":["null",7]}}}}`)
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
