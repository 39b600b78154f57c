package endpoint

import (
	"bytes"
	"encoding/json"

	"toolrouter/router"
)

// This file changes JSON objects without decoding them: what is not ours to
// change stays as it is, byte for byte.

// member gives one member's value as it stands, nil if there is none.
func member(doc []byte, key string) (value []byte) {
	router.EachMember(doc, func(k []byte, start, end int) bool {
		if string(k) == key {
			value = doc[start:end]
		}
		return value == nil
	})
	return value
}

// appendModern appends a result as revision 2026-07-28 wants it, with a
// resultType, if it does not have one. The serverInfo that the revision recommends
// is not added: the result may be a backend's, whose _meta is not ours.
func appendModern(dst, result []byte) []byte {
	if member(result, "resultType") != nil {
		return append(dst, result...)
	}
	return router.AppendMember(dst, result, "resultType", []byte(`"complete"`))
}

// oneLine puts a JSON document on one line. Outside of strings a line break is
// mere white space, and inside of one it cannot stand.
func oneLine(doc []byte) []byte {
	for i, c := range doc {
		if c == '\n' || c == '\r' {
			doc[i] = ' '
		}
	}
	return doc
}

// backendMeta is what of a client's _meta may go on to a backend: nothing that
// the protocol reserves, and no progress token.
func backendMeta(meta []byte) json.RawMessage {
	var out []byte
	router.EachMember(meta, func(key []byte, start, end int) bool {
		if reserved(key) {
			return true
		}
		if out = append(out, ','); len(out) == 1 {
			out[0] = '{'
		}
		out = append(append(append(out, '"'), key...), '"', ':')
		out = append(out, meta[start:end]...)
		return true
	})
	if out == nil {
		return nil
	}
	return append(out, '}')
}

// reserved reports whether a key of _meta is the protocol's: progressToken, and
// those with a prefix that has the label modelcontextprotocol or mcp. Escapes could
// hide either.
func reserved(key []byte) bool {
	if string(key) == "progressToken" || bytes.IndexByte(key, '\\') >= 0 {
		return true
	}
	prefix, _, ok := bytes.Cut(key, []byte("/"))
	if !ok {
		return false
	}
	for label := range bytes.SplitSeq(prefix, []byte(".")) {
		if string(label) == "modelcontextprotocol" || string(label) == "mcp" {
			return true
		}
	}
	return false
}
