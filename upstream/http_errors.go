package upstream

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/mark3labs/mcp-go/client/transport"

	"toolrouter/internal/catalog"
)

// statusError is an answer that turned a handshake away.
type statusError struct {
	status     int
	retryAfter string
}

func (e *statusError) Error() string {
	text := fmt.Sprintf("the server answered %d %s", e.status, http.StatusText(e.status))
	if e.retryAfter != "" {
		text += ", Retry-After: " + catalog.Clip(catalog.Printable(e.retryAfter), 40)
	}
	return text
}

// signInError is an answer with 401 or 403: a person has to do something.
type signInError struct {
	status    int
	challenge []string // WWW-Authenticate
	body      string
}

func (e *signInError) Error() string {
	text := fmt.Sprintf("the server answered %d %s", e.status, http.StatusText(e.status))
	said := strings.Join(e.challenge, ", ")
	if said == "" {
		said = e.body
	}
	if said = catalog.Clip(catalog.Printable(said), 300); said != "" {
		text += ": " + said
	}
	return text
}

// ofCall is the error of the one call that was forbidden: what the server said.
func (e *signInError) ofCall() error {
	if fault := faultIn([]byte(e.body)); fault != nil {
		return fault
	}
	return errors.New(e.Error())
}

// faultIn reads a body that is a JSON-RPC error, nil if it is none.
func faultIn(body []byte) *catalog.RPCError {
	var m struct {
		JSONRPC string          `json:"jsonrpc"`
		Error   json.RawMessage `json:"error"`
	}
	if json.Unmarshal(body, &m) != nil || m.JSONRPC != "2.0" || m.Error == nil {
		return nil
	}
	return rpcError(m.Error)
}

// refusedError is a call that the server turned away because it does not know
// the session. It says that it did nothing; all the same the call is not made
// again unless that is harmless.
type refusedError struct{ *lostError }

func (e *refusedError) Unwrap() error { return e.lostError }

// connError is a failure of the connection: there was no answer, not even a bad
// one. net/http has many, most of which it does not export.
type connError struct{ err error }

func (e *connError) Error() string { return e.err.Error() }
func (e *connError) Unwrap() error { return e.err }

// neverSent reports whether a request surely did not reach the backend.
func neverSent(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(err, &dns) || errors.As(err, &op) && op.Op == "dial"
}

// brokenOff reports whether a connection ended before the answer was complete.
func brokenOff(err error) bool {
	return errors.As(err, new(*connError)) || errors.As(err, new(*net.OpError)) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// plainHTTPError takes off what mcp-go and net/http put around an error, the URL
// with its secrets among it.
func plainHTTPError(err error) error {
	if outer, ok := errors.AsType[*url.Error](err); ok {
		return outer.Err
	}
	if te, ok := errors.AsType[*transport.Error](err); ok {
		return te.Err
	}
	return err
}
