package endpoint

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"toolrouter/internal/catalog"
)

// peer is a client on a connection that carries messages both ways: stdio, an
// attached process, HTTP+SSE. Its requests are answered as they come; calls and
// standing requests run beside each other.
type peer struct {
	e    *Endpoint
	life *life
	ctx  context.Context // of the calls; ends when the client is gone
	sess *session
	box  *outbox
	main *clientSession
	work gate // calls, standing requests and pumps

	listens atomic.Int32 // standing requests
}

// newPeer makes a peer whose messages go out through write. The caller runs its
// box, and calls leave at the end.
func (e *Endpoint) newPeer(ctx context.Context, l *life, write func([]byte) error) *peer {
	p := &peer{e: e, life: l, ctx: ctx, sess: newSession(rand.Text()), box: newOutbox(write), work: newGate()}
	p.main = p.newClientSession(p.sess.id)
	_ = e.mcp.RegisterSession(ctx, p.main)                   // only fails for an id in use
	p.work.run(func() { p.pump(p.sess.ended, p.main, nil) }) // ends with the session
	return p
}

// leave ends what the peer has open and waits for it. The outbox is left to the
// caller, who has perhaps something to write yet.
func (p *peer) leave() {
	p.e.mcp.UnregisterSession(context.WithoutCancel(p.ctx), p.sess.id)
	p.sess.end()
	p.work.wait()
}

// receive takes what the client sent: a message or a batch of them.
func (p *peer) receive(raw []byte) {
	if raw = bytes.TrimSpace(raw); len(raw) == 0 {
		return
	}
	if raw[0] != '[' {
		p.receiveOne(raw)
		return
	}
	batch, refused := splitBatch(raw)
	if refused != nil {
		p.refuse(nil, refused)
		return
	}
	for _, one := range batch {
		p.receiveOne(one)
	}
}

func (p *peer) receiveOne(raw []byte) {
	if q, ok := p.read(raw); ok {
		p.dispatch(raw, q)
	}
}

// read takes a message apart, or refuses it.
func (p *peer) read(raw []byte) (q request, ok bool) {
	m, err := parse(raw)
	if err == nil {
		err = checkEnvelope(&m)
	}
	if err != nil {
		p.refuse(m.ID, asRefusal(err))
		return q, false
	}
	version, _ := unquote(m.Version)
	modern := mcp.IsModernProtocol(version)
	if modern && m.isRequest() {
		if refused := checkModern(&m, version); refused != nil {
			p.refuse(m.ID, refused)
			return q, false
		}
	}
	return request{m: &m, sess: p.sess, modern: modern, out: p.box, life: p.life}, true
}

func (p *peer) dispatch(raw []byte, q request) {
	switch {
	case q.m.Method == methodCall:
		p.call(q)
	case q.m.Method == methodList:
		p.list(q)
	case q.m.Method == methodListen && q.modern && q.m.isRequest():
		p.listen(raw, q)
	case q.m.Method == methodCancel:
		p.sess.cancel(q.m.RequestID)
	case q.m.isResponse():
		p.sess.take(q.m)
	case q.modern:
		p.handle(p.newClientSession(rand.Text()), raw) // no state from one request to the next
	default:
		p.handle(p.main, raw)
	}
}

// call serves one tools/call beside whatever else the client wants.
func (p *peer) call(q request) {
	ctx, finish := q.cancellable(p.ctx)
	ran := p.work.run(func() {
		defer finish()
		p.answer(ctx, q)
	})
	if !ran {
		finish()
		p.refuse(q.m.ID, asRPC(errStopping))
	}
}

// answer answers one tools/call. One that the client cancelled gets no answer.
func (p *peer) answer(ctx context.Context, q request) {
	result, err := p.e.safely(func() (json.RawMessage, error) { return p.e.callTool(ctx, q) })
	switch {
	case err == nil:
		p.send(oneLine(appendAnswer(make([]byte, 0, len(result)+256), q.m.ID, result, q.modern)))
	case errors.Is(err, context.Canceled) && p.life.hard.Err() == nil:
	default:
		p.refuse(q.m.ID, p.life.callError(err))
	}
}

func (p *peer) list(q request) {
	result, err := p.e.listResult(q.m, q.modern)
	if err != nil {
		p.refuse(q.m.ID, asRPC(err))
		return
	}
	p.send(oneLine(appendAnswer(nil, q.m.ID, result, q.modern)))
}

// handle lets mcp-go's server answer.
func (p *peer) handle(s *clientSession, raw []byte) {
	p.reply(p.e.mcp.HandleMessage(p.e.mcp.WithContext(p.ctx, s), raw))
}

func (p *peer) reply(response mcp.JSONRPCMessage) {
	if response == nil {
		return
	}
	out, err := json.Marshal(response)
	if err != nil {
		p.e.log.Error("answer cannot be written as JSON", "err", err)
		return
	}
	p.send(out)
}

