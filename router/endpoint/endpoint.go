package endpoint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"toolrouter/router"
)

const (
	serverName    = "router"
	latestVersion = mcp.LATEST_PROTOCOL_VERSION

	defaultMaxBody  = 4 << 20
	defaultMaxCalls = 512
	defaultDrain    = 2 * time.Second
	afterDrain      = 500 * time.Millisecond // for the cancelled calls to say so
	sweepEvery      = time.Minute
	heartbeat       = 30 * time.Second
	settle          = 250 * time.Millisecond // changes of the overview within this time are told once
)

// Options are an Endpoint's settings. The zero value is a good choice.
type Options struct {
	Version      string        // of the program, told to clients
	Hosts        []string      // names allowed in Host besides the loopback ones and the listener's address
	Origins      []string      // allowed in Origin besides the loopback ones, such as "https://app.example"
	MaxBody      int64         // bytes of a request's body or a line; 0 means 4 MiB
	MaxCalls     int           // calls answered at once, all clients together, and as many searches; 0 means 512
	DrainTimeout time.Duration // for calls in flight when serving ends; 0 means 2 s

	Status  func() any                                                      // what /api/status shows, marshalled to JSON; nil shows the version only
	Reindex func(ctx context.Context, progress func(done, total int)) error // nil refuses /api/reindex
	Ready   func() error                                                    // why the router is not ready; nil and a nil error mean ready
	Log     *slog.Logger                                                    // nil logs nothing
}

