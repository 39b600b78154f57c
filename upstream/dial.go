package upstream

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"
)

// dialer makes sessions with one backend. It remembers what the last one spoke,
// so that a restart does not ask again. Only the backend's goroutine uses it.
type dialer struct {
	spec    Spec
	version string
	log     *slog.Logger
	stderr  *stderrLog
	guard   *guard
	poke    func()
	started func(pid int) // told of each child process

	legacy    bool   // it spoke an older revision
	fragile   bool   // it ended when it was asked for the newer one
	transport string // over which it was reached
}

// dial connects and makes the handshake. The session lives until it is stopped.
func (d *dialer) dial(ctx context.Context) (*session, error) {
	var s *session
	var err error
	if d.spec.stdio() {
		s, err = d.dialChild(ctx)
	} else {
		s, err = d.dialURL(ctx)
	}
	if err != nil {
		// It may have changed, so ask again; but not one that a question ended.
		d.legacy, d.fragile, d.transport = d.fragile, false, ""
		return nil, err
	}
	d.fragile = false
	d.legacy = !s.about.modern()
	s.meta = newRequestMeta(s.about.protocol, d.version)
	return s, nil
}

// newSession prepares what is common to all sessions.
func (d *dialer) newSession() *session {
	s := &session{spec: d.spec, log: d.log, poke: d.poke, check: make(chan struct{}, 1)}
	s.roots.turn = make(chan struct{}, 1)
	s.life, s.end = context.WithCancel(context.Background())
	return s
}

// mayBeModern reports whether to ask for revision 2026-07-28.
func (d *dialer) mayBeModern() bool {
	return !d.legacy && (d.spec.Protocol == "" || mcp.IsModernProtocol(d.spec.Protocol))
}

// mustBeModern reports whether no other revision will do.
func (d *dialer) mustBeModern() bool { return mcp.IsModernProtocol(d.spec.Protocol) }

// prefersOlder reports whether to speak an older revision with a server that speaks
// 2026-07-28. Its tools may ask the client while they run, as all could until then
// and many still do: mcp-go refuses them that in 2026-07-28. And a call costs less.
func (d *dialer) prefersOlder(a about) bool { return a.older && !d.mustBeModern() }

// dialChild starts a child process and agrees with it on a revision.
func (d *dialer) dialChild(ctx context.Context) (*session, error) {
	c, err := startChild(d.spec, d.stderr, d.guard)
	if err != nil {
		return nil, err
	}
	d.started(c.cmd.Process.Pid)
	s := d.newSession()
	s.child = c
	s.wire = newPipe(c.in, c.out, s, c.why, d.log)
	s.about, err = d.agree(ctx, s.wire)
	if err == nil {
		return s, nil
	}
	if errors.As(err, new(*lostError)) {
		err = s.cause()
	} else if n := s.wire.(*pipe).noise.Load(); n > 0 {
		err = fmt.Errorf("%w (%d lines on its standard output were no messages)", err, n)
	}
	s.stop()
	return nil, err
}

// agree finds the revision that both sides speak, on a connection where the one
// handshake can follow the other.
func (d *dialer) agree(ctx context.Context, w wire) (about, error) {
	var probed error
	if d.mayBeModern() {
		a, err := discover(ctx, w, d.version, probeStdio)
		if err == nil && d.prefersOlder(a) {
			if older, err := initialize(ctx, w, "", d.version); err == nil {
				return older, nil
			}
		}
		if err == nil || final(err) {
			d.fragile = err != nil
			return a, err
		}
		probed = err
	}
	if d.mustBeModern() {
		return discover(ctx, w, d.version, d.spec.StartTimeout)
	}
	a, err := initialize(ctx, w, d.spec.Protocol, d.version)
	if err != nil && errors.Is(probed, context.DeadlineExceeded) && ctx.Err() == nil && !final(err) {
		if a, again := discover(ctx, w, d.version, probeHTTP); again == nil {
			return a, nil // it was only slow to come up, and knows no older handshake
		}
	}
	return a, err
}

// dialURL connects by the declared transport, or by the first that works.
func (d *dialer) dialURL(ctx context.Context) (*session, error) {
	kind := cmp.Or(d.spec.Transport, d.transport)
	if kind == TransportSSE {
		return d.dialSSE(ctx)
	}
	if d.mayBeModern() {
		s, err := d.dialModern(ctx)
		if err == nil && d.prefersOlder(s.about) {
			s = d.withSession(ctx, s)
		}
		if err == nil || final(err) || d.mustBeModern() {
			return s, err
		}
	}
	s, err := d.dialLegacy(ctx)
	if err == nil || kind == TransportHTTP || !turnedAway(err) {
		return s, err
	}
	s, sseErr := d.dialSSE(ctx)
	if sseErr != nil && !final(sseErr) {
		sseErr = fmt.Errorf("neither Streamable HTTP (%w) nor HTTP+SSE (%w) works at this URL", err, sseErr)
	}
	return s, sseErr
}

// withSession gives a session in an older revision in place of one in 2026-07-28,
// unless the server keeps none there: it could not ask.
func (d *dialer) withSession(ctx context.Context, modern *session) *session {
	older, err := d.dialLegacy(ctx)
	switch {
	case err != nil:
		return modern
	case older.wire.(*httpWire).GetSessionId() == "":
		older.stop()
		return modern
	}
	modern.stop()
	return older
}

// turnedAway reports whether a handshake over Streamable HTTP failed as it does
// with a server that speaks only HTTP+SSE.
func turnedAway(err error) bool {
	return errors.As(err, new(*statusError)) || errors.As(err, new(*movedError))
}

