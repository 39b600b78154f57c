package router

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"toolrouter/internal/catalog"
)

const (
	maxQuery  = 2000 // characters
	maxLoaded = 10   // definitions in one answer
	maxOffset = 5000 // how far a reader may page
)

// Search answers search_tools. What is wrong with a request is told in the text
// of the answer; an error means that the index failed or the context ended.
func (r *Router) Search(ctx context.Context, req SearchRequest) (SearchResult, error) {
	start := time.Now()
	r.awaitListing(ctx, searchPatience, r.someTools)
	l := r.look()
	res, err := l.answer(ctx, req)
	if err != nil {
		return SearchResult{}, fmt.Errorf("search: %w", err)
	}
	res.Query, res.Catalog, res.Took = strings.TrimSpace(req.Query), l.tools, time.Since(start)
	r.log.DebugContext(ctx, "searched", "hits", len(res.Hits), "total", res.Total, "dur", res.Took)
	return res, nil
}

// look is what one search sees: one view and one state of every server, from its
// beginning to its end.
type look struct {
	router  *Router
	state   *state
	servers map[string]catalog.Server
	hidden  bool // some servers' tools may not be seen
	tools   int  // visible tools, and the number of servers that have them
	stocked int
}

func (r *Router) look() *look {
	l := &look{router: r, state: r.state.Load(), servers: map[string]catalog.Server{}}
	for _, s := range r.upstream.Servers() {
		l.servers[s.Name] = s
		l.hidden = l.hidden || s.State == catalog.Disabled
	}
	snap := l.state.view.Snapshot
	l.tools, l.stocked = snap.Len(), len(snap.Servers())
	if l.hidden {
		for name, s := range l.servers {
			if n := len(snap.Server(name)); n > 0 && s.State == catalog.Disabled {
				l.tools -= n
				l.stocked--
			}
		}
	}
	return l
}

// visible is the one predicate that says what a client may see.
func (l *look) visible(id catalog.ID) bool {
	return !l.hidden || l.servers[id.Server].State != catalog.Disabled
}

// keep is visible for an index, within one server if there is a wish; nil where
// everything counts.
func (l *look) keep(server string) func(catalog.ID) bool {
	switch {
	case server != "":
		return func(id catalog.ID) bool { return id.Server == server && l.visible(id) }
	case l.hidden:
		return l.visible
	}
	return nil
}

// resolve gives the visible tools that a name can mean.
func (l *look) resolve(name string) []*catalog.Tool {
	found := l.state.view.Snapshot.Resolve(name)
	if !l.hidden {
		return found
	}
	var out []*catalog.Tool
	for _, t := range found {
		if l.visible(t.ID) {
			out = append(out, t)
		}
	}
	return out
}

func (l *look) answer(ctx context.Context, req SearchRequest) (SearchResult, error) {
	req.Query, req.Server = strings.TrimSpace(req.Query), strings.TrimSpace(req.Server)
	if n := utf8.RuneCountInString(req.Query); n > maxQuery {
		return wrong("the query has %s characters and at most %s are read: say in a sentence what you need", thousands(n), thousands(maxQuery)), nil
	}
	if len(req.Tools) > 0 {
		return l.load(req.Tools), nil
	}
	if req.Query == "" && req.Server == "" {
		return wrong(`give "query" (what you need, in plain words), "server" (to list its tools) or "tools" (names whose schemas to load)`), nil
	}
	if l.tools == 0 {
		return SearchResult{Text: l.emptyText()}, nil
	}
	if req.Server != "" {
		name, ok := l.server(req.Server)
		if !ok {
			return l.unknownServer(req.Server), nil
		}
		req.Server = name
	}
	from, err := parseCursor(req.Cursor, req.Query, req.Server)
	if err != nil {
		return wrong("%v", err), nil
	}
	if req.Limit <= 0 {
		req.Limit = l.router.opts.Limit
		if req.Query == "" {
			req.Limit = maxLimit // listing a server, room is what counts
		}
	}
	req.Limit = min(req.Limit, maxLimit)
	if req.Query == "" {
		return l.browse(req, from), nil
	}
	return l.find(ctx, req, from)
}

// wrong is the answer to a request that has to be made differently.
func wrong(format string, args ...any) SearchResult {
	return SearchResult{Text: fmt.Sprintf(format, args...), IsError: true}
}

