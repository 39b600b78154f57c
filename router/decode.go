package router

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// argumentsOf reads a client's tools/call arguments as the members of one object.
// Names are matched exactly and none may occur twice: encoding/json alone would
// take "Name" for "name" and the last of two, and another reader the first. The
// example is for whoever wrote something else.
func argumentsOf(raw json.RawMessage, example string) (map[string]json.RawMessage, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return nil, nil
	}
	if raw[0] == '"' {
		if inner, ok := jsonInString(raw, '{'); ok {
			raw = inner
		}
	}
	parts, ok := members(raw)
	if !ok {
		return nil, &RequestError{"the arguments must be one JSON object, such as " + example}
	}
	out := make(map[string]json.RawMessage, len(parts))
	for _, p := range parts {
		if _, twice := out[p.name]; twice {
			return nil, &RequestError{fmt.Sprintf("%s occurs twice in the arguments: give it once", quoted(p.name))}
		}
		out[p.name] = p.text(raw)
	}
	return out, nil
}

// jsonInString reads a JSON string that holds another JSON text, of which the
// first byte is given: models often write an object as a string.
func jsonInString(raw json.RawMessage, first byte) (json.RawMessage, bool) {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return nil, false
	}
	inner := bytes.TrimSpace([]byte(s))
	if len(inner) == 0 || inner[0] != first || !json.Valid(inner) {
		return nil, false
	}
	return inner, true
}

var searchFields = []string{"query", "tools", "server", "limit", "cursor"}

// DecodeSearch reads the arguments of search_tools. It takes a number written as
// a string and one name in place of a list; what it cannot take is a
// *RequestError that says what to write instead.
func DecodeSearch(raw json.RawMessage) (SearchRequest, error) {
	var req SearchRequest
	fields, err := argumentsOf(raw, `{"query":"open a ticket"}`)
	if err != nil {
		return req, err
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		value := fields[name]
		if bytes.Equal(value, []byte("null")) && slices.Contains(searchFields, name) {
			continue
		}
		switch name {
		case "query":
			req.Query, err = stringField(name, value)
		case "server":
			req.Server, err = stringField(name, value)
		case "cursor":
			req.Cursor, err = stringField(name, value)
		case "tools":
			req.Tools, err = namesField(name, value)
		case "limit":
			req.Limit, err = countField(name, value)
		default:
			err = unknownField(name, searchFields)
		}
		if err != nil {
			return SearchRequest{}, err
		}
	}
	return req, nil
}

func stringField(name string, raw json.RawMessage) (string, error) {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return "", &RequestError{fmt.Sprintf("%q must be a string", name)}
	}
	return s, nil
}

func namesField(name string, raw json.RawMessage) ([]string, error) {
	if inner, ok := jsonInString(raw, '['); ok {
		raw = inner
	}
	var one string
	if json.Unmarshal(raw, &one) == nil {
		if one = strings.TrimSpace(one); one == "" {
			return nil, nil
		}
		return []string{one}, nil
	}
	var many []string
	if json.Unmarshal(raw, &many) != nil {
		return nil, &RequestError{fmt.Sprintf("%q must be a list of tool names, such as [\"github__create_issue\"]", name)}
	}
	return many, nil
}

