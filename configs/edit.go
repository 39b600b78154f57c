package configs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"toolrouter/internal/catalog"
)

var (
	// ErrNoServer says that the file names no such server.
	ErrNoServer = errors.New("no such server in the config file")
	// ErrServerExists says that the file has a server of that name already.
	ErrServerExists = errors.New("the config file has this server already")
	// ErrNotEditable says that the file is of a kind that is only read.
	ErrNotEditable = errors.New("the router edits only YAML files of its own")
)

// Add puts a server at the end of the list in a YAML config file, which is
// begun if it does not exist. Zero fields are not written. It checks the server
// first; references in its values are left as they are.
func Add(path string, s Server) error {
	if err := checkEntry(s); err != nil {
		return err
	}
	return edit(path, true, adding(s))
}

// adding and the like are changes of a file's text, checked but not written.
func adding(s Server) func(*yamlFile) ([]byte, error) {
	return func(f *yamlFile) ([]byte, error) {
		for _, item := range f.items() {
			if sameName(nameOf(item), s.Name) {
				return nil, fmt.Errorf("add %s: %w", s.Name, ErrServerExists)
			}
		}
		out, err := f.add(s)
		if err != nil {
			return nil, err
		}
		return out, f.verify(out, func(list []any) []any { return append(list, asTree(s)) })
	}
}

// Remove takes a server out of a YAML config file. Comments around it stay.
func Remove(path, name string) error {
	return edit(path, false, removing(name))
}

func removing(name string) func(*yamlFile) ([]byte, error) {
	return func(f *yamlFile) ([]byte, error) {
		i, err := f.index(name)
		if err != nil {
			return nil, fmt.Errorf("remove %s: %w", name, err)
		}
		out, err := f.remove(i)
		if err != nil {
			return nil, err
		}
		return out, f.verify(out, func(list []any) []any { return append(list[:i:i], list[i+1:]...) })
	}
}

// SetDisabled switches a server of a YAML config file off or on. Doing the one
// and then the other gives the bytes from before. A server that is as wished
// already is left alone.
func SetDisabled(path, name string, disabled bool) error {
	return edit(path, false, switching(name, disabled))
}

func switching(name string, disabled bool) func(*yamlFile) ([]byte, error) {
	return func(f *yamlFile) ([]byte, error) {
		i, err := f.index(name)
		if err != nil {
			verb := map[bool]string{true: "disable", false: "enable"}[disabled]
			return nil, fmt.Errorf("%s %s: %w", verb, name, err)
		}
		out, err := f.setDisabled(i, disabled)
		if err != nil {
			return nil, err
		}
		return out, f.verify(out, func(list []any) []any {
			if m, ok := list[i].(map[string]any); ok {
				delete(m, "disabled")
				if disabled {
					m["disabled"] = true
				}
			}
			return list
		})
	}
}

// edit reads a file, changes its text and writes it back, one edit at a time. Who
// does not know of the lock, such as an editor, is noticed by what it wrote.
func edit(path string, create bool, change func(*yamlFile) ([]byte, error)) error {
	target, err := editTarget(path, create)
	if err != nil {
		return fmt.Errorf("config file %s: %w", path, pathless(err))
	}
	unlock, err := lockFile(target)
	if err != nil {
		return fmt.Errorf("config file %s: %w; nothing was written", path, err)
	}
	defer unlock()
	return editLocked(path, target, create, change)
}

// editTarget gives the file that path leads to, and makes its folder where the
// file may be made.
func editTarget(path string, create bool) (string, error) {
	target, err := filepath.EvalSymlinks(path)
	if !create || !errors.Is(err, fs.ErrNotExist) {
		return target, err
	}
	target = linkTarget(path)
	return target, os.MkdirAll(filepath.Dir(target), 0o700)
}

