package endpoint

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"toolrouter/internal/catalog"
	"toolrouter/router"
)

const (
	maxSessions = 4096             // of Streamable HTTP
	sessionIdle = 30 * time.Minute // after which a session is forgotten
	askPrefix   = "router-"        // of the ids of requests to a client
)

// session is what is known of a client between its requests: a Streamable HTTP
// session of the older revisions, or one stdio or SSE connection.
type session struct {
	id    string
	ended context.Context // standing streams end with it
	end   context.CancelFunc

	mu       sync.Mutex
	revision string // "" before initialize
	caps     capabilities
	level    logLevel
	client   *identity
	calls    map[*inflight]struct{}
	asks     map[string]chan answer
	busy     int // standing streams
	used     time.Time
}

// identity stands for a client with the roots that it has now: another one takes
// its place when they change. It is not empty, since pointers to what is empty
// may all be equal.
type identity struct{ _ byte }

// inflight is a request that can be cancelled by its id.
type inflight struct {
	id     []byte
	cancel context.CancelFunc
}

// answer is what a client said to a request of ours.
type answer struct {
	result []byte
	err    *catalog.RPCError
}

func newSession(id string) *session {
	ended, end := context.WithCancel(context.Background())
	return &session{
		id: id, ended: ended, end: end, level: levelDefault, client: new(identity), used: time.Now(),
		calls: map[*inflight]struct{}{}, asks: map[string]chan answer{},
	}
}

func (s *session) begin(f *inflight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[f] = struct{}{}
}

func (s *session) finish(f *inflight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.calls, f)
	s.used = time.Now()
}

// cancel ends the requests in flight that have this id and reports whether
// there were any.
func (s *session) cancel(id []byte) (found bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for f := range s.calls {
		if bytes.Equal(f.id, id) {
			f.cancel()
			found = true
		}
	}
	return found
}

// question registers a request to the client. The function takes it back.
func (s *session) question() (id string, reply chan answer, forget func()) {
	id, reply = askPrefix+rand.Text(), make(chan answer, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asks[id] = reply
	return id, reply, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.asks, id)
	}
}

// isAnswer reports whether a message answers, or means to answer, a request that
// was sent by a session.
func isAnswer(m *message) bool {
	return m.isResponse() && bytes.HasPrefix(m.ID, []byte(`"`+askPrefix))
}

// take hands the client's answer to whoever asked. A late or foreign one falls
// on the floor.
func (s *session) take(m *message) {
	id, _ := unquote(m.ID)
	s.mu.Lock()
	reply := s.asks[id]
	delete(s.asks, id)
	s.mu.Unlock()
	if reply == nil {
		return
	}
	a := answer{result: m.Result}
	if m.Error != nil {
		a.err = readError(m.Error)
	} else if m.Result == nil {
		a.err = rpcError(codeInternal, "the client answered neither with a result nor with an error")
	}
	reply <- a // cap 1, and only one taker finds the channel
}

// initialized notes what was agreed upon in initialize.
func (s *session) initialized(revision string, c capabilities) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revision, s.caps = revision, c
}

// negotiated is the session's revision of the protocol.
func (s *session) negotiated() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.revision
}

func (s *session) identify() *identity {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.client
}

func (s *session) rootsChanged() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.client = new(identity)
}

func (s *session) setLevel(l logLevel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.level = l
}

func (s *session) settings() (capabilities, logLevel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.caps, s.level
}

// stand counts a standing stream; a session with one is not forgotten.
func (s *session) stand(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy += n
	s.used = time.Now()
}

func (s *session) idleSince() (since time.Time, idle bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used, s.busy == 0 && len(s.calls) == 0
}

// capabilities is the set of what a client said it can be asked.
type capabilities uint8

const (
	canSample capabilities = 1 << iota
	canElicit
	canRoots
)

func capability(name string) capabilities {
	switch name {
	case "sampling":
		return canSample
	case "elicitation":
		return canElicit
	case "roots":
		return canRoots
	}
	return 0
}

