package upstream

import (
	"context"
	"fmt"
	"time"
)

// maxCall bounds a call whose backend keeps reporting progress.
const maxCall = 10 * time.Minute

// timeoutError ends a call that was not answered in time.
type timeoutError struct{ limit time.Duration }

func (e *timeoutError) Error() string {
	return fmt.Sprintf("no answer within %v", e.limit)
}

// Is makes a timeout known by the error of the standard library.
func (e *timeoutError) Is(target error) bool { return target == context.DeadlineExceeded }

// withTimeout bounds a call. Each extend begins the time anew, up to ten minutes
// in all or the limit itself if that is longer.
func withTimeout(ctx context.Context, limit time.Duration) (_ context.Context, extend, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	end := time.Now().Add(max(limit, maxCall))
	timer := time.AfterFunc(limit, func() {
		if time.Now().Before(end) {
			cancel(&timeoutError{limit})
		} else {
			cancel(&timeoutError{max(limit, maxCall)})
		}
	})
	extend = func() { timer.Reset(min(limit, max(0, time.Until(end)))) }
	stop = func() {
		timer.Stop()
		cancel(context.Canceled)
	}
	return ctx, extend, stop
}
