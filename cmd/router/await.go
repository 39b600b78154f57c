package main

import (
	"context"
	"fmt"
	"time"

	"toolrouter/internal/catalog"
)

// How long a command waits for backends that were never listed, when there is
// nothing else to search, and when there is.
const (
	patience     = 20 * time.Second
	briefly      = 3 * time.Second
	pollBackends = 50 * time.Millisecond // in case a change was dropped
)

// awaitTools waits until the backends that were never listed have been, or have
// failed, or take too long, and tells of these and no others.
func (a *app) awaitTools(ctx context.Context, tell func(line string)) error {
	wait := briefly
	if a.router.Snapshot().Len() == 0 {
		wait = patience
	}
	limited, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	known, width := map[string]bool{}, nameWidth(a.backends.Servers())
	for _, s := range a.backends.Servers() {
		known[s.Name] = len(a.router.Snapshot().Server(s.Name)) > 0
	}
	err := a.awaitBackends(limited, func(s catalog.Server, after time.Duration) {
		if !known[s.Name] && s.State != catalog.Disabled {
			tell(settledLine(s, width, after))
		}
	})
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	for _, s := range a.backends.Servers() {
		if !settled(s) {
			tell(fmt.Sprintf("%-*s is still starting; going on without it", width, s.Name))
		}
	}
	return nil
}

// awaitBackends waits until every backend has been listed, is known from an
// earlier time, or has failed to start, and tells of each when that is so.
func (a *app) awaitBackends(ctx context.Context, tell func(s catalog.Server, after time.Duration)) error {
	began := time.Now()
	told := map[string]bool{}
	tick := time.NewTicker(pollBackends)
	defer tick.Stop()
	for {
		waiting := 0
		for _, s := range a.backends.Servers() {
			if !settled(s) {
				waiting++
			} else if !told[s.Name] {
				told[s.Name] = true
				tell(s, time.Since(began))
			}
		}
		if waiting == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-a.changed:
		case <-tick.C:
		}
	}
}

// settled reports whether a backend's tools are as well known as they will be soon.
func settled(s catalog.Server) bool { return s.State != catalog.Starting || s.Tools > 0 }

// nameWidth is the width of a column for the servers' names.
func nameWidth(servers []catalog.Server) int {
	width := 0
	for _, s := range servers {
		width = max(width, len(s.Name))
	}
	return width
}

func settledLine(s catalog.Server, width int, after time.Duration) string {
	line := fmt.Sprintf("%-*s  %-8s", width, s.Name, s.State)
	if s.LastError != "" {
		return line + " " + catalog.FirstSentence(s.LastError, 200)
	}
	return fmt.Sprintf("%s %s, %d ms", line, count(s.Tools, "tool"), after.Milliseconds())
}
