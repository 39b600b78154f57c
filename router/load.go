package router

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"toolrouter/internal/catalog"
)

const (
	loadBudget  = 8    // times the budget of a search, for definitions that were asked for
	maxFullText = 4000 // bytes of a whole description
)

// load gives the definitions of named tools, of one server if there is a wish. The
// first is given whatever its size; those for which no room is left are named, so
// that the reader asks again.
func (l *look) load(ctx context.Context, names []string, server string) SearchResult {
	if len(names) > maxLoaded {
		return wrong("%d names in \"tools\", and at most %d definitions are loaded at once: ask in parts", len(names), maxLoaded)
	}
	room := l.router.budget() * loadBudget
	var res SearchResult
	var parts, later []string
	var seen []*catalog.Tool
	for _, name := range names {
		t, problem := l.named(ctx, name, server)
		if t == nil {
			parts = append(parts, problem)
			continue
		}
		if slices.Contains(seen, t) {
			continue
		}
		seen = append(seen, t)
		text := l.definition(t)
		if len(res.Hits) > 0 && len(text) > room {
			later = append(later, fmt.Sprintf("%q", t.Name))
			continue
		}
		room -= len(text)
		parts = append(parts, text)
		res.Hits = append(res.Hits, l.entry(t, catalog.Hit{}).hit)
	}
	if len(later) > 0 {
		parts = append(parts, fmt.Sprintf("left out for room, ask again: %s{\"tools\":[%s]}", SearchTool, strings.Join(later, ",")))
	}
	res.Text = strings.Join(parts, "\n\n")
	res.IsError = len(res.Hits) == 0
	res.Shown, res.Total = len(res.Hits), len(res.Hits)
	return res
}

// definition is a tool as a model has to know it to call it. The schemas are the
// backend's, byte for byte.
func (l *look) definition(t *catalog.Tool) string {
	var b strings.Builder
	b.WriteString(t.Name)
	for _, m := range l.marks(t) {
		b.WriteString(" [" + m + "]")
	}
	if d := shown(t.Description, maxFullText); d != "" {
		b.WriteString("\n  " + d)
	}
	in := t.InputSchema()
	if in == nil {
		in = []byte("{}")
	}
	b.WriteString("\ninputSchema: ")
	b.Write(in)
	if out := t.OutputSchema(); out != nil {
		b.WriteString("\noutputSchema: ")
		b.Write(out)
	}
	if a := t.Annotations(); a != nil {
		b.WriteString("\nannotations: ")
		b.Write(a)
	}
	return b.String()
}
