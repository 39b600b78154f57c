package upstream

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"toolrouter/internal/catalog"
)

const (
	stderrKept = 64 << 10 // bytes of standard error kept for each backend
	stderrLine = 2 << 10  // bytes of one line that are logged
	stderrRate = 20       // lines a second that are logged; the rest is only kept
)

// stderrLog keeps the end of what a backend's processes write to standard
// error, and logs it line by line.
type stderrLog struct {
	log *slog.Logger

	mu   sync.Mutex
	kept []byte
	last string // the last line that says something, printable

	second int64 // the rate limit's: the second that counted belongs to
	count  int
}

// readAll reads until the process, and all that inherited its standard error,
// have closed it.
func (s *stderrLog) readAll(r io.Reader) {
	b := bufio.NewReaderSize(r, stderrLine)
	continued := false
	for {
		part, err := b.ReadSlice('\n')
		s.keep(part)
		if !continued && len(part) > 0 {
			s.logLine(string(part))
		}
		continued = errors.Is(err, bufio.ErrBufferFull)
		if err != nil && !continued {
			return
		}
	}
}

func (s *stderrLog) keep(part []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = append(s.kept, part...)
	if len(s.kept) > 2*stderrKept { // not at every line
		s.kept = append(s.kept[:0], s.kept[len(s.kept)-stderrKept:]...)
	}
}

func (s *stderrLog) logLine(line string) {
	line = strings.TrimSpace(catalog.Printable(line))
	if line == "" {
		return
	}
	s.mu.Lock()
	s.last = line
	if now := time.Now().Unix(); now != s.second {
		s.second, s.count = now, 0
	}
	s.count++
	count := s.count
	s.mu.Unlock()
	switch {
	case count < stderrRate:
		s.log.LogAttrs(context.Background(), slog.LevelInfo, "standard error", slog.String("line", line))
	case count == stderrRate:
		s.log.Warn("standard error is too much to log; the end of it is kept")
	}
}

// Bytes gives a copy of what is kept.
func (s *stderrLog) Bytes() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]byte(nil), s.kept[max(0, len(s.kept)-stderrKept):]...)
}

// takeLast gives the last line since it was taken before.
func (s *stderrLog) takeLast() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	line := s.last
	s.last = ""
	return line
}
