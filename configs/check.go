package configs

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"toolrouter/internal/catalog"
)

// checkRoot compares the whole tree with the type Config: every mistake is
// noted, references are replaced, and what is wrong is taken out, so that the
// rest can be decoded and looked at too.
func (l *loader) checkRoot() {
	l.nodes[""] = l.root
	l.mapping(l.root, reflect.TypeFor[Config](), "")
}

// value checks one value against its type, and reports whether it can stay.
func (l *loader) value(n *yaml.Node, t reflect.Type, path string) bool {
	l.nodes[path] = n
	switch {
	case t == durationType || t == sizeType:
		return l.unit(n, t, path)
	case t == reflect.TypeFor[Server]():
		return l.oneServer(n, t, path)
	}
	switch t.Kind() {
	case reflect.Struct:
		return l.mapping(n, t, path)
	case reflect.Slice:
		return l.list(n, t, path)
	case reflect.String:
		return l.str(n, path)
	default:
		return l.number(n, t, path)
	}
}

func (l *loader) mapping(n *yaml.Node, t reflect.Type, path string) bool {
	if n.Kind != yaml.MappingNode {
		l.bad(n, path, "wants keys: %s", strings.Join(sortedKeys(fieldsOf(t)), ", "))
		return false
	}
	fields, seen := fieldsOf(t), map[string]bool{}
	kept := n.Content[:0]
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, val := n.Content[i], n.Content[i+1]
		name := strings.ToLower(key.Value)
		p := join(path, name)
		typ, known := fields[name]
		switch {
		case key.Kind != yaml.ScalarNode:
			l.wrong(key, path, "a key must be a word")
		case !known:
			l.unknown(key, path, fields)
		case seen[name]:
			l.wrong(key, p, "said twice")
		case isNull(val): // as if it were not there
		case l.value(val, typ, p):
			kept = append(kept, scalar(key, "!!str", name), val)
		default:
			l.dropped[p] = true
		}
		seen[name] = true
	}
	n.Content = kept
	return true
}

// elsewhere knows keys that people bring along from other files.
var elsewhere = map[string]string{
	"args":       "the arguments follow the program in command: [program, argument, …]",
	"cwd":        "write dir",
	"mcpservers": "write servers, a list; or give the client's own file, which has nothing else in it",
	"enabled":    "write disabled",
	"allow":      "write tools: {allow: […]}",
	"deny":       "write tools: {deny: […]}",
}

func (l *loader) unknown(key *yaml.Node, path string, fields map[string]reflect.Type) {
	hint := ""
	name := strings.ToLower(key.Value)
	if h, ok := elsewhere[name]; ok {
		hint = ": " + h
	} else if near := nearest(name, sortedKeys(fields)); near != "" {
		hint = fmt.Sprintf(", did you mean %q?", near)
	}
	l.wrong(key, join(path, clip(key.Value)), "unknown key%s", hint)
}

// clip keeps what a file says short and on one line in a message.
func clip(s string) string {
	if q := strconv.Quote(s); len(q) != len(s)+2 {
		s = q[1 : len(q)-1]
	}
	return catalog.Clip(s, 60)
}

func (l *loader) list(n *yaml.Node, t reflect.Type, path string) bool {
	if n.Kind != yaml.SequenceNode {
		switch {
		case t.Elem().Kind() == reflect.Struct:
			l.bad(n, path, "wants a list: begin each entry with \"- name: …\"")
		case n.Kind == yaml.ScalarNode && !secretPairs(path):
			l.bad(n, path, "wants a list: write [%s]", clip(strings.Join(strings.Fields(n.Value), ", ")))
		default:
			l.bad(n, path, "wants a list of texts, such as %s", listExample(path))
		}
		return false
	}
	for i, item := range n.Content {
		p := fmt.Sprintf("%s[%d]", path, i)
		switch {
		case isNull(item):
			l.bad(item, p, "is empty")
		case l.value(item, t.Elem(), p):
			continue
		}
		l.dropped[p] = true
		n.Content[i] = standIn(item, t.Elem())
	}
	return true
}

// standIn takes the place of a wrong item of a list, so that the others are
// looked at too and keep their number. No config ever holds one.
func standIn(item *yaml.Node, t reflect.Type) *yaml.Node {
	if t.Kind() == reflect.Struct {
		return &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: item.Line, Column: item.Column}
	}
	return scalar(item, "!!str", "x")
}

// secretPairs reports whether a list may hold secrets, which no message repeats.
func secretPairs(path string) bool {
	return strings.HasSuffix(path, ".env") || strings.HasSuffix(path, ".headers")
}

func listExample(path string) string {
	switch {
	case strings.HasSuffix(path, ".env"):
		return `["NAME=value"]`
	case strings.HasSuffix(path, ".headers"):
		return `["Name=value"]`
	case strings.HasSuffix(path, ".describe"), strings.HasSuffix(path, ".aliases"):
		return `["tool=words"]`
	}
	return "[a, b]"
}

// oneServer remembers whose values are read, for messages.
func (l *loader) oneServer(n *yaml.Node, t reflect.Type, path string) bool {
	if name := field(n, "name"); name != nil {
		l.server = name.Value
	}
	off := field(n, "disabled")
	l.lenient = off != nil && off.ShortTag() == "!!bool" && strings.EqualFold(off.Value, "true")
	defer func() { l.server, l.lenient = "", false }()
	return l.mapping(n, t, path)
}

