package router

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"toolrouter/internal/catalog"
)

// condition says how a server is, in one line; "" if it is well, or none of ours.
func (l *look) condition(name string) string {
	s, ok := l.servers[name]
	if !ok || s.State == catalog.Ready || s.State == catalog.Idle {
		return ""
	}
	u := &catalog.Unavailable{Server: name, State: s.State, Since: s.Since, Next: s.Next}
	if s.LastError != "" {
		u.Err = errors.New(s.LastError)
	}
	return "Server " + trouble(u, time.Now())
}

// trouble says which server is not there, since when and why, and what is being
// done about it.
func trouble(u *catalog.Unavailable, now time.Time) string {
	var b strings.Builder
	b.WriteString(u.Server + " " + stateText(u.State))
	if !u.Since.IsZero() {
		fmt.Fprintf(&b, " (since %s, %s ago)", clock(u.Since), max(0, now.Sub(u.Since)).Round(time.Second))
	}
	if u.Err != nil {
		if why := strings.TrimSuffix(shown(u.Err.Error(), maxReason), "."); why != "" {
			b.WriteString(": " + why)
		}
	}
	b.WriteString(".")
	switch {
	case u.State == catalog.NeedsSignIn:
		b.WriteString(" A person has to sign in; until then calling again does not help.")
	case u.State == catalog.Disabled:
		b.WriteString(" It is switched off in the configuration.")
	case u.Next.After(now):
		fmt.Fprintf(&b, " The router tries it again in %s.", u.Next.Sub(now).Round(100*time.Millisecond))
	case u.State == catalog.Down:
		b.WriteString(" The router keeps trying to reach it.")
	}
	return b.String()
}

// stateText is a state as it is said of a server that is wanted now.
func stateText(s catalog.State) string {
	switch s {
	case catalog.NeedsSignIn:
		return "needs sign-in"
	case catalog.Disabled:
		return "is disabled"
	case catalog.Starting:
		return "is starting"
	case catalog.Ready: // it is well now: what follows is about one call
		return "could not serve this call"
	case catalog.Idle:
		return "went away"
	}
	return "is down"
}

// clock writes a moment as one reads it off a log.
func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
