package endpoint

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

const (
	bodyTime  = 30 * time.Second // for a client to send a whole body
	chunkTime = 30 * time.Second // for a client to take each piece of an answer
	chunkSize = 64 << 10
)

// front stands before every handler of a server: it counts the request to its
// life, keeps slow readers from holding it for ever, and survives panics.
func (e *Endpoint) front(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l := lifeOf(r.Context())
		if !l.enter() {
			writeProblem(w, http.StatusServiceUnavailable, "stopping", errStopping.Error(), "")
			return
		}
		defer l.leave()
		if r.ContentLength != 0 { // also for a body that nobody reads: the server does, to the end
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(e.bodyTime))
		}
		pw := &pacedWriter{ResponseWriter: w, rc: http.NewResponseController(w), chunk: e.chunkTime}
		defer func() {
			if p := recover(); p != nil && p != http.ErrAbortHandler { //nolint:errorlint // compared as net/http does
				_ = e.panicked(p)
				pw.fail()
			}
		}()
		next.ServeHTTP(pw, r)
	})
}

// pacedWriter writes in pieces, each of which the client must take within
// the same time.
type pacedWriter struct {
	http.ResponseWriter
	rc    *http.ResponseController
	chunk time.Duration // for each piece
	begun bool
}

// Unwrap lets http.ResponseController find the real writer.
func (w *pacedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader notes that an answer has begun.
func (w *pacedWriter) WriteHeader(status int) {
	w.begun = true
	w.ResponseWriter.WriteHeader(status)
}

// Write writes all of p.
func (w *pacedWriter) Write(p []byte) (n int, err error) {
	w.begun = true
	for first := true; first || n < len(p) && err == nil; first = false {
		_ = w.rc.SetWriteDeadline(time.Now().Add(w.chunk)) // a writer without deadlines is a test's
		var m int
		m, err = w.ResponseWriter.Write(p[n:min(n+chunkSize, len(p))])
		n += m
	}
	return n, err
}

// Flush sends what was written.
func (w *pacedWriter) Flush() {
	_ = w.rc.SetWriteDeadline(time.Now().Add(w.chunk))
	_ = w.rc.Flush() // the next write tells
}

// fail ends an answer after a panic: with an error if nothing was sent yet, else
// by breaking the connection, so that the client does not take a part for the whole.
func (w *pacedWriter) fail() {
	if w.begun {
		panic(http.ErrAbortHandler)
	}
	writeProblem(w, http.StatusInternalServerError, "internal", "internal error", "")
}

// readBody reads a JSON body, or answers with what is wrong with it.
func (e *Endpoint) readBody(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	if !isJSON(r.Header) {
		writeProblem(w, http.StatusUnsupportedMediaType, "content_type", "the body must be application/json", "send Content-Type: application/json")
		return nil, false
	}
	if r.ContentLength > e.opts.MaxBody {
		// Nothing of it is read, so that the server asks for none of it with 100 Continue.
		w.Header().Set("Connection", "close")
		e.tooLarge(w)
		return nil, false
	}
	body, err := readAll(http.MaxBytesReader(w, r.Body, e.opts.MaxBody), r.ContentLength)
	if err == nil {
		// The deadline that front set, or the wait for a disconnect would run into it.
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
		return body, true
	}
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		e.tooLarge(w)
	} else if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		writeProblem(w, http.StatusRequestTimeout, "timeout", "the body took too long", "")
	} else {
		writeProblem(w, http.StatusBadRequest, "body", "the body could not be read", "")
	}
	return nil, false
}

const maxBodyHint = "http.max_body in the config sets"

func (e *Endpoint) tooLarge(w http.ResponseWriter) {
	writeProblem(w, http.StatusRequestEntityTooLarge, "too_large",
		fmt.Sprintf("the body is over the limit of %d bytes, which %s", e.opts.MaxBody, maxBodyHint), "")
}

// readAll is io.ReadAll with a buffer of the announced size, if one was announced.
func readAll(r io.Reader, announced int64) ([]byte, error) {
	if announced < 0 {
		return io.ReadAll(r)
	}
	body := make([]byte, announced)
	_, err := io.ReadFull(r, body)
	return body, err
}

func isJSON(h http.Header) bool {
	kind, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	encoding := h.Get("Content-Encoding")
	return strings.EqualFold(strings.TrimSpace(kind), "application/json") && (encoding == "" || encoding == "identity")
}

// guard refuses requests that come from a web page of somebody else: its browser
// says so in Origin or Sec-Fetch-Site, or asks for a host that is not ours.
type guard struct {
	hosts   map[string]bool // lower case, without port
	origins map[string]bool // lower case, complete
	any     bool            // listening on every address: the address dialled is ours
}

func newGuard(addr net.Addr, o Options) *guard {
	g := &guard{hosts: map[string]bool{"localhost": true}, origins: map[string]bool{}}
	if tcp, ok := addr.(*net.TCPAddr); ok {
		g.any = tcp.IP.IsUnspecified()
		if !g.any {
			g.hosts[tcp.IP.String()] = true
		}
	}
	for _, h := range o.Hosts {
		g.hosts[hostName(h)] = true
	}
	for _, origin := range o.Origins {
		g.origins[strings.ToLower(strings.TrimSuffix(origin, "/"))] = true
	}
	return g
}

func (g *guard) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !g.hostAllowed(r) {
			writeProblem(w, http.StatusForbidden, "host", "this host name is not allowed", `allow it with http.hosts in the config`)
			return
		}
		if !g.originAllowed(r.Header) {
			writeProblem(w, http.StatusForbidden, "origin", "requests from this origin are not allowed", `allow it with http.origins in the config`)
			return
		}
		if !g.share(w, r) {
			next.ServeHTTP(w, r)
		}
	})
}

func (g *guard) hostAllowed(r *http.Request) bool {
	name := hostName(r.Host)
	if g.hosts[name] || isLoopback(name) {
		return true
	}
	if !g.any {
		return false
	}
	local, _ := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return local != nil && name == local.IP.String()
}

func (g *guard) originAllowed(h http.Header) bool {
	origins := h["Origin"]
	switch len(origins) {
	case 0:
		return h.Get("Sec-Fetch-Site") != "cross-site"
	case 1:
		return g.origins[strings.ToLower(origins[0])] || loopbackOrigin(origins[0])
	}
	return false
}

// loopbackOrigin reports whether an origin is a page served on this machine.
func loopbackOrigin(origin string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return false
	}
	if u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
		return false
	}
	name := hostName(u.Host)
	return name == "localhost" || isLoopback(name)
}

func isLoopback(name string) bool {
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.IsLoopback() && ip.Zone() == ""
}

// hostName is the name of a Host header: lower case, without port, brackets and
// trailing dot.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	} else {
		host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
