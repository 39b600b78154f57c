package upstream

import (
	"context"
	"encoding/json"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"toolrouter/internal/catalog"
)

// How long a call waits for a backend to ask for its client's roots, and to take
// them in, which no backend tells.
const (
	rootsPatience = 500 * time.Millisecond
	rootsTakeIn   = 50 * time.Millisecond
)

// roots is whose roots a backend of an older revision holds. Many ask for them
// once, after the handshake or in the first call that needs them, and keep the
// answer until they are told that it changed. Here they serve many clients, each
// with roots of its own.
type roots struct {
	asks atomic.Bool   // it has asked, and may keep what it is told
	turn chan struct{} // cap 1: full while they change hands

	mu    sync.Mutex    // guards what follows
	of    any           // the client; nil is nobody
	next  *flight       // the call for which it was told to ask, nil for one without roots
	done  chan struct{} // closed when it has asked and was answered; nil if it was not told to
	heeds bool          // it has asked when it was told to
	deaf  bool          // it never did
}

// rootsOf identifies a call's client by its roots. It is nil for one without.
func rootsOf(x *flight) any {
	if x == nil || !x.caller.Can("roots") {
		return nil
	}
	return x.client
}

// bringRoots has a backend that may keep roots ask for those of the client whose
// call is about to be sent, unless it holds them.
func (s *session) bringRoots(ctx context.Context, x *flight) {
	r := &s.roots
	if !r.asks.Load() {
		return
	}
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return
	}
	done := r.begin(x)
	if done == nil {
		return
	}
	defer r.end()
	if s.notify(ctx, mcp.MethodNotificationRootsListChanged, nil) != nil {
		return
	}
	select {
	case <-done:
		sleep(ctx, rootsTakeIn)
	case <-ctx.Done():
	case <-time.After(rootsPatience):
		r.missed(x)
	}
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// begin prepares for the question. It gives nil if the backend holds the right
// roots, and else what is closed when it has asked and was answered.
func (r *roots) begin(x *flight) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of == rootsOf(x) {
		return nil
	}
	r.next, r.done = x, make(chan struct{})
	return r.done
}

// missed is when the call is not held up any longer. A backend that never asked
// when it was told to asks whenever it needs roots, and keeps none: it is told no
// more.
func (r *roots) missed(x *flight) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done == nil {
		return // it has asked, and the client takes its time
	}
	r.of, r.deaf = rootsOf(x), !r.heeds
	r.asks.Store(!r.deaf)
}

// end has what the backend asks from now on be of its own accord.
func (r *roots) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next, r.done = nil, nil
}

// take gives the call for which the backend was told to ask, and what is to be
// closed when it was answered: nil if it asks of its own accord.
func (r *roots) take() (x *flight, done chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done != nil {
		r.of, r.heeds = rootsOf(r.next), true
	}
	x, done = r.next, r.done
	r.next, r.done = nil, nil
	return x, done
}

// asked notes that the backend asked of its own accord, in a call or, if that is
// nil, outside of any. The latter is no way of one that keeps none: it was late.
func (r *roots) asked(x *flight) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deaf = r.deaf && x != nil
	r.asks.Store(!r.deaf)
	switch {
	case x != nil:
		r.of = rootsOf(x)
	case r.of != nil: // what it asked for it did not get
		r.of = r // is nobody's
	}
}

// askedRoots answers a backend that asks for roots. ctx ends when the answer is
// on its way.
func (s *session) askedRoots(ctx context.Context, params json.RawMessage) (json.RawMessage, *catalog.RPCError) {
	if x, done := s.roots.take(); done != nil {
		context.AfterFunc(ctx, func() { close(done) })
		if rootsOf(x) == nil {
			return json.RawMessage(`{"roots":[]}`), nil // instead of another client's
		}
		return s.ask(ctx, x, string(mcp.MethodListRoots), params)
	}
	// Many ask right after the handshake, when nobody is there. An empty list would
	// be an answer, which some keep for good; after an error they go on with what
	// they were started with.
	x, fault := s.flights.toAsk(ctx, "roots")
	if x != nil || s.flights.none() {
		s.roots.asked(x)
	}
	if x == nil {
		return nil, fault
	}
	return s.ask(ctx, x, string(mcp.MethodListRoots), params)
}
