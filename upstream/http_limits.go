package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"toolrouter/internal/catalog"
)

// Limits of what a backend may send over HTTP.
const (
	maxBody      = maxFrame // bytes of a body, or of one event of a stream
	maxErrorBody = 64 << 10 // bytes of a body that explains an error
	maxHeaders   = 64 << 10 // bytes of a response's headers
	maxRedirects = 3        // to the same origin
	dialTimeout  = 10 * time.Second
	idleTimeout  = 90 * time.Second
	maxIdle      = 64 // connections kept for the next requests
)

// newHTTPClient gives the client for one backend, with connections of its own.
func newHTTPClient(headers http.Header, streamEnded func()) *http.Client {
	dialer := &net.Dialer{Timeout: dialTimeout}
	return &http.Client{
		Transport: &limitedTransport{
			headers:     headers,
			streamEnded: streamEnded,
			next: &http.Transport{
				Proxy:                  http.ProxyFromEnvironment,
				DialContext:            dialer.DialContext,
				DisableCompression:     true, // nothing is inflated behind our back
				ForceAttemptHTTP2:      true,
				TLSHandshakeTimeout:    dialTimeout,
				MaxResponseHeaderBytes: maxHeaders,
				MaxIdleConnsPerHost:    maxIdle,
				IdleConnTimeout:        idleTimeout,
			},
			direct: directTransport{dial: dialer.DialContext},
		},
		CheckRedirect: checkRedirect,
	}
}

// checkRedirect follows a backend that moved within its own origin. Elsewhere
// the request's body and headers, which hold secrets, must not go.
func checkRedirect(r *http.Request, via []*http.Request) error {
	from := via[0].URL
	if r.URL.Scheme != from.Scheme || r.URL.Host != from.Host {
		return fmt.Errorf("redirected to another origin, %s://%s", r.URL.Scheme, r.URL.Host)
	}
	if r.Method != via[0].Method {
		return &movedError{r.Response.StatusCode}
	}
	if len(via) > maxRedirects {
		return errors.New("redirected too often")
	}
	return nil
}

// movedError is a redirect that would make another request of the one that was
// sent: a GET without its message.
type movedError struct{ status int }

func (e *movedError) Error() string {
	return fmt.Sprintf("redirected by %d %s, which loses the message: configure the URL it redirects to", e.status, http.StatusText(e.status))
}

// limitedTransport puts the declared headers on every request and bounds what
// comes back. What mcp-go would lose of an answer it turns into what mcp-go
// understands, or into an error of ours.
type limitedTransport struct {
	next        *http.Transport
	direct      directTransport // for the requests that it can make
	headers     http.Header
	streamEnded func()                                      // a standing stream (GET) ended
	take        func(ctx context.Context, data []byte) bool // takes events out of the streams of requests; nil takes none
	wantStream  bool                                        // a GET is for a stream, and what is none is an error
	refused     atomic.Pointer[statusError]                 // the last answer with an error's status
}

// RoundTrip implements http.RoundTripper.
func (t *limitedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	if resp := made(ctx); resp != nil {
		return resp, nil
	}
	if r.Method == http.MethodDelete { // mcp-go ends a session so; a server that hangs must not hold us up
		short, cancel := context.WithTimeout(ctx, inputGrace)
		defer cancel()
		ctx = short
	}
	if len(t.headers) > 0 || ctx != r.Context() {
		r = r.WithContext(ctx) // a copy: the caller's own may not be changed
		r.Header = r.Header.Clone()
		maps.Copy(r.Header, t.headers)
	}
	resp, err := t.send(r)
	if err != nil {
		return nil, &connError{err}
	}
	if e := resp.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		resp.Body.Close()
		return nil, fmt.Errorf("the server sent a body of encoding %q, which was not asked for", catalog.Clip(e, 40))
	}
	if resp.StatusCode >= 400 {
		return t.explained(r, resp)
	}
	body := &limitedBody{ReadCloser: resp.Body, max: maxBody, events: mediaType(resp) == "text/event-stream"}
	if t.wantStream && r.Method == http.MethodGet && resp.StatusCode == http.StatusOK && !body.events {
		resp.Body.Close()
		return nil, fmt.Errorf("the server answered with %q and not with a stream of events", catalog.Clip(resp.Header.Get("Content-Type"), 80))
	}
	body.fault, _ = r.Context().Value(bodyFaultKey{}).(*bodyFault)
	if body.events && r.Method == http.MethodGet {
		body.ended = t.streamEnded
	}
	resp.Body = body
	if t.take != nil && body.events {
		resp.Body = newEventFilter(body, func(data []byte) bool { return t.take(ctx, data) })
	}
	return resp, nil
}

