package endpoint

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
)

// maxDepth is how deep a message may nest.
const maxDepth = 128

// keyError refuses a key that parsers read differently.
type keyError struct {
	problem string
	key     string
}

func (e keyError) Error() string { return fmt.Sprintf("key %q %s", e.key, e.problem) }

// place is where in a message an object stands.
type place uint8

const (
	inData place = iota // somewhere below, where keys are not ours
	inEnvelope
	inParams
	inMeta
)

// scanner checks JSON and remembers where the protocol's members stand.
type scanner struct {
	doc   []byte
	pos   int
	depth int
	keys  [][]byte // of all open objects, innermost last
	room  [24][]byte
}

var scanners = sync.Pool{New: func() any { return new(scanner) }}

func newScanner(doc []byte) *scanner {
	s := scanners.Get().(*scanner)
	s.doc, s.keys = doc, s.room[:0]
	return s
}

// free gives the scanner back, without what it read.
func (s *scanner) free() {
	*s = scanner{}
	scanners.Put(s)
}

func (s *scanner) bad(what string) error { return fmt.Errorf("%s at byte %d", what, s.pos) }

func (s *scanner) peek() byte {
	if s.pos < len(s.doc) {
		return s.doc[s.pos]
	}
	return 0
}

func (s *scanner) space() {
	for s.pos < len(s.doc) {
		switch s.doc[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// value passes over one value. For an object, in says what it is.
func (s *scanner) value(m *message, in place) error {
	switch c := s.peek(); {
	case c == '{':
		return s.object(m, in)
	case c == '[':
		return s.array()
	case c == '"':
		_, err := s.text()
		return err
	case c == '-' || '0' <= c && c <= '9':
		return s.number()
	default:
		return s.word()
	}
}

func (s *scanner) enter() error {
	if s.depth++; s.depth > maxDepth {
		return fmt.Errorf("nested deeper than %d", maxDepth)
	}
	s.pos++
	s.space()
	return nil
}

func (s *scanner) array() error {
	if err := s.enter(); err != nil {
		return err
	}
	for first := true; ; first = false {
		if s.peek() == ']' && first {
			break
		}
		if err := s.value(nil, inData); err != nil {
			return err
		}
		if s.space(); s.peek() != ',' {
			break
		}
		s.pos++
		s.space()
	}
	if s.peek() != ']' {
		return s.bad("broken array")
	}
	s.pos++
	s.depth--
	return nil
}

func (s *scanner) object(m *message, in place) error {
	if err := s.enter(); err != nil {
		return err
	}
	seen := keySet{from: len(s.keys)}
	for first := true; ; first = false {
		if s.peek() == '}' && first {
			break
		}
		if err := s.member(m, in, &seen); err != nil {
			return err
		}
		if s.space(); s.peek() != ',' {
			break
		}
		s.pos++
		s.space()
	}
	if s.peek() != '}' {
		return s.bad("broken object")
	}
	s.pos++
	s.depth--
	s.keys = s.keys[:seen.from]
	return nil
}

// member passes over one "key": value.
func (s *scanner) member(m *message, in place, seen *keySet) error {
	key, err := s.key(in)
	if err != nil {
		return err
	}
	if !seen.add(s, key) {
		return keyError{"stands twice in one object", clip(string(key))}
	}
	if s.space(); s.peek() != ':' {
		return s.bad("no colon after a key")
	}
	s.pos++
	s.space()
	start := s.pos
	if err := s.value(m, within(in, key)); err != nil {
		return err
	}
	if in != inData {
		return m.set(in, key, s.doc[start:s.pos])
	}
	return nil
}

// within tells what an object under a key is.
func within(in place, key []byte) place {
	switch {
	case in == inEnvelope && string(key) == "params":
		return inParams
	case in == inParams && string(key) == "_meta":
		return inMeta
	}
	return inData
}

// key reads a key. In the envelope and in params it must not be one that
// another parser could take for one of the protocol's.
func (s *scanner) key(in place) ([]byte, error) {
	if s.peek() != '"' {
		return nil, s.bad("no key")
	}
	start := s.pos
	escaped, err := s.text()
	if err != nil {
		return nil, err
	}
	key := s.doc[start+1 : s.pos-1]
	if escaped {
		if key, err = unescape(s.doc[start:s.pos]); err != nil {
			return nil, err
		}
	}
	if (in == inEnvelope || in == inParams) && ambiguous(key) {
		return nil, keyError{"is ambiguous", clip(string(key))}
	}
	return key, nil
}

// text passes over a string and reports whether it holds escapes.
func (s *scanner) text() (escaped bool, err error) {
	for s.pos++; s.pos < len(s.doc); s.pos++ {
		switch c := s.doc[s.pos]; {
		case c == '"':
			s.pos++
			return escaped, nil
		case c < ' ':
			return false, s.bad("control character in a string")
		case c == '\\':
			escaped = true
			if !s.escape() {
				return false, s.bad("broken escape")
			}
		}
	}
	return false, s.bad("a string without an end")
}

// escape passes over what follows a backslash, but for its last byte.
func (s *scanner) escape() bool {
	s.pos++
	switch s.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		for range 4 {
			s.pos++
			if !isHex(s.peek()) {
				return false
			}
		}
		return true
	}
	return false
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unescape(quoted []byte) ([]byte, error) {
	var text string
	if err := json.Unmarshal(quoted, &text); err != nil {
		return nil, fmt.Errorf("broken string: %w", err)
	}
	return []byte(text), nil
}

func (s *scanner) number() error {
	if s.peek() == '-' {
		s.pos++
	}
	if s.peek() == '0' {
		s.pos++
	} else if !s.digits() {
		return s.bad("broken number")
	}
	if s.peek() == '.' {
		s.pos++
		if !s.digits() {
			return s.bad("broken number")
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.pos++
		if c := s.peek(); c == '+' || c == '-' {
			s.pos++
		}
		if !s.digits() {
			return s.bad("broken number")
		}
	}
	return nil
}

func (s *scanner) digits() bool {
	start := s.pos
	for c := s.peek(); '0' <= c && c <= '9'; c = s.peek() {
		s.pos++
	}
	return s.pos > start
}

func (s *scanner) word() error {
	for _, w := range [...]string{"true", "false", "null"} {
		if len(s.doc)-s.pos >= len(w) && string(s.doc[s.pos:s.pos+len(w)]) == w {
			s.pos += len(w)
			return nil
		}
	}
	return s.bad("broken value")
}

// keySet is the keys of one object: a stretch of the scanner's list, and a map
// once there are many, so that a large object does not cost quadratic time.
type keySet struct {
	from int
	many map[string]struct{}
}

const fewKeys = 24

// add reports whether the key is new to the object.
func (k *keySet) add(s *scanner, key []byte) bool {
	if k.many != nil {
		if _, twice := k.many[string(key)]; twice {
			return false
		}
		k.many[string(key)] = struct{}{}
		return true
	}
	for _, other := range s.keys[k.from:] {
		if bytes.Equal(other, key) {
			return false
		}
	}
	s.keys = append(s.keys, key)
	if len(s.keys)-k.from >= fewKeys {
		k.many = make(map[string]struct{}, 2*fewKeys)
		for _, other := range s.keys[k.from:] {
			k.many[string(other)] = struct{}{}
		}
	}
	return true
}

// protocolKeys are the keys whose look-alikes are refused.
var protocolKeys = [...]string{"jsonrpc", "id", "method", "params", "result", "error", "name", "uri", "arguments", "_meta",
	"cursor", "task", "inputResponses", "requestState", "protocolVersion", "capabilities", "clientInfo", "requestId"}

func ambiguous(key []byte) bool {
	switch string(key) {
	case "jsonrpc", "id", "method", "params", "name", "arguments", "_meta":
		return false // spares the usual keys the search
	}
	if slices.Contains(protocolKeys[:], string(key)) {
		return false
	}
	for _, c := range key {
		if c < ' ' || c == 0x7f {
			return true
		}
	}
	for _, p := range protocolKeys {
		if bytes.EqualFold(key, []byte(p)) {
			return true
		}
	}
	return false
}
