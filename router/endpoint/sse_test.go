package endpoint

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// leaver is a client of HTTP+SSE that goes away with answers on their way.
type leaver struct {
	nowhere
	leave func()
}

func (l leaver) Write(p []byte) (int, error) {
	l.leave()
	return len(p), nil
}

// A stream whose client has left ends, also when more answers wait to be
// written to it than its box holds.
func TestSSEClientLeavesItsAnswers(t *testing.T) {
	f := build(t, Options{})
	l := newLife(t.Context())
	defer l.kill(nil)
	answer := make([]byte, maxWaitingBytes-1)
	for range 20 { // the end of the stream or an answer may be seen first
		ctx, cancel := context.WithCancel(withLife(t.Context(), l))
		var p *peer
		w := leaver{nowhere{http.Header{}}, func() {
			if p != nil {
				return
			}
			for _, p = range f.sse.live {
			}
			for range 3 {
				p.work.run(func() { p.send(answer) })
			}
			waitFor(t, "an answer", func() bool { return len(p.box.ready) > 0 })
			cancel()
		}}
		done := make(chan struct{})
		go func() {
			defer close(done)
			f.serveSSE(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/sse", nil))
		}()
		select {
		case <-done:
		case <-time.After(30 * time.Second):
			l.kill(nil)
			<-done
			t.Fatal("the handler waits for answers that nobody takes")
		}
	}
}
