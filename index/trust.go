package index

import (
	"slices"
	"strings"
)

// A server that nobody has reviewed may not push aside those that somebody has.
// It can list what it likes: whatever would be found, in any number. So its
// tools do not compete for the places of the others: of every few hits it gets
// the last.
//
// The public sets have next to no copies and cannot tell what is right of them;
// what the numbers have to hold against stands in TestAttacks of index/golden.
const (
	unreviewedEvery = 5    // hits, of which all unreviewed servers together have one: a usual page
	sameVector      = 0.97 // the least cosine of what says the same; flat from 0.95 to 0.99
	checkedForTwins = 50   // hits among which copies are looked for, ten usual pages; flat from 20 to 100
	maxCopies       = 2    // of one tool that keep their places beside it, as of development, staging and production
)

// unreviewed reports whether the operator has a reservation about a document's
// server.
func (o *operator) unreviewed(v *view, number int) bool {
	return o.prior(v.docs[number].id.Server) < 1
}

// reviewedAny reports whether a tool of a reviewed server is there.
func (o *operator) reviewedAny(v *view) bool {
	for number := range v.docs {
		if v.docs[number].id.Server != "" && !o.unreviewed(v, number) {
			return true
		}
	}
	return false
}

// best is the highest value among the candidates of reviewed servers, or among
// all if there are no others.
func (o *operator) best(v *view, all []candidate, value func(*candidate) float64) float64 {
	best, reviewed := 0.0, false
	for i := range all {
		trusted := len(o.priors) == 0 || !o.unreviewed(v, all[i].number)
		if trusted && !reviewed {
			best, reviewed = 0, true
		}
		if trusted || !reviewed {
			best = max(best, value(&all[i]))
		}
	}
	return best
}

// arrange gives the hits in their order, the first n of them at least, and how
// many there are in all. Copies of a tool on unreviewed servers come behind the
// trusted one, and unreviewed servers have their share of places.
func (v *view) arrange(all []candidate, n int, o *operator) (ranked []candidate, total int) {
	if len(o.priors) == 0 {
		return o.foldTwins(v, v.first(all, min(max(n, checkedForTwins), len(all)))), len(all)
	}
	for i := range all {
		all[i].score *= o.prior(v.docs[all[i].number].id.Server)
	}
	slices.SortFunc(all, v.compare)
	ranked = o.rationed(v, o.foldTwins(v, all))
	return ranked, len(ranked)
}

// foldTwins moves tools that say the same as one before them behind the others,
// so that a page is not full of one tool. Of two a reviewed server's stays, at the
// place of the first: a copy that says a little more of what is asked does not
// take the original with it. A few copies of reviewed servers stay as well: who
// sees only the production's database of three would write there.
func (o *operator) foldTwins(v *view, all []candidate) []candidate {
	head := all[:min(len(all), checkedForTwins)]
	var first, folded []candidate
	for _, c := range head {
		at, copies := v.twinsIn(first, c)
		if c.named || copies == 0 {
			first = append(first, c)
			continue
		}
		if o.unreviewed(v, first[at].number) && !o.unreviewed(v, c.number) {
			first[at], c = c, first[at]
		}
		if copies > maxCopies || o.unreviewed(v, c.number) {
			folded = append(folded, c)
		} else {
			first = append(first, c)
		}
	}
	copy(head, append(first, folded...))
	return all
}

// twinsIn tells where the first twin of a tool is among others, and how many
// there are.
func (v *view) twinsIn(others []candidate, c candidate) (first, count int) {
	for i, o := range others {
		if v.twins(o.number, c.number) {
			if count == 0 {
				first = i
			}
			count++
		}
	}
	return first, count
}

// twins reports whether two tools of different servers have the same name and
// say the same.
func (v *view) twins(a, b int) bool {
	x, y := v.docs[a].id, v.docs[b].id
	return x.Server != y.Server && strings.EqualFold(x.Tool, y.Tool) && v.vectors.between(a, b) > sameVector
}

// rationed gives unreviewed servers the last of every few places, if they earn
// it, and one after the others: what is left of theirs is no answer here, where
// others have one.
func (o *operator) rationed(v *view, all []candidate) []candidate {
	var free, waiting []candidate
	for _, c := range all {
		if o.unreviewed(v, c.number) {
			waiting = append(waiting, c)
		} else {
			free = append(free, c)
		}
	}
	if len(free) == 0 {
		return waiting
	}
	out := make([]candidate, 0, len(all))
	for len(free) > 0 {
		last := len(out)%unreviewedEvery == unreviewedEvery-1
		if last && len(waiting) > 0 && waiting[0].score > free[0].score {
			out, waiting = append(out, waiting[0]), waiting[1:]
		} else {
			out, free = append(out, free[0]), free[1:]
		}
	}
	return append(out, waiting[:min(len(waiting), 1)]...)
}
