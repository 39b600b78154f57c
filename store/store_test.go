package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"toolrouter/internal/catalog"
)

func open(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatalf("Open(%s): %v", path, err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func makeTool(t testing.TB, server, name, description string) *catalog.Tool {
	t.Helper()
	def, err := json.Marshal(map[string]any{
		"name": name, "title": "A title", "description": description, "vendor": map[string]any{"<x>": 1},
		"inputSchema": map[string]any{"type": "object", "required": []string{"id"}, "properties": map[string]any{
			"id":    map[string]any{"type": "string", "description": "Which one."},
			"state": map[string]any{"enum": []string{"open", "closed"}},
		}},
		"annotations": map[string]any{"readOnlyHint": len(name)%2 == 0},
	})
	if err != nil {
		t.Fatal(err)
	}
	tool, err := catalog.NewTool(server, def)
	if err != nil {
		t.Fatal(err)
	}
	return tool
}

func replace(t testing.TB, s *Store, server string, tools ...*catalog.Tool) catalog.Change {
	t.Helper()
	c, err := s.Replace(t.Context(), Server{Name: server, Digest: "d"}, tools)
	if err != nil {
		t.Fatalf("Replace(%s): %v", server, err)
	}
	return c
}

func load(t testing.TB, s *Store) State {
	t.Helper()
	st, err := s.Load(t.Context())
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return st
}

func TestReplaceTellsTheDifference(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "catalog.db"))
	a, b, b2, c := makeTool(t, "s", "a", "one"), makeTool(t, "s", "b", "two"), makeTool(t, "s", "b", "2"), makeTool(t, "s", "c", "three")
	for _, step := range []struct {
		name     string
		tools    []*catalog.Tool
		upserted []string
		removed  []string
		seq      uint64
	}{
		{"first listing", []*catalog.Tool{a, b}, []string{"a", "b"}, nil, 1},
		{"nothing new", []*catalog.Tool{b, a}, nil, nil, 1},
		{"changed, added, removed", []*catalog.Tool{b2, c}, []string{"b", "c"}, []string{"a"}, 2},
		{"emptied", nil, nil, []string{"b", "c"}, 3},
	} {
		got := replace(t, s, "s", step.tools...)
		var upserted, removed []string
		for _, tool := range got.Upserted {
			upserted = append(upserted, tool.ID.Tool)
		}
		for _, id := range got.Removed {
			removed = append(removed, id.Tool)
		}
		if diff := cmp.Diff(step.upserted, upserted); diff != "" {
			t.Errorf("%s: upserted mismatch (-want +got):\n%s", step.name, diff)
		}
		if diff := cmp.Diff(step.removed, removed); diff != "" {
			t.Errorf("%s: removed mismatch (-want +got):\n%s", step.name, diff)
		}
		if got.Seq != step.seq {
			t.Errorf("%s: seq = %d, want %d", step.name, got.Seq, step.seq)
		}
	}
}

// What a server says of itself is searched with its tools: another text is a
// change, a record that is written anew is none.
func TestReplaceTellsOfTheServersText(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "catalog.db"))
	tool := makeTool(t, "s", "a", "one")
	for _, step := range []struct {
		name   string
		server Server
		retold bool
		seq    uint64
	}{
		{"first listing", Server{Title: "T"}, true, 1},
		{"another digest and version", Server{Title: "T", Digest: "d2", Version: "2"}, false, 1},
		{"another title", Server{Title: "U"}, true, 2},
		{"instructions", Server{Title: "U", Instructions: "I"}, true, 3},
		{"the same", Server{Title: "U", Instructions: "I"}, false, 3},
		{"nothing any more", Server{}, true, 4},
	} {
		step.server.Name = "s"
		c, err := s.Replace(t.Context(), step.server, []*catalog.Tool{tool})
		if err != nil {
			t.Fatal(err)
		}
		about := catalog.ServerText{Title: step.server.Title, Instructions: step.server.Instructions}
		if c.Retold != step.retold || c.Seq != step.seq || c.About != about {
			t.Errorf("%s: retold %v, seq %d, about %+v; want %v, %d, %+v", step.name, c.Retold, c.Seq, c.About, step.retold, step.seq, about)
		}
	}
}

func TestRemoveForgetsTheServersText(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "catalog.db"))
	if _, err := s.Replace(t.Context(), Server{Name: "s", Title: "T"}, nil); err != nil {
		t.Fatal(err)
	}
	for i, empty := range []bool{false, true} {
		c, err := s.Remove(t.Context(), "s")
		if err != nil || c.Empty() != empty || c.About != (catalog.ServerText{}) || c.Seq != 2 {
			t.Errorf("removal %d: %+v (%v), want empty: %v, at 2", i+1, c, err, empty)
		}
	}
}

func TestLoadGivesBackWhatWasKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	s := open(t, path)
	want := []*catalog.Tool{makeTool(t, "a", "x", "with <html> & ünïcode\u2028"), makeTool(t, "b", "y", ""), makeTool(t, "b", "z z", "z")}
	replace(t, s, "a", want[0])
	replace(t, s, "b", want[1:]...)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	got := load(t, open(t, path))
	if diff := cmp.Diff(want, got.Tools); diff != "" {
		t.Errorf("tools mismatch (-want +got):\n%s", diff)
	}
	if len(got.Servers) != 2 || got.Servers[0].Name != "a" || got.Seq != 2 {
		t.Errorf("Load = %d servers, seq %d; want a and b, 2", len(got.Servers), got.Seq)
	}
}

// TestRandomOperations compares the store with a map through random listings,
// removals and restarts.
func TestRandomOperations(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	path := filepath.Join(t.TempDir(), "catalog.db")
	s := open(t, path)
	model := map[catalog.ID]*catalog.Tool{}
	var seq uint64
	for range 300 {
		server := fmt.Sprintf("s%d", rng.IntN(4))
		switch rng.IntN(10) {
		case 0:
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, path)
		case 1:
			c, err := s.Remove(t.Context(), server)
			if err != nil {
				t.Fatal(err)
			}
			apply(t, model, c, &seq)
		default:
			var tools []*catalog.Tool
			for i := range rng.IntN(6) {
				tools = append(tools, makeTool(t, server, fmt.Sprintf("t%d", i), fmt.Sprint(rng.IntN(3))))
			}
			apply(t, model, replace(t, s, server, tools...), &seq)
		}
	}
	st := load(t, s)
	got := map[catalog.ID]*catalog.Tool{}
	for _, tool := range st.Tools {
		got[tool.ID] = tool
	}
	if diff := cmp.Diff(model, got); diff != "" {
		t.Errorf("store and model differ (-model +store):\n%s", diff)
	}
	if st.Seq != seq {
		t.Errorf("seq = %d, want %d", st.Seq, seq)
	}
}

func apply(t *testing.T, model map[catalog.ID]*catalog.Tool, c catalog.Change, seq *uint64) {
	t.Helper()
	for _, id := range c.Removed {
		if model[id] == nil {
			t.Errorf("%s was removed and was not there", id)
		}
		delete(model, id)
	}
	for _, tool := range c.Upserted {
		model[tool.ID] = tool
	}
	if !c.Empty() {
		*seq++
	}
	if c.Seq != *seq {
		t.Errorf("seq = %d, want %d", c.Seq, *seq)
	}
}

func TestLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	open(t, path)
	began := time.Now()
	if _, err := Open(path, Options{}); !errors.Is(err, ErrLocked) {
		t.Errorf("second Open = %v, want ErrLocked", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the second Open waited %s", took)
	}
}

func TestNewerFileIsRefusedAndLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	s := open(t, path)
	err := s.db.Update(func(tx *bolt.Tx) error {
		return tx.Bucket(metaBucket).Put(versionKey, numberBytes(schemaVersion+1))
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, err := Open(path, Options{}); !errors.Is(err, ErrNewer) {
		t.Errorf("Open = %v, want ErrNewer", err)
	}
	if names := dir(t, filepath.Dir(path)); len(names) != 1 {
		t.Errorf("the folder holds %q, want the file alone", names)
	}
}

func TestDamagedFileIsMovedAside(t *testing.T) {
	for name, damage := range map[string]func([]byte) []byte{
		"not a database": func([]byte) []byte { return []byte(strings.Repeat("hello ", 4000)) },
		"cut to 100":     func(b []byte) []byte { return b[:100] },
		"cut in a meta":  func(b []byte) []byte { return b[:5000] },
		"cut in half":    func(b []byte) []byte { return b[:len(b)/2] },
		"both metas": func(b []byte) []byte {
			clear(b[:8192])
			return b
		},
		"pages zeroed": func(b []byte) []byte {
			clear(b[4*4096:])
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "catalog.db")
			s := open(t, path)
			var tools []*catalog.Tool
			for i := range 300 {
				tools = append(tools, makeTool(t, "s", fmt.Sprintf("tool%d", i), strings.Repeat("x", 500)))
			}
			replace(t, s, "s", tools...)
			s.Close()
			whole, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			broken := damage(slices.Clone(whole))
			if err := os.WriteFile(path, broken, 0o600); err != nil {
				t.Fatal(err)
			}
			again := open(t, path)
			if got := load(t, again); len(got.Tools) != 0 {
				t.Fatalf("a damaged file gave %d tools", len(got.Tools))
			}
			replace(t, again, "s", tools...)
			if got := len(load(t, again).Tools); got != len(tools) {
				t.Errorf("after a new listing there are %d tools, want %d", got, len(tools))
			}
			for _, name := range dir(t, filepath.Dir(path)) {
				if !strings.Contains(name, ".damaged-") {
					continue
				}
				if kept, _ := os.ReadFile(filepath.Join(filepath.Dir(path), name)); string(kept) == string(broken) {
					return
				}
			}
			t.Error("the damaged file was not kept")
		})
	}
}

