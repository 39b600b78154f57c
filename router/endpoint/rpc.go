package endpoint

import (
	"encoding/json"
	"errors"
	"sync"

	"toolrouter/internal/catalog"
	"toolrouter/router"
)

// The methods answered here and the names of the two tools.
const (
	methodCall     = "tools/call"
	methodList     = "tools/list"
	methodListen   = "subscriptions/listen"
	methodCancel   = "notifications/cancelled"
	methodProgress = "notifications/progress"
	methodMessage  = "notifications/message"
	methodElicited = "notifications/elicitation/complete"

	toolSearch = router.SearchTool
	toolCall   = router.CallTool
)

// Keys of _meta that the protocol keeps for itself.
const (
	metaVersion      = "io.modelcontextprotocol/protocolVersion"
	metaLogLevel     = "io.modelcontextprotocol/logLevel"
	metaCapabilities = "io.modelcontextprotocol/clientCapabilities"
	metaServerInfo   = "io.modelcontextprotocol/serverInfo"
)

// JSON-RPC error codes; those from -32000 to -32019 are our own.
const (
	codeParse          = -32700
	codeInvalid        = -32600
	codeNoMethod       = -32601
	codeParams         = -32602
	codeInternal       = -32603
	codeBusy           = -32000
	codeNoSession      = -32001
	codeCancelled      = -32002
	codeStopped        = -32003
	codeHeaderMismatch = -32020
	codeVersion        = -32022
)

func rpcError(code int, message string) *catalog.RPCError {
	return &catalog.RPCError{Code: code, Message: message}
}

// asRPC gives an error the form in which a client is told of it.
func asRPC(err error) *catalog.RPCError {
	if rpc, ok := errors.AsType[*catalog.RPCError](err); ok {
		return rpc
	}
	return rpcError(codeInternal, err.Error())
}

// The first bytes of every message built here.
const (
	openReply  = `{"jsonrpc":"2.0","id":`
	openNotice = `{"jsonrpc":"2.0","method":`
)

// appendAnswer appends the response to a request that was answered here.
func appendAnswer(dst, id, result []byte, modern bool) []byte {
	dst = append(append(append(dst, openReply...), id...), `,"result":`...)
	if modern {
		dst = appendModern(dst, result)
	} else {
		dst = append(dst, result...)
	}
	return append(dst, '}')
}

// appendError appends an error response; a nil id becomes null.
func appendError(dst, id []byte, e *catalog.RPCError) []byte {
	dst = append(dst, openReply...)
	if !validID(id) {
		id = []byte("null")
	}
	dst = append(dst, id...)
	dst = append(dst, `,"error":`...)
	detail, err := json.Marshal(e)
	if err != nil { // Data is not JSON
		detail, _ = json.Marshal(rpcError(e.Code, e.Message))
	}
	dst = append(dst, detail...)
	return append(dst, '}')
}

// appendNotice appends a notification; nil params are left out.
func appendNotice(dst []byte, method string, params []byte) []byte {
	return appendParams(appendString(append(dst, openNotice...), method), params)
}

// appendRequest appends a request under an id of ours.
func appendRequest(dst []byte, id, method string, params []byte) []byte {
	dst = appendString(append(dst, openReply...), id)
	dst = appendString(append(dst, `,"method":`...), method)
	return appendParams(dst, params)
}

func appendParams(dst, params []byte) []byte {
	if params != nil {
		dst = append(dst, `,"params":`...)
		dst = append(dst, params...)
	}
	return append(dst, '}')
}

func appendString(dst []byte, text string) []byte {
	quoted, err := json.Marshal(text)
	if err != nil { // a string always marshals
		panic(err)
	}
	return append(dst, quoted...)
}

// validID reports whether an id is what MCP allows: a string or an integer.
func validID(id []byte) bool {
	if len(id) == 0 || len(id) > 256 {
		return false
	}
	if id[0] == '"' {
		return true
	}
	for i, c := range id {
		if (c < '0' || c > '9') && (i > 0 || c != '-' || len(id) == 1) {
			return false
		}
	}
	return true
}

// buffers lends out the buffers in which responses are put together. A buffer
// that grew large is not kept.
var buffers = sync.Pool{New: func() any { return &buffer{b: make([]byte, 0, 4<<10)} }}

const keepBuffer = 256 << 10

type buffer struct{ b []byte }

func newBuffer() *buffer {
	buf := buffers.Get().(*buffer)
	buf.b = buf.b[:0]
	return buf
}

func (buf *buffer) free() {
	if cap(buf.b) <= keepBuffer {
		buffers.Put(buf)
	}
}
