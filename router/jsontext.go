package router

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"

	"toolrouter/internal/catalog"
)

// This file reads JSON by where its parts stand in the text, so that a part can
// be replaced, or a member added, and every other byte stays what it was.

const (
	maxDepth    = 200  // levels of nesting in arguments
	maxNumber   = 1000 // bytes of one number's spelling
	maxExponent = 400  // beyond it nothing can hold the number, and checking it costs dearly
)

// part is one member of an object: its name, and where its value stands.
type part struct {
	name       string
	start, end int
}

// text cuts the part's value out of the text it was found in.
func (p part) text(doc []byte) json.RawMessage { return json.RawMessage(doc[p.start:p.end]) }

// scanner walks over JSON. It looks for no mistakes of grammar: what reads is for
// a text that json.Valid has accepted, and what skips stays within any other too.
type scanner struct {
	doc   []byte
	at    int
	depth int
}

// decode reads one JSON document for checking: objects as map[string]any, numbers
// as json.Number with their spelling. Unlike encoding/json it refuses repeated
// names, which two readers could read in two ways, and it bounds what would be
// costly to check.
func decode(doc []byte) (any, error) {
	if !json.Valid(doc) {
		return nil, errors.New("not valid JSON")
	}
	return decodeValid(doc)
}

// decodeValid is decode for a text that json.Valid has accepted.
func decodeValid(doc []byte) (any, error) {
	if !utf8.Valid(doc) {
		return nil, errors.New("not valid UTF-8")
	}
	s := scanner{doc: doc}
	return s.value()
}

