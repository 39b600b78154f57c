package configs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// stripComments blanks out // and /* */ comments and trailing commas, so that
// what clients call JSON becomes JSON. Every byte keeps its place.
func stripComments(src []byte) ([]byte, error) {
	out := bytes.Clone(src)
	comma := -1 // a comma after which nothing but space has come yet
	for i := 0; i < len(out); {
		switch c := out[i]; {
		case c == '"':
			i, comma = stringEnd(out, i), -1
		case c == '/' && i+1 < len(out) && (out[i+1] == '/' || out[i+1] == '*'):
			end, err := commentEnd(out, i)
			if err != nil {
				return nil, err
			}
			blank(out[i:end])
			i = end
		case c == ',':
			comma = i
			i++
		case (c == '}' || c == ']') && comma >= 0:
			out[comma], comma = ' ', -1
			i++
		default:
			if c != ' ' && c != '\t' && c != '\n' && c != '\r' {
				comma = -1
			}
			i++
		}
	}
	return out, nil
}

// stringEnd gives the offset after the string that begins at i.
func stringEnd(src []byte, i int) int {
	for i++; i < len(src); i++ {
		switch src[i] {
		case '\\':
			i++
		case '"', '\n': // a line end is a mistake that the decoder tells
			return i + 1
		}
	}
	return len(src)
}

// commentEnd gives the offset after the comment that begins at i. A line
// comment's line end is not part of it.
func commentEnd(src []byte, i int) (int, error) {
	if src[i+1] == '/' {
		if n := bytes.IndexByte(src[i:], '\n'); n >= 0 {
			return i + n, nil
		}
		return len(src), nil
	}
	n := bytes.Index(src[i+2:], []byte("*/"))
	if n < 0 {
		line, col := place(src, i)
		return 0, &syntaxError{line, col, "this comment is never closed"}
	}
	return i + 2 + n + 2, nil
}

// place turns an offset into line and column, both from 1; a column counts
// characters.
func place(src []byte, offset int) (line, col int) {
	start := bytes.LastIndexByte(src[:offset], '\n') + 1
	return 1 + bytes.Count(src[:start], []byte("\n")), 1 + utf8.RuneCount(src[start:offset])
}

// blank overwrites all but line ends.
func blank(b []byte) {
	for i, c := range b {
		if c != '\n' && c != '\r' {
			b[i] = ' '
		}
	}
}

// jsonReader makes a tree out of JSON tokens.
type jsonReader struct {
	src   []byte
	d     *json.Decoder
	lines []int // offsets at which lines begin
	left  int   // values that may still be made
}

// parseJSON reads a JSON file with comments and trailing commas. Repeated keys
// and their letter case are kept.
func parseJSON(src []byte) (*yaml.Node, error) {
	src, err := stripComments(src)
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(src)) == 0 {
		return emptyMapping(), nil
	}
	r := &jsonReader{src: src, d: json.NewDecoder(bytes.NewReader(src)), lines: []int{0}, left: maxNodes}
	r.d.UseNumber()
	for i, c := range src {
		if c == '\n' {
			r.lines = append(r.lines, i+1)
		}
	}
	root, err := r.value(0)
	if err != nil {
		return nil, r.explain(err)
	}
	if _, err := r.d.Token(); !errors.Is(err, io.EOF) {
		line, col := r.place(r.next(int(r.d.InputOffset())))
		return nil, &syntaxError{line, col, "something follows the end of the JSON value"}
	}
	return root, nil
}

// next skips what may stand before a value and gives where that begins.
func (r *jsonReader) next(from int) int {
	for from < len(r.src) && strings.IndexByte(" \t\r\n,:", r.src[from]) >= 0 {
		from++
	}
	return from
}

func (r *jsonReader) place(offset int) (line, col int) {
	line = sort.SearchInts(r.lines, offset+1)
	offset = min(offset, len(r.src))
	return line, 1 + utf8.RuneCount(r.src[r.lines[line-1]:offset])
}

func (r *jsonReader) value(depth int) (*yaml.Node, error) {
	n := &yaml.Node{}
	n.Line, n.Column = r.place(r.next(int(r.d.InputOffset())))
	if r.left--; r.left < 0 || depth > maxDepth {
		return nil, &syntaxError{n.Line, n.Column, fmt.Sprintf("more than %d values, or nested deeper than %d levels", maxNodes, maxDepth)}
	}
	token, err := r.d.Token()
	if err != nil {
		return nil, err
	}
	switch v := token.(type) {
	case json.Delim:
		return n, r.container(n, v, depth)
	case string:
		n.Tag, n.Value, n.Style = "!!str", v, yaml.DoubleQuotedStyle
	case json.Number:
		n.Tag, n.Value = "!!int", v.String()
		if strings.ContainsAny(n.Value, ".eE") {
			n.Tag = "!!float"
		}
	case bool:
		n.Tag, n.Value = "!!bool", fmt.Sprint(v)
	default:
		n.Tag, n.Value = "!!null", "null"
	}
	n.Kind = yaml.ScalarNode
	return n, nil
}

// container reads the members of an object, key and value in turn, or of an
// array.
func (r *jsonReader) container(n *yaml.Node, open json.Delim, depth int) error {
	n.Kind, n.Tag = yaml.SequenceNode, "!!seq"
	if open == '{' {
		n.Kind, n.Tag = yaml.MappingNode, "!!map"
	}
	for r.d.More() {
		child, err := r.value(depth + 1)
		if err != nil {
			return err
		}
		n.Content = append(n.Content, child)
	}
	_, err := r.d.Token()
	return err
}

// explain gives a decoding error its place.
func (r *jsonReader) explain(err error) error {
	if _, ok := errors.AsType[*syntaxError](err); ok {
		return err
	}
	offset, text := int(r.d.InputOffset()), err.Error()
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		offset = int(syntax.Offset) - 1
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		offset, text = len(r.src), "the file ends in the middle of a value"
	}
	line, col := r.place(max(offset, 0))
	return &syntaxError{line, col, text}
}
