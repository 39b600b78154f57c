package configs

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
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

// convert replaces the tree by one with our own keys.
func (l *loader) convert(servers *yaml.Node) {
	c := &client{loader: l, top: "mcpServers", inputs: map[string]*yaml.Node{}}
	if l.source == SourceVSCode {
		c.top = "servers"
	}
	c.readInputs()
	if field(l.root, "mcpProxy") != nil {
		l.warn("mcpProxy is not read: set listen and the rest in a file of the router's own")
	}
	l.expander.dialect = c.resolve
	l.root = emptyMapping()
	if isNull(servers) {
		return
	}
	if servers.Kind != yaml.MappingNode {
		l.wrong(servers, c.top, "wants an object with a name for each server")
		return
	}
	list := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Line: servers.Line, Column: servers.Column}
	seen := map[string]bool{}
	for i := 0; i+1 < len(servers.Content); i += 2 {
		key := servers.Content[i]
		if seen[key.Value] {
			l.wrong(key, join(c.top, clip(key.Value)), "said twice")
			continue
		}
		seen[key.Value] = true
		if s := c.entry(key, servers.Content[i+1]); s != nil {
			list.Content = append(list.Content, s)
		}
	}
	l.root.Content = []*yaml.Node{scalar(servers, "!!str", "servers"), list}
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
func (c *client) entry(key, val *yaml.Node) *yaml.Node {
	label := join(c.top, clip(key.Value))
	if val.Kind != yaml.MappingNode {
		c.wrong(val, label, "wants an object")
		return nil
	}
	e := &clientEntry{client: c, label: label, out: &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: key.Line, Column: key.Column}}
	c.labels[e.out] = label
	name := legalName(key.Value)
	if name != key.Value {
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
	if checkName(text) == nil {
		return text
	}
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '_' {
			return r
		}
		return '-'
	}, strings.ToLower(strings.TrimSpace(text)))
	for _, blur := range []string{"__", "..", "._", "_."} {
		for strings.Contains(name, blur) {
			name = strings.ReplaceAll(name, blur, "-")
		}
	}
	name = strings.TrimLeft(name, "-._")
	name = strings.TrimRight(name[:min(len(name), 32)], "-._")
	if checkName(name) != nil {
		return "server-" + shortHash(text)
	}
	return name
}

// same reports whether a key is one of the given names, in any letter case.
func same(key string, names ...string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, key) })
}
