package configs

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// hidden stands for a value that is not shown.
const hidden = "…"

// Redacted gives a copy that can be shown. "…" stands for what references were
// replaced in, the values of env and headers, and what of a URL or a command's
// arguments looks like a secret: see [secretLooking].
func (c *Config) Redacted() *Config {
	type plain Config
	out := *c
	out.Search.Embedder = c.Search.Embedder.redacted()
	out.Servers = make([]Server, len(c.Servers))
	for i, s := range c.Servers {
		out.Servers[i] = s.redacted()
	}
	tree := jsonTree(plain(out))
	decoded := new(plain)
	text, err := json.Marshal(hide(tree, "", c.expanded))
	if err == nil {
		err = json.Unmarshal(text, decoded)
	}
	if err != nil { // what was marshalled from a Config always fits one
		panic(err)
	}
	shown := Config(*decoded)
	shown.Path, shown.Source, shown.Reads, shown.Warnings = c.Path, c.Source, slices.Clone(c.Reads), slices.Clone(c.Warnings)
	return &shown
}

// redacted hides the values that are secrets wherever they came from.
func (s Server) redacted() Server {
	s.Env, s.Headers, s.URL = hidePairs(s.Env), hidePairs(s.Headers), hideURL(s.URL)
	s.Command = hideArguments(s.Command)
	return s
}

// redacted hides the values that are secrets wherever they came from.
func (e Embedder) redacted() Embedder {
	e.Headers, e.URL = hidePairs(e.Headers), hideURL(e.URL)
	if e.Key != "" {
		e.Key = hidden
	}
	return e
}

// String is what may be printed of an endpoint.
func (e Embedder) String() string { return e.Remote().String() }

// GoString keeps %#v from printing secrets.
func (e Embedder) GoString() string { return e.String() }

// LogValue leaves out everything that may be secret.
func (e Embedder) LogValue() slog.Value { return e.Remote().LogValue() }

func hidePairs(pairs []string) []string {
	out := slices.Clone(pairs)
	for i, pair := range out {
		name, _, _ := strings.Cut(pair, "=")
		out[i] = name + "=" + hidden
	}
	return out
}

// jsonTree gives a value as maps, lists, texts and numbers.
func jsonTree(v any) any {
	text, err := json.Marshal(v)
	var tree any
	if err == nil {
		err = json.Unmarshal(text, &tree)
	}
	if err != nil {
		panic(err)
	}
	return tree
}

// hide replaces the texts at the given key paths, but not in pairs, which keep
// their names.
func hide(v any, path string, secret map[string]bool) any {
	switch v := v.(type) {
	case map[string]any:
		for key := range v {
			v[key] = hide(v[key], join(path, key), secret)
		}
	case []any:
		for i := range v {
			v[i] = hide(v[i], fmt.Sprintf("%s[%d]", path, i), secret)
		}
	case string:
		pair := strings.Contains(path, "].env[") || strings.Contains(path, ".headers[")
		unit := strings.HasSuffix(path, "timeout") || path == "http.max_body"
		if secret[path] && !pair && !unit {
			return hidden
		}
	}
	return v
}

// YAML writes the config as a file would, secrets included unless it is a
// Redacted one.
func (c *Config) YAML() ([]byte, error) {
	type plain Config
	text, err := json.Marshal((*plain)(c)) // JSON is YAML, and keeps the order of the keys
	if err != nil {
		return nil, err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	blockStyle(&doc)
	var b strings.Builder
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(&doc); err != nil {
		return nil, err
	}
	return []byte(b.String()), e.Close()
}

// blockStyle undoes JSON's brackets and quotes, save for lists of texts.
func blockStyle(n *yaml.Node) {
	n.Style = 0
	if n.Kind == yaml.SequenceNode && !slices.ContainsFunc(n.Content, func(c *yaml.Node) bool { return c.Kind != yaml.ScalarNode }) {
		n.Style = yaml.FlowStyle
	}
	for _, c := range n.Content {
		blockStyle(c)
	}
}

// LogValue leaves out everything that may be secret.
func (c Config) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("path", c.Path), slog.String("source", string(c.Source)),
		slog.String("listen", c.Listen), slog.Int("servers", len(c.Servers)))
}

// String is what may be printed of a config.
func (c Config) String() string {
	return fmt.Sprintf("config %s (%s, %d servers)", c.Path, c.Source, len(c.Servers))
}

// GoString keeps %#v from printing secrets.
func (c Config) GoString() string { return c.String() }

// LogValue leaves out everything that may be secret.
func (s Server) LogValue() slog.Value { return s.Spec(0).LogValue() }

// String is what may be printed of a server.
func (s Server) String() string { return "server " + s.Name }

// GoString keeps %#v from printing secrets.
func (s Server) GoString() string { return s.String() }
