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
	r.awaitListing(ctx, searchPatience, r.someTools, "")
	l := r.look()
	res, err := l.answer(ctx, req)
	if err != nil {
		return SearchResult{}, fmt.Errorf("search: %w", err)
	}
	res.Query, res.Catalog, res.Took = strings.TrimSpace(req.Query), l.tools, time.Since(start)
	r.log.DebugContext(ctx, "searched", "hits", len(res.Hits), "total", res.Total, "dur", res.Took)
	return res, nil
}

// look is what one search sees: one state, and one condition of every server, from
// its beginning to its end.
type look struct {
	router  *Router
	state   *state
	servers map[string]catalog.Server
	tools   int // visible ones, and the number of servers that have them
	stocked int
}

func (r *Router) look() *look {
	l := &look{router: r, state: r.state.Load(), servers: map[string]catalog.Server{}}
	for _, s := range r.upstream.Servers() {
		l.servers[s.Name] = s
	}
	for name := range l.state.about {
		l.tools += len(l.state.view.Snapshot.Server(name))
		l.stocked++
	}
	return l
}

// budget is how many bytes the answer to a search may have.
func (r *Router) budget() int { return r.opts.MaxTokens * bytesPerToken }

func (l *look) answer(ctx context.Context, req SearchRequest) (SearchResult, error) {
	req.Query, req.Server = strings.TrimSpace(req.Query), strings.TrimSpace(req.Server)
	if n := utf8.RuneCountInString(req.Query); n > maxQuery {
		return wrong("the query has %s characters and at most %s are read: say in a sentence what you need", thousands(n), thousands(maxQuery)), nil
	}
	if len(req.Tools) == 0 && req.Query == "" && req.Server == "" {
		return wrong(`give "query" (what you need, in plain words), "server" (to list its tools) or "tools" (names whose schemas to load)`), nil
	}
	if l.tools == 0 && len(req.Tools) == 0 {
		return SearchResult{Text: l.emptyText()}, nil
	}
	if req.Server != "" {
		name, ok := l.server(req.Server)
		if !ok {
			return l.unknownServer(req.Server), nil
		}
		req.Server = name
	}
	if len(req.Tools) > 0 {
		return l.load(ctx, req.Tools, req.Server), nil
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
	found, pinned, at, err := l.ask(ctx, req, from)
	if err != nil {
		return SearchResult{}, err
	}
	var entries []entry
	var next []int // where the page after each entry begins, as the index counts
	if pinned != nil {
		entries, next = append(entries, l.pinnedEntry(pinned, found)), append(next, at.offset)
	}
	for i, h := range found.Hits {
		t := l.state.view.Snapshot.Tool(h.ID)
		if t == nil || !l.state.visible(h.ID) { // the index is a moment ahead of the view, or behind
			continue
		}
		entries, next = append(entries, l.entry(t, h)), append(next, at.offset+i+1)
	}
	if len(entries) == 0 {
		return l.nothing(req, found, from.shown()), nil
	}
	total := found.Total
	if at.pinned {
		total++
	}
	p := page{
		request: req, entries: entries, first: from.shown(), total: total,
		noun: "match", plural: "matches", catalog: l.countText(),
		note: l.meant(req, entries), caveat: shown(found.Note, maxReason),
		next: func(shown int) (position, bool) {
			offset := next[shown-1]
			return position{offset: offset, pinned: at.pinned}, offset < found.Total
		},
	}
	return p.pack(l.router.budget()), nil
}

// pinnedEntry is the hit that stands before those of the index.
func (l *look) pinnedEntry(t *catalog.Tool, found catalog.Found) entry {
	score := 1.0
	if len(found.Hits) > 0 {
		score = found.Hits[0].Score
	}
	return l.entry(t, catalog.Hit{Score: score, Why: []catalog.Reason{{Part: "exact name", Score: score, Note: t.Name}}})
}

// ask asks the index. A query that is one tool's name with its server's puts this
// tool first, even where the index sees it otherwise: it is pinned, which the
// position tells from then on, and is left out of the index's own list, on later
// pages too. A bare name is the index's business: a server that is not trusted may
// call its tools what people are going to ask.
func (l *look) ask(ctx context.Context, req SearchRequest, from position) (found catalog.Found, pinned *catalog.Tool, at position, err error) {
	q := catalog.Query{
		Text: req.Query, Limit: req.Limit, Offset: from.offset,
		Keep: l.state.keep(req.Server), Explain: req.Explain,
	}
	exact := l.exact(req)
	if from.pinned && exact != nil {
		q.Keep = without(q.Keep, exact.ID)
	}
	if found, err = l.router.index.Search(ctx, q); err != nil || exact == nil || from.offset > 0 || from.pinned {
		return found, nil, from, err
	}
	if len(found.Hits) > 0 && found.Hits[0].ID == exact.ID {
		return found, nil, from, nil
	}
	q.Keep = without(q.Keep, exact.ID)
	q.Limit = max(q.Limit-1, 1)
	found, err = l.router.index.Search(ctx, q)
	if req.Limit == 1 && len(found.Hits) > 0 {
		found.Hits = found.Hits[:0]
	}
	return found, exact, position{pinned: true}, err
}

// exact gives the one tool that a query names together with its server, nil if it
// names none or several.
func (l *look) exact(req SearchRequest) *catalog.Tool {
	bare := func(t *catalog.Tool) bool { return len(req.Query) <= len(t.ID.Tool) }
	found := slices.DeleteFunc(slices.Clone(l.state.resolveOn(req.Server, req.Query)), bare)
	if len(found) != 1 {
		return nil
	}
	return found[0]
}

func without(keep func(catalog.ID) bool, out catalog.ID) func(catalog.ID) bool {
	return func(id catalog.ID) bool { return id != out && (keep == nil || keep(id)) }
}

// browse lists one server's tools by name.
func (l *look) browse(req SearchRequest, from position) SearchResult {
	all := l.state.view.Snapshot.Server(req.Server)
	if !l.state.visible(catalog.ID{Server: req.Server}) {
		return SearchResult{Text: fitting([]string{req.Server + " has no tools that are known.", l.condition(req.Server)}, l.router.budget())}
	}
	if from.offset >= len(all) {
		return wrong("%s has %s: the cursor points behind the last one", req.Server, counted(len(all), "tool"))
	}
	var entries []entry
	for _, t := range all[from.offset:min(len(all), from.offset+req.Limit)] {
		entries = append(entries, l.entry(t, catalog.Hit{}))
	}
	p := page{
		request: req, entries: entries, first: from.offset, total: len(all),
		noun: "tool of " + req.Server, plural: "tools of " + req.Server, catalog: l.countText(),
		note: l.condition(req.Server),
		next: func(shown int) (position, bool) {
			return position{offset: from.offset + shown}, from.offset+shown < len(all)
		},
	}
	return p.pack(l.router.budget())
}

// server finds the server that a name means: its own, in any letter case, or as
// it stands in a tool's name. A configured server counts though it has no tools.
func (l *look) server(name string) (string, bool) { return match(name, l.serverNames()) }

// match finds the one of several servers that a name means.
func match(name string, servers []string) (string, bool) {
	for _, known := range servers {
		if strings.EqualFold(known, name) || strings.EqualFold(undotted(known), name) {
			return known, true
		}
	}
	return "", false
}