func (o Options) withDefaults() Options {
	if o.MaxBody <= 0 {
		o.MaxBody = defaultMaxBody
	}
	if o.MaxCalls <= 0 {
		o.MaxCalls = defaultMaxCalls
	}
	if o.DrainTimeout <= 0 {
		o.DrainTimeout = defaultDrain
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Endpoint answers clients on any number of listeners and connections. Its
// methods are safe for concurrent use.
type Endpoint struct {
	core     core
	opts     Options
	log      *slog.Logger
	info     json.RawMessage // our serverInfo
	mcp      *server.MCPServer
	stream   *server.StreamableHTTPServer
	sessions *sessions
	parked   parking
	sse      peers
	calls    places // for those that run
	searches places // of their own: a search waits for no call

	bodyTime, chunkTime, afterDrain time.Duration // as the constants; tests have more or less patience

	mu      sync.Mutex
	telling *time.Timer // runs while a change of the overview waits to be told
}

// New makes an Endpoint for a router. It starts nothing.
func New(r *router.Router, o Options) *Endpoint { return newEndpoint(product{r}, o) }

func newEndpoint(c core, o Options) *Endpoint {
	o = o.withDefaults()
	e := &Endpoint{
		core: c, opts: o, log: o.Log,
		sessions: &sessions{live: map[string]*session{}},
		parked:   newParking(),
		sse:      peers{live: map[string]*peer{}},
		calls:    make(places, o.MaxCalls),
		searches: make(places, o.MaxCalls),
		bodyTime: bodyTime, chunkTime: chunkTime, afterDrain: afterDrain,
	}
	e.info, _ = json.Marshal(mcp.Implementation{Name: serverName, Version: o.Version}) // two strings always marshal
	e.mcp = server.NewMCPServer(serverName, o.Version,
		server.WithToolCapabilities(true), server.WithLogging(), server.WithHooks(e.hooks()))
	e.mcp.AddNotificationHandler(mcp.MethodNotificationRootsListChanged, func(ctx context.Context, _ mcp.JSONRPCNotification) {
		if s := e.sessionIn(ctx); s != nil {
			s.rootsChanged()
		}
	})
	e.stream = server.NewStreamableHTTPServer(e.mcp,
		server.WithSessionIdManager(e.sessions),
		server.WithHeartbeatInterval(heartbeat),
		server.WithDisableLocalhostProtection(true), // front does it, on every route
		server.WithStreamableHTTPLogger(o.Log))
	e.sessions.forget = e.forgetSession
	c.OverviewChanged(e.overviewChanged)
	return e
}

// hooks put the live instructions into answers and note what a client says of
// itself.
func (e *Endpoint) hooks() *server.Hooks {
	h := &server.Hooks{}
	h.AddAfterInitialize(func(ctx context.Context, _ any, req *mcp.InitializeRequest, res *mcp.InitializeResult) {
		res.Instructions = e.core.Instructions()
		if s := e.sessionIn(ctx); s != nil {
			s.initialized(res.ProtocolVersion, capabilitiesOf(req.Params.Capabilities))
		}
	})
	h.AddAfterDiscover(func(_ context.Context, _ any, _ *mcp.DiscoverRequest, res *mcp.DiscoverResult) {
		res.Instructions = e.core.Instructions()
	})
	h.AddAfterSetLevel(func(ctx context.Context, _ any, req *mcp.SetLevelRequest, _ *mcp.EmptyResult) {
		if s := e.sessionIn(ctx); s != nil {
			s.setLevel(readLevel(string(req.Params.Level)))
		}
	})
	return h
}

// sessionIn finds our session of a request that mcp-go handles.
func (e *Endpoint) sessionIn(ctx context.Context) *session {
	switch s := server.ClientSessionFromContext(ctx).(type) {
	case nil:
		return nil
	case *clientSession:
		return s.sess
	default:
		return e.sessions.get(s.SessionID())
	}
}

// forgetSession clears what mcp-go keeps of a session; DELETE is its only way.
func (e *Endpoint) forgetSession(id string) {
	header := http.Header{server.HeaderKeySessionID: {id}}
	e.stream.Handle(nowhere{http.Header{}}, &server.HTTPRequest{Method: http.MethodDelete, Header: header, Context: context.Background()})
}

// nowhere is where the answers to requests of our own go.
type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header         { return n.header }
func (n nowhere) WriteHeader(int)             {}
func (n nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (n nowhere) Flush()                      {}
func (n nowhere) CanStream() bool             { return false }

// overviewChanged tells clients of a changed tools/list, a little later, so that
// a burst of changes is told once. It does not block.
func (e *Endpoint) overviewChanged() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.telling == nil {
		e.telling = time.AfterFunc(settle, e.tellListChanged)
	}
}

func (e *Endpoint) tellListChanged() {
	e.mu.Lock()
	e.telling = nil
	e.mu.Unlock()
	e.mcp.SendNotificationToAllClients(mcp.MethodNotificationToolsListChanged, nil) // never blocks
}

// places bound how many requests of a kind run at once.
type places chan struct{}

// take takes a place, if there is one.
func (p places) take() bool {
	select {
	case p <- struct{}{}:
		return true
	default:
		return false
	}
}

func (p places) give() { <-p }

// placesFor gives the places for calls of one of the two tools.
func (e *Endpoint) placesFor(tool string) places {
	if tool == toolSearch {
		return e.searches
	}
	return e.calls
}

// panicked logs a panic of a handler and gives what the client is told of it.
func (e *Endpoint) panicked(p any) error {
	e.log.Error("request panicked", "err", fmt.Sprint(p), "stack", string(debug.Stack()))
	return rpcError(codeInternal, "internal error")
}

// listResult is the result of tools/list.
func (e *Endpoint) listResult(m *message, modern bool) ([]byte, error) {
	if m.Cursor != nil && string(m.Cursor) != "null" {
		return nil, rpcError(codeParams, "unknown cursor: the list has one page")
	}
	tools := e.core.ToolsJSON()
	out := make([]byte, 0, len(tools)+len(e.info)+128)
	out = append(append(out, `{"tools":`...), tools...)
	if modern {
		out = append(out, `,"ttlMs":60000,"cacheScope":"private","_meta":{"`+metaServerInfo+`":`...)
		out = append(append(out, e.info...), '}')
	}
	return append(out, '}'), nil
}

// Serve answers HTTP on a listener until ctx ends, and closes the listener. Then
// it ends standing streams, waits for calls in flight up to DrainTimeout,
// cancels the rest, and returns when all its goroutines have ended. The error is
// nil unless the listener failed.
func (e *Endpoint) Serve(ctx context.Context, ln net.Listener) error {
	guard := newGuard(ln.Addr(), e.opts)
	return e.serve(ctx, ln, guard.wrap(e.routes(http.NewServeMux())))
}

// serve runs one HTTP server through its life.
func (e *Endpoint) serve(ctx context.Context, ln net.Listener, h http.Handler) error {
	l := newLife(ctx)
	defer l.kill(nil)
	defer l.stop()
	srv := &http.Server{
		Handler:           e.front(h),
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		BaseContext:       func(net.Listener) context.Context { return withLife(l.hard, l) },
		ErrorLog:          slog.NewLogLogger(e.log.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(ln) }() // ends with Shutdown or Close, joined below
	err := e.watch(l, failed)
	e.drain(l, srv)
	if err == nil {
		<-failed // http.ErrServerClosed
		return nil
	}
	return fmt.Errorf("serve %s: %w", ln.Addr(), err)
}

// watch waits for the end of a life, or for the failure of its listener, and
// forgets idle sessions meanwhile.
func (e *Endpoint) watch(l *life, failed <-chan error) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-l.stopping.Done():
			return nil
		case err := <-failed:
			return err
		case now := <-tick.C:
			e.sessions.sweep(now)
		}
	}
}

// drain lets what runs come to its end, first by itself, then not.
func (e *Endpoint) drain(l *life, srv *http.Server) {
	l.stop()
	e.parked.end(l)
	soft, cancel := context.WithTimeout(context.Background(), e.opts.DrainTimeout)
	defer cancel()
	err := srv.Shutdown(soft)
	l.kill(errCutOff)
	if errors.Is(err, context.DeadlineExceeded) {
		e.log.Warn("calls in flight were cancelled", "err", err)
		hard, cancel := context.WithTimeout(context.Background(), e.afterDrain)
		defer cancel()
		_ = srv.Shutdown(hard)
	}
	_ = srv.Close()
	l.wait()
}
