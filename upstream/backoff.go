package upstream

import (
	"errors"
	"math/rand/v2"
	"time"
)

// How long a backend waits before it is started again.
const (
	firstDelay = 100 * time.Millisecond
	maxDelay   = time.Minute
	stableTime = time.Minute // a session this long starts the delays anew
)

// backoff gives growing delays. The zero value begins with the shortest.
type backoff struct{ failures int }

// next gives the delay after one more failure: twice the one before, less up to
// half of it, so that many backends that fell together do not rise together.
func (b *backoff) next() time.Duration {
	d := maxDelay
	if b.failures < 10 {
		d = min(d, firstDelay<<b.failures)
	}
	b.failures++
	return d - rand.N(d/2)
}

func (b *backoff) reset() { b.failures = 0 }

// after gives the delay after a failure.
func (b *backoff) after(err error) time.Duration {
	if rarely(err) {
		return maxDelay
	}
	return b.next()
}

// rarely reports whether a failure will not mend itself, so that another try
// comes late.
func rarely(err error) bool {
	return errors.As(err, new(*permanentError)) || errors.As(err, new(*signInError))
}

// permanentError is a failure that trying again soon will not mend.
type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }
