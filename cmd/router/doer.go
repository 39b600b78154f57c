package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"toolrouter/router"
	"toolrouter/router/endpoint"
)

// doer is what the commands ask: a running router, or one of their own.
type doer interface {
	Search(context.Context, router.SearchRequest) (endpoint.SearchAnswer, error)
	Call(ctx context.Context, name string, arguments json.RawMessage) (json.RawMessage, error)
	Reindex(ctx context.Context, progress func(done, total int)) error
}

// need says what of the backends a command needs when it has to be the router
// itself.
type need int

const (
	needNothing need = iota // the stored catalogue
	needTools               // backends, of which those that were never listed are started first
)

// dial gives a client of the running router and the state directory it was
// looked for in; without one the client is nil. If the config does not tell where
// that is, a router in the default place is still worth asking.
func (e *env) dial(ctx context.Context) (*endpoint.Client, string, error) {
	state, unknown := e.state()
	running := endpoint.Dial(socketPath(state))
	if state == "" || running.Ping(ctx) != nil {
		running.Close()
		if unknown != nil {
			unknown = fail(exitUsage, "", unknown)
		}
		return nil, state, unknown
	}
	if unknown != nil {
		e.warnLines("the config does not tell the state directory, so the router on "+state+" is asked", unknown)
	}
	return running, state, nil
}

// withRouter lets do ask the running router, or, when none runs, this process
// as the router for as long as it takes.
func (e *env) withRouter(ctx context.Context, n need, do func(context.Context, doer) error) error {
	running, _, _ := e.dial(ctx) // a config that does not tell where is refused below, with all its mistakes
	if running != nil {
		defer running.Close()
		return told(do(ctx, running))
	}
	a, err := e.openBriefly(ctx)
	if err != nil {
		return err
	}
	defer a.close()
	if n == needNothing {
		return do(ctx, own{a})
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	return a.run(ctx, func(ctx context.Context) error {
		defer stop()
		if err := a.awaitTools(ctx, func(line string) { fmt.Fprintln(e.err, "router: "+line) }); err != nil {
			return err
		}
		return do(ctx, own{a})
	})
}

// openBriefly makes this process the router for a short command. What is wrong
// with the stored state is logged; what becomes of backends later is told by the
// command itself, so that standard error keeps to what a person asked for.
func (e *env) openBriefly(ctx context.Context) (*app, error) {
	cfg, err := e.config(nil)
	if err != nil {
		return nil, err
	}
	e.warn(cfg)
	if e.logLevel == "" && cfg.Log.Level != "error" {
		cfg.Log.Level = "warn"
	}
	a, err := openHiding(ctx, cfg, e.logger(cfg), allowed(wanted(cfg)))
	if e.logLevel == "" {
		e.level.Set(slog.LevelError)
	}
	return a, err
}

// told gives what the running router said the program's form.
func told(err error) error {
	if said, ok := errors.AsType[*endpoint.APIError](err); ok {
		code := exitFailed
		if said.Status == http.StatusBadRequest {
			code = exitUsage
		}
		return fail(code, said.Hint, err)
	}
	return err
}

// own is this process as the router.
type own struct{ *app }

func (o own) Search(ctx context.Context, req router.SearchRequest) (endpoint.SearchAnswer, error) {
	found, err := o.router.Search(ctx, req)
	if err == nil && found.IsError {
		err = fail(exitUsage, "", errors.New(found.Text))
	}
	return endpoint.SearchAnswer{
		Query: found.Query, Total: found.Total, Catalog: found.Catalog,
		TookMS: float64(found.Took.Microseconds()) / 1000, Hits: append([]router.Hit{}, found.Hits...), // [] and not null
		Note: found.Note, Text: found.Text,
	}, err
}

func (o own) Call(ctx context.Context, name string, arguments json.RawMessage) (json.RawMessage, error) {
	return o.router.Call(ctx, router.CallRequest{Name: name, Arguments: arguments})
}

func (o own) Reindex(ctx context.Context, progress func(done, total int)) error {
	return o.syncer.Reindex(ctx, progress)
}
