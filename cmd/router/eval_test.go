package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"toolrouter/index/eval"
	"toolrouter/internal/catalog"
)

func toolsNamed(t *testing.T, n int) (tools []*catalog.Tool) {
	t.Helper()
	for i := range n {
		tool, err := catalog.NewTool("s", fmt.Appendf(nil, `{"name":"tool_%d"}`, i))
		if err != nil {
			t.Fatal(err)
		}
		tools = append(tools, tool)
	}
	return tools
}

func TestMixedIsAlwaysTheSame(t *testing.T) {
	tools := toolsNamed(t, 50)
	first := mixed(tools)
	if slices.Equal(first, tools) {
		t.Error("mixed leaves the order as it was")
	}
	slices.Reverse(tools)
	if !slices.Equal(first, mixed(tools)) {
		t.Error("mixed depends on the order of the file")
	}
}

func TestStepsUpTo(t *testing.T) {
	for all, want := range map[int][]int{0: {0}, 2: {0, 2}, 500: {0, 100, 250, 500}, 1200: {0, 100, 250, 500, 1000, 1200}} {
		if got := stepsUpTo(all); !slices.Equal(got, want) {
			t.Errorf("stepsUpTo(%d) = %v, want %v", all, got, want)
		}
	}
}

func TestVerdict(t *testing.T) {
	for _, tt := range []struct {
		mean, from, to float64
		want           string
	}{
		{0.02, -0.01, 0.05, "may be chance"},
		{0, 0, 0, "may be chance"},
		{0.02, 0.01, 0.03, "words is better"},
		{-0.02, -0.03, -0.01, "words is worse"},
	} {
		if got := verdict("words", eval.Difference{Mean: tt.mean, Interval: eval.Interval{tt.from, tt.to}}); got != tt.want {
			t.Errorf("verdict of %v in %v to %v = %q, want %q", tt.mean, tt.from, tt.to, got, tt.want)
		}
	}
}

func TestMissesOf(t *testing.T) {
	id := func(tool string) catalog.ID { return catalog.ID{Server: "s", Tool: tool} }
	query := eval.Query{ID: "q", Text: "say", Wanted: []eval.Wanted{{ID: id("a")}, {ID: id("b")}}}
	results := []eval.Result{{Name: "set", Outcomes: []eval.Outcome{
		{Query: query, Ranks: []int{1, 2}, Answer: []catalog.ID{id("a"), id("b")}},
		{Query: query, Ranks: []int{3, 0}, Answer: []catalog.ID{id("x"), id("y"), id("a")}},
	}}}
	want := []miss{{Set: "set", ID: "q", Query: "say", Wanted: []wantedRank{{"s/a", 3}, {"s/b", 0}}, First: []string{"s/x", "s/y"}}}
	if diff := cmp.Diff(want, missesOf(results, 2)); diff != "" {
		t.Errorf("misses mismatch (-want +got):\n%s", diff)
	}
}

func TestPrintForeign(t *testing.T) {
	var b bytes.Buffer
	err := printForeign(&b, []eval.Foreign{
		{QueriesOf: "one", ToolsOf: "one", Queries: 4}, {QueriesOf: "two", ToolsOf: "one", Queries: 3, Nothing: 2. / 3},
		{QueriesOf: "one", ToolsOf: "two", Queries: 0}, {QueriesOf: "two", ToolsOf: "two", Queries: 3, Nothing: 0.25},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, got, _ := strings.Cut(strings.TrimLeft(b.String(), "\n"), "\n")
	want := `QUERIES OF ↓ TOOLS OF →  one      two
one                      (0.0 %)  -
two                      66.7 %   (25.0 %)
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
}

// TestEvalRouterKeepsNames: a set's server with a slash is searched under
// another name and answered under its own.
func TestEvalRouterKeepsNames(t *testing.T) {
	odd, err := catalog.NewTool("a/b", []byte(`{"name":"c/d","description":"Feed the cat."}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range settings {
		t.Run(s.name, func(t *testing.T) {
			r, err := openEvalRouter(t.Context(), s.name, append(toolsNamed(t, 3), odd))
			if err != nil {
				t.Fatal(err)
			}
			defer r.close()
			a, err := r.search(t.Context(), "feed my cat", 5)
			if err != nil {
				t.Fatal(err)
			}
			if len(a.IDs) == 0 || a.IDs[0] != odd.ID || a.Bytes == 0 {
				t.Errorf("search = %+v, want %v first and its text", a, odd.ID)
			}
		})
	}
}

func TestShorten(t *testing.T) {
	for in, want := range map[string]string{"abc": "abc", "abcd\n": "abcd", "äöüßx": "äöüß…"} {
		if got := shorten(in, 4); got != want {
			t.Errorf("shorten(%q) = %q, want %q", in, got, want)
		}
	}
}
