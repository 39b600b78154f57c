package upstream

import (
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"toolrouter/internal/catalog"
)

// severities are the levels of log messages, each letting more through.
var severities = []string{"emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"}

// logLevel is from which level on a backend of an older revision was asked to send
// its log messages. It has one for all clients, so the one who wants most
// decides; what the others do not want their own connections drop.
type logLevel struct {
	asked atomic.Int32 // index into severities plus one; 0 is the backend's own choice
	mu    sync.Mutex   // held while the backend is asked, so that the last one counts
}

// wantLogs has the backend send all log messages that a client wants. It is asked
// only for more than before, and its answer is not waited for.
func (s *session) wantLogs(caller catalog.Caller) {
	if !s.about.logging || caller == nil {
		return
	}
	want := int32(slices.Index(severities, caller.LogLevel()) + 1)
	if want <= s.logs.asked.Load() {
		return
	}
	s.logs.mu.Lock()
	defer s.logs.mu.Unlock()
	if want <= s.logs.asked.Load() {
		return
	}
	params := s.meta.plainParams(`"level":` + strconv.Quote(severities[want-1]))
	if s.command("logging/setLevel", params) == nil {
		s.logs.asked.Store(want)
	}
}
