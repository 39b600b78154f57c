package endpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// eofGrace is how long calls in flight may go on after a client closed its end:
// one that pipes its requests in and closes wants the answers.
const eofGrace = 30 * time.Second

// ServeStdio serves one client that writes newline-delimited messages to in and
// reads from out, in either era. Any number of such clients may be served at
// once.
//
// It returns nil at the end of in, when the calls in flight have been answered,
// or at the end of ctx, when they have got DrainTimeout; in is closed then if it
// can be. A read of in that cannot be interrupted is left behind, and what it
// reads is lost. The error is that of in or out.
func (e *Endpoint) ServeStdio(ctx context.Context, in io.Reader, out io.Writer) error {
	l := newLife(ctx)
	defer l.stop()
	return e.serveStream(ctx, l, in, out)
}

// serveStream serves a connection for its life, which it ends, at the latest with
// ctx.
func (e *Endpoint) serveStream(ctx context.Context, l *life, in io.Reader, out io.Writer) error {
	defer l.kill()
	p := e.newPeer(l.hard, l, func(msg []byte) error {
		_, err := out.Write(append(msg, '\n'))
		return err
	})
	written := make(chan error, 1)
	go func() { written <- p.box.run() }() // ends when the box is closed, joined below
	read := make(chan error, 1)
	go func() { read <- p.readFrom(newLineReader(in, e.opts.MaxBody)) }() // ends with in

	var readErr, writeErr error
	grace := eofGrace
	select {
	case readErr = <-read:
	case writeErr = <-written:
		grace = 0
	case <-l.stopping.Done():
		grace = e.opts.DrainTimeout
	}
	p.drain(ctx, grace)
	if p.box.close(); writeErr == nil {
		writeErr = e.lastWrites(written)
	}
	if c, ok := in.(io.Closer); ok {
		_ = c.Close() // wakes the reader, if it still reads
	}
	l.wait()
	return errors.Join(wrap("read messages", readErr), wrap("write messages", writeErr))
}

// lastWrites waits for the writer, but not for ever: a client that has stopped
// reading must not keep the process alive.
func (e *Endpoint) lastWrites(written <-chan error) error {
	select {
	case err := <-written:
		return err
	case <-time.After(e.opts.DrainTimeout):
		return errSlow
	}
}

var errSlow = errors.New("the client does not read its answers")

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// readFrom hands every line to the peer, until the input ends.
func (p *peer) readFrom(lines *lineReader) error {
	for p.life.stopping.Err() == nil {
		line, err := lines.next()
		switch {
		case errors.Is(err, errLongLine):
			p.e.log.Warn("message over the limit was refused", "limit", lines.max)
			p.refuse(member(line, "id"), rpcError(codeInvalid, fmt.Sprintf("the message is over the limit of %d bytes", lines.max)))
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case p.box.broken():
			return nil
		default:
			p.receive(line)
		}
	}
	return nil
}

// drain gives running calls some time, less if ctx ends, then cancels them. It
// returns when they have ended. Standing requests end at once.
func (p *peer) drain(ctx context.Context, grace time.Duration) {
	p.life.stop()
	p.e.parked.end(p.life)
	timer := time.AfterFunc(grace, p.life.kill)
	defer timer.Stop()
	defer context.AfterFunc(ctx, func() { timer.Reset(min(grace, p.e.opts.DrainTimeout)) })()
	p.leave()
}
