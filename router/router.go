package router

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"toolrouter/internal/catalog"
)

// Index finds tools by what is asked for. It must be safe for concurrent use
// and answer from memory.
type Index interface {
	Search(context.Context, catalog.Query) (catalog.Found, error)
}

// Upstream reaches the backends.
type Upstream interface {
	// Call makes one call and gives the result as the backend sent it. Its
	// errors are a *catalog.Unavailable, a *catalog.RPCError or the context's;
	// any other one tells in its text what went wrong, such as a server that is
	// not there or a tool that the configuration does not allow.
	Call(context.Context, catalog.Call) (json.RawMessage, error)
	// Servers tells how every configured backend is. It is asked in every search
	// and must not block.
	Servers() []catalog.Server
}

const (
	defaultLimit     = 5
	maxLimit         = 20
	defaultMaxTokens = 1200
	minMaxTokens     = 100
	maxMaxTokens     = 100_000
	bytesPerToken    = 4
)

// Options are a Router's settings. The zero value is a good choice.
type Options struct {
	Limit     int          // hits in an answer that asks for no number; 0 means 5, at most 20
	MaxTokens int          // size of a search's answer, in tokens of four bytes; 0 means 1,200, from 100 to 100,000
	Log       *slog.Logger // nil logs nothing

	// Visible hides the stored tools that it is false of, as of servers that are no
	// longer configured; nil hides none. It may be called at any time.
	Visible func(catalog.ID) bool
}

// Validate reports what is wrong with the settings, all of it at once.
func (o Options) Validate() error {
	var errs []error
	if o.Limit < 0 || o.Limit > maxLimit {
		errs = append(errs, fmt.Errorf("limit: %d is not from 1 to %d", o.Limit, maxLimit))
	}
	if o.MaxTokens != 0 && (o.MaxTokens < minMaxTokens || o.MaxTokens > maxMaxTokens) {
		errs = append(errs, fmt.Errorf("max_tokens: %d is not from %d to %d", o.MaxTokens, minMaxTokens, maxMaxTokens))
	}
	return errors.Join(errs...)
}

// View is everything the Router knows at one moment. It must not be changed once
// it has been published.
type View struct {
	Snapshot *catalog.Snapshot
	Servers  map[string]catalog.ServerText // by the server's name; those that said nothing may be missing
}

// Router answers searches and makes calls. All its methods are safe for
// concurrent use.
type Router struct {
	index    Index
	upstream Upstream
	opts     Options
	log      *slog.Logger
	schemas  schemaCache
	state    atomic.Pointer[state]

	mu      sync.Mutex // guards what follows, and serialises publishing
	topics  topicCache
	changed []func()
}

// state is what one publication fixed: a view and the texts made from it.
type state struct {
	view         *View
	overview     string
	instructions string
	tools        json.RawMessage
	about        map[string]string     // what each server is about, in a few words
	may          func(catalog.ID) bool // Options.Visible
}

// New makes a Router with an empty catalogue.
func New(ix Index, up Upstream, o Options) *Router {
	if o.Limit <= 0 {
		o.Limit = defaultLimit
	}
	o.Limit = min(o.Limit, maxLimit)
	if o.MaxTokens <= 0 {
		o.MaxTokens = defaultMaxTokens
	}
	o.MaxTokens = min(max(o.MaxTokens, minMaxTokens), maxMaxTokens)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	r := &Router{index: ix, upstream: up, opts: o, log: o.Log, topics: topicCache{}}
	r.Publish(&View{Snapshot: &catalog.Snapshot{}})
	return r
}

// Publish makes a view the one that every later request sees. Where there is a
// Syncer, only that calls it.
func (r *Router) Publish(v *View) { r.publish(v) }

// Refresh makes the overview anew, for when servers were switched on or off
// though no listing changed.
func (r *Router) Refresh() { r.publish(nil) }

// publish shows requests a view; nil is the one that they see already. Which that
// is can be told only with mu held: another may be on its way.
func (r *Router) publish(v *View) {
	r.mu.Lock()
	before := r.state.Load()
	if v == nil {
		v = before.view
	}
	next := r.compose(v)
	r.state.Store(next)
	var tell []func()
	if before != nil && before.overview != next.overview {
		tell = append(tell, r.changed...)
	}
	r.mu.Unlock()
	for _, f := range tell {
		f()
	}
}

// OverviewChanged registers a function to be called after the overview, and with
// it ToolsJSON and Instructions, has become another one. It is called by the
// goroutine that publishes and must not block.
func (r *Router) OverviewChanged(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changed = append(r.changed, f)
}

// Snapshot is the catalogue that requests see now.
func (r *Router) Snapshot() *catalog.Snapshot { return r.state.Load().view.Snapshot }

// Instructions is the text for a client's initialize answer. It stays the same
// as long as the catalogue does.
func (r *Router) Instructions() string { return r.state.Load().instructions }

// ToolsJSON is the array of the two tools' definitions for tools/list. It stays
// the same, byte for byte, as long as the catalogue does.
func (r *Router) ToolsJSON() json.RawMessage { return r.state.Load().tools }
