package endpoint

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// lineReader takes newline-delimited messages apart.
type lineReader struct {
	r     *bufio.Reader
	max   int
	begun bool
}

// errLongLine is given with the first bytes of a line that is over the limit;
// the rest of it has been passed over.
var errLongLine = errors.New("the line is over the limit")

func newLineReader(r io.Reader, limit int64) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(r, 64<<10), max: int(limit)}
}

// next gives the next line without its end; the caller owns it. The last line
// need not have an end. Empty lines are left out, and so is a byte order mark at
// the very beginning.
func (l *lineReader) next() ([]byte, error) {
	for {
		line, err := l.read()
		if !l.begun {
			l.begun = true
			line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
		}
		line = bytes.Trim(line, " \t\r\n")
		switch {
		case errors.Is(err, errLongLine):
			return line, err
		case len(line) > 0:
			return line, nil
		case err != nil:
			return nil, err
		}
	}
}

// read gives one raw line. A last line without end comes without an error, the
// end of input after it.
func (l *lineReader) read() (line []byte, err error) {
	for {
		part, err := l.r.ReadSlice('\n')
		if len(line)+len(part) > l.max+1 {
			return append(line, part[:max(0, l.max-len(line))]...), l.skip(err)
		}
		line = append(line, part...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case err != nil && len(line) > 0:
			return line, nil
		default:
			return line, err
		}
	}
}

// skip passes over the rest of a line.
func (l *lineReader) skip(err error) error {
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = l.r.ReadSlice('\n')
	}
	return errLongLine
}