// declaredHeaders are the headers of every HTTP request.
func declaredHeaders(pairs []string) http.Header {
	h := http.Header{}
	for _, pair := range pairs {
		if name, value, ok := strings.Cut(pair, "="); ok {
			h.Add(name, value)
		}
	}
	return h
}

// newHTTPSession prepares a session over HTTP, whose client notices when the
// standing stream ends.
func (d *dialer) newHTTPSession() *session {
	s := d.newSession()
	s.http = newHTTPClient(declaredHeaders(d.spec.Headers), s.suspect)
	return s
}

// limits gives the transport below the session's client.
func (s *session) limits() *limitedTransport { return s.http.Transport.(*limitedTransport) }

// quiet is for mcp-go's transports: what they would log, we tell ourselves.
var quiet = slog.New(slog.DiscardHandler)

// dialModern connects over Streamable HTTP in revision 2026-07-28.
func (d *dialer) dialModern(ctx context.Context) (*session, error) {
	s := d.newHTTPSession()
	t, err := transport.NewStreamableHTTP(d.spec.URL, transport.WithHTTPBasicClient(s.http), transport.WithHTTPLogger(quiet))
	if err != nil {
		return nil, err
	}
	t.SetProtocolVersion(mcp.ProtocolVersion20260728)
	attach(s, t)
	s.limits().take = s.overhear
	w := newHTTPWire(t, true, s.suspect)
	s.wire = w
	if s.about, err = discover(ctx, w, d.version, probeHTTP); err != nil {
		s.stop()
		return nil, err
	}
	w.poster = &poster{client: s.http, url: d.spec.URL, protocol: s.about.protocol}
	d.transport = TransportHTTP
	return s, nil
}

// dialLegacy connects over Streamable HTTP in an older revision, with the
// standing stream on which the server tells of changes.
func (d *dialer) dialLegacy(ctx context.Context) (*session, error) {
	s := d.newHTTPSession()
	t, err := transport.NewStreamableHTTP(d.spec.URL, transport.WithHTTPBasicClient(s.http),
		transport.WithHTTPLogger(quiet), transport.WithContinuousListening())
	if err != nil {
		return nil, err
	}
	attach(s, t)
	w := newHTTPWire(t, false, s.suspect)
	s.wire = w
	if err = t.Start(s.life); err == nil {
		s.about, err = initialize(ctx, w, d.spec.Protocol, d.version)
	}
	if err != nil {
		s.stop()
		if refused := s.limits().refused.Load(); refused != nil && errors.Is(err, transport.ErrLegacySSEServer) {
			err = refused // mcp-go does not tell it
		}
		return nil, err
	}
	w.poster = &poster{client: s.http, url: d.spec.URL, protocol: s.about.protocol}
	d.transport = TransportHTTP
	return s, nil
}

// bidirectional is a transport of mcp-go on which the server can speak up.
type bidirectional interface {
	transport.BidirectionalInterface
	transport.HTTPConnection
}

// attach has a transport hand everything the server sends to the session.
func attach(s *session, t bidirectional) {
	t.SetNotificationHandler(notificationHandler(s))
	t.SetRequestHandler(func(ctx context.Context, r transport.JSONRPCRequest) (*transport.JSONRPCResponse, error) {
		params, err := marshalParams(r.Params)
		if err != nil {
			return nil, err
		}
		result, fault := s.asked(ctx, r.Method, params)
		if fault != nil {
			return transport.NewJSONRPCErrorResponse(r.ID, fault.Code, fault.Message, fault.Data), nil
		}
		return transport.NewJSONRPCResultResponse(r.ID, result), nil
	})
}

func notificationHandler(s *session) func(mcp.JSONRPCNotification) {
	return func(n mcp.JSONRPCNotification) {
		if len(n.Params.Meta) == 0 {
			n.Params.Meta = nil // mcp-go makes an empty one where there is none
		}
		if params, err := json.Marshal(n.Params); err == nil {
			s.notified(n.Method, params)
		}
	}
}

// dialSSE connects over the older HTTP+SSE transport.
func (d *dialer) dialSSE(ctx context.Context) (*session, error) {
	s := d.newHTTPSession()
	t, err := transport.NewSSE(d.spec.URL, transport.WithHTTPClient(s.http), transport.WithSSELogger(quiet),
		transport.WithResponseTimeout(max(d.spec.Timeout, maxCall)), transport.WithEndpointTimeout(d.spec.StartTimeout))
	if err != nil {
		return nil, err
	}
	t.SetNotificationHandler(notificationHandler(s))
	s.limits().take = newSSEAnswers(s, t.GetEndpoint).take
	s.limits().wantStream = true
	w := newHTTPWire(t, false, s.suspect)
	s.wire = w
	// Every answer would have come over this stream.
	t.SetConnectionLostHandler(func(err error) {
		w.end(fmt.Errorf("the server ended the stream: %w", err))
		s.end() // Start would wait on for the stream's first event
	})
	stop := context.AfterFunc(ctx, s.end) // Start's own context is the stream's
	err = t.Start(s.life)
	if refused := s.limits().refused.Load(); err != nil && refused != nil {
		err = refused
	} else if cause := w.cause(); err != nil && cause != nil {
		err = cause
	}
	if err == nil {
		s.about, err = initialize(ctx, w, d.spec.Protocol, d.version)
	}
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		s.stop()
		return nil, handshakeError(err)
	}
	d.transport = TransportSSE
	return s, nil
}

var _ listener = (*session)(nil)