// text expands a string value and gives it.
func (l *loader) text(n *yaml.Node, path string) (string, bool) {
	l.expanded[path] = l.expanded[path] || l.outside[n]
	if l.done[n] || !strings.Contains(n.Value, "${") {
		return n.Value, true
	}
	value, err := l.expander.expand(n.Value)
	if err != nil && l.lenient {
		return n.Value, true
	}
	if err != nil {
		l.done[n] = true
		l.bad(n, path, "%s", l.leadsNowhere(err))
		return "", false
	}
	l.expanded[path], l.written[path] = true, n.Value
	n.Value, n.Tag, n.Style = value, "!!str", yaml.DoubleQuotedStyle
	l.done[n] = true
	return value, true
}

// leadsNowhere says which server has a reference that cannot be replaced, and the
// way out that the file leaves.
func (l *loader) leadsNowhere(err error) string {
	text := err.Error()
	if l.server == "" {
		return text
	}
	if errors.Is(err, errUnset) && l.source == SourceYAML && l.origin["servers"] == "" && catalog.CheckServerName(l.server) == nil {
		text += fmt.Sprintf(", or \"router disable %s\"", l.server)
	}
	return "server " + clip(l.server) + ": " + text
}

// reference is what a message shows of a value that came from elsewhere and may
// be a secret: how the file writes it.
func (l *loader) reference(path string) string {
	if written := l.written[path]; written != "" {
		return clip(written)
	}
	return hidden
}

var quotedText = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// veiled puts the reference in the place of what it stands for, in a message that
// quotes it or begins with it.
func (l *loader) veiled(path, text string) string {
	n := l.nodes[path]
	if n == nil || !l.expanded[path] || n.Value == "" {
		return text
	}
	if rest, ok := strings.CutPrefix(text, n.Value); ok {
		return l.reference(path) + rest
	}
	at := quotedText.FindStringIndex(text)
	if at == nil {
		return text
	}
	said, err := strconv.Unquote(text[at[0]:at[1]])
	if said = strings.TrimSuffix(said, "…"); err != nil || len(said) < 2 || !strings.Contains(n.Value, said) {
		return text
	}
	return text[:at[0]] + l.reference(path) + text[at[1]:]
}

// bad notes a mistake at a value, under the name that the file has for it.
func (l *loader) bad(n *yaml.Node, path, format string, args ...any) {
	l.nodes[path] = n
	_, label := l.locate(path)
	l.wrong(n, label, format, args...)
}

func (l *loader) str(n *yaml.Node, path string) bool {
	tag := n.ShortTag()
	switch {
	case n.Kind != yaml.ScalarNode:
		l.bad(n, path, "wants a text")
		return false
	case tag == "!!timestamp": // a protocol revision looks like a date
		n.Tag, n.Style = "!!str", yaml.DoubleQuotedStyle
	case tag != "!!str":
		l.bad(n, path, "wants a text: put %s in quotes", clip(n.Value))
		return false
	}
	_, ok := l.text(n, path)
	return ok
}

// unit checks a duration or a size.
func (l *loader) unit(n *yaml.Node, t reflect.Type, path string) bool {
	example := map[bool]string{true: "30s", false: "4MiB"}[t == durationType]
	if n.Kind != yaml.ScalarNode {
		l.bad(n, path, "wants a text such as %s", example)
		return false
	}
	value, ok := l.text(n, path)
	if !ok || l.unresolved(value) {
		return false
	}
	n.Tag, n.Style = "!!str", yaml.DoubleQuotedStyle
	err := reflect.New(t).Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(value))
	switch {
	case err == nil:
		return true
	case l.expanded[path]:
		l.bad(n, path, "wants a text such as %s, and %s gives another", example, l.reference(path))
	default:
		l.bad(n, path, "%s", err)
	}
	return false
}

// unresolved reports whether a value still holds a reference that a disabled
// server may keep; such a number is left out.
func (l *loader) unresolved(value string) bool { return l.lenient && strings.Contains(value, "${") }

// number checks whole numbers and truth values. A reference in quotes may stand
// for either.
func (l *loader) number(n *yaml.Node, t reflect.Type, path string) bool {
	wants, tags := "a whole number", []string{"!!int"}
	switch t.Kind() {
	case reflect.Bool:
		wants, tags = "true or false", []string{"!!bool"}
	case reflect.Float64:
		wants, tags = "a number", []string{"!!int", "!!float"}
	}
	if n.Kind != yaml.ScalarNode {
		l.bad(n, path, "wants %s", wants)
		return false
	}
	value, ok := l.text(n, path)
	if !ok || l.unresolved(value) {
		return false
	}
	if l.expanded[path] {
		n.Tag, n.Style = "", 0 // read it as if it had been written here
	}
	if slices.Contains(tags, n.ShortTag()) {
		probe := reflect.New(t)
		if n.Decode(probe.Interface()) == nil {
			return true
		}
	}
	if l.expanded[path] {
		l.bad(n, path, "wants %s, and %s gives another value", wants, l.reference(path))
	} else {
		l.bad(n, path, "wants %s, not %q", wants, clip(value))
	}
	return false
}
