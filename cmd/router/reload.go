package main

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"

	"toolrouter/configs"
)

// settle is how long a config file must have been left alone before it is read:
// editors write a file in several steps.
const settle = 200 * time.Millisecond

// maxSettle is how long changes may go on before the file is read in spite of them.
const maxSettle = time.Second

// settling is the pause between a change of the config file and its reading.
type settling struct {
	timer *time.Timer
	since time.Time // of the first change that has not been read, zero if there is none
}

// changed begins the pause anew, but not for ever.
func (s *settling) changed() {
	if s.since.IsZero() {
		s.since = time.Now()
	}
	s.timer.Reset(max(min(settle, time.Until(s.since.Add(maxSettle))), 0))
}

// over is called when the pause is over, before the file is read.
func (s *settling) over() { s.since = time.Time{} }

// followConfig takes over a changed config file, and reads it again on SIGHUP,
// until ctx ends. A bad config changes nothing and is told in the log and in
// the status.
func (a *app) followConfig(load func() (*configs.Config, error)) func(context.Context) error {
	return func(ctx context.Context) error {
		hup := make(chan os.Signal, 1)
		signal.Notify(hup, syscall.SIGHUP)
		defer signal.Stop(hup)

		// Channels that are nil, and so never ready, without a watcher.
		var events chan fsnotify.Event
		var failures chan error
		watch := &configWatch{read: a.configFiles}
		if w, err := fsnotify.NewWatcher(); err != nil {
			a.log.Warn("the config file is not watched; SIGHUP reads it again", "err", err)
		} else {
			defer w.Close()
			events, failures, watch.folders = w.Events, w.Errors, w
			watch.renew()
		}
		quiet := settling{timer: time.NewTimer(time.Hour)}
		defer quiet.timer.Stop()
		if configs.FileDigest(a.configFile()) != a.began.Digest {
			quiet.changed() // before it was watched
		}
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-hup:
				quiet.timer.Reset(0)
			case ev := <-events:
				if watch.concerns(ev.Name) {
					watch.renew()
					quiet.changed()
				}
			case err := <-failures:
				a.log.Warn("a change of the config file may have been missed", "err", err)
				quiet.changed()
			case <-quiet.timer.C:
				quiet.over()
				a.reload(ctx, load)
				watch.renew() // it may read other files now
			}
		}
	}
}

// configWatch keeps the folders of the config file, and of the files that its
// values are read from, under watch: not the files, because editors replace them.
type configWatch struct {
	read    func() []string // the files, as of the config in force
	folders interface{ Add(folder string) error }
}

// renew watches each file's folder, and that of the file it is a link to. Where a
// folder does not exist yet, as before the first "router add", the nearest one
// above it is watched, until what is missing is made there.
func (c *configWatch) renew() {
	if c.folders == nil {
		return
	}
	for range 2 { // once more for a folder that was made during the first round
		for _, file := range c.files() {
			c.watchNear(filepath.Dir(file))
		}
	}
}

func (c *configWatch) watchNear(folder string) {
	for c.folders.Add(folder) != nil && filepath.Dir(folder) != folder {
		folder = filepath.Dir(folder)
	}
}

// concerns tells whether a change of path may be one of a file: of itself, or of
// a folder on the way to it.
func (c *configWatch) concerns(path string) bool {
	for _, file := range c.files() {
		if file == path || strings.HasPrefix(file, path+string(filepath.Separator)) {
			return true
		}
	}
	return false
}

// files are the files as named, and those that they are links to.
func (c *configWatch) files() (files []string) {
	for _, file := range c.read() {
		files = append(files, file)
		if target, err := filepath.EvalSymlinks(file); err == nil && target != file {
			files = append(files, target)
		}
	}
	return files
}

func (a *app) reload(ctx context.Context, load func() (*configs.Config, error)) {
	digest := configs.FileDigest(a.configFile()) // before the reading: never newer than what is read
	cfg, err := load()
	if err == nil {
		digest, err = cfg.Digest, a.apply(ctx, cfg)
	}
	a.setRead(digest, err)
	if err != nil {
		a.log.Error("config not taken over", "err", err)
		return
	}
	a.log.Info("config taken over", "servers", len(cfg.Servers))
	if keys := a.needsRestart(); len(keys) > 0 {
		a.log.Warn("not all of the config is taken over: restart for the rest", "keys", strings.Join(keys, ", "))
	}
}
