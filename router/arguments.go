package router

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"toolrouter/internal/catalog"
)

const (
	maxMendRounds = 4 // a string of JSON may hold values that need mending themselves
	maxMends      = 32
)

// fitted are arguments that may be sent, or the reason why they may not.
type fitted struct {
	args   json.RawMessage // as the caller wrote them, but for what was mended
	mended []mend
	refuse string // for the caller; "" if the arguments fit
}

// fit checks a call's arguments against the tool's schema and mends what can be
// mended without loss. Arguments that are right go on byte for byte.
func (r *Router) fit(t *catalog.Tool, req CallRequest) fitted {
	out := fitted{args: req.Arguments, mended: req.mended}
	if len(out.args) == 0 {
		out.args = json.RawMessage("{}")
	}
	v, err := decode(out.args)
	if err != nil {
		out.refuse = refusal(t, "the arguments cannot be read: "+err.Error())
		return out
	}
	object, ok := v.(map[string]any)
	if !ok {
		out.refuse = refusal(t, "the arguments must be an object")
		return out
	}
	if inner, ok := r.unwrap(t, object, out.args); ok {
		out.args = inner
		out.mended = append(slices.Clip(out.mended), mend{Path: "/arguments", Was: "arguments within arguments", Now: "the inner ones"})
		if v, err = decode(inner); err != nil {
			out.refuse = refusal(t, "the arguments cannot be read: "+err.Error())
			return out
		}
	}
	schema := r.schemas.of(t, r.log)
	if bad := schema.check(v, r.log); bad != nil {
		out.mendAll(schema, bad, t, r)
	}
	return out
}

// unwrap finds the arguments in {"arguments":{…}}, with or without the tool's own
// name beside them, where the tool has no parameter of that name.
func (r *Router) unwrap(t *catalog.Tool, object map[string]any, raw json.RawMessage) (json.RawMessage, bool) {
	if _, ok := object["arguments"]; !ok || len(object) > 2 || hasParam(t, "arguments") {
		return nil, false
	}
	if len(object) == 2 {
		name, _ := object["name"].(string)
		found := r.state.Load().view.Snapshot.Resolve(name)
		if len(found) != 1 || found[0].ID != t.ID {
			return nil, false
		}
	}
	at, ok := locate(raw, []string{"arguments"})
	if !ok {
		return nil, false
	}
	inner := at.text(raw)
	switch inner[0] {
	case '{':
		return inner, true
	case '"':
		return jsonInString(inner, '{')
	}
	return nil, false
}

func hasParam(t *catalog.Tool, name string) bool {
	return slices.ContainsFunc(t.Params, func(p catalog.Param) bool { return p.Name == name })
}

// mendAll mends what is wrong until nothing is, or until nothing more can be done.
func (f *fitted) mendAll(schema *compiled, bad *jsonschema.ValidationError, t *catalog.Tool, r *Router) {
	args, mended := f.args, slices.Clip(f.mended)
	for range maxMendRounds {
		edits := mendable(args, bad)
		if len(edits) == 0 || len(mended)+len(edits) > maxMends {
			break
		}
		for _, e := range edits { // from the end, so that positions stay right
			mended = append(mended, mend{Path: pointer(e.path), Was: shown(string(e.at.text(args)), 60), Now: shown(string(e.now), 60)})
			args = splice(args, e.at, e.now)
		}
		v, err := decode(args)
		if err != nil {
			f.refuse = refusal(t, "the arguments cannot be read: "+err.Error())
			return
		}
		if bad = schema.check(v, r.log); bad == nil {
			slices.SortStableFunc(mended, func(a, b mend) int { return strings.Compare(a.Path, b.Path) })
			f.args, f.mended = args, mended
			return
		}
	}
	f.refuse = explain(t, bad)
}

// edit puts one value in the place of another.
type edit struct {
	path []string
	at   part
	now  json.RawMessage
}

