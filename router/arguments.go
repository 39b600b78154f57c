package router

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"toolrouter/internal/catalog"
)

const (
	maxMendRounds = 4  // a string of JSON may hold values that need mending themselves
	maxTold       = 32 // mended values that a result's note lists
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
	switch {
	case req.problem != "":
		return fitted{refuse: refusal(t, req.problem)}
	case len(out.args) == 0:
		out.args = json.RawMessage("{}")
	case !req.valid && !json.Valid(out.args):
		return fitted{refuse: refusal(t, "the arguments cannot be read: not valid JSON")}
	}
	schema := r.schemas.of(t, r.log)
	object, bad, err := r.examine(schema, out.args)
	if err != nil {
		return fitted{refuse: refusal(t, err.Error())}
	}
	if inner, ok := r.unwrap(t, object, out.args, bad); ok {
		out.args = inner
		out.mended = append(slices.Clip(out.mended), mend{Path: "/arguments", Was: "arguments within arguments", Now: "the inner ones"})
		if _, bad, err = r.examine(schema, inner); err != nil {
			return fitted{refuse: refusal(t, err.Error())}
		}
	}
	if bad != nil {
		r.mendAll(&out, schema, bad, t)
	}
	return out
}

// examine reads arguments, which are JSON, and holds them against a schema.
func (r *Router) examine(schema *compiled, args json.RawMessage) (object map[string]any, bad *jsonschema.ValidationError, err error) {
	v, err := decodeValid(args)
	if err != nil {
		return nil, nil, fmt.Errorf("the arguments cannot be read: %w", err)
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, nil, errors.New("the arguments must be an object")
	}
	return object, schema.check(v, r.log), nil
}

// unwrap finds the arguments in {"arguments":{…}}, with or without the tool's own
// name beside them. Such arguments may be meant as they are where they fit, unless
// the tool has parameters of which that is none.
func (r *Router) unwrap(t *catalog.Tool, object map[string]any, raw json.RawMessage, bad *jsonschema.ValidationError) (json.RawMessage, bool) {
	if _, ok := object["arguments"]; !ok || len(object) > 2 || hasParam(t, "arguments") {
		return nil, false
	}
	if bad == nil && len(t.Params) == 0 {
		return nil, false
	}
	if len(object) == 2 {
		name, _ := object["name"].(string)
		found := r.state.Load().resolve(name)
		if len(found) != 1 || found[0].ID != t.ID {
			return nil, false
		}
	}
	inner := locate(raw, "arguments")
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
func (r *Router) mendAll(f *fitted, schema *compiled, bad *jsonschema.ValidationError, t *catalog.Tool) {
	args, mended := f.args, slices.Clip(f.mended)
	for range maxMendRounds {
		edits := mendable(args, bad)
		if len(edits) == 0 {
			break
		}
		for _, e := range edits {
			mended = append(mended, mend{Path: pointer(e.path), Was: shown(string(e.at.text(args)), 60), Now: shown(string(e.now), 60)})
		}
		var err error
		args = rewrite(args, edits)
		if _, bad, err = r.examine(schema, args); err != nil {
			f.refuse = refusal(t, err.Error())
			return
		}
		if bad == nil {
			f.args, f.mended = args, told(mended)
			return
		}
	}
	f.refuse = explain(t, bad)
}

// told is the note of what was mended: all of it if that is little, else the first
// part and how much more there is.
func told(mended []mend) []mend {
	slices.SortStableFunc(mended, func(a, b mend) int { return strings.Compare(a.Path, b.Path) })
	more := len(mended) - maxTold
	if more <= 0 {
		return mended
	}
	return append(mended[:maxTold:maxTold], mend{Was: counted(more, "more value"), Now: "mended likewise"})
}

// edit puts one value in the place of another.
type edit struct {
	path []string
	at   part
	now  json.RawMessage
}

// rewrite makes edits, which stand in the order of the text.
func rewrite(doc json.RawMessage, edits []edit) json.RawMessage {
	out := make(json.RawMessage, 0, len(doc))
	copied := 0
	for _, e := range edits {
		out = append(append(out, doc[copied:e.at.start]...), e.now...)
		copied = e.at.end
	}
	return append(out, doc[copied:]...)
}

// fault is what is wrong with a value and with those within it, by name or index.
type fault struct {
	wrong  []jsonschema.ErrorKind
	within map[string]*fault
}

// faultsOf arranges the causes of a failed check like the values they are about.
func faultsOf(bad *jsonschema.ValidationError) *fault {
	root := &fault{}
	for leaf := range leaves(bad) {
		f := root
		for _, step := range leaf.InstanceLocation {
			if f.within[step] == nil {
				if f.within == nil {
					f.within = map[string]*fault{}
				}
				f.within[step] = &fault{}
			}
			f = f.within[step]
		}
		f.wrong = append(f.wrong, leaf.ErrorKind)
	}
	return root
}

// mender goes through arguments once and gathers what can be mended in them.
type mender struct {
	scanner
	edits []edit
}

// mendable finds the values that are wrong only in how they are written, in the
// order of the text.
func mendable(args json.RawMessage, bad *jsonschema.ValidationError) []edit {
	m := mender{scanner: scanner{doc: args}}
	m.value(faultsOf(bad), nil)
	return m.edits
}

func (m *mender) value(f *fault, path []string) {
	open := m.peek()
	start := m.at
	if f.within == nil || open != '{' && open != '[' {
		m.skip()
		m.mend(part{start: start, end: m.at}, f.wrong, path)
		return
	}
	m.at++
	for i := 0; m.peek() != '}' && m.peek() != ']'; i++ {
		step := strconv.Itoa(i)
		if open == '{' {
			step = m.name()
		}
		if inner := f.within[step]; inner != nil {
			m.value(inner, with(path, step))
		} else {
			m.skip()
		}
		m.comma()
	}
	m.at++
}

func (m *mender) mend(at part, wrong []jsonschema.ErrorKind, path []string) {
	for _, kind := range wrong {
		if now, ok := mendValue(at.text(m.doc), kind); ok {
			m.edits = append(m.edits, edit{path, at, now})
			return
		}
	}
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
		if !slices.Contains(want, "string") || !isNumber(string(raw), true) {
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
	if text == "" || text[0] != '-' && (text[0] < '0' || text[0] > '9') || !json.Valid([]byte(text)) {
		return false
	}
	return !strings.ContainsAny(text, " \t\r\n") && (fraction || !strings.ContainsAny(text, ".eE"))
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
