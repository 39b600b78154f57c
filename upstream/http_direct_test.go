//go:build unix

package upstream

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// wireServer answers every request on a connection with the next of its answers,
// byte for byte, and counts connections. After an answer that ends in "<close>"
// it closes the connection, after "<hang>" it does nothing more on it.
type wireServer struct {
	url         string
	connections atomic.Int32
	closed      chan struct{} // a connection was closed by the other side
}

func serveWire(t *testing.T, answers ...string) *wireServer {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &wireServer{url: "http://" + ln.Addr().String() + "/mcp", closed: make(chan struct{}, 100)}
	var wg sync.WaitGroup
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	next := make(chan string, len(answers))
	for _, a := range answers {
		next <- a
	}
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			s.connections.Add(1)
			wg.Go(func() { s.serve(c, next) })
		}
	})
	return s
}

func (s *wireServer) serve(c net.Conn, next <-chan string) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	in := bufio.NewReader(c)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			s.closed <- struct{}{}
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		answer, closes := strings.CutSuffix(<-next, "<close>")
		answer, hangs := strings.CutSuffix(answer, "<hang>")
		_, _ = io.WriteString(c, answer)
		if closes {
			return
		}
		if hangs {
			_, _ = io.Copy(io.Discard, in)
			s.closed <- struct{}{}
			return
		}
	}
}

func newDirect(t *testing.T) *directTransport {
	d := &directTransport{dial: (&net.Dialer{}).DialContext}
	t.Cleanup(d.CloseIdleConnections)
	return d
}

func newPost(t *testing.T, ctx context.Context, url, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// fetch makes a request and reads its answer.
func fetch(d http.RoundTripper, r *http.Request) (status int, body string, err error) {
	resp, err := d.RoundTrip(r)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(raw), err
}

func answer(body string, headers ...string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n%s", len(body), strings.Join(append(headers, ""), "\r\n"), body)
}

func TestDirectAnswers(t *testing.T) {
	const last = "the last"
	tests := []struct {
		name        string
		first       string
		status      int
		body        string
		err         string
		connections int32 // after a second request
	}{
		{"plain", answer("one"), 200, "one", "", 1},
		{"empty", answer(""), 200, "", "", 1},
		{"no body", "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", 202, "", "", 1},
		{"204", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", "", 1},
		{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n", 200, "onetwo", "", 1},
		{"informs first", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + answer("one"), 200, "one", "", 1},
		{"error status", "HTTP/1.1 503 Busy\r\nContent-Length: 3\r\n\r\nlow", 503, "low", "", 1},
		{"longer than a buffer", answer(strings.Repeat("x", 100_000)), 200, strings.Repeat("x", 100_000), "", 1},
		{"says that it closes", answer("one", "Connection: close"), 200, "one", "", 2},
		{"closes without a word", answer("one") + "<close>", 200, "one", "", 2},
		{"until the end", "HTTP/1.1 200 OK\r\n\r\none<close>", 200, "one", "", 2},
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\none", 200, "one", "", 2},
		{"says more than it was asked", answer("one") + answer("two"), 200, "one", "", 2},
		{"other protocol", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", 101, "", "", 2},
		{"a status of no kind", "HTTP/1.1 099 Odd\r\nContent-Length: 3\r\n\r\none", 99, "one", "", 2},
		{"says nothing", "<close>", 0, "", "unexpected EOF", 2},
		{"no HTTP", "hello there\r\n\r\n", 0, "", "malformed HTTP", 2},
		{"cut in the head", "HTTP/1.1 200 OK\r\nContent-Le<close>", 0, "", "malformed MIME header", 2},
		{"cut after the head", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n<close>", 0, "", "unexpected EOF", 2},
		{"cut in the body", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\none<close>", 0, "", "unexpected EOF", 2},
		{"cut in a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\none<close>", 0, "", "unexpected EOF", 2},
		{"endless head", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 2*maxHeaders), 0, "", "longer than 65536 bytes", 2},
		{"informs without end", strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", maxHeaders/20), 0, "", "longer than 65536 bytes", 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serveWire(t, tt.first, answer(last))
			d := newDirect(t)
			status, body, err := fetch(d, newPost(t, t.Context(), s.url, "{}"))
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("error = %v, want %q", err, tt.err)
				}
			} else if err != nil || status != tt.status || body != tt.body {
				t.Fatalf("answer = %d, %d bytes, %v; want %d, %d bytes", status, len(body), err, tt.status, len(tt.body))
			}
			if strings.Contains(tt.first, "<close>") {
				awaitClosed(t, d)
			}
			if _, body, err := fetch(d, newPost(t, t.Context(), s.url, "{}")); err != nil || body != last {
				t.Fatalf("the next answer = %q, %v", body, err)
			}
			if n := s.connections.Load(); n != tt.connections {
				t.Errorf("two requests took %d connections, want %d", n, tt.connections)
			}
		})
	}
}

// awaitClosed waits until it can be seen that the other side closed what is idle.
func awaitClosed(t *testing.T, d *directTransport) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		open := false
		d.mu.Lock()
		for _, all := range d.idle {
			for _, c := range all {
				open = open || silent(c.raw)
			}
		}
		d.mu.Unlock()
		if !open {
			return
		}
		if time.Now().After(end) {
			t.Fatal("the connection stays open")
		}
	}
}

