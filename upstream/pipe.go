package upstream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"

	"toolrouter/internal/catalog"
)

const (
	writeQueue = 64       // messages that wait to be written; then callers wait
	fullBatch  = 64 << 10 // bytes that are written together: a pipe's usual room
	keepBatch  = 16 << 10 // a buffer larger than this is given back
	maxAsked   = 16       // requests of one backend that are being answered
)

// wire carries requests to a backend as raw bytes. It is a transport of mcp-go,
// too, so that mcp-go's client can make the handshake on it.
type wire interface {
	transport.Interface

	// request sends a request and gives the result as it came. The error is a
	// *catalog.RPCError, a *lostError, the cause of ctx's end (in an *unsentError
	// if the backend was sent nothing), or says what was wrong with this one
	// answer. The header is for HTTP only.
	request(ctx context.Context, method string, params json.RawMessage, header http.Header) (json.RawMessage, error)

	// notify sends a notification. It may take as long as ctx lets it.
	notify(ctx context.Context, method string, params json.RawMessage) error

	// command sends a request whose answer does not matter. It does not block.
	command(method string, params json.RawMessage) error

	// lost is closed when the connection is gone; cause tells why. fail has it
	// gone; the first reason counts.
	lost() <-chan struct{}
	cause() error
	fail(error)
}

// listener takes what a backend sends of its own accord.
type listener interface {
	// notified takes a notification. It is called in the order of arrival and
	// must not block. params is valid only during the call.
	notified(method string, params json.RawMessage)
	// asked answers a request of the backend.
	asked(ctx context.Context, method string, params json.RawMessage) (json.RawMessage, *catalog.RPCError)
}

// pipe is a wire over a pair of byte streams, one message a line. Reading and
// writing have a goroutine each, so that neither a caller that gives up nor a
// child that does not read holds up the others. A write may take as long as the
// child likes, which may be busy with a call: callers wait by their own time,
// and only so many messages at once.
type pipe struct {
	in   io.WriteCloser // whose Close frees a Write that is stuck
	to   listener
	why  func(error) error // knows better why the connection is lost
	log  *slog.Logger
	pend *pending

	// replies keeps the channels that carry replies. One goes back only after its
	// reply was taken, so none ever holds an old one.
	replies sync.Pool

	queue   chan *outgoing
	written chan struct{}   // closed when the writer has written its last
	life    context.Context // ends with the connection; its cause is why
	end     context.CancelCauseFunc
	once    sync.Once
	wg      sync.WaitGroup

	noise  atomic.Int64 // lines that were no messages
	askMu  sync.Mutex
	asking map[string]context.CancelFunc // requests of the backend, by their id
}

// outgoing is a message on its way out.
type outgoing struct {
	frame []byte
	where atomic.Int32
}

// Where a message on its way out is.
const (
	queued  = iota
	taken   // the writer has it: the backend may see it
	dropped // its sender has given it up: it is not written
)

// drop gives a message up, and reports whether there was still time for that.
func (o *outgoing) drop() bool {
	if !o.where.CompareAndSwap(queued, dropped) {
		return false
	}
	o.frame = nil // it may stay in the queue for long
	return true
}

var _ wire = (*pipe)(nil)

// newPipe begins to read and write. It ends when close is called, when out
// ends, or when in takes no more.
func newPipe(in io.WriteCloser, out io.Reader, to listener, why func(error) error, log *slog.Logger) *pipe {
	p := &pipe{
		in: in, to: to, why: why, log: log, pend: newPending(),
		queue:   make(chan *outgoing, writeQueue),
		written: make(chan struct{}),
		asking:  map[string]context.CancelFunc{},
	}
	p.replies.New = func() any { return make(chan reply, 1) }
	p.life, p.end = context.WithCancelCause(context.Background())
	p.wg.Go(func() { p.readAll(out) }) // ends with out; Close waits
	p.wg.Go(func() {                   // ends with life; Close waits
		err := p.writeAll()
		close(p.written)
		if err != nil {
			p.fail(err)
		}
	})
	return p
}

