package configs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// LoadOptions say where a config comes from.
type LoadOptions struct {
	Path      string            // the file; "" is $ROUTER_CONFIG, and without that DefaultPath
	Environ   []string          // "NAME=value"; nil is the environment of the process
	Overrides map[string]string // what flags say, by key path ("log.level"); lists as in the environment
}

// Load reads a config and checks it. What is wrong with the values comes back
// as Mistakes, all of them together; a file that is named and cannot be read is
// another error. A missing file at DefaultPath is an empty one.
func Load(o LoadOptions) (*Config, error) {
	l := newLoader(o)
	if err := l.read(o.Path); err != nil {
		return nil, err
	}
	l.translate()
	return l.config()
}

func newLoader(o LoadOptions) *loader {
	if o.Environ == nil {
		o.Environ = os.Environ()
	}
	l := &loader{
		env:      environ(o.Environ),
		flags:    o.Overrides,
		labels:   map[*yaml.Node]string{},
		nodes:    map[string]*yaml.Node{},
		origin:   map[string]string{},
		expanded: map[string]bool{},
		written:  map[string]string{},
		done:     map[*yaml.Node]bool{},
		outside:  map[*yaml.Node]bool{},
		dropped:  map[string]bool{},
		source:   SourceNone,
		root:     emptyMapping(),
	}
	l.expander = &expander{env: l.env, dir: ".", read: func(path string) {
		if !slices.Contains(l.reads, path) {
			l.reads = append(l.reads, path)
		}
	}}
	return l
}

// loader turns one file into one Config. It is used once.
type loader struct {
	env   map[string]string
	flags map[string]string

	file   string // as messages name it
	path   string // absolute
	digest string // of its bytes
	source Source
	open   bool // others may read the file
	root   *yaml.Node

	expander *expander
	labels   map[*yaml.Node]string // what a client's file calls a value, where that differs from our key path
	nodes    map[string]*yaml.Node // by key path
	origin   map[string]string     // variable or flag that set a key, by key path
	expanded map[string]bool       // key paths of values that had references
	written  map[string]string     // these as the file has them, by key path
	done     map[*yaml.Node]bool   // values that are expanded already
	outside  map[*yaml.Node]bool   // values that came from another file
	dropped  map[string]bool       // key paths of values that were taken out because they are wrong
	server   string                // the server whose values are being read
	lenient  bool                  // it is disabled: references may lead nowhere

	state    string // the state directory
	reads    []string
	warnings []string
	mistakes Mistakes
}

// read makes a tree of the file, an empty one if there is no file.
func (l *loader) read(path string) error {
	src, err := l.find(path)
	if err == nil && l.source != SourceNone {
		l.parse(src)
	}
	return err
}

// find locates and reads the file. It leaves source at none if there is none.
func (l *loader) find(path string) ([]byte, error) {
	named := path != ""
	if path == "" && l.env["ROUTER_CONFIG"] != "" {
		path, named = l.env["ROUTER_CONFIG"], true
	}
	if path == "" {
		var err error
		if path, err = defaultPath(l.env); err != nil {
			return nil, nil // no home, no file: a container with flags alone
		}
	}
	full, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("config file %s: %w", path, err)
	}
	l.file, l.path, l.expander.dir = path, full, filepath.Dir(full)
	src, info, err := readRegular(path, maxFile)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !named:
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("config file %s: %w", path, err)
	}
	l.open, l.source, l.digest = exposed(info), formatOf(path, src), digestOf(src)
	l.reads = append(l.reads, full)
	return src, nil
}

// formatOf tells the format by the file's name, and by its first character if
// the name says nothing.
func formatOf(path string, src []byte) Source {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".yaml", ".yml":
		return SourceYAML
	case ".json", ".jsonc", ".json5":
		return SourceJSON
	case ".toml":
		return SourceTOML
	}
	stripped, err := stripComments(src)
	if err == nil && bytes.HasPrefix(bytes.TrimSpace(trimBOM(stripped)), []byte("{")) {
		return SourceJSON
	}
	return SourceYAML
}

