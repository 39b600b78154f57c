package configs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Files of every format become one kind of tree, YAML nodes, because these know
// their place.

const (
	maxFile  = 10 << 20 // of a config file
	maxNodes = 200_000  // values in a file, aliases written out
	maxDepth = 100      // of nesting
)

// syntaxError is a text that cannot be read at all.
type syntaxError struct {
	line, col int
	text      string
}

func (e *syntaxError) Error() string { return e.text }

// parseYAML reads one YAML document. Aliases are written out and merge keys
// resolved; the root is a mapping, an empty one for an empty file.
func parseYAML(src []byte) (*yaml.Node, error) {
	doc, err := parseDocument(src)
	if err != nil {
		return nil, err
	}
	if doc == nil {
		return emptyMapping(), nil
	}
	p := plainer{left: maxNodes}
	root, err := p.plain(doc, 0)
	if err != nil {
		return nil, err
	}
	if isNull(root) {
		return emptyMapping(), nil
	}
	return root, nil
}

func emptyMapping() *yaml.Node {
	return &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: 1, Column: 1}
}

// parseDocument gives the root as it is written, nil for an empty file.
func parseDocument(src []byte) (*yaml.Node, error) {
	d := yaml.NewDecoder(bytes.NewReader(src))
	var doc, second yaml.Node
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, yamlError(err, src)
	case len(doc.Content) == 0:
		return nil, nil
	}
	if err := d.Decode(&second); err == nil {
		return nil, &syntaxError{second.Line, second.Column, "a second document begins here; a config file has one"}
	} else if !errors.Is(err, io.EOF) {
		return nil, yamlError(err, src)
	}
	return doc.Content[0], nil
}

var yamlLine = regexp.MustCompile(`^yaml: (?:unmarshal errors:\s*)?(?:line (\d+): )?`)

// yamlError takes the place out of a message of the YAML library.
func yamlError(err error, src []byte) error {
	text := err.Error()
	m := yamlLine.FindStringSubmatch(text)
	if m == nil {
		return &syntaxError{text: text}
	}
	line, _ := strconv.Atoi(m[1]) // "" is 0: unknown
	text = strings.TrimPrefix(text, m[0])
	tab := tabbedLine(src, line)
	if tab > 0 && (strings.Contains(text, "cannot start any token") || strings.Contains(text, "tab character")) {
		return &syntaxError{line: tab, text: "a tab stands where YAML wants spaces: indent with spaces alone"}
	}
	return &syntaxError{line: line, text: text}
}

// tabbedLine finds a line that is indented with a tab, at or beside the given
// one; 0 if there is none. The library is off by one at times.
func tabbedLine(src []byte, line int) int {
	all := strings.Split(string(src), "\n")
	for _, n := range []int{line, line + 1, line - 1} {
		if n < 1 || n > len(all) {
			continue
		}
		text := strings.TrimRight(all[n-1], " \t\r")
		if indent := text[:len(text)-len(strings.TrimLeft(text, " \t"))]; strings.Contains(indent, "\t") {
			return n
		}
	}
	return 0
}

// plainer copies a tree without aliases and merge keys, and bounds it.
type plainer struct {
	left int          // nodes that may still be made
	open []*yaml.Node // aliases being written out, to notice one inside itself
}

func (p *plainer) plain(n *yaml.Node, depth int) (*yaml.Node, error) {
	if p.left--; p.left < 0 {
		return nil, &syntaxError{n.Line, n.Column, fmt.Sprintf("more than %d values, aliases written out", maxNodes)}
	}
	if depth > maxDepth {
		return nil, &syntaxError{n.Line, n.Column, fmt.Sprintf("nested deeper than %d levels", maxDepth)}
	}
	if n.Kind == yaml.AliasNode {
		return p.alias(n, depth)
	}
	out := *n
	out.Content, out.Anchor = nil, ""
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && c.ShortTag() == "!!merge" {
			continue
		}
		if n.Kind == yaml.MappingNode && i%2 == 1 && n.Content[i-1].ShortTag() == "!!merge" {
			continue
		}
		child, err := p.plain(c, depth+1)
		if err != nil {
			return nil, err
		}
		out.Content = append(out.Content, child)
	}
	if n.Kind == yaml.MappingNode {
		return &out, p.merge(n, &out, depth)
	}
	return &out, nil
}

func (p *plainer) alias(n *yaml.Node, depth int) (*yaml.Node, error) {
	if slices.Contains(p.open, n.Alias) {
		return nil, &syntaxError{n.Line, n.Column, fmt.Sprintf("alias *%s contains itself", n.Value)}
	}
	p.open = append(p.open, n.Alias)
	defer func() { p.open = p.open[:len(p.open)-1] }()
	return p.plain(n.Alias, depth+1)
}

// merge adds what the merge keys of n name and out does not say itself.
func (p *plainer) merge(n, out *yaml.Node, depth int) error {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].ShortTag() != "!!merge" {
			continue
		}
		from, err := p.plain(n.Content[i+1], depth+1)
		if err != nil {
			return err
		}
		sources := []*yaml.Node{from}
		if from.Kind == yaml.SequenceNode {
			sources = from.Content
		}
		for _, s := range sources {
			if s.Kind != yaml.MappingNode {
				return &syntaxError{n.Content[i].Line, n.Content[i].Column, "<< takes a mapping, or a list of them"}
			}
			for j := 0; j+1 < len(s.Content); j += 2 {
				if field(out, s.Content[j].Value) == nil {
					out.Content = append(out.Content, s.Content[j], s.Content[j+1])
				}
			}
		}
	}
	return nil
}

// findPair gives the index of a key, in any letter case, or -1.
func findPair(n *yaml.Node, name string) int {
	if n == nil || n.Kind != yaml.MappingNode {
		return -1
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if strings.EqualFold(n.Content[i].Value, name) {
			return i
		}
	}
	return -1
}

// field finds the value of a key, in any letter case, nil if there is none.
func field(n *yaml.Node, name string) *yaml.Node {
	if i := findPair(n, name); i >= 0 {
		return n.Content[i+1]
	}
	return nil
}

// put sets the value at a key path and makes the mappings on the way there. What
// stands in the way and is no mapping stays, for the checks to refuse.
func put(n *yaml.Node, path string, val *yaml.Node) {
	key, rest, deeper := strings.Cut(path, ".")
	if deeper {
		within := field(n, key)
		if within == nil || isNull(within) {
			within = emptyMapping()
		}
		if within.Kind != yaml.MappingNode {
			return
		}
		put(within, rest, val)
		val = within
	}
	if i := findPair(n, key); i >= 0 {
		n.Content[i+1] = val
		return
	}
	n.Content = append(n.Content, scalar(val, "!!str", key), val)
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// scalar makes a value that stands where like stands.
func scalar(like *yaml.Node, tag, value string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: value, Line: like.Line, Column: like.Column}
	if tag == "!!str" {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}
