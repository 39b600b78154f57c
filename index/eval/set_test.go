package eval

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"toolrouter/internal/catalog"
)

// folder writes a set.
func folder(t *testing.T, tools, queries string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{toolsFile: tools, queriesFile: queries} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const (
	twoTools = `{"server":"s","name":"a","description":"A."}` + "\n\n" + `{"server":"S/x","name":"b/c","inputSchema":{"type":"object"}}`
	oneQuery = `{"id":"1","query":"say","relevant":["s/a"]}`
)

func TestLoad(t *testing.T) {
	s, err := Load(folder(t, twoTools, oneQuery+"\r\n"+
		`{"id":"2","query":"two","relevant":["S/x/b/c","s/a","s/a"],"alternatives":{"s/a":["S/x/b/c","s/gone"]}}`))
	if err != nil {
		t.Fatal(err)
	}
	slashed := catalog.ID{Server: "S/x", Tool: "b/c"}
	want := []Query{
		{ID: "1", Text: "say", Wanted: []Wanted{{ID: id("a")}}},
		{ID: "2", Text: "two", Wanted: []Wanted{{ID: slashed}, {ID: id("a"), CountsAs: []catalog.ID{slashed, id("gone")}}}},
	}
	if diff := cmp.Diff(want, s.Queries); diff != "" {
		t.Errorf("queries mismatch (-want +got):\n%s", diff)
	}
	if len(s.Tools) != 2 || s.Tools[0].Description != "A." {
		t.Errorf("tools = %v, want the two of the file", s.Tools)
	}
	if s.Absent != nil {
		t.Errorf("absent = %v, want none", s.Absent)
	}
}

func TestLoadTellsWhatIsAbsent(t *testing.T) {
	s, err := Load(folder(t, twoTools, `{"id":"1","query":"say","relevant":["s/a","s/gone"]}`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(ids("gone"), s.Absent); diff != "" {
		t.Errorf("absent mismatch (-want +got):\n%s", diff)
	}
	if got := judge(s.Queries[0], ids("a")).Metrics.Recall10; got != 0.5 {
		t.Errorf("recall@10 = %v, want 0.5: what is absent is a miss", got)
	}
}

func TestLoadErrorsNameThePlace(t *testing.T) {
	for _, tt := range []struct{ name, tools, queries, want string }{
		{"no json", twoTools, oneQuery + "\nx", "queries.jsonl:2: "},
		{"no queries", twoTools, "", "no queries"},
		{"no id", twoTools, `{"query":"x","relevant":["s/a"]}`, "queries.jsonl:1: a query without an id"},
		{"no text", twoTools, `{"id":"1","query":" ","relevant":["s/a"]}`, `query "1" asks nothing`},
		{"no answer", twoTools, `{"id":"1","query":"x"}`, `query "1" has no answer`},
		{"twice", twoTools, oneQuery + "\n" + oneQuery, `queries.jsonl:2: query "1" is there already`},
		{"no server", `{"name":"a"}`, oneQuery, "tools.jsonl:1: a tool without a server"},
		{"no name", `{"server":"s"}`, oneQuery, "tools.jsonl:1: a tool without a name"},
		{"no recorded name", `{"server":"s","name":"a","tool":{}}`, oneQuery, "tools.jsonl:1: a tool without a name"},
		{"line without end", strings.Repeat("x", maxLine+1), oneQuery, "tools.jsonl:1: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Load(folder(t, tt.tools, tt.queries))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Load = %v, want an error with %q", err, tt.want)
			}
		})
	}
	if _, err := Load(t.TempDir()); err == nil {
		t.Error("Load of an empty folder = nil, want an error")
	}
}

// A catalogue is read as a set has it and as it was recorded, packed or not,
// whatever the file is called.
func TestLoadTools(t *testing.T) {
	recorded := `{"server":"s","tool":{"name":"a","description":"A."}}` + "\n" + `{"server":"S/x","tool":{"name":"b/c","inputSchema":{"type":"object"}}}`
	for _, tt := range []struct {
		name, file, text string
		packed           bool
	}{
		{"as a set", "tools.jsonl", twoTools, false},
		{"as a set, packed", "tools.jsonl.gz", twoTools, true},
		{"as recorded", "tools.jsonl", recorded, false},
		{"as recorded, packed", "crowd", recorded, true},
		{"not packed after all", "tools.gz", recorded, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), tt.file)
			if err := os.WriteFile(path, packed(t, tt.text, tt.packed), 0o600); err != nil {
				t.Fatal(err)
			}
			tools, err := LoadTools(path)
			if err != nil || len(tools) != 2 {
				t.Fatalf("LoadTools = %d tools, %v; want 2", len(tools), err)
			}
			if tools[0].ID != id("a") || tools[0].Description != "A." || tools[1].ID != (catalog.ID{Server: "S/x", Tool: "b/c"}) {
				t.Errorf("LoadTools = %v, %v", tools[0], tools[1])
			}
		})
	}
}

// packed is a text as a file has it.
func packed(t *testing.T, text string, gzipped bool) []byte {
	t.Helper()
	if !gzipped {
		return []byte(text)
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestWith(t *testing.T) {
	s, err := Load(folder(t, twoTools, oneQuery))
	if err != nil {
		t.Fatal(err)
	}
	other, err := catalog.NewTool("other", []byte(`{"name":"z"}`))
	if err != nil {
		t.Fatal(err)
	}
	crowd := s.With([]*catalog.Tool{s.Tools[0], other})
	if len(crowd.Tools) != 3 || len(s.Tools) != 2 {
		t.Errorf("With gives %d tools and leaves %d, want 3 and 2", len(crowd.Tools), len(s.Tools))
	}
}
