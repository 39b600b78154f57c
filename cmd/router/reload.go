package main

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"

	"toolrouter/configs"
)

// settle is how long a config file must have been left alone before it is read:
// editors write a file in several steps.
const settle = 200 * time.Millisecond

// followConfig takes over a changed config file, and reads it again on SIGHUP,
// until ctx ends. A bad config changes nothing and is told in the log and in
// the status.
func (a *app) followConfig(load func() (*configs.Config, error)) func(context.Context) error {
	return func(ctx context.Context) error {
		hup := make(chan os.Signal, 1)
		signal.Notify(hup, syscall.SIGHUP)
		defer signal.Stop(hup)

		var events chan fsnotify.Event // nil, and so never ready, without a watcher
		if w, err := fsnotify.NewWatcher(); err != nil {
			a.log.Warn("the config file is not watched; SIGHUP reads it again", "err", err)
		} else {
			defer w.Close()
			// The folder, not the file: editors replace the file.
			if err := w.Add(filepath.Dir(a.configFile())); err == nil {
				events = w.Events
			}
		}
		quiet := time.NewTimer(time.Hour)
		quiet.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-hup:
				quiet.Reset(0)
			case ev := <-events:
				if filepath.Base(ev.Name) == filepath.Base(a.configFile()) {
					quiet.Reset(settle)
				}
			case <-quiet.C:
				a.reload(ctx, load)
			}
		}
	}
}

func (a *app) reload(ctx context.Context, load func() (*configs.Config, error)) {
	cfg, err := load()
	if err == nil {
		err = a.apply(ctx, cfg)
	}
	a.setProblem(err)
	if err != nil {
		a.log.Error("config not taken over", "err", err)
		return
	}
	a.log.Info("config taken over", "servers", len(cfg.Servers))
}
