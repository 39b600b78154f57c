package index

import (
	"slices"
	"strings"

	"toolrouter/internal/catalog"
)

// A server that nobody has reviewed may not push aside those that somebody has.
// A factor on its scores keeps it from the first place, but 1,500 tools that look
// alike would still fill the page behind it, so of every few hits it gets one.
const (
	unreviewedSlots = 5 // hits of which an unreviewed server has one at most
	sameVector      = 0.97
	checkedForTwins = 50 // hits among which copies are looked for
)

// trust brings the operator's priors to the scores.
func (x *Index) trust(v *view, all []candidate) {
	if len(x.operator.load().priors) == 0 {
		return
	}
	for i := range all {
		all[i].score *= x.prior(v.docs[all[i].number].id.Server)
	}
}

// page gives the first n hits in their order. Copies of a tool on other servers
// come behind the first of them, the trusted one, and unreviewed servers have
// their share of places.
func (x *Index) page(v *view, all []candidate, n int) []candidate {
	limited := len(x.operator.load().priors) > 0
	if limited { // who is put off may be anywhere in the ranking
		slices.SortFunc(all, v.compare)
	} else {
		all = v.first(all, min(max(n, checkedForTwins), len(all)))
	}
	all = v.twinsLast(all)
	if limited {
		all = x.rationed(v, all)
	}
	return all[:n]
}

// twinsLast moves tools that say the same as one before them behind the others.
func (v *view) twinsLast(all []candidate) []candidate {
	head := all[:min(len(all), checkedForTwins)]
	var first, twins []candidate
	for _, c := range head {
		if !c.named && slices.ContainsFunc(first, func(f candidate) bool { return v.twins(f.number, c.number) }) {
			twins = append(twins, c)
		} else {
			first = append(first, c)
		}
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

// rationed puts off the hits of unreviewed servers that come too close together.
func (x *Index) rationed(v *view, all []candidate) []candidate {
	out := make([]candidate, 0, len(all))
	waiting := map[string][]candidate{}
	var order []string // of the servers that wait
	last := map[string]int{}
	take := func(c candidate, id catalog.ID) {
		last[id.Server] = len(out)
		out = append(out, c)
	}
	for _, c := range all {
		for _, server := range order { // who has waited long enough goes first
			if w := waiting[server]; len(w) > 0 && len(out)-last[server] >= unreviewedSlots {
				waiting[server] = w[1:]
				take(w[0], catalog.ID{Server: server})
			}
		}
		id := v.docs[c.number].id
		if at, had := last[id.Server]; x.prior(id.Server) < 1 && had && (len(out)-at < unreviewedSlots || len(waiting[id.Server]) > 0) {
			if waiting[id.Server] == nil {
				order = append(order, id.Server)
			}
			waiting[id.Server] = append(waiting[id.Server], c)
			continue
		}
		take(c, id)
	}
	for _, server := range order {
		out = append(out, waiting[server]...)
	}
	return out
}
