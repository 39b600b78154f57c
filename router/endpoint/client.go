package endpoint

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"syscall"

	"toolrouter/router"
)

// ErrNoRouter means that no router answers on a control socket.
var ErrNoRouter = errors.New("no running router")

// APIError is what a router's API says went wrong.
type APIError struct {
	Status  int    // of HTTP
	Code    string // short, for programs
	Message string
	Hint    string // what to do about it, "" if unknown
}

// Error gives the message.
func (e *APIError) Error() string { return e.Message }

// Client speaks with a running router over its control socket. Its errors are
// ErrNoRouter (wrapped), an *APIError, or those of the context.
type Client struct {
	socket string
	http   *http.Client
}

// maxAnswer is what a client reads of one answer.
const maxAnswer = 64 << 20

// Dial makes a Client for a socket; the connection is made by the first request.
func Dial(socket string) *Client {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dialSocket(ctx, socket) }}
	return &Client{socket, &http.Client{Transport: transport}}
}

func dialSocket(ctx context.Context, socket string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", socket)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, fmt.Errorf("%w on %s", ErrNoRouter, socket)
	}
	return conn, err
}

// Close lets go of idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Ping reports whether a router answers.
func (c *Client) Ping(ctx context.Context) error {
	_, err := c.get(ctx, "/healthz")
	return err
}

// Status gives what the router says of itself, as JSON.
func (c *Client) Status(ctx context.Context) (json.RawMessage, error) {
	return c.get(ctx, "/api/status")
}

// SearchAnswer is a search's answer.
type SearchAnswer = router.SearchAnswer

// Search finds tools. Of the request Query, Server, Limit, Cursor and Explain are
// sent.
func (c *Client) Search(ctx context.Context, req router.SearchRequest) (SearchAnswer, error) {
	q := url.Values{"q": {req.Query}}
	if req.Server != "" {
		q.Set("server", req.Server)
	}
	if req.Cursor != "" {
		q.Set("cursor", req.Cursor)
	}
	if req.Explain {
		q.Set("explain", "1")
	}
	if req.Limit > 0 {
		q.Set("limit", strconv.Itoa(req.Limit))
	}
	var found SearchAnswer
	raw, err := c.get(ctx, "/api/search?"+q.Encode())
	if err == nil {
		err = json.Unmarshal(raw, &found)
	}
	return found, err
}

// Call calls a tool, named in any spelling, and gives its result as the backend
// sent it. A result with isError is no error here. Nil arguments mean {}.
func (c *Client) Call(ctx context.Context, name string, arguments json.RawMessage) (json.RawMessage, error) {
	if arguments == nil {
		arguments = json.RawMessage("{}")
	}
	body, err := json.Marshal(map[string]any{"name": name, "arguments": arguments})
	if err != nil {
		return nil, fmt.Errorf("arguments of %s: %w", name, err)
	}
	resp, err := c.do(ctx, http.MethodPost, "/api/call", body)
	if err != nil {
		return nil, err
	}
	return readAnswer(resp)
}

// Reindex has the index rebuilt and returns when that is done. The function is
// told of the progress; nil is allowed.
func (c *Client) Reindex(ctx context.Context, progress func(done, total int)) error {
	resp, err := c.do(ctx, http.MethodPost, "/api/reindex", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	for d := json.NewDecoder(resp.Body); ; {
		var line progressLine
		if err := d.Decode(&line); err != nil {
			return fmt.Errorf("reindex: the router went away: %w", err)
		}
		switch {
		case line.Error != nil:
			return &APIError{resp.StatusCode, line.Error.Code, line.Error.Message, line.Error.Hint}
		case line.Done:
			return nil
		case progress != nil:
			progress(line.Indexed, line.Total)
		}
	}
}

func (c *Client) get(ctx context.Context, path string) (json.RawMessage, error) {
	resp, err := c.do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	return readAnswer(resp)
}

// do makes a request and turns an answer that is none into an error.
func (c *Client) do(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://router"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if errors.Is(err, ErrNoRouter) {
			return nil, fmt.Errorf("%w on %s", ErrNoRouter, c.socket)
		}
		return nil, err
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	raw, err := readAnswer(resp)
	if err != nil {
		return nil, err
	}
	return nil, readProblem(resp.StatusCode, raw)
}

func readAnswer(resp *http.Response) (json.RawMessage, error) {
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("read the router's answer: %w", err)
	}
	if len(raw) > maxAnswer {
		return nil, fmt.Errorf("the router's answer is over %d bytes", maxAnswer)
	}
	return raw, nil
}

func readProblem(status int, raw []byte) error {
	var answer struct{ Error problem }
	if json.Unmarshal(raw, &answer) != nil || answer.Error.Message == "" {
		return &APIError{Status: status, Code: "http", Message: http.StatusText(status)}
	}
	return &APIError{status, answer.Error.Code, answer.Error.Message, answer.Error.Hint}
}
