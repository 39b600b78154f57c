package router

import (
	"fmt"
	"maps"
	"slices"
	"strings"

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
	for name, s := range l.servers {
		if s.State != catalog.Disabled {
			names[name] = true
		}
	}
	for name := range l.state.about {
		names[name] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// disabled names the servers that are configured and switched off.
func (l *look) disabled() (names []string) {
	for name, s := range l.servers {
		if s.State == catalog.Disabled {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// nothing answers a query that nothing fits. What room there is goes to what most
// likely helps.
func (l *look) nothing(req SearchRequest, found catalog.Found, first int) SearchResult {
	if first > 0 {
		return SearchResult{Text: "No more matches.", Total: found.Total}
	}
	head := fmt.Sprintf("0 matches (%s)\n\nNo tool here fits that", l.countText())
	if req.Server != "" {
		head += fmt.Sprintf(" on %s; other servers were not searched", req.Server)
	}
	lines := []string{head + ".", l.condition(req.Server)}
	if names := l.misspelt(req.Query, req.Server); len(names) > 0 {
		lines = append(lines, "Did you mean: "+strings.Join(names, ", "))
	}
	if near := l.nearServers(found.Near, req.Server); len(near) > 0 {
		lines = append(lines, "Nearest servers:\n  "+strings.Join(near, "\n  "))
	}
	caveat := shown(found.Note, maxReason)
	lines = append(lines, `Try other words, or list a server with `+SearchTool+`{"server":"…"}.`, strings.TrimPrefix(caveatLine(caveat), "\n"))
	return SearchResult{Text: fitting(lines, l.router.budget()), Note: caveat}
}

// nearServers are the overview's lines of the servers nearest to a query, but for
// the one that was searched.
func (l *look) nearServers(names []string, searched string) []string {
	var near []string
	for _, name := range names {
		if len(near) < maxNear && name != searched && l.state.visible(catalog.ID{Server: name}) {
			near = append(near, l.serverText(name))
		}
	}
	return near
}

// fitting joins the lines that are not empty, as far as room bytes hold them.
func fitting(lines []string, room int) string {
	var b strings.Builder
	for _, line := range lines {
		if line == "" || b.Len()+len("\n")+len(line) > room {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(line)
	}
	return b.String()
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
	return namesOf(misspelt(l.state.view.Snapshot, query, l.state.keep(server)))
}

// meant is a line for a query that looks like a misspelt name, when its words
// alone led elsewhere.
func (l *look) meant(req SearchRequest, hits []entry) string {
	if !strings.ContainsAny(req.Query, "_/:-.") || strings.Contains(req.Query, " ") || len(l.state.resolve(req.Query)) > 0 {
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
	if off, ok := match(name, l.disabled()); ok {
		return wrong("%s", l.condition(off))
	}
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
	names := l.serverNames()
	if len(names) == 0 {
		if len(l.disabled()) > 0 {
			return "No tools are known: every server is switched off in the configuration."
		}
		return "No tools are known yet. No servers are configured."
	}
	text := "No tools are known yet."
	room := l.router.budget() - len("\nand 1,000 more servers")
	for i, name := range names {
		c := l.condition(name)
		if i == maxOverlook || len(text)+len("\n")+len(c) > room {
			return text + "\nand " + counted(len(names)-i, "more server")
		}
		if c != "" {
			text += "\n" + c
		}
	}
	return text
}
