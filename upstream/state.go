package upstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"toolrouter/internal/catalog"
)

// maxError bounds what is told of a failure.
const maxError = 500

// errRetired ends what waits for a backend that is no longer wanted.
var errRetired = errors.New("the server is no longer wanted")

// update changes what b.mu guards, wakes all who wait for a change, and tells
// of a new state.
func (b *backend) update(change func()) {
	b.mu.Lock()
	before := b.now
	change()
	close(b.changed)
	b.changed = make(chan struct{})
	now := b.now
	b.mu.Unlock()
	if before.State != now.State || before.LastError != now.LastError {
		b.opts.Changed(now)
	}
}

// setStateLocked enters a state, and tells why it is not a good one.
func (b *backend) setStateLocked(state catalog.State, err error) {
	if state != b.now.State {
		b.now.State, b.now.Since = state, time.Now()
	}
	b.now.LastError = ""
	if err != nil {
		b.now.LastError = catalog.Clip(catalog.Printable(err.Error()), maxError)
	}
}

// failed notes that a start came to nothing.
func (b *backend) failed(err error, delay time.Duration) {
	state := catalog.Down
	if errors.As(err, new(*signInError)) {
		state = catalog.NeedsSignIn
	}
	b.rest(state, err, delay)
}

// fell notes that a session was lost. A backend that keeps falling before it is
// of any use is down.
func (b *backend) fell(err error, delay time.Duration, keeps bool) {
	if err == nil { // it was ended by us
		return
	}
	state := catalog.Starting
	switch {
	case errors.As(err, new(*signInError)):
		state = catalog.NeedsSignIn
	case keeps:
		state = catalog.Down
		err = fmt.Errorf("it keeps ending: %w", err)
	}
	b.rest(state, err, delay)
}

// rest enters the state in which the next try is waited for.
func (b *backend) rest(state catalog.State, err error, delay time.Duration) {
	if line := b.stderr.takeLast(); line != "" && b.spec.stdio() && !bySignal(err) {
		err = fmt.Errorf("%w: %s", err, catalog.Clip(line, maxError/2))
	}
	b.update(func() {
		b.next = time.Now().Add(delay)
		b.setStateLocked(state, err)
	})
	b.logRest(state, delay)
}

// logRest tells of a failure in full the first time. One that comes again at every
// try would drown everything else.
func (b *backend) logRest(state catalog.State, delay time.Duration) {
	level, text := slog.LevelWarn, b.server().LastError
	if text == b.warned {
		level = slog.LevelDebug
	}
	b.warned = text
	b.log.Log(context.Background(), level, "not available", "state", string(state), "err", text, "retry_in", delay.Round(time.Millisecond))
}

// setPID notes the process of a child that was started.
func (b *backend) setPID(pid int) { b.update(func() { b.now.PID = pid }) }

// server tells how the backend is.
func (b *backend) server() catalog.Server {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now
	now.Next = b.next
	return now
}

// unavailable makes the error of a call that cannot be made now.
func (b *backend) unavailable(err error, sent bool) *catalog.Unavailable {
	b.mu.Lock()
	defer b.mu.Unlock()
	u := &catalog.Unavailable{Server: b.spec.Name, State: b.now.State, Since: b.now.Since, Next: b.next, Sent: sent, Err: err}
	if s := b.session.Load(); u.State == catalog.Ready && s != nil && s.cause() == nil {
		u.Since = time.Time{} // the server is well: it is this call alone
	} else if u.State == catalog.Ready { // the loss was not noted yet
		u.State, u.Since = catalog.Starting, time.Now()
	}
	if err == nil && b.now.LastError != "" {
		u.Err = errors.New(b.now.LastError)
	}
	return u
}

// acquire gives a session that stands, and counts a call on it: the caller exits
// its calls. It starts a backend that sleeps and waits for one that is being
// started; one that is down is not waited for.
func (b *backend) acquire(ctx context.Context) (*session, error) {
	began := time.Now()
	for {
		b.mu.Lock()
		state, changed := b.now.State, b.changed
		b.mu.Unlock()
		if s := b.session.Load(); s != nil && s.cause() == nil && s.calls.enter() {
			return s, nil
		}
		signal(b.wake)
		switch state {
		case catalog.Disabled, catalog.Down, catalog.NeedsSignIn:
			return nil, b.unavailable(nil, false)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, b.tooLate(ctx, fmt.Errorf("it was not ready within %v", elapsed(began)))
		case <-b.quit:
			return nil, errRetired
		case <-b.done:
			return nil, b.unavailable(errors.New("the router is stopping"), false)
		}
	}
}
