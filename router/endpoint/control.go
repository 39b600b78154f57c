package endpoint

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// attachProtocol is what a connection to /attach is upgraded to: newline-
// delimited JSON-RPC both ways, and empty lines that say nothing.
const attachProtocol = "mcp-lines"

// ServeControl answers the other commands on a unix socket until ctx ends, as
// Serve does on a network address. Whoever can open the socket may do
// everything; the caller makes it so that only the user can (mode 0600). Beyond
// what Serve has there are /api/reindex, which streams its progress, and
// /attach, which carries the messages of one stdio client.
func (e *Endpoint) ServeControl(ctx context.Context, ln net.Listener) error {
	mux := e.routes(http.NewServeMux())
	mux.HandleFunc("/api/reindex", only(http.MethodPost, e.serveReindex))
	mux.HandleFunc("/attach", only(http.MethodGet, e.serveAttach))
	return e.serve(ctx, ln, mux)
}

// progressLine is one line of the answer of /api/reindex; the last one has Done
// or Error.
type progressLine struct {
	Indexed int      `json:"indexed,omitempty"`
	Total   int      `json:"total,omitempty"`
	Done    bool     `json:"done,omitempty"`
	Error   *problem `json:"error,omitempty"`
}

// serveReindex rebuilds the index and tells of it line by line. The work ends
// with the request.
func (e *Endpoint) serveReindex(w http.ResponseWriter, r *http.Request) {
	if e.opts.Reindex == nil {
		writeProblem(w, http.StatusNotImplemented, "unsupported", "this router has no index of its own", "")
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	tell := func(line progressLine) {
		_ = json.NewEncoder(w).Encode(line) // a client that left ends the request's context
		w.(http.Flusher).Flush()
	}
	if err := e.opts.Reindex(r.Context(), paced(func(done, total int) { tell(progressLine{Indexed: done, Total: total}) })); err != nil {
		tell(progressLine{Error: &problem{Code: "reindex", Message: err.Error()}})
		return
	}
	tell(progressLine{Done: true})
}

// paced lets through ten reports a second, one after the other, and the last one.
func paced(report func(done, total int)) func(done, total int) {
	var mu sync.Mutex
	var last time.Time
	return func(done, total int) {
		mu.Lock()
		defer mu.Unlock()
		if done < total && time.Since(last) < 100*time.Millisecond {
			return
		}
		last = time.Now()
		report(done, total)
	}
}

// serveAttach turns the connection into a stdio client's.
func (e *Endpoint) serveAttach(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") != attachProtocol {
		w.Header().Set("Upgrade", attachProtocol)
		writeProblem(w, http.StatusUpgradeRequired, "upgrade", "this route needs Upgrade: "+attachProtocol, "")
		return
	}
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		writeProblem(w, http.StatusInternalServerError, "internal", "the connection cannot be taken over", "")
		return
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Time{}) // of the request; the connection has none
	const upgraded = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + attachProtocol + "\r\n\r\n"
	if _, err := io.WriteString(conn, upgraded); err != nil {
		return
	}
	// The server has forgotten the connection: its end is no longer that of the
	// request's context, and the life of the server no longer ends it.
	ctx := lifeOf(r.Context()).stopping
	l := newLife(ctx)
	defer l.stop()
	if err := e.serveStream(ctx, l, attached{buffered.Reader, conn}, pacedConn{conn}, true); err != nil {
		e.log.Debug("attached client ended", "err", err)
	}
}

// attached reads what the server had read already, then the connection.
type attached struct {
	*bufio.Reader
	io.Closer
}

// pacedConn gives a client limited time to take each message.
type pacedConn struct{ net.Conn }

func (c pacedConn) Write(p []byte) (int, error) {
	_ = c.SetWriteDeadline(time.Now().Add(chunkTime))
	return c.Conn.Write(p)
}
