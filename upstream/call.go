package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"toolrouter/internal/catalog"
)

// maxTries bounds how often a call is begun that could not be sent: each time
// the backend was there, and was gone before it could take it.
const maxTries = 5

// call makes one call on the backend, within its time and among at most so many
// others.
func (b *backend) call(ctx context.Context, call catalog.Call) (json.RawMessage, error) {
	began := time.Now()
	own, extend, stop := withTimeout(ctx, b.spec.Timeout)
	defer stop()
	if err := b.enter(own); err != nil {
		return nil, b.callError(call, err, false)
	}
	defer b.exit()
	sent := false // by a try whose connection was lost
	for try := 1; ; try++ {
		s, err := b.acquire(own)
		if err != nil {
			return nil, b.callError(call, err, sent)
		}
		result, err := s.call(own, call, extend)
		s.calls.exit()
		if err == nil || errors.As(err, new(*catalog.RPCError)) {
			s.answered.Add(1)
			return result, err
		}
		if !again(err, call, try) {
			return nil, b.callError(call, b.explain(own, s, began, err), sent)
		}
		sent = sent || wasSent(err)
		b.log.Debug("call made again", "tool", call.ID.Tool, "err", err)
	}
}

// queueFactor bounds the calls that wait for a slot, as a multiple of the slots:
// one backend that hangs must not hold all calls that the router may have at once.
const queueFactor = 4

// enter waits for one of the backend's slots.
func (b *backend) enter(ctx context.Context) error {
	select {
	case b.slots <- struct{}{}:
		return nil
	default:
	}
	select {
	case b.queue <- struct{}{}:
		defer func() { <-b.queue }()
	default:
		return b.unavailable(fmt.Errorf("%d calls are under way on it and %d more wait for them", cap(b.slots), cap(b.queue)), false)
	}
	began := time.Now()
	select {
	case b.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return b.tooLate(ctx, fmt.Errorf("waited %v for one of its %d slots, which other calls hold", elapsed(began), cap(b.slots)))
	}
}

func (b *backend) exit() { <-b.slots }

// tooLate ends a call that still waited when ctx ended. If its time was up, the
// caller is told for what it waited, and that it was not made.
func (b *backend) tooLate(ctx context.Context, why error) error {
	if cause := context.Cause(ctx); !errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	return b.unavailable(why, false)
}

// elapsed is how long something took, for people.
func elapsed(since time.Time) time.Duration {
	return max(time.Since(since).Round(100*time.Millisecond), 100*time.Millisecond)
}

// again reports whether a call whose connection was lost is made again: one that
// never left may be, one that did only if its tool can be called twice, and
// only once.
func again(err error, call catalog.Call, try int) bool {
	switch {
	case !errors.As(err, new(*lostError)):
		return false
	case wasSent(err), errors.As(err, new(*refusedError)):
		return call.Safe && try == 1
	}
	return try < maxTries
}

// wasSent reports whether the backend may have seen the call that ended so.
func wasSent(err error) bool {
	lost, ok := errors.AsType[*lostError](err)
	return ok && lost.sent
}

// explain tells more of a call that ran out of time: whether it was made at all,
// how long it was waited for if the caller set the limit, and what may be why:
// the answer may have been among the lines that were no messages.
func (b *backend) explain(ctx context.Context, s *session, began time.Time, err error) error {
	if errors.As(err, new(*unsentError)) {
		return b.tooLate(ctx, fmt.Errorf("it read no input for %v, and did not see the call", elapsed(began)))
	}
	if errors.As(err, new(*lostError)) || !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if !errors.As(err, new(*timeoutError)) {
		err = &timeoutError{elapsed(began)}
	}
	if p, ok := s.wire.(*pipe); ok && p.noise.Load() > 0 {
		err = fmt.Errorf("%w (%d lines on the server's standard output were no messages)", err, p.noise.Load())
	}
	return err
}

// callError says what became of a call. sent tells that an earlier try may have
// been carried out.
func (b *backend) callError(call catalog.Call, err error, sent bool) error {
	var lost *lostError
	var signIn *signInError
	var gone *catalog.Unavailable
	switch {
	case errors.As(err, &gone):
		gone.Sent = gone.Sent || sent
		return gone
	case errors.As(err, &lost):
		return b.unavailable(lost.err, sent || lost.sent)
	case errors.As(err, &signIn):
		u := b.unavailable(signIn, sent)
		u.State = catalog.NeedsSignIn
		return u
	case errors.Is(err, errRetired):
		return err
	}
	return fmt.Errorf("call %s: %w", call.ID, err)
}
