package endpoint

import (
	"context"
	"errors"
	"sync"

	"toolrouter/internal/catalog"
)

// life is the time of one listener or connection, and the work that is done in
// it. It ends in two steps: first nothing new is begun and standing streams
// end, then running calls are cancelled.
type life struct {
	stopping context.Context // ends with the first step
	hard     context.Context // ends with the second
	stop     context.CancelFunc
	kill     context.CancelCauseFunc // an RPC error is what the clients of those calls are told

	gate
}

// newLife begins a life whose first step comes at the latest with the end of
// ctx. Its second step only comes with kill.
func newLife(ctx context.Context) *life {
	l := &life{gate: newGate()}
	l.stopping, l.stop = context.WithCancel(ctx)
	l.hard, l.kill = context.WithCancelCause(context.WithoutCancel(ctx))
	return l
}

// callError is what a client is told of a call in this life that has no result.
func (l *life) callError(err error) *catalog.RPCError {
	if !errors.Is(err, context.Canceled) {
		return asRPC(err)
	}
	if cut, ok := errors.AsType[*catalog.RPCError](context.Cause(l.hard)); ok {
		return cut
	}
	return rpcError(codeCancelled, "the call was cancelled")
}

// gate counts work and can be closed, which a WaitGroup cannot: nothing comes in
// while somebody waits for the last to leave.
type gate struct {
	idle chan struct{} // closed when the gate is closed and nobody is inside

	mu     sync.Mutex
	n      int
	closed bool
}

func newGate() gate { return gate{idle: make(chan struct{})} }

// enter counts a piece of work; it is refused once the gate is closed.
func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.n++
	return true
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.n--; g.n == 0 && g.closed {
		close(g.idle)
	}
}

// run runs f beside the caller, if the gate is open.
func (g *gate) run(f func()) bool {
	if !g.enter() {
		return false
	}
	go func() { // whoever closes the gate waits for it
		defer g.leave()
		f()
	}()
	return true
}

// close refuses new work from now on.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return
	}
	if g.closed = true; g.n == 0 {
		close(g.idle)
	}
}

// wait closes the gate and returns when all have left.
func (g *gate) wait() {
	g.close()
	<-g.idle
}

type lifeKey struct{}

func withLife(ctx context.Context, l *life) context.Context {
	return context.WithValue(ctx, lifeKey{}, l)
}

// lifeOf gives the life that a request is served in. Every server of this
// package puts one into its base context.
func lifeOf(ctx context.Context) *life { return ctx.Value(lifeKey{}).(*life) }