// fail ends the connection with a reason; the first one counts.
func (p *pipe) fail(err error) {
	p.once.Do(func() {
		if !errors.As(err, new(closedError)) {
			err = p.why(err)
		}
		p.end(err)
		p.pend.fail(err)
		p.in.Close() // also frees a write that is stuck
	})
}

func (p *pipe) lost() <-chan struct{} { return p.life.Done() }
func (p *pipe) cause() error          { return context.Cause(p.life) }

// writeAll writes what is queued until the connection is lost, or tells why it
// cannot. What waits together is written together.
func (p *pipe) writeAll() error {
	var b batch
	for {
		select {
		case <-p.lost():
			return nil
		case o := <-p.queue:
			b.take(o, p.queue)
		}
		if len(b.bytes) == 0 {
			continue // all were given up
		}
		n, err := p.in.Write(b.bytes)
		if err != nil {
			if n == 0 {
				b.giveBack()
			}
			return fmt.Errorf("write to the server: %w", err)
		}
		clear(b.of)
	}
}

// batch is what the writer writes at once.
type batch struct {
	bytes []byte
	of    []*outgoing
}

// take begins a batch with one message and adds those that are queued.
func (b *batch) take(o *outgoing, queue <-chan *outgoing) {
	if b.bytes, b.of = b.bytes[:0], b.of[:0]; cap(b.bytes) > keepBatch {
		b.bytes = nil
	}
	for {
		if o.where.CompareAndSwap(queued, taken) {
			b.bytes, b.of = append(b.bytes, o.frame...), append(b.of, o)
		}
		if len(b.bytes) >= fullBatch {
			return
		}
		select {
		case o = <-queue:
		default:
			return
		}
	}
}

// giveBack says of all messages that the backend has surely not seen them.
func (b *batch) giveBack() {
	for _, o := range b.of {
		o.where.Store(queued)
	}
}

// enqueue hands a message to the writer, waiting for room as long as ctx lets it.
func (p *pipe) enqueue(ctx context.Context, o *outgoing) error {
	select {
	case p.queue <- o:
		return nil
	default:
	}
	select {
	case p.queue <- o:
		return nil
	case <-p.lost():
		return &lostError{err: p.cause()}
	case <-ctx.Done():
		return &unsentError{context.Cause(ctx)}
	}
}

func (p *pipe) request(ctx context.Context, method string, params json.RawMessage, _ http.Header) (json.RawMessage, error) {
	c := p.replies.Get().(chan reply)
	id, err := p.pend.add(c)
	if err != nil {
		return nil, &lostError{err: err}
	}
	out := &outgoing{frame: encodeRequest(id, method, params)}
	if err := p.enqueue(ctx, out); err != nil {
		p.pend.drop(id)
		return nil, err
	}
	select {
	case r := <-c:
		if r.lost != nil {
			<-p.written // only then is it known what the backend may have seen
		}
		p.replies.Put(c)
		return r.read(out.where.Load() == taken)
	case <-ctx.Done():
		waited := p.pend.drop(id)
		if out.drop() {
			return nil, &unsentError{context.Cause(ctx)}
		}
		if waited && method != string(mcp.MethodInitialize) {
			p.cancel(id, context.Cause(ctx))
		}
		return nil, context.Cause(ctx)
	}
}

// read gives a reply as request returns it.
func (r reply) read(sent bool) (json.RawMessage, error) {
	switch {
	case r.lost != nil:
		return nil, &lostError{sent: sent, err: r.lost}
	case r.fault != nil:
		return nil, rpcError(r.fault)
	case r.result == nil:
		return nil, errNothing
	}
	if err := checkObject(r.result); err != nil {
		return nil, err
	}
	return r.result, nil
}

