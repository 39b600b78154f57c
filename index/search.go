package index

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"toolrouter/internal/catalog"
)

// maxHits is the most hits of one answer, pages before it included.
const maxHits = 1000

// Search finds the tools that answer a query, best first. A query that fits
// nothing finds nothing; Near then names the servers that come closest. An empty
// query finds nothing. The error is the context's, or that of a damaged index.
func (x *Index) Search(ctx context.Context, q catalog.Query) (catalog.Found, error) {
	text := trimmed(q.Text)
	v := x.acquire()
	defer v.release()
	if text == "" || v.live == 0 {
		return catalog.Found{}, ctx.Err()
	}
	s := v.borrow()
	defer v.giveBack(s)
	a := analyzers.Get().(*analyzer)
	defer analyzers.Put(a)
	clauses, err := v.clauses(ctx, a, text)
	if err != nil {
		return catalog.Found{}, fmt.Errorf("search: %w", err)
	}
	if err := v.words(ctx, s, clauses); err != nil {
		return catalog.Found{}, fmt.Errorf("search: %w", err)
	}
	meant, err := x.meant(ctx, v, text)
	if err != nil {
		return catalog.Found{}, fmt.Errorf("search: %w", err)
	}
	all := v.fuse(s, meant, foldName(text), q.Keep)
	return x.answer(ctx, v, clauses, all, q)
}

// candidate is a document with its scores.
type candidate struct {
	number         int
	score          float64
	words, meaning float64
	named          bool
}

// answer cuts the ranking to what was asked for.
func (x *Index) answer(ctx context.Context, v *view, clauses []clause, all []candidate, q catalog.Query) (catalog.Found, error) {
	slices.SortFunc(all, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(v.docs[a.number].name, v.docs[b.number].name))
	})
	good := len(all)
	for good > 0 && all[good-1].score < threshold {
		good--
	}
	found := catalog.Found{Total: good}
	if good == 0 {
		found.Near = v.nearest(all)
		return found, ctx.Err()
	}
	from, to := min(q.Offset, good), min(q.Offset+min(q.Limit, maxHits), good)
	for _, c := range all[from:to] {
		hit := catalog.Hit{ID: v.docs[c.number].id, Score: c.score}
		if q.Explain {
			why, err := v.explain(ctx, clauses, c)
			if err != nil {
				return catalog.Found{}, err
			}
			hit.Why = why
		}
		found.Hits = append(found.Hits, hit)
	}
	return found, ctx.Err()
}

// maxNear is how many servers are named when nothing fits.
const maxNear = 3

// nearest names the servers of the best of what was too weak.
func (v *view) nearest(all []candidate) (servers []string) {
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

// explain tells which words a hit has and what each arm adds.
func (v *view) explain(ctx context.Context, clauses []clause, c candidate) ([]catalog.Reason, error) {
	var has, lacks []string
	for _, cl := range clauses {
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
		note += " (not: " + strings.Join(lacks, " ") + ")"
	}
	why := []catalog.Reason{{Part: "words", Score: wordsShare(c.words), Note: note}}
	if len(v.vectors.scale) > 0 {
		why = append(why, catalog.Reason{Part: "meaning", Score: meaningShare(c.meaning), Note: fmt.Sprintf("cosine %.2f", c.meaning)})
	}
	if c.named {
		why = append(why, catalog.Reason{Part: "exact name", Score: nameBonus})
	}
	return why, nil
}

// has reports whether a document has any term of a clause.
func (v *view) has(ctx context.Context, c clause, number int) (there bool, err error) {
	for _, variant := range c.terms {
		for _, f := range scored {
			err = v.postings(ctx, variant.term, f.name, func(d int, _, _ float64) { there = there || d == number })
			if err != nil || there {
				return there, err
			}
		}
	}
	return false, nil
}
