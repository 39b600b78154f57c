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
	stderrLine = 2 << 10 // bytes of one line that are logged
	stderrRate = 20      // lines a second that are logged
)

// stderrLog logs what a backend's processes write to standard error, line by
// line, and keeps the last one.
type stderrLog struct {
	log *slog.Logger

	mu   sync.Mutex
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
		if !continued && len(part) > 0 {
			s.logLine(string(part))
		}
		continued = errors.Is(err, bufio.ErrBufferFull)
		if err != nil && !continued {
			return
		}
	}
}

func (s *stderrLog) logLine(line string) {
	line = strings.TrimSpace(catalog.Printable(line))
	if line == "" {
		return
	}
	s.mu.Lock()
	if !chatter(line) {
		s.last = line
	}
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
		s.log.Warn("standard error is too much to log")
	}
}

// chatter reports whether a line never tells why a process ended: npm writes its
// advertisements last.
func chatter(line string) bool {
	line = strings.ToLower(line)
	return strings.HasPrefix(line, "npm notice") || strings.HasPrefix(line, "npm warn")
}

// takeLast gives the last line since it was taken before.
func (s *stderrLog) takeLast() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	line := s.last
	s.last = ""
	return line
}
