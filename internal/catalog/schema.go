package catalog

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

const (
	maxEnumShown   = 5 // longer enums show only their type
	maxNestedShown = 6 // members shown of a nested object
	maxRefs        = 8 // references followed on the way down to one type
)

// schema is one schema that is an object. Its members are raw because real ones
// hold anything anywhere: one that is odd loses only itself.
type schema map[string]json.RawMessage

// schemaReader renders types out of one root schema, whose $defs it follows.
//
// References make a small schema as large as one likes: a type may hold itself,
// or two of the next which holds two of the next. So no reference is followed
// within itself, and all reading of one root together is limited to a few times
// its length. Past that everything is "any".
type schemaReader struct {
	root    json.RawMessage
	objects map[string]schema // what references have passed through, by their path so far
	left    int               // bytes that may still be read
}

// What reading one root may cost. Of 4,633 real schemas none needs more than
// fourteen times its length.
const (
	readFactor = 16
	readLeast  = 64 << 10
	readEach   = 16 // what a value costs however short it is
)

func newSchemaReader(root json.RawMessage) *schemaReader {
	return &schemaReader{root: root, objects: map[string]schema{}, left: readLeast + readFactor*len(root)}
}

// afford pays for reading a value, or tells that there is none or no more budget.
func (r *schemaReader) afford(raw json.RawMessage) bool {
	r.left -= len(raw) + readEach
	return len(raw) > 0 && r.left >= 0
}

// object reads a JSON object, nil if it is none.
func (r *schemaReader) object(raw json.RawMessage) (s schema) {
	if !r.afford(raw) || json.Unmarshal(raw, &s) != nil {
		return nil
	}
	return s
}

// list reads a JSON array, nil if it is none.
func (r *schemaReader) list(raw json.RawMessage) (values []json.RawMessage) {
	if !r.afford(raw) || json.Unmarshal(raw, &values) != nil {
		return nil
	}
	return values
}

// resolve reads a schema and follows local references. refs are those that led
// to it; the result holds those that were followed too.
func (r *schemaReader) resolve(raw json.RawMessage, refs []string) (schema, []string, bool) {
	for {
		s := r.object(raw)
		ref := text(s["$ref"])
		if s == nil || ref == "" {
			return s, refs, s != nil
		}
		if len(refs) == maxRefs || slices.Contains(refs, ref) {
			return nil, nil, false
		}
		refs = append(slices.Clip(refs), ref)
		raw = r.pointer(ref)
	}
}

// pointer finds the target of a reference such as #/$defs/Item in the root, nil
// if there is none.
func (r *schemaReader) pointer(ref string) json.RawMessage {
	path, local := strings.CutPrefix(ref, "#")
	if !local {
		return nil
	}
	at, read := r.root, 0
	for step := range strings.SplitSeq(path, "/") {
		if step != "" {
			within, ok := r.objects[path[:read]]
			if !ok {
				within = r.object(at)
				r.objects[path[:read]] = within
			}
			if at = within[unescape.Replace(step)]; at == nil {
				return nil
			}
		}
		read += len(step) + len("/")
	}
	return at
}

// unescape undoes what RFC 6901 does to a name in a reference.
var unescape = strings.NewReplacer("~1", "/", "~0", "~")

// typeOf renders a schema as the type of a parameter. depth counts how many
// levels of nested objects may still be shown; refs are the references within
// which it stands.
func (r *schemaReader) typeOf(raw json.RawMessage, depth int, refs []string) string {
	s, refs, ok := r.resolve(raw, refs)
	if !ok {
		return "any"
	}
	return r.typeIn(s, depth, refs)
}

// typeIn is typeOf for a schema that has been read.
func (r *schemaReader) typeIn(s schema, depth int, refs []string) string {
	if value := s["const"]; value != nil {
		return literal(value)
	}
	if values := r.list(s["enum"]); len(values) > 0 {
		return enumType(s, values)
	}
	options := append(r.list(s["anyOf"]), r.list(s["oneOf"])...)
	if len(options) > 0 && s["properties"] == nil {
		return r.unionType(options, depth, refs)
	}
	types := r.typeNames(s, refs)
	for i, t := range types {
		switch t {
		case "object":
			types[i] = r.objectType(s, depth, refs)
		case "array":
			types[i] = r.arrayType(s, depth, refs)
		}
	}
	return strings.Join(types, "|")
}

// typeNames gives the types that a schema names, or else what its other members
// make it. That it may also be null says nothing to who has a value.
func (r *schemaReader) typeNames(s schema, refs []string) []string {
	types := []string{text(s["type"])}
	for _, t := range r.list(s["type"]) {
		types = append(types, text(t))
	}
	null := slices.Contains(types, "null")
	types = slices.DeleteFunc(types, func(t string) bool { return t == "" || t == "null" })
	switch {
	case len(types) > 0:
		return types
	case null:
		return []string{"null"}
	case s["properties"] != nil:
		return []string{"object"}
	case s["items"] != nil:
		return []string{"array"}
	}
	return r.narrowest(r.list(s["allOf"]), refs)
}

// narrowest gives the fewest types that one of the parts of an allOf leaves.
func (r *schemaReader) narrowest(parts []json.RawMessage, refs []string) []string {
	least := []string{"any"}
	for _, raw := range parts {
		if s, refs, ok := r.resolve(raw, refs); ok {
			types := r.typeNames(s, refs)
			if types[0] != "any" && (least[0] == "any" || len(types) < len(least)) {
				least = types
			}
		}
	}
	return least
}

func enumType(s schema, values []json.RawMessage) string {
	if len(values) <= maxEnumShown {
		shown := make([]string, len(values))
		for i, v := range values {
			shown[i] = literal(v)
		}
		return strings.Join(shown, "|")
	}
	if t := text(s["type"]); t != "" {
		return t
	}
	if bytes.HasPrefix(values[0], []byte(`"`)) {
		return "string"
	}
	return "any"
}

func (r *schemaReader) unionType(options []json.RawMessage, depth int, refs []string) string {
	var types []string
	for _, o := range options {
		if t := r.typeOf(o, depth, refs); t != "null" && !slices.Contains(types, t) {
			types = append(types, t)
		}
		if len(types) > maxEnumShown {
			return "any"
		}
	}
	if len(types) == 0 {
		return "any"
	}
	return strings.Join(types, "|")
}

func (r *schemaReader) arrayType(s schema, depth int, refs []string) string {
	item := r.typeOf(s["items"], depth, refs)
	if strings.Contains(item, "|") && !strings.HasPrefix(item, "{") {
		item = "(" + item + ")"
	}
	return item + "[]"
}

// objectType shows one level of an object. Its members stand within no reference
// any more: it is depth that ends them.
func (r *schemaReader) objectType(s schema, depth int, refs []string) string {
	if depth == 0 {
		return "{…}"
	}
	all := r.members(s, refs)
	var parts []string
	for _, m := range all {
		if m.required || len(parts) < maxNestedShown {
			parts = append(parts, field(m.name, m.required, r.typeOf(m.raw, depth-1, nil)))
		}
	}
	if len(parts) < len(all) || len(all) == 0 {
		parts = append(parts, "…")
	}
	return "{" + strings.Join(parts, ", ") + "}"
}
