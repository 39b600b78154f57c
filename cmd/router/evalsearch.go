package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"toolrouter/index"
	"toolrouter/index/baseline"
	"toolrouter/index/embed"
	"toolrouter/index/eval"
	"toolrouter/internal/catalog"
	"toolrouter/router"
)

// settings are the configurations of the search that can be scored, the default
// first.
var settings = []struct {
	name, about string
	open        func(context.Context, *evalRouter) error
}{
	{"builtin", "what the router does out of the box", func(ctx context.Context, r *evalRouter) error {
		o, err := indexOptions(r.log)
		if err != nil {
			return err
		}
		return r.openIndex(ctx, o)
	}},
	{"words", "the same without the built-in model of meaning", func(ctx context.Context, r *evalRouter) error {
		return r.openIndex(ctx, index.Options{Log: r.log})
	}},
	{"bm25", "plain keyword search, to compare with", func(ctx context.Context, r *evalRouter) error { return r.openBaseline(ctx) }},
}

const (
	defaultSetting  = "builtin"
	baselineSetting = "bm25"
)

// settingNames lists them for help and hints.
func settingNames() (names []string) {
	for _, s := range settings {
		names = append(names, s.name)
	}
	return names
}

// indexOptions are how the router opens its index unless it is told otherwise.
func indexOptions(log *slog.Logger) (index.Options, error) {
	model, err := embed.Builtin()
	if err != nil {
		return index.Options{}, err
	}
	return index.Options{Embedder: model, Log: log}, nil
}

// evalRouter is a router over the tools of a set, put together as the running
// one is, but in memory and without backends.
type evalRouter struct {
	tools  []*catalog.Tool
	known  map[catalog.ID]catalog.ID // what a tool is called here to what it is called in the set
	log    *slog.Logger
	router *router.Router
	close  func() error
}

// openEvalRouter makes tools searchable with the setting of that name.
func openEvalRouter(ctx context.Context, setting string, tools []*catalog.Tool) (*evalRouter, error) {
	r := &evalRouter{known: make(map[catalog.ID]catalog.ID, len(tools)), log: slog.New(slog.DiscardHandler)}
	for _, t := range tools {
		named, err := withUsableServer(t)
		if err != nil {
			return nil, err
		}
		r.tools = append(r.tools, named)
		r.known[named.ID] = t.ID
	}
	for _, s := range settings {
		if s.name == setting {
			return r, s.open(ctx, r)
		}
	}
	return nil, fmt.Errorf("unknown setting %q", setting)
}

// withUsableServer gives the tool under a server's name without a slash, which
// no server of a router may have and some recorded ones do.
func withUsableServer(t *catalog.Tool) (*catalog.Tool, error) {
	if !strings.Contains(t.ID.Server, "/") {
		return t, nil
	}
	return catalog.NewTool(strings.ReplaceAll(t.ID.Server, "/", "-"), t.Definition)
}

func (r *evalRouter) openIndex(ctx context.Context, o index.Options) error {
	ix, err := index.Open("", o)
	if err != nil {
		return err
	}
	r.close = ix.Close
	r.router = router.New(ix, noBackends(r.tools), router.Options{Log: r.log})
	if err := router.NewSyncer(evalStore(r.tools), ix, r.router, r.log).Load(ctx); err != nil {
		return errors.Join(err, ix.Close())
	}
	return nil
}

func (r *evalRouter) openBaseline(ctx context.Context) error {
	ix, err := baseline.Open(ctx, r.tools)
	if err != nil {
		return err
	}
	r.close = ix.Close
	r.router = router.New(ix, noBackends(r.tools), router.Options{Log: r.log})
	r.router.Publish(&router.View{Snapshot: catalog.NewSnapshot(r.tools)})
	return nil
}

// search answers a query as search_tools does.
func (r *evalRouter) search(ctx context.Context, query string, limit int) (eval.Answer, error) {
	res, err := r.router.Search(ctx, router.SearchRequest{Query: query, Limit: limit})
	if err != nil {
		return eval.Answer{}, err
	}
	a := eval.Answer{Bytes: len(res.Text)}
	for _, h := range res.Hits {
		a.IDs = append(a.IDs, r.known[catalog.ID{Server: h.Server, Tool: h.Tool}])
	}
	return a, nil
}

// evalStore is a store that holds a set's tools and takes in nothing.
type evalStore []*catalog.Tool

func (s evalStore) Load(context.Context) (router.Stored, error) {
	return router.Stored{Tools: s, Seq: 1}, nil
}

func (s evalStore) Replace(context.Context, router.Listing) (catalog.Change, error) {
	return catalog.Change{}, errors.ErrUnsupported
}

func (s evalStore) Remove(context.Context, string) (catalog.Change, error) {
	return catalog.Change{}, errors.ErrUnsupported
}

// backendless says that every server is well, and can call none.
type backendless []catalog.Server

func noBackends(tools []*catalog.Tool) backendless {
	names := map[string]int{}
	for _, t := range tools {
		names[t.ID.Server]++
	}
	var out backendless
	for _, name := range slices.Sorted(maps.Keys(names)) {
		out = append(out, catalog.Server{Name: name, State: catalog.Ready, Tools: names[name]})
	}
	return out
}

func (b backendless) Servers() []catalog.Server { return b }

func (b backendless) Call(context.Context, catalog.Call) (json.RawMessage, error) {
	return nil, errors.ErrUnsupported
}
