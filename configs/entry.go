package configs

import (
	"bytes"
	"cmp"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// pair is one key of a server as it is written.
type pair struct {
	key  string
	text string   // used if list is nil
	list []string // nil for a single value
	bare bool     // a number or truth value: never in quotes
}

// pairs lists what a server says, in the order in which it is written.
func (s Server) pairs() []pair {
	all := []pair{
		{key: "name", text: s.Name}, {key: "command", list: s.Command}, {key: "dir", text: s.Dir},
		{key: "env", list: s.Env}, {key: "url", text: s.URL}, {key: "transport", text: s.transport()},
		{key: "headers", list: s.Headers}, {key: "protocol", text: s.Protocol}, {key: "start", text: s.Start},
		{key: "timeout", text: durationText(s.Timeout)}, {key: "start_timeout", text: durationText(s.StartTimeout)},
	}
	if s.Concurrency != 0 {
		all = append(all, pair{key: "concurrency", text: strconv.Itoa(s.Concurrency), bare: true})
	}
	if s.Disabled {
		all = append(all, pair{key: "disabled", text: "true", bare: true})
	}
	all = append(all, pair{key: "trust", text: s.Trust})
	return slices.DeleteFunc(all, func(p pair) bool { return p.text == "" && len(p.list) == 0 })
}

// transport is the transport under either of its names.
func (s Server) transport() string { return cmp.Or(s.Transport, s.Type) }

func durationText(d Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

// texts are all texts that a server holds.
func (s Server) texts() []string {
	return slices.Concat(s.Command, s.Env, s.Headers, s.Tools.Allow, s.Tools.Deny, s.Tools.Describe, s.Tools.Aliases,
		[]string{s.Name, s.Dir, s.URL, s.Transport, s.Type, s.Protocol, s.Start, s.Trust})
}

// entryTree is the server as plain values.
func entryTree(s Server) map[string]any {
	m := map[string]any{}
	for _, p := range s.pairs() {
		switch {
		case p.list != nil:
			m[p.key] = p.list
		case p.key == "disabled":
			m[p.key] = true
		case p.bare:
			m[p.key] = s.Concurrency
		default:
			m[p.key] = p.text
		}
	}
	if tools := s.Tools.lists(); len(tools) > 0 {
		sub := map[string]any{}
		for _, p := range tools {
			sub[p.key] = p.list
		}
		m["tools"] = sub
	}
	return m
}

func (f Filter) lists() []pair {
	all := []pair{{key: "allow", list: f.Allow}, {key: "deny", list: f.Deny}, {key: "describe", list: f.Describe}, {key: "aliases", list: f.Aliases}}
	return slices.DeleteFunc(all, func(p pair) bool { return len(p.list) == 0 })
}

// String is the pair as YAML on one line.
func (p pair) String() string {
	switch {
	case p.list != nil:
		items := make([]string, len(p.list))
		for i, item := range p.list {
			items[i] = quote(item)
		}
		return p.key + ": [" + strings.Join(items, ", ") + "]"
	case p.bare:
		return p.key + ": " + p.text
	}
	return p.key + ": " + quote(p.text)
}

// entryPairs writes a server, one pair of YAML an element.
func entryPairs(s Server) []string {
	var all []string
	for _, p := range s.pairs() {
		all = append(all, p.String())
	}
	if tools := s.Tools.lists(); len(tools) > 0 {
		parts := make([]string, len(tools))
		for i, p := range tools {
			parts[i] = p.String()
		}
		all = append(all, "tools: {"+strings.Join(parts, ", ")+"}")
	}
	return all
}

var plainText = regexp.MustCompile(`^(?:-{0,2}[A-Za-z]|[/_]|\.\.?/)[A-Za-z0-9_./@+:=?%~-]*$`)

// quote writes a text as YAML, in double quotes unless it is plainly a text.
func quote(s string) string {
	if plainText.MatchString(s) && !strings.HasSuffix(s, ":") {
		var n yaml.Node
		if yaml.Unmarshal([]byte(s), &n) == nil && len(n.Content) == 1 && n.Content[0].ShortTag() == "!!str" && !reserved(s) {
			return s
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b) // JSON's quotes are YAML's
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err) // a string always encodes
	}
	return strings.ReplaceAll(strings.TrimSuffix(b.String(), "\n"), "\x7f", `\x7f`)
}

// reserved knows the words that other readers of YAML take for truth values.
func reserved(s string) bool {
	return slices.Contains([]string{"y", "n", "yes", "no", "on", "off"}, strings.ToLower(s))
}
