package upstream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/mark3labs/mcp-go/mcp"

	"toolrouter/internal/catalog"
)

// legacyHTTPAnswer bounds how long a question of an older HTTP server may wait:
// mcp-go gives up after 30 seconds, and then cannot tell the server so.
const legacyHTTPAnswer = 25 * time.Second

// session is one connection to a backend, from the handshake until it is lost.
type session struct {
	wire
	spec  Spec
	log   *slog.Logger
	child *child // nil for HTTP
	http  *http.Client

	about about // what the handshake told; not changed after it
	meta  *requestMeta

	poke       func()        // the tools may have changed
	check      chan struct{} // cap 1: look whether the connection still stands
	calls      group         // under way
	flights    flights
	roots      roots
	logs       logLevel                             // asked of the backend
	answered   atomic.Int64                         // calls that came to an end
	headerTool atomic.Pointer[map[string]*mcp.Tool] // tools with arguments that are repeated in headers

	life context.Context // ends with the session
	end  context.CancelFunc
	wg   group // the standing stream, and answers on their way
}

// about is what a backend says of itself.
type about struct {
	title, version, protocol, instructions string
	listChanged                            bool // it tells when its tools change
	logging                                bool // it can be asked for log messages
	older                                  bool // it speaks revision 2025-11-25 as well
}

func (a about) modern() bool { return mcp.IsModernProtocol(a.protocol) }

// call makes one tools/call. extend gives it its time anew.
func (s *session) call(ctx context.Context, call catalog.Call, extend func()) (json.RawMessage, error) {
	var x *flight
	token := ""
	if call.Caller == nil {
		s.flights.nameless.Add(1)
		defer s.flights.nameless.Add(-1)
	} else {
		var done func()
		ctx, x, done = s.flights.add(ctx, call.Caller, extend)
		defer done()
		token = x.token
	}
	if !s.about.modern() {
		s.wantLogs(call.Caller)
		s.bringRoots(ctx, x)
	}
	params, err := s.meta.callParams(call, token)
	if err != nil {
		return nil, err
	}
	result, err := s.request(ctx, string(mcp.MethodToolsCall), params, s.callHeader(call.ID.Tool, params))
	if err == nil && !utf8.Valid(result) {
		return nil, errNotUTF8
	}
	return result, err
}

// errNotUTF8 ends a call whose result would cost its client more than the call: one
// that decodes strictly gives up the whole connection over such a byte.
var errNotUTF8 = errors.New("the server's reply is not UTF-8")

// inUTF8 replaces what is not UTF-8 in what a backend says to a client.
func inUTF8(doc json.RawMessage) json.RawMessage {
	if utf8.Valid(doc) {
		return doc
	}
	return bytes.ToValidUTF8(doc, []byte("\ufffd"))
}

// callHeader repeats in headers what revision 2026-07-28 wants there, so that
// gateways on the way need not read bodies.
func (s *session) callHeader(tool string, params json.RawMessage) http.Header {
	h := s.header(mcp.MethodToolsCall)
	if h == nil {
		return nil
	}
	if name, ok := mcp.EncodeHeaderValue(tool); ok {
		h.Set(mcp.HeaderName, name)
	}
	if tools := s.headerTool.Load(); tools != nil && (*tools)[tool] != nil {
		for name, value := range mcp.GenerateParamHeaders((*tools)[tool], params) {
			h.Set(name, value)
		}
	}
	return h
}

// header gives the headers of every request, nil if there are none.
func (s *session) header(method mcp.MCPMethod) http.Header {
	if s.child != nil || !s.about.modern() {
		return nil
	}
	return http.Header{mcp.HeaderMethod: {string(method)}}
}

// plain makes a request without a caller.
func (s *session) plain(ctx context.Context, method mcp.MCPMethod, members string) (json.RawMessage, error) {
	return s.request(ctx, string(method), s.meta.plainParams(members), s.header(method))
}

// notified implements listener.
func (s *session) notified(method string, params json.RawMessage) {
	switch method {
	case "notifications/tools/list_changed":
		s.poke()
	case "notifications/progress":
		s.flights.progress(params)
	case "notifications/message":
		s.logMessage(params)
		s.flights.toOnly(method, params)
	case "notifications/elicitation/complete":
		s.flights.toOnly(method, params)
	}
}

