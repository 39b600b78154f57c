package router

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"toolrouter/internal/catalog"
)

// fakeStore is a catalogue kept in maps.
type fakeStore struct {
	tools   map[string]map[string]*catalog.Tool
	records map[string]Listing
	seq     uint64
	fails   error
}

func newFakeStore() *fakeStore {
	return &fakeStore{tools: map[string]map[string]*catalog.Tool{}, records: map[string]Listing{}}
}

func (s *fakeStore) Load(context.Context) (Stored, error) {
	out := Stored{Seq: s.seq}
	for _, name := range slices.Sorted(maps.Keys(s.records)) {
		out.Servers = append(out.Servers, s.records[name])
		out.Tools = append(out.Tools, slices.Collect(maps.Values(s.tools[name]))...)
	}
	return out, s.fails
}

func (s *fakeStore) Replace(_ context.Context, l Listing) (catalog.Change, error) {
	if s.fails != nil {
		return catalog.Change{}, s.fails
	}
	said := s.records[l.Server]
	c := catalog.Change{Server: l.Server, About: catalog.ServerText{Title: l.Title, Instructions: l.Instructions}}
	c.Retold = c.About != catalog.ServerText{Title: said.Title, Instructions: said.Instructions}
	next := map[string]*catalog.Tool{}
	for _, t := range l.Tools {
		next[t.ID.Tool] = t
		if old := s.tools[l.Server][t.ID.Tool]; old == nil || old.Hash != t.Hash {
			c.Upserted = append(c.Upserted, t)
		}
	}
	for name, t := range s.tools[l.Server] {
		if next[name] == nil {
			c.Removed = append(c.Removed, t.ID)
		}
	}
	l.Tools = nil
	s.tools[l.Server], s.records[l.Server] = next, l
	if !c.Empty() {
		s.seq++
	}
	c.Seq = s.seq
	return c, nil
}

func (s *fakeStore) Remove(ctx context.Context, server string) (catalog.Change, error) {
	c, err := s.Replace(ctx, Listing{Server: server})
	delete(s.records, server)
	delete(s.tools, server)
	return c, err
}

func listing(tb testing.TB, server string, names ...string) Listing {
	l := Listing{Server: server, Digest: "d1", Title: server + " title"}
	for _, n := range names {
		l.Tools = append(l.Tools, toolNamed(tb, server, n, "Do "+n+".", `{"type":"object"}`))
	}
	return l
}

type house struct {
	store  *fakeStore
	index  *fakeIndex
	router *Router
	sync   *Syncer
}

func newHouse(st *fakeStore, x *fakeIndex) house {
	r := New(x, &fakeUpstream{}, Options{})
	return house{st, x, r, NewSyncer(st, x, r, nil)}
}

func (h house) tools() (names []string) {
	for t := range h.router.state.Load().view.Snapshot.All() {
		names = append(names, t.Name)
	}
	return names
}

