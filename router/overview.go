package router

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"toolrouter/internal/catalog"
)

const (
	maxOverview   = 1200 // bytes: about 300 tokens
	restReserve   = 260  // of it for the line that names the servers without one of their own
	maxTitleShown = 48
)

// serverLine is what the overview has to say of one server.
type serverLine struct {
	name  string
	tools int
	about string
}

func (l serverLine) String() string {
	line := fmt.Sprintf("%s (%s)", l.name, counted(l.tools, "tool"))
	if l.about != "" {
		line += ": " + l.about
	}
	return line
}

// compose makes the texts that go with a view. r.mu is held.
func (r *Router) compose(v *View) *state {
	lines := r.serverLines(v)
	s := &state{view: v, overview: overview(lines), about: make(map[string]string, len(lines)), may: r.opts.Visible}
	for _, l := range lines {
		s.about[l.name] = l.about
	}
	s.instructions = instructionsText(s.overview)
	s.tools = toolsJSON(s.overview, r.opts.Limit)
	return s
}

// serverLines lists the servers that have tools, busiest first.
func (r *Router) serverLines(v *View) []serverLine {
	off := r.disabled()
	var lines []serverLine
	for _, name := range v.Snapshot.Servers() {
		tools := v.Snapshot.Server(name)
		if may := r.opts.Visible; may != nil {
			tools = slices.DeleteFunc(slices.Clone(tools), func(t *catalog.Tool) bool { return !may(t.ID) })
		}
		if off[name] || len(tools) == 0 {
			continue
		}
		about := r.topics.of(name, tools)
		if about == "" {
			about = shown(v.Servers[name].Title, maxTitleShown)
		}
		lines = append(lines, serverLine{name, len(tools), about})
	}
	slices.SortStableFunc(lines, func(a, b serverLine) int { return cmp.Compare(b.tools, a.tools) })
	return lines
}

// disabled names the servers whose tools nobody may see.
func (r *Router) disabled() map[string]bool {
	var off map[string]bool
	for _, s := range r.upstream.Servers() {
		if s.State == catalog.Disabled {
			if off == nil {
				off = map[string]bool{}
			}
			off[s.Name] = true
		}
	}
	return off
}

// overview is the servers' lines as far as there is room, and the names of the
// others.
func overview(lines []serverLine) string {
	if len(lines) == 0 {
		return "No tools are known yet."
	}
	var out []string
	size := 0
	for i, l := range lines {
		text := l.String()
		room := maxOverview
		if i < len(lines)-1 {
			room -= restReserve
		}
		if size+len(text)+1 > room {
			return strings.Join(append(out, restLine(lines[i:], maxOverview-size)), "\n")
		}
		out = append(out, text)
		size += len(text) + 1
	}
	return strings.Join(out, "\n")
}

// restLine names servers that have no line of their own, as many as room bytes
// hold.
func restLine(rest []serverLine, room int) string {
	line := fmt.Sprintf("and %s: %s", counted(len(rest), "more server"), rest[0].name)
	for _, l := range rest[1:] {
		if len(line)+len(l.name)+len(", , …") > room {
			return line + ", …"
		}
		line += ", " + l.name
	}
	return line
}