func (s *scanner) space() {
	for s.at < len(s.doc) {
		switch s.doc[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

// peek gives the next byte that is not white space, 0 at the end.
func (s *scanner) peek() byte {
	s.space()
	if s.at == len(s.doc) {
		return 0
	}
	return s.doc[s.at]
}

func (s *scanner) value() (any, error) {
	switch c := s.peek(); c {
	case '{':
		return s.object()
	case '[':
		return s.array()
	case '"':
		return s.str(), nil
	case 't':
		s.at += len("true")
		return true, nil
	case 'f':
		s.at += len("false")
		return false, nil
	case 'n':
		s.at += len("null")
		return nil, nil
	default:
		return s.number()
	}
}

func (s *scanner) object() (any, error) {
	if err := s.descend(); err != nil {
		return nil, err
	}
	out := map[string]any{}
	for s.at++; s.peek() != '}'; s.comma() {
		name := s.name()
		if _, twice := out[name]; twice {
			return nil, fmt.Errorf("%s occurs twice in one object", quoted(name))
		}
		v, err := s.value()
		if err != nil {
			return nil, err
		}
		out[name] = v
	}
	s.at++
	s.depth--
	return out, nil
}

func (s *scanner) array() (any, error) {
	if err := s.descend(); err != nil {
		return nil, err
	}
	out := []any{}
	for s.at++; s.peek() != ']'; s.comma() {
		v, err := s.value()
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	s.at++
	s.depth--
	return out, nil
}

func (s *scanner) descend() error {
	if s.depth++; s.depth > maxDepth {
		return fmt.Errorf("more than %d levels deep", maxDepth)
	}
	return nil
}

// name reads a member's name and the colon after it.
func (s *scanner) name() string {
	s.space()
	name := s.str()
	s.space()
	s.at++
	return name
}

// comma steps over a comma if one is there.
func (s *scanner) comma() {
	if s.peek() == ',' {
		s.at++
	}
}

func (s *scanner) str() string {
	start := s.at
	s.skipString()
	inner := s.doc[start+1 : s.at-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return string(inner)
	}
	var out string
	_ = json.Unmarshal(s.doc[start:s.at], &out) // valid, as everything here
	return out
}

func (s *scanner) number() (any, error) {
	start := s.at
	s.skipScalar()
	text := string(s.doc[start:s.at])
	if err := checkNumber(text); err != nil {
		return nil, err
	}
	return json.Number(text), nil
}

// checkNumber refuses numbers that only serve to make somebody's arithmetic
// expensive.
func checkNumber(text string) error {
	if len(text) > maxNumber {
		return fmt.Errorf("a number of %d characters", len(text))
	}
	for i := range len(text) {
		if c := text[i]; c == 'e' || c == 'E' {
			exp, err := strconv.Atoi(text[i+1:])
			if err != nil || exp > maxExponent || exp < -maxExponent {
				return fmt.Errorf("the number %s is out of range", catalog.Clip(text, 40))
			}
		}
	}
	return nil
}

// skip steps over one value without reading it.
func (s *scanner) skip() {
	switch s.peek() {
	case '"':
		s.skipString()
	case '{', '[':
		s.skipNested()
	default:
		s.skipScalar()
	}
}

func (s *scanner) skipNested() {
	for depth := 0; s.at < len(s.doc); {
		switch s.doc[s.at] {
		case '"':
			s.skipString()
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		s.at++
		if depth == 0 {
			return
		}
	}
}

func (s *scanner) skipString() {
	for s.at++; ; s.at++ {
		i := bytes.IndexByte(s.doc[s.at:], '"')
		if i < 0 {
			s.at = len(s.doc)
			return
		}
		s.at += i
		slashes := 0
		for s.doc[s.at-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			s.at++
			return
		}
	}
}

func (s *scanner) skipScalar() {
	for s.at < len(s.doc) {
		switch s.doc[s.at] {
		case ' ', '\t', '\n', '\r', ',', '}', ']':
			return
		}
		s.at++
	}
}

// EachMember calls f for the members of a JSON object, with the key as it stands
// between its quotes and where the value stands, until f returns false. It reports
// whether the text began as an object and was gone through as far as f wanted.
// Text that is no JSON may end it anywhere, and does no other harm.
func EachMember(doc []byte, f func(key []byte, start, end int) bool) bool {
	s := scanner{doc: doc}
	if s.peek() != '{' {
		return false
	}
	for s.at++; s.peek() == '"'; s.at++ {
		open := s.at
		s.skipString()
		key := doc[open+1 : max(s.at-1, open+1)]
		if s.peek() != ':' {
			return false
		}
		s.at++
		s.space()
		start := s.at
		if s.skip(); s.at == start {
			return false
		}
		if !f(key, start, s.at) {
			return true
		}
		if s.peek() != ',' {
			break
		}
	}
	return s.peek() == '}'
}

// members gives the parts of an object in the order of the text, repeated ones
// included. ok is false for a text that is not one valid object.
func members(doc []byte) (parts []part, ok bool) {
	if !json.Valid(doc) {
		return nil, false
	}
	s := scanner{doc: doc}
	if s.peek() != '{' {
		return nil, false
	}
	for s.at++; s.peek() != '}'; s.comma() {
		p := part{name: s.name()}
		s.space()
		p.start = s.at
		s.skip()
		p.end = s.at
		parts = append(parts, p)
	}
	return parts, true
}

// lastNamed gives the part of a name that most readers take where it is repeated.
func lastNamed(parts []part, name string) (part, bool) {
	for _, part := range slices.Backward(parts) {
		if part.name == name {
			return part, true
		}
	}
	return part{}, false
}

// locate gives the value at a path of names and indexes, nil if there is none.
func locate(doc json.RawMessage, path ...string) json.RawMessage {
	for _, step := range path {
		var object map[string]json.RawMessage
		var list []json.RawMessage
		if json.Unmarshal(doc, &object) == nil {
			doc = object[step]
			continue
		}
		i, err := strconv.Atoi(step)
		if json.Unmarshal(doc, &list) != nil || err != nil || i < 0 || i >= len(list) {
			return nil
		}
		doc = list[i]
	}
	return doc
}

// splice puts text in the place of a part.
func splice(doc []byte, p part, text []byte) []byte {
	out := make([]byte, 0, len(doc)-(p.end-p.start)+len(text))
	out = append(out, doc[:p.start]...)
	out = append(out, text...)
	return append(out, doc[p.end:]...)
}

// joinObject makes an object of names and the texts of their values.
func joinObject(names []string, values []json.RawMessage) json.RawMessage {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, name := range names {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(mustMarshal(name))
		b.WriteByte(':')
		b.Write(values[i])
	}
	b.WriteByte('}')
	return b.Bytes()
}

// addMembers puts the members of another object behind an object's own. Neither is
// empty.
func addMembers(object, more json.RawMessage) json.RawMessage {
	own := bytes.TrimRight(object, " \t\r\n")
	out := append(slices.Clip(own[:len(own)-1]), ',')
	return append(out, bytes.TrimLeft(more, " \t\r\n")[1:]...)
}

// AppendMember appends an object with one member more in front of its others. The
// key stands as it is, and what is no object is appended as it is.
func AppendMember(dst, object []byte, key string, value []byte) []byte {
	s := scanner{doc: object}
	if s.peek() != '{' {
		return append(dst, object...)
	}
	s.at++
	dst = append(append(dst, object[:s.at]...), '"')
	dst = append(append(dst, key...), '"', ':')
	dst = append(dst, value...)
	rest := object[s.at:]
	if next := s.peek(); next != '}' && next != 0 {
		dst = append(dst, ',')
	}
	return append(dst, rest...)
}

// mustMarshal marshals what cannot fail: strings, and values of our own making.
func mustMarshal(v any) json.RawMessage {
	out, err := marshalPlain(v)
	if err != nil {
		panic(err)
	}
	return out
}

// marshalPlain is json.Marshal without HTML escapes, which only cost tokens.
func marshalPlain(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return json.RawMessage(bytes.TrimRight(b.Bytes(), "\n")), nil
}
