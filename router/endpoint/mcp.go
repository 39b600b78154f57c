package endpoint

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"toolrouter/internal/catalog"
)

// Header names in the form in which net/http keeps them.
const (
	headerVersion = "Mcp-Protocol-Version"
	headerMethod  = "Mcp-Method"
	headerName    = "Mcp-Name"
	headerSession = "Mcp-Session-Id"
	headerEvent   = "Last-Event-Id"
)

// serveMCP is the Streamable HTTP transport.
func (e *Endpoint) serveMCP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodPost:
		e.post(w, r)
	case http.MethodGet, http.MethodDelete:
		e.withSession(w, r)
	default:
		notAllowed(w, "GET, POST, DELETE")
	}
}

// post takes one message, or a batch of them.
func (e *Endpoint) post(w http.ResponseWriter, r *http.Request) {
	body, ok := e.readBody(w, r)
	if !ok {
		return
	}
	m, err := parse(body)
	if errors.Is(err, errBatch) {
		e.postBatch(w, r, body)
		return
	}
	if err == nil {
		err = checkEnvelope(&m)
	}
	if err != nil {
		writeRPC(w, http.StatusBadRequest, m.ID, asRefusal(err))
		return
	}
	modern, refused := era(r.Header, &m)
	if refused != nil {
		writeRPC(w, statusFor(refused, modern), m.ID, refused)
		return
	}
	var sess *session
	if !modern && m.Method != string(mcp.MethodInitialize) {
		if sess, ok = e.namedSession(r); !ok {
			writeRPC(w, http.StatusNotFound, m.ID, errUnknownSession)
			return
		}
	}
	e.dispatch(w, r, body, request{m: &m, sess: sess, modern: modern, life: lifeOf(r.Context())})
}

var errUnknownSession = rpcError(codeNoSession, "session not found: begin with initialize")

// namedSession finds the session that a request names, nil if it names none; ok
// is false if it names one that is not alive.
func (e *Endpoint) namedSession(r *http.Request) (sess *session, ok bool) {
	id := r.Header.Get(headerSession)
	if id == "" {
		return nil, true
	}
	sess = e.sessions.get(id)
	return sess, sess != nil
}

// dispatch answers what is ours and leaves the rest to mcp-go.
func (e *Endpoint) dispatch(w http.ResponseWriter, r *http.Request, body []byte, q request) {
	switch {
	case q.m.Method == methodCall || q.m.Method == methodList:
		e.answerPost(w, r, q)
	case isAnswer(q.m):
		if q.sess != nil {
			q.sess.take(q.m)
		}
		w.WriteHeader(http.StatusAccepted)
	case q.m.Method == methodCancel && q.sess != nil && q.sess.cancel(q.m.RequestID), q.modern && isBareNotice(r.Header, q.m):
		w.WriteHeader(http.StatusAccepted)
	default:
		e.delegate(w, r, body, q)
	}
}

// isBareNotice reports whether a message is a notification that does not say by
// which revision it is, as some clients of 2026-07-28 send when they cancel a
// call, and give up the connection if it is refused. There is nothing to do:
// without a session an id may be anybody's, and the call itself ended when its
// stream was closed.
func isBareNotice(h http.Header, m *message) bool {
	return m.ID == nil && m.Method != "" && m.Version == nil && mcp.IsValidProtocolVersion(h.Get(headerVersion))
}

// answerPost serves tools/call and tools/list.
func (e *Endpoint) answerPost(w http.ResponseWriter, r *http.Request, q request) {
	out := newReply(w, r)
	q.out = out
	var result json.RawMessage
	var err error
	if q.m.Method == methodList {
		result, err = e.listResult(q.m, q.modern)
	} else {
		ctx, finish := q.cancellable(r.Context())
		defer finish()
		result, err = e.safely(func() (json.RawMessage, error) { return e.callTool(ctx, q) })
	}
	if err == nil {
		out.finish(http.StatusOK, func(dst []byte) []byte { return appendAnswer(dst, q.m.ID, result, q.modern) })
		return
	}
	rpc := q.life.callError(err)
	if rpc.Code == codeBusy {
		w.Header().Set("Retry-After", "1")
	}
	out.finish(statusFor(rpc, q.modern), func(dst []byte) []byte { return appendError(dst, q.m.ID, rpc) })
}

