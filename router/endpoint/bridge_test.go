package endpoint

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A cancelled request gets no answer: a bridge that went on waiting for one would
// grow with every cancel, and not end with its client.
func TestBridgeForgetsCancelledRequests(t *testing.T) {
	b := NewBridge(nil, nil)
	b.note([]byte(`{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"call_tool"}}`))
	if !b.waiting() {
		t.Fatal("a request without an answer is not waited for")
	}
	b.note([]byte(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"b"}}`))
	if !b.waiting() {
		t.Error("the cancel of another request counted for this one")
	}
	b.note([]byte(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"a"}}`))
	if b.waiting() {
		t.Error("a cancelled request is waited for")
	}
}

// stuckRouter takes one connection on a control socket and does with it what a
// router does that stops in the middle.
func stuckRouter(t *testing.T, stop func(net.Conn)) (socket string) {
	t.Helper()
	ln := listenUnix(t, socketPath(t))
	done, hold := make(chan struct{}), make(chan struct{})
	go func() { // ends with the test
		defer close(done)
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		stop(conn)
		<-hold
	}()
	t.Cleanup(func() {
		close(hold)
		ln.Close()
		<-done
	})
	return ln.Addr().String()
}

// takeClient answers /attach.
func takeClient(t *testing.T, conn net.Conn) {
	if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
		t.Errorf("read the request: %v", err)
	}
	fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+attachProtocol+"\r\n\r\n")
}

// lostRouter is one that goes away after the first line of its client.
func lostRouter(t *testing.T) (socket string) {
	return stuckRouter(t, func(conn net.Conn) {
		takeClient(t, conn)
		_, _ = bufio.NewReader(conn).ReadString('\n')
		conn.Close()
	})
}

// ended waits for a join to end and gives its error.
func ended(t *testing.T, done <-chan error) error {
	t.Helper()
	select {
	case err := <-done:
		return err
	case <-time.After(30 * time.Second):
		t.Fatal("the bridge did not end with its context")
		return nil
	}
}

func TestAttachEndsThoughTheRouterDoesNotRead(t *testing.T) {
	socket := stuckRouter(t, func(conn net.Conn) { takeClient(t, conn) })
	up := newPipe()
	b := NewBridge(up.r, io.Discard)
	defer func() {
		up.w.Close()
		for range b.lines { // what was read and sent to nobody
		}
	}()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Attach(ctx, socket) }()
	big := callBody("1", "echo", `{"x":"`+strings.Repeat("x", 4<<20)+`"}`, "")
	fmt.Fprintln(up.w, big)      // more than a socket holds
	fmt.Fprintln(up.w, pingBody) // read when the first line is being sent
	cancel()
	if err := ended(t, done); !errors.Is(err, context.Canceled) {
		t.Errorf("Attach = %v, want the context's error", err)
	}
}

func TestAttachEndsThoughTheRouterDoesNotAnswer(t *testing.T) {
	asked := make(chan struct{})
	socket := stuckRouter(t, func(conn net.Conn) {
		_, _ = http.ReadRequest(bufio.NewReader(conn))
		close(asked)
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- NewBridge(strings.NewReader(""), io.Discard).Attach(ctx, socket) }()
	<-asked
	cancel()
	if err := ended(t, done); !errors.Is(err, context.Canceled) || errors.Is(err, ErrNoRouter) {
		t.Errorf("Attach = %v, want the context's error", err)
	}
}

func TestAttachLeavesARouterThatDoesNotAnswer(t *testing.T) {
	socket := stuckRouter(t, func(net.Conn) {})
	b := NewBridge(strings.NewReader(""), io.Discard)
	b.attachTime = 50 * time.Millisecond
	done := make(chan error, 1)
	go func() { done <- b.Attach(t.Context(), socket) }()
	if err := ended(t, done); !errors.Is(err, ErrNoRouter) {
		t.Errorf("Attach = %v, want %v", err, ErrNoRouter)
	}
}

// stuckClient asks for something and does not read the answer; it tells when the
// answer is on its way.
type stuckClient struct {
	*io.PipeWriter
	began chan struct{}
}

func (c stuckClient) Write(p []byte) (int, error) {
	close(c.began)
	return c.PipeWriter.Write(p)
}

func TestBridgeEndsThoughTheClientDoesNotRead(t *testing.T) {
	f := build(t, Options{DrainTimeout: 50 * time.Millisecond})
	socket := f.control(t)
	own := build(t, Options{DrainTimeout: 50 * time.Millisecond})
	for name, join := range map[string]func(context.Context, *Bridge) error{
		"attach": func(ctx context.Context, b *Bridge) error { return b.Attach(ctx, socket) },
		"host":   func(ctx context.Context, b *Bridge) error { return b.Host(ctx, own.Endpoint) },
	} {
		t.Run(name, func(t *testing.T) {
			up, down := newPipe(), newPipe()
			defer up.w.Close()
			defer down.r.Close() // wakes what was left behind
			client := stuckClient{down.w, make(chan struct{})}
			b := NewBridge(up.r, client)
			b.leaveTime = 50 * time.Millisecond
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- join(ctx, b) }()
			fmt.Fprintln(up.w, `{"jsonrpc":"2.0","id":1,"method":"ping"}`)
			<-client.began
			cancel()
			if err := ended(t, done); !errors.Is(err, context.Canceled) {
				t.Errorf("= %v, want the context's error", err)
			}
		})
	}
}