// mendable finds the values that are wrong only in how they are written, last
// one first.
func mendable(args json.RawMessage, bad *jsonschema.ValidationError) []edit {
	var edits []edit
	seen := map[string]bool{}
	for leaf := range leaves(bad) {
		path := leaf.InstanceLocation
		key := pointer(path)
		if seen[key] || len(edits) == maxMends {
			continue
		}
		at, ok := locate(args, path)
		if !ok {
			continue
		}
		if now, ok := mendValue(at.text(args), leaf.ErrorKind); ok {
			seen[key] = true
			edits = append(edits, edit{path, at, now})
		}
	}
	slices.SortFunc(edits, func(a, b edit) int { return b.at.start - a.at.start })
	return slices.CompactFunc(edits, func(later, earlier edit) bool { return later.at.start < earlier.at.end })
}

// leaves gives the innermost causes of a failed check.
func leaves(e *jsonschema.ValidationError) func(yield func(*jsonschema.ValidationError) bool) {
	return func(yield func(*jsonschema.ValidationError) bool) { walkLeaves(e, yield) }
}

func walkLeaves(e *jsonschema.ValidationError, yield func(*jsonschema.ValidationError) bool) bool {
	if len(e.Causes) == 0 {
		return yield(e)
	}
	for _, c := range e.Causes {
		if !walkLeaves(c, yield) {
			return false
		}
	}
	return true
}

// mendValue writes a value as the schema wants it, if that says the same.
func mendValue(raw json.RawMessage, wrong jsonschema.ErrorKind) (json.RawMessage, bool) {
	switch k := wrong.(type) {
	case *kind.Type:
		return mendType(raw, k.Want)
	case *kind.Enum:
		return mendCase(k.Got, k.Want)
	case *kind.Const:
		return mendCase(k.Got, []any{k.Want})
	}
	return nil, false
}

// mendType reads a string as what is wanted, or writes a number as a string. The
// spelling of numbers stays.
func mendType(raw json.RawMessage, want []string) (json.RawMessage, bool) {
	if raw[0] != '"' {
		isNumber := raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9'
		if !isNumber || !slices.Contains(want, "string") {
			return nil, false
		}
		return json.RawMessage(`"` + string(raw) + `"`), true
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return nil, false
	}
	for _, w := range want {
		switch {
		case w == "integer" && isNumber(s, false), w == "number" && isNumber(s, true):
			return json.RawMessage(s), true
		case w == "boolean" && (strings.EqualFold(s, "true") || strings.EqualFold(s, "false")):
			return json.RawMessage(strings.ToLower(s)), true
		case w == "object":
			if inner, ok := jsonInString(raw, '{'); ok {
				return inner, true
			}
		case w == "array":
			if inner, ok := jsonInString(raw, '['); ok {
				return inner, true
			}
		}
	}
	return nil, false
}

// isNumber reports whether text is a JSON number; without fraction, only one
// written in nothing but digits.
func isNumber(text string, fraction bool) bool {
	if text == "" || !json.Valid([]byte(text)) || text[0] != '-' && (text[0] < '0' || text[0] > '9') {
		return false
	}
	if bytes.ContainsAny([]byte(text), " \t\r\n") {
		return false
	}
	return fraction || !strings.ContainsAny(text, ".eE")
}

// mendCase finds the one allowed value that differs from a string in nothing but
// letter case.
func mendCase(got any, want []any) (json.RawMessage, bool) {
	s, ok := got.(string)
	if !ok {
		return nil, false
	}
	var match string
	n := 0
	for _, w := range want {
		if w, ok := w.(string); ok && strings.EqualFold(w, s) {
			match = w
			n++
		}
	}
	if n != 1 {
		return nil, false
	}
	out, err := marshalPlain(match)
	return out, err == nil
}

// pointer writes a path as a JSON pointer.
func pointer(path []string) string {
	var b strings.Builder
	for _, step := range path {
		b.WriteByte('/')
		b.WriteString(strings.NewReplacer("~", "~0", "/", "~1").Replace(step))
	}
	return b.String()
}
