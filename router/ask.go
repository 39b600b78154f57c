package router

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"toolrouter/internal/catalog"
)

const (
	maxRounds    = 10 // of questions in one call
	maxQuestions = 16 // in one round
)

// askError is why a tool that needs input did not get it, told to the model.
type askError struct{ msg string }

func (e *askError) Error() string { return e.msg }

// question is one of the requests in an input_required result.
type question struct {
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
}

// inputRequired is a result that asks for input.
type inputRequired struct {
	Type     string          `json:"resultType"`
	Requests json.RawMessage `json:"inputRequests"`
	State    string          `json:"requestState"`
}

// asksForInput reads such a result. Nearly no result is one, so the bytes are
// searched before anything is parsed. One that neither asks for anything nor
// keeps a state is none: to a server that knows no such results the words are its
// own, and its tool must not be called again for them.
func asksForInput(result json.RawMessage) (asked inputRequired, ok bool) {
	if !bytes.Contains(result, []byte("input_required")) {
		return asked, false
	}
	ok = json.Unmarshal(result, &asked) == nil && asked.Type == "input_required"
	return asked, ok && (len(asked.Requests) > 0 || asked.State != "")
}

// converse makes a call and answers what the backend asks meanwhile. A client
// that repeats such calls itself gets the questions as they came.
func (r *Router) converse(ctx context.Context, c catalog.Call) (json.RawMessage, error) {
	for range maxRounds {
		result, err := r.upstream.Call(ctx, c)
		if err != nil {
			return nil, err
		}
		asked, ok := asksForInput(result)
		if !ok || c.Caller != nil && c.Caller.Repeats() {
			return result, nil
		}
		if c.Retry, err = answers(ctx, c.Caller, asked); err != nil {
			return nil, err
		}
	}
	return nil, &askError{fmt.Sprintf("it asked for input %d times in one call, which is where the router stops", maxRounds)}
}

// answers puts a backend's questions to the client, one after the other.
func answers(ctx context.Context, to catalog.Caller, asked inputRequired) (*catalog.Answers, error) {
	asks, _ := members(asked.Requests)
	if to == nil && len(asks) > 0 {
		return nil, &askError{"it needs input from a person or a model while it runs, and this connection has nobody to ask: use an interactive client"}
	}
	if len(asks) > maxQuestions {
		return nil, &askError{fmt.Sprintf("it asked %d questions at once, and at most %d are passed on", len(asks), maxQuestions)}
	}
	names := make([]string, len(asks))
	replies := make([]json.RawMessage, len(asks))
	for i, a := range asks {
		var q question
		if json.Unmarshal(a.text(asked.Requests), &q) != nil {
			return nil, &askError{"it asked for input in a way that cannot be read"}
		}
		reply, err := answer(ctx, to, q)
		if err != nil {
			return nil, err
		}
		names[i], replies[i] = a.name, reply
	}
	return &catalog.Answers{Responses: joinObject(names, replies), State: asked.State}, nil
}

func answer(ctx context.Context, to catalog.Caller, q question) (json.RawMessage, error) {
	capability := catalog.CapabilityFor(q.Method)
	if capability == "" {
		return nil, &askError{fmt.Sprintf("it asked the client for %s, which is not passed on", quoted(q.Method))}
	}
	if !to.Can(capability) {
		return nil, &askError{fmt.Sprintf("it needs %s from the client, which cannot do that: use an interactive client", capability)}
	}
	answer, err := to.Ask(ctx, q.Method, q.Params)
	switch {
	case err == nil && !json.Valid(answer):
		return nil, &askError{fmt.Sprintf("the client's answer to %s is not JSON", q.Method)}
	case err == nil:
		return answer, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	why := err.Error()
	if rpc, ok := errors.AsType[*catalog.RPCError](err); ok {
		why = rpc.Message
	}
	return nil, &askError{fmt.Sprintf("the client did not answer %s: %s", q.Method, shown(why, maxErrorText))}
}
