package configs

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"go.yaml.in/yaml/v3"
)

// parseTOML reads a TOML file. The places are those of the lines on which keys
// and tables begin.
func parseTOML(src []byte) (*yaml.Node, error) {
	var m map[string]any
	if err := toml.Unmarshal(src, &m); err != nil {
		if decode, ok := errors.AsType[*toml.DecodeError](err); ok {
			line, col := decode.Position()
			return nil, &syntaxError{line, col, strings.TrimPrefix(decode.Error(), "toml: ")}
		}
		return nil, &syntaxError{text: strings.TrimPrefix(err.Error(), "toml: ")}
	}
	t := tomlTree{lines: tomlLines(src), left: maxNodes}
	return t.node(m, "", 1, 0)
}

// tomlTree makes nodes of decoded values.
type tomlTree struct {
	lines map[string]int // by key path, in lower case
	left  int
}

func (t *tomlTree) node(v any, path string, line, depth int) (*yaml.Node, error) {
	if at, ok := t.lines[path]; ok {
		line = at
	}
	if t.left--; t.left < 0 || depth > maxDepth {
		return nil, &syntaxError{line: line, text: fmt.Sprintf("more than %d values, or nested deeper than %d levels", maxNodes, maxDepth)}
	}
	n := &yaml.Node{Kind: yaml.ScalarNode, Line: line}
	switch v := v.(type) {
	case map[string]any:
		n.Kind, n.Tag = yaml.MappingNode, "!!map"
		for _, key := range sortedKeys(v) {
			child, err := t.node(v[key], join(path, strings.ToLower(key)), line, depth+1)
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, scalar(child, "!!str", key), child)
		}
	case []any:
		n.Kind, n.Tag = yaml.SequenceNode, "!!seq"
		for i, item := range v {
			child, err := t.node(item, fmt.Sprintf("%s[%d]", path, i), line, depth+1)
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, child)
		}
	case string:
		n.Tag, n.Value, n.Style = "!!str", v, yaml.DoubleQuotedStyle
	case bool:
		n.Tag, n.Value = "!!bool", fmt.Sprint(v)
	case int64:
		n.Tag, n.Value = "!!int", fmt.Sprint(v)
	case float64:
		n.Tag, n.Value = "!!float", fmt.Sprint(v)
	default: // the kinds of date and time
		n.Tag, n.Value = "!!timestamp", fmt.Sprint(v)
	}
	return n, nil
}

var (
	tomlTable = regexp.MustCompile(`^\s*(\[\[?)\s*([\w."' -]+?)\s*\]\]?\s*(?:#.*)?$`)
	tomlKey   = regexp.MustCompile(`^\s*([\w.-]+|"[^"]*"|'[^']*')\s*=`)
)

// tomlLines finds where keys and tables begin, well enough for messages: a line
// inside a string over several lines may be taken for a key.
func tomlLines(src []byte) map[string]int {
	lines, counts, table := map[string]int{}, map[string]int{}, ""
	for i, raw := range bytes.Split(src, []byte("\n")) {
		line := strings.ToLower(string(raw))
		if m := tomlTable.FindStringSubmatch(line); m != nil {
			table = strings.NewReplacer(`"`, "", `'`, "", " ", "").Replace(m[2])
			if head, rest, ok := strings.Cut(table, "."); ok && counts[head] > 0 {
				table = fmt.Sprintf("%s[%d].%s", head, counts[head]-1, rest)
			}
			if m[1] == "[[" {
				counts[table]++
				table = fmt.Sprintf("%s[%d]", table, counts[table]-1)
			}
			note(lines, table, i+1)
		} else if m := tomlKey.FindStringSubmatch(line); m != nil {
			note(lines, join(table, strings.Trim(m[1], `"'`)), i+1)
		}
	}
	return lines
}

// note keeps the first line seen for a key.
func note(lines map[string]int, path string, line int) {
	if _, seen := lines[path]; !seen {
		lines[path] = line
	}
}
