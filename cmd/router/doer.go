package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"toolrouter/configs"
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

// dial gives a client of the router that runs on the state directory, nil if
// none does.
func dial(ctx context.Context, state string) *endpoint.Client {
	c := endpoint.Dial(socketPath(state))
	if err := c.Ping(ctx); err != nil {
		return nil
	}
	return c
}

// withRouter lets do ask the running router, or, when none runs, this process
// as the router for as long as it takes.
func (e *env) withRouter(ctx context.Context, n need, do func(context.Context, doer) error) error {
	state, err := e.state()
	if err != nil {
		return fail(exitUsage, "", err)
	}
	if running := dial(ctx, state); running != nil {
		defer running.Close()
		return told(do(ctx, running))
	}
	cfg, err := e.config(nil)
	if err != nil {
		return err
	}
	e.warn(cfg)
	e.quiet(cfg)
	a, err := openApp(ctx, cfg, e.logger(cfg))
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

// quiet keeps a short command's standard error to what a person asked for.
func (e *env) quiet(cfg *configs.Config) {
	if e.logLevel == "" {
		cfg.Log.Level = "error"
	}
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
		TookMS: float64(found.Took.Microseconds()) / 1000, Hits: found.Hits, Note: found.Note, Text: found.Text,
	}, err
}

func (o own) Call(ctx context.Context, name string, arguments json.RawMessage) (json.RawMessage, error) {
	return o.router.Call(ctx, router.CallRequest{Name: name, Arguments: arguments})
}

func (o own) Reindex(ctx context.Context, progress func(done, total int)) error {
	return o.syncer.Reindex(ctx, progress)
}
