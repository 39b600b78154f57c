package endpoint

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"toolrouter/internal/catalog"
	"toolrouter/router"
)

// askTimeout is how long a client, and the person behind it, may take to answer
// one question.
const askTimeout = 10 * time.Minute

// outlet takes messages on their way to a client while its call runs. It
// reports whether it took the message and never blocks for long.
type outlet interface{ offer(msg []byte) bool }

// call is one tools/call of one client. It is the [catalog.Caller] that the
// router and the backends see.
type call struct {
	sess   *session // nil if the client has none
	modern bool
	caps   capabilities
	level  logLevel      // of a modern client; a session can change its own meanwhile
	done   chan struct{} // closed when the call has ended

	mu        sync.Mutex
	out       outlet // nil while the call is suspended, and after its end
	token     []byte // progress token as the client wrote it, nil if it gave none
	questions []*question
	asked     chan struct{} // cap 1: there is a question the client has not been sent
	count     int
}

// question is what a suspended call waits to be told.
type question struct {
	key    string
	method string
	params []byte
	reply  chan []byte // cap 1
}

var _ catalog.Caller = (*call)(nil)

// attach lets the call speak to its client through out.
func (c *call) attach(out outlet, token []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out, c.token = out, token
}

// detach ends that: what the call says from now on nobody hears.
func (c *call) detach() { c.attach(nil, nil) }

// Client identifies the client by its session. One without tells nothing of
// itself, and one of revision 2026-07-28 never says that its roots changed.
func (c *call) Client() any {
	if c.sess == nil || c.modern {
		return nil
	}
	return c.sess.identify()
}

// WantsProgress reports whether the client gave a progress token.
func (c *call) WantsProgress() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.token != nil
}

// LogLevel gives the level from which on the client wants log messages.
func (c *call) LogLevel() string { return c.threshold().String() }

// Can reports whether the client declared a capability and can be reached.
func (c *call) Can(name string) bool {
	return c.caps&capability(name) != 0 && (c.modern || c.sess != nil)
}

// Repeats reports whether the client is one of revision 2026-07-28.
func (c *call) Repeats() bool { return c.modern }

// Notify passes a notification to the client if it is one the client wants.
func (c *call) Notify(method string, params json.RawMessage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out == nil {
		return
	}
	switch method {
	case methodProgress:
		if c.token == nil {
			return
		}
		params = router.AppendMember(nil, params, "progressToken", c.token)
	case methodMessage:
		if !c.threshold().passes(severity(params)) {
			return
		}
	case methodElicited:
		if c.modern {
			return // gone from the protocol
		}
	default:
		return // belongs to no call
	}
	msg := make([]byte, 0, len(openNotice)+len(method)+len(params)+16)
	c.out.offer(oneLine(appendNotice(msg, method, params)))
}

func (c *call) threshold() logLevel {
	if c.modern || c.sess == nil {
		return c.level
	}
	_, level := c.sess.settings()
	return level
}

func severity(params []byte) logLevel {
	name, _ := unquote(member(params, "level"))
	return readLevel(name)
}

// Ask sends the client a request and waits for its answer, at most until the
// call ends.
func (c *call) Ask(ctx context.Context, method string, params json.RawMessage) (json.RawMessage, error) {
	if name := catalog.CapabilityFor(method); !c.Can(name) {
		return nil, rpcError(codeNoMethod, fmt.Sprintf("the client has not declared %s", cmp.Or(name, method)))
	}
	if params == nil {
		params = json.RawMessage("{}") // some clients fail on a request without
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if c.modern {
		return c.askByResult(ctx, method, params)
	}
	return c.askByRequest(ctx, method, params)
}

// askByRequest puts a JSON-RPC request on the call's own stream.
func (c *call) askByRequest(ctx context.Context, method string, params []byte) (json.RawMessage, error) {
	id, reply, forget := c.sess.question()
	defer forget()
	msg := oneLine(appendRequest(make([]byte, 0, len(params)+128), id, method, params))
	c.mu.Lock()
	sent := c.out != nil && c.out.offer(msg)
	c.mu.Unlock()
	if !sent {
		return nil, rpcError(codeInternal, "the client cannot be asked "+method+" on this call")
	}
	select {
	case a := <-reply:
		if a.err != nil {
			return nil, a.err
		}
		return a.result, nil
	case <-c.done:
		return nil, fmt.Errorf("ask the client %s: the call has ended", method)
	case <-ctx.Done():
		c.takeBack(id)
		return nil, fmt.Errorf("ask the client %s: %w", method, ctx.Err())
	}
}

// takeBack tells the client that a question needs no answer any more.
func (c *call) takeBack(id string) {
	params := append(appendString([]byte(`{"requestId":`), id), '}')
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out != nil {
		c.out.offer(appendNotice(nil, methodCancel, params))
	}
}

// askByResult leaves a question for the result that suspends the call.
func (c *call) askByResult(ctx context.Context, method string, params []byte) (json.RawMessage, error) {
	q := &question{method: method, params: params, reply: make(chan []byte, 1)}
	c.mu.Lock()
	c.count++
	q.key = "q" + strconv.Itoa(c.count)
	c.questions = append(c.questions, q)
	c.mu.Unlock()
	defer c.withdraw(q)
	c.pokeAsked()
	select {
	case result := <-q.reply:
		return result, nil
	case <-c.done:
		return nil, fmt.Errorf("ask the client %s: the call has ended", method)
	case <-ctx.Done():
		return nil, fmt.Errorf("ask the client %s: %w", method, ctx.Err())
	}
}

func (c *call) pokeAsked() {
	select {
	case c.asked <- struct{}{}:
	default:
	}
}

func (c *call) withdraw(q *question) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.questions = slices.DeleteFunc(c.questions, func(other *question) bool { return other == q })
}

// open lists the questions without an answer, as inputRequests; nil if there
// are none.
func (c *call) open() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.questions) == 0 {
		return nil
	}
	out := []byte{'{'}
	for i, q := range c.questions {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(appendString(out, q.key), `:{"method":`...)
		out = appendParams(appendString(out, q.method), q.params)
	}
	return append(out, '}')
}

// answers hands the client's inputResponses to those who asked. If any question
// is left, the call will ask again.
func (c *call) answers(responses []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var left []*question
	for _, q := range c.questions {
		if r := member(responses, q.key); r != nil {
			q.reply <- r // cap 1, and a question that got its answer leaves the list
		} else {
			left = append(left, q)
		}
	}
	if c.questions = left; len(left) > 0 {
		c.pokeAsked()
	}
}

func readError(raw []byte) *catalog.RPCError {
	e := &catalog.RPCError{}
	if err := json.Unmarshal(raw, e); err != nil {
		return rpcError(codeInternal, "the client answered with an error that cannot be read")
	}
	return e
}
