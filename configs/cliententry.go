package configs

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// clientEntry gathers one server of a client's file.
type clientEntry struct {
	*client
	label   string     // mcpServers.github
	key     string     // the key being read
	at      *yaml.Node // where it stands
	out     *yaml.Node // the server with our keys
	command []*yaml.Node
	args    []*yaml.Node
	env     []*yaml.Node
	envFile *yaml.Node
	off     *yaml.Node
	allow   []*yaml.Node
	deny    []*yaml.Node
}

// read takes one key. Those of all clients are read alike: no two mean
// different things by the same word.
func (e *clientEntry) read(val *yaml.Node) {
	switch {
	case isNull(val):
	case same(e.key, "command"):
		e.command = e.texts(val, true)
	case same(e.key, "args"):
		e.args = e.texts(val, false)
	case same(e.key, "env", "environment"):
		e.env = e.pairs(val)
	case same(e.key, "headers"):
		e.putList("headers", e.pairs(val))
	case same(e.key, "envFile"):
		e.envFile = val
	case same(e.key, "cwd"):
		e.putText("dir", val)
	case same(e.key, "url", "serverUrl", "httpUrl"):
		e.putText("url", val)
		if same(e.key, "httpUrl") {
			e.put("transport", scalar(val, "!!str", "http"))
		}
	case same(e.key, "type", "transportType", "transport"):
		e.putText("transport", val)
	case same(e.key, "disabled"):
		e.switched(val, false)
	case same(e.key, "enabled"):
		e.switched(val, true)
	case same(e.key, "disabledTools", "disabled_tools", "excludeTools"):
		e.deny = append(e.deny, e.globs(val)...)
	case same(e.key, "includeTools"):
		e.allow = append(e.allow, e.globs(val)...)
	case same(e.key, "options"):
		e.options(val)
	case !same(e.key, tolerated...):
		e.warn("%s.%s is not read", e.label, clip(e.key))
	}
}

// finish puts together what several keys have a part in.
func (e *clientEntry) finish() {
	e.putList("command", append(e.command, e.args...))
	if e.off != nil {
		e.put("disabled", e.off)
	}
	if e.envFile != nil {
		e.env = append(e.readEnvFile(e.envFile), e.env...)
	}
	e.putList("env", e.env)
	if len(e.allow)+len(e.deny) > 0 {
		tools := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: e.out.Line, Column: e.out.Column}
		if len(e.allow) > 0 {
			tools.Content = append(tools.Content, scalar(tools, "!!str", "allow"), sequence(e.allow))
		}
		if len(e.deny) > 0 {
			tools.Content = append(tools.Content, scalar(tools, "!!str", "deny"), sequence(e.deny))
		}
		e.put("tools", tools)
	}
}

// put adds a key of ours. The first of several spellings counts.
func (e *clientEntry) put(key string, val *yaml.Node) {
	if field(e.out, key) == nil {
		e.out.Content = append(e.out.Content, scalar(val, "!!str", key), val)
	}
}

func (e *clientEntry) putText(key string, val *yaml.Node) {
	if val.Kind != yaml.ScalarNode || val.ShortTag() != "!!str" {
		e.wrong(val, join(e.label, e.key), "wants a text")
		return
	}
	if val.Value != "" {
		e.put(key, e.copyOf(val, join(e.label, e.key), val.Value))
	}
}

func (e *clientEntry) putList(key string, list []*yaml.Node) {
	if len(list) > 0 {
		e.put(key, sequence(list))
	}
}

func sequence(list []*yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: list, Line: list[0].Line, Column: list[0].Column}
}

// copyOf makes a text that stands where like stands, under the client's label.
func (e *clientEntry) copyOf(like *yaml.Node, label, text string) *yaml.Node {
	n := scalar(like, "!!str", text)
	e.labels[n] = label
	return n
}