func trimBOM(src []byte) []byte { return bytes.TrimPrefix(src, []byte("\xef\xbb\xbf")) }

// parse makes the tree.
func (l *loader) parse(src []byte) {
	parsers := map[Source]func([]byte) (*yaml.Node, error){
		SourceYAML: parseYAML, SourceJSON: parseJSON, SourceTOML: parseTOML,
	}
	root, err := parsers[l.source](trimBOM(src))
	if err != nil {
		l.mistakes = append(l.mistakes, unparsed(l.file, err))
		return
	}
	if root.Kind != yaml.MappingNode {
		l.wrong(root, "", "the file is no mapping of keys")
		return
	}
	l.root = root
}

// unparsed is the mistake of a file that could not be made a tree.
func unparsed(file string, err error) Mistake {
	m := Mistake{File: file, Text: err.Error()}
	if at, ok := errors.AsType[*syntaxError](err); ok {
		m.Line, m.Col = at.line, at.col
	}
	return m
}

// dir is where relative paths in the file begin.
func (l *loader) dir() string { return l.expander.dir }

// wrong notes a mistake at a value or key.
func (l *loader) wrong(n *yaml.Node, key, format string, args ...any) {
	m := Mistake{File: l.file, Line: n.Line, Col: n.Column, Key: key, Text: fmt.Sprintf(format, args...)}
	for at := key; at != ""; at = parent(at) {
		if from, ok := l.origin[at]; ok {
			m = Mistake{Key: from + key[len(at):], Text: m.Text}
			break
		}
	}
	l.mistakes = append(l.mistakes, m)
}

// config checks the tree, lays the other sources over it and makes the Config.
func (l *loader) config() (*Config, error) {
	l.findState()
	l.layLists()
	l.checkRoot()
	c, err := l.decode()
	if err != nil {
		l.mistakes = append(l.mistakes, Mistake{File: l.file, Text: err.Error()})
		return nil, l.mistakes.sorted()
	}
	c.State = l.state
	for i := range c.Servers {
		c.Servers[i].settle(func(dir string) string { return under(l.dir(), l.env, dir) })
	}
	c.problems(l.problem)
	if len(l.mistakes) > 0 {
		return nil, l.mistakes.sorted()
	}
	c.Path, c.Source, c.Digest, c.Reads, c.expanded = l.path, l.source, l.digest, l.reads, l.expanded
	c.Warnings = append(l.warnings, c.oddities(l)...)
	c.leaveOutItself()
	return c, nil
}

// problem places a mistake that the values have, wherever they came from.
func (l *loader) problem(path, format string, args ...any) {
	if l.missing(path) {
		return
	}
	if server, ok := strings.CutSuffix(path, ".transport"); ok && l.nodes[path] == nil && l.nodes[server+".type"] != nil {
		path = server + ".type" // the key that the file has for it
	}
	n, label := l.locate(path)
	l.wrong(n, label, "%s", l.veiled(path, fmt.Sprintf(format, args...)))
}

// missing reports whether a value is not there, or a stand-in, only because what
// the file has there was wrong, which has been told.
func (l *loader) missing(path string) bool {
	if server, isCommand := strings.CutSuffix(path, ".command"); isCommand && l.dropped[server+".url"] {
		return true
	}
	for at := path; at != ""; at = parent(at) {
		if _, outside := l.origin[at]; outside || l.dropped[at] {
			return !outside
		}
	}
	return false
}

// locate finds the node at a key path, or the nearest one around it, and what
// the file calls the path.
func (l *loader) locate(path string) (*yaml.Node, string) {
	for at := path; at != ""; at = parent(at) {
		n, ok := l.nodes[at]
		if !ok {
			continue
		}
		if label, ok := l.labels[n]; ok {
			return n, label + path[len(at):]
		}
		return n, path
	}
	return l.root, path
}