func dir(t *testing.T, path string) []string {
	t.Helper()
	entries, err := os.ReadDir(path)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestOneBadRecordHidesNoOther(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "catalog.db"))
	replace(t, s, "s", makeTool(t, "s", "a", "one"), makeTool(t, "s", "b", "two"))
	for _, bad := range [][]byte{{}, {recordVersion}, {recordVersion, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200}, {9, 1, 'x', 2, '{', '}'}} {
		if err := s.db.Update(func(tx *bolt.Tx) error {
			return tx.Bucket(toolsBucket).Bucket([]byte("s")).Put([]byte("a"), bad)
		}); err != nil {
			t.Fatal(err)
		}
		if got := load(t, s).Tools; len(got) != 1 || got[0].ID.Tool != "b" {
			t.Errorf("with the record %v Load gives %d tools, want b alone", bad, len(got))
		}
	}
}

// What cannot be read is listed again, and that mends it.
func TestBadRecordsAreListedAgain(t *testing.T) {
	for name, damage := range map[string]func(tx *bolt.Tx) error{
		"server": func(tx *bolt.Tx) error {
			return tx.Bucket(serversBucket).Put([]byte("s"), []byte("{\"name\":\"\x00"))
		},
		"tool with its hash": func(tx *bolt.Tx) error {
			b := tx.Bucket(toolsBucket).Bucket([]byte("s"))
			record := slices.Clone(b.Get([]byte("a")))
			return b.Put([]byte("a"), record[:len(record)-1])
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, filepath.Join(t.TempDir(), "catalog.db"))
			tools := []*catalog.Tool{makeTool(t, "s", "a", "one"), makeTool(t, "s", "b", "two")}
			listing := Server{Name: "s", Digest: "d"}
			if _, err := s.Replace(t.Context(), listing, tools); err != nil {
				t.Fatal(err)
			}
			replace(t, s, "other", makeTool(t, "other", "c", "three"))
			if err := s.db.Update(damage); err != nil {
				t.Fatal(err)
			}
			st := load(t, s)
			if len(st.Servers) != 2 || st.Servers[1].Name != "s" || st.Servers[1].Digest != "" {
				t.Errorf("Load gives the servers %+v, want other, and s without a digest", st.Servers)
			}
			if _, err := s.Replace(t.Context(), listing, tools); err != nil {
				t.Fatal(err)
			}
			if st := load(t, s); len(st.Tools) != 3 || st.Servers[1].Digest != "d" {
				t.Errorf("after a new listing Load gives %d tools and the servers %+v, want all of both", len(st.Tools), st.Servers)
			}
		})
	}
}

func TestOldRecordIsReadFromItsDefinition(t *testing.T) {
	want := makeTool(t, "s", "a", "one")
	record := encodeTool(want)
	record[0] = recordVersion + 1
	got, err := decodeTool("s", "a", record)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
	if hashOf(record) != "" {
		t.Error("a record of another version counts as up to date")
	}
}

func TestVectors(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "catalog.db"))
	ctx := t.Context()
	for _, model := range []string{"m1", "m2"} {
		if err := s.PutVectors(ctx, model, map[string][]byte{"h1": {1}, "h2": {2}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.PruneVectors(ctx, "m1", func(hash string) bool { return hash == "h2" }); err != nil {
		t.Fatal(err)
	}
	for model, want := range map[string]map[string][]byte{"m1": {"h2": {2}}, "m2": {}, "m3": {}} {
		got, err := s.Vectors(ctx, model)
		if err != nil {
			t.Fatal(err)
		}
		if !maps.EqualFunc(want, got, func(a, b []byte) bool { return string(a) == string(b) }) {
			t.Errorf("Vectors(%s) = %v, want %v", model, got, want)
		}
	}
}

func FuzzDecodeTool(f *testing.F) {
	f.Add(encodeTool(makeTool(f, "s", "a", "one")))
	f.Add([]byte{recordVersion, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, record []byte) {
		tool, err := decodeTool("s", "a", record)
		if err == nil && tool.ID.Server != "s" {
			t.Errorf("decodeTool = %+v", tool)
		}
	})
}

func BenchmarkLoad(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "catalog.db"))
	for server := range 100 {
		var tools []*catalog.Tool
		for i := range 46 {
			tools = append(tools, makeTool(b, fmt.Sprintf("s%d", server), fmt.Sprintf("tool%d", i), strings.Repeat("words ", 100)))
		}
		replace(b, s, tools[0].ID.Server, tools...)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Load(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