// send makes a request the shortest way there is for it.
func (t *limitedTransport) send(r *http.Request) (*http.Response, error) {
	if direct(r) {
		if proxy, err := t.next.Proxy(r); proxy == nil && err == nil {
			return t.direct.RoundTrip(r)
		}
	}
	return t.next.RoundTrip(r)
}

// mediaType reads the Content-Type of an answer; the usual one without taking it
// apart.
func mediaType(resp *http.Response) string {
	contentType := resp.Header.Get("Content-Type")
	if contentType == "application/json" {
		return contentType
	}
	mt, _, _ := mime.ParseMediaType(contentType)
	return mt
}

// CloseIdleConnections lets http.Client do what its method of that name says.
func (t *limitedTransport) CloseIdleConnections() {
	t.next.CloseIdleConnections()
	t.direct.CloseIdleConnections()
}

// explained reads an error response. A demand to sign in becomes an error with
// what the server said. Revision 2026-07-28 answers an unknown method with 404
// and a JSON-RPC error, and so do older servers of their own making; mcp-go takes
// every 404 for a lost session, so that one goes on as a 400.
func (t *limitedTransport) explained(r *http.Request, resp *http.Response) (*http.Response, error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	resp.Body.Close()
	if err != nil {
		return nil, fmt.Errorf("read the answer with status %d: %w", resp.StatusCode, err)
	}
	if resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden {
		return nil, &signInError{status: resp.StatusCode, challenge: resp.Header.Values("WWW-Authenticate"), body: string(body)}
	}
	t.refused.Store(&statusError{resp.StatusCode, resp.Header.Get("Retry-After")})
	fault := faultIn(body)
	if resp.StatusCode == http.StatusNotFound && fault != nil && (r.Header.Get(mcp.HeaderSessionID) == "" || fault.Code == codeMethodNotFound) {
		resp.StatusCode, resp.Status = http.StatusBadRequest, "400 Bad Request"
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	resp.ContentLength = int64(len(body))
	return resp, nil
}

// errTooLarge ends the call that was answered with too much.
var errTooLarge = fmt.Errorf("the server's reply is longer than %d bytes", maxBody)

// limitedBody bounds a body, or each event of a stream.
type limitedBody struct {
	io.ReadCloser
	used, max int64
	events    bool
	newline   bool   // the last byte of the stream ended a line
	ended     func() // called once when the stream is over, nil if nobody cares
	fault     *bodyFault
}

// bodyFault keeps why a body could not be read to its end, which mcp-go does not
// tell of a stream. It travels in the context of the request.
type bodyFault struct{ err atomic.Pointer[error] }

type bodyFaultKey struct{}

func (b *limitedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.events {
		b.count(p[:n])
	} else {
		b.used += int64(n)
	}
	if err != nil && err != io.EOF {
		err = &connError{err}
	}
	if b.used > b.max {
		n, err = 0, errTooLarge
	}
	if err != nil && err != io.EOF && b.fault != nil {
		b.fault.err.Store(&err)
	}
	if err != nil && b.ended != nil {
		b.ended()
		b.ended = nil
	}
	return n, err
}

// count begins anew at every empty line, which ends an event.
func (b *limitedBody) count(p []byte) {
	for len(p) > 0 && b.used <= b.max {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			b.used += int64(len(p))
			b.newline = b.newline && len(bytes.Trim(p, "\r")) == 0
			return
		}
		b.used += int64(i) + 1
		if b.newline && len(bytes.Trim(p[:i], "\r")) == 0 && b.used <= b.max {
			b.used = 0
		}
		b.newline = true
		p = p[i+1:]
	}
}