// delegate hands a request to mcp-go's server. Its standing streams end when
// serving does.
func (e *Endpoint) delegate(w http.ResponseWriter, r *http.Request, body []byte, q request) {
	if q.m.Method == methodListen {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(q.life.stopping, cancel)()
		r = r.WithContext(ctx)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	e.stream.ServeHTTP(w, r)
}

// withSession serves the methods that only make sense in a session: the standing
// stream and its end.
func (e *Endpoint) withSession(w http.ResponseWriter, r *http.Request) {
	id := r.Header.Get(headerSession)
	if mcp.IsModernProtocol(r.Header.Get(headerVersion)) || id == "" {
		notAllowed(w, "POST")
		return
	}
	sess := e.sessions.get(id)
	if sess == nil {
		writeRPC(w, http.StatusNotFound, nil, errUnknownSession)
		return
	}
	if r.Method == http.MethodGet {
		sess.stand(1)
		defer sess.stand(-1)
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(sess.ended, cancel)()
		defer context.AfterFunc(lifeOf(ctx).stopping, cancel)()
		r = r.WithContext(ctx)
	}
	e.stream.ServeHTTP(w, r)
}

var (
	errVersion  = errors.New(`jsonrpc must be "2.0"`)
	errID       = errors.New("id must be a string or an integer")
	errShape    = errors.New("neither a request nor a notification nor a response")
	errNeedsID  = errors.New("this method is a request and needs an id")
	jsonVersion = []byte(`"2.0"`)
)

// checkEnvelope refuses what is JSON but not a message of MCP.
func checkEnvelope(m *message) error {
	switch {
	case !bytes.Equal(m.JSONRPC, jsonVersion):
		return errVersion
	case m.ID != nil && !validID(m.ID):
		return errID
	case m.Method == "" && (m.ID == nil || m.Result == nil && m.Error == nil):
		return errShape
	case m.ID == nil && (m.Method == methodCall || m.Method == methodList):
		return errNeedsID
	}
	return nil
}

// asRefusal tells a body that is not JSON from one that is refused.
func asRefusal(err error) *catalog.RPCError {
	for _, invalid := range []error{errBatch, errInBatch, errNoMethod, errVersion, errID, errShape, errNeedsID} {
		if errors.Is(err, invalid) {
			return rpcError(codeInvalid, err.Error())
		}
	}
	if _, ok := errors.AsType[keyError](err); ok {
		return rpcError(codeInvalid, err.Error())
	}
	return rpcError(codeParse, "not a JSON-RPC message: "+err.Error())
}

// era tells by which revision a request is to be answered, and refuses one that
// does not say it as its revision demands: from 2026-07-28 on, header and body
// must name the same version, method and tool.
func era(h http.Header, m *message) (modern bool, refused *catalog.RPCError) {
	header := h.Get(headerVersion)
	body, _ := unquote(m.Version)
	if !mcp.IsModernProtocol(header) && !mcp.IsModernProtocol(body) {
		if header != "" && m.Method != string(mcp.MethodInitialize) && !mcp.IsValidProtocolVersion(header) {
			return false, rpcError(codeInvalid, "unsupported protocol version "+header)
		}
		return false, nil
	}
	if m.Method != methodCall && m.Method != methodList {
		return true, nil // mcp-go checks its own
	}
	switch {
	case h.Get(headerEvent) != "":
		return true, rpcError(codeHeaderMismatch, "Last-Event-ID is not supported: streams are not resumable")
	case header == "":
		return true, rpcError(codeHeaderMismatch, headerVersion+" header is required")
	case body == "":
		return true, rpcError(codeParams, "missing or invalid _meta field "+metaVersion)
	case header != body:
		return true, rpcError(codeHeaderMismatch, headerVersion+" header "+header+" does not match "+metaVersion+" "+body)
	}
	if refused := checkModern(m, body); refused != nil {
		return true, refused
	}
	return true, checkHeaders(h, m, body)
}

// checkModern checks what every request of revision 2026-07-28 must say of its
// client, on any transport.
func checkModern(m *message, version string) *catalog.RPCError {
	if !mcp.IsValidProtocolVersion(version) {
		data, _ := json.Marshal(map[string]any{"supported": mcp.ValidProtocolVersions, "requested": version})
		return &catalog.RPCError{Code: codeVersion, Message: "unsupported protocol version " + version, Data: data}
	}
	if _, ok := readCapabilities(m.Caps); !ok {
		return rpcError(codeParams, "missing or invalid _meta field "+metaCapabilities)
	}
	return nil
}

// checkHeaders compares the headers that repeat the body with the body. The
// usual case, plain and equal, is decided without decoding anything.
func checkHeaders(h http.Header, m *message, version string) *catalog.RPCError {
	name, _ := unquote(m.Name)
	if h.Get(headerMethod) == m.Method && (m.Method != methodCall || name != "" && h.Get(headerName) == name) {
		return nil
	}
	err := mcp.ValidateStandardHeaders(h.Get, version, mcp.MCPMethod(m.Method), m.Params)
	if err != nil {
		return rpcError(codeHeaderMismatch, err.Error())
	}
	return nil
}

// statusFor is the HTTP status that goes with a JSON-RPC error.
func statusFor(e *catalog.RPCError, modern bool) int {
	switch e.Code {
	case codeBusy:
		return http.StatusTooManyRequests
	case codeNoSession:
		return http.StatusNotFound
	case codeParse, codeInvalid, codeHeaderMismatch, codeVersion:
		return http.StatusBadRequest
	case codeParams:
		if modern {
			return http.StatusBadRequest
		}
	}
	return http.StatusOK
}

// writeRPC answers with a JSON-RPC error.
func writeRPC(w http.ResponseWriter, status int, id []byte, e *catalog.RPCError) {
	writeJSON(w, status, appendError(nil, id, e))
}

func notAllowed(w http.ResponseWriter, allow string) {
	w.Header().Set("Allow", allow)
	writeProblem(w, http.StatusMethodNotAllowed, "method", "method not allowed", "")
}

var _ server.SessionIdManager = (*sessions)(nil)
