package upstream

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"toolrouter/internal/catalog"
	"toolrouter/internal/mcptest"
)

// peer is the server's end of a pipe, in a test's hands.
type peer struct {
	t   *testing.T
	in  *bufio.Reader
	out *io.PipeWriter
}

// newPeer makes a pipe that ends with the test. Questions that come over it wait.
func newPeer(t *testing.T) (*pipe, *peer) {
	theirs, in := io.Pipe()
	ours, out := io.Pipe()
	p := newPipe(in, ours, mutes{}, func(err error) error { return err }, quiet)
	t.Cleanup(func() {
		out.Close()
		_ = p.Close()
	})
	return p, &peer{t, bufio.NewReader(theirs), out}
}

// next reads the next message, nothing at the end.
func (p *peer) next() (m mcptest.Message) {
	line, err := p.in.ReadBytes('\n')
	if err == nil && json.Unmarshal(line, &m) != nil {
		p.t.Errorf("read %q", line)
	}
	return m
}

func (p *peer) send(format string, args ...any) {
	if _, err := fmt.Fprintf(p.out, format+"\n", args...); err != nil {
		p.t.Errorf("send: %v", err)
	}
}

// mutes is a listener that lets every question wait.
type mutes struct{}

func (mutes) notified(string, json.RawMessage) {}
func (mutes) asked(ctx context.Context, _ string, _ json.RawMessage) (json.RawMessage, *catalog.RPCError) {
	<-ctx.Done()
	return nil, nil
}

// TestSlowReader has a server that is busy, and reads none of its input for long
// while calls fill the pipe: all are answered.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, server := newPeer(t)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				params := `{"x":"` + strings.Repeat("x", 200<<10) + `"}`
				if _, err := p.request(t.Context(), "tools/call", []byte(params), nil); err != nil {
					t.Errorf("request = %v", err)
				}
			})
		}
		time.Sleep(time.Hour)
		for range 3 {
			server.send(`{"id":%s,"result":{}}`, server.next().ID)
		}
		wg.Wait()
	})
}

// TestStuckWriter has a server that reads nothing: a request that was not begun to
// be written is known not to have been made, and Close is not held up.
func TestStuckWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, server := newPeer(t)
		request := func(n int) error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, err := p.request(ctx, "tools/call", fmt.Appendf(nil, "[%d]", n), nil)
			return err
		}
		if err := request(0); !errors.Is(err, context.DeadlineExceeded) || errors.As(err, new(*unsentError)) {
			t.Errorf("the request that is being written = %v", err)
		}
		for n := range 2 * writeQueue { // beyond the room that there is
			if err := request(n); !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, new(*unsentError)) {
				t.Errorf("request %d after it = %v", n, err)
			}
		}
		server.out.Close()
		_ = p.Close()
	})
}

// lingering is an input that takes nothing, and is slow to say so when it is
// closed.
type lingering struct{ closed chan struct{} }

func (l lingering) Close() error { close(l.closed); return nil }

func (l lingering) Write([]byte) (int, error) {
	<-l.closed
	time.Sleep(time.Second)
	return 0, io.ErrClosedPipe
}

// TestLostWhileWriting has the connection end while a request is being written of
// which nothing has gone out: it is known not to have been made.
func TestLostWhileWriting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, out := io.Pipe()
		p := newPipe(lingering{make(chan struct{})}, ours, mutes{}, func(err error) error { return err }, quiet)
		defer p.Close()
		time.AfterFunc(time.Second, func() { out.Close() }) // when it is being written
		_, err := p.request(t.Context(), "tools/call", []byte("{}"), nil)
		if !errors.As(err, new(*lostError)) || wasSent(err) {
			t.Errorf("request = %v (sent: %v), want a lost connection that nothing was sent on", err, wasSent(err))
		}
	})
}

// TestQuestionsOfTheImpatient has a server ask more than is answered at once, twice
// under one id, and read no answers: replies reach their calls all the same.
func TestQuestionsOfTheImpatient(t *testing.T) {
	p, server := newPeer(t)
	server.send(`{"id":"q0","method":"elicitation/create"}`)
	server.send(`{"id":"q0","method":"elicitation/create"}`)
	if m := server.next(); string(m.ID) != `"q0"` || !strings.Contains(string(m.Error), "already waiting for its answer") {
		t.Errorf("the answer to a repeated id is %s %s", m.ID, m.Error)
	}
	for i := 1; i < maxAsked; i++ {
		server.send(`{"id":"q%d","method":"elicitation/create"}`, i)
	}
	server.send(`{"id":"last","method":"elicitation/create"}`)
	if m := server.next(); string(m.ID) != `"last"` || !strings.Contains(string(m.Error), "16 requests are already waiting") {
		t.Errorf("the answer to a question too many is %s %s", m.ID, m.Error)
	}
	answered := make(chan error, 1)
	go func() { // ends with the request
		_, err := p.request(t.Context(), "tools/call", []byte("{}"), nil)
		answered <- err
	}()
	id := server.next().ID
	for i := range 3 * writeQueue { // of which no answer is read
		server.send(`{"id":%d,"method":"elicitation/create"}`, i)
	}
	server.send(`{"id":%s,"result":{}}`, id)
	if err := receive(t, answered); err != nil {
		t.Errorf("request = %v", err)
	}
}

