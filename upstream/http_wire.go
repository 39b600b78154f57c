package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"

	"toolrouter/internal/catalog"
)

// httpWire is a wire over one of mcp-go's HTTP transports.
type httpWire struct {
	transport.HTTPConnection
	modern  bool    // revision 2026-07-28: no sessions, and a closed request is a cancelled one
	suspect func()  // is told that a connection broke off; the server may be gone
	poster  *poster // set when the handshake is made; nil leaves all to mcp-go
	last    atomic.Int64
	wg      group // cancellations and commands on their way

	life context.Context // ends when the connection is lost; its cause is why
	lose context.CancelCauseFunc
	open context.Context // until no request can be answered any more
	shut context.CancelFunc
}

var _ wire = (*httpWire)(nil)

// firstID is beyond those mcp-go's client gives, which counts from one.
const firstID = 1 << 20

func newHTTPWire(t transport.HTTPConnection, modern bool, suspect func()) *httpWire {
	w := &httpWire{HTTPConnection: t, modern: modern, suspect: suspect}
	w.life, w.lose = context.WithCancelCause(context.Background())
	w.open, w.shut = context.WithCancel(context.Background())
	w.last.Store(firstID)
	return w
}

func (w *httpWire) lost() <-chan struct{} { return w.life.Done() }
func (w *httpWire) cause() error          { return context.Cause(w.life) }

// fail marks the connection as lost. Requests under way go on: each of them has
// a connection of its own.
func (w *httpWire) fail(err error) { w.lose(err) }

func (w *httpWire) request(ctx context.Context, method string, params json.RawMessage, header http.Header) (json.RawMessage, error) {
	if w.open.Err() != nil {
		return nil, &lostError{err: w.cause()}
	}
	id := w.last.Add(1)
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(w.open, cancel)()
	fault := &bodyFault{}
	result, err := w.exchange(context.WithValue(within, bodyFaultKey{}, fault), id, method, params, header)
	switch {
	case err == nil, errors.As(err, new(*catalog.RPCError)):
		return result, err
	case ctx.Err() != nil:
		if !w.modern {
			w.cancel(id, context.Cause(ctx))
		}
		return nil, context.Cause(ctx)
	case w.open.Err() != nil:
		return nil, &lostError{sent: true, err: w.cause()}
	}
	switch cause := fault.err.Load(); {
	case cause != nil:
		err = *cause
	case strings.Contains(err.Error(), "unexpected nil response"): // mcp-go's words
		return nil, &lostError{sent: true, err: errors.New("the server ended its stream without an answer")}
	}
	return nil, w.failure(method, err)
}

// exchange sends one request and reads its answer, with mcp-go where that takes
// more than reading one message.
func (w *httpWire) exchange(ctx context.Context, id int64, method string, params json.RawMessage, header http.Header) (json.RawMessage, error) {
	if w.poster != nil {
		session := ""
		if !w.modern {
			session = w.GetSessionId()
		}
		m, other, err := w.poster.post(ctx, session, encodeRequest(id, method, params), header)
		switch {
		case err != nil:
			return nil, err
		case other == nil:
			return m.take(id)
		}
		defer other.Body.Close() // mcp-go may refuse before it asks for the answer
		ctx = withMade(ctx, other)
	}
	resp, err := w.SendRequest(ctx, transport.JSONRPCRequest{
		JSONRPC: mcp.JSONRPC_VERSION, ID: mcp.NewRequestId(id), Method: method, Params: params, Header: header,
	})
	if err != nil {
		return nil, err
	}
	return w.read(id, resp)
}

// read takes a response apart.
func (w *httpWire) read(id int64, resp *transport.JSONRPCResponse) (json.RawMessage, error) {
	if resp.Error != nil {
		fault := &catalog.RPCError{Code: resp.Error.Code, Message: resp.Error.Message}
		if resp.Error.Data != nil {
			fault.Data, _ = json.Marshal(resp.Error.Data)
		}
		return nil, fault
	}
	if got, ok := resp.ID.Value().(int64); !ok || got != id {
		return nil, fmt.Errorf("the server answered another request, %s", catalog.Clip(resp.ID.String(), 40))
	}
	return reply{result: resp.Result}.read(true)
}

// failure tells a lost connection from a bad answer. A server that cannot be
// reached, has forgotten the session or wants a person to sign in is lost for
// every call; a connection that broke off, or a call that was forbidden, may be
// that one's alone.
func (w *httpWire) failure(method string, err error) error {
	if errors.Is(err, transport.ErrSessionTerminated) {
		if w.modern {
			return errors.New("the server answered 404 Not Found")
		}
		lost := &lostError{err: errors.New("the server has forgotten the session")}
		w.fail(lost.err)
		return &refusedError{lost}
	}
	cause := plainHTTPError(err)
	var signIn *signInError
	switch {
	case errors.As(err, &signIn) && signIn.status == http.StatusForbidden && method == string(mcp.MethodToolsCall):
		return signIn.ofCall()
	case errors.As(err, &signIn):
		if signIn.status == http.StatusUnauthorized || method == string(mcp.MethodToolsList) {
			w.fail(signIn)
		}
		return signIn
	case errors.Is(err, errTooLarge):
		return errTooLarge
	case neverSent(err):
		w.fail(cause)
		return &lostError{err: cause}
	case brokenOff(err):
		w.suspect()
		return &lostError{sent: true, err: fmt.Errorf("the connection broke off before the answer: %w", cause)}
	}
	return cause
}

// cancel tells a server of an older revision that nobody waits any more: it may
// not take a closed connection for that.
func (w *httpWire) cancel(id int64, why error) {
	w.wg.Go(func() { // ends by its deadline; Close waits
		ctx, stop := context.WithTimeout(context.Background(), 2*time.Second)
		defer stop()
		_ = w.SendNotification(ctx, notification(string(mcp.MethodNotificationCancelled), map[string]any{
			"requestId": id, "reason": why.Error(),
		}))
	})
}

// command sends on a connection of its own, and does not wait for it.
func (w *httpWire) command(method string, params json.RawMessage) error {
	w.wg.Go(func() { // ends by its deadline; Close waits
		ctx, stop := context.WithTimeout(context.Background(), answerTimeout)
		defer stop()
		_, _ = w.request(ctx, method, params, nil)
	})
	return nil
}

func (w *httpWire) notify(ctx context.Context, method string, params json.RawMessage) error {
	var fields map[string]any
	if params != nil {
		if err := json.Unmarshal(params, &fields); err != nil {
			return err
		}
	}
	return w.SendNotification(ctx, notification(method, fields))
}

func notification(method string, fields map[string]any) mcp.JSONRPCNotification {
	return mcp.JSONRPCNotification{
		JSONRPC:      mcp.JSONRPC_VERSION,
		Notification: mcp.Notification{Method: method, Params: mcp.NotificationParams{AdditionalFields: fields}},
	}
}

// end marks the connection as lost, and ends the requests under way.
func (w *httpWire) end(why error) {
	w.fail(why)
	w.shut()
}

// Close ends the requests under way and the session.
func (w *httpWire) Close() error {
	w.end(errClosed)
	err := w.HTTPConnection.Close()
	w.wg.Wait()
	return err
}
