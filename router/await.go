package router

import (
	"context"
	"strings"
	"time"

	"toolrouter/internal/catalog"
)

// How long a request waits for servers that are being listed for the very first
// time. After that they are known, and nobody waits: a client that starts the
// router itself asks at once, and must not be told that there is nothing.
const (
	callPatience   = 10 * time.Second // for the server of a tool that is not known yet
	searchPatience = 3 * time.Second  // for any tool, while there is none to search
	listingPoll    = 20 * time.Millisecond
)

// awaitListing waits until done, until no server is being listed for the first
// time, or until the time is up.
func (r *Router) awaitListing(ctx context.Context, patience time.Duration, done func() bool) {
	if done() || !r.listing() {
		return
	}
	limit := time.NewTimer(patience)
	defer limit.Stop()
	poll := time.NewTicker(listingPoll)
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-limit.C:
			return
		case <-poll.C:
			if done() || !r.listing() {
				return
			}
		}
	}
}

// listing reports whether a server is being started that no tools are known of.
func (r *Router) listing() bool {
	snap := r.Snapshot()
	for _, s := range r.upstream.Servers() {
		if s.State == catalog.Starting && s.Restarts == 0 && len(snap.Server(s.Name)) == 0 {
			return true
		}
	}
	return false
}

// someTools reports whether there is anything to search.
func (r *Router) someTools() bool { return r.Snapshot().Len() > 0 }

// knows reports whether a name means anything, or its server has been listed and
// has no such tool.
func (r *Router) knows(name string) bool {
	snap := r.Snapshot()
	server, _, qualified := strings.Cut(name, "__")
	return qualified && len(snap.Server(server)) > 0 || len(snap.Resolve(name)) > 0
}