// checkObject refuses a result that is no object, which a client could not read.
func checkObject(result json.RawMessage) error {
	if i := skipSpace(result, 0); i < len(result) && result[i] == '{' {
		return nil
	}
	return fmt.Errorf("the server's result is no object but %s", catalog.Clip(catalog.Printable(string(result[:min(len(result), 100)])), 40))
}

// cancel tells the backend that nobody waits for a reply. It is an offer: if the
// queue is full the backend is not told.
func (p *pipe) cancel(id int64, why error) {
	params, err := json.Marshal(map[string]any{"requestId": id, "reason": why.Error()})
	if err != nil { // a number and a string always marshal
		return
	}
	p.offer(encodeNotification(string(mcp.MethodNotificationCancelled), params))
}

// command leaves the answer in a channel that nobody reads. What is sent after it
// the backend sees after it.
func (p *pipe) command(method string, params json.RawMessage) error {
	id, err := p.pend.add(make(chan reply, 1))
	if err != nil {
		return &lostError{err: err}
	}
	if !p.offer(encodeRequest(id, method, params)) {
		p.pend.drop(id)
		return errors.New("the server reads no input")
	}
	return nil
}

// offer hands a message to the writer if there is room at once.
func (p *pipe) offer(frame []byte) bool {
	select {
	case p.queue <- &outgoing{frame: frame}:
		return true
	default:
		return false
	}
}

func (p *pipe) notify(ctx context.Context, method string, params json.RawMessage) error {
	return p.enqueue(ctx, &outgoing{frame: encodeNotification(method, params)})
}

// encodeRequest puts a request on one line. The parts must be valid JSON
// without line breaks.
func encodeRequest(id int64, method string, params json.RawMessage) []byte {
	b := make([]byte, 0, len(params)+len(method)+80)
	b = append(b, `{"jsonrpc":"2.0","id":`...)
	b = strconv.AppendInt(b, id, 10)
	return appendCall(b, method, params)
}

func encodeNotification(method string, params json.RawMessage) []byte {
	return appendCall([]byte(`{"jsonrpc":"2.0"`), method, params)
}

func appendCall(b []byte, method string, params json.RawMessage) []byte {
	b = append(b, `,"method":"`...)
	b = append(b, method...)
	b = append(b, '"')
	if params != nil {
		b = append(b, `,"params":`...)
		b = append(b, params...)
	}
	return append(b, "}\n"...)
}

// readAll hands on what the child writes until its output ends.
func (p *pipe) readAll(out io.Reader) {
	f := newFramer(out, maxFrame)
	for {
		line, tooLong, err := f.next()
		msgs, noise := read(line, f.tail, tooLong)
		if noise {
			p.countNoise(line)
		}
		for _, m := range msgs {
			p.deliver(m)
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = errors.New("the server closed its standard output")
			}
			p.fail(err)
			return
		}
	}
}

// countNoise counts a line that is no message, and logs the first of them and
// then ever fewer.
func (p *pipe) countNoise(line []byte) {
	n := p.noise.Add(1)
	if n&(n-1) == 0 { // 1, 2, 4, 8 …
		p.log.Warn("junk on standard output", "lines", n, "line", catalog.Clip(catalog.Printable(string(line[:min(len(line), 256)])), 120))
	}
}

// deliver hands on one message. Its bytes are the framer's and are copied here
// where they outlive the call.
func (p *pipe) deliver(m message) {
	switch {
	case m.method != "" && m.id != nil:
		p.answer(string(m.id), m.method, bytes.Clone(m.params))
	case m.method == string(mcp.MethodNotificationCancelled):
		p.cancelled(m.params)
	case m.method != "":
		p.to.notified(m.method, m.params)
	default:
		id, ok := own(m.id)
		if !ok || !p.pend.resolve(id, reply{result: bytes.Clone(m.result), fault: bytes.Clone(m.fault)}) {
			p.log.Debug("reply nobody waits for", "id", catalog.Clip(string(m.id), 40))
		}
	}
}