// countField reads a number of hits. Any number is taken: what is out of range is
// brought into it later.
func countField(name string, raw json.RawMessage) (int, error) {
	text := string(raw)
	var s string
	if json.Unmarshal(raw, &s) == nil {
		text = strings.TrimSpace(s)
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f != f {
		return 0, &RequestError{fmt.Sprintf("%q must be a whole number from 1 to %d", name, maxLimit)}
	}
	return int(max(1, min(f, maxLimit))), nil
}

func unknownField(name string, known []string) error {
	end := "."
	if near := nearest(name, known, 1); len(near) > 0 {
		end = fmt.Sprintf(", did you mean %q?", near[0])
	}
	return &RequestError{fmt.Sprintf("unknown field %s%s The fields are %s.", quoted(name), end, strings.Join(known, ", "))}
}

// nameFields are what models call the field with the tool's name; the first is
// the right one.
var nameFields = []string{"name", "tool_name", "tool"}

const callExample = `{"name":"github__create_issue","arguments":{…}}`

var errNoName = &RequestError{`"name" is missing: give the tool's name as ` + SearchTool + ` shows it, such as ` + callExample}

// DecodeCall reads the arguments of call_tool. It takes arguments that are
// missing, written as a string of JSON, or put beside the name; what it cannot
// take is a *RequestError that says what to write instead. What is wrong with the
// tool's own arguments is left for Call to tell, which knows the tool.
func DecodeCall(raw json.RawMessage) (CallRequest, error) {
	fields, err := argumentsOf(raw, callExample)
	if err != nil {
		return CallRequest{}, err
	}
	req := CallRequest{valid: true}
	if err := req.takeName(fields); err != nil {
		return CallRequest{}, err
	}
	own := fields["arguments"]
	delete(fields, "arguments")
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if looksLike(name, "name") || looksLike(name, "arguments") {
			return CallRequest{}, unknownField(name, []string{"name", "arguments"})
		}
	}
	req.takeArguments(own)
	req.takeBeside(fields)
	return req, nil
}

// takeName takes the tool's name out of the fields.
func (r *CallRequest) takeName(fields map[string]json.RawMessage) error {
	for _, field := range nameFields {
		value, ok := fields[field]
		if !ok {
			continue
		}
		name, err := stringField(field, value)
		if err != nil {
			return err
		}
		delete(fields, field)
		r.Name = strings.TrimSpace(name)
		if field != nameFields[0] {
			r.mended = append(r.mended, mend{Was: fmt.Sprintf("the tool's name in %q", field), Now: fmt.Sprintf("in %q", nameFields[0])})
		}
		break
	}
	if r.Name == "" {
		return errNoName
	}
	return nil
}

// takeArguments sets the arguments that stand where they belong.
func (r *CallRequest) takeArguments(raw json.RawMessage) {
	switch {
	case raw == nil || bytes.Equal(raw, []byte("null")):
		return
	case raw[0] == '{':
		r.Arguments = raw
		return
	case raw[0] == '"':
		var s string
		if json.Unmarshal(raw, &s) == nil && strings.TrimSpace(s) == "" {
			return
		}
		if inner, ok := jsonInString(raw, '{'); ok {
			r.Arguments = inner
			r.mended = append(r.mended, mend{Was: "a string of JSON", Now: "an object"})
			return
		}
	}
	r.problem = fmt.Sprintf(`"arguments" must be an object, got %s`, jsonKind(raw))
}

// jsonKind names what kind of value a JSON text is.
func jsonKind(raw json.RawMessage) string {
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

// takeBeside takes what stands beside the name for arguments of the tool.
func (r *CallRequest) takeBeside(fields map[string]json.RawMessage) {
	if len(fields) == 0 || r.problem != "" {
		return
	}
	inside, _ := members(r.Arguments)
	var names []string
	var values []json.RawMessage
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		at, twice := lastNamed(inside, name)
		switch {
		case !twice:
			names, values = append(names, name), append(values, fields[name])
		case !sameJSON(at.text(r.Arguments), fields[name]):
			r.problem = fmt.Sprintf(`%s stands in "arguments" and beside "name", with different values: give it once, in "arguments"`, quoted(name))
			return
		}
	}
	if len(inside) == 0 {
		r.Arguments = joinObject(names, values)
	} else if len(names) > 0 {
		r.Arguments = addMembers(r.Arguments, joinObject(names, values))
	}
	r.mended = append(r.mended, mend{Was: `beside "name"`, Now: `in "arguments"`})
}

// sameJSON reports whether two JSON texts differ in white space alone.
func sameJSON(a, b json.RawMessage) bool {
	var x, y bytes.Buffer
	return json.Compact(&x, a) == nil && json.Compact(&y, b) == nil && bytes.Equal(x.Bytes(), y.Bytes())
}

// looksLike reports whether a name could be read as another one by a careless
// reader: other letter case, or characters that do not show.
func looksLike(name, known string) bool {
	return name != known && strings.EqualFold(strings.TrimFunc(name, func(r rune) bool { return !isWordRune(r) }), known)
}
