package catalog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
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
	maxParams      = 256 // top-level parameters read; the largest of 4,633 real schemas has 205
	maxEnumShown   = 5   // longer enums show only their type
	maxNestedShown = 6   // members shown of a nested object
	maxRefs        = 8   // references followed in a row
)

// schema is the little of JSON Schema that a signature needs. Members are raw
// because real schemas put anything anywhere.
type schema struct {
	Type        json.RawMessage   `json:"type"`
	Ref         json.RawMessage   `json:"$ref"`
	Properties  json.RawMessage   `json:"properties"`
	Required    json.RawMessage   `json:"required"`
	Items       json.RawMessage   `json:"items"`
	Enum        []json.RawMessage `json:"enum"`
	Const       json.RawMessage   `json:"const"`
	AnyOf       []json.RawMessage `json:"anyOf"`
	OneOf       []json.RawMessage `json:"oneOf"`
	AllOf       []json.RawMessage `json:"allOf"`
	Description json.RawMessage   `json:"description"`
}

// schemaReader renders types out of one root schema, whose $defs it follows.
type schemaReader struct{ root json.RawMessage }

// params reads the top-level parameters of an input schema: required ones
// first, each group in the order of the schema.
func params(root json.RawMessage) []Param {
	r := schemaReader{root}
	s, ok := r.resolve(root)
	if !ok {
		return nil
	}
	var out []Param
	for _, p := range r.merged(s) {
		if len(out) == maxParams {
			break
		}
		out = append(out, r.param(p))
	}
	slices.SortStableFunc(out, func(a, b Param) int {
		switch {
		case a.Required == b.Required:
			return 0
		case a.Required:
			return -1
		default:
			return 1
		}
	})
	return out
}

// member is one property with the schema it has.
type member struct {
	name     string
	raw      json.RawMessage
	required bool
}

// merged gives an object's properties, those of its allOf parts included.
func (r schemaReader) merged(s schema) []member {
	all := r.members(s)
	for _, part := range s.AllOf {
		if sub, ok := r.resolve(part); ok {
			all = append(all, r.members(sub)...)
		}
	}
	var required []string
	for _, part := range append([]json.RawMessage{s.Required}, requiredOf(s.AllOf)...) {
		var names []string
		_ = json.Unmarshal(part, &names)
		required = append(required, names...)
	}
	for i := range all {
		all[i].required = slices.Contains(required, all[i].name)
	}
	return all
}

func requiredOf(parts []json.RawMessage) (out []json.RawMessage) {
	for _, p := range parts {
		var s schema
		if json.Unmarshal(p, &s) == nil && s.Required != nil {
			out = append(out, s.Required)
		}
	}
	return out
}

// members gives the properties of an object schema in the order of the text,
// which json.Unmarshal into a map would lose.
func (r schemaReader) members(s schema) (out []member) {
	d := json.NewDecoder(bytes.NewReader(s.Properties))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil
	}
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return out
		}
		var raw json.RawMessage
		if d.Decode(&raw) != nil {
			return out
		}
		out = append(out, member{name: name, raw: raw})
	}
	return out
}

func (r schemaReader) param(m member) Param {
	p := Param{Name: m.name, Required: m.required, Type: r.typeOf(m.raw, 1)}
	s, ok := r.resolve(m.raw)
	if !ok {
		return p
	}
	p.Description = text(s.Description)
	var own schema // a description beside $ref belongs to the parameter
	if json.Unmarshal(m.raw, &own) == nil && own.Description != nil {
		p.Description = text(own.Description)
	}
	for _, v := range s.Enum {
		p.Enum = append(p.Enum, plain(v))
	}
	if items, ok := r.resolve(s.Items); ok && p.Enum == nil {
		for _, v := range items.Enum {
			p.Enum = append(p.Enum, plain(v))
		}
	}
	return p
}

// resolve decodes a schema and follows local references.
func (r schemaReader) resolve(raw json.RawMessage) (schema, bool) {
	for range maxRefs {
		var s schema
		if len(raw) == 0 || json.Unmarshal(raw, &s) != nil {
			return schema{}, false
		}
		ref := text(s.Ref)
		if ref == "" {
			return s, true
		}
		if raw = r.pointer(ref); raw == nil {
			return schema{}, false
		}
	}
	return schema{}, false
}

