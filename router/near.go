package router

import (
	"cmp"
	"slices"
	"strings"
	"unicode"

	"toolrouter/internal/catalog"
)

const maxNearName = 96 // longer names are nobody's slip of the pen

// squash leaves of a name what a misspelling is measured on: its letters and
// digits in lower case.
func squash(name string) string {
	return strings.Map(func(r rune) rune {
		if !isWordRune(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, name)
}

// slips is how many letters may differ for a name of n letters to be a
// misspelling of another one.
func slips(n int) int { return min(1+n/5, 4) }

// nearest gives the up to n names that the given one most likely misspells, best
// first.
func nearest(name string, among []string, n int) []string {
	want := squash(name)
	type near struct {
		name string
		far  int
	}
	var found []near
	for _, candidate := range among {
		if d, ok := distance(want, squash(candidate), slips(len(want))); ok {
			found = append(found, near{candidate, d})
		}
	}
	slices.SortStableFunc(found, func(a, b near) int {
		return cmp.Or(cmp.Compare(a.far, b.far), cmp.Compare(a.name, b.name))
	})
	out := make([]string, 0, n)
	for _, f := range found[:min(n, len(found))] {
		out = append(out, f.name)
	}
	return out
}

// misspelt gives the few tools whose name the given one most likely misspells, with
// or without the server in front.
func misspelt(s *catalog.Snapshot, name string, keep func(catalog.ID) bool) []*catalog.Tool {
	return closest(s, name, slips(len(squash(name))), keep)
}

// closest gives the few tools whose name is the least distance away from the given
// one, and not farther than most, with or without the server in front.
func closest(s *catalog.Snapshot, name string, most int, keep func(catalog.ID) bool) []*catalog.Tool {
	want := squash(name)
	if want == "" || len(want) > maxNearName {
		return nil
	}
	type near struct {
		tool *catalog.Tool
		far  int
	}
	found := make([]near, 0, maxNear+1) // nearest first
	for t := range s.All() {
		if keep != nil && !keep(t.ID) {
			continue
		}
		whole, okWhole := distance(want, squash(t.Name), most)
		bare, okBare := distance(want, squash(t.ID.Tool), most)
		if !okWhole && !okBare {
			continue
		}
		far := min(whole, bare)
		at, _ := slices.BinarySearchFunc(found, far+1, func(a near, far int) int { return cmp.Compare(a.far, far) })
		found = slices.Insert(found, at, near{t, far})
		found = found[:min(len(found), maxNear)]
		if len(found) == maxNear {
			most = min(most, found[maxNear-1].far-1) // nothing else is worth measuring
		}
	}
	out := make([]*catalog.Tool, len(found))
	for i, f := range found {
		out[i] = f.tool
	}
	return out
}

// distance is how many bytes must be put in, left out, changed or swapped with
// their neighbour to make one word the other. ok is false, and the distance
// large, if that is more than most.
func distance(a, b string, most int) (d int, ok bool) {
	const far = 1 << 20
	if len(a)-len(b) > most || len(b)-len(a) > most || len(a) > maxNearName || len(b) > maxNearName {
		return far, false
	}
	var rows [3][maxNearName + 1]int
	before, last, row := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		best := i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
			best = min(best, row[j])
		}
		if best > most {
			return far, false
		}
		before, last, row = last, row, before
	}
	if last[len(b)] > most {
		return far, false
	}
	return last[len(b)], true
}
