package endpoint

import (
	"context"
	"net/http"
	"sync"
	"time"
)

const (
	maxSSE    = 256 // connections of HTTP+SSE at once
	keepAlive = 25 * time.Second
)

// peers are the clients of HTTP+SSE by the id of their session, which is also
// what lets them post messages.
type peers struct {
	mu   sync.Mutex
	live map[string]*peer
}

func (ps *peers) add(p *peer) bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if len(ps.live) >= maxSSE {
		return false
	}
	ps.live[p.sess.id] = p
	return true
}

func (ps *peers) remove(p *peer) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	delete(ps.live, p.sess.id)
}

func (ps *peers) get(id string) *peer {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return ps.live[id]
}

// serveSSE is the stream of a client of the transport of 2024-11-05: it is told
// where to post its messages and hears the answers here.
func (e *Endpoint) serveSSE(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancel(r.Context())
	p := e.newPeer(ctx, lifeOf(ctx), func(msg []byte) error { return writeEvent(w, "message", msg) })
	defer p.leave()
	defer cancel()            // its calls, before it leaves
	defer p.box.fail(errGone) // and what they still have to say: nobody writes it any more
	if !e.sse.add(p) {
		writeProblem(w, http.StatusServiceUnavailable, "busy", "too many SSE connections", "")
		return
	}
	defer e.sse.remove(p)
	h := w.Header()
	h["Content-Type"], h["Cache-Control"] = sseType, noCache
	w.WriteHeader(http.StatusOK)
	if writeEvent(w, "endpoint", []byte("/message?sessionId="+p.sess.id)) != nil {
		return
	}
	p.keepAlive(w)
}

// keepAlive writes the stream until the client has gone or the life stops; what
// runs by then gets its time.
func (p *peer) keepAlive(w http.ResponseWriter) {
	tick := time.NewTicker(keepAlive)
	defer tick.Stop()
	for {
		select {
		case <-p.box.ready:
			if !p.box.flush() {
				return
			}
		case <-tick.C:
			if _, err := w.Write([]byte(": keep-alive\n\n")); err != nil {
				return
			}
			w.(http.Flusher).Flush()
		case <-p.life.stopping.Done():
			p.lastWords()
			return
		case <-p.ctx.Done():
			return
		}
	}
}

// lastWords writes the answers of calls in flight.
func (p *peer) lastWords() {
	p.sess.end()
	p.work.close()
	for {
		select {
		case <-p.box.ready:
			if !p.box.flush() {
				return
			}
		case <-p.work.idle:
			p.box.flush()
			return
		}
	}
}

// servePost takes a message of a client of HTTP+SSE.
func (e *Endpoint) servePost(w http.ResponseWriter, r *http.Request) {
	p := e.sse.get(r.URL.Query().Get("sessionId"))
	if p == nil {
		writeProblem(w, http.StatusNotFound, "session", "unknown session", "begin with GET /sse")
		return
	}
	body, ok := e.readBody(w, r)
	if !ok {
		return
	}
	if _, err := parse(body); err != nil && err != errBatch { //nolint:errorlint // parse returns it bare
		writeRPC(w, http.StatusBadRequest, nil, asRefusal(err))
		return
	}
	w.WriteHeader(http.StatusAccepted)
	p.receive(body)
}
