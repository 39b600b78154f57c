package upstream

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"
)

// maxDirect is the longest body that is sent directly: it fits into a socket's
// buffer, so that writing it waits for nobody.
const maxDirect = 16 << 10

// directIdle is how long a connection may be idle. It is less than the five seconds
// after which Node and uvicorn close one: a request that crosses that is lost.
const directIdle = 4 * time.Second

// directTransport makes short requests over plain HTTP/1.1, each on the goroutine
// that waits for its answer. net/http's Transport gives every request to a second
// goroutine and takes the answer from a third, and waking those is a third of what
// a request to the same machine takes: BenchmarkRoundTrip has both. What goes over
// the connection is still written and read by net/http.
//
// It is for the requests that direct names; all others are a Transport's. As with
// that one, a response's body must be closed.
type directTransport struct {
	dial  func(ctx context.Context, network, addr string) (net.Conn, error)
	mu    sync.Mutex
	idle  map[string][]*directConn // by address; the last used is the last
	sweep *time.Timer              // closes those that are idle for too long; nil if there are none
}

// directConn is a connection. One request at a time has it.
type directConn struct {
	net.Conn
	addr  string
	raw   syscall.RawConn
	limit io.LimitedReader // of what is read
	r     *bufio.Reader
	w     *bufio.Writer
	since time.Time // it is idle
}

// direct reports whether a request can be made by a directTransport.
func direct(r *http.Request) bool {
	return canPeek && r.URL.Scheme == "http" && r.ContentLength <= maxDirect && !r.Close &&
		(r.ContentLength > 0 || r.Body == nil || r.Body == http.NoBody) && ordinary(r)
}

// ordinary reports whether a host and all headers can be sent as they are. A
// Transport translates a host in other letters, and refuses headers that are none.
func ordinary(r *http.Request) bool {
	for name, values := range r.Header {
		if name == "" || strings.ContainsFunc(name, notInName) {
			return false
		}
		for _, v := range values {
			if strings.ContainsFunc(v, unicode.IsControl) {
				return false
			}
		}
	}
	return r.URL.Host != "" && !strings.ContainsFunc(r.URL.Host, func(c rune) bool { return c > unicode.MaxASCII })
}

// notInName is true for all but letters, digits and hyphens.
func notInName(c rune) bool {
	return c != '-' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z')
}

// RoundTrip implements http.RoundTripper.
func (t *directTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	c, err := t.take(ctx, r)
	if err != nil {
		if r.Body != nil {
			r.Body.Close()
		}
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	body := &directBody{ctx: ctx, t: t, c: c, stop: context.AfterFunc(ctx, func() { c.Close() })}
	resp, err := c.exchange(r)
	if err != nil {
		body.finish(false)
		return nil, body.cause(err)
	}
	body.reusable = !resp.Close && resp.StatusCode >= http.StatusOK
	if resp.Body == http.NoBody {
		body.finish(true)
		return resp, nil
	}
	body.ReadCloser = resp.Body
	resp.Body = body
	return resp, nil
}

// exchange sends a request and reads the head of its answer.
func (c *directConn) exchange(r *http.Request) (*http.Response, error) {
	c.limit.N = maxHeaders
	sent := r.Write(c.w)
	if sent == nil {
		sent = c.w.Flush()
	}
	if sent != nil && !errors.Is(sent, syscall.EPIPE) && !errors.Is(sent, syscall.ECONNRESET) {
		return nil, sent
	}
	for { // also if the server took no more: it may have said why
		resp, err := http.ReadResponse(c.r, r)
		switch {
		case err == nil && resp.StatusCode/100 == 1 && resp.StatusCode != http.StatusSwitchingProtocols:
			continue // it only says that there will be an answer
		case err == nil:
			resp.Close = resp.Close || sent != nil
			c.limit.N = math.MaxInt64
			return resp, nil
		case sent != nil:
			return nil, sent
		case c.limit.N <= 0:
			return nil, fmt.Errorf("the headers of the server's answer are longer than %d bytes", maxHeaders)
		}
		return nil, err
	}
}

// take gives a connection that is idle, or a new one.
func (t *directTransport) take(ctx context.Context, r *http.Request) (*directConn, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	port := r.URL.Port()
	if port == "" {
		port = "80"
	}
	addr := net.JoinHostPort(r.URL.Hostname(), port)
	for c := t.pop(addr); c != nil; c = t.pop(addr) {
		if time.Since(c.since) < directIdle && silent(c.raw) {
			return c, nil
		}
		c.Close()
	}
	conn, err := t.dial(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &directConn{Conn: conn, addr: addr, w: bufio.NewWriter(conn)}
	c.limit.R = conn
	c.r = bufio.NewReader(&c.limit)
	if c.raw, err = conn.(syscall.Conn).SyscallConn(); err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

func (t *directTransport) pop(addr string) *directConn {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := t.idle[addr]
	if len(all) == 0 {
		return nil
	}
	c := all[len(all)-1]
	t.idle[addr] = all[:len(all)-1]
	return c
}

// put keeps a connection for the next request.
func (t *directTransport) put(c *directConn) {
	c.since = time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.idle[c.addr]) >= maxIdle {
		c.Close()
		return
	}
	if t.idle == nil {
		t.idle = map[string][]*directConn{}
	}
	t.idle[c.addr] = append(t.idle[c.addr], c)
	if t.sweep == nil {
		t.sweep = time.AfterFunc(directIdle, t.closeOld)
	}
}

// closeOld closes what has been idle for too long, and comes again for the rest.
func (t *directTransport) closeOld() { t.closeIdle(directIdle) }

// CloseIdleConnections does what http.Client says of it.
func (t *directTransport) CloseIdleConnections() { t.closeIdle(0) }

func (t *directTransport) closeIdle(least time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for addr, all := range t.idle {
		n := 0 // the oldest are the first
		for n < len(all) && time.Since(all[n].since) >= least {
			all[n].Close()
			n++
		}
		if n == len(all) {
			delete(t.idle, addr)
		} else {
			t.idle[addr] = slices.Clone(all[n:])
		}
	}
	if t.sweep != nil {
		t.sweep.Stop()
		t.sweep = nil
	}
	if len(t.idle) > 0 {
		t.sweep = time.AfterFunc(directIdle, t.closeOld)
	}
}

// directBody is the body of an answer, which gives the connection back.
type directBody struct {
	io.ReadCloser
	ctx      context.Context
	t        *directTransport
	c        *directConn
	stop     func() bool // ends the watch over ctx; false if ctx was done
	reusable bool
	once     sync.Once
}

func (b *directBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.finish(errors.Is(err, io.EOF))
		err = b.cause(err)
	}
	return n, err
}

// Close ends the connection if there is more of the body to come.
func (b *directBody) Close() error {
	b.finish(false)
	return nil
}

// finish gives the connection back if the answer was read whole, or closes it.
func (b *directBody) finish(whole bool) {
	b.once.Do(func() {
		if b.stop() && whole && b.reusable && b.c.r.Buffered() == 0 {
			b.t.put(b.c)
		} else {
			b.c.Close()
		}
	})
}

// cause tells a connection that we closed from one that broke.
func (b *directBody) cause(err error) error {
	if !errors.Is(err, io.EOF) && b.ctx.Err() != nil {
		return context.Cause(b.ctx)
	}
	return err
}
