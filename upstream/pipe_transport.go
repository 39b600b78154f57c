package upstream

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"

	"toolrouter/internal/catalog"
)

// closedError is the cause when we end a connection ourselves.
type closedError string

func (e closedError) Error() string { return string(e) }

const (
	errClosed  = closedError("the connection was closed")
	errChanged = closedError("it was restarted for a changed configuration")
	errRemoved = closedError("it was removed from the configuration")
)

// The methods below make a pipe a transport of mcp-go, whose client needs one for
// the handshake. The pipe gives its own ids, so that the client's and ours
// never meet, and hands everything the backend sends to its listener.

// Start does nothing: newPipe has begun already.
func (p *pipe) Start(context.Context) error { return nil }

// SendRequest sends a request of mcp-go's client.
func (p *pipe) SendRequest(ctx context.Context, r transport.JSONRPCRequest) (*transport.JSONRPCResponse, error) {
	params, err := marshalParams(r.Params)
	if err != nil {
		return nil, err
	}
	result, err := p.request(ctx, r.Method, params, nil)
	if fault, ok := errors.AsType[*catalog.RPCError](err); ok {
		return transport.NewJSONRPCErrorResponse(r.ID, fault.Code, fault.Message, fault.Data), nil
	}
	if err != nil {
		return nil, err
	}
	return transport.NewJSONRPCResultResponse(r.ID, result), nil
}

// SendNotification sends a notification of mcp-go's client.
func (p *pipe) SendNotification(ctx context.Context, n mcp.JSONRPCNotification) error {
	params, err := marshalParams(n.Params)
	if err != nil {
		return err
	}
	return p.notify(ctx, n.Method, params)
}

func marshalParams(params any) (json.RawMessage, error) {
	if params == nil {
		return nil, nil
	}
	return json.Marshal(params)
}

// SetNotificationHandler does nothing: the listener is told.
func (p *pipe) SetNotificationHandler(func(mcp.JSONRPCNotification)) {}

// GetSessionId gives "": a pipe has no session but itself.
func (p *pipe) GetSessionId() string { return "" }

// Close ends the connection: the backend sees the end of its input. It returns
// when reading has ended, which the owner of the output has to bring about.
func (p *pipe) Close() error {
	p.fail(errClosed)
	p.wg.Wait()
	return nil
}
