package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"toolrouter/internal/catalog"
)

// Listing is what a backend offers: one complete answer to tools/list.
type Listing struct {
	Server catalog.Server    // the backend as it is now
	Digest string            // of the Spec that was listed
	Tools  []*catalog.Tool   // in the backend's order, filtered
	Held   map[string]string // definitions that cannot be served, by name, with the reason
}

// Options are what a Manager needs from its surroundings. The zero value works:
// nothing is known before, and nobody is told.
type Options struct {
	Log     *slog.Logger // nil discards
	Version string       // of the router, told to backends

	// Known reports whether a catalogue made with this digest is stored, and how
	// many tools it has. A child process whose tools are known is not started
	// before its first call. nil means nothing is known.
	Known func(server, digest string) (tools int, ok bool)

	// Listed takes each complete listing. It is called by the backend's own
	// goroutine, so it may take its time, but never at the same time twice for
	// one backend. After an error the tools are listed again later.
	Listed func(context.Context, Listing) error

	// Changed is told each new state of a backend. It must not block.
	Changed func(catalog.Server)
}

// Manager keeps one session with each wanted backend. All methods may be called
// from several goroutines.
type Manager struct {
	opts  Options
	guard *guard

	backends atomic.Pointer[map[string]*backend] // never changed once stored

	mu    sync.Mutex
	life  context.Context // of Run; nil before
	ended bool            // Run waits for the last ones: no goroutine may be added
	wg    sync.WaitGroup  // the backends' goroutines
}

// New prepares a Manager and starts nothing.
func New(o Options) *Manager {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Known == nil {
		o.Known = func(string, string) (int, bool) { return 0, false }
	}
	if o.Listed == nil {
		o.Listed = func(context.Context, Listing) error { return nil }
	}
	if o.Changed == nil {
		o.Changed = func(catalog.Server) {}
	}
	m := &Manager{opts: o, guard: newGuard(o.Log)}
	m.backends.Store(&map[string]*backend{})
	return m
}

// Apply replaces the set of wanted backends and returns at once. The specs must
// be valid. A backend whose spec did not change keeps its session; one whose
// spec changed ends the calls it has, for a few seconds at most, before it is
// started anew. The last Apply wins.
func (m *Manager) Apply(specs []Spec) {
	m.mu.Lock()
	defer m.mu.Unlock()
	old := *m.backends.Load()
	next := make(map[string]*backend, len(specs))
	var fresh []*backend
	for _, spec := range specs {
		if b := old[spec.Name]; b != nil && reflect.DeepEqual(b.declared, spec) {
			next[spec.Name] = b
			continue
		}
		b := newBackend(spec, m.opts, m.guard)
		if m.life != nil {
			b.before = old[spec.Name]
		}
		next[spec.Name] = b
		fresh = append(fresh, b)
	}
	m.backends.Store(&next)
	for name, b := range old {
		switch next[name] {
		case b:
		case nil:
			b.retire(errRemoved)
		default:
			b.retire(errChanged)
		}
	}
	if m.life != nil && !m.ended {
		m.startLocked(fresh)
	}
}

// startLocked gives each backend its goroutine, which ends with Run's context
// or when the backend is no longer wanted; Run waits for it.
func (m *Manager) startLocked(backends []*backend) {
	for _, b := range backends {
		m.wg.Go(func() { b.run(m.life) })
	}
}

// Run keeps the backends going until ctx ends. It returns when every child
// process has ended and every goroutine too, which takes less than five
// seconds. It can be called once.
func (m *Manager) Run(ctx context.Context) error {
	m.mu.Lock()
	if m.life != nil {
		m.mu.Unlock()
		return errors.New("upstream: Run was called twice")
	}
	m.life = ctx
	m.startLocked(slices.Collect(maps.Values(*m.backends.Load())))
	m.mu.Unlock()

	<-ctx.Done()
	m.mu.Lock()
	m.ended = true
	m.mu.Unlock()
	m.wg.Wait()
	m.guard.close()
	return nil
}

// Call makes one tools/call and gives the result as the backend sent it. A
// backend that sleeps is started, one that is being started is waited for, both
// within the deadline of ctx and the backend's timeout. The error is a
// *catalog.RPCError if the backend answered with one, a *catalog.Unavailable if
// it could not be reached, ended meanwhile or was not sent the call in time, the
// context's own if that ended, and otherwise tells what went wrong.
func (m *Manager) Call(ctx context.Context, call catalog.Call) (json.RawMessage, error) {
	for {
		b := (*m.backends.Load())[call.ID.Server]
		if b == nil {
			return nil, fmt.Errorf("call %s: no server of that name is configured", call.ID)
		}
		if !b.spec.Serves(call.ID.Tool) {
			return nil, fmt.Errorf("call %s: the configuration does not allow this tool", call.ID)
		}
		result, err := b.call(ctx, call)
		if !errors.Is(err, errRetired) { // else an Apply came between
			return result, err
		}
	}
}

// Servers tells how each wanted backend is, by name.
func (m *Manager) Servers() []catalog.Server {
	backends := *m.backends.Load()
	list := make([]catalog.Server, 0, len(backends))
	for _, b := range backends {
		list = append(list, b.server())
	}
	slices.SortFunc(list, func(a, b catalog.Server) int { return strings.Compare(a.Name, b.Name) })
	return list
}