func TestSyncer(t *testing.T) {
	h := newHouse(newFakeStore(), newFakeIndex())
	if err := h.sync.Load(t.Context()); err != nil || h.index.rebuilt != 0 {
		t.Fatalf("load of nothing: %v, %d rebuilds", err, h.index.rebuilt)
	}
	mustSync := func(l Listing) {
		t.Helper()
		if err := h.sync.Sync(t.Context(), l); err != nil {
			t.Fatal(err)
		}
	}
	mustSync(listing(t, "a", "x", "y"))
	mustSync(listing(t, "b", "z"))
	if got, want := fmt.Sprint(h.tools()), "[a__x a__y b__z]"; got != want {
		t.Errorf("tools %s, want %s", got, want)
	}
	before := h.router.state.Load()
	mustSync(listing(t, "a", "y", "x"))
	if h.router.state.Load() != before || h.index.updated != 2 {
		t.Errorf("an unchanged listing published, or reached the index (%d updates)", h.index.updated)
	}
	mustSync(listing(t, "a", "x", "w"))
	if got, want := fmt.Sprint(h.tools()), "[a__w a__x b__z]"; got != want {
		t.Errorf("tools %s, want %s", got, want)
	}
	if n, ok := h.sync.Known("a", "d1"); n != 2 || !ok {
		t.Errorf("Known(a, d1) = %d, %v, want 2, true", n, ok)
	}
	if _, ok := h.sync.Known("a", "d2"); ok {
		t.Error("a listing of another configuration is known")
	}
	if err := h.sync.Forget(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if _, ok := h.sync.Known("a", "d1"); ok || fmt.Sprint(h.tools()) != "[b__z]" {
		t.Errorf("after Forget: known %v, tools %v", ok, h.tools())
	}
	if h.index.rebuilt != 0 || h.index.Seq() != h.store.seq {
		t.Errorf("index rebuilt %d times and at %d, the store at %d", h.index.rebuilt, h.index.Seq(), h.store.seq)
	}
}

// recordingIndex keeps what it was told last.
type recordingIndex struct {
	*fakeIndex
	last catalog.Change
}

func (x *recordingIndex) Update(ctx context.Context, c catalog.Change) error {
	x.last = c
	return x.fakeIndex.Update(ctx, c)
}

// What a server says of itself reaches requests and the index without a tool
// having changed.
func TestSyncerTakesInTheServersText(t *testing.T) {
	x := &recordingIndex{fakeIndex: newFakeIndex()}
	r := New(x, &fakeUpstream{}, Options{})
	s := NewSyncer(newFakeStore(), x, r, nil)
	retitled, told := listing(t, "a", "x", "y"), listing(t, "a", "x", "y")
	retitled.Title = "other"
	told.Title, told.Instructions = "other", "Use x before y."
	for i, l := range []Listing{listing(t, "a", "x", "y"), retitled, told} {
		if err := s.Sync(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		want := catalog.ServerText{Title: l.Title, Instructions: l.Instructions}
		if got := r.state.Load().view.Servers["a"]; got != want {
			t.Errorf("listing %d: %+v was published, want %+v", i+1, got, want)
		}
		if x.last.About != want || len(x.last.All) != 2 || x.Seq() != uint64(i+1) {
			t.Errorf("listing %d: the index was told %+v of %d tools and stands at %d, want %+v, 2, %d",
				i+1, x.last.About, len(x.last.All), x.Seq(), want, i+1)
		}
	}
	if err := s.Sync(t.Context(), told); err != nil || x.updated != 3 || x.rebuilt != 0 {
		t.Errorf("%d updates and %d rebuilds after a listing that says the same (%v), want 3 and 0", x.updated, x.rebuilt, err)
	}
	if err := s.Forget(t.Context(), "a"); err != nil || len(r.state.Load().view.Servers) != 0 {
		t.Errorf("a server that was forgotten still says %v (%v)", r.state.Load().view.Servers, err)
	}
}

// What a configuration has come to deny is gone at once, and only that.
func TestSyncerNarrow(t *testing.T) {
	x, st := newFakeIndex(), newFakeStore()
	r := New(x, &fakeUpstream{}, Options{})
	s := NewSyncer(st, x, r, nil)
	for _, l := range []Listing{listing(t, "a", "x", "y"), listing(t, "b", "x")} {
		if err := s.Sync(t.Context(), l); err != nil {
			t.Fatal(err)
		}
	}
	keep := func(id catalog.ID) bool { return id != catalog.ID{Server: "a", Tool: "x"} }
	for range 2 { // the second time there is nothing left to do
		if err := s.Narrow(t.Context(), keep); err != nil {
			t.Fatal(err)
		}
	}
	snap := r.state.Load().view.Snapshot
	if snap.Len() != 2 || snap.Tool(catalog.ID{Server: "a", Tool: "x"}) != nil || x.Seq() != 3 || st.seq != 3 {
		t.Errorf("%d tools are left, the index stands at %d and the store at %d; want 2, 3, 3", snap.Len(), x.Seq(), st.seq)
	}
	if n, ok := s.Known("a", listing(t, "a").Digest); ok {
		t.Errorf("what is left, %d tools, is taken for a whole listing", n)
	}
}

func TestSyncerLoadRebuildsWhatDiffers(t *testing.T) {
	st := newFakeStore()
	first := newHouse(st, newFakeIndex())
	if err := first.sync.Sync(t.Context(), listing(t, "a", "x", "y")); err != nil {
		t.Fatal(err)
	}
	next := newHouse(st, newFakeIndex()) // a lost index
	if err := next.sync.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if next.index.rebuilt != 1 || len(next.index.tools) != 2 || fmt.Sprint(next.tools()) != "[a__x a__y]" {
		t.Errorf("%d rebuilds, %d documents, tools %v", next.index.rebuilt, len(next.index.tools), next.tools())
	}
	if n, ok := next.sync.Known("a", "d1"); n != 2 || !ok {
		t.Errorf("Known = %d, %v after Load", n, ok)
	}
	again := newHouse(st, first.index) // one that is up to date
	if err := again.sync.Load(t.Context()); err != nil || again.index.rebuilt != 0 {
		t.Errorf("an index that is up to date was rebuilt %d times (%v)", again.index.rebuilt, err)
	}
}

func TestSyncerMendsTheIndex(t *testing.T) {
	h := newHouse(newFakeStore(), newFakeIndex())
	h.index.fails = errors.New("disk full")
	if err := h.sync.Sync(t.Context(), listing(t, "a", "x")); err != nil {
		t.Fatal(err)
	}
	if h.index.rebuilt != 1 || h.index.Seq() != h.store.seq || len(h.index.tools) != 1 {
		t.Errorf("after a failed update: %d rebuilds, at %d, %d documents", h.index.rebuilt, h.index.Seq(), len(h.index.tools))
	}
	h.index.fails, h.index.seq = nil, 99 // as if somebody else had written it
	if err := h.sync.Sync(t.Context(), listing(t, "a", "x", "y")); err != nil || h.index.rebuilt != 2 {
		t.Errorf("an index that stands elsewhere was rebuilt %d times (%v)", h.index.rebuilt-1, err)
	}
	h.index.seq = 99
	if err := h.sync.Sync(t.Context(), listing(t, "a", "x", "y")); err != nil || h.index.rebuilt != 3 || h.index.Seq() != h.store.seq {
		t.Errorf("with a listing that changes nothing, an index that is behind was rebuilt %d times and stands at %d (%v)", h.index.rebuilt-2, h.index.Seq(), err)
	}
}

func TestSyncerStoreFailure(t *testing.T) {
	h := newHouse(newFakeStore(), newFakeIndex())
	h.store.fails = errors.New("disk full")
	if err := h.sync.Sync(t.Context(), listing(t, "a", "x")); !errors.Is(err, h.store.fails) {
		t.Errorf("Sync = %v, want %v", err, h.store.fails)
	}
	if len(h.tools()) != 0 || h.index.updated != 0 {
		t.Error("what was not stored was published")
	}
}

func TestSearchWhileWriting(t *testing.T) {
	h := newHouse(newFakeStore(), newFakeIndex())
	if err := h.sync.Sync(t.Context(), listing(t, "a", "x")); err != nil {
		t.Fatal(err)
	}
	searched := 0
	h.index.during = func() {
		if res, err := h.router.Search(t.Context(), SearchRequest{Query: "do x"}); err != nil || res.Shown != 1 {
			t.Errorf("search during reindex: %d hits, %v", res.Shown, err)
		}
		searched++
	}
	var steps []int
	if err := h.sync.Reindex(t.Context(), func(done, total int) { steps = append(steps, done, total) }); err != nil {
		t.Fatal(err)
	}
	if searched != 1 || fmt.Sprint(steps) != "[1 1]" {
		t.Errorf("searched %d times, progress %v", searched, steps)
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() { // ends after its listings; joined below
			for j := range 20 {
				if err := h.sync.Sync(t.Context(), listing(t, fmt.Sprintf("s%d", i), fmt.Sprintf("t%d", j))); err != nil {
					t.Error(err)
				}
				h.sync.Known("a", "d1")
			}
		})
		wg.Go(func() { // ends after its searches; joined below
			for range 50 {
				if _, err := h.router.Search(t.Context(), SearchRequest{Query: "do t3"}); err != nil {
					t.Error(err)
				}
				h.router.ToolsJSON()
			}
		})
	}
	wg.Wait()
	if got, want := len(h.tools()), 5; got != want {
		t.Errorf("%d tools after all listings, want %d", got, want)
	}
}
