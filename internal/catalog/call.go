package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// Call is one tools/call on its way to a backend. It is built anew for every
// call: nothing of the client's request but what stands here goes on.
type Call struct {
	ID        ID
	Arguments json.RawMessage // a JSON object; nil means {}
	Meta      json.RawMessage // the client's own _meta entries, protocol keys and progress token taken out; nil if none
	Caller    Caller          // the client, for progress, logs and questions; nil if there is none to ask
	Safe      bool            // the tool may be called twice: a call that a restart cut off is made again
	Retry     *Answers        // the client's answers when it repeats a call that asked for input
}

// Answers are what a client of revision 2026-07-28 sends when it repeats a call
// that was answered with input_required.
type Answers struct {
	Responses json.RawMessage // inputResponses, an object
	State     string          // requestState, as the backend gave it
}

// Caller is the client at the other end of a call. All methods may be called
// from several goroutines, also after the call has ended, when they do nothing.
type Caller interface {
	// Notify passes on a notification that belongs to the call, such as
	// notifications/progress (without its token, which the Caller puts in) or
	// notifications/message. It does not block for long and may drop.
	Notify(method string, params json.RawMessage)
	// Client identifies the client: equal values mean the same client with the same
	// roots. It is nil if that is unknown.
	Client() any
	// WantsProgress reports whether the client gave a progress token.
	WantsProgress() bool
	// LogLevel gives the level from which on the client wants log messages
	// ("debug" to "emergency"), "" if it wants none.
	LogLevel() string
	// Can reports whether the client declared a capability: "sampling",
	// "elicitation" or "roots".
	Can(capability string) bool
	// Repeats reports whether the client itself repeats a call that was answered
	// with input_required (revision 2026-07-28). For one that does not, the router
	// asks and repeats.
	Repeats() bool
	// Ask sends the client a request (sampling/createMessage,
	// elicitation/create, roots/list) and waits for the result.
	Ask(ctx context.Context, method string, params json.RawMessage) (json.RawMessage, error)
}

// CapabilityFor gives the capability that a client must have declared for a
// request to be put to it, "" for a request that is never put to clients.
func CapabilityFor(method string) string {
	switch method {
	case "sampling/createMessage":
		return "sampling"
	case "elicitation/create":
		return "elicitation"
	case "roots/list":
		return "roots"
	}
	return ""
}

// RPCError is a JSON-RPC error as a backend or client sent it.
type RPCError struct {
	Code    int             `json:"code"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data,omitempty"`
}

// Error gives the message and the code.
func (e *RPCError) Error() string { return fmt.Sprintf("%s (code %d)", e.Message, e.Code) }

// Unavailable is the error of a call whose backend could not be reached. The
// call was not made, unless Sent says that it may have been.
type Unavailable struct {
	Server string
	State  State
	Since  time.Time // when the trouble began; zero if unknown
	Next   time.Time // when the next start is tried; zero if none is planned
	Sent   bool      // the call had been sent: whether it was carried out is unknown
	Err    error     // the cause
}

// Error names the server, its state and the cause.
func (e *Unavailable) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("server %s is %s", e.Server, e.State)
	}
	return fmt.Sprintf("server %s is %s: %v", e.Server, e.State, e.Err)
}

// Unwrap gives the cause.
func (e *Unavailable) Unwrap() error { return e.Err }
