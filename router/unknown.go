package router

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"toolrouter/internal/catalog"
)

// This file says what to do about a name that is not the name of one tool.

const maxNameShown = 8 // candidates of an ambiguous name

// named finds the one tool that a name means, on one server if there is a wish, or
// says why there is none.
func (l *look) named(ctx context.Context, name, server string) (*catalog.Tool, string) {
	switch found := l.state.resolveOn(server, name); len(found) {
	case 0:
		return nil, l.unknown(ctx, name, server)
	case 1:
		return found[0], ""
	default:
		return nil, ambiguous(name, found)
	}
}

func ambiguous(name string, found []*catalog.Tool) string {
	names := namesOf(found)
	if len(names) > maxNameShown {
		names = append(names[:maxNameShown], "…")
	}
	return fmt.Sprintf("%s is the name of %d tools. Say which: %s.", quoted(name), len(found), strings.Join(names, ", "))
}

// unknown answers a name that no tool has: how its server is, if that may be why,
// and which tools come nearest.
func (l *look) unknown(ctx context.Context, name, server string) string {
	text := fmt.Sprintf("no tool %s here.", quoted(name))
	if l.tools == 0 {
		return text + " " + l.emptyText()
	}
	meant, tool := l.serverIn(name)
	if server != "" {
		text, meant = fmt.Sprintf("no tool %s on %s.", quoted(name), server), server
	}
	if meant != "" && len(l.state.view.Snapshot.Server(meant)) == 0 && l.servers[meant].State != catalog.Disabled {
		text = fmt.Sprintf("no tool %s here: the tools of %s are not known.", quoted(name), meant)
	}
	if c := l.condition(meant); c != "" {
		text += " " + c
	}
	if near := l.nearest(ctx, name, tool, meant, l.state.keep(server)); len(near) > 0 {
		text += " Nearest: " + strings.Join(namesOf(near), ", ") + "."
	}
	return text
}

// serverIn finds the server that a tool's name begins with, in any spelling, and
// what follows; without one, server is empty and tool the whole name. A single
// underscore is no such beginning: it stands in most tools' own names.
func (l *look) serverIn(name string) (server, tool string) {
	tool = name
	for _, known := range slices.Concat(l.serverNames(), l.disabled()) {
		if rest, ok := afterServer(name, known); ok && len(known) > len(server) {
			server, tool = known, rest
		}
	}
	if server == "" {
		if prefix, rest, ok := strings.Cut(name, "__"); ok && strings.EqualFold(prefix, "mcp") {
			_, rest, _ = strings.Cut(rest, "__") // what a client put before it
			if rest != "" {
				return l.serverIn(rest)
			}
		}
	}
	return server, tool
}

// afterServer takes a server and what parts it from the tool off a name.
func afterServer(name, server string) (tool string, ok bool) {
	if len(name) < len(server) || !strings.EqualFold(undotted(name[:len(server)]), undotted(server)) {
		return "", false
	}
	for _, between := range []string{"__", "/", ":", "."} {
		if tool, ok = strings.CutPrefix(name[len(server):], between); ok {
			return tool, true
		}
	}
	return "", false
}

// undotted is a server's name as it stands in a tool's public name.
func undotted(server string) string { return strings.ReplaceAll(server, ".", "_") }

// nearest gives up to three tools in place of one that is unknown. Slips of the
// pen come first, then the tools of the server that the name begins with, then
// all others; among those, what the index finds for the words of the name, then
// the least distance. If the server's tools are not known, no other one's tool is
// offered for it but a slip of the pen.
func (l *look) nearest(ctx context.Context, name, tool, server string, keep func(catalog.ID) bool) []*catalog.Tool {
	snap := l.state.view.Snapshot
	var near []*catalog.Tool
	fresh := func(id catalog.ID) bool {
		return (keep == nil || keep(id)) && !slices.ContainsFunc(near, func(t *catalog.Tool) bool { return t.ID == id })
	}
	there := func(id catalog.ID) bool { return id.Server == server && fresh(id) }
	steps := []func() []*catalog.Tool{
		func() []*catalog.Tool { return misspelt(snap, name, fresh) },
		func() []*catalog.Tool { return misspelt(snap, tool, fresh) },
	}
	among := []func(catalog.ID) bool{there, fresh}
	switch {
	case server == "":
		among = among[1:]
	case len(snap.Server(server)) == 0:
		among = nil
	}
	for _, keep := range among {
		steps = append(steps,
			func() []*catalog.Tool { return l.byWords(ctx, tool, keep) },
			func() []*catalog.Tool { return closest(snap, tool, maxNearName, keep) },
		)
	}
	for _, find := range steps {
		near = append(near, find()...)
		if len(near) >= maxNear {
			return near[:maxNear]
		}
	}
	return near
}

// byWords asks the index for the words of a name. That it fails costs the caller
// no more than a hint.
func (l *look) byWords(ctx context.Context, name string, keep func(catalog.ID) bool) []*catalog.Tool {
	if len(name) > maxQuery {
		return nil
	}
	found, err := l.router.index.Search(ctx, catalog.Query{Text: strings.Join(words(name), " "), Limit: maxNear, Keep: keep})
	if err != nil {
		return nil
	}
	var tools []*catalog.Tool
	for _, h := range found.Hits {
		if t := l.state.view.Snapshot.Tool(h.ID); t != nil {
			tools = append(tools, t)
		}
	}
	return tools
}
