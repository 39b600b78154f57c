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
// a request without a name, as a *RequestError, and when the context has ended.
func (r *Router) Call(ctx context.Context, req CallRequest) (json.RawMessage, error) {
	if req.Name == "" {
		return nil, &RequestError{"the name of the tool is missing"}
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("call %s: %w", shown(req.Name, maxReason), err)
	}
	r.awaitListing(ctx, callPatience, func() bool { return r.knows(req.Name) })
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
	if err != nil {
		return ErrorResult(r.failure(t, err)), nil
	}
	if len(fit.mended) > 0 {
		result = withMended(result, fit.mended)
	}
	return result, nil
}

// target finds the one tool that a name means, or says why there is none.
func (r *Router) target(ctx context.Context, name string) (*catalog.Tool, string) {
	if found := r.state.Load().view.Snapshot.Resolve(name); len(found) == 1 {
		return found[0], ""
	}
	l := r.look()
	found := l.resolve(name)
	switch {
	case len(found) == 1:
		return found[0], ""
	case len(found) > 1:
		return nil, ambiguous(name, found)
	case l.tools == 0:
		return nil, fmt.Sprintf("no tool %s here. %s", quoted(name), l.emptyText())
	}
	text := fmt.Sprintf("no tool %s here.", quoted(name))
	if near := l.nearest(ctx, name); len(near) > 0 {
		text += " Nearest: " + strings.Join(near, ", ") + "."
	}
	if server, _, ok := strings.Cut(name, "__"); ok {
		if server, ok = l.server(server); ok && l.condition(server) != "" {
			text += " " + strings.TrimSuffix(l.condition(server), ".") + "."
		}
	}
	return nil, text + " " + SearchTool + " finds tools by what they do."
}

// nearest names the tools that a name most likely means: misspellings first, then
// what the index finds for its words.
func (l *look) nearest(ctx context.Context, name string) []string {
	near := nearestTools(l.state.view.Snapshot, name, maxNear, l.keep(""))
	if len(near) == maxNear || len(name) > maxQuery {
		return namesOf(near)
	}
	found, err := l.router.index.Search(ctx, catalog.Query{
		Text: strings.Join(words(name), " "), Limit: 2 * maxNear, Keep: l.keep(""),
	})
	if err != nil {
		return namesOf(near)
	}
	for _, h := range found.Hits {
		t := l.state.view.Snapshot.Tool(h.ID)
		if t != nil && len(near) < maxNear && !contains(near, t) {
			near = append(near, t)
		}
	}
	return namesOf(near)
}

func contains(tools []*catalog.Tool, t *catalog.Tool) bool {
	for _, other := range tools {
		if other.ID == t.ID {
			return true
		}
	}
	return false
}

// send makes one call to the backend, within the configured time.
func (r *Router) send(ctx context.Context, c catalog.Call) (json.RawMessage, error) {
	if r.opts.CallTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.opts.CallTimeout)
		defer cancel()
	}
	return r.upstream.Call(ctx, c)
}

const maxErrorText = 2000 // bytes of a backend's error, and of its data

// failure tells a model, and whoever reads along, why a call has no result and
// what that means.
func (r *Router) failure(t *catalog.Tool, err error) string {
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
		return fmt.Sprintf("%s: server %s did not answer in time%s. %s", t.Name, t.ID.Server, r.inTime(), unknownOutcome)
	}
	return fmt.Sprintf("%s: the call to server %s failed: %s", t.Name, t.ID.Server, shown(err.Error(), maxErrorText))
}

const unknownOutcome = "The call may or may not have been carried out: check before you repeat it."

func (r *Router) inTime() string {
	if r.opts.CallTimeout == 0 {
		return ""
	}
	return " (" + r.opts.CallTimeout.String() + ")"
}

// unavailable says which server is not there, since when, and what is being done.
func unavailable(t *catalog.Tool, u *catalog.Unavailable, now time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: server %s ", t.Name, u.Server)
	switch u.State {
	case catalog.NeedsSignIn:
		b.WriteString("needs sign-in")
	case catalog.Disabled:
		b.WriteString("is disabled")
	case catalog.Starting:
		b.WriteString("is starting")
	case catalog.Ready, catalog.Idle:
		b.WriteString("went away")
	default:
		b.WriteString("is down")
	}
	if !u.Since.IsZero() {
		fmt.Fprintf(&b, " since %s (%s)", clock(u.Since), now.Sub(u.Since).Round(time.Second))
	}
	if u.Err != nil {
		b.WriteString(": " + shown(u.Err.Error(), maxReason))
	}
	b.WriteString(". ")
	switch {
	case u.State == catalog.NeedsSignIn:
		b.WriteString("A person has to sign in; until then calling again does not help. ")
	case u.State == catalog.Disabled:
		b.WriteString("It is switched off in the configuration. ")
	case u.Next.After(now):
		fmt.Fprintf(&b, "It is being restarted, next try in %s. ", u.Next.Sub(now).Round(100*time.Millisecond))
	case u.State == catalog.Down:
		b.WriteString("It is being restarted. ")
	}
	if u.Sent {
		b.WriteString(unknownOutcome)
	} else {
		b.WriteString("The call was not made.")
	}
	return b.String()
}
