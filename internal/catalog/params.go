package catalog

import (
	"bytes"
	"cmp"
	"encoding/json"
	"iter"
	"slices"
	"strconv"
)

// Param is one top-level parameter of a tool.
type Param struct {
	Name        string
	Type        string // as shown in a signature: string, integer[], "open"|"closed", {title: string, …}
	Description string
	Enum        []string // the values it may take, as text; nil if it is free
	Required    bool
}

const (
	maxParams  = 256 // top-level parameters read; the largest of 4,633 real schemas has 205
	maxLiteral = 60  // bytes shown of a value or a name, for they may be hostile or very long
)

// params reads the top-level parameters of an input schema: required ones
// first, each group in the order of the schema.
func params(root json.RawMessage) []Param {
	r := newSchemaReader(root)
	s, refs, ok := r.resolve(root, nil)
	if !ok {
		return nil
	}
	all := r.members(s, refs)
	slices.SortStableFunc(all, func(a, b member) int { return cmp.Compare(rank(a), rank(b)) })
	var out []Param
	for _, m := range all[:min(len(all), maxParams)] {
		out = append(out, r.param(m))
	}
	return out
}

func rank(m member) int {
	if m.required {
		return 0
	}
	return 1
}

// param reads one parameter.
func (r *schemaReader) param(m member) Param {
	p := Param{Name: m.name, Required: m.required, Type: "any"}
	s, refs, ok := r.resolve(m.raw, nil)
	if !ok {
		return p
	}
	p.Type = r.typeIn(s, 1, refs)
	p.Description = text(s["description"])
	if len(refs) > 0 { // a description beside $ref belongs to the parameter
		if own := r.object(m.raw)["description"]; own != nil {
			p.Description = text(own)
		}
	}
	for _, v := range r.values(s, refs) {
		p.Enum = append(p.Enum, plain(v))
	}
	return p
}

// values are what a parameter, or each item of a list, may be.
func (r *schemaReader) values(s schema, refs []string) []json.RawMessage {
	if own := r.list(s["enum"]); len(own) > 0 {
		return own
	}
	items, _, _ := r.resolve(s["items"], refs)
	return r.list(items["enum"])
}

// member is one property of an object with the schema it has.
type member struct {
	name     string
	raw      json.RawMessage
	required bool
}

// members gives an object's properties, those of its allOf parts included. Of
// several by one name the first counts.
func (r *schemaReader) members(s schema, refs []string) (all []member) {
	seen, required := map[string]bool{}, map[string]bool{}
	for _, part := range r.parts(s, refs) {
		for name, raw := range r.inOrder(part["properties"]) {
			if !seen[name] {
				seen[name] = true
				all = append(all, member{name: name, raw: raw})
			}
		}
		for _, name := range r.list(part["required"]) {
			required[text(name)] = true
		}
	}
	for i := range all {
		all[i].required = required[all[i].name]
	}
	return all
}

// parts gives a schema and everything its allOf adds to it.
func (r *schemaReader) parts(s schema, refs []string) []schema {
	all := []schema{s}
	for _, raw := range r.list(s["allOf"]) {
		if part, refs, ok := r.resolve(raw, refs); ok {
			all = append(all, r.parts(part, refs)...)
		}
	}
	return all
}

// inOrder iterates over the members of an object in the order of the text, which
// a map would lose.
func (r *schemaReader) inOrder(raw json.RawMessage) iter.Seq2[string, json.RawMessage] {
	return func(yield func(string, json.RawMessage) bool) {
		if !r.afford(raw) {
			return
		}
		d := json.NewDecoder(bytes.NewReader(raw))
		if t, err := d.Token(); err != nil || t != json.Delim('{') {
			return
		}
		for d.More() {
			t, err := d.Token()
			name, ok := t.(string)
			var value json.RawMessage
			if err != nil || !ok || d.Decode(&value) != nil || !yield(name, value) {
				return
			}
		}
	}
}

// Signature is how a parameter is written in a tool's one-line signature.
func (p Param) Signature() string { return field(showName(p.Name), p.Required, p.Type) }

func field(name string, required bool, typ string) string {
	if required {
		return name + ": " + typ
	}
	return name + "?: " + typ
}

// showName quotes a parameter's name where it could be read as something else.
func showName(name string) string {
	for _, r := range name {
		if !isNameRune(r) && r != '.' && r != '$' && r != '@' {
			return strconv.Quote(Clip(Printable(name), maxLiteral))
		}
	}
	return name
}

// compact is a JSON value on one line.
func compact(raw json.RawMessage) string {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return "any"
	}
	return b.String()
}

// literal is a JSON value as a signature shows it.
func literal(raw json.RawMessage) string { return Clip(Printable(compact(raw)), maxLiteral) }

// plain is a JSON value as a person would write it: strings without quotes.
func plain(raw json.RawMessage) string {
	if s := text(raw); s != "" {
		return s
	}
	return compact(raw)
}
