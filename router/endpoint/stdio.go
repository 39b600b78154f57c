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
	return e.serveStream(ctx, l, in, out, false)
}

// serveStream serves a connection for its life, which it ends, at the latest with
// ctx. If it is probed, a client that has hung up is told from one that has only
// ended its input.
func (e *Endpoint) serveStream(ctx context.Context, l *life, in io.Reader, out io.Writer, probed bool) error {
	defer l.kill(nil)
	p := e.newPeer(l.hard, l, func(msg []byte) error {
		_, err := out.Write(append(msg, '\n'))
		return err
	})
	written := make(chan error, 1)
	go func() { // ends when the box is closed, joined below
		err := p.box.run()
		if err != nil {
			l.kill(nil) // nobody is left to be answered
		}
		written <- err
	}()
	read := make(chan error, 1)
	go func() { read <- p.readFrom(newLineReader(in, e.opts.MaxBody)) }() // ends with in

	var readErr, writeErr error
	grace := eofGrace
	select {
	case readErr = <-read:
		if probed {
			l.run(p.probe) // ends with the life
		}
	case writeErr = <-written:
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
	l.kill(nil)
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
			p.refuse(member(line, "id"), rpcError(codeInvalid, fmt.Sprintf("the message is over the limit of %d bytes, which %s", lines.max, maxBodyHint)))
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

// probeEvery is how often a client that has ended its input is looked after.
const probeEvery = time.Second

// probe keeps writing empty lines, which say nothing and which a Bridge passes
// over: that a client has not only ended its input but hung up, a socket tells
// none but those who write to it.
func (p *peer) probe() {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for p.box.offer([]byte{}) {
		select {
		case <-tick.C:
		case <-p.life.hard.Done():
			return
		}
	}
}

// drain gives running calls some time, less if ctx ends, then cancels them. It
// returns when they have ended. Standing requests end at once.
func (p *peer) drain(ctx context.Context, grace time.Duration) {
	p.life.stop()
	p.e.parked.end(p.life)
	timer := time.AfterFunc(grace, func() {
		if ctx.Err() != nil {
			p.life.kill(errCutOff)
			return
		}
		p.life.kill(nil)
	})
	defer timer.Stop()
	defer context.AfterFunc(ctx, func() { timer.Reset(min(grace, p.e.opts.DrainTimeout)) })()
	p.leave()
}
