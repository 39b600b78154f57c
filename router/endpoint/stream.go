package endpoint

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
)

var (
	jsonType = []string{"application/json"}
	sseType  = []string{"text/event-stream"}
	noCache  = []string{"no-cache"}
)

// reply is the answer to one POST: plain JSON, or a stream of events from the
// first message that goes out before the result.
type reply struct {
	w       http.ResponseWriter
	streams bool // the client takes a stream

	mu    sync.Mutex
	box   *outbox // nil until something was sent
	done  bool
	wrote sync.WaitGroup
}

func newReply(w http.ResponseWriter, r *http.Request) *reply {
	return &reply{w: w, streams: acceptsStream(r.Header["Accept"])}
}

// acceptsStream reports whether an Accept header takes text/event-stream. One
// that is missing speaks of no more than JSON.
func acceptsStream(accept []string) bool {
	for _, line := range accept {
		for kind := range strings.SplitSeq(line, ",") {
			kind, _, _ = strings.Cut(kind, ";")
			switch strings.ToLower(strings.TrimSpace(kind)) {
			case "text/event-stream", "text/*", "*/*":
				return true
			}
		}
	}
	return false
}

// offer sends a message before the result, which makes the answer a stream.
func (r *reply) offer(msg []byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done || !r.streams {
		return false
	}
	if r.box == nil {
		r.begin()
	}
	return r.box.offer(msg)
}

// begin turns the answer into a stream. The writer ends with finish, which waits
// for it, or with a failed write.
func (r *reply) begin() {
	h := r.w.Header()
	h["Content-Type"], h["Cache-Control"] = sseType, noCache
	r.w.WriteHeader(http.StatusOK)
	r.box = newOutbox(func(msg []byte) error { return writeEvent(r.w, "message", msg) })
	r.wrote.Go(func() { _ = r.box.run() }) // finish asks the box
}

// finish sends the last message, built into buf by build, and returns when all
// is written.
func (r *reply) finish(status int, build func(dst []byte) []byte) {
	r.mu.Lock()
	r.done = true
	box := r.box
	r.mu.Unlock()
	if box != nil {
		box.close()
		r.wrote.Wait()
		if box.broken() {
			return
		}
	}
	buf := newBuffer()
	defer buf.free()
	buf.b = build(buf.b)
	if box != nil {
		_ = writeEvent(r.w, "message", oneLine(buf.b)) // a client that is gone needs no answer
		return
	}
	writeJSON(r.w, status, buf.b)
}

// writeJSON writes a whole answer.
func writeJSON(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h["Content-Type"] = jsonType
	if len(body) > 2<<10 { // the server counts smaller ones itself
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// writeEvent writes one event and sends it off. The data must be one line.
func writeEvent(w http.ResponseWriter, name string, data []byte) error {
	buf := newBuffer()
	defer buf.free()
	buf.b = append(append(buf.b, "event: "...), name...)
	buf.b = append(append(buf.b, "\ndata: "...), data...)
	buf.b = append(buf.b, "\n\n"...)
	if _, err := w.Write(buf.b); err != nil {
		return err
	}
	w.(http.Flusher).Flush()
	return nil
}
