package endpoint

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"

	"toolrouter/internal/catalog"
	"toolrouter/router"
)

const (
	maxSuspended = 256
	suspendFor   = 10 * time.Minute
)

// request is a tools/call on its way from a transport to the router.
type request struct {
	m      *message
	sess   *session // nil if there is none
	modern bool
	out    outlet
	life   *life
}

// cancellable registers a request under its id, for the client to cancel it. It
// is called before the transport takes the next message, which may do just that.
func (q request) cancellable(ctx context.Context) (context.Context, func()) {
	if q.sess == nil {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	here := &inflight{q.m.ID, cancel}
	q.sess.begin(here)
	return ctx, func() {
		q.sess.finish(here)
		cancel()
	}
}

// callTool answers a tools/call with a result's bytes. Its errors are for the
// client's eyes; one that came from the end of ctx means that nobody waits.
func (e *Endpoint) callTool(ctx context.Context, q request) (json.RawMessage, error) {
	name, ok := unquote(q.m.Name)
	if !ok {
		return nil, rpcError(codeParams, "tools/call needs the name of a tool")
	}
	places := e.placesFor(name)
	if !places.take() {
		return nil, errBusy
	}
	defer places.give()
	state, _ := unquote(q.m.RequestState)
	if q.modern && strings.HasPrefix(state, e.parked.prefix) {
		return e.resume(ctx, q, name, state)
	}
	c := newCall(q)
	if q.modern && c.caps != 0 {
		return e.launch(ctx, q, c, name)
	}
	defer c.end()
	c.attach(q.out, q.m.Token)
	return e.tool(ctx, name, input{q.m.Arguments, backendMeta(q.m.Meta), c, retry(q)})
}

// newCall makes the call of a request; the capabilities are those of this very
// request if it is a modern one.
func newCall(q request) *call {
	c := &call{sess: q.sess, modern: q.modern, done: make(chan struct{})}
	switch {
	case q.modern:
		c.asked = make(chan struct{}, 1)
		c.caps, _ = readCapabilities(q.m.Caps)
		level, _ := unquote(q.m.LogLevel)
		c.level = readLevel(level)
	case q.sess != nil:
		c.caps, _ = q.sess.settings()
	default:
		c.level = levelDefault
	}
	return c
}

// end makes the call deaf and dumb: what still asks gets an error.
func (c *call) end() {
	c.detach()
	close(c.done)
}

// retry gives the client's answers to a modern backend's own questions.
func retry(q request) *catalog.Answers {
	if !q.modern || q.m.InputResponses == nil && q.m.RequestState == nil {
		return nil
	}
	state, _ := unquote(q.m.RequestState)
	return &catalog.Answers{Responses: q.m.InputResponses, State: state}
}

// flight is a call that can outlive the request that began it, because it may
// have to wait for the client to repeat it with answers.
type flight struct {
	call   *call
	tool   string
	args   [sha256.Size]byte
	cancel context.CancelFunc
	landed chan struct{} // closed when result and err are set
	result json.RawMessage
	err    error
}

// launch starts a call of a client that can be asked.
func (e *Endpoint) launch(ctx context.Context, q request, c *call, name string) (json.RawMessage, error) {
	f := &flight{call: c, tool: name, args: digest(q.m.Arguments), landed: make(chan struct{})}
	// The values of the request stay, its end does not: a suspended call lives on.
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f.cancel = cancel
	unlink := context.AfterFunc(q.life.hard, cancel)
	in := input{q.m.Arguments, backendMeta(q.m.Meta), c, retry(q)}
	c.attach(q.out, q.m.Token)
	ran := q.life.run(func() { // ends with the call, at the latest with life.hard
		defer close(f.landed)
		defer unlink()
		defer cancel()
		defer c.end()
		f.result, f.err = e.safely(func() (json.RawMessage, error) { return e.tool(running, name, in) })
	})
	if !ran {
		unlink()
		cancel()
		return nil, errStopping
	}
	return e.await(ctx, q, f)
}

// tool calls one of the two tools. What is wrong with the arguments it is given
// is told as a result, which a model reads and can act upon; a protocol error is
// for the client, and often all that a model learns of it is that there was one.
func (e *Endpoint) tool(ctx context.Context, name string, in input) (json.RawMessage, error) {
	result, err := e.core.tool(ctx, name, in)
	if bad, ok := errors.AsType[*router.RequestError](err); ok {
		return router.ErrorResult(bad.Msg), nil
	}
	return result, err
}

// safely runs a call and makes an error of a panic, so that whoever began an
// answer also ends it: on a stream that has begun, a goroutine writes that no
// HTTP server catches.
func (e *Endpoint) safely(call func() (json.RawMessage, error)) (result json.RawMessage, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = e.panicked(p)
		}
	}()
	return call()
}

