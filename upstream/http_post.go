package upstream

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/mark3labs/mcp-go/mcp"

	"toolrouter/internal/catalog"
)

// poster makes the requests of an agreed session over Streamable HTTP and reads
// the answers that are one JSON message, byte for byte. mcp-go's own way costs
// a goroutine and two decodings more for each of them. All other answers,
// streams and refusals, are handed to it.
type poster struct {
	client   *http.Client
	url      string
	protocol string
}

var (
	typeJSON   = []string{"application/json"}
	acceptBoth = []string{"application/json, text/event-stream"}
)

// post sends a request. It gives either the answer's message or, unread, the
// answer that is for mcp-go. The header, which may be nil, is the request's from
// now on.
func (p *poster) post(ctx context.Context, session string, frame []byte, header http.Header) (m message, other *http.Response, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(frame))
	if err != nil {
		return m, nil, err
	}
	if header != nil {
		r.Header = header
	}
	r.Header["Content-Type"], r.Header["Accept"] = typeJSON, acceptBoth
	r.Header.Set(mcp.HeaderProtocolVersion, p.protocol)
	if session != "" {
		r.Header.Set(mcp.HeaderSessionID, session)
	}
	resp, err := p.client.Do(r)
	if err != nil {
		return m, nil, err
	}
	if resp.StatusCode != http.StatusOK || mediaType(resp) != "application/json" {
		return m, resp, nil
	}
	defer resp.Body.Close()
	body, err := readBody(resp)
	if err != nil {
		return m, nil, fmt.Errorf("read the answer: %w", err)
	}
	if m, err = parseMessage(body); err != nil {
		err = fmt.Errorf("the server's reply is no valid message: %w", err)
	}
	return m, nil, err
}

// readBody reads a body to its end, so that its connection can be used again.
func readBody(resp *http.Response) ([]byte, error) {
	if resp.ContentLength < 0 || resp.ContentLength > maxBody {
		return io.ReadAll(resp.Body) // the body is limited
	}
	body := make([]byte, resp.ContentLength)
	_, err := io.ReadFull(resp.Body, body)
	return body, err
}

// take gives what a message answers to the request of that id.
func (m message) take(id int64) (json.RawMessage, error) {
	if got, ok := own(m.id); !ok || got != id {
		return nil, fmt.Errorf("the server answered another request, %s", catalog.Clip(string(m.id), 40))
	}
	return reply{result: m.result, fault: m.fault}.read(true)
}

// madeKey is under which a request's context carries the answer that there is
// already: mcp-go's own request then gets that one, and nothing is sent twice.
type madeKey struct{}

// withMade puts an answer into a context, for the first request made with it:
// mcp-go makes others with the same one, to answer what the server asks.
func withMade(ctx context.Context, resp *http.Response) context.Context {
	p := &atomic.Pointer[http.Response]{}
	p.Store(resp)
	return context.WithValue(ctx, madeKey{}, p)
}

// made takes the answer out of a context, nil if there is none.
func made(ctx context.Context) *http.Response {
	p, ok := ctx.Value(madeKey{}).(*atomic.Pointer[http.Response])
	if !ok {
		return nil
	}
	return p.Swap(nil)
}
