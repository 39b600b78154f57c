package endpoint

import (
	"context"
	"encoding/json"
	"fmt"

	"toolrouter/internal/catalog"
	"toolrouter/router"
)

// core is what stands behind the transports.
type core interface {
	Instructions() string
	ToolsJSON() json.RawMessage
	OverviewChanged(func())
	// tool answers a call of one of the two tools. Its error is a
	// *router.RequestError, for a tool that is neither a *catalog.RPCError, or the
	// context's.
	tool(ctx context.Context, name string, in input) (json.RawMessage, error)
	// find answers a search with facts beside the text, and with the same errors;
	// explain adds why each hit stands where it stands.
	find(ctx context.Context, arguments json.RawMessage, explain bool) (router.SearchAnswer, error)
}

// input is what came with a call of one of the two tools.
type input struct {
	arguments json.RawMessage
	meta      json.RawMessage
	caller    catalog.Caller
	retry     *catalog.Answers
}

// product is the router as the transports see it.
type product struct{ *router.Router }

func (p product) tool(ctx context.Context, name string, in input) (json.RawMessage, error) {
	switch name {
	case toolSearch:
		return p.search(ctx, in.arguments)
	case toolCall:
		return p.call(ctx, in)
	}
	return nil, rpcError(codeParams, fmt.Sprintf("unknown tool %q: this server has %s, which finds tools, and %s, which calls what was found",
		clip(name), toolSearch, toolCall))
}

func (p product) search(ctx context.Context, arguments json.RawMessage) (json.RawMessage, error) {
	found, err := p.ask(ctx, arguments, false)
	if err != nil {
		return nil, err
	}
	return found.ToolResult(), nil
}

func (p product) find(ctx context.Context, arguments json.RawMessage, explain bool) (router.SearchAnswer, error) {
	found, err := p.ask(ctx, arguments, explain)
	if err == nil && found.IsError {
		err = &router.RequestError{Msg: found.Text}
	}
	return found.Answer(), err
}

func (p product) ask(ctx context.Context, arguments json.RawMessage, explain bool) (router.SearchResult, error) {
	req, err := router.DecodeSearch(arguments)
	if err != nil {
		return router.SearchResult{}, err
	}
	req.Explain = explain
	return p.Search(ctx, req)
}

func (p product) call(ctx context.Context, in input) (json.RawMessage, error) {
	req, err := router.DecodeCall(in.arguments)
	if err != nil {
		return nil, err
	}
	req.Meta, req.Caller, req.Retry = in.meta, in.caller, in.retry
	return p.Call(ctx, req)
}