// await waits until the call has ended or has something to ask.
func (e *Endpoint) await(ctx context.Context, q request, f *flight) (json.RawMessage, error) {
	defer f.call.detach()
	for {
		select {
		case <-f.landed:
			return f.result, f.err
		case <-f.call.asked:
			if questions := f.call.open(); questions != nil {
				return e.suspend(q, f, questions)
			}
		case <-ctx.Done():
			f.cancel()
			<-f.landed
			return nil, ctx.Err()
		}
	}
}

// suspend parks a call and gives the result that asks the client.
func (e *Endpoint) suspend(q request, f *flight, questions []byte) (json.RawMessage, error) {
	state, ok := e.parked.add(f, q.life)
	if !ok {
		f.cancel()
		<-f.landed
		if q.life.stopping.Err() != nil {
			return nil, errStopping
		}
		return router.ErrorResult("The router already waits for the answers to too many questions. Call again later."), nil
	}
	out := append([]byte(nil), `{"resultType":"input_required","inputRequests":`...)
	out = append(out, questions...)
	out = append(out, `,"requestState":`...)
	return append(appendString(out, state), '}'), nil
}

// resume goes on with a suspended call.
func (e *Endpoint) resume(ctx context.Context, q request, name, state string) (json.RawMessage, error) {
	f := e.parked.take(state, name, digest(q.m.Arguments))
	if f == nil {
		return router.ErrorResult("The call that asked this question is gone: it was answered already, took longer than " +
			suspendFor.String() + ", or was for other arguments. Make the call again without requestState and inputResponses."), nil
	}
	f.call.attach(q.out, q.m.Token)
	f.call.answers(q.m.InputResponses)
	return e.await(ctx, q, f)
}

// parking holds the suspended calls by their requestState.
type parking struct {
	// prefix tells a requestState of this very Endpoint from a backend's own, also
	// from those of a backend that is a router itself.
	prefix string

	mu    sync.Mutex
	calls map[string]*parked
}

type parked struct {
	*flight
	life  *life
	timer *time.Timer
}

func newParking() parking {
	return parking{prefix: "router:" + rand.Text() + ":", calls: map[string]*parked{}}
}

// add parks a call until it is taken, its time is over or its life ends.
func (p *parking) add(f *flight, l *life) (state string, ok bool) {
	state = p.prefix + rand.Text()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.calls) >= maxSuspended || l.stopping.Err() != nil {
		return "", false
	}
	p.calls[state] = &parked{f, l, time.AfterFunc(suspendFor, func() {
		if p.remove(state) != nil {
			f.cancel()
		}
	})}
	return state, true
}

// end gives up the calls of a life that is stopping: nobody can repeat them.
func (p *parking) end(l *life) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for state, f := range p.calls {
		if f.life == l {
			f.timer.Stop()
			f.cancel()
			delete(p.calls, state)
		}
	}
}

func (p *parking) remove(state string) *parked {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.calls[state]
	delete(p.calls, state)
	return f
}

// take finds the call a state belongs to, once, and only for the same tool and
// arguments. A state presented for anything else is spent too: it is not the
// business of an honest client.
func (p *parking) take(state, tool string, args [sha256.Size]byte) *flight {
	f := p.remove(state)
	if f == nil {
		return nil
	}
	f.timer.Stop()
	if f.tool != tool || f.args != args {
		f.cancel()
		return nil
	}
	return f.flight
}

// digest identifies arguments whatever the order of their keys: a client may
// write them anew when it repeats a call.
func digest(args []byte) [sha256.Size]byte {
	d := json.NewDecoder(bytes.NewReader(args))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return sha256.Sum256(args)
	}
	canonical, err := json.Marshal(v)
	if err != nil {
		return sha256.Sum256(args)
	}
	return sha256.Sum256(canonical)
}

// outcomeUnknown is told of a call that had been begun and has no result.
const outcomeUnknown = "; the call may or may not have been carried out: check before you repeat it"

var (
	errBusy     = &catalog.RPCError{Code: codeBusy, Message: "the router is busy: too many calls at once; try again in a second", Data: json.RawMessage(`{"retryAfterMs":1000}`)}
	errStopping = errors.New("the router is stopping")
	errCutOff   = rpcError(codeStopped, errStopping.Error()+outcomeUnknown)
)