// pointer finds the target of a reference such as #/$defs/Item in the root.
func (r schemaReader) pointer(ref string) json.RawMessage {
	path, local := strings.CutPrefix(ref, "#")
	if !local {
		return nil
	}
	at := r.root
	for step := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		if step == "" {
			continue
		}
		var m map[string]json.RawMessage
		if json.Unmarshal(at, &m) != nil {
			return nil
		}
		step = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
		if at = m[step]; at == nil {
			return nil
		}
	}
	return at
}

// typeOf renders a schema as the type of a parameter. depth counts how many
// levels of nested objects may still be shown.
func (r schemaReader) typeOf(raw json.RawMessage, depth int) string {
	s, ok := r.resolve(raw)
	if !ok {
		return "any"
	}
	switch {
	case s.Const != nil:
		return clip(compact(s.Const))
	case len(s.Enum) > 0 && len(s.Enum) <= maxEnumShown:
		values := make([]string, len(s.Enum))
		for i, v := range s.Enum {
			values[i] = clip(compact(v))
		}
		return strings.Join(values, "|")
	case len(s.Enum) > maxEnumShown:
		return enumType(s)
	}
	if union := append(slices.Clone(s.AnyOf), s.OneOf...); len(union) > 0 && s.Properties == nil {
		return r.union(union, depth)
	}
	var types []string
	if one := text(s.Type); one != "" {
		types = []string{one}
	} else {
		_ = json.Unmarshal(s.Type, &types)
	}
	types = slices.DeleteFunc(types, func(t string) bool { return t == "null" })
	if len(types) == 0 {
		switch {
		case s.Properties != nil || s.AllOf != nil:
			types = []string{"object"}
		case s.Items != nil:
			types = []string{"array"}
		default:
			return "any"
		}
	}
	for i, t := range types {
		switch t {
		case "object":
			types[i] = r.object(s, depth)
		case "array":
			types[i] = r.array(s, depth)
		}
	}
	return strings.Join(types, "|")
}

func enumType(s schema) string {
	if t := text(s.Type); t != "" {
		return t
	}
	if len(s.Enum) > 0 && bytes.HasPrefix(s.Enum[0], []byte(`"`)) {
		return "string"
	}
	return "any"
}

func (r schemaReader) union(options []json.RawMessage, depth int) string {
	var types []string
	for _, o := range options {
		var s schema
		if json.Unmarshal(o, &s) == nil && text(s.Type) == "null" {
			continue
		}
		if t := r.typeOf(o, depth); !slices.Contains(types, t) {
			types = append(types, t)
		}
	}
	if len(types) == 0 || len(types) > maxEnumShown {
		return "any"
	}
	return strings.Join(types, "|")
}

func (r schemaReader) array(s schema, depth int) string {
	if s.Items == nil {
		return "any[]"
	}
	item := r.typeOf(s.Items, depth)
	if strings.Contains(item, "|") && !strings.HasPrefix(item, "{") {
		item = "(" + item + ")"
	}
	return item + "[]"
}

func (r schemaReader) object(s schema, depth int) string {
	all := r.merged(s)
	if depth == 0 || len(all) == 0 {
		return "{…}"
	}
	var parts []string
	for _, m := range all {
		if m.required || len(parts) < maxNestedShown {
			parts = append(parts, field(m.name, m.required, r.typeOf(m.raw, depth-1)))
		}
	}
	if len(parts) < len(all) {
		parts = append(parts, "…")
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func field(name string, required bool, typ string) string {
	if required {
		return name + ": " + typ
	}
	return name + "?: " + typ
}

// Signature is how a parameter is written in a tool's one-line signature.
func (p Param) Signature() string { return field(showName(p.Name), p.Required, p.Type) }

// showName quotes a parameter's name where it could be read as something else.
func showName(name string) string {
	for _, r := range name {
		if !isNameRune(r) && r != '.' && r != '$' && r != '@' {
			return strconv.Quote(clip(name))
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

// plain is a JSON value as a person would write it: strings without quotes.
func plain(raw json.RawMessage) string {
	if s := text(raw); s != "" {
		return s
	}
	return compact(raw)
}

// clip keeps hostile or very long literals out of signatures.
func clip(s string) string {
	const max = 60
	s = Printable(s)
	if len(s) <= max {
		return s
	}
	return fmt.Sprintf("%.*s…", max, s)
}
