package endpoint

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"toolrouter/router"
)

// ErrLost means that a router a Bridge was joined to went away while the client
// was still there.
var ErrLost = errors.New("the router went away")

// Bridge joins one stdio client to routers, one after the other: when the router
// it is joined to goes away, it can be joined to the next, or the process can
// become the router itself, and the client notices no more than that its calls
// in flight failed. It remembers how the client introduced itself and says it
// again to each new router.
//
//	b := endpoint.NewBridge(os.Stdin, os.Stdout)
//	for {
//		err := b.Attach(ctx, socket)      // a running router
//		if errors.Is(err, endpoint.ErrNoRouter) || errors.Is(err, endpoint.ErrLost) {
//			err = b.Host(ctx, e)          // or this process's own
//		}
//		…
//	}
//
// Its methods are for one goroutine. A Bridge that is given up while its client
// is still there leaves goroutines behind: one waits for the client's next line,
// and perhaps one for the client to read what it was sent. A Bridge is meant to
// end with the process.
type Bridge struct {
	in    io.Reader
	out   io.Writer
	lines chan []byte // what the client wrote; closed at its end
	err   error       // why lines was closed
	start sync.Once

	attachTime, leaveTime time.Duration // as the constants; tests have less patience

	writing sync.Mutex // one line at a time to out

	mu      sync.Mutex          // guards what follows
	greet   []greeting          // what every new router is told first
	open    map[string]struct{} // ids of the client's requests without an answer
	swallow map[string]int      // ids whose next answers the client already has
}

const (
	attachTime = 10 * time.Second // for a router to take a client
	leaveTime  = 2 * time.Second  // for a client to take its last lines when the process is to end
)

// greeting is one message of the client that sets up a session.
type greeting struct {
	method string
	line   []byte
	id     string // "" for a notification
}

// NewBridge makes a Bridge for a client. Reading begins with the first join.
func NewBridge(in io.Reader, out io.Writer) *Bridge {
	return &Bridge{
		in: in, out: out, lines: make(chan []byte), open: map[string]struct{}{}, swallow: map[string]int{},
		attachTime: attachTime, leaveTime: leaveTime,
	}
}

// Attach joins the client to the router behind a control socket. It returns nil
// when the client has closed its end and got its answers, ErrNoRouter if there
// is no router to join or none that answers, ErrLost when the router went away
// (both wrapped), and the context's error, soon after its end whatever the router
// and the client are doing.
func (b *Bridge) Attach(ctx context.Context, socket string) error {
	conn, r, err := b.dial(ctx, socket)
	if err != nil {
		return err
	}
	return b.join(ctx, conn, r)
}

// Host serves the client by this process's own Endpoint, until the client leaves
// or ctx ends.
func (b *Bridge) Host(ctx context.Context, e *Endpoint) error {
	up, down := newPipe(), newPipe()
	served := make(chan error, 1)
	// ServeStdio ends with ctx, in good order, and then the bridge.
	serving, end := context.WithCancel(context.WithoutCancel(ctx))
	go func() { // ends with the pipes or ctx, joined below
		defer end()
		defer down.w.Close()
		defer up.r.Close()
		served <- e.ServeStdio(ctx, up.r, down.w)
	}()
	err := b.join(serving, hosted{up.w, down.r}, bufio.NewReader(down.r))
	if ended := errors.Is(err, context.Canceled); ended || errors.Is(err, ErrLost) && ctx.Err() != nil {
		err = ctx.Err() // nil if it was the client's end that ended the serving
	}
	return errors.Join(err, <-served)
}

type pipe struct {
	r *io.PipeReader
	w *io.PipeWriter
}

func newPipe() pipe {
	r, w := io.Pipe()
	return pipe{r, w}
}

// hosted is the client's side of a router in the same process.
type hosted struct {
	*io.PipeWriter
	back *io.PipeReader
}

func (h hosted) CloseWrite() error { return h.PipeWriter.Close() }

func (h hosted) Close() error {
	_ = h.back.Close() // never fails
	return h.PipeWriter.Close()
}

// side is the way to a router. CloseWrite tells it that no more comes: it
// answers what it has and hangs up.
type side interface {
	io.WriteCloser
	CloseWrite() error
}

