package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"toolrouter/internal/catalog"
)

// maxTries bounds how often a call is begun that could not be sent: each time
// the backend was there, and was gone before it could take it.
const maxTries = 5

// call makes one call on the backend, within its time and among at most so many
// others.
func (b *backend) call(ctx context.Context, call catalog.Call) (json.RawMessage, error) {
	own, extend, stop := withTimeout(ctx, b.spec.Timeout)
	defer stop()
	if err := b.enter(own); err != nil {
		return nil, b.callError(ctx, call, err)
	}
	defer b.exit()
	for try := 1; ; try++ {
		s, err := b.acquire(own)
		if err != nil {
			return nil, b.callError(ctx, call, err)
		}
		result, err := s.call(own, call, extend)
		if err == nil || errors.As(err, new(*catalog.RPCError)) {
			s.answered.Add(1)
			return result, err
		}
		if !again(err, call, try) {
			return nil, b.callError(ctx, call, s.hint(err))
		}
		b.log.Debug("call made again", "tool", call.ID.Tool, "err", err)
	}
}

// enter waits for one of the backend's slots.
func (b *backend) enter(ctx context.Context) error {
	select {
	case b.slots <- struct{}{}:
		return nil
	default:
	}
	select {
	case b.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waited for %d other calls: %w", cap(b.slots), context.Cause(ctx))
	}
}

func (b *backend) exit() { <-b.slots }

// again reports whether a call whose connection was lost is made again: one that
// never left may be, one that did only if its tool can be called twice, and
// only once.
func again(err error, call catalog.Call, try int) bool {
	var lost *lostError
	var refused *refusedError
	switch {
	case !errors.As(err, &lost):
		return false
	case lost.sent, errors.As(err, &refused):
		return call.Safe && try == 1
	}
	return try < maxTries
}

// hint adds what may explain that no answer came: the answer may have been
// among the lines that were no messages.
func (s *session) hint(err error) error {
	p, ok := s.wire.(*pipe)
	if !ok || !errors.As(err, new(*timeoutError)) {
		return err
	}
	if n := p.noise.Load(); n > 0 {
		return fmt.Errorf("%w (%d lines on the server's standard output were no messages)", err, n)
	}
	return err
}

// callError says what became of a call. ctx is the caller's own.
func (b *backend) callError(ctx context.Context, call catalog.Call, err error) error {
	var lost *lostError
	var signIn *signInError
	switch {
	case errors.Is(err, errRetired), errors.As(err, new(*catalog.Unavailable)):
		return err
	case errors.As(err, &lost):
		return b.unavailable(lost.err, lost.sent)
	case errors.As(err, &signIn):
		u := b.unavailable(signIn, false)
		u.State = catalog.NeedsSignIn
		return u
	case ctx.Err() != nil:
		return fmt.Errorf("call %s: %w", call.ID, context.Cause(ctx))
	}
	return fmt.Errorf("call %s: %w", call.ID, err)
}
