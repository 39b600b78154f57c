package eval

import (
	"context"
	"fmt"
	"slices"

	"toolrouter/internal/catalog"
)

// Foreign is what came of asking one set's queries of a catalogue. Of another
// set's the right answer is none; of its own it is the wrong one.
type Foreign struct {
	QueriesOf string  `json:"queries_of"`
	ToolsOf   string  `json:"tools_of"`
	Queries   int     `json:"queries"` // that were asked
	Nothing   float64 `json:"nothing"` // share of them that was answered with nothing
}

// Own reports whether the catalogue is the queries' own.
func (f Foreign) Own() bool { return f.QueriesOf == f.ToolsOf }

// Ask asks the queries of a set of the catalogue that search searches, which is
// named of, and counts the answers without hits. Queries of which the tools
// have an answer are left out, but for the set's own catalogue.
func Ask(ctx context.Context, s Set, of Set, search Search) (Foreign, error) {
	has := make(map[catalog.ID]bool, len(of.Tools))
	for _, t := range of.Tools {
		has[t.ID] = true
	}
	f := Foreign{QueriesOf: s.Name, ToolsOf: of.Name}
	none := 0
	for _, q := range s.Queries {
		if !f.Own() && q.answered(has) {
			continue
		}
		a, err := search(ctx, q.Text, 1)
		if err != nil {
			return Foreign{}, fmt.Errorf("set %s: query %q of the tools of %s: %w", s.Name, q.ID, of.Name, err)
		}
		f.Queries++
		if len(a.IDs) == 0 {
			none++
		}
	}
	f.Nothing = float64(none) / max(float64(f.Queries), 1)
	return f, nil
}

// answered reports whether any of the tools answers the query.
func (q Query) answered(has map[catalog.ID]bool) bool {
	return slices.ContainsFunc(q.Wanted, func(w Wanted) bool {
		return has[w.ID] || slices.ContainsFunc(w.CountsAs, func(id catalog.ID) bool { return has[id] })
	})
}
