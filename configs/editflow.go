package configs

import (
	"bytes"
	"strings"

	"go.yaml.in/yaml/v3"
)

// span is the part of a text from start to end.
type span struct{ start, end int }

// flowScanner walks through a flow collection ([…] or {…}), just far enough to
// know brackets, commas, quotes and comments apart from text.
type flowScanner struct {
	src   []byte
	at    int
	depth int
	parts []span // of the outer collection
	open  bool   // a part has begun
	start bool   // a token may begin here: a quote would open a quoted text
}

// flowParts finds the elements of a flow collection, without space and comments
// around them, and the offset of its closing bracket.
func (f *yamlFile) flowParts(n *yaml.Node) ([]span, int, error) {
	at := f.offset(n)
	for at < len(f.src) && f.src[at] != '[' && f.src[at] != '{' && breakLength(f.src[at:]) == 0 {
		at++ // past an anchor or a tag
	}
	s := &flowScanner{src: f.src, at: at}
	want := len(n.Content)
	if n.Kind == yaml.MappingNode {
		want /= 2
	}
	closed := s.run()
	if closed < 0 || len(s.parts) != want {
		return nil, 0, f.byHand("line %d is written in a way that was not understood", n.Line)
	}
	return s.parts, closed, nil
}

// run scans to the closing bracket and gives its offset, -1 if there is none.
func (s *flowScanner) run() int {
	if s.at >= len(s.src) || s.src[s.at] != '[' && s.src[s.at] != '{' {
		return -1
	}
	for ; s.at < len(s.src); s.at++ {
		switch c := s.src[s.at]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			continue
		case c == '#' && strings.IndexByte(" \t\r\n,[]{}", s.src[s.at-1]) >= 0:
			s.comment()
		case (c == '"' || c == '\'') && s.start:
			s.token()
			s.quoted(c)
		case c == '[' || c == '{':
			if s.depth > 0 {
				s.token()
			}
			s.depth++
			s.start = true
		case c == ']' || c == '}':
			if s.depth--; s.depth == 0 {
				return s.at
			}
			s.token()
		case c == ',':
			s.open = s.open && s.depth > 1
			if s.depth > 1 {
				s.token()
			}
			s.start = true
		default:
			s.token()
			s.start = c == ':' || (c == '-' || c == '?') && s.start
		}
	}
	return -1
}

// token notes that the current part reaches to here.
func (s *flowScanner) token() {
	if !s.open {
		s.parts = append(s.parts, span{start: s.at})
		s.open = true
	}
	s.parts[len(s.parts)-1].end = s.at + 1
	s.start = false
}

// comment goes to the last byte before the line end.
func (s *flowScanner) comment() {
	for s.at+1 < len(s.src) && breakLength(s.src[s.at+1:]) == 0 {
		s.at++
	}
}

// quoted goes to the closing quote.
func (s *flowScanner) quoted(quote byte) {
	for s.at++; s.at < len(s.src); s.at++ {
		switch c := s.src[s.at]; {
		case c == '\\' && quote == '"':
			s.at++
		case c == quote && quote == '\'' && s.at+1 < len(s.src) && s.src[s.at+1] == '\'':
			s.at++
		case c == quote:
			s.parts[len(s.parts)-1].end = s.at + 1
			return
		}
	}
}

// lineOf gives the line, counted from 1, that an offset is in.
func (f *yamlFile) lineOf(offset int) int {
	for i, l := range f.lines {
		if offset < l.next || i == len(f.lines)-1 {
			return i + 1
		}
	}
	return len(f.lines)
}

// addFlow puts an entry behind the last one of a flow list: on the same line,
// or on a line of its own where the last one has its own.
func (f *yamlFile) addFlow(entry string) ([]byte, error) {
	parts, closed, err := f.flowParts(f.list)
	if err != nil {
		return nil, err
	}
	if len(parts) == 0 {
		open := f.offset(f.list) + bytes.IndexByte(f.src[f.offset(f.list):], '[') + 1
		return splice(f.src, open, open, entry), nil
	}
	last := parts[len(parts)-1]
	n := f.lineOf(last.end - 1)
	l := f.lines[n-1]
	lead := string(f.src[f.lines[f.lineOf(last.start)-1].start:last.start])
	own := strings.Trim(lead, " \t") == ""
	tail := string(f.src[last.end:min(l.end, closed)])
	comment := strings.IndexByte(tail, '#') >= 0
	switch {
	case comment && strings.HasPrefix(strings.TrimLeft(tail, " \t"), ","):
		return splice(f.src, l.next, l.next, indentOf(lead)+entry+","+f.newline(n)), nil
	case comment:
		out := splice(f.src, l.next, l.next, indentOf(lead)+entry+f.newline(n))
		return splice(out, last.end, last.end, ","), nil
	case own:
		return splice(f.src, last.end, last.end, ","+f.newline(n)+lead+entry), nil
	}
	return splice(f.src, last.end, last.end, ", "+entry), nil
}

// indentOf is the white space that a line begins with.
func indentOf(lead string) string { return lead[:len(lead)-len(strings.TrimLeft(lead, " \t"))] }

// removeFlow takes an entry out of a flow list, with the comma that goes with
// it. Comments stay.
func (f *yamlFile) removeFlow(i int) ([]byte, error) {
	parts, closed, err := f.flowParts(f.list)
	if err != nil {
		return nil, err
	}
	p := parts[i]
	after := f.commaAfter(p.end, closed)
	if i > 0 {
		between := f.src[parts[i-1].end:p.start]
		if bytes.IndexByte(between, '#') < 0 {
			return splice(f.src, parts[i-1].end, p.end, ""), nil
		}
		if after < 0 { // the comma before it would be the last thing in the list
			out := f.cut(p.start, p.end)
			comma := f.commaAfter(parts[i-1].end, p.start)
			return splice(out, comma, comma+1, ""), nil
		}
	}
	if after < 0 {
		return f.cut(p.start, p.end), nil
	}
	if i+1 < len(parts) && f.lineOf(parts[i+1].start) == f.lineOf(after) {
		return splice(f.src, p.start, parts[i+1].start, ""), nil
	}
	return f.cut(p.start, after+1), nil
}

// commaAfter finds the comma between two offsets, past space and comments; -1
// if there is none.
func (f *yamlFile) commaAfter(from, to int) int {
	for at := from; at < to; at++ {
		switch f.src[at] {
		case ',':
			return at
		case '#':
			s := flowScanner{src: f.src, at: at}
			s.comment()
			at = s.at
		}
	}
	return -1
}

// cut takes a part out, and its whole line if nothing else is on it.
func (f *yamlFile) cut(from, to int) []byte {
	first, last := f.lines[f.lineOf(from)-1], f.lines[f.lineOf(to-1)-1]
	rest := string(f.src[first.start:from]) + string(f.src[to:last.end])
	if strings.Trim(rest, " \t") == "" && first.start > 0 {
		return splice(f.src, first.start, last.next, "")
	}
	return splice(f.src, from, to, "")
}
