package router

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"toolrouter/internal/catalog"
)

// Listing is one complete listing of one backend, and what the store keeps of
// it beside the tools.
type Listing struct {
	Server       string
	Digest       string // of the configuration that was listed
	Title        string
	Version      string
	Protocol     string
	Instructions string
	Tools        []*catalog.Tool
	Held         map[string]string // tools that were refused, with the reason
}

// Stored is a whole stored catalogue.
type Stored struct {
	Tools   []*catalog.Tool
	Servers []Listing // without their tools
	Seq     uint64
}

// Store keeps the catalogue. The Syncer is its only user.
type Store interface {
	Load(context.Context) (Stored, error)
	// Replace keeps a listing in place of the server's last one, in one
	// transaction, and tells what it changed and what the server now says of
	// itself. The sequence number moves by one with a change that is not empty.
	Replace(context.Context, Listing) (catalog.Change, error)
	// Remove forgets a server; an unknown one is an empty change.
	Remove(ctx context.Context, server string) (catalog.Change, error)
}

// WritableIndex is the index as its one writer sees it. Searches go on during
// every method.
type WritableIndex interface {
	Seq() uint64 // the store's sequence number that it reflects
	Update(context.Context, catalog.Change) error
	Rebuild(ctx context.Context, tools []*catalog.Tool, servers map[string]catalog.ServerText, seq uint64, progress func(done, total int)) error
}

// Syncer is the one writer of store, index and snapshot. Its methods are safe
// for concurrent use; all but Known, Held and Servers wait for each other.
type Syncer struct {
	store  Store
	index  WritableIndex
	router *Router
	log    *slog.Logger

	writing sync.Mutex // held for a whole change; guards seq and view
	seq     uint64
	view    *View

	mu    sync.Mutex // guards known; held for moments only
	known map[string]record
}

// record is what must be known of a server to tell whether it has to be listed.
type record struct {
	digest string
	tools  int
	held   map[string]string // tools that were refused, with the reason
}

// NewSyncer makes a Syncer that publishes to r. A nil log logs nothing.
func NewSyncer(st Store, ix WritableIndex, r *Router, log *slog.Logger) *Syncer {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Syncer{
		store: st, index: ix, router: r, log: log,
		view:  &View{Snapshot: &catalog.Snapshot{}},
		known: map[string]record{},
	}
}

// Load publishes the stored catalogue. An index that does not reflect it is
// rebuilt first; if that fails, the tools are published all the same, so that
// they can be listed and called, and the error is returned.
func (s *Syncer) Load(ctx context.Context) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.load(ctx, false, nil)
}

// Reindex rebuilds the index from the store, whatever it holds. Searches go on
// meanwhile. progress may be nil.
func (s *Syncer) Reindex(ctx context.Context, progress func(done, total int)) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.load(ctx, true, progress)
}

func (s *Syncer) load(ctx context.Context, always bool, progress func(done, total int)) error {
	all, err := s.store.Load(ctx)
	if err != nil {
		return fmt.Errorf("load catalogue: %w", err)
	}
	view := &View{Snapshot: catalog.NewSnapshot(all.Tools), Servers: map[string]catalog.ServerText{}}
	known := map[string]record{}
	for _, l := range all.Servers {
		view.Servers[l.Server] = catalog.ServerText{Title: l.Title, Instructions: l.Instructions}
		known[l.Server] = record{l.Digest, len(view.Snapshot.Server(l.Server)), l.Held}
	}
	if always || s.index.Seq() != all.Seq {
		s.log.Info("rebuild index", "tools", len(all.Tools), "seq", all.Seq)
		if err = s.index.Rebuild(ctx, all.Tools, view.Servers, all.Seq, progress); err != nil {
			err = fmt.Errorf("after loading the catalogue: %w", err)
		}
	}
	s.mu.Lock()
	s.known = known
	s.mu.Unlock()
	s.seq, s.view = all.Seq, view
	s.router.Publish(view)
	return err
}

// Sync takes in a new listing: store, index, snapshot, in this order. A listing
// that changes nothing does nothing, unless the index is behind.
func (s *Syncer) Sync(ctx context.Context, l Listing) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.sync(ctx, l)
}

