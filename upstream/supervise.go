package upstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"toolrouter/internal/catalog"
)

// run keeps the backend going until life ends or it is retired.
func (b *backend) run(life context.Context) {
	defer close(b.done)
	if b.before != nil {
		<-b.before.done // it was retired, or ends with life
		b.before = nil
	}
	if b.spec.Disabled {
		b.sleep(life, nil)
	} else {
		b.supervise(life)
	}
	b.end()
}

// supervise starts the backend, and starts it again whenever it ends.
func (b *backend) supervise(life context.Context) {
	if b.mayIdle() && !b.sleep(life, b.wake) {
		return
	}
	var wait backoff
	deaths := 0
	for !b.over(life) {
		s, err := b.start(life)
		if err == nil {
			began := time.Now()
			why := b.serve(life, s)
			if time.Since(began) >= stableTime {
				wait.reset()
			}
			if deaths++; s.answered.Load() > 0 || time.Since(began) >= quickTime {
				deaths = 0
			}
			b.fell(why, wait.after(why), deaths >= quickDeaths)
		} else if !b.over(life) {
			b.failed(err, wait.after(err))
		}
		b.pause(life)
	}
}

// over reports whether there is nothing left to do.
func (b *backend) over(life context.Context) bool {
	select {
	case <-b.quit:
		return true
	default:
		return life.Err() != nil
	}
}

// whyOver tells the calls that are cut off why their session is ended.
func (b *backend) whyOver(life context.Context) error {
	select {
	case <-b.quit:
		return b.retired
	case <-life.Done():
		return errClosed
	}
}

// sleep waits for c, and reports whether it came before the end.
func (b *backend) sleep(life context.Context, c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	case <-life.Done():
	case <-b.quit:
	}
	return false
}

// untilQuit gives a context that ends with life, and when the backend is retired.
func (b *backend) untilQuit(life context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(life)
	b.wg.Go(func() { // ends with ctx; end waits
		b.sleep(ctx, nil)
		cancel()
	})
	return ctx, cancel
}

// mayIdle reports whether the backend need not run before its first call. One of
// which no tool is known has to be listed: no call could ever wake it.
func (b *backend) mayIdle() bool {
	if !b.spec.stdio() || b.spec.Start == StartEager {
		return false
	}
	tools, known := b.opts.Known(b.spec.Name, b.digest)
	if !known || tools == 0 {
		return false
	}
	b.update(func() {
		b.now.Tools = tools
		b.setStateLocked(catalog.Idle, nil)
	})
	return true
}

// start connects and lists. Calls need not wait until the listing has been taken.
func (b *backend) start(life context.Context) (*session, error) {
	b.update(func() {
		b.next = time.Time{}
		if b.now.State == catalog.Idle {
			b.setStateLocked(catalog.Starting, nil)
		}
	})
	drain(b.wake)
	drain(b.dirty)
	ctx, cancel := b.untilQuit(life)
	defer cancel()
	s, listing, err := b.connect(ctx)
	if err != nil {
		return nil, err
	}
	b.publish(s)
	b.hand(ctx, listing)
	return s, nil
}

// connect dials and lists within the time that a start may take.
func (b *backend) connect(ctx context.Context) (s *session, l Listing, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, b.spec.StartTimeout,
		fmt.Errorf("the server was not ready within %v", b.spec.StartTimeout))
	defer cancel()
	s, err = b.dial.dial(ctx)
	if err == nil {
		if l, err = b.list(ctx, s); err == nil {
			return s, l, nil
		}
		s.stop()
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		err = cause // and not what it made of the last step; but a hint beside it stays
	}
	b.update(func() { b.now.PID = 0 })
	return nil, l, err
}

// list makes a Listing of all that the backend offers.
func (b *backend) list(ctx context.Context, s *session) (Listing, error) {
	definitions, err := s.list(ctx)
	if err != nil {
		return Listing{}, fmt.Errorf("list tools: %w", err)
	}
	tools, held := s.admit(definitions)
	l := Listing{Digest: b.digest, Tools: tools, Held: held}
	l.Server = b.server()
	l.Server.State, l.Server.LastError, l.Server.Tools = catalog.Ready, "", len(tools)
	l.Server.Title, l.Server.Version = s.about.title, s.about.version
	l.Server.Protocol, l.Server.Instructions = s.about.protocol, s.about.instructions
	return l, nil
}

// publish lets calls use a session.
func (b *backend) publish(s *session) {
	b.update(func() {
		b.session.Store(s)
		if b.started {
			b.now.Restarts++
		}
		b.started = true
		b.now.Title, b.now.Version = s.about.title, s.about.version
		b.now.Protocol, b.now.Instructions = s.about.protocol, s.about.instructions
	})
	if s.about.modern() && s.about.listChanged {
		s.wg.Go(s.listen) // ends with the session, whose stop waits
	}
}

// hand has a listing taken, and declares the backend ready.
func (b *backend) hand(ctx context.Context, l Listing) {
	for name, why := range l.Held {
		b.log.Warn("tool held back", "tool", name, "err", why)
	}
	err := b.opts.Listed(ctx, l)
	if err != nil && ctx.Err() == nil {
		b.log.Error("list of tools not kept", "err", err)
		time.AfterFunc(downAgain, b.poke)
	}
	b.update(func() {
		b.now.Tools = len(l.Tools)
		b.setStateLocked(catalog.Ready, nil)
		if err != nil {
			b.now.LastError = catalog.Clip("its tools could not be kept: "+err.Error(), maxError)
		}
	})
	b.warned = ""
	b.log.Info("listed", "tools", len(l.Tools), "held", len(l.Held), "protocol", l.Server.Protocol)
}

