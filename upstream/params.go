package upstream

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"

	"toolrouter/internal/catalog"
)

// reserved begins the _meta keys that belong to the protocol itself.
const reserved = "io.modelcontextprotocol/"

// capabilities a caller may have, and how they are declared.
var capabilities = [...]struct{ name, declared string }{
	{"sampling", `"sampling":{}`},
	{"elicitation", `"elicitation":{"form":{},"url":{}}`},
	{"roots", `"roots":{}`},
}

// capabilitySet has a bit for each of the capabilities.
type capabilitySet uint8

func capabilitiesOf(caller catalog.Caller) (set capabilitySet) {
	if caller == nil {
		return 0
	}
	for i, c := range capabilities {
		if caller.Can(c.name) {
			set |= 1 << i
		}
	}
	return set
}

// requestMeta holds, for each set of capabilities, the members of _meta that
// revision 2026-07-28 wants in every request. It is empty for older ones.
type requestMeta [1 << len(capabilities)]string

// newRequestMeta prepares them for a router of that version.
func newRequestMeta(protocol, version string) *requestMeta {
	var all requestMeta
	if !mcp.IsModernProtocol(protocol) {
		return &all
	}
	info, err := json.Marshal(clientInfo(version))
	if err != nil { // strings always marshal
		panic(err)
	}
	for set := range all {
		var declared []string
		for i, c := range capabilities {
			if set&(1<<i) != 0 {
				declared = append(declared, c.declared)
			}
		}
		all[set] = fmt.Sprintf(`%q:%q,%q:%s,%q:{%s}`,
			mcp.MetaKeyProtocolVersion, protocol, mcp.MetaKeyClientInfo, info,
			mcp.MetaKeyClientCapabilities, strings.Join(declared, ","))
	}
	return &all
}

func clientInfo(version string) mcp.Implementation {
	if version == "" {
		version = "dev"
	}
	return mcp.Implementation{Name: "toolrouter", Version: version}
}

// plainParams are the params of a request without a caller: the given members,
// which may be "", and what the revision wants.
func (m *requestMeta) plainParams(members string) json.RawMessage {
	meta := m[0]
	if meta != "" {
		meta = `"_meta":{` + meta + `}`
		if members != "" {
			meta = "," + meta
		}
	}
	return json.RawMessage("{" + members + meta + "}")
}

// callParams puts the params of a tools/call together from nothing but the call,
// on one line. token is the progress token, "" for none.
func (m *requestMeta) callParams(call catalog.Call, token string) (json.RawMessage, error) {
	name, err := json.Marshal(call.ID.Tool)
	if err != nil { // a string always marshals
		return nil, err
	}
	b := bytes.NewBuffer(make([]byte, 0, len(call.Arguments)+len(name)+len(call.Meta)+512))
	b.WriteString(`{"name":`)
	b.Write(name)
	b.WriteString(`,"arguments":`)
	if len(call.Arguments) == 0 {
		b.WriteString("{}")
	} else if err := json.Compact(b, call.Arguments); err != nil {
		return nil, fmt.Errorf("arguments: %w", err)
	}
	if err := m.appendMeta(b, call, token); err != nil {
		return nil, err
	}
	if err := appendAnswers(b, call.Retry); err != nil {
		return nil, err
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// appendMeta writes _meta if there is anything to say: the client's own entries,
// the progress token, and what the revision wants.
func (m *requestMeta) appendMeta(b *bytes.Buffer, call catalog.Call, token string) error {
	comma := `,"_meta":{`
	if len(call.Meta) > 0 {
		if !json.Valid(call.Meta) {
			return fmt.Errorf("_meta: invalid JSON")
		}
		err := eachMember(call.Meta, func(key, value []byte) {
			if protocolKey(key) {
				return
			}
			b.WriteString(comma)
			fmt.Fprintf(b, `"%s":`, key)
			_ = json.Compact(b, value) // valid, as the whole is
			comma = ","
		})
		if err != nil {
			return fmt.Errorf("_meta: %w", err)
		}
	}
	if token != "" {
		fmt.Fprintf(b, `%s"progressToken":%q`, comma, token)
		comma = ","
	}
	if ours := m[capabilitiesOf(call.Caller)]; ours != "" {
		b.WriteString(comma)
		b.WriteString(ours)
		comma = ","
		appendLogLevel(b, call.Caller)
	}
	if comma == "," {
		b.WriteByte('}')
	}
	return nil
}

// appendLogLevel asks for the log messages that the client wants.
func appendLogLevel(b *bytes.Buffer, caller catalog.Caller) {
	if caller == nil {
		return
	}
	if level := caller.LogLevel(); level != "" {
		b.WriteString(`,"` + mcp.MetaKeyLogLevel + `":`)
		b.Write(strconv.AppendQuote(b.AvailableBuffer(), level))
	}
}

// protocolKey reports whether a key of _meta, as it is spelt between its quotes,
// is one that only we may set.
func protocolKey(spelt []byte) bool {
	key := string(spelt)
	if strings.ContainsRune(key, '\\') {
		_ = json.Unmarshal([]byte(`"`+key+`"`), &key)
	}
	return key == "progressToken" || strings.HasPrefix(key, reserved)
}

// appendAnswers writes what a client answered to a result that asked for input.
func appendAnswers(b *bytes.Buffer, a *catalog.Answers) error {
	if a == nil {
		return nil
	}
	if len(a.Responses) > 0 {
		b.WriteString(`,"inputResponses":`)
		if err := json.Compact(b, a.Responses); err != nil {
			return fmt.Errorf("inputResponses: %w", err)
		}
	}
	if a.State != "" {
		state, err := json.Marshal(a.State)
		if err != nil {
			return err
		}
		b.WriteString(`,"requestState":`)
		b.Write(state)
	}
	return nil
}
