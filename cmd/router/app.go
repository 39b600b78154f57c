package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"toolrouter/configs"
	"toolrouter/index"
	"toolrouter/index/remote"
	"toolrouter/internal/catalog"
	"toolrouter/router"
	"toolrouter/router/endpoint"
	"toolrouter/store"
	"toolrouter/upstream"
)

// app is the program put together: it owns the state directory, the backends
// and the router between them. openApp makes it, run starts it, close lets go
// of the state directory.
type app struct {
	log      *slog.Logger
	store    *store.Store
	index    *index.Index
	router   *router.Router
	syncer   *router.Syncer
	backends *upstream.Manager
	endpoint *endpoint.Endpoint
	model    *remote.Client // nil without an embeddings endpoint
	remote   *remote.Filler // nil without an embeddings endpoint
	started  time.Time
	began    *configs.Config     // as the start found it
	address  string              // of the HTTP endpoint, "" if there is none
	changed  chan catalog.Server // what became of backends, for progress; nil if nobody listens

	mu      sync.Mutex // guards what follows
	cfg     *configs.Config
	digest  string // of the config file as it was read last
	problem error  // why that was not taken over
}

// openApp takes the state directory and builds everything, starting nothing.
// Afterwards yesterday's catalogue is searchable.
func openApp(ctx context.Context, cfg *configs.Config, log *slog.Logger) (*app, error) {
	return openHiding(ctx, cfg, log, nil)
}

// openHiding is openApp with a part of the catalogue hidden, see router.Options.
func openHiding(ctx context.Context, cfg *configs.Config, log *slog.Logger, visible func(catalog.ID) bool) (*app, error) {
	if err := os.MkdirAll(cfg.State, 0o700); err != nil {
		return nil, unwritable(fmt.Errorf("state directory: %w", err))
	}
	a := &app{cfg: cfg, began: cfg, digest: cfg.Digest, log: log, started: time.Now()}
	if err := a.open(ctx, visible); err != nil {
		a.close()
		return nil, unwritable(err)
	}
	return a, nil
}

// unwritable tells the way out of a state directory that cannot be written.
func unwritable(err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return fail(exitUsage, "--state DIR or $ROUTER_STATE names another folder for the state", err)
	}
	return err
}

func (a *app) open(ctx context.Context, visible func(catalog.ID) bool) (err error) {
	// The store first: its lock is what makes this process the owner of the index too.
	a.store, err = store.Open(filepath.Join(a.cfg.State, "catalog.db"), store.Options{Log: a.log})
	if errors.Is(err, store.ErrLocked) {
		return fail(exitNotOurs, `"router status" shows the running router; another --state DIR keeps apart from it`,
			fmt.Errorf("%w: %s", store.ErrLocked, a.cfg.State))
	}
	if err != nil {
		return err
	}
	options, err := indexOptions(a.log)
	if err != nil {
		return err
	}
	if a.index, err = index.Open(filepath.Join(a.cfg.State, "index"), options); err != nil {
		return err
	}
	a.index.SetWords(a.cfg.Words(), a.cfg.Priors())
	a.backends = upstream.New(upstream.Options{
		Log:     a.log,
		Version: version(),
		Known:   func(server, digest string) (int, bool) { return a.syncer.Known(server, digest) },
		Listed:  a.listed,
		Changed: a.backendChanged,
	})
	a.router = router.New(a.index, a.backends, router.Options{Limit: a.cfg.Search.Limit, MaxTokens: a.cfg.Search.MaxTokens, Log: a.log, Visible: visible})
	a.syncer = router.NewSyncer(catalogStore{a.store}, a.index, a.router, a.log)
	a.endpoint = endpoint.New(a.router, a.endpointOptions())
	if err := a.syncer.Load(ctx); err != nil {
		// Searching by name and calling work without an index.
		a.log.Error("load catalogue", "err", err)
	}
	a.warnOfWords(a.cfg)
	return a.openRemote(ctx)
}

// close lets go of the state directory. It is called once, after run.
func (a *app) close() {
	if a.model != nil {
		a.model.Close()
	}
	if a.index != nil {
		if err := a.index.Close(); err != nil {
			a.log.Warn("close index", "err", err)
		}
	}
	if a.store != nil {
		if err := a.store.Close(); err != nil {
			a.log.Warn("close store", "err", err)
		}
	}
}

// run starts the backends and the doors, and returns when all of it has ended:
// the doors first, so that calls drain while their backends still live.
func (a *app) run(ctx context.Context, doors ...func(context.Context) error) error {
	defer paceGC()()
	back, stopBack := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBack()
	a.backends.Apply(a.cfg.Specs())
	behind, behindCtx := errgroup.WithContext(back)
	behind.Go(func() error { return a.backends.Run(behindCtx) }) // ends with back; awaited below
	behind.Go(func() error { return a.runRemote(behindCtx) })    // ends with back; awaited below

	front, frontCtx := errgroup.WithContext(ctx)
	for _, door := range doors {
		front.Go(func() error { return door(frontCtx) })
	}
	err := front.Wait()
	stopBack()
	return errors.Join(err, behind.Wait())
}

// wanted are the servers of a config that are not switched off, by their names.
func wanted(cfg *configs.Config) map[string]upstream.Spec {
	specs := map[string]upstream.Spec{}
	for _, s := range cfg.Specs() {
		if !s.Disabled {
			specs[s.Name] = s
		}
	}
	return specs
}

