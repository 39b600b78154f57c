package router

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"toolrouter/internal/catalog"
)

// This file says what to do where a search finds nothing.

const (
	maxNear     = 3 // names offered in place of one that is unknown
	maxReason   = 160
	maxOverlook = 8 // servers named in passing
)

// countText is the size of the catalogue in a header.
func (l *look) countText() string {
	return counted(l.tools, "tool") + " on " + counted(l.stocked, "server")
}

// serverNames lists the servers that are configured or have tools, and may be
// seen, by name.
func (l *look) serverNames() []string {
	names := map[string]bool{}
	for name := range l.servers {
		names[name] = true
	}
	for _, name := range l.state.view.Snapshot.Servers() {
		names[name] = true
	}
	maps.DeleteFunc(names, func(name string, _ bool) bool { return !l.visible(catalog.ID{Server: name}) })
	return slices.Sorted(maps.Keys(names))
}

// nothing answers a query that nothing fits.
func (l *look) nothing(req SearchRequest, found catalog.Found, first int) SearchResult {
	if first > 0 {
		return SearchResult{Text: "No more matches.", Total: found.Total}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "0 matches (%s)\n\nNo tool here fits that", l.countText())
	if req.Server != "" {
		fmt.Fprintf(&b, " on %s; other servers were not searched", req.Server)
	}
	b.WriteString(".\n")
	if c := l.condition(req.Server); c != "" {
		b.WriteString(c + "\n")
	}
	if names := l.misspelt(req.Query, req.Server); len(names) > 0 {
		b.WriteString("Did you mean: " + strings.Join(names, ", ") + "\n")
	}
	var near []string
	for _, name := range found.Near {
		if len(near) < maxNear && name != req.Server && l.visible(catalog.ID{Server: name}) {
			near = append(near, l.serverText(name))
		}
	}
	if len(near) > 0 {
		b.WriteString("Nearest servers:\n  " + strings.Join(near, "\n  ") + "\n")
	}
	b.WriteString(`Try other words, or list a server with ` + SearchTool + `{"server":"…"}.`)
	caveat := shown(found.Note, maxReason)
	b.WriteString(caveatLine(caveat))
	return SearchResult{Text: b.String(), Note: caveat}
}

// serverText is a server's line of the overview.
func (l *look) serverText(name string) string {
	return serverLine{name, len(l.state.view.Snapshot.Server(name)), l.state.about[name]}.String()
}

// misspelt offers tools whose names look like the query, if it can be a name.
func (l *look) misspelt(query, server string) []string {
	if len(strings.Fields(query)) > 3 {
		return nil
	}
	return namesOf(nearestTools(l.state.view.Snapshot, query, maxNear, l.keep(server)))
}

// meant is a line for a query that looks like a misspelt name, when its words
// alone led elsewhere.
func (l *look) meant(req SearchRequest, hits []entry) string {
	if !strings.ContainsAny(req.Query, "_/:-.") || strings.Contains(req.Query, " ") || len(l.resolve(req.Query)) > 0 {
		return ""
	}
	names := l.misspelt(req.Query, req.Server)
	if len(names) == 0 || names[0] == hits[0].hit.Name {
		return ""
	}
	return "did you mean: " + strings.Join(names, ", ")
}

func namesOf(tools []*catalog.Tool) []string {
	names := make([]string, len(tools))
	for i, t := range tools {
		names[i] = t.Name
	}
	return names
}

func (l *look) unknownServer(name string) SearchResult {
	all := l.serverNames()
	if near := nearest(name, all, maxNear); len(near) > 0 {
		return wrong("no server %s here. Did you mean: %s", quoted(name), strings.Join(near, ", "))
	}
	rest := ""
	if len(all) > maxOverlook {
		all, rest = all[:maxOverlook], ", …"
	}
	return wrong("no server %s here. Servers: %s%s. Leave \"server\" out to search them all.", quoted(name), strings.Join(all, ", "), rest)
}

// emptyText answers while no tool is known, with what is to be expected.
func (l *look) emptyText() string {
	var b strings.Builder
	b.WriteString("No tools are known yet.")
	names := l.serverNames()
	for i, name := range names {
		if i == maxOverlook {
			fmt.Fprintf(&b, "\nand %s", counted(len(names)-i, "more server"))
			break
		}
		if c := l.condition(name); c != "" {
			b.WriteString("\n" + c)
		}
	}
	if len(names) == 0 {
		b.WriteString(" No servers are configured.")
	}
	return b.String()
}

// condition says how a server is, in one line; "" if it is well.
func (l *look) condition(name string) string {
	s, ok := l.servers[name]
	switch {
	case !ok || s.State == catalog.Ready || s.State == catalog.Idle:
		return ""
	case s.State == catalog.Starting:
		return name + " is starting."
	case s.State == catalog.NeedsSignIn:
		return name + " needs sign-in: a person has to do that."
	case s.State == catalog.Disabled:
		return name + " is disabled in the configuration."
	}
	text := name + " is down"
	if !s.Since.IsZero() {
		text += " since " + clock(s.Since)
	}
	if why := shown(s.LastError, maxReason); why != "" {
		text += ": " + why
	}
	return text
}

// clock writes a moment as one reads it off a log.
func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
