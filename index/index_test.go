package index

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"toolrouter/index/eval"
	"toolrouter/internal/catalog"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent()) // bleve's analysis workers, which never end
}

func household(t testing.TB) eval.Set {
	t.Helper()
	s, err := eval.Load(filepath.Join("eval", "testdata", "household"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func open(t testing.TB, dir string) *Index {
	t.Helper()
	x, err := Open(dir, Options{})
	if err != nil {
		t.Fatalf("Open(%q): %v", dir, err)
	}
	return x
}

func closed(t testing.TB, x *Index) {
	t.Helper()
	if err := x.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// built is an index in memory that holds tools.
func built(t testing.TB, tools []*catalog.Tool) *Index {
	t.Helper()
	x := open(t, "")
	t.Cleanup(func() { closed(t, x) })
	rebuild(t, x, tools, 1)
	return x
}

func rebuild(t testing.TB, x *Index, tools []*catalog.Tool, seq uint64) {
	t.Helper()
	if err := x.Rebuild(context.Background(), tools, nil, seq, nil); err != nil {
		t.Fatalf("Rebuild: %v", err)
	}
}

func makeTool(t testing.TB, server, name, description string) *catalog.Tool {
	t.Helper()
	definition, err := json.Marshal(map[string]string{"name": name, "description": description})
	if err != nil {
		t.Fatal(err)
	}
	tool, err := catalog.NewTool(server, definition)
	if err != nil {
		t.Fatal(err)
	}
	return tool
}

func search(t testing.TB, x *Index, q catalog.Query) catalog.Found {
	t.Helper()
	found, err := x.Search(context.Background(), q)
	if err != nil {
		t.Fatalf("Search(%.60q): %v", q.Text, err)
	}
	return found
}

func hits(found catalog.Found) (out []string) {
	for _, h := range found.Hits {
		out = append(out, h.ID.String())
	}
	return out
}

// TestRandomOperations compares the index with a map through random changes,
// rebuilds and restarts.
func TestRandomOperations(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	x := open(t, dir)
	defer func() { closed(t, x) }()
	model := map[catalog.ID]*catalog.Tool{}
	var seq uint64
	for range 60 {
		switch rng.IntN(8) {
		case 0:
			closed(t, x)
			x = open(t, dir)
		case 1:
			var all []*catalog.Tool
			for _, tool := range model {
				all = append(all, tool)
			}
			rebuild(t, x, all, seq)
		default:
			seq++
			c := catalog.Change{Server: fmt.Sprintf("s%d", rng.IntN(3)), Seq: seq}
			for i := range 6 {
				id := catalog.ID{Server: c.Server, Tool: fmt.Sprintf("tool%c", 'a'+i)}
				switch {
				case rng.IntN(3) == 0:
					tool := makeTool(t, id.Server, id.Tool, fmt.Sprintf("marker%d", rng.IntN(4)))
					c.Upserted, model[id] = append(c.Upserted, tool), tool
				case model[id] != nil && rng.IntN(4) == 0:
					c.Removed = append(c.Removed, id)
					delete(model, id)
				}
			}
			if err := x.Update(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
		checkModel(t, x, model, seq)
	}
}

func checkModel(t *testing.T, x *Index, model map[catalog.ID]*catalog.Tool, seq uint64) {
	t.Helper()
	if x.Len() != len(model) || x.Seq() != seq {
		t.Fatalf("Len %d, Seq %d; want %d, %d", x.Len(), x.Seq(), len(model), seq)
	}
	for i := range 4 {
		var want []string
		for id, tool := range model {
			if tool.Description == fmt.Sprintf("marker%d", i) {
				want = append(want, id.String())
			}
		}
		got := hits(search(t, x, catalog.Query{Text: fmt.Sprintf("marker%d", i), Limit: 100, Keep: func(id catalog.ID) bool {
			return model[id] != nil && model[id].Description == fmt.Sprintf("marker%d", i)
		}}))
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Fatalf("marker%d finds %v, want %v", i, got, want)
		}
	}
}

// TestDamage: whatever happened to the files, the index opens and can be filled.
func TestDamage(t *testing.T) {
	tools := household(t).Tools
	for name, harm := range map[string]func(t *testing.T, dir string){
		"segment deleted": func(t *testing.T, dir string) { remove(t, one(t, dir, "*/store/*.zap")) },
		"segment cut": func(t *testing.T, dir string) {
			rewrite(t, one(t, dir, "*/store/*.zap"), func(b []byte) []byte { return b[:100] })
		},
		"segment emptied": func(t *testing.T, dir string) {
			rewrite(t, one(t, dir, "*/store/*.zap"), func([]byte) []byte { return nil })
		},
		"hole in segment": func(t *testing.T, dir string) { rewrite(t, one(t, dir, "*/store/*.zap"), hole) },
		"no root":         func(t *testing.T, dir string) { remove(t, one(t, dir, "*/store/root.bolt")) },
		"root cut": func(t *testing.T, dir string) {
			rewrite(t, one(t, dir, "*/store/root.bolt"), func(b []byte) []byte { return b[:100] })
		},
		"meta is garbage": func(t *testing.T, dir string) {
			rewrite(t, one(t, dir, "*/index_meta.json"), func([]byte) []byte { return []byte("{") })
		},
		"a file in its way": func(t *testing.T, dir string) {
			remove(t, one(t, dir, "*"))
			if err := os.WriteFile(filepath.Join(dir, "7"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			x := open(t, dir)
			rebuild(t, x, tools, 5)
			closed(t, x)
			harm(t, dir)
			x = open(t, dir)
			if x.Seq() != 0 || x.Len() != 0 {
				t.Errorf("a damaged index opens with Seq %d and %d tools, want 0 and 0", x.Seq(), x.Len())
			}
			rebuild(t, x, tools, 6)
			closed(t, x)
			x = open(t, dir)
			defer closed(t, x)
			if x.Seq() != 6 || x.Len() != len(tools) {
				t.Errorf("after a rebuild Seq %d and %d tools, want 6 and %d", x.Seq(), x.Len(), len(tools))
			}
		})
	}
}

// A generation that was never finished, as after a kill or on a full disk, does
// not cost the one before it.
func TestUnfinishedGeneration(t *testing.T) {
	dir := t.TempDir()
	tools := household(t).Tools
	x := open(t, dir)
	rebuild(t, x, tools, 5)
	g, err := x.create(x.current.number + 7) // what a rebuild begins with
	if err != nil {
		t.Fatal(err)
	}
	if err := g.ix.Close(); err != nil {
		t.Fatal(err)
	}
	closed(t, x)
	if err := os.MkdirAll(filepath.Join(dir, "99", "store"), 0o700); err != nil {
		t.Fatal(err)
	}
	x = open(t, dir)
	defer closed(t, x)
	if x.Seq() != 5 || x.Len() != len(tools) {
		t.Errorf("opens with Seq %d and %d tools, want 5 and %d", x.Seq(), x.Len(), len(tools))
	}
	if left := generations(dir); len(left) != 1 {
		t.Errorf("generations %v are left, want one", left)
	}
}

// A folder that takes no index costs the index on disk and not the search.
func TestFolderThatTakesNothing(t *testing.T) {
	x := open(t, "/proc/toolrouter/index") // nobody makes folders there, not even root
	defer closed(t, x)
	tools := household(t).Tools
	rebuild(t, x, tools, 5)
	if x.Seq() != 5 || x.Len() != len(tools) {
		t.Errorf("Seq %d and %d tools, want 5 and %d", x.Seq(), x.Len(), len(tools))
	}
}

func hole(b []byte) []byte {
	clear(b[len(b)/3 : len(b)/3+500])
	return b
}

func one(t *testing.T, dir, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(found) == 0 {
		t.Fatalf("%s: %v, %v", pattern, found, err)
	}
	return found[0]
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

func rewrite(t *testing.T, path string, f func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, f(b), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAnotherLayoutIsBuiltAnew(t *testing.T) {
	dir := t.TempDir()
	x := open(t, dir)
	rebuild(t, x, household(t).Tools, 5)
	if err := x.current.ix.SetInternal([]byte(keyLayout), []byte("another")); err != nil {
		t.Fatal(err)
	}
	closed(t, x)
	x = open(t, dir)
	defer closed(t, x)
	if x.Seq() != 0 || x.Len() != 0 {
		t.Errorf("Seq %d, Len %d; want an empty index", x.Seq(), x.Len())
	}
}

// What a server says of itself is searched with each of its tools, also after it
// has come to say something else.
func TestServersTextIsKeptUp(t *testing.T) {
	dir := t.TempDir()
	x := open(t, dir)
	defer func() { closed(t, x) }()
	tools := []*catalog.Tool{makeTool(t, "s1", "list", "List all there is."), makeTool(t, "s1", "drop", "Drop one.")}
	update := func(seq uint64, title, instructions string) {
		t.Helper()
		c := catalog.Change{Server: "s1", About: catalog.ServerText{Title: title, Instructions: instructions}, Retold: true, Seq: seq, All: tools}
		if err := x.Update(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	found := func(text string) int { return len(search(t, x, catalog.Query{Text: text, Limit: 5}).Hits) }
	update(1, "Orchard", "Keeps the apples.")
	if found("orchard") != 2 {
		t.Error("the title is not searched")
	}
	update(2, "Harbour", "Keeps the boats.")
	closed(t, x)
	x = open(t, dir)
	if found("orchard") != 0 || found("harbour") != 2 || x.Len() != 2 || x.Seq() != 2 {
		t.Errorf("after a new title the old one finds %d tools and the new one %d, of %d at %d; want 0, 2, 2, 2",
			found("orchard"), found("harbour"), x.Len(), x.Seq())
	}
}

// TestSearchesGoOnWhileRebuilding: none fails, none sees half an index.
func TestSearchesGoOnWhileRebuilding(t *testing.T) {
	tools := household(t).Tools
	x := open(t, t.TempDir())
	rebuild(t, x, tools, 1)
	stop := make(chan struct{})
	var searchers sync.WaitGroup
	for range 2 {
		searchers.Go(func() { // ends when stop is closed; awaited below
			for {
				select {
				case <-stop:
					return
				default:
				}
				found, err := x.Search(context.Background(), catalog.Query{Text: "merge the pull request", Limit: 1})
				if err != nil || len(found.Hits) != 1 || found.Hits[0].ID.Tool != "mergePullRequest" {
					t.Errorf("Search = %v, %v", hits(found), err)
					return
				}
			}
		})
	}
	for seq := range uint64(5) {
		rebuild(t, x, tools, seq+2)
		if err := x.Update(context.Background(), catalog.Change{Server: "disk", Seq: seq + 3, Upserted: tools[:3]}); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	searchers.Wait()
	dirs, err := os.ReadDir(x.dir)
	if err != nil || len(dirs) != 1 {
		t.Errorf("%d generations are left, want 1 (%v)", len(dirs), err)
	}
	closed(t, x)
}

func TestCancelledRebuildLeavesTheOldIndex(t *testing.T) {
	tools := household(t).Tools
	var many []*catalog.Tool
	for i := range 20 {
		for _, tool := range tools {
			many = append(many, makeTool(t, fmt.Sprintf("s%d", i), tool.ID.Tool, tool.Description))
		}
	}
	x := open(t, t.TempDir())
	defer func() { closed(t, x) }()
	rebuild(t, x, tools, 3)
	ctx, cancel := context.WithCancel(context.Background())
	err := x.Rebuild(ctx, many, nil, 4, func(int, int) { cancel() })
	if err == nil {
		t.Error("Rebuild with a cancelled context = nil, want an error")
	}
	if x.Seq() != 3 || x.Len() != len(tools) {
		t.Errorf("Seq %d, Len %d; want the index from before: 3, %d", x.Seq(), x.Len(), len(tools))
	}
	if found := search(t, x, catalog.Query{Text: "merge pull request", Limit: 1}); len(found.Hits) != 1 {
		t.Error("the old index finds nothing any more")
	}
}

// TestHostileText: one tool's size or odd text harms nobody else.
func TestHostileText(t *testing.T) {
	tools := household(t).Tools
	tools = append(tools,
		makeTool(t, "bad", "stuffed", strings.Repeat("merge pull request weather file ", 3000)),
		makeTool(t, "bad", "odd", "\x00\x01\u202e\ufeff "+everyTool+" \xff \u0301\u0301"),
		makeTool(t, "bad", "word", strings.Repeat("x", 100_000)),
		makeTool(t, "bad", "…", ""),
	)
	x := built(t, tools)
	if x.Len() != len(tools) {
		t.Errorf("Len = %d, want %d", x.Len(), len(tools))
	}
	if got := hits(search(t, x, catalog.Query{Text: "merge the pull request", Limit: 1})); got[0] != "forge/mergePullRequest" {
		t.Errorf("a stuffed tool wins: %v", got)
	}
	if got := hits(search(t, x, catalog.Query{Text: "…", Limit: 1})); len(got) != 1 || got[0] != "bad/…" {
		t.Errorf("a name without words finds %v", got)
	}
}

// TestFileInPlaceOfTheFolder: what is not an index is kept, and is in nobody's way.
func TestFileInPlaceOfTheFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "index")
	if err := os.WriteFile(dir, []byte("not an index"), 0o600); err != nil {
		t.Fatal(err)
	}
	x := open(t, dir)
	defer closed(t, x)
	kept, err := filepath.Glob(dir + ".damaged-*")
	if err != nil || len(kept) != 1 {
		t.Fatalf("the file was not kept: %v, %v", kept, err)
	}
	if text, err := os.ReadFile(kept[0]); err != nil || string(text) != "not an index" {
		t.Errorf("the kept file holds %q, %v", text, err)
	}
}
