package router

import (
	"bytes"
	"encoding/json"
)

// mendedKey is where a result tells what was mended about its call's arguments.
const mendedKey = "toolrouter/mended"

// withMended adds what was mended to a result's _meta and leaves every other byte
// alone. A result that is not an object, or whose _meta is something odd, stays
// as it is: the backend's answer counts for more than our note.
func withMended(result json.RawMessage, mended []mend) json.RawMessage {
	note := mustMarshal(mended)
	parts, ok := members(result)
	if !ok {
		return result
	}
	meta, found := lastNamed(parts, "_meta")
	alone := joinObject([]string{mendedKey}, []json.RawMessage{note})
	if !found {
		return AppendMember(nil, result, "_meta", alone)
	}
	old := meta.text(result)
	if bytes.Equal(old, []byte("null")) {
		return splice(result, meta, alone)
	}
	inner, ok := members(old)
	if !ok {
		return result
	}
	if forged, found := lastNamed(inner, mendedKey); found { // only the router may say this
		return splice(result, meta, splice(old, forged, note))
	}
	return splice(result, meta, AppendMember(nil, old, mendedKey, note))
}
