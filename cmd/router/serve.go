package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"toolrouter/configs"
)

func newServeCommand(e *env) *cobra.Command {
	var listen string
	c := &cobra.Command{
		Use:   "serve",
		Short: "Serve the endpoint over HTTP",
		Long: `Serve the endpoint over HTTP, by default on 127.0.0.1:7411: /mcp (Streamable
HTTP), /sse (the older transport), /api (REST), /healthz and /readyz. A change of
the config file is taken over at once.

` + exitCodesHelp,
		Example: "  router serve\n  router serve --listen 127.0.0.1:8080 --config team.yaml",
		Args:    noArguments,
		RunE:    func(c *cobra.Command, _ []string) error { return runServe(c.Context(), e, listen) },
	}
	c.Flags().StringVar(&listen, "listen", "", "listen on `ADDR` (default 127.0.0.1:7411)")
	return c
}

func runServe(ctx context.Context, e *env, listen string) error {
	load := func() (*configs.Config, error) { return e.config(map[string]string{"listen": listen}) }
	cfg, err := load()
	if err != nil {
		return err
	}
	e.warn(cfg)
	// The state directory first: a second router on it is told so, and not that
	// its address is taken.
	a, err := openApp(ctx, cfg, e.logger(cfg))
	if err != nil {
		return err
	}
	defer a.close()
	a.tidy(ctx)
	ln, err := listenHTTP(cfg.Listen)
	if err != nil {
		return err
	}
	control, err := listenControl(cfg)
	if err != nil {
		ln.Close()
		return err
	}
	a.address = ln.Addr().String()
	fmt.Fprintf(e.err, "router %s: http://%s/mcp (%s on %s known)\n", version(), a.address,
		count(a.router.Snapshot().Len(), "tool"), count(len(cfg.Specs()), "server"))
	if len(cfg.Specs()) == 0 {
		fmt.Fprintf(e.err, "router: no servers yet: %s, also while this runs\n", howToAdd)
	}
	return a.run(ctx,
		func(ctx context.Context) error { return a.endpoint.Serve(ctx, ln) },
		func(ctx context.Context) error { return a.endpoint.ServeControl(ctx, control) },
		a.followConfig(load))
}

func listenHTTP(addr string) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fail(exitFailed, "--listen 127.0.0.1:0 takes any free port", err)
	}
	return ln, err
}

// socketPath is where the control socket of a state directory stands.
func socketPath(state string) string { return filepath.Join(state, "router.sock") }

// listenControl opens the control socket, which only the user can use. The
// caller owns the state directory, so a socket that stands there is a dead one.
func listenControl(cfg *configs.Config) (net.Listener, error) {
	path := socketPath(cfg.State)
	if info, err := os.Lstat(path); err == nil {
		if info.Mode()&os.ModeSocket == 0 {
			return nil, fmt.Errorf("control socket: %s is there and is not a socket", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("control socket: %w", err)
		}
	}
	ln, err := net.Listen("unix", path)
	if err != nil && strings.Contains(err.Error(), "invalid argument") {
		return nil, fail(exitUsage, "choose a shorter --state DIR", fmt.Errorf("control socket: the path %s is too long for a socket", path))
	}
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		ln.Close()
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return ln, nil
}
