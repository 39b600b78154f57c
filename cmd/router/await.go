package main

import (
	"context"
	"fmt"
	"time"

	"toolrouter/internal/catalog"
)

// awaitBackends waits until every backend has been listed, is known from an
// earlier time, or has failed to start. It tells one line for each.
func (a *app) awaitBackends(ctx context.Context, tell func(line string)) error {
	began := time.Now()
	told := map[string]bool{}
	tick := time.NewTicker(50 * time.Millisecond) // in case a change was dropped
	defer tick.Stop()
	for {
		waiting := 0
		for _, s := range a.backends.Servers() {
			if !settled(s) {
				waiting++
			} else if !told[s.Name] {
				told[s.Name] = true
				tell(settledLine(s, time.Since(began)))
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

func settledLine(s catalog.Server, after time.Duration) string {
	line := fmt.Sprintf("%-14s %-8s", s.Name, s.State)
	if s.LastError != "" {
		return line + " " + catalog.FirstSentence(s.LastError, 200)
	}
	return fmt.Sprintf("%s %s, %d ms", line, count(s.Tools, "tool"), after.Milliseconds())
}
