package router

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"toolrouter/internal/catalog"
)

// This file tells a caller what is wrong with arguments, so that the next try is
// right.

const (
	maxProblems  = 8
	maxFragment  = 700  // bytes of one piece of schema
	maxFragments = 1600 // and of all of them
	maxSignature = 1200
	maxValues    = 12 // of an enum, spelt out
)

// problem is one thing that is wrong.
type problem struct {
	path   []string // in the arguments
	text   string
	schema []string // where in the input schema it says so, "" at its end for the parameters there; nil if the text says it all
}

// refusal is the answer to arguments that were not sent.
func refusal(t *catalog.Tool, lines ...string) string {
	return fmt.Sprintf("%s was not called: its arguments do not fit.\n%s\nsignature: %s",
		t.Name, strings.Join(lines, "\n"), boundedSignature(t))
}

// boundedSignature is a tool's signature, with fewer details if it is very long.
func boundedSignature(t *catalog.Tool) string {
	e := newEntry(t)
	for _, f := range []form{{optional: e.ready}, {}, {width: 1}, {width: 2}} {
		if line := e.line(f); len(line) <= maxSignature {
			return line
		}
	}
	return e.line(form{width: 3})
}

// explain says what is wrong at which path, and shows the pieces of schema that
// answer it.
func explain(t *catalog.Tool, bad *jsonschema.ValidationError) string {
	found := problems(bad)
	slices.SortStableFunc(found, func(a, b problem) int {
		return cmp.Or(slices.Compare(a.path, b.path), strings.Compare(a.text, b.text))
	})
	found = slices.CompactFunc(found, func(a, b problem) bool { return slices.Equal(a.path, b.path) && a.text == b.text })
	var lines []string
	for i, p := range found {
		if i == maxProblems {
			lines = append(lines, fmt.Sprintf("- and %d more", len(found)-i))
			break
		}
		lines = append(lines, "- "+where(p.path)+": "+p.text)
	}
	var text strings.Builder
	text.WriteString(refusal(t, lines...))
	for _, f := range fragments(t.InputSchema(), found) {
		text.WriteString("\n" + f)
	}
	return text.String()
}

func where(path []string) string {
	if len(path) == 0 {
		return "the arguments"
	}
	return shown(pointer(path), 120)
}

// problems reads the tree of a failed check.
func problems(e *jsonschema.ValidationError) []problem {
	at := schemaPath(e.SchemaURL)
	one := func(text string, schema []string) []problem { return []problem{{e.InstanceLocation, text, schema}} }
	switch k := e.ErrorKind.(type) {
	case *kind.Required:
		var out []problem
		for _, name := range k.Missing {
			out = append(out, problem{with(e.InstanceLocation, name), "is required and missing", with(at, "properties", name)})
		}
		return out
	case *kind.AdditionalProperties:
		return forbidden(e.InstanceLocation, k.Properties, at)
	case *kind.FalseSchema:
		return one("is not allowed", nil)
	case *kind.Type:
		return one(fmt.Sprintf("must be %s, got %s", oneOf(k.Want), k.Got), at)
	case *kind.Enum:
		return one("must be "+oneOf(valuesText(k.Want)), nil)
	case *kind.Const:
		return one("must be "+oneOf(valuesText([]any{k.Want})), nil)
	case *kind.AnyOf, *kind.OneOf:
		return alternatives(e, at)
	}
	if len(e.Causes) == 0 {
		return one(libraryText(e), at)
	}
	var out []problem
	for _, c := range e.Causes {
		out = append(out, problems(c)...)
	}
	return out
}

// forbidden tells of parameters that a schema does not have.
func forbidden(path, names, at []string) []problem {
	var out []problem
	for _, name := range names {
		out = append(out, problem{with(path, name), "is not a parameter", with(at, "")})
	}
	return out
}