// serve watches over a session until it is lost or no longer wanted, and tells
// why it is over.
func (b *backend) serve(life context.Context, s *session) error {
	ctx, cancel := b.untilQuit(life)
	defer cancel()
	var listDue, checkDue <-chan time.Time
	listed, checked := time.Now(), time.Time{}
	for {
		select {
		case <-s.lost():
			return b.leave(life, s)
		case <-ctx.Done():
			b.withdraw()
			b.drain(life, b.idle(s))
			s.fail(b.whyOver(life))
			s.stop()
			return nil
		case <-b.dirty:
			if listDue == nil {
				listDue = time.After(time.Until(listed.Add(listGap)))
			}
		case <-listDue:
			listDue = nil
			b.relist(ctx, s)
			listed = time.Now()
		case <-s.check:
			if checkDue == nil {
				checkDue = time.After(time.Until(checked.Add(checkGap)))
			}
		case <-checkDue:
			checkDue = nil
			b.checkOn(ctx, s)
			checked = time.Now()
		}
	}
}

// relist lists again. If that fails the old list stays.
func (b *backend) relist(ctx context.Context, s *session) {
	within, cancel := b.bounded(ctx, s)
	defer cancel()
	l, err := b.list(within, s)
	switch {
	case err == nil:
		b.hand(ctx, l)
	case s.cause() == nil && ctx.Err() == nil:
		delay := downAgain
		if rarely(err) {
			delay = maxDelay
		}
		b.log.Warn("cannot list again", "err", err, "retry_in", delay)
		time.AfterFunc(delay, b.poke)
	}
}

// bounded gives a request of our own the time that a start may take, and no more
// than the session has: whoever waits for it watches nothing else meanwhile.
func (b *backend) bounded(ctx context.Context, s *session) (context.Context, context.CancelFunc) {
	limit := b.spec.StartTimeout
	ctx, cancel := context.WithTimeoutCause(ctx, limit, &timeoutError{limit})
	b.wg.Go(func() { // ends with ctx; end waits
		select {
		case <-s.lost():
			cancel()
		case <-ctx.Done():
		}
	})
	return ctx, cancel
}

// checkOn looks whether the server still stands: its standing stream has ended,
// or the connection of a call broke off, which may have been that one alone. Any
// answer will do. A refused connection or an unknown session ends the session by
// itself; what breaks off is tried once more, over a connection of its own.
func (b *backend) checkOn(ctx context.Context, s *session) {
	ctx, cancel := b.bounded(ctx, s)
	defer cancel()
	err := s.ping(ctx)
	if errors.As(err, new(*lostError)) && s.cause() == nil {
		s.http.CloseIdleConnections()
		err = s.ping(ctx)
	}
	if errors.As(err, new(*lostError)) {
		s.fail(err)
	}
}

// withdraw lets no new call use the session.
func (b *backend) withdraw() { b.update(func() { b.session.Store(nil) }) }

// leave ends a session that is lost. Over HTTP each call has a connection of its
// own: the others go on to their own deadlines, while a new session begins.
func (b *backend) leave(life context.Context, s *session) error {
	why := s.cause()
	b.withdraw()
	if s.child != nil {
		s.stop()
		b.update(func() { b.now.PID = 0 })
		return why
	}
	b.wg.Go(func() { // ends with the calls, or soon after life or quit; end waits
		idle := b.idle(s)
		select {
		case <-idle:
		case <-life.Done():
		case <-b.quit:
			b.drain(life, idle)
		}
		s.stop()
	})
	return why
}

// idle is closed when the last call on a session has ended, and no more begins.
func (b *backend) idle(s *session) <-chan struct{} {
	c := make(chan struct{})
	b.wg.Go(func() { // ends with the calls, at the latest when the session is stopped; end waits
		s.calls.Wait()
		close(c)
	})
	return c
}

// drain lets the calls under way end, for a while.
func (b *backend) drain(life context.Context, idle <-chan struct{}) {
	select {
	case <-idle:
	case <-life.Done():
	case <-time.After(drainTime):
	}
}

// pause waits until the next try is due. A call that waits brings it forward.
func (b *backend) pause(life context.Context) {
	b.mu.Lock()
	due, early := b.next, time.Now().Add(downAgain)
	if b.now.State == catalog.Starting {
		early = time.Now().Add(earlyAgain)
	}
	b.mu.Unlock()
	for {
		select {
		case <-time.After(time.Until(due)):
			return
		case <-life.Done():
			return
		case <-b.quit:
			return
		case <-b.wake:
		}
		if early.Before(due) {
			due = early
			b.update(func() { b.next = due })
		}
	}
}

// end leaves nothing behind.
func (b *backend) end() {
	b.wg.Wait()
	b.update(func() {
		b.now.PID = 0
		b.next = time.Time{}
		if !b.spec.Disabled {
			b.setStateLocked(catalog.Idle, nil)
		}
	})
}

func drain(c <-chan struct{}) {
	select {
	case <-c:
	default:
	}
}
