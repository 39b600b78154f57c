package baseline

import (
	"slices"
	"testing"

	"toolrouter/internal/catalog"
)

func open(t *testing.T, definitions ...string) *Index {
	t.Helper()
	var tools []*catalog.Tool
	for _, d := range definitions {
		tool, err := catalog.NewTool("s", []byte(d))
		if err != nil {
			t.Fatal(err)
		}
		tools = append(tools, tool)
	}
	x, err := Open(t.Context(), tools)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	return x
}

func TestSearch(t *testing.T) {
	x := open(t,
		`{"name":"createIssue","description":"Opens a ticket."}`,
		`{"name":"list_issues","description":"Shows the tickets of a project."}`,
		`{"name":"move","description":"Renames.","inputSchema":{"type":"object","properties":{"targetFolder":{"type":"string"}}}}`,
	)
	not := func(tool string) func(catalog.ID) bool { return func(id catalog.ID) bool { return id.Tool != tool } }
	for _, tt := range []struct {
		name  string
		query catalog.Query
		want  []string
		total int
	}{
		{"words of a name", catalog.Query{Text: "create an issue", Limit: 5}, []string{"createIssue", "list_issues"}, 2},
		{"another spelling", catalog.Query{Text: "create_issue", Limit: 1}, []string{"createIssue"}, 2},
		{"a stem", catalog.Query{Text: "showing projects", Limit: 5}, []string{"list_issues"}, 1},
		{"a parameter", catalog.Query{Text: "folders", Limit: 5}, []string{"move"}, 1},
		{"second page", catalog.Query{Text: "create an issue", Limit: 5, Offset: 1}, []string{"list_issues"}, 2},
		{"behind the end", catalog.Query{Text: "issue", Limit: 5, Offset: 9}, nil, 2},
		{"left out", catalog.Query{Text: "create an issue", Limit: 5, Keep: not("createIssue")}, []string{"list_issues"}, 1},
		{"stop words", catalog.Query{Text: "the of a", Limit: 5}, nil, 0},
		{"empty", catalog.Query{Limit: 5}, nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			found, err := x.Search(t.Context(), tt.query)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, h := range found.Hits {
				got = append(got, h.ID.Tool)
			}
			if !slices.Equal(got, tt.want) || found.Total != tt.total {
				t.Errorf("Search = %v of %d, want %v of %d", got, found.Total, tt.want, tt.total)
			}
		})
	}
}

func TestSplit(t *testing.T) {
	for in, want := range map[string]string{
		"createIssue": "create Issue", "list_all-files": "list all files", "HTTPServer": "HTTPServer", "a/b.c": "a b c", "Plain words, kept": "Plain words, kept",
	} {
		if got := split(in); got != want {
			t.Errorf("split(%q) = %q, want %q", in, got, want)
		}
	}
}