func editLocked(path, target string, create bool, change func(*yamlFile) ([]byte, error)) error {
	src, info, err := readRegular(target, maxFile)
	mode := fs.FileMode(0o600)
	switch {
	case err == nil:
		mode = info.Mode().Perm()
	case errors.Is(err, fs.ErrNotExist) && create:
		src = []byte(header)
	default:
		return fmt.Errorf("config file %s: %w", path, err)
	}
	created := err != nil
	f, err := openYAML(path, src)
	if err != nil {
		return err
	}
	out, err := change(f)
	if err != nil || bytes.Equal(out, src) {
		return err
	}
	if len(out) > maxFile {
		return fmt.Errorf("config file %s would be larger than %s", path, Size(maxFile))
	}
	if now, _, err := readRegular(target, maxFile); !created && (err != nil || !bytes.Equal(now, src)) || created && err == nil {
		return fmt.Errorf("config file %s changed while it was being edited; nothing was written", path)
	}
	return writeAtomic(target, out, mode)
}

// linkTarget gives where a file that does not exist yet is to be made: at the
// end of the link if the path is one.
func linkTarget(path string) string {
	to, err := os.Readlink(path)
	switch {
	case err != nil:
		return path // no link
	case filepath.IsAbs(to):
		return to
	}
	return filepath.Join(filepath.Dir(path), to)
}

// header begins a new file.
const header = `# The router's config file. Every key has a default; "router config show"
# tells what holds, and "router config check" what is wrong.
`

// yamlFile is a config file with the places of what it says.
type yamlFile struct {
	path  string
	src   []byte
	lines []line
	root  *yaml.Node // as written, aliases and all; nil if there is nothing but comments
	plain *yaml.Node // without aliases
	list  *yaml.Node // the value of servers; nil if the key is missing
	key   *yaml.Node // the key servers
}

// line is the part of a text from start to end, its line end from end to next.
type line struct{ start, end, next int }

// openYAML parses a file for editing, or says why it cannot be edited.
func openYAML(path string, src []byte) (*yamlFile, error) {
	if kind := formatOf(path, src); kind != SourceYAML {
		return nil, fmt.Errorf("%s is %s: %w; edit it by hand", path, kind, ErrNotEditable)
	}
	if !utf8.Valid(src) {
		return nil, fmt.Errorf("%s is not UTF-8: %w", path, ErrNotEditable)
	}
	root, err := parseDocument(src)
	if err != nil {
		return nil, unreadable(path, err)
	}
	if root != nil && isNull(root) {
		root = nil
	}
	f := &yamlFile{path: path, src: src, root: root, lines: splitLines(src)}
	if f.plain, err = parseYAML(src); err != nil {
		return nil, unreadable(path, err)
	}
	if f.plain.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s is no mapping of keys: mend it by hand", path)
	}
	if field(f.plain, "mcpServers") != nil {
		return nil, fmt.Errorf("%s is a client's file: %w; edit it by hand", path, ErrNotEditable)
	}
	return f, f.findList()
}

func unreadable(path string, err error) error { return Mistakes{unparsed(path, err)} }

func (f *yamlFile) findList() error {
	if i := findPair(f.root, "servers"); i >= 0 {
		f.key, f.list = f.root.Content[i], f.root.Content[i+1]
	}
	if f.list != nil && f.list.Kind != yaml.SequenceNode && !isNull(f.list) {
		return f.byHand("servers is not written as a list")
	}
	return nil
}

// byHand is the error for a file that is written in a way the editing does not
// follow. Nothing is written then.
func (f *yamlFile) byHand(format string, args ...any) error {
	return fmt.Errorf("%s: %s; edit it by hand, nothing was written", f.path, fmt.Sprintf(format, args...))
}

// items are the servers, aliases written out.
func (f *yamlFile) items() []*yaml.Node {
	if list := field(f.plain, "servers"); list != nil {
		return list.Content
	}
	return nil
}

func nameOf(item *yaml.Node) string {
	if n := field(item, "name"); n != nil {
		return n.Value
	}
	return ""
}

// sameName reports whether two servers would share their tools' public names.
func sameName(a, b string) bool {
	return catalog.PublicServer(a) == catalog.PublicServer(b)
}

