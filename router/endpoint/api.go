package endpoint

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"toolrouter/router"
)

// routes mounts what every listener serves.
func (e *Endpoint) routes(mux *http.ServeMux) *http.ServeMux {
	mux.HandleFunc("/mcp", e.serveMCP)
	mux.HandleFunc("/mcp/{$}", e.serveMCP)
	for _, path := range []string{"/sse", "/sse/{$}"} {
		mux.HandleFunc(path, only(http.MethodGet, e.serveSSE))
	}
	for _, path := range []string{"/message", "/message/{$}", "/messages", "/messages/{$}"} {
		mux.HandleFunc(path, only(http.MethodPost, e.servePost))
	}
	mux.HandleFunc("/healthz", only(http.MethodGet, e.serveHealth))
	mux.HandleFunc("/readyz", only(http.MethodGet, e.serveReady))
	mux.HandleFunc("/api/status", only(http.MethodGet, e.serveStatus))
	mux.HandleFunc("/api/search", e.serveSearch)
	mux.HandleFunc("/api/call", only(http.MethodPost, e.serveCall))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		writeProblem(w, http.StatusNotFound, "not_found", "no such route", "MCP clients use /mcp")
	})
	return mux
}

// only refuses other methods; HEAD goes where GET goes.
func only(method string, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != method && (r.Method != http.MethodHead || method != http.MethodGet) {
			notAllowed(w, method)
			return
		}
		next(w, r)
	}
}

// problem is how the API says what went wrong.
type problem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

func writeProblem(w http.ResponseWriter, status int, code, message, hint string) {
	writeValue(w, status, map[string]problem{"error": {code, message, hint}})
}

func writeValue(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"error":{"code":"internal","message":"the answer cannot be written as JSON"}}`)
	}
	writeJSON(w, status, append(body, '\n'))
}

func (e *Endpoint) serveHealth(w http.ResponseWriter, _ *http.Request) {
	writeValue(w, http.StatusOK, map[string]string{"status": "ok"})
}

func (e *Endpoint) serveReady(w http.ResponseWriter, r *http.Request) {
	err := lifeOf(r.Context()).stopping.Err()
	if err != nil {
		err = errStopping
	} else if e.opts.Ready != nil {
		err = e.opts.Ready()
	}
	if err != nil {
		writeProblem(w, http.StatusServiceUnavailable, "not_ready", err.Error(), "")
		return
	}
	writeValue(w, http.StatusOK, map[string]string{"status": "ready"})
}

func (e *Endpoint) serveStatus(w http.ResponseWriter, _ *http.Request) {
	if e.opts.Status == nil {
		writeValue(w, http.StatusOK, map[string]string{"version": e.opts.Version})
		return
	}
	writeValue(w, http.StatusOK, e.opts.Status())
}

// serveSearch answers GET with q, server and limit, or POST with the arguments of
// search_tools; explain=1 in the query adds why each hit stands where it stands.
func (e *Endpoint) serveSearch(w http.ResponseWriter, r *http.Request) {
	var arguments json.RawMessage
	explain := r.URL.Query().Get("explain") == "1"
	switch r.Method {
	case http.MethodGet:
		var err error
		if arguments, err = searchArguments(r); err != nil {
			writeProblem(w, http.StatusBadRequest, "bad_request", err.Error(), "/api/search?q=open+a+ticket&limit=5")
			return
		}
	case http.MethodPost:
		body, ok := e.readObject(w, r)
		if !ok {
			return
		}
		arguments = body
	default:
		notAllowed(w, "GET, POST")
		return
	}
	e.limited(w, r, e.searches, func() (any, error) { return e.core.find(r.Context(), arguments, explain) })
}

func searchArguments(r *http.Request) (json.RawMessage, error) {
	q := r.URL.Query()
	if q.Get("q") == "" && q.Get("server") == "" && q.Get("cursor") == "" {
		return nil, errors.New("give q, what you need in plain words, or server, to list its tools")
	}
	args := map[string]any{"query": q.Get("q")}
	if s := q.Get("server"); s != "" {
		args["server"] = s
	}
	if c := q.Get("cursor"); c != "" {
		args["cursor"] = c
	}
	if l := q.Get("limit"); l != "" {
		n, err := strconv.Atoi(l)
		if err != nil {
			return nil, errors.New("limit must be a number")
		}
		args["limit"] = n
	}
	return json.Marshal(args)
}

// serveCall takes the arguments of call_tool and answers with the result as the
// backend sent it, also when that is an error of the tool.
func (e *Endpoint) serveCall(w http.ResponseWriter, r *http.Request) {
	body, ok := e.readObject(w, r)
	if !ok {
		return
	}
	e.limited(w, r, e.calls, func() (any, error) { return e.core.tool(r.Context(), toolCall, input{arguments: body}) })
}

// readObject reads a body that must be one unambiguous JSON object.
func (e *Endpoint) readObject(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	body, ok := e.readBody(w, r)
	if !ok {
		return nil, false
	}
	if err := checkObject(body); err != nil {
		writeProblem(w, http.StatusBadRequest, "bad_request", "the body: "+err.Error(), "")
		return nil, false
	}
	return body, true
}

// limited answers with what f gives, if there is a place for one more.
func (e *Endpoint) limited(w http.ResponseWriter, r *http.Request, places places, f func() (any, error)) {
	if !places.take() {
		w.Header().Set("Retry-After", "1")
		writeProblem(w, http.StatusTooManyRequests, "busy", errBusy.Message, "")
		return
	}
	defer places.give()
	v, err := f()
	if raw, ok := v.(json.RawMessage); ok && err == nil {
		writeJSON(w, http.StatusOK, raw)
		return
	}
	if err == nil {
		writeValue(w, http.StatusOK, v)
		return
	}
	if bad, ok := errors.AsType[*router.RequestError](err); ok {
		writeProblem(w, http.StatusBadRequest, "bad_request", bad.Msg, "")
		return
	}
	if errors.Is(err, context.Canceled) {
		writeProblem(w, http.StatusServiceUnavailable, "cancelled", lifeOf(r.Context()).callError(err).Message, "")
		return
	}
	e.log.Warn("request failed", "err", err)
	writeProblem(w, http.StatusInternalServerError, "internal", err.Error(), "")
}
