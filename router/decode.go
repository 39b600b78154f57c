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
// take "Name" for "name" and the last of two, and another reader the first.
func argumentsOf(raw json.RawMessage) (map[string]json.RawMessage, error) {
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
		return nil, &RequestError{"the arguments must be one JSON object"}
	}
	out := make(map[string]json.RawMessage, len(parts))
	for _, p := range parts {
		if _, twice := out[p.name]; twice {
			return nil, &RequestError{fmt.Sprintf("%s occurs twice in the arguments", quoted(p.name))}
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
	fields, err := argumentsOf(raw)
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
	msg := fmt.Sprintf("unknown field %s", quoted(name))
	if near := nearest(name, known, 1); len(near) > 0 {
		msg += fmt.Sprintf(", did you mean %q?", near[0])
	}
	return &RequestError{msg + " The fields are " + strings.Join(known, ", ") + "."}
}

// nameFields are what models call the field with the tool's name; the first is
// the right one.
var nameFields = []string{"name", "tool_name", "tool"}

// DecodeCall reads the arguments of call_tool. It takes arguments that are
// missing, written as a string of JSON, or put beside the name; what it cannot
// take is a *RequestError that says what to write instead.
func DecodeCall(raw json.RawMessage) (CallRequest, error) {
	var req CallRequest
	fields, err := argumentsOf(raw)
	if err != nil {
		return req, err
	}
	for _, field := range nameFields {
		if value, ok := fields[field]; ok {
			if req.Name, err = stringField(field, value); err != nil {
				return CallRequest{}, err
			}
			delete(fields, field)
			break
		}
	}
	if req.Name = strings.TrimSpace(req.Name); req.Name == "" {
		return CallRequest{}, &RequestError{`"name" is missing: give the tool's name as search_tools shows it, such as {"name":"github__create_issue","arguments":{…}}`}
	}
	own := fields["arguments"]
	delete(fields, "arguments")
	if err := req.takeArguments(own); err != nil {
		return CallRequest{}, err
	}
	return req, req.takeBeside(fields)
}

// takeArguments sets the arguments that stand where they belong.
func (r *CallRequest) takeArguments(raw json.RawMessage) error {
	switch {
	case raw == nil || bytes.Equal(raw, []byte("null")):
		return nil
	case raw[0] == '{':
		r.Arguments = raw
		return nil
	case raw[0] == '"':
		var s string
		if json.Unmarshal(raw, &s) == nil && strings.TrimSpace(s) == "" {
			return nil
		}
		if inner, ok := jsonInString(raw, '{'); ok {
			r.Arguments = inner
			r.mended = append(r.mended, mend{Path: "", Was: "a string of JSON", Now: "an object"})
			return nil
		}
	}
	return &RequestError{`"arguments" must be an object with the tool's arguments, such as {"title":"…"}`}
}

// takeBeside takes what stands beside the name for the tool's arguments, if there
// are no others.
func (r *CallRequest) takeBeside(fields map[string]json.RawMessage) error {
	if len(fields) == 0 {
		return nil
	}
	names := slices.Sorted(maps.Keys(fields))
	for _, name := range names {
		if looksLike(name, "name") || looksLike(name, "arguments") {
			return unknownField(name, []string{"name", "arguments"})
		}
	}
	if parts, _ := members(r.Arguments); len(parts) > 0 {
		return &RequestError{fmt.Sprintf(`%s beside "arguments": put it into "arguments"`, quoted(names[0]))}
	}
	values := make([]json.RawMessage, len(names))
	for i, name := range names {
		values[i] = fields[name]
	}
	r.Arguments = joinObject(names, values)
	r.mended = append(r.mended, mend{Path: "", Was: `beside "name"`, Now: `in "arguments"`})
	return nil
}

// looksLike reports whether a name could be read as another one by a careless
// reader: other letter case, or characters that do not show.
func looksLike(name, known string) bool {
	return name != known && strings.EqualFold(strings.TrimFunc(name, func(r rune) bool { return !isWordRune(r) }), known)
}