func (s *session) logMessage(params json.RawMessage) {
	if s.log.Enabled(context.Background(), slog.LevelDebug) {
		s.log.Debug("log message", "params", catalog.Clip(catalog.Printable(string(params)), 500))
	}
}

// overhear takes out of a call's own stream what belongs to that call because it
// came there, and can be told from another's in no other way.
func (s *session) overhear(ctx context.Context, data []byte) bool {
	x, ok := ctx.Value(flightKey{}).(*flight)
	if !ok || !bytes.Contains(data, []byte(`"notifications/message"`)) {
		return false
	}
	m, err := parseMessage(data)
	if err != nil || m.method != "notifications/message" {
		return false
	}
	s.logMessage(m.params)
	x.notify(m.method, bytes.Clone(m.params))
	return true
}

// suspect asks for a look whether the connection still stands.
func (s *session) suspect() { signal(s.check) }

// ping makes a request that every server answers. Revision 2026-07-28 has no
// ping.
func (s *session) ping(ctx context.Context) error {
	method := mcp.MethodPing
	if s.about.modern() {
		method = mcp.MethodServerDiscover
	}
	_, err := s.plain(ctx, method, "")
	return err
}

// asked implements listener: it puts a question of the backend to the client
// whose call it belongs to.
func (s *session) asked(ctx context.Context, method string, params json.RawMessage) (json.RawMessage, *catalog.RPCError) {
	if method == string(mcp.MethodPing) {
		return json.RawMessage("{}"), nil
	}
	capability := catalog.CapabilityFor(method)
	switch capability {
	case "":
		return nil, &catalog.RPCError{Code: codeMethodNotFound, Message: "unknown method " + catalog.Clip(method, 80)}
	case "roots":
		return s.askedRoots(ctx, params)
	}
	flight, fault := s.flights.toAsk(ctx, capability)
	if flight == nil {
		return nil, fault
	}
	return s.ask(ctx, flight, method, params)
}

// ask waits for the client's answer as long as call and connection stand.
func (s *session) ask(ctx context.Context, f *flight, method string, params json.RawMessage) (json.RawMessage, *catalog.RPCError) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(f.ctx, cancel)()
	if s.child == nil {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, legacyHTTPAnswer)
		defer stop()
	}
	answer, err := f.caller.Ask(ctx, method, inUTF8(params))
	var fault *catalog.RPCError
	switch {
	case err == nil:
		return answer, nil
	case errors.As(err, &fault):
		return nil, fault
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nil, &catalog.RPCError{Code: codeNoCaller, Message: fmt.Sprintf("the client did not answer within %v; ask again", legacyHTTPAnswer)}
	case f.ctx.Err() != nil:
		return nil, &catalog.RPCError{Code: codeNoCaller, Message: "the call this belongs to has ended"}
	}
	return nil, &catalog.RPCError{Code: codeInternal, Message: err.Error()}
}

// listen keeps open the stream on which a backend of revision 2026-07-28 tells
// that its tools changed.
func (s *session) listen() {
	var wait backoff
	for s.life.Err() == nil {
		opened := time.Now()
		_, err := s.plain(s.life, mcp.MethodSubscriptionsListen, `"notifications":{"toolsListChanged":true}`)
		if errors.As(err, new(*catalog.RPCError)) || errors.As(err, new(*signInError)) {
			s.log.Debug("no news of changed tools", "err", err)
			return
		}
		if time.Since(opened) > stableTime {
			wait.reset()
		}
		select {
		case <-s.life.Done():
		case <-s.lost():
			return
		case <-time.After(wait.next()):
			s.poke() // what changed meanwhile was not told
		}
	}
}

// stop ends the session and what belongs to it: streams, calls, the child with
// its group. It returns when all of it has ended.
func (s *session) stop() {
	s.end()
	if s.child == nil {
		_ = s.Close() // the server may be gone; nothing more can be done
		s.http.CloseIdleConnections()
		s.wg.Wait()
		return
	}
	s.fail(errClosed) // ends the child's input
	s.child.stop()
	_ = s.Close() // the output has ended with the child
	s.wg.Wait()
}
