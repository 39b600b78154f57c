package main

import (
	"path/filepath"
	"testing"

	"toolrouter/index"
	"toolrouter/internal/catalog"
	"toolrouter/router"
	"toolrouter/store"
)

// A server that says something else of itself, with no tool changed, is found by
// what it says now, also after a restart.
func TestServersTextReachesTheIndex(t *testing.T) {
	dir := t.TempDir()
	tool, err := catalog.NewTool("s", []byte(`{"name":"list","description":"List all there is."}`))
	if err != nil {
		t.Fatal(err)
	}
	// during opens the state, does something with it and closes it.
	during := func(do func(*router.Syncer, *index.Index)) {
		t.Helper()
		st, err := store.Open(filepath.Join(dir, "catalog.db"), store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		ix, err := index.Open(filepath.Join(dir, "index"), index.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer ix.Close()
		s := router.NewSyncer(catalogStore{st}, ix, router.New(ix, noBackends(nil), router.Options{}), nil)
		if err := s.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		do(s, ix)
	}
	finds := func(ix *index.Index, word string, want int) {
		t.Helper()
		found, err := ix.Search(t.Context(), catalog.Query{Text: word, Limit: 5})
		if err != nil || len(found.Hits) != want {
			t.Errorf("%q finds %v (%v), want %d tools", word, found.Hits, err, want)
		}
	}
	during(func(s *router.Syncer, ix *index.Index) {
		for _, title := range []string{"Orchard", "Harbour"} {
			if err := s.Sync(t.Context(), router.Listing{Server: "s", Digest: "d", Title: title, Tools: []*catalog.Tool{tool}}); err != nil {
				t.Fatal(err)
			}
		}
		finds(ix, "orchard", 0)
		finds(ix, "harbour", 1)
	})
	during(func(_ *router.Syncer, ix *index.Index) { finds(ix, "harbour", 1) })
}
