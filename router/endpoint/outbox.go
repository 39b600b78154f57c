package endpoint

import (
	"context"
	"errors"
	"sync"
)

// Limits of what waits to be written to one client.
const (
	maxWaiting      = 4096     // messages
	maxWaitingBytes = 16 << 20 // bytes
)

var errGone = errors.New("the client is gone")

// outbox is the ordered way to one client. Whoever has something to say puts it
// in and goes on; one goroutine writes, so that a slow reader delays nobody but
// itself.
type outbox struct {
	write func([]byte) error

	mu     sync.Mutex
	queue  [][]byte
	bytes  int
	closed bool
	err    error
	ready  chan struct{} // cap 1: there is something to write, or the end
	room   chan struct{} // closed when something was written; nil while nobody waits
}

func newOutbox(write func([]byte) error) *outbox {
	return &outbox{write: write, ready: make(chan struct{}, 1)}
}

// offer puts a message in unless the box is full or closed. It never blocks.
func (o *outbox) offer(msg []byte) bool {
	ok, _, _ := o.try(msg, maxWaiting)
	return ok
}

// push puts a message in, waiting for room. Its limit is higher than that of
// offer: an answer is not kept out by notifications.
func (o *outbox) push(ctx context.Context, msg []byte) error {
	for {
		ok, room, err := o.try(msg, 2*maxWaiting)
		if ok || err != nil {
			return err
		}
		select {
		case <-room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (o *outbox) try(msg []byte, limit int) (ok bool, room chan struct{}, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.err != nil:
		return false, nil, o.err
	case o.closed:
		return false, nil, errGone
	case len(o.queue) >= limit, len(o.queue) > 0 && o.bytes+len(msg) > maxWaitingBytes:
		if o.room == nil {
			o.room = make(chan struct{})
		}
		return false, o.room, nil
	}
	o.queue = append(o.queue, msg)
	o.bytes += len(msg)
	o.poke()
	return true, nil, nil
}

func (o *outbox) poke() {
	select {
	case o.ready <- struct{}{}:
	default:
	}
}

// close lets run end once all is written.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.poke()
}

// run writes until the box is closed and empty or a write fails, and gives the
// error of that write. The caller of newOutbox starts it and waits for it.
func (o *outbox) run() error {
	for range o.ready {
		if !o.flush() {
			break
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// flush writes all that waits and reports whether there can be more to come.
func (o *outbox) flush() bool {
	for {
		msg, more := o.next()
		if msg == nil {
			return more
		}
		if err := o.write(msg); err != nil {
			o.fail(err)
			return false
		}
	}
}

// next takes out the first message; more is false at the end.
func (o *outbox) next() (msg []byte, more bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.queue) == 0 {
		o.queue = nil
		return nil, !o.closed
	}
	msg = o.queue[0]
	o.queue = o.queue[1:]
	o.bytes -= len(msg)
	o.wake()
	return msg, true
}

func (o *outbox) wake() {
	if o.room != nil {
		close(o.room)
		o.room = nil
	}
}

func (o *outbox) fail(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.err, o.queue, o.bytes = err, nil, 0
	o.wake()
}

// broken reports whether a write has failed.
func (o *outbox) broken() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err != nil
}
