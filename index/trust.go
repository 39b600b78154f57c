package index

import (
	"slices"
	"strings"
)

// A server that nobody has reviewed may not push aside those that somebody has.
// It can list what it likes: whatever would be found, in any number. So its
// tools do not compete for the places of the others: of every few hits it gets
// the last.
const (
	unreviewedEvery = 5 // hits, of which all unreviewed servers together have one
	sameVector      = 0.97
	checkedForTwins = 50 // hits among which copies are looked for
)

// unreviewed reports whether the operator has a reservation about a document's
// server.
func (o *operator) unreviewed(v *view, number int) bool {
	p, ok := o.priors[v.docs[number].id.Server]
	return ok && p < 1
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
// many there are in all. Copies of a tool on other servers come behind the first
// of them, the trusted one, and unreviewed servers have their share of places.
func (v *view) arrange(all []candidate, n int, o *operator) (ranked []candidate, total int) {
	if len(o.priors) == 0 {
		return o.twinsLast(v, v.first(all, min(max(n, checkedForTwins), len(all)))), len(all)
	}
	for i := range all {
		if p, ok := o.priors[v.docs[all[i].number].id.Server]; ok {
			all[i].score *= p
		}
	}
	slices.SortFunc(all, v.compare)
	ranked = o.rationed(v, o.twinsLast(v, all))
	return ranked, len(ranked)
}

// twinsLast moves tools that say the same as one before them behind the others.
// Of the two a reviewed server's stays, at the place of the first: a copy that
// says a little more of what is asked does not take the original with it.
func (o *operator) twinsLast(v *view, all []candidate) []candidate {
	head := all[:min(len(all), checkedForTwins)]
	var first, twins []candidate
	for _, c := range head {
		i := -1
		if !c.named {
			i = slices.IndexFunc(first, func(f candidate) bool { return v.twins(f.number, c.number) })
		}
		if i < 0 {
			first = append(first, c)
			continue
		}
		if o.unreviewed(v, first[i].number) && !o.unreviewed(v, c.number) {
			first[i], c = c, first[i]
		}
		twins = append(twins, c)
	}
	copy(head, append(first, twins...))
	return all
}

// twins reports whether two tools of different servers have the same name and
// say the same.
func (v *view) twins(a, b int) bool {
	x, y := v.docs[a].id, v.docs[b].id
	return x.Server != y.Server && strings.EqualFold(x.Tool, y.Tool) && v.vectors.between(a, b) > sameVector
}

// rationed gives unreviewed servers the last of every few places, if they earn
// it, and one after the others: what is left of theirs is no answer here, where
// others have one. A tool that is called by its name is not put off.
func (o *operator) rationed(v *view, all []candidate) []candidate {
	var free, waiting []candidate
	for _, c := range all {
		if !c.named && o.unreviewed(v, c.number) {
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