// texts reads a list; a single text too where single says so.
func (e *clientEntry) texts(val *yaml.Node, single bool) (list []*yaml.Node) {
	label := join(e.label, e.key)
	switch {
	case single && val.Kind == yaml.ScalarNode && val.ShortTag() == "!!str":
		if val.Value == "" {
			return nil
		}
		return []*yaml.Node{e.copyOf(val, label, val.Value)}
	case val.Kind != yaml.SequenceNode:
		e.wrong(val, label, "wants a list of texts")
		return nil
	}
	for i, item := range val.Content {
		at := fmt.Sprintf("%s[%d]", label, i)
		if item.Kind != yaml.ScalarNode || isNull(item) {
			e.wrong(item, at, "wants a text")
			continue
		}
		list = append(list, e.copyOf(item, at, item.Value)) // a number is taken as it is written
	}
	return list
}

// globs reads tool names, which clients mean literally.
func (e *clientEntry) globs(val *yaml.Node) []*yaml.Node {
	list := e.texts(val, false)
	for _, n := range list {
		n.Value = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(n.Value)
	}
	return list
}

// pairs reads an object of texts as "name=value".
func (e *clientEntry) pairs(val *yaml.Node) (list []*yaml.Node) {
	label := join(e.label, e.key)
	if val.Kind != yaml.MappingNode {
		e.wrong(val, label, "wants an object of texts")
		return nil
	}
	for i := 0; i+1 < len(val.Content); i += 2 {
		key, v := val.Content[i], val.Content[i+1]
		at := join(label, clip(key.Value))
		switch {
		case v.Kind != yaml.ScalarNode:
			e.wrong(v, at, "wants a text")
		case strings.Contains(key.Value, "="):
			e.wrong(key, at, "a name cannot hold '='")
		case isNull(v): // taken away, and there is nothing to take it from
		default:
			list = append(list, e.copyOf(v, at, literal(key.Value)+"="+v.Value))
		}
	}
	return list
}

// switched notes that a server is off, in whichever way it is said.
func (e *clientEntry) switched(val *yaml.Node, on bool) {
	if val.ShortTag() != "!!bool" {
		e.wrong(val, join(e.label, e.key), "wants true or false")
		return
	}
	if strings.EqualFold(val.Value, "true") != on {
		e.off = scalar(val, "!!bool", "true")
	}
}

// options reads the part of an entry where some proxies keep switches.
func (e *clientEntry) options(val *yaml.Node) {
	if off := field(val, "disabled"); off != nil {
		e.switched(off, false)
	}
	filter := field(val, "toolFilter")
	if list := field(filter, "list"); list != nil {
		if mode := field(filter, "mode"); mode != nil && same(mode.Value, "allow") {
			e.allow = append(e.allow, e.globs(list)...)
		} else {
			e.deny = append(e.deny, e.globs(list)...)
		}
	}
}

// readEnvFile reads a file of NAME=value lines that an entry names.
func (e *clientEntry) readEnvFile(val *yaml.Node) (list []*yaml.Node) {
	label := join(e.label, "envFile")
	path, err := e.expander.expand(val.Value)
	if err == nil && path == "" {
		return nil
	}
	var text []byte
	if err == nil {
		path = under(e.workspace(), e.loader.env, path)
		text, _, err = readRegular(path, maxReferred)
	}
	if err != nil {
		if e.off == nil {
			e.wrong(val, label, "%s", err)
		}
		return nil
	}
	e.expander.told(path)
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimPrefix(strings.TrimSpace(line), "export ")
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if name = strings.TrimSpace(name); !ok || name == "" {
			e.wrong(val, label, "line %d of %s is no NAME=value", i+1, path)
			continue
		}
		n := e.copyOf(val, label, literal(name+"="+unquote(strings.TrimSpace(value))))
		e.outside[n] = true
		list = append(list, n)
	}
	return list
}

// unquote takes the quotes off a value of an env file, or the comment behind a
// bare one.
func unquote(s string) string {
	if len(s) > 1 && (s[0] == '"' || s[0] == '\'') {
		if end := strings.LastIndexByte(s, s[0]); end > 0 {
			return s[1:end]
		}
	}
	if before, _, ok := strings.Cut(s, " #"); ok {
		return strings.TrimSpace(before)
	}
	return s
}

func shortHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:4])
}
