package configs

import (
	"bytes"
	"regexp"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// addedNote stands above a key that Add made, so that Remove can take it away
// with the last server.
const addedNote = `# Made by "router add".`

// splitLines finds the lines as the YAML library counts them.
func splitLines(src []byte) []line {
	var all []line
	start := 0
	for i := 0; i < len(src); {
		n := breakLength(src[i:])
		if n == 0 {
			i++
			continue
		}
		all = append(all, line{start, i, i + n})
		i += n
		start = i
	}
	return append(all, line{start, len(src), len(src)})
}

// breakLength is the length of the line end that b begins with, or 0.
func breakLength(b []byte) int {
	for _, end := range []string{"\r\n", "\n", "\r", "\u0085", "\u2028", "\u2029"} {
		if bytes.HasPrefix(b, []byte(end)) {
			return len(end)
		}
	}
	return 0
}

// text gives a line, counted from 1, without its end.
func (f *yamlFile) text(n int) string {
	l := f.lines[n-1]
	return string(f.src[l.start:l.end])
}

// offset turns a node's place into an offset.
func (f *yamlFile) offset(n *yaml.Node) int {
	at := f.lines[n.Line-1].start
	if n.Line == 1 && bytes.HasPrefix(f.src, []byte("\xef\xbb\xbf")) {
		at += 3 // the library does not count a byte order mark
	}
	for range n.Column - 1 {
		_, size := utf8.DecodeRune(f.src[at:])
		at += size
	}
	return at
}

// newline is the line end in use before a line, counted from 1.
func (f *yamlFile) newline(n int) string {
	for _, at := range []int{n, n - 1, 1} {
		if at >= 1 && at <= len(f.lines) && f.lines[at-1].end < f.lines[at-1].next {
			return string(f.src[f.lines[at-1].end:f.lines[at-1].next])
		}
	}
	return "\n"
}

// insertAfter puts new lines after line n. At the end of a file without a last
// line end there is none afterwards either.
func (f *yamlFile) insertAfter(n int, added []string) []byte {
	nl := f.newline(n)
	l := f.lines[n-1]
	text := strings.Join(added, nl)
	if l.end == l.next && l.start < l.end {
		return splice(f.src, l.end, l.end, nl+text)
	}
	return splice(f.src, l.next, l.next, text+nl)
}

// deleteLines takes out lines from..to. The inverse of insertAfter.
func (f *yamlFile) deleteLines(from, to int) []byte {
	start, end := f.lines[from-1].start, f.lines[to-1].next
	if f.lines[to-1].end == end && from > 1 { // the last line has no end: take that of the one before
		start = f.lines[from-2].end
	}
	return splice(f.src, start, end, "")
}

func splice(src []byte, from, to int, text string) []byte {
	out := make([]byte, 0, len(src)+len(text))
	out = append(out, src[:from]...)
	out = append(out, text...)
	return append(out, src[to:]...)
}

// bareKey is a line with the key and nothing else but a comment.
var bareKey = regexp.MustCompile(`^\x{FEFF}?[ ]*["']?(?i:servers)["']?[ \t]*:[ \t]*(?:[ \t]#.*)?$`)

// add dispatches on how the list is written now.
func (f *yamlFile) add(s Server) ([]byte, error) {
	pairs := entryPairs(s)
	switch {
	case f.root != nil && f.root.Style&yaml.FlowStyle != 0 && (f.list == nil || isNull(f.list)):
		return nil, f.byHand("it is written in braces and has no list of servers; add servers: []")
	case f.list == nil:
		return f.addKey(pairs), nil
	case isNull(f.list) && !bareKey.MatchString(f.text(f.key.Line)):
		return nil, f.byHand("servers has a null, a tag or an anchor and no list; take that away")
	case isNull(f.list):
		column := f.key.Column + 1
		if f.noteAbove() {
			column += 2 // not what addKey writes, so that Remove leaves the key, which was there before
		}
		n := f.extent(f.key.Line, f.limit(), column)
		return f.insertAfter(n, blockEntry(pairs, column, " ")), nil
	case f.list.Style&yaml.FlowStyle != 0:
		return f.addFlow("{" + strings.Join(pairs, ", ") + "}")
	}
	return f.addBlock(pairs)
}

// blockEntry writes the lines of an entry whose dash stands in a column,
// counted from 0, with a gap before the first key.
func blockEntry(pairs []string, column int, gap string) []string {
	out := make([]string, len(pairs))
	for i, p := range pairs {
		lead := strings.Repeat(" ", column+1+len(gap))
		if i == 0 {
			lead = strings.Repeat(" ", column) + "-" + gap
		}
		out[i] = lead + p
	}
	return out
}

// addKey appends the key itself, at the end of the file.
func (f *yamlFile) addKey(pairs []string) []byte {
	indent := 0
	if f.root != nil {
		indent = f.root.Column - 1
	}
	lead := strings.Repeat(" ", indent)
	added := append([]string{lead + addedNote, lead + "servers:"}, blockEntry(pairs, indent+2, " ")...)
	last := len(f.lines)
	if last > 1 && f.lines[last-1].start == f.lines[last-1].next {
		last-- // the text ends with a line end
	}
	if len(f.src) == 0 {
		return []byte(strings.Join(added, "\n") + "\n")
	}
	return f.insertAfter(last, added)
}

func (f *yamlFile) addBlock(pairs []string) ([]byte, error) {
	last := len(f.list.Content) - 1
	dash, err := f.dashLine(last)
	if err != nil {
		return nil, err
	}
	column := f.list.Column - 1
	rest := f.text(dash)[column+1:]
	gap := rest[:len(rest)-len(strings.TrimLeft(rest, " "))]
	if gap == "" || f.list.Content[last].Line != dash || f.list.Content[last].Kind != yaml.MappingNode {
		gap = " "
	}
	return f.insertAfter(f.extent(dash, f.limit(), column), blockEntry(pairs, column, gap)), nil
}

// dashLine finds the line of the dash that begins item i of a block list.
func (f *yamlFile) dashLine(i int) (int, error) {
	column := f.list.Column - 1
	least := f.list.Line
	for n := min(f.list.Content[i].Line, len(f.lines)); n >= least; n-- {
		text := f.text(n)
		if n == 1 {
			text = string(trimBOM([]byte(text)))
		}
		if len(text) > column && strings.TrimLeft(text[:column], " ") == "" && text[column] == '-' &&
			(len(text) == column+1 || text[column+1] == ' ' || text[column+1] == '\t') {
			return n, nil
		}
	}
	return 0, f.byHand("the dash of an entry was not found")
}

// limit is the last line that can belong to the list: the one before the next
// key, or before the end of the document.
func (f *yamlFile) limit() int {
	for i := 0; i+2 < len(f.root.Content); i += 2 {
		if f.root.Content[i] == f.key {
			return f.root.Content[i+2].Line - 1
		}
	}
	for n := f.key.Line + 1; n <= len(f.lines); n++ {
		if text := f.text(n); strings.HasPrefix(text, "...") || strings.HasPrefix(text, "---") {
			return n - 1
		}
	}
	return len(f.lines)
}

// extent gives the last line of what begins at line from: further lines belong
// to it up to limit, but not the blank ones at the end, nor comments there
// that begin at or before a column counted from 0.
func (f *yamlFile) extent(from, limit, column int) int {
	for n := limit; n > from; n-- {
		text := f.text(n)
		body := strings.TrimLeft(text, " \t")
		if body == "" || body[0] == '#' && len(text)-len(body) <= column {
			continue
		}
		return n
	}
	return from
}

// remove dispatches on how the list is written.
func (f *yamlFile) remove(i int) ([]byte, error) {
	if f.list.Style&yaml.FlowStyle != 0 {
		return f.removeFlow(i)
	}
	from, err := f.dashLine(i)
	if err != nil {
		return nil, err
	}
	limit := f.limit()
	if i+1 < len(f.list.Content) {
		next, err := f.dashLine(i + 1)
		if err != nil {
			return nil, err
		}
		limit = next - 1
	}
	to := f.extent(from, limit, f.list.Column-1)
	if len(f.list.Content) == 1 && f.madeKey(from) {
		from -= 2
	}
	return f.deleteLines(from, to), nil
}

// madeKey reports whether the two lines before the first entry are the ones
// that Add makes.
func (f *yamlFile) madeKey(dash int) bool {
	return f.key.Line == dash-1 && f.list.Column == f.key.Column+2 && f.noteAbove()
}

// noteAbove reports whether the key has its line to itself, and addedNote
// stands above it.
func (f *yamlFile) noteAbove() bool {
	return f.key.Line > 1 && strings.TrimSpace(f.text(f.key.Line)) == "servers:" &&
		strings.TrimSpace(f.text(f.key.Line-1)) == addedNote
}

// setDisabled dispatches on how the server is written.
func (f *yamlFile) setDisabled(i int, disabled bool) ([]byte, error) {
	item := f.list.Content[i]
	if item.Kind != yaml.MappingNode {
		return nil, f.byHand("the server is written with an alias")
	}
	name, off := findPair(item, "name"), findPair(item, "disabled")
	if name < 0 {
		return nil, f.byHand("the server's name is written with an alias")
	}
	if off >= 0 && findPair(&yaml.Node{Kind: yaml.MappingNode, Content: item.Content[off+2:]}, "disabled") >= 0 {
		return nil, f.byHand("disabled is said twice")
	}
	if off < 0 {
		if inherited := field(f.items()[i], "disabled"); inherited != nil {
			return nil, f.byHand("disabled is written with an alias")
		}
		if !disabled {
			return f.src, nil
		}
		return f.insertDisabled(item, name)
	}
	return f.changeDisabled(item, name, off, disabled)
}

const disabledPair = "disabled: true"

// insertDisabled says so right behind the name.
func (f *yamlFile) insertDisabled(item *yaml.Node, name int) ([]byte, error) {
	if item.Style&yaml.FlowStyle == 0 {
		at := item.Content[name+1].Line
		return f.insertAfter(at, []string{strings.Repeat(" ", item.Content[name].Column-1) + disabledPair}), nil
	}
	parts, _, err := f.flowParts(item)
	if err != nil {
		return nil, err
	}
	return splice(f.src, parts[name/2].end, parts[name/2].end, ", "+disabledPair), nil
}

// changeDisabled rewrites or removes a key that is there. What insertDisabled
// would have written is removed; anything else keeps its place, comment and
// letter case. A false that stands just where insertDisabled would write gets
// another letter case, by which the way back is known.
func (f *yamlFile) changeDisabled(item *yaml.Node, name, off int, disabled bool) ([]byte, error) {
	val := item.Content[off+1]
	var is bool
	if val.Kind != yaml.ScalarNode || val.ShortTag() != "!!bool" || val.Decode(&is) != nil {
		return nil, f.byHand("disabled is %q, neither true nor false", clip(val.Value))
	}
	if is == disabled {
		return f.src, nil
	}
	ours, cut, err := f.isOurs(item, name, off)
	if err != nil {
		return nil, err
	}
	if ours && val.Value == "true" {
		return cut, nil
	}
	words := map[string]string{"true": "false", "True": "False", "TRUE": "FALSE", "false": "true", "False": "True", "FALSE": "TRUE"}
	if ours {
		words = map[string]string{"True": "false", "TRUE": "False", "false": "True", "False": "TRUE", "FALSE": "TRUE"}
	}
	at := f.offset(val)
	if !bytes.HasPrefix(f.src[at:], []byte(val.Value)) {
		return nil, f.byHand("the value of disabled was not found where it should be")
	}
	return splice(f.src, at, at+len(val.Value), words[val.Value]), nil
}

// isOurs reports whether the key stands where and as insertDisabled writes it,
// whatever its value, and gives the text without it.
func (f *yamlFile) isOurs(item *yaml.Node, name, off int) (bool, []byte, error) {
	key, val := item.Content[off], item.Content[off+1]
	want := "disabled: " + val.Value
	if item.Style&yaml.FlowStyle == 0 {
		at := key.Line
		ours := at == item.Content[name+1].Line+1 && f.text(at) == strings.Repeat(" ", item.Content[name].Column-1)+want
		if !ours {
			return false, nil, nil
		}
		return true, f.deleteLines(at, at), nil
	}
	parts, _, err := f.flowParts(item)
	if err != nil || off != name+2 {
		return false, nil, err
	}
	from, to := parts[name/2].end, parts[off/2].end
	return string(f.src[from:to]) == ", "+want, splice(f.src, from, to, ""), nil
}