// The router is lost, and the client, which is to be told so, does not read.
func TestBridgeEndsThoughItCannotApologise(t *testing.T) {
	socket := lostRouter(t)
	up, down := newPipe(), newPipe()
	defer up.w.Close()
	defer down.r.Close()
	client := stuckClient{down.w, make(chan struct{})}
	b := NewBridge(up.r, client)
	b.leaveTime = 50 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Attach(ctx, socket) }()
	fmt.Fprintln(up.w, callBody("1", "hold", "{}", ""))
	<-client.began
	cancel()
	if err := ended(t, done); !errors.Is(err, ErrLost) {
		t.Errorf("Attach = %v, want %v", err, ErrLost)
	}
}

// A batch is several requests on one line: all are answered before the bridge
// ends, whichever way it was joined.
func TestBridgeAnswersAPipedBatch(t *testing.T) {
	for name, join := range map[string]func(t *testing.T, b *Bridge, f *fixture) error{
		"attach": func(t *testing.T, b *Bridge, f *fixture) error { return b.Attach(t.Context(), f.control(t)) },
		"host":   func(t *testing.T, b *Bridge, f *fixture) error { return b.Host(t.Context(), f.Endpoint) },
	} {
		t.Run(name, func(t *testing.T) {
			f := build(t, Options{})
			time.AfterFunc(100*time.Millisecond, func() { close(f.backend.release) })
			batch := "[" + callBody("1", "hold", "{}", "") + "," + callBody("2", "hold", "{}", "") + "]\nno message\n"
			var out strings.Builder
			if err := join(t, NewBridge(strings.NewReader(batch), &out), f); err != nil {
				t.Error(err)
			}
			for _, want := range []string{`"id":1,"result"`, `"id":2,"result"`, `"id":null,"error"`} {
				if !strings.Contains(out.String(), want) {
					t.Errorf("= %s, want %s in it", out.String(), want)
				}
			}
		})
	}
}

// What is no request of its own, such as a line that cannot be read, is answered
// before the bridge ends, too.
func TestBridgeWaitsForARefusal(t *testing.T) {
	f := build(t, Options{})
	for range 20 { // the end may come first or the answer
		var out strings.Builder
		err := NewBridge(strings.NewReader(`{"jsonrpc":"2.0","id":1.5,"method":"ping"}`), &out).Host(t.Context(), f.Endpoint)
		if err != nil || !strings.Contains(out.String(), "-32600") {
			t.Fatalf("= %s, %v, want a refusal", out.String(), err)
		}
	}
}

// A router that is lost owes answers to the calls of a batch as to any other.
func TestBridgeApologisesForABatch(t *testing.T) {
	socket := lostRouter(t)
	var out strings.Builder
	up := newPipe()
	defer up.w.Close()
	done := make(chan error, 1)
	go func() { done <- NewBridge(up.r, &out).Attach(t.Context(), socket) }()
	fmt.Fprintln(up.w, "["+callBody("1", "hold", "{}", "")+", "+callBody(`"b"`, "hold", "{}", "")+",[],5]")
	if err := ended(t, done); !errors.Is(err, ErrLost) {
		t.Errorf("Attach = %v, want %v", err, ErrLost)
	}
	for _, want := range []string{`"id":1,"error"`, `"id":"b","error"`, "may or may not have been carried out"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("= %s, want %s in it", out.String(), want)
		}
	}
}

// attachBare joins a bare connection to a router, as a Bridge does.
func attachBare(t *testing.T, socket string) *net.UnixConn {
	t.Helper()
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := upgrade(conn); err != nil {
		t.Fatal(err)
	}
	return conn.(*net.UnixConn)
}

// A client that is killed leaves its socket closed both ways, one that has sent
// its last request only its own: the calls of the former end at once, those of
// the latter are answered, unless it is killed then.
func TestHangUpIsNotTheEndOfTheInput(t *testing.T) {
	f := build(t, Options{})
	socket := f.control(t)
	cancelled := func(t *testing.T) {
		t.Helper()
		select {
		case <-f.backend.cancelled:
		case <-time.After(eofGrace * 2 / 3):
			t.Error("the call of a client that hung up goes on")
		}
	}
	for _, ends := range []bool{false, true} {
		t.Run(fmt.Sprintf("killed after the end of its input: %v", ends), func(t *testing.T) {
			conn := attachBare(t, socket)
			defer conn.Close()
			fmt.Fprintln(conn, callBody("1", "hold", "{}", ""))
			<-f.backend.calls
			if ends {
				if err := conn.CloseWrite(); err != nil {
					t.Fatal(err)
				}
				var b [1]byte
				if _, err := conn.Read(b[:]); err != nil || b[0] != '\n' { // it is looked after
					t.Fatalf("read %q, %v, want an empty line", b, err)
				}
			}
			conn.Close()
			cancelled(t)
		})
	}
	t.Run("end of the input", func(t *testing.T) {
		conn := attachBare(t, socket)
		defer conn.Close()
		fmt.Fprintln(conn, callBody("1", "hold", "{}", ""))
		<-f.backend.calls
		if err := conn.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		line := newLineReader(conn, maxBridged)
		time.AfterFunc(2*probeEvery, func() { f.backend.release <- struct{}{} })
		if got, err := line.next(); err != nil || !strings.Contains(string(got), "released") {
			t.Errorf("= %s, %v, want the call's result", got, err)
		}
	})
}
