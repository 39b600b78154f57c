package router

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"toolrouter/internal/catalog"
)

// Call answers call_tool with the bytes of a tools/call result. What goes wrong
// with the tool is such a result too, with isError set; an error is returned for
// a request without a name, as a *RequestError, when the context has ended, and for
// a backend that wants a URL opened first, as the *catalog.RPCError it sent.
func (r *Router) Call(ctx context.Context, req CallRequest) (json.RawMessage, error) {
	if req.Name == "" {
		return nil, errNoName
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("call %s: %w", shown(req.Name, maxReason), err)
	}
	t, problem := r.target(ctx, req.Name)
	if t == nil {
		return ErrorResult(problem), nil
	}
	fit := r.fit(t, req)
	if fit.refuse != "" {
		r.log.DebugContext(ctx, "refused arguments", "server", t.ID.Server, "tool", t.ID.Tool)
		return ErrorResult(fit.refuse), nil
	}
	start := time.Now()
	result, err := r.converse(ctx, catalog.Call{
		ID: t.ID, Arguments: fit.args, Meta: req.Meta, Caller: req.Caller, Retry: req.Retry,
		Safe: t.Hints.ReadOnly || t.Hints.Idempotent,
	})
	if r.log.Enabled(ctx, slog.LevelDebug) {
		r.log.DebugContext(ctx, "called", "server", t.ID.Server, "tool", t.ID.Tool, "dur", time.Since(start), "err", err)
	}
	if ended := ctx.Err(); err != nil && ended != nil {
		return nil, fmt.Errorf("call %s: %w", t.ID, ended)
	}
	if wantsURL(err, req.Caller) {
		return nil, err
	}
	if err != nil {
		return ErrorResult(failure(t, err)), nil
	}
	if len(fit.mended) > 0 {
		result = withMended(result, fit.mended)
	}
	return result, nil
}

// codeURLElicitation is the error by which a backend of revision 2025-11-25 says
// that the client has to open a URL, and then to make the call again.
const codeURLElicitation = -32042

// wantsURL reports whether an error is for the client and not for its model: only
// the client can open the URL in it. Later revisions ask by a result.
func wantsURL(err error, caller catalog.Caller) bool {
	rpc, ok := errors.AsType[*catalog.RPCError](err)
	return ok && rpc.Code == codeURLElicitation && caller != nil && caller.Can("elicitation") && !caller.Repeats()
}

// target finds the one tool that a name means, or says why there is none.
func (r *Router) target(ctx context.Context, name string) (*catalog.Tool, string) {
	found := r.state.Load().resolve(name)
	if len(found) == 0 {
		r.awaitTool(ctx, name)
		found = r.state.Load().resolve(name)
	}
	switch len(found) {
	case 0:
		return nil, r.look().unknown(ctx, name, "") + " " + SearchTool + " finds tools by what they do."
	case 1:
		return found[0], ""
	}
	return nil, ambiguous(name, found)
}

const maxErrorText = 2000 // bytes of a backend's error, and of its data

// failure tells a model, and whoever reads along, why a call has no result and
// what that means.
func failure(t *catalog.Tool, err error) string {
	var gone *catalog.Unavailable
	var rpc *catalog.RPCError
	var asked *askError
	switch {
	case errors.As(err, &asked):
		return fmt.Sprintf("%s: %s", t.Name, asked.msg)
	case errors.As(err, &gone):
		return unavailable(t, gone, time.Now())
	case errors.As(err, &rpc):
		text := fmt.Sprintf("%s: server %s answered with an error: %s (code %d)", t.Name, t.ID.Server, shown(rpc.Message, maxErrorText), rpc.Code)
		if len(rpc.Data) > 0 {
			text += "\ndata: " + shown(string(rpc.Data), maxErrorText)
		}
		return text
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("%s: the call to server %s timed out: %s. %s", t.Name, t.ID.Server, cause(t, err), unknownOutcome)
	}
	return fmt.Sprintf("%s: the call to server %s failed: %s", t.Name, t.ID.Server, cause(t, err))
}

const unknownOutcome = "The call may or may not have been carried out: check before you repeat it."

// cause is the text of an error without what its reader knows already.
func cause(t *catalog.Tool, err error) string {
	return shown(strings.TrimPrefix(err.Error(), "call "+t.ID.String()+": "), maxErrorText)
}

// unavailable says which server is not there, and what that means for the call.
func unavailable(t *catalog.Tool, u *catalog.Unavailable, now time.Time) string {
	outcome := "The call was not made."
	if u.Sent {
		outcome = unknownOutcome
	}
	return fmt.Sprintf("%s: server %s %s", t.Name, trouble(u, now), outcome)
}
