package index

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"toolrouter/internal/catalog"
)

// maxHits is the most hits of one answer, not counting pages before it.
const maxHits = 1000

// Search finds the tools that answer a query, best first. A query that fits
// nothing finds nothing; Near then names the servers that come closest. An empty
// query finds nothing. The error is the context's, that of a damaged index, or
// ErrClosed.
func (x *Index) Search(ctx context.Context, q catalog.Query) (catalog.Found, error) {
	text := strings.TrimSpace(clip(q.Text, maxTextBytes))
	v, err := x.acquire()
	if err != nil {
		return catalog.Found{}, fmt.Errorf("search: %w", err)
	}
	defer v.release()
	if text == "" || v.live == 0 {
		return catalog.Found{}, ctx.Err()
	}
	s := v.borrow()
	defer v.giveBack(s)
	o := x.operator.load() // once: a reload may come while this search runs
	needs, note, err := x.read(ctx, v, text, o)
	if err != nil {
		return catalog.Found{}, fmt.Errorf("search: %w", err)
	}
	named, err := v.called(ctx, text)
	if err != nil {
		return catalog.Found{}, fmt.Errorf("search: %w", err)
	}
	all, err := v.rank(ctx, s, needs, named, q.Keep, o)
	if err != nil {
		return catalog.Found{}, fmt.Errorf("search: %w", err)
	}
	if len(all) == 0 {
		near := v.nearest(v.collect(s, needs[0].meant, 0, noMeaning, q.Keep, nil))
		return catalog.Found{Near: near, Note: note}, ctx.Err()
	}
	found, err := v.answer(ctx, needs, all, q, o)
	found.Note = note
	return found, err
}

// read takes a request apart into what the arms need.
func (x *Index) read(ctx context.Context, v *view, text string, o *operator) (needs []need, note string, err error) {
	a := analyzers.Get().(*analyzer)
	defer analyzers.Put(a)
	known := newLexicon(v, o, x.opts.Embedder)
	texts := split(text)
	needs = make([]need, len(texts))
	for i, t := range texts {
		if needs[i].clauses, err = v.clauses(ctx, a, t, known); err != nil {
			return nil, "", err
		}
		needs[i].foreign = known.foreign(needs[i].clauses)
	}
	note, err = x.meant(ctx, v, texts, needs)
	return needs, note, err
}

// meant fills in the cosines of every document: by the model outside the process
// if there is one that answers, else by the built-in one if there is that. The
// note says why the first did not.
func (x *Index) meant(ctx context.Context, v *view, texts []string, needs []need) (note string, err error) {
	all, note, ok := x.remoteMeantAll(ctx, v, texts)
	if !ok {
		if x.opts.Embedder == nil || len(v.vectors.scale) == 0 {
			return note, nil
		}
		queries, err := x.opts.Embedder.Embed(ctx, texts)
		if err != nil {
			return note, err
		}
		all = make([][]float32, len(texts))
		for i, q := range queries {
			all[i] = make([]float32, len(v.docs))
			v.vectors.cosines(q, func(n int, c float64) { all[i][n] = float32(c) })
		}
	}
	for i := range needs {
		needs[i].meant = all[i]
	}
	return note, nil
}

// answer cuts the ranking to what was asked for.
func (v *view) answer(ctx context.Context, needs []need, all []candidate, q catalog.Query, o *operator) (catalog.Found, error) {
	from := min(max(q.Offset, 0), len(all))
	to := from + min(max(q.Limit, 0), maxHits)
	ranked, total := v.arrange(all, to, o)
	found := catalog.Found{Total: total}
	for _, c := range ranked[min(from, total):min(to, total)] {
		hit := catalog.Hit{ID: v.docs[c.number].id, Score: c.score}
		if q.Explain {
			why, err := v.explain(ctx, needs, c, o)
			if err != nil {
				return catalog.Found{}, err
			}
			hit.Why = why
		}
		found.Hits = append(found.Hits, hit)
	}
	return found, ctx.Err()
}

// compare orders candidates: score, then public name.
func (v *view) compare(a, b candidate) int {
	return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(v.docs[a.number].name, v.docs[b.number].name))
}

// maxInserted is how many of the best are put in order one by one. A page far
// down is sorted for: each insertion moves half of what is there.
const maxInserted = 256

// first gives the n best in order. Most queries match thousands of tools a
// little and want five: sorting them all would take longer than finding them.
func (v *view) first(all []candidate, n int) []candidate {
	if n > maxInserted || len(all) < 4*n {
		slices.SortFunc(all, v.compare)
		return all[:n]
	}
	out := make([]candidate, 0, n+1)
	for _, c := range all {
		if len(out) == n && (n == 0 || v.compare(c, out[n-1]) >= 0) {
			continue
		}
		i, _ := slices.BinarySearchFunc(out, c, v.compare)
		out = slices.Insert(out, i, c)
		out = out[:min(len(out), n)]
	}
	return out
}

// maxNear is how many servers are named when nothing fits.
const maxNear = 3

// nearest names the servers of the best of what was too weak.
func (v *view) nearest(all []candidate) (servers []string) {
	for i := range all {
		all[i].score = all[i].words + all[i].meaning
	}
	slices.SortFunc(all, v.compare)
	for _, c := range all {
		if s := v.docs[c.number].id.Server; !slices.Contains(servers, s) {
			servers = append(servers, s)
		}
		if len(servers) == maxNear {
			break
		}
	}
	return servers
}

// explain tells what each arm adds to a hit's score, and which words it has.
func (v *view) explain(ctx context.Context, needs []need, c candidate, o *operator) ([]catalog.Reason, error) {
	var has, lacks []string
	for _, cl := range needs[0].clauses {
		there, err := v.has(ctx, cl, c.number)
		if err != nil {
			return nil, err
		}
		if there {
			has = append(has, cl.text)
		} else {
			lacks = append(lacks, cl.text)
		}
	}
	note := strings.Join(has, " ")
	if len(lacks) > 0 {
		note = strings.TrimSpace(note + " (not: " + strings.Join(lacks, " ") + ")")
	}
	why := []catalog.Reason{{Part: "words", Score: c.fromWords, Note: note}}
	if needs[0].meant != nil {
		why = append(why, catalog.Reason{Part: "meaning", Score: c.fromMeaning, Note: fmt.Sprintf("cosine %.2f", cosineOf(needs[0].meant, c.number))})
	}
	if len(needs) > 1 {
		why = append(why, catalog.Reason{Part: "one of the needs", Score: c.fromPart, Note: fmt.Sprintf("the request has %d", len(needs)-1)})
	}
	if c.named {
		why = append(why, catalog.Reason{Part: "exact name", Score: nameBonus})
	}
	return append(why, o.reasons(v.docs[c.number].id, c.score)...), nil
}

// has reports whether a document has any term of a clause.
func (v *view) has(ctx context.Context, c clause, number int) (bool, error) {
	for _, variant := range c.terms {
		l, err := v.list(ctx, variant.term)
		if err != nil {
			return false, err
		}
		if _, there := slices.BinarySearch(l.docs, uint32(number)); there {
			return true, nil
		}
	}
	return false, nil
}
