package upstream

import (
	"encoding/json"
	"errors"
	"sync"
)

// pending matches replies with the requests they answer.
type pending struct {
	mu    sync.Mutex
	last  int64
	waits map[int64]chan<- reply // nil once the connection is lost
	cause error                  // why it was lost
}

// reply is the answer to a request: a result, an error of the backend, or
// neither because the connection was lost.
type reply struct {
	result json.RawMessage
	fault  json.RawMessage
	lost   error
}

func newPending() *pending { return &pending{waits: map[int64]chan<- reply{}} }

// add reserves the next id for a request. The channel gets at most one reply,
// and must have room for it.
func (p *pending) add(c chan<- reply) (int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waits == nil {
		return 0, p.cause
	}
	p.last++
	p.waits[p.last] = c
	return p.last, nil
}

// drop forgets a request. It reports whether the request was still waiting.
func (p *pending) drop(id int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, waits := p.waits[id]
	delete(p.waits, id)
	return waits
}

// resolve hands a reply to its request, and reports whether there was one. The
// first reply wins; a late or unasked one is nobody's.
func (p *pending) resolve(id int64, r reply) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, waits := p.waits[id]
	if waits {
		delete(p.waits, id)
		c <- r
	}
	return waits
}

// fail ends every request with the reason why the connection is lost, and
// refuses further ones.
func (p *pending) fail(cause error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waits == nil {
		return
	}
	for _, c := range p.waits {
		c <- reply{lost: cause}
	}
	p.waits, p.cause = nil, cause
}

// lostError says that a connection is gone or cannot be made. Sent tells that
// the request may have reached the backend.
type lostError struct {
	sent bool
	err  error
}

func (e *lostError) Error() string { return e.err.Error() }
func (e *lostError) Unwrap() error { return e.err }

// unsentError says that a request was given up before the backend was sent it.
type unsentError struct{ cause error }

func (e *unsentError) Error() string { return "the server reads no input: " + e.cause.Error() }
func (e *unsentError) Unwrap() error { return e.cause }

// errNothing is an answer that says nothing.
var errNothing = errors.New("the server answered with neither a result nor an error")
