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
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return runStdio(c.Context(), e) },
	}
}

func runStdio(ctx context.Context, e *env) error {
	load := func() (*configs.Config, error) { return e.config(nil) }
	cfg, err := load()
	if err != nil {
		return err
	}
	e.warn(cfg)
	bridge := endpoint.NewBridge(e.in, e.out)
	for alone := time.Now(); ; {
		err := bridge.Attach(ctx, socketPath(cfg.State))
		switch {
		case errors.Is(err, endpoint.ErrLost):
			alone = time.Now()
		case ctx.Err() != nil:
			return nil
		case !errors.Is(err, endpoint.ErrNoRouter):
			return err
		}
		err = hostStdio(ctx, e, cfg, load, bridge)
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

// hostStdio makes this process the router, for its client and for those that
// join it, until its client leaves.
func hostStdio(ctx context.Context, e *env, cfg *configs.Config, load func() (*configs.Config, error), bridge *endpoint.Bridge) error {
	a, err := openApp(ctx, cfg, e.logger(cfg))
	if err != nil {
		return err
	}
	defer a.close()
	a.tidy(ctx)
	control, err := listenControl(cfg)
	if err != nil {
		return fmt.Errorf("serve on stdio: %w", err)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	return a.run(ctx,
		func(ctx context.Context) error {
			defer stop()
			err := bridge.Host(ctx, a.endpoint)
			if ctx.Err() != nil {
				return nil
			}
			return err
		},
		func(ctx context.Context) error { return a.endpoint.ServeControl(ctx, control) },
		a.followConfig(load))
}