func TestDirectRequest(t *testing.T) {
	var over [2]bytes.Buffer // by the Transport, directly
	for i, rt := range []http.RoundTripper{&http.Transport{DisableCompression: true, DisableKeepAlives: false}, newDirect(t)} {
		s := listen(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			r.Host = "host"
			_ = r.Write(&over[i])
		}))
		r := newPost(t, t.Context(), s.URL+"/a%20b?c=d", `{"x":1}`)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer abc")
		r.Header["X-Many"] = []string{"1", "2"}
		if status, _, err := fetch(rt, r); err != nil || status != 200 {
			t.Fatal(status, err)
		}
		if rt, ok := rt.(*http.Transport); ok {
			rt.CloseIdleConnections()
		}
	}
	if over[0].String() != over[1].String() || over[0].Len() == 0 {
		t.Errorf("the Transport sends\n%s\nand we send\n%s", over[0].String(), over[1].String())
	}
}

func TestDirectEnds(t *testing.T) {
	gone := errors.New("nobody waits")
	head := "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n"
	t.Run("before the answer", func(t *testing.T) {
		s := serveWire(t, "<hang>")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(50*time.Millisecond, func() { cancel(gone) })
		if _, _, err := fetch(newDirect(t), newPost(t, ctx, s.url, "{}")); !errors.Is(err, gone) {
			t.Errorf("error = %v, want the cause", err)
		}
		<-s.closed
	})
	t.Run("in a stream", func(t *testing.T) {
		s := serveWire(t, head+"<hang>")
		ctx, cancel := context.WithCancelCause(t.Context())
		resp, err := newDirect(t).RoundTrip(newPost(t, ctx, s.url, "{}"))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if _, err := io.ReadFull(resp.Body, make([]byte, 3)); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(50*time.Millisecond, func() { cancel(gone) })
		if _, err := io.ReadAll(resp.Body); !errors.Is(err, gone) {
			t.Errorf("error = %v, want the cause", err)
		}
		<-s.closed
	})
	t.Run("a body that is not read", func(t *testing.T) {
		s := serveWire(t, head+"<hang>", answer("two"))
		d := newDirect(t)
		resp, err := d.RoundTrip(newPost(t, t.Context(), s.url, "{}"))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		<-s.closed
		if _, body, err := fetch(d, newPost(t, t.Context(), s.url, "{}")); err != nil || body != "two" {
			t.Errorf("the next answer = %q, %v", body, err)
		}
	})
	t.Run("after a rest", func(t *testing.T) {
		s := serveWire(t, answer("one"), answer("two"))
		d := newDirect(t)
		for _, want := range []string{"one", "two"} {
			if _, body, err := fetch(d, newPost(t, t.Context(), s.url, "{}")); err != nil || body != want {
				t.Errorf("answer = %q, %v", body, err)
			}
			for _, c := range d.idle[strings.TrimSuffix(strings.TrimPrefix(s.url, "http://"), "/mcp")] {
				c.since = c.since.Add(-directIdle)
			}
		}
		if n := s.connections.Load(); n != 2 {
			t.Errorf("two requests took %d connections, want 2", n)
		}
	})
	t.Run("from the beginning", func(t *testing.T) {
		s := serveWire(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(gone)
		if _, _, err := fetch(newDirect(t), newPost(t, ctx, s.url, "{}")); !errors.Is(err, gone) || s.connections.Load() > 0 {
			t.Errorf("error = %v after %d connections", err, s.connections.Load())
		}
	})
	t.Run("while it connects", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		d := newDirect(t)
		dial := d.dial
		d.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			cancel(gone)
			return dial(ctx, network, addr)
		}
		if _, _, err := fetch(d, newPost(t, ctx, serveWire(t).url, "{}")); !errors.Is(err, gone) {
			t.Errorf("error = %v, want the cause", err)
		}
	})
	t.Run("nobody listens", func(t *testing.T) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ln.Close()
		if _, _, err := fetch(newDirect(t), newPost(t, t.Context(), "http://"+ln.Addr().String(), "{}")); !neverSent(err) {
			t.Errorf("error = %v, want one that says that nothing was sent", err)
		}
	})
}

