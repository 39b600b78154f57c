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

// part is one member of an object or element of an array: its name, and where
// its value stands.
type part struct {
	name       string // "" in an array
	start, end int
}

// text cuts the part's value out of the text it was found in.
func (p part) text(doc []byte) json.RawMessage { return json.RawMessage(doc[p.start:p.end]) }

// scanner walks over a text that json.Valid has accepted, so that it need not
// look for mistakes of grammar.
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
	for depth := 0; ; {
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
	for s.at++; s.doc[s.at] != '"'; s.at++ {
		if s.doc[s.at] == '\\' {
			s.at++
		}
	}
	s.at++
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

// members gives the parts of an object in the order of the text, repeated ones
// included. ok is false for a text that is not one valid object.
func members(doc []byte) (parts []part, ok bool) { return split(doc, '{', '}') }

// elements gives the parts of an array.
func elements(doc []byte) (parts []part, ok bool) { return split(doc, '[', ']') }

func split(doc []byte, open, end byte) (parts []part, ok bool) {
	if !json.Valid(doc) {
		return nil, false
	}
	s := scanner{doc: doc}
	if s.peek() != open {
		return nil, false
	}
	for s.at++; s.peek() != end; s.comma() {
		var p part
		if open == '{' {
			p.name = s.name()
		}
		s.space()
		p.start = s.at
		s.skip()
		p.end = s.at
		parts = append(parts, p)
	}
	return parts, true
}

// locate finds the value at a path of names and indexes.
func locate(doc []byte, path []string) (at part, ok bool) {
	s := scanner{doc: doc}
	s.space()
	at.start = s.at
	s.skip()
	at.end = s.at
	for _, step := range path {
		inner, found := child(doc[at.start:at.end], step)
		if !found {
			return part{}, false
		}
		at = part{name: step, start: at.start + inner.start, end: at.start + inner.end}
	}
	return at, true
}

func child(doc []byte, step string) (part, bool) {
	if parts, ok := members(doc); ok {
		for _, p := range parts {
			if p.name == step {
				return p, true
			}
		}
		return part{}, false
	}
	parts, ok := elements(doc)
	if i, err := strconv.Atoi(step); ok && err == nil && i >= 0 && i < len(parts) {
		return parts[i], true
	}
	return part{}, false
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

// addMember puts a member in front of an object's others.
func addMember(object json.RawMessage, name string, value []byte) json.RawMessage {
	at := bytes.IndexByte(object, '{') + 1
	var b bytes.Buffer
	b.Grow(len(object) + len(name) + len(value) + len(`"":,`))
	b.Write(object[:at])
	b.Write(mustMarshal(name))
	b.WriteByte(':')
	b.Write(value)
	if rest := bytes.TrimLeft(object[at:], " \t\r\n"); rest[0] != '}' {
		b.WriteByte(',')
	}
	b.Write(object[at:])
	return b.Bytes()
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