// dial opens the connection and turns it from HTTP to lines.
func (b *Bridge) dial(ctx context.Context, socket string) (*net.UnixConn, *bufio.Reader, error) {
	dialled, err := dialSocket(ctx, socket)
	if err != nil {
		return nil, nil, err
	}
	conn := dialled.(*net.UnixConn)
	_ = conn.SetDeadline(time.Now().Add(b.attachTime)) // a connection that is closed fails below
	stay := context.AfterFunc(ctx, func() { conn.Close() })
	r, err := upgrade(conn)
	if !stay() {
		err = ctx.Err()
	} else if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err != nil {
		conn.Close()
		return nil, nil, fmt.Errorf("attach to %s: %w", socket, err)
	}
	return conn, r, nil
}

// upgrade asks the router to take the connection for lines.
func upgrade(conn net.Conn) (*bufio.Reader, error) {
	const request = "GET /attach HTTP/1.1\r\nHost: router\r\nConnection: Upgrade\r\nUpgrade: " + attachProtocol + "\r\n\r\n"
	r := bufio.NewReaderSize(conn, 64<<10)
	_, err := io.WriteString(conn, request)
	var resp *http.Response
	if err == nil {
		resp, err = http.ReadResponse(r, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoRouter, err)
	}
	defer resp.Body.Close() // empty after the upgrade: what follows is not its
	if resp.StatusCode != http.StatusSwitchingProtocols {
		raw, _ := readAnswer(resp)
		return nil, readProblem(resp.StatusCode, raw)
	}
	return r, nil
}

// join carries lines both ways until one side is done.
func (b *Bridge) join(ctx context.Context, conn side, r *bufio.Reader) error {
	b.start.Do(func() { go b.read() })                      // ends with in; nobody can interrupt a read of a terminal
	defer context.AfterFunc(ctx, func() { conn.Close() })() // wakes a write to a router that does not read
	down := make(chan error, 1)
	go func() { down <- b.fromRouter(r) }() // ends with the connection and a client that reads
	err, joined := b.toRouter(ctx, conn, down)
	conn.Close()
	if !joined {
		_ = b.await(ctx, down) // it ended because we hung up
	}
	if !errors.Is(err, ErrLost) {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err() // it was we who hung up
	}
	sorry := make(chan error, 1)
	go func() { sorry <- b.apologise() }() // ends with a client that reads
	_ = b.await(ctx, sorry)                // what matters more is told
	return err
}

// await waits for lines on their way to the client. One that does not read may
// take its time, but not keep the process alive.
func (b *Bridge) await(ctx context.Context, written <-chan error) error {
	select {
	case err := <-written:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-written:
		return err
	case <-time.After(b.leaveTime):
		return errSlow
	}
}

// read hands on the client's lines, whoever takes them.
func (b *Bridge) read() {
	defer close(b.lines)
	for lines := newLineReader(b.in, maxBridged); ; {
		line, err := lines.next()
		if errors.Is(err, errLongLine) {
			_ = b.write(appendError(nil, member(line, "id"), rpcError(codeInvalid, fmt.Sprintf("the message is over the limit of %d bytes", maxBridged))))
			continue
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				b.err = fmt.Errorf("read messages: %w", err)
			}
			return
		}
		b.lines <- line
	}
}

// maxBridged is the length of a line from either side. The router's own limits
// are stricter towards clients; results may be larger.
const maxBridged = 64 << 20

// toRouter sends the router what the client said before, then what it says. The
// second result reports whether down was received from.
func (b *Bridge) toRouter(ctx context.Context, conn side, down <-chan error) (error, bool) {
	if b.regreet(conn) != nil {
		return ErrLost, false
	}
	lines := b.lines
	var late <-chan time.Time
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				lines = nil
				if b.err != nil {
					return b.err, false
				}
				_ = conn.CloseWrite() // a router that is gone is noticed below
				if !b.waiting() {
					late = time.After(b.leaveTime) // for what it says without being asked
				}
				continue
			}
			if b.send(conn, line) != nil {
				return ErrLost, false
			}
		case err := <-down:
			if lines == nil && !b.waiting() {
				return nil, true
			}
			if errors.Is(err, errOut) {
				return err, true
			}
			return ErrLost, true
		case <-late:
			return nil, false
		case <-ctx.Done():
			return ctx.Err(), false
		}
	}
}

