package upstream

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"sync"
)

// Limits of what a child process may write on its standard output.
const (
	maxFrame = 16 << 20 // bytes of one line
	keepLine = 16 << 10 // a line buffer larger than this is given back
	sniffLen = 4096     // bytes at a line's beginning and end that may hold an id
)

// framer cuts what a child writes into lines, however long a hostile one may
// be: of a line over the limit only the beginning and the end are kept.
type framer struct {
	in   source
	max  int
	line []byte
	tail []byte // the last bytes of a line that is too long, nil otherwise
}

func newFramer(r io.Reader, max int) *framer {
	return &framer{in: source{r: r, own: make([]byte, smallRead)}, max: max}
}

// next reads a line without its white space. The line is valid until the next
// call. tooLong reports that only its beginning is there. The last line may end
// without a newline.
func (f *framer) next() (line []byte, tooLong bool, err error) {
	f.tail = nil
	if f.line = f.line[:0]; cap(f.line) > keepLine {
		f.line = nil
	}
	for {
		part, err := f.in.read()
		f.take(part)
		if err == nil && part[len(part)-1] != '\n' {
			continue
		}
		line := bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(f.line), []byte("\ufeff")))
		return line, f.tail != nil, err
	}
}

// take adds a part of a line to what is kept of it.
func (f *framer) take(part []byte) {
	switch {
	case f.tail != nil:
		f.tail = append(f.tail, part...)
		f.tail = append(f.tail[:0], lastBytes(f.tail, sniffLen)...)
	case len(f.line)+len(part) <= f.max:
		f.line = append(f.line, part...)
	default:
		f.tail = bytes.Clone(lastBytes(part, sniffLen))
		f.line = append(bytes.Clone(f.line[:min(len(f.line), sniffLen)]), part[:min(len(part), sniffLen)]...)
	}
}

// How much is read at once: little while little comes, since hundreds of
// backends say nothing most of the time.
const (
	smallRead = 4 << 10
	largeRead = 64 << 10
)

// largeBuffers are for the backends that are saying much just now.
var largeBuffers = sync.Pool{New: func() any { return new([largeRead]byte) }}

// source reads a stream in pieces that end with a line where there is an end of
// one.
type source struct {
	r    io.Reader
	own  []byte
	lent *[largeRead]byte // nil while own is enough
	rest []byte           // was read and not yet given
	full bool             // the last read left no room: there is more
}

// read gives what there is up to and with the next newline. It is valid until
// the next call, and never empty but at the end.
func (s *source) read() ([]byte, error) {
	for range maxEmptyReads {
		if len(s.rest) > 0 {
			part := s.rest
			if i := bytes.IndexByte(part, '\n'); i >= 0 {
				part = part[:i+1]
			}
			s.rest = s.rest[len(part):]
			return part, nil
		}
		if err := s.fill(); err != nil && len(s.rest) == 0 {
			return nil, err
		}
	}
	return nil, io.ErrNoProgress
}

const maxEmptyReads = 100

// fill reads once, when all is given. It borrows a large buffer only for what is
// there already: waiting is done with its own.
func (s *source) fill() error {
	if s.full && s.lent == nil {
		s.lent = largeBuffers.Get().(*[largeRead]byte)
	} else if !s.full && s.lent != nil {
		largeBuffers.Put(s.lent)
		s.lent = nil
	}
	buf := s.own
	if s.lent != nil {
		buf = s.lent[:]
	}
	n, err := s.r.Read(buf)
	s.rest, s.full = buf[:n], n == len(buf)
	return err
}

func lastBytes(b []byte, n int) []byte { return b[max(0, len(b)-n):] }

// faultyReply stands in for a reply that cannot be read: it has the reply's id and
// an error that says why. Without a recognisable id there is none, and the call
// it belonged to ends by its deadline.
func faultyReply(head, tail []byte, why string) (message, bool) {
	id := sniffID(head, tail)
	if id == nil {
		return message{}, false
	}
	fault, err := json.Marshal(map[string]any{"code": codeInternal, "message": why})
	if err != nil { // a string and a number always marshal
		panic(err)
	}
	return message{id: id, fault: fault}, true
}

// The id stands first in what Go and Python servers write, last in what
// TypeScript servers write.
var (
	idFirst = regexp.MustCompile(`^\{(?:\s*"jsonrpc"\s*:\s*"2\.0"\s*,)?\s*"id"\s*:\s*(\d{1,18})\s*,`)
	idLast  = regexp.MustCompile(`,\s*"id"\s*:\s*(\d{1,18})\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*$`)
)

// sniffID finds the id of a reply that cannot be parsed. Our own ids are whole
// numbers, so nothing else can be one.
func sniffID(head, tail []byte) []byte {
	if m := idFirst.FindSubmatch(head[:min(len(head), sniffLen)]); m != nil {
		return slices.Clone(m[1])
	}
	if m := idLast.FindSubmatch(lastBytes(tail, sniffLen)); m != nil {
		return slices.Clone(m[1])
	}
	return nil
}

// read gives the messages of one line: one as a rule, several for a batch, none
// for noise. What is damaged becomes an error for the call it belongs to. The
// messages share the line's memory.
func read(line, tail []byte, tooLong bool) (msgs []message, noise bool) {
	one := func(m message, ok bool) ([]message, bool) {
		if !ok {
			return nil, true
		}
		return []message{m}, false
	}
	switch {
	case len(line) == 0:
		return nil, false
	case tooLong:
		return one(faultyReply(line, tail, fmt.Sprintf("the server's reply is longer than %d bytes", maxFrame)))
	case line[0] == '[' && json.Valid(line):
		return readBatch(line)
	case line[0] != '{':
		return nil, true
	}
	m, err := parseMessage(line)
	if err == nil {
		return []message{m}, false
	}
	return one(faultyReply(line, line, "the server's reply is no valid message: "+err.Error()))
}

// readBatch splits what revision 2025-03-26 allowed: several messages in an array.
func readBatch(line []byte) (msgs []message, noise bool) {
	var parts []json.RawMessage
	if json.Unmarshal(line, &parts) != nil {
		return nil, true
	}
	for _, part := range parts {
		if m, err := parseMessage(part); err == nil {
			msgs = append(msgs, m)
		}
	}
	return msgs, len(msgs) == 0
}
