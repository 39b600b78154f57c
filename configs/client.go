package configs

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"toolrouter/internal/catalog"
)

// A client's file is rewritten, as a tree, to our own keys; from there on it
// goes the same way as every other. The new values stand where the old ones
// stood and keep the client's names for messages.

// clientServers finds the servers in a client's file. VS Code's are a mapping
// under a key that is a list in our own files.
func clientServers(format Source, root *yaml.Node) (Source, *yaml.Node) {
	if n := field(root, "mcpServers"); n != nil {
		return SourceClient, n
	}
	if n := field(root, "servers"); format == SourceJSON && n != nil && n.Kind == yaml.MappingNode {
		return SourceVSCode, n
	}
	if n := field(field(root, "mcp"), "servers"); format == SourceJSON && n != nil {
		return SourceVSCode, n
	}
	return "", nil
}

// client reads one client's file.
type client struct {
	*loader
	top    string                // mcpServers or servers
	inputs map[string]*yaml.Node // VS Code's inputs by id
}

// translate rewrites a client's file to our own keys; any other is left alone.
func (l *loader) translate() {
	kind, servers := clientServers(l.source, l.root)
	if servers == nil {
		return
	}
	c := &client{loader: l, top: "mcpServers", inputs: map[string]*yaml.Node{}}
	if kind == SourceVSCode {
		c.top = "servers"
	}
	c.readInputs()
	l.expander.dialect = c.resolve
	rest := c.beside(servers)
	l.source, l.root = kind, emptyMapping()
	l.root.Content = append(rest, scalar(servers, "!!str", "servers"), c.list(servers))
}

// beside gives what stands in the file besides the servers, as far as it is read.
// A client's own file is JSON and full of the client's own keys, of which those
// that look like ours deserve a word. YAML and TOML are written for the router,
// where nothing may go unread.
func (c *client) beside(servers *yaml.Node) (rest []*yaml.Node) {
	ours, at := fieldsOf(reflect.TypeFor[Config]()), servers
	for i := 0; i+1 < len(c.root.Content); i += 2 {
		key, val := c.root.Content[i], c.root.Content[i+1]
		name := strings.ToLower(key.Value)
		switch {
		case val == servers:
			at = key
		case c.source != SourceJSON:
			rest = append(rest, key, val)
		case ours[name] != nil, name == "mcpproxy":
			c.warn("%s is not read from a client's file: set listen and the like in a file of the router's own, or in the environment", clip(key.Value))
		}
	}
	if len(rest) > 0 {
		c.wrong(at, c.top, "stands alone in a client's own file: beside %s write servers, a list of entries with a name", clip(rest[0].Value))
	}
	return rest
}

// list rewrites the servers.
func (c *client) list(servers *yaml.Node) *yaml.Node {
	list := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Line: servers.Line, Column: servers.Column}
	switch {
	case isNull(servers):
		return list
	case servers.Kind != yaml.MappingNode:
		c.wrong(servers, c.top, "wants an object with a name for each server")
		return list
	}
	names := serverNames(servers)
	seen := map[string]bool{}
	for i := 0; i+1 < len(servers.Content); i += 2 {
		key := servers.Content[i]
		if seen[key.Value] {
			c.wrong(key, join(c.top, clip(key.Value)), "said twice")
			continue
		}
		seen[key.Value] = true
		if s := c.entry(key, servers.Content[i+1], names[key.Value]); s != nil {
			list.Content = append(list.Content, s)
		}
	}
	return list
}

// serverNames gives every server of a client's file a legal name of its own, by
// its key. Of keys that come to the same name one keeps it, first of all the one
// that is that name; the others get a short hash at the end, like the name of a
// tool that had to be changed.
func serverNames(servers *yaml.Node) map[string]string {
	names, taken := map[string]string{}, map[string]bool{}
	for _, legal := range []bool{true, false} {
		for i := 0; i+1 < len(servers.Content); i += 2 {
			key := servers.Content[i].Value
			name := legalName(key)
			if _, named := names[key]; named || (name == key) != legal {
				continue
			}
			if taken[catalog.PublicServer(name)] {
				name = hashedName(name, key)
			}
			names[key], taken[catalog.PublicServer(name)] = name, true
		}
	}
	return names
}

// hashedName is name, shortened if need be, with a hash of text at the end.
func hashedName(name, text string) string {
	suffix := "-" + shortHash(text)
	return strings.TrimRight(name[:min(len(name), catalog.MaxServerName-len(suffix))], "-._") + suffix
}

