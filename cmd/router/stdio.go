package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"toolrouter/configs"
	"toolrouter/router/endpoint"
	"toolrouter/store"
)

const (
	handover    = 100 * time.Millisecond // between two tries to join a router or become it
	maxHandover = 15 * time.Second       // a router that ends takes five seconds at most
)

func newStdioCommand(e *env) *cobra.Command {
	return &cobra.Command{
		Use:   "stdio",
		Short: "Serve one client on stdin and stdout",
		Long: `Serve one client on stdin and stdout, for clients that start their servers
themselves. It joins the router that runs on the same state directory; without one
it does the job itself, and the next "router stdio" joins it. When the router it
has joined goes away, it takes its place, and the client stays connected.

` + exitCodesHelp,
		Example: `  claude mcp add router -- router stdio
  codex mcp add router -- router stdio`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return runStdio(c.Context(), e) },
	}
}

func runStdio(ctx context.Context, e *env) error {
	state, unknown := e.state()
	if state == "" {
		return fail(exitUsage, "", unknown)
	}
	s := &stdioDoor{env: e, bridge: endpoint.NewBridge(e.in, e.out), state: state}
	s.good, _ = e.config(nil) // what is wrong with it matters to who hosts
	for alone := time.Now(); ; {
		err := s.bridge.Attach(ctx, socketPath(s.state))
		switch {
		case errors.Is(err, endpoint.ErrLost):
			alone = time.Now()
		case ctx.Err() != nil:
			return nil
		case !errors.Is(err, endpoint.ErrNoRouter):
			return err
		}
		err = s.host(ctx)
		if !errors.Is(err, store.ErrLocked) {
			return err
		}
		// Another process has the state directory and no socket: it is about to
		// open one, or to end.
		if time.Since(alone) > maxHandover {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(handover):
		}
	}
}

// stdioDoor is a client on stdin and stdout.
type stdioDoor struct {
	*env
	bridge *endpoint.Bridge
	state  string          // where the router is joined, or hosted
	good   *configs.Config // as it could be read last, nil if never
	warned bool            // of what is odd about the config
}

// current gives the config to host with, and whether it is the file's as it is
// now: the router that was joined may have taken over many changes since this
// process began.
func (s *stdioDoor) current() (cfg *configs.Config, fresh bool, err error) {
	cfg, err = s.config(nil)
	if err != nil && s.good == nil {
		return nil, false, err
	}
	if err == nil {
		s.good, s.state = cfg, cfg.State
	}
	if !s.warned && err != nil {
		s.warnLines("the config cannot be read, and the one from the start holds", err)
	} else if !s.warned {
		s.warn(cfg)
	}
	s.warned = true
	return s.good, err == nil, nil
}

// host makes this process the router, for its client and for those that join it,
// until its client leaves.
func (s *stdioDoor) host(ctx context.Context) error {
	cfg, fresh, err := s.current()
	if err != nil {
		return err
	}
	a, err := openApp(ctx, cfg, s.logger(cfg))
	if err != nil {
		return err
	}
	defer a.close()
	if fresh { // an old config does not know what was added since
		a.tidy(ctx)
	}
	control, err := listenControl(cfg)
	if err != nil {
		return fmt.Errorf("serve on stdio: %w", err)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	return a.run(ctx,
		func(ctx context.Context) error {
			defer stop()
			err := s.bridge.Host(ctx, a.endpoint)
			if ctx.Err() != nil {
				return nil
			}
			return err
		},
		func(ctx context.Context) error { return a.endpoint.ServeControl(ctx, control) },
		a.followConfig(func() (*configs.Config, error) { return s.config(nil) }))
}