// readCapabilities reads a capabilities object of a client.
func readCapabilities(raw []byte) (c capabilities, ok bool) {
	ok = router.EachMember(raw, func(key []byte, start, end int) bool {
		if raw[start] == '{' {
			c |= capability(string(key))
		}
		return true
	})
	return c, ok
}

func capabilitiesOf(c mcp.ClientCapabilities) (set capabilities) {
	if c.Sampling != nil {
		set |= canSample
	}
	if c.Elicitation != nil {
		set |= canElicit
	}
	if c.Roots != nil {
		set |= canRoots
	}
	return set
}

// logLevel is the severity from which on messages are passed to a client.
type logLevel int8

const (
	levelNone    logLevel = -1 // no messages at all
	levelDefault logLevel = 1  // info: a client that asked for nothing is spared the debugging
)

var levelNames = [...]string{"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"}

// readLevel gives levelNone for a name that is none.
func readLevel(name string) logLevel { return logLevel(slices.Index(levelNames[:], name)) }

// String is the level's name in the protocol, "" for none.
func (l logLevel) String() string {
	if l == levelNone {
		return ""
	}
	return levelNames[l]
}

// passes reports whether a message of a severity may go to the client. One of
// an unknown severity may if the client wants any.
func (l logLevel) passes(severity logLevel) bool {
	return l != levelNone && (severity == levelNone || severity >= l)
}

// sessions holds the sessions of Streamable HTTP. It is mcp-go's session
// manager; unlike those that come with it, it forgets ended sessions, and is
// bounded.
type sessions struct {
	forget func(id string) // clears what mcp-go keeps of a session

	mu   sync.Mutex
	live map[string]*session
}

// Generate begins a session, at the cost of the one that was idle longest if
// there are too many.
func (s *sessions) Generate() string {
	sess := newSession(rand.Text())
	s.mu.Lock()
	var victim *session
	if len(s.live) >= maxSessions {
		victim = s.oldestLocked()
	}
	s.live[sess.id] = sess
	s.mu.Unlock()
	if victim != nil {
		s.drop(victim)
	}
	return sess.id
}

// oldestLocked finds the session to give up: the one idle longest, or if none
// is idle, the one used longest ago.
func (s *sessions) oldestLocked() *session {
	var oldest *session
	var since time.Time
	var idle bool
	for _, sess := range s.live {
		u, i := sess.idleSince()
		if oldest == nil || i && !idle || i == idle && u.Before(since) {
			oldest, since, idle = sess, u, i
		}
	}
	return oldest
}

var errNoSession = errors.New("unknown session")

// Validate reports whether a session is alive. No id at all is a client that
// does without sessions.
func (s *sessions) Validate(id string) (terminated bool, err error) {
	if id != "" && s.get(id) == nil {
		return false, fmt.Errorf("%w: begin with initialize", errNoSession)
	}
	return false, nil
}

// Terminate ends a session.
func (s *sessions) Terminate(id string) (notAllowed bool, err error) {
	s.mu.Lock()
	sess := s.live[id]
	delete(s.live, id)
	s.mu.Unlock()
	if sess != nil {
		sess.end()
	}
	return false, nil
}

// get finds a session and notes that it is used; nil if there is none.
func (s *sessions) get(id string) *session {
	s.mu.Lock()
	sess := s.live[id]
	s.mu.Unlock()
	if sess != nil {
		sess.stand(0)
	}
	return sess
}

// sweep forgets the sessions that were idle too long.
func (s *sessions) sweep(now time.Time) {
	s.mu.Lock()
	var stale []*session
	for _, sess := range s.live {
		if since, idle := sess.idleSince(); idle && now.Sub(since) >= sessionIdle {
			stale = append(stale, sess)
		}
	}
	s.mu.Unlock()
	for _, sess := range stale {
		s.drop(sess)
	}
}

// drop ends a session and whatever is kept of it.
func (s *sessions) drop(sess *session) {
	_, _ = s.Terminate(sess.id) // never fails
	s.forget(sess.id)
}