func (l *loader) warn(format string, args ...any) {
	l.warnings = append(l.warnings, l.file+": "+fmt.Sprintf(format, args...))
}

func (c *client) readInputs() {
	inputs := field(c.root, "inputs")
	if inputs == nil {
		inputs = field(field(c.root, "mcp"), "inputs")
	}
	if inputs == nil {
		return
	}
	for _, in := range inputs.Content {
		if id := field(in, "id"); id != nil && id.Kind == yaml.ScalarNode {
			c.inputs[id.Value] = in
		}
	}
}

// resolve knows the references that clients have besides ours.
func (c *client) resolve(x *expander, ref string) (string, bool, error) {
	kind, name, _ := strings.Cut(ref, ":")
	switch kind {
	case "env":
		name, def, hasDefault := strings.Cut(name, ":")
		if v, ok := x.env[name]; ok || hasDefault {
			if !ok {
				v = strings.TrimPrefix(def, "-")
			}
			return v, true, nil
		}
		return "", true, fmt.Errorf("${env:%s} is not set", name)
	case "input":
		v, err := c.input(x, name)
		return v, true, err
	case "workspaceFolder":
		return c.workspace(), true, nil
	case "userHome":
		return homeOf(x.env), true, nil
	case "pathSeparator", "/":
		return string(filepath.Separator), true, nil
	}
	return "", false, nil
}

// input finds what VS Code would ask for: a variable, a secret of that name, or
// the input's default.
func (c *client) input(x *expander, id string) (string, error) {
	variable := variableFor("ROUTER_INPUT_", id)
	if v, ok := x.env[variable]; ok {
		return v, nil
	}
	if v, err := x.secret(id); err == nil {
		return v, nil
	}
	in := c.inputs[id]
	if def := field(in, "default"); def != nil && def.Kind == yaml.ScalarNode && !isNull(def) {
		return def.Value, nil
	}
	what := ""
	if d := field(in, "description"); d != nil && d.Value != "" {
		what = " (" + clip(d.Value) + ")"
	}
	return "", fmt.Errorf("the client would ask for ${input:%s}%s and the router cannot: set $%s", id, what, variable)
}

// workspace is the folder that a client's file belongs to.
func (c *client) workspace() string {
	dir := c.dir()
	if base := filepath.Base(dir); base == ".vscode" || base == ".cursor" {
		return filepath.Dir(dir)
	}
	return dir
}

// tolerated are keys of clients that mean nothing to a router.
var tolerated = []string{
	"alwaysallow", "autoapprove", "description", "dev", "gallery", "gallerydata", "icon", "id",
	"initializationtimeout", "instructions", "logo", "metadata", "note", "provider", "providerurl",
	"requestinit", "sandbox", "sandboxenabled", "tags", "timeout", "title", "trust", "version",
}

// entry rewrites one server.
func (c *client) entry(key, val *yaml.Node, name string) *yaml.Node {
	label := join(c.top, clip(key.Value))
	if val.Kind != yaml.MappingNode {
		c.wrong(val, label, "wants an object")
		return nil
	}
	e := &clientEntry{client: c, label: label, out: &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: key.Line, Column: key.Column}}
	c.labels[e.out] = label
	switch plain := legalName(key.Value); {
	case name != plain:
		c.warn("server %q is called %s here, because another one is called %s", clip(key.Value), name, plain)
	case name != key.Value:
		c.warn("server %q is called %s here", clip(key.Value), name)
	}
	e.put("name", e.copyOf(key, label, name))
	seen := map[string]bool{}
	for i := 0; i+1 < len(val.Content); i += 2 {
		e.key, e.at = val.Content[i].Value, val.Content[i]
		if seen[e.key] {
			c.wrong(e.at, join(label, clip(e.key)), "said twice")
			continue
		}
		seen[e.key] = true
		e.read(val.Content[i+1])
	}
	e.finish()
	return e.out
}

// legalName makes a server's name of any text: lower case, a dash for every
// character that a name cannot have. The same text always gives the same name.
func legalName(text string) string {
	if catalog.CheckServerName(text) == nil {
		return text
	}
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '_' {
			return r
		}
		return '-'
	}, strings.ToLower(strings.TrimSpace(text)))
	name = strings.TrimLeft(name, "-._")
	name = strings.TrimRight(name[:min(len(name), catalog.MaxServerName)], "-._")
	if catalog.CheckServerName(name) != nil {
		return "server-" + shortHash(text)
	}
	return name
}

// same reports whether a key is one of the given names, in any letter case.
func same(key string, names ...string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, key) })
}