// send notes what a line of the client means for later, and sends it.
func (b *Bridge) send(conn io.Writer, line []byte) error {
	b.note(line)
	_, err := conn.Write(append(line, '\n'))
	return err
}

// note remembers requests without an answer, and what sets up a session.
func (b *Bridge) note(line []byte) {
	if line[0] != '[' {
		b.noteOne(line)
		return
	}
	batch, _ := splitBatch(line) // one that cannot be split is refused as a whole
	for _, one := range batch {
		b.noteOne(one)
	}
}

func (b *Bridge) noteOne(line []byte) {
	m, err := parse(line)
	if err != nil || m.Method == "" {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if validID(m.ID) { // the answer to another one bears none
		b.open[string(m.ID)] = struct{}{}
	}
	switch m.Method {
	case methodCancel:
		delete(b.open, string(m.RequestID)) // no answer will come
	case string(mcp.MethodInitialize), "notifications/initialized", string(mcp.MethodSetLogLevel):
		b.remember(greeting{m.Method, line, string(m.ID)})
	}
}

// remember keeps the last message of each kind; a new initialize begins anew.
func (b *Bridge) remember(g greeting) {
	if g.method == string(mcp.MethodInitialize) {
		b.greet = nil
	}
	if i := slices.IndexFunc(b.greet, func(had greeting) bool { return had.method == g.method }); i >= 0 {
		b.greet[i] = g
		return
	}
	b.greet = append(b.greet, g)
}

// regreet introduces the client to a new router. The answers are swallowed,
// except for one that the client has not had yet.
func (b *Bridge) regreet(conn io.Writer) error {
	b.mu.Lock()
	greet := slices.Clone(b.greet)
	for _, g := range greet {
		if _, open := b.open[g.id]; !open && g.id != "" {
			b.swallow[g.id]++
		}
	}
	b.mu.Unlock()
	for _, g := range greet {
		if _, err := conn.Write(append(slices.Clip(g.line), '\n')); err != nil {
			return err
		}
	}
	return nil
}

var errOut = errors.New("write to the client")

// fromRouter passes on what the router says.
func (b *Bridge) fromRouter(r *bufio.Reader) error {
	lines := &lineReader{r: r, max: maxBridged, begun: true}
	for {
		line, err := lines.next()
		if errors.Is(err, errLongLine) {
			return ErrLost
		}
		if err != nil {
			return err
		}
		if b.answered(line) {
			continue
		}
		if err := b.write(line); err != nil {
			return fmt.Errorf("%w: %w", errOut, err)
		}
	}
}

// answered notes the end of a request, and reports whether its answer is not for
// the client.
func (b *Bridge) answered(line []byte) (swallowed bool) {
	id := responseID(line)
	if id == "" {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.swallow[id] > 0 {
		b.swallow[id]--
		return true
	}
	delete(b.open, id)
	return false
}

// responseID is the id of a response, "" for other messages. Ours have it first.
func responseID(line []byte) (id string) {
	router.EachMember(line, func(key []byte, start, end int) bool {
		switch string(key) {
		case "method":
			id = ""
			return false
		case "id":
			id = string(line[start:end])
		case "result", "error":
			return id == ""
		}
		return true
	})
	return id
}

func (b *Bridge) waiting() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.open) > 0
}

// apologise answers the requests that went with the lost router. One that sets
// up the session is not among them: the next router will be asked it again.
func (b *Bridge) apologise() error {
	b.mu.Lock()
	clear(b.swallow)
	var ids []string
	for id := range b.open {
		if !b.greets(id) {
			ids = append(ids, id)
			delete(b.open, id)
		}
	}
	b.mu.Unlock()
	for _, id := range ids {
		if err := b.write(appendError(nil, []byte(id), rpcError(codeStopped, "the router went away"+outcomeUnknown))); err != nil {
			return err
		}
	}
	return nil
}

func (b *Bridge) greets(id string) bool {
	return slices.ContainsFunc(b.greet, func(g greeting) bool { return g.id == id })
}

func (b *Bridge) write(line []byte) error {
	b.writing.Lock()
	defer b.writing.Unlock()
	_, err := b.out.Write(append(line, '\n'))
	return err
}
