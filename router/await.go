package router

import (
	"context"
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

// awaitTool waits for a tool that is not known yet, if its server is only just
// being listed. A name that begins with a known server waits for no other one.
func (r *Router) awaitTool(ctx context.Context, name string) {
	known := func() bool { return len(r.state.Load().resolve(name)) > 0 }
	server, _ := r.look().serverIn(name)
	r.awaitListing(ctx, callPatience, known, server)
}

// awaitListing waits until done, until the server, or every one if that is "",
// is past its first listing, or until the time is up.
func (r *Router) awaitListing(ctx context.Context, patience time.Duration, done func() bool, server string) {
	if done() || !r.listing(server) {
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
			if done() || !r.listing(server) {
				return
			}
		}
	}
}

// listing reports whether a server, or any if it is "", is being started that no
// tools are known of.
func (r *Router) listing(server string) bool {
	snap := r.Snapshot()
	for _, s := range r.upstream.Servers() {
		if s.State == catalog.Starting && s.Restarts == 0 && len(snap.Server(s.Name)) == 0 && (server == "" || s.Name == server) {
			return true
		}
	}
	return false
}

// someTools reports whether there is anything to search.
func (r *Router) someTools() bool { return r.Snapshot().Len() > 0 }