func (s *Syncer) sync(ctx context.Context, l Listing) error {
	change, err := s.store.Replace(ctx, l)
	if err != nil {
		return fmt.Errorf("store listing of %s: %w", l.Server, err)
	}
	s.remember(l.Server, &record{l.Digest, len(l.Tools), l.Held})
	return s.apply(ctx, change)
}

// Forget removes a server and its tools.
func (s *Syncer) Forget(ctx context.Context, server string) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	change, err := s.store.Remove(ctx, server)
	if err != nil {
		return fmt.Errorf("forget %s: %w", server, err)
	}
	s.remember(server, nil)
	return s.apply(ctx, change)
}

// Narrow drops the stored tools that keep refuses, as after a configuration that
// denies more: a tool that may not be called is not to be found either, also
// while its server cannot be listed again.
func (s *Syncer) Narrow(ctx context.Context, keep func(catalog.ID) bool) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	narrow := map[string]bool{}
	for t := range s.view.Snapshot.All() {
		if !keep(t.ID) {
			narrow[t.ID.Server] = true
		}
	}
	if len(narrow) == 0 {
		return nil
	}
	all, err := s.store.Load(ctx)
	if err != nil {
		return fmt.Errorf("narrow the catalogue: %w", err)
	}
	for _, l := range all.Servers {
		if !narrow[l.Server] {
			continue
		}
		l.Digest = "" // no configuration lists just this: the next start lists anew
		for _, t := range s.view.Snapshot.Server(l.Server) {
			if keep(t.ID) {
				l.Tools = append(l.Tools, t)
			}
		}
		if err := s.sync(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

// Known reports whether a listing of the server, made with this configuration,
// is stored, and how many tools it has. It never waits for a change.
func (s *Syncer) Known(server, digest string) (tools int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.known[server]
	if !ok || r.digest != digest {
		return 0, false
	}
	return r.tools, true
}

// Held tells which of a server's tools were refused when it was listed, with the
// reason. The map must not be changed.
func (s *Syncer) Held(server string) map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known[server].held
}

// Servers names the servers of which a listing is stored, sorted.
func (s *Syncer) Servers() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.known))
}

func (s *Syncer) remember(server string, r *record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r == nil {
		delete(s.known, server)
		return
	}
	s.known[server] = *r
}

// apply takes a stored change to the index and publishes it. writing is held. An
// index that could not take it is behind the store: the next listing, or the next
// start, rebuilds it.
func (s *Syncer) apply(ctx context.Context, c catalog.Change) error {
	if c.Empty() && s.index.Seq() == s.seq {
		return nil
	}
	next := &View{Snapshot: s.view.Snapshot.With(c), Servers: maps.Clone(s.view.Servers)}
	if next.Servers == nil {
		next.Servers = map[string]catalog.ServerText{}
	}
	delete(next.Servers, c.Server)
	if c.About != (catalog.ServerText{}) {
		next.Servers[c.Server] = c.About
	}
	c.All = next.Snapshot.Server(c.Server)
	err := s.updateIndex(ctx, c, next)
	if !c.Empty() {
		s.log.Info("catalogue changed", "server", c.Server, "seq", c.Seq,
			"upserted", len(c.Upserted), "removed", len(c.Removed), "tools", next.Snapshot.Len())
	}
	s.seq, s.view = c.Seq, next
	s.router.Publish(next)
	return err
}

// updateIndex brings the index from the sequence number before the change to the
// one after it, or rebuilds it if it stood elsewhere.
func (s *Syncer) updateIndex(ctx context.Context, c catalog.Change, next *View) error {
	err := fmt.Errorf("index stands at %d and the store stood at %d", s.index.Seq(), s.seq)
	if s.index.Seq() == s.seq {
		if err = s.index.Update(ctx, c); err == nil {
			return nil
		}
	}
	if ctx.Err() != nil { // the next start rebuilds it
		return fmt.Errorf("after a change of %s: %w", c.Server, err)
	}
	s.log.Warn("rebuild index", "err", err)
	var tools []*catalog.Tool
	for t := range next.Snapshot.All() {
		tools = append(tools, t)
	}
	if err := s.index.Rebuild(ctx, tools, next.Servers, c.Seq, nil); err != nil {
		return fmt.Errorf("after a change of %s: %w", c.Server, err)
	}
	return nil
}