// alternatives tells why none of several schemas fits. If only one of them is
// meant for this kind of value, that one's problems are the answer.
func alternatives(e *jsonschema.ValidationError, at []string) []problem {
	var meant []*jsonschema.ValidationError
	var types []string
	for _, c := range e.Causes {
		if want, ok := otherType(c, e.InstanceLocation); ok {
			types = append(types, want...)
		} else {
			meant = append(meant, c)
		}
	}
	switch {
	case len(e.Causes) == 0:
		return []problem{{e.InstanceLocation, "fits more than one of the forms of which it must have one", at}}
	case len(meant) == 1:
		return problems(meant[0])
	case len(meant) == 0:
		slices.Sort(types)
		return []problem{{e.InstanceLocation, "must be " + oneOf(slices.Compact(types)), at}}
	}
	text := fmt.Sprintf("fits none of the %d forms it may have", len(e.Causes))
	if first := problems(meant[0]); len(first) > 0 {
		text += fmt.Sprintf("; for one of them, %s %s", where(first[0].path), first[0].text)
	}
	return []problem{{e.InstanceLocation, text, at}}
}

// otherType reports whether a value failed for being of another type altogether.
func otherType(e *jsonschema.ValidationError, path []string) (want []string, ok bool) {
	for leaf := range leaves(e) {
		k, isType := leaf.ErrorKind.(*kind.Type)
		if !isType || !slices.Equal(leaf.InstanceLocation, path) {
			return nil, false
		}
		want = append(want, k.Want...)
	}
	return want, true
}

// libraryText is the library's own description of one cause.
func libraryText(e *jsonschema.ValidationError) string {
	text := (&jsonschema.ValidationError{ErrorKind: e.ErrorKind}).Error()
	if _, after, ok := strings.Cut(text, ": "); ok {
		text = after
	}
	return shown(text, 300)
}

func valuesText(values []any) []string {
	var out []string
	for i, v := range values {
		if i == maxValues {
			return append(out, "…")
		}
		text, err := marshalPlain(v)
		if err == nil {
			out = append(out, shown(string(text), 60))
		}
	}
	return out
}

func oneOf(all []string) string {
	if len(all) == 1 {
		return all[0]
	}
	return "one of " + strings.Join(all, ", ")
}

func with(path []string, more ...string) []string { return append(slices.Clip(path), more...) }

// schemaPath is where in the input schema a location of the library points.
func schemaPath(location string) []string {
	_, fragment, _ := strings.Cut(location, "#")
	path := []string{}
	for step := range strings.SplitSeq(strings.TrimPrefix(fragment, "/"), "/") {
		if plain, err := url.PathUnescape(step); err == nil && step != "" {
			path = append(path, strings.NewReplacer("~1", "/", "~0", "~").Replace(plain))
		}
	}
	return path
}

// fragments shows the pieces of a schema that problems point to, as far as they
// are small.
func fragments(schema json.RawMessage, found []problem) []string {
	var out []string
	room := maxFragments
	seen := map[string]bool{}
	for _, p := range found[:min(len(found), maxProblems)] {
		key := pointer(p.schema)
		if p.schema == nil || seen[key] {
			continue
		}
		seen[key] = true
		line := fragment(schema, p)
		if line == "" || len(line) > room {
			continue
		}
		room -= len(line)
		out = append(out, line)
	}
	return out
}

func fragment(schema json.RawMessage, p problem) string {
	if last := len(p.schema) - 1; last >= 0 && p.schema[last] == "" {
		return allowed(schema, p.path, p.schema[:last])
	}
	var b bytes.Buffer
	if len(p.schema) == 0 || json.Compact(&b, locate(schema, p.schema...)) != nil || b.Len() > maxFragment {
		return ""
	}
	return "schema of " + where(p.path) + ": " + catalog.Printable(b.String())
}

// allowed lists the parameters that may stand where one may not, the nearest by
// name first in line.
func allowed(schema json.RawMessage, path, object []string) string {
	props, ok := members(locate(schema, with(object, "properties")...))
	if !ok {
		return ""
	}
	var names []string
	for _, p := range props {
		names = append(names, p.name)
	}
	text := ""
	for _, near := range nearest(path[len(path)-1], names, 1) {
		text = fmt.Sprintf("for %s, did you mean %s? ", where(path), quoted(near))
	}
	if len(names) == 0 {
		return text + where(path[:len(path)-1]) + " takes no parameters"
	}
	return text + "parameters of " + where(path[:len(path)-1]) + ": " + shown(strings.Join(names, ", "), maxFragment)
}
