package upstream

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"toolrouter/internal/catalog"
)

const (
	listGap     = time.Second            // between two listings, however often the backend says its tools changed
	checkGap    = 10 * time.Second       // between two looks whether a connection still stands
	earlyAgain  = 200 * time.Millisecond // a backend that fell is started so soon if a call waits for it
	downAgain   = 5 * time.Second        // one that is down, if a call asks for it
	drainTime   = 5 * time.Second        // for the calls of a backend that is no longer wanted
	quickDeaths = 3                      // so many sessions in a row that came to nothing are a crash loop
	quickTime   = 5 * time.Second
)

// backend supervises one server. Its goroutine, run, alone starts, lists and
// ends it; callers read the session and wait for changes.
type backend struct {
	declared Spec // as it was applied
	spec     Spec // with defaults
	digest   string
	opts     Options
	log      *slog.Logger
	stderr   *stderrLog
	dial     dialer
	before   *backend // of the same name, which has to end first

	slots   chan struct{} // one for each call at the same time
	queue   chan struct{} // one for each call that waits for a slot
	session atomic.Pointer[session]
	dirty   chan struct{}  // cap 1: the tools may have changed
	wake    chan struct{}  // cap 1: somebody waits for a start
	quit    chan struct{}  // closed when it is no longer wanted
	retired error          // why it is not; valid once quit is closed
	done    chan struct{}  // closed when run has ended
	wg      sync.WaitGroup // sessions that are being ended

	warned string // the last failure that was logged in full; "" since it was ready

	mu      sync.Mutex // guards what follows
	now     catalog.Server
	next    time.Time     // of the next try, zero if none is planned
	changed chan struct{} // closed and replaced when session or state change
	started bool          // it has been ready before
}

func newBackend(spec Spec, o Options, guard *guard) *backend {
	b := &backend{
		declared: spec,
		spec:     spec.withDefaults(),
		digest:   spec.Digest(),
		opts:     o,
		log:      o.Log.With("server", spec.Name),
		dirty:    make(chan struct{}, 1),
		wake:     make(chan struct{}, 1),
		quit:     make(chan struct{}),
		done:     make(chan struct{}),
		changed:  make(chan struct{}),
		now:      catalog.Server{Name: spec.Name, State: catalog.Starting, Since: time.Now()},
	}
	if spec.Disabled {
		b.now.State = catalog.Disabled
	}
	b.slots = make(chan struct{}, b.spec.Concurrency)
	b.queue = make(chan struct{}, queueFactor*b.spec.Concurrency)
	b.stderr = &stderrLog{log: b.log}
	b.dial = dialer{spec: b.spec, version: o.Version, log: b.log, stderr: b.stderr, guard: guard, poke: b.poke, started: b.setPID}
	return b
}

// poke asks for a new listing. One request waiting is as good as a hundred.
func (b *backend) poke() { signal(b.dirty) }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// retire says that the backend is no longer wanted, and why.
func (b *backend) retire(why error) {
	b.retired = why
	close(b.quit)
}