// brokenConn is a connection that takes nothing.
type brokenConn struct {
	*net.TCPConn
	err error
}

func (c brokenConn) Write([]byte) (int, error) { return 0, c.err }

// TestDirectNotSent has requests that cannot be sent: an answer comes only from a
// server that closed the connection, and nothing else is waited for.
func TestDirectNotSent(t *testing.T) {
	for _, tt := range []struct {
		name   string
		write  error // nil writes
		length int64 // that is said of a body of two bytes
		status int
		err    string
	}{
		{"the server takes no more", &net.OpError{Op: "write", Err: syscall.EPIPE}, 2, 413, ""},
		{"the system has no room", &net.OpError{Op: "write", Err: syscall.ENOBUFS}, 2, 0, "buffer"},
		{"the body is too short", nil, 9, 0, "Body length 2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			done := make(chan struct{})
			defer close(done)
			go func() { // ends with the test
				c, err := ln.Accept()
				if err != nil {
					return
				}
				defer c.Close()
				if tt.status != 0 {
					_, _ = io.WriteString(c, "HTTP/1.1 413 Too Much\r\nContent-Length: 0\r\n\r\n")
				}
				<-done
			}()
			d := newDirect(t)
			dial := d.dial
			d.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
				c, err := dial(ctx, network, addr)
				if err != nil || tt.write == nil {
					return c, err
				}
				return brokenConn{c.(*net.TCPConn), tt.write}, nil
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			r := newPost(t, ctx, "http://"+ln.Addr().String(), "{}")
			r.ContentLength = tt.length
			status, _, err := fetch(d, r)
			if status != tt.status || tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("answer = %d, %v; want %d, %q", status, err, tt.status, tt.err)
			}
			if len(d.idle) > 0 {
				t.Error("the connection is kept")
			}
		})
	}
}

