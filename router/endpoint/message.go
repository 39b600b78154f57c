package endpoint

import (
	"bytes"
	"errors"
	"unicode/utf8"

	"toolrouter/internal/catalog"
)

// message is one JSON-RPC message, taken apart without being decoded. Its
// fields are pieces of the scanned bytes, nil where the member is absent.
type message struct {
	JSONRPC, ID, Params, Result, Error []byte
	Method                             string

	// of params
	Name                           []byte // as it stands, with quotes
	Arguments, Meta                []byte
	InputResponses, RequestState   []byte
	Cursor, RequestID              []byte
	Token, Version, LogLevel, Caps []byte // of params._meta
}

// isRequest, isResponse: what is neither is a notification or nonsense.
func (m *message) isRequest() bool  { return m.Method != "" && m.ID != nil }
func (m *message) isResponse() bool { return m.Method == "" && m.ID != nil }

// parse checks a whole message and takes it apart in one pass; a batch of them is
// errBatch, whatever is in it. It refuses what parsers read differently: a key
// twice in one object, and in the envelope and params a key that only after case
// folding equals one of the protocol's, or that holds a control character.
func parse(doc []byte) (m message, err error) {
	err = scan(doc, &m, inEnvelope)
	return m, err
}

// checkObject is parse for an object that is no message.
func checkObject(doc []byte) error { return scan(doc, nil, inData) }

// scan goes over the one object that a document holds.
func scan(doc []byte, m *message, in place) error {
	if !utf8.Valid(doc) {
		return errors.New("not UTF-8")
	}
	s := newScanner(doc)
	defer s.free()
	s.space()
	switch c := s.peek(); {
	case c == '[' && in == inEnvelope:
		return errBatch
	case c != '{':
		return errors.New("a JSON object is wanted")
	}
	if err := s.object(m, in); err != nil {
		return err
	}
	if s.space(); s.pos < len(doc) {
		return s.bad("text after the end")
	}
	return nil
}

// set keeps a member of the envelope, of params or of _meta.
func (m *message) set(in place, key, value []byte) error {
	switch in {
	case inEnvelope:
		return m.setEnvelope(key, value)
	case inParams:
		m.setParam(key, value)
	case inMeta:
		m.setMeta(key, value)
	}
	return nil
}

func (m *message) setEnvelope(key, value []byte) error {
	switch string(key) {
	case "jsonrpc":
		m.JSONRPC = value
	case "id":
		m.ID = value
	case "method":
		text, ok := unquote(value)
		if !ok || text == "" {
			return errNoMethod
		}
		m.Method = text
	case "params":
		m.Params = value
	case "result":
		m.Result = value
	case "error":
		m.Error = value
	}
	return nil
}

var errNoMethod = errors.New("method must be a string")

func (m *message) setParam(key, value []byte) {
	switch string(key) {
	case "name":
		m.Name = value
	case "arguments":
		m.Arguments = value
	case "_meta":
		m.Meta = value
	case "inputResponses":
		m.InputResponses = value
	case "requestState":
		m.RequestState = value
	case "cursor":
		m.Cursor = value
	case "requestId":
		m.RequestID = value
	}
}

func (m *message) setMeta(key, value []byte) {
	switch string(key) {
	case "progressToken":
		m.Token = value
	case metaVersion:
		m.Version = value
	case metaLogLevel:
		m.LogLevel = value
	case metaCapabilities:
		m.Caps = value
	}
}

// unquote reads a JSON string. The usual methods and names cost no allocation.
func unquote(value []byte) (string, bool) {
	if len(value) < 2 || value[0] != '"' {
		return "", false
	}
	inner := value[1 : len(value)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return intern(inner), true
	}
	text, err := unescape(value)
	return string(text), err == nil
}

// intern spares the copy of what nearly every request says.
func intern(text []byte) string {
	switch string(text) {
	case methodCall:
		return methodCall
	case methodList:
		return methodList
	case toolCall:
		return toolCall
	case toolSearch:
		return toolSearch
	case latestVersion:
		return latestVersion
	}
	return string(text)
}

// clip keeps a client's text short in an error.
func clip(text string) string { return catalog.Clip(text, 60) }