// maxListens is how many standing requests one connection may have.
const maxListens = 16

// listen serves a standing subscriptions/listen until the client cancels it or
// leaves, or the life stops.
func (p *peer) listen(raw []byte, q request) {
	if p.listens.Add(1) > maxListens {
		p.listens.Add(-1)
		p.refuse(q.m.ID, rpcError(codeBusy, "too many subscriptions on one connection"))
		return
	}
	ctx, finish := q.cancellable(p.ctx)
	ran := p.work.run(func() {
		defer p.listens.Add(-1)
		defer finish()
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(p.life.stopping, cancel)()
		defer context.AfterFunc(p.sess.ended, cancel)()
		p.reply(p.stand(ctx, raw, q.m.ID))
	})
	if !ran {
		finish()
	}
}

// stand lets mcp-go serve a standing request and passes on what it has to tell.
func (p *peer) stand(ctx context.Context, raw, id []byte) mcp.JSONRPCMessage {
	s := p.newClientSession(rand.Text())
	s.Initialize()
	_ = p.e.mcp.RegisterSession(ctx, s) // only fails for an id in use
	var pump sync.WaitGroup
	pumping, stop := context.WithCancel(context.WithoutCancel(ctx))
	pump.Go(func() { p.pump(pumping, s, id) }) // ends with stop, joined below
	response := p.e.mcp.HandleMessage(p.e.mcp.WithContext(ctx, s), raw)
	p.e.mcp.UnregisterSession(pumping, s.id)
	stop()
	pump.Wait()
	return response
}

// pump passes on what mcp-go has to tell a session, and at the end what is left.
// On a subscription's stream every notification bears its id.
func (p *peer) pump(ctx context.Context, s *clientSession, subscription []byte) {
	for {
		select {
		case n := <-s.notices:
			p.notice(n, subscription)
		case <-ctx.Done():
			for {
				select {
				case n := <-s.notices:
					p.notice(n, subscription)
				default:
					return
				}
			}
		}
	}
}

func (p *peer) notice(n mcp.JSONRPCNotification, subscription []byte) {
	if subscription != nil {
		meta := maps.Clone(n.Params.Meta) // shared with other sessions
		if meta == nil {
			meta = map[string]any{}
		}
		meta[mcp.MetaKeySubscriptionID] = json.RawMessage(subscription)
		n.Params.Meta = meta
	}
	if out, err := json.Marshal(n); err == nil {
		p.box.offer(out)
	}
}

// send writes an answer, waiting for room if need be.
func (p *peer) send(msg []byte) {
	if err := p.box.push(p.life.hard, msg); err != nil {
		p.e.log.Debug("answer not delivered", "err", err)
	}
}

func (p *peer) refuse(id []byte, e *catalog.RPCError) { p.send(appendError(nil, id, e)) }

// clientSession is how mcp-go's server sees a peer, or one modern request of it.
type clientSession struct {
	id      string
	sess    *session
	notices chan mcp.JSONRPCNotification
	ready   atomic.Bool

	mu     sync.Mutex
	level  mcp.LoggingLevel
	filter mcp.SubscriptionFilter
	listen bool
}

var (
	_ server.SessionWithLogging            = (*clientSession)(nil)
	_ server.SessionWithSubscriptionFilter = (*clientSession)(nil)
)

// noticeRoom is how many of mcp-go's own notifications may wait; more are dropped.
const noticeRoom = 16

func (p *peer) newClientSession(id string) *clientSession {
	return &clientSession{id: id, sess: p.sess, notices: make(chan mcp.JSONRPCNotification, noticeRoom)}
}

// SessionID gives the id, unique in the process.
func (s *clientSession) SessionID() string { return s.id }

// Initialize marks the session as ready for notifications.
func (s *clientSession) Initialize() { s.ready.Store(true) }

// Initialized reports whether it is.
func (s *clientSession) Initialized() bool { return s.ready.Load() }

// NotificationChannel takes notifications on their way to the client.
func (s *clientSession) NotificationChannel() chan<- mcp.JSONRPCNotification { return s.notices }

// SetLogLevel keeps the level; the session of the calls has it from a hook.
func (s *clientSession) SetLogLevel(level mcp.LoggingLevel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.level = level
}

// GetLogLevel gives the level that was set last.
func (s *clientSession) GetLogLevel() mcp.LoggingLevel {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.level
}

// SetSubscriptionFilter says what a subscriptions/listen request wants to hear.
func (s *clientSession) SetSubscriptionFilter(f mcp.SubscriptionFilter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.filter, s.listen = f, true
}

// SubscriptionFilter gives that.
func (s *clientSession) SubscriptionFilter() (mcp.SubscriptionFilter, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.filter, s.listen
}