// find asks the index and packs what it gives.
func (l *look) find(ctx context.Context, req SearchRequest, from position) (SearchResult, error) {
	first := from.shown() // before ask, which may pin a tool to this very page
	found, pinned, err := l.ask(ctx, req, &from)
	if err != nil {
		return SearchResult{}, err
	}
	var entries []entry
	next := []int{} // where the page after each entry begins, as the index counts
	if pinned != nil {
		score := 1.0
		if len(found.Hits) > 0 {
			score = found.Hits[0].Score
		}
		entries = append(entries, l.entry(pinned, catalog.Hit{Score: score, Why: []catalog.Reason{{Part: "exact name", Score: score, Note: pinned.Name}}}))
		next = append(next, from.offset)
	}
	for i, h := range found.Hits {
		t := l.state.view.Snapshot.Tool(h.ID)
		if t == nil || !l.visible(h.ID) { // the index is a moment ahead of the view, or behind
			continue
		}
		entries = append(entries, l.entry(t, h))
		next = append(next, from.offset+i+1)
	}
	total := found.Total
	if from.pinned {
		total++
	}
	if len(entries) == 0 {
		return l.nothing(req, found, first), nil
	}
	caveat := shown(found.Note, maxReason)
	p := page{
		entries: entries, first: first, total: total,
		noun: "match", plural: "matches", catalog: l.countText(), note: l.meant(req, entries), caveat: caveat,
		more: func(shown int) string {
			if next[shown-1] >= found.Total {
				return ""
			}
			return moreLine(req, position{offset: next[shown-1], pinned: from.pinned})
		},
	}
	return p.pack(l.router.opts.MaxTokens * bytesPerToken), nil
}

// ask asks the index. A query that is one tool's name with its server's puts this
// tool first, even where the index sees it otherwise: it is then left out of the
// index's own list, on later pages too. A bare name is the index's business: a
// server that is not trusted may call its tools what people are going to ask.
func (l *look) ask(ctx context.Context, req SearchRequest, from *position) (found catalog.Found, pinned *catalog.Tool, err error) {
	q := catalog.Query{
		Text: req.Query, Limit: req.Limit, Offset: from.offset,
		Keep: l.keep(req.Server), Explain: req.Explain,
	}
	var exact *catalog.Tool
	for _, t := range l.qualified(req.Query) {
		if req.Server == "" || t.ID.Server == req.Server {
			if exact != nil { // several: which comes first is the index's business
				exact = nil
				break
			}
			exact = t
		}
	}
	if from.pinned && exact != nil {
		q.Keep = without(q.Keep, exact.ID)
	}
	if found, err = l.router.index.Search(ctx, q); err != nil || exact == nil || from.offset > 0 || from.pinned {
		return found, nil, err
	}
	if len(found.Hits) > 0 && found.Hits[0].ID == exact.ID {
		return found, nil, nil
	}
	from.pinned = true
	q.Keep = without(q.Keep, exact.ID)
	q.Limit = max(q.Limit-1, 1)
	found, err = l.router.index.Search(ctx, q)
	if req.Limit == 1 && len(found.Hits) > 0 {
		found.Hits = found.Hits[:0]
	}
	return found, exact, err
}

// qualified gives the tools that a name with a server in it can mean.
func (l *look) qualified(query string) []*catalog.Tool {
	found := l.resolve(query)
	return slices.DeleteFunc(slices.Clone(found), func(t *catalog.Tool) bool { return len(strings.TrimSpace(query)) <= len(t.ID.Tool) })
}

func without(keep func(catalog.ID) bool, out catalog.ID) func(catalog.ID) bool {
	return func(id catalog.ID) bool { return id != out && (keep == nil || keep(id)) }
}

// browse lists one server's tools by name.
func (l *look) browse(req SearchRequest, from position) SearchResult {
	all := l.state.view.Snapshot.Server(req.Server)
	if !l.visible(catalog.ID{Server: req.Server}) {
		all = nil
	}
	if len(all) == 0 {
		return SearchResult{Text: fmt.Sprintf("%s has no tools that are known. %s", req.Server, l.condition(req.Server))}
	}
	if from.offset >= len(all) {
		return wrong("%s has %s: the cursor points behind the last one", req.Server, counted(len(all), "tool"))
	}
	var entries []entry
	for _, t := range all[from.offset:min(len(all), from.offset+req.Limit)] {
		entries = append(entries, l.entry(t, catalog.Hit{}))
	}
	p := page{
		entries: entries, first: from.offset, total: len(all),
		noun: "tool of " + req.Server, plural: "tools of " + req.Server, catalog: l.countText(),
		note: l.condition(req.Server),
		more: func(shown int) string {
			if from.offset+shown >= len(all) {
				return ""
			}
			return moreLine(req, position{offset: from.offset + shown})
		},
	}
	return p.pack(l.router.opts.MaxTokens * bytesPerToken)
}

// server finds the server that a name means: its own, in any letter case, or as
// it stands in a tool's name. A configured server counts though it has no tools.
func (l *look) server(name string) (string, bool) {
	for _, known := range l.serverNames() {
		if strings.EqualFold(known, name) || strings.EqualFold(strings.ReplaceAll(known, ".", "_"), name) {
			return known, true
		}
	}
	return "", false
}
