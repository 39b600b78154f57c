package upstream

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"

	"toolrouter/internal/catalog"
)

// Codes of JSON-RPC errors.
const (
	codeMethodNotFound = -32601
	codeInternal       = -32603
	codeNoCaller       = -32000 // ours: nobody is there to be asked, or it is not clear who
)

// message is one JSON-RPC message with its parts cut out of the bytes it came
// in. Absent parts are nil.
type message struct {
	id     []byte // as it was spelt
	method string
	params json.RawMessage
	result json.RawMessage
	fault  json.RawMessage // the member "error"
}

// parseMessage takes a message apart without decoding what it carries. Names are
// matched exactly and a repeated one is an error: encoding/json would fold and
// merge them, and see another message than its author's own parser.
func parseMessage(raw []byte) (message, error) {
	var m message
	if !json.Valid(raw) {
		return m, errors.New("invalid JSON")
	}
	var seen [5]bool
	var twice string
	err := eachMember(raw, func(key, value []byte) {
		i := m.put(string(key), value)
		if i < 0 {
			return
		}
		if seen[i] {
			twice = string(key)
		}
		seen[i] = true
	})
	switch {
	case err != nil:
		return m, err
	case twice != "":
		return m, fmt.Errorf("%q is there twice", twice)
	case m.result != nil && m.fault != nil:
		return m, errors.New("it is a result and an error at once")
	case m.method == "" && m.id == nil:
		return m, errors.New("it has neither a method nor an id")
	}
	return m, nil
}

// put stores a member of a message and tells which one it was, -1 for none that
// has a meaning.
func (m *message) put(key string, value []byte) int {
	switch key {
	case "id":
		if !bytes.Equal(value, []byte("null")) {
			m.id = value
		}
		return 0
	case "method":
		_ = json.Unmarshal(value, &m.method) // anything but a string leaves it empty
		return 1
	case "params":
		m.params = value
		return 2
	case "result":
		m.result = value
		return 3
	case "error":
		if !bytes.Equal(value, []byte("null")) {
			m.fault = value
		}
		return 4
	}
	return -1
}

// rpcError reads an error as a backend sent it, in valid JSON. Servers send bare
// strings, codes such as "ENOENT" or -32000.0, and messages that are none:
// whatever can be read is told.
func rpcError(raw json.RawMessage) *catalog.RPCError {
	raw = inUTF8(raw)
	e := &catalog.RPCError{Code: codeInternal}
	word := "" // a code that is no number
	err := eachMember(raw, func(key, value []byte) {
		switch string(key) {
		case "code":
			e.Code, word = errorCode(value)
		case "message":
			e.Message = plainText(value)
		case "data":
			e.Data = value
		}
	})
	if err != nil {
		e.Message = plainText(raw)
	}
	switch {
	case word != "" && e.Message != "":
		e.Message = word + ": " + e.Message
	case e.Message == "":
		e.Message = cmp.Or(word, "the server answered with an error and no message")
	}
	return e
}

// errorCode reads the code of an error. One that is no whole number comes back
// as a word.
func errorCode(value []byte) (code int, word string) {
	text := plainText(value)
	if f, err := strconv.ParseFloat(text, 64); err == nil && f == math.Trunc(f) && math.Abs(f) <= math.MaxInt32 {
		return int(f), ""
	}
	return codeInternal, text
}

// plainText is what a JSON string says, nothing for null, and anything else as it
// is spelt.
func plainText(value []byte) string {
	var s string
	if json.Unmarshal(value, &s) != nil {
		return string(value)
	}
	return s
}

// eachMember calls f with each key, as it is written between its quotes, and
// value of a JSON object, which must be valid. Both are parts of doc.
func eachMember(doc []byte, f func(key, value []byte)) error {
	i := skipSpace(doc, 0)
	if i == len(doc) || doc[i] != '{' {
		return errors.New("it is no object")
	}
	for i = skipSpace(doc, i+1); i < len(doc) && doc[i] == '"'; i = skipSpace(doc, i+1) {
		end := skipString(doc, i)
		key := doc[i+1 : end-1]
		start := skipSpace(doc, skipSpace(doc, end)+1) // over the colon
		end = skipValue(doc, start)
		f(key, doc[start:end:end])
		i = skipSpace(doc, end)
		if i >= len(doc) || doc[i] != ',' {
			break
		}
	}
	return nil
}

func skipSpace(doc []byte, i int) int {
	for i < len(doc) && (doc[i] == ' ' || doc[i] == '\t' || doc[i] == '\n' || doc[i] == '\r') {
		i++
	}
	return i
}

// skipString gives the index after a string that begins at i.
func skipString(doc []byte, i int) int {
	for i++; i < len(doc); i++ {
		n := bytes.IndexAny(doc[i:], `"\`)
		if n < 0 {
			return len(doc)
		}
		if i += n; doc[i] == '"' {
			return i + 1
		}
		i++ // the escaped character
	}
	return len(doc)
}

// skipValue gives the index after a value that begins at i.
func skipValue(doc []byte, i int) int {
	depth := 0
	for i < len(doc) {
		switch doc[i] {
		case '"':
			i = skipString(doc, i)
		case '{', '[':
			depth++
			i++
		case '}', ']':
			if depth == 0 { // the end of what holds a number or word
				return i
			}
			depth--
			i++
		case ',', ' ', '\t', '\n', '\r':
			if depth == 0 {
				return i
			}
			i++
			continue
		default:
			i++
			continue
		}
		if depth == 0 {
			return i
		}
	}
	return i
}

// own reads an id we gave: a whole number. Everything else, a number in quotes
// included, belongs to nobody.
func own(id []byte) (int64, bool) {
	n, err := strconv.ParseInt(string(id), 10, 64)
	return n, err == nil
}