// index finds the one server of a name.
func (f *yamlFile) index(name string) (int, error) {
	found := -1
	var names []string
	for i, item := range f.items() {
		names = append(names, nameOf(item))
		if nameOf(item) != name {
			continue
		}
		if found >= 0 {
			return 0, f.byHand("it is there twice")
		}
		found = i
	}
	if found >= 0 {
		return found, nil
	}
	if near := nearest(name, names); near != "" {
		return 0, fmt.Errorf("%w, did you mean %s?", ErrNoServer, near)
	}
	return 0, ErrNoServer
}

// verify reads the new text back: the servers must be what the wish makes of
// the old ones, and everything else must be as it was.
func (f *yamlFile) verify(out []byte, wish func([]any) []any) error {
	before, listBefore, err := decodeTree(f.src)
	if err != nil {
		return unreadable(f.path, err)
	}
	after, listAfter, err := decodeTree(out)
	if err != nil {
		return f.byHand("the change would break the file (%v)", err)
	}
	wanted := wish(listBefore)
	for _, list := range [][]any{wanted, listAfter} { // off because it says so, or because it says nothing
		for _, item := range list {
			if m, ok := item.(map[string]any); ok && m["disabled"] == false {
				delete(m, "disabled")
			}
		}
	}
	if !reflect.DeepEqual(before, after) || len(wanted)+len(listAfter) > 0 && !reflect.DeepEqual(wanted, listAfter) {
		return f.cannotSay()
	}
	return nil
}

// cannotSay is the error for an edit that would not read back as it was meant.
// Mostly the file is wrong already, as with a key that is there twice, and then
// that is what has to be told.
func (f *yamlFile) cannotSay() error {
	_, err := Load(LoadOptions{Path: f.path})
	if mistakes, ok := errors.AsType[Mistakes](err); ok {
		return fmt.Errorf("%w\nmend this first; nothing was written", mistakes)
	}
	return f.byHand("the change would say something else than was meant")
}

// decodeTree gives what a file says, the servers apart. Keys are in lower case
// as far as a server's own keys go.
func decodeTree(src []byte) (rest map[string]any, servers []any, err error) {
	root, err := parseYAML(src)
	if err != nil {
		return nil, nil, err
	}
	rest = map[string]any{}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key := strings.ToLower(root.Content[i].Value)
		value := treeOf(root.Content[i+1])
		if key == "servers" {
			servers, _ = value.([]any)
			continue
		}
		rest[key] = value
	}
	return rest, servers, nil
}

// treeOf turns nodes into plain values, scalars with their tag, so that "1" and
// 1 differ.
func treeOf(n *yaml.Node) any {
	switch n.Kind {
	case yaml.MappingNode:
		m := make(map[string]any, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			m[strings.ToLower(n.Content[i].Value)] = treeOf(n.Content[i+1])
		}
		return m
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, c := range n.Content {
			list[i] = treeOf(c)
		}
		return list
	}
	var yes bool
	if n.ShortTag() == "!!bool" && n.Decode(&yes) == nil {
		return yes
	}
	return n.ShortTag() + " " + n.Value
}

// asTree is treeOf for a server that is to be written.
func asTree(s Server) any {
	var doc yaml.Node
	if err := doc.Encode(entryTree(s)); err != nil {
		panic(err) // texts, numbers and truth values only
	}
	return treeOf(&doc)
}

// checkEntry refuses a server that Load would refuse, as far as that can be
// told before references are replaced.
func checkEntry(s Server) error {
	var ms Mistakes
	typed := s.Transport == ""
	s.Transport = s.transport()
	s.problems(func(key, format string, args ...any) {
		if key == "url" && strings.Contains(s.URL, "${") || key == "transport" && strings.Contains(s.Transport, "${") {
			return
		}
		if key == "transport" && typed {
			key = "type"
		}
		ms = append(ms, Mistake{Key: key, Text: fmt.Sprintf(format, args...)})
	})
	for _, text := range s.texts() {
		if !utf8.ValidString(text) {
			ms = append(ms, Mistake{Text: fmt.Sprintf("%q is not UTF-8", text)})
		}
	}
	if len(ms) > 0 {
		return fmt.Errorf("add %s: %w", s.Name, ms)
	}
	return nil
}