// allowed tells which tools may be seen and called among those of servers.
func allowed(servers map[string]upstream.Spec) func(catalog.ID) bool {
	return func(id catalog.ID) bool {
		s, ok := servers[id.Server]
		return ok && s.Serves(id.Tool)
	}
}

// forgetUnwanted drops the catalogues of servers that are no longer configured,
// and of the others the tools that are no longer allowed. A disabled server is
// dropped too: its tools must not be found. Only a router that serves does this;
// a short command, which may have been given another config by mistake, leaves
// what is stored alone, and hides it.
func (a *app) forgetUnwanted(ctx context.Context, cfg *configs.Config) (err error) {
	servers := wanted(cfg)
	for _, name := range a.syncer.Servers() {
		if _, ok := servers[name]; !ok {
			err = errors.Join(err, a.syncer.Forget(ctx, name))
		}
	}
	return errors.Join(err, a.syncer.Narrow(ctx, allowed(servers)))
}

// tidy is forgetUnwanted at the start. That it fails, on a full disk for one, is
// no reason not to serve the others.
func (a *app) tidy(ctx context.Context) {
	if err := a.forgetUnwanted(ctx, a.cfg); err != nil {
		a.log.Error("forget what is no longer configured", "err", err)
	}
}

// applied are the keys that apply takes over.
var applied = []string{"calls.timeout", "search.unreviewed_prior", "servers"}

// apply takes over a new configuration's servers and the words for their tools;
// everything else of it needs a restart, see needsRestart.
func (a *app) apply(ctx context.Context, cfg *configs.Config) error {
	a.mu.Lock()
	a.cfg = cfg
	a.mu.Unlock()
	a.backends.Apply(cfg.Specs())
	err := errors.Join(a.forgetUnwanted(ctx, cfg), a.applyWords(ctx, cfg))
	a.warnOfWords(cfg)
	a.router.Refresh()
	a.catalogueChanged()
	return err
}

// needsRestart lists the keys that the config has other values for by now than
// this process runs with.
func (a *app) needsRestart() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.DeleteFunc(a.began.Changed(a.cfg), func(key string) bool { return slices.Contains(applied, key) })
}

// listed takes in a backend's new listing.
func (a *app) listed(ctx context.Context, l upstream.Listing) error {
	defer a.catalogueChanged()
	return a.syncer.Sync(ctx, router.Listing{
		Server:       l.Server.Name,
		Digest:       l.Digest,
		Title:        l.Server.Title,
		Version:      l.Server.Version,
		Protocol:     l.Server.Protocol,
		Instructions: l.Server.Instructions,
		Tools:        l.Tools,
		Held:         l.Held,
	})
}

func (a *app) backendChanged(s catalog.Server) {
	if a.changed == nil {
		return
	}
	select {
	case a.changed <- s:
	default: // progress is for people; losing a line of it is no loss
	}
}

func (a *app) endpointOptions() endpoint.Options {
	return endpoint.Options{
		Version:  version(),
		Hosts:    a.cfg.HTTP.Hosts,
		Origins:  a.cfg.HTTP.Origins,
		MaxBody:  int64(a.cfg.HTTP.MaxBody),
		MaxCalls: a.cfg.Calls.MaxConcurrent,
		Status:   func() any { return a.status() },
		Reindex:  a.syncer.Reindex,
		Ready:    a.ready,
		Log:      a.log,
	}
}

// ready is nil once every enabled backend that had to be listed first has been
// listed or given up on for now.
func (a *app) ready() error {
	for _, s := range a.backends.Servers() {
		if s.State == catalog.Starting && s.Tools == 0 {
			return fmt.Errorf("server %s is starting for the first time", s.Name)
		}
	}
	return nil
}

// configFile is where the config is read from, "" if there is no place for one.
func (a *app) configFile() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.cfg.Path
}

// configFiles are the config file, whether it exists or not, and the files that
// its values were read from.
func (a *app) configFiles() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cfg.Path == "" || slices.Contains(a.cfg.Reads, a.cfg.Path) {
		return a.cfg.Reads
	}
	return append([]string{a.cfg.Path}, a.cfg.Reads...)
}

// setRead notes which config file was read last, and why it was not taken over if
// it was not.
func (a *app) setRead(digest string, problem error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.digest, a.problem = digest, problem
}

// status is what the router says of itself.
func (a *app) status() statusReport {
	r := statusReport{
		Version: version(),
		PID:     os.Getpid(),
		Listen:  a.address,
		UptimeS: time.Since(a.started).Round(time.Millisecond).Seconds(),
		Tools:   a.router.Snapshot().Len(),
		Servers: []serverReport{},
		Index:   a.indexReport(),
		Config:  a.configFile(),
		Restart: a.needsRestart(),
	}
	for _, s := range a.backends.Servers() {
		r.Servers = append(r.Servers, serverReport{
			Name: s.Name, State: s.State, PID: s.PID, Tools: len(a.router.Snapshot().Server(s.Name)), Restarts: s.Restarts,
			Since: s.Since, NextTry: s.Next, LastError: s.LastError, Protocol: s.Protocol, Held: a.syncer.Held(s.Name),
		})
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	r.Digest = a.digest
	if a.problem != nil {
		r.Problem = a.problem.Error()
	}
	return r
}