// TestRelistIsMadeAgain has a listing come to nothing, by the server's slowness or
// by that of whoever takes it: it is made again.
func TestRelistIsMadeAgain(t *testing.T) {
	for name, answer := range map[string]time.Duration{"no list in time": time.Hour, "not taken in time": 10 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBackend(Spec{Name: "s", Command: []string{"x"}}, New(Options{Listed: func(context.Context, Listing) error {
					time.Sleep(DefaultStartTimeout)
					return errors.New("disk full")
				}}).opts, nil)
				p, server := newPeer(t)
				go func() { // ends with the pipe
					m := server.next()
					time.Sleep(answer)
					if p.cause() == nil {
						server.send(`{"id":%s,"result":{"tools":[]}}`, m.ID)
					}
					_, _ = io.Copy(io.Discard, server.in)
				}()
				s := &session{wire: p, spec: b.spec, meta: newRequestMeta("2025-11-25", "")}
				b.relist(t.Context(), s)
				if len(b.dirty) > 0 {
					t.Error("it is made again at once")
				}
				time.Sleep(downAgain)
				synctest.Wait()
				if len(b.dirty) == 0 {
					t.Error("it is never made again")
				}
				b.wg.Wait()
				if answer == time.Hour {
					time.Sleep(answer)
				}
			})
		})
	}
}

// TestWantLogs has clients want ever more, or less, log messages: the backend is
// asked before the call, once for each time that more is wanted.
func TestWantLogs(t *testing.T) {
	for _, logging := range []bool{true, false} {
		p, server := newPeer(t)
		s := &session{wire: p, meta: newRequestMeta("2025-11-25", ""), about: about{protocol: "2025-11-25", logging: logging}}
		var got []string
		for _, level := range []string{"", "warning", "error", "debug", "info", "no such level"} {
			done := make(chan error, 1)
			go func() { // ends with the call
				_, err := s.call(t.Context(), callFor(&asker{level: level}, "x", `{}`), func() {})
				done <- err
			}()
			m := server.next()
			for ; m.Method != "tools/call"; m = server.next() {
				got = append(got, level+": "+m.Method+" "+string(m.Params))
				server.send(`{"id":%s,"result":{}}`, m.ID)
			}
			server.send(`{"id":%s,"result":{}}`, m.ID)
			if err := receive(t, done); err != nil {
				t.Errorf("call = %v", err)
			}
		}
		want := `warning: logging/setLevel {"level":"warning"}, debug: logging/setLevel {"level":"debug"}`
		if !logging {
			want = ""
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("logging %v: asked %q, want %s", logging, got, want)
		}
	}
}

// TestWriteToTheDead makes a request of a backend that has ended and whose end
// was not noticed yet: it has surely not seen it.
func TestWriteToTheDead(t *testing.T) {
	theirs, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, held := io.Pipe() // stays open, as if a grandchild held it
	theirs.Close()
	p := newPipe(in, out, nil, func(err error) error { return err }, quiet)
	defer p.Close()
	defer held.Close()
	_, err = p.request(t.Context(), "tools/call", []byte("{}"), nil)
	var lost *lostError
	if !errors.As(err, &lost) || lost.sent {
		t.Errorf("request = %v, want a lost connection that nothing was sent on", err)
	}
}

// TestFramerBuffers reads lines of all sizes and wants the large buffer given
// back before the next wait.
func TestFramerBuffers(t *testing.T) {
	var in bytes.Buffer
	sizes := []int{10, smallRead - 1, smallRead, smallRead + 1, 10, largeRead - 1, largeRead, 3*largeRead + 5, 0, 10}
	for i, n := range sizes {
		in.WriteString(strings.Repeat(fmt.Sprint(i%10), n) + "\n")
	}
	out, end := io.Pipe()
	f := newFramer(out, maxFrame)
	go func() { // ends when all is read, below
		for in.Len() > 0 {
			_, _ = end.Write(in.Next(largeRead)) // what a pipe holds at most
		}
		_, _ = end.Write([]byte("last\n"))
		end.Close()
	}()
	for i, n := range sizes {
		line, tooLong, err := f.next()
		if err != nil || tooLong || string(line) != strings.Repeat(fmt.Sprint(i%10), n) {
			t.Fatalf("line %d has %d bytes (%v, %v), want %d", i, len(line), tooLong, err, n)
		}
	}
	if line, _, err := f.next(); err != nil || string(line) != "last" {
		t.Fatalf("last line = %q, %v", line, err)
	}
	if f.in.lent != nil {
		t.Error("a large buffer is held while nothing comes")
	}
	if _, _, err := f.next(); !errors.Is(err, io.EOF) {
		t.Errorf("end = %v", err)
	}
}