func TestDirectKeeps(t *testing.T) {
	d := newDirect(t)
	var inside sync.WaitGroup // all requests at once
	inside.Add(2 * maxIdle)
	s := listen(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { inside.Done(); inside.Wait() }))
	var wg sync.WaitGroup
	for range 2 * maxIdle {
		wg.Go(func() {
			if _, _, err := fetch(d, newPost(t, t.Context(), s.URL, "{}")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	addr := strings.TrimPrefix(s.URL, "http://")
	if n := len(d.idle[addr]); n != maxIdle {
		t.Fatalf("%d connections are kept, want %d", n, maxIdle)
	}
	for _, c := range d.idle[addr][:10] {
		c.since = c.since.Add(-directIdle)
	}
	d.closeOld()
	if n := len(d.idle[addr]); n != maxIdle-10 || d.sweep == nil {
		t.Errorf("%d connections are kept after ten became old, want %d", n, maxIdle-10)
	}
	for _, c := range d.idle[addr] {
		c.since = c.since.Add(-directIdle)
	}
	if c := d.pop(addr); c == nil || time.Since(c.since) < directIdle {
		t.Errorf("the last = %+v", c)
	} else {
		c.Close()
	}
	d.CloseIdleConnections()
	if len(d.idle) > 0 || d.sweep != nil {
		t.Errorf("%d addresses have connections after all were closed", len(d.idle))
	}
}

// TestDirectMix has many requests meet connections that are closed at any moment:
// whoever gets an answer gets the own one.
func TestDirectMix(t *testing.T) {
	s := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch rand.IntN(8) {
		case 0:
			c, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				c.Close()
			}
			return
		case 1:
			w.Header().Set("Connection", "close")
		case 2:
			w.(http.Flusher).Flush()
		}
		_, _ = w.Write(body)
	}))
	d := newDirect(t)
	var good, broken atomic.Int32
	var wg sync.WaitGroup
	for caller := range 32 {
		wg.Go(func() {
			for i := range 50 {
				want := fmt.Sprintf("%d/%d", caller, i)
				ctx, cancel := context.WithCancel(t.Context())
				if i%10 == 9 {
					time.AfterFunc(time.Duration(rand.IntN(500))*time.Microsecond, cancel)
				}
				_, got, err := fetch(d, newPost(t, ctx, s.URL, want))
				cancel()
				switch {
				case err != nil:
					broken.Add(1)
				case got != want:
					t.Errorf("%q was answered with %q", want, got)
				default:
					good.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if good.Load() < 800 || broken.Load() == 0 {
		t.Errorf("%d answers and %d failures", good.Load(), broken.Load())
	}
}

func TestDirectOrNot(t *testing.T) {
	proxy, err := url.Parse("http://proxy.example:3128")
	if err != nil {
		t.Fatal(err)
	}
	with := func(name, value string) *http.Request {
		r := newPost(t, t.Context(), "http://a/", "{}")
		r.Header[name] = []string{"x", value}
		return r
	}
	tests := []struct {
		name string
		r    *http.Request
		want bool
	}{
		{"header", with("Mcp-Param-2", "a b\u00e9\xff"), true},
		{"header of two lines", with("X-A", "a\r\nX-B: c"), false},
		{"header with a control character", with("X-A", "a\x7f"), false},
		{"header without a name", with("", "a"), false},
		{"header with a colon in its name", with("X-A:", "a"), false},
		{"header with letters of no header", with("X-\u00c9", "a"), false},
		{"zone", newPost(t, t.Context(), "http://[fe80::1%25lo]:80/", "{}"), true},
		{"host in other letters", newPost(t, t.Context(), "http://b\u00fccher.example/", "{}"), false},
		{"no host", newPost(t, t.Context(), "http:///", "{}"), false},
		{"POST", newPost(t, t.Context(), "http://a/", "{}"), true},
		{"GET", httptest.NewRequest(http.MethodGet, "http://a/", nil), true},
		{"TLS", newPost(t, t.Context(), "https://a/", "{}"), false},
		{"long", newPost(t, t.Context(), "http://a/", strings.Repeat("x", maxDirect+1)), false},
		{"of unknown length", func() *http.Request {
			r := newPost(t, t.Context(), "http://a/", "")
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader("x")), -1
			return r
		}(), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := direct(tt.r); got != tt.want {
				t.Errorf("direct = %v, want %v", got, tt.want)
			}
		})
	}
	t.Run("behind a proxy", func(t *testing.T) {
		refused := errors.New("dialled the proxy")
		var addr string
		dial := func(_ context.Context, _, to string) (net.Conn, error) { addr = to; return nil, refused }
		l := &limitedTransport{
			next:   &http.Transport{Proxy: http.ProxyURL(proxy), DialContext: dial},
			direct: directTransport{dial: dial},
		}
		_, err := l.send(newPost(t, t.Context(), "http://a/", "{}"))
		if !errors.Is(err, refused) || addr != "proxy.example:3128" {
			t.Errorf("dialled %q: %v", addr, err)
		}
	})
}

// BenchmarkRoundTrip makes a short request of another process directly and over
// net/http's Transport, with one caller and with 32.
func BenchmarkRoundTrip(b *testing.B) {
	url := startEcho(b)
	body := bytes.Repeat([]byte("0123456789"), 40)
	next := &http.Transport{MaxIdleConnsPerHost: maxIdle, DisableCompression: true}
	straight := &directTransport{dial: (&net.Dialer{}).DialContext}
	defer next.CloseIdleConnections()
	defer straight.CloseIdleConnections()
	once := func(b *testing.B, rt http.RoundTripper) {
		r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url, bytes.NewReader(body))
		if err != nil {
			b.Error(err)
			return
		}
		if _, got, err := fetch(rt, r); err != nil || len(got) != len(body) {
			b.Error(len(got), err)
		}
	}
	for _, by := range []struct {
		name string
		rt   http.RoundTripper
	}{{"transport", next}, {"direct", straight}} {
		b.Run(by.name+"/callers=1", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				once(b, by.rt)
			}
		})
		b.Run(by.name+"/callers=32", func(b *testing.B) {
			b.SetParallelism(16)
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					once(b, by.rt)
				}
			})
		})
	}
}
