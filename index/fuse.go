package index

import (
	"context"
	"slices"
	"sync"

	"toolrouter/internal/catalog"
)

// How the arms are brought together. What words give is measured half at what a
// perfect tool would get and more at what the best one got: in a long request no
// tool holds many of the words, and the meaning would decide alone. What is too
// weak to be an answer is told by the arms themselves, which do not depend on
// the other tools.
const (
	meaningWeight = 0.55 // of the meaning's part, the rest is the words'; flat from 0.5 to 0.6
	topShare      = 0.8  // how much the best tool counts against the perfect one; flat from 0.7 to 0.9
	noMeaning     = 0.10 // a cosine that says nothing; flat from 0.05 to 0.15

	someWords      = 0.05 // share of the words from which a tool may be an answer; flat from 0.02 to 0.1
	someMeaning    = 0.25 // or cosine: at 0.2 fewer needs are rightly said to fit nothing, at 0.3 more are wrongly
	foreignMeaning = 0.45 // cosine that one tool must have to answer words that nobody knows; flat from 0.35 to 0.55
	enoughWords    = 0.35 // share that one tool must have, if none has someMeaning, for there to be an answer; flat from 0.25 to 0.45
	farBehind      = 0.3  // of the best score: what is below it is left out; flat from 0.2 to 0.4

	nameBonus = 1.0 // a name stands above everything: other scores hardly reach 1
)

var analyzers = sync.Pool{New: func() any { return newAnalyzer() }}

// need is one thing that is asked for, as the arms see it.
type need struct {
	clauses []clause
	meant   []float32 // the cosine of every document; nil without vectors
	foreign bool      // no tool and not the model has a word of it: another language, or gibberish
}

// candidate is a document with its scores.
type candidate struct {
	number         int
	score          float64
	words, meaning float64 // in the need that is being answered
	part           float64 // the score for the part that it answers best, 0 if there are no parts

	fromWords, fromMeaning, fromPart float64 // what makes up the score
	named                            bool
}

// rank scores the documents that may be seen for a request of one or several
// needs, of which the first is all of it.
func (v *view) rank(ctx context.Context, s *scratch, needs []need, named []int, keep func(catalog.ID) bool, o *operator) ([]candidate, error) {
	all, err := v.answers(ctx, s, needs[0], keep, o)
	if err != nil {
		return nil, err
	}
	if len(needs) > 1 {
		if all, err = v.withParts(ctx, s, all, needs[1:], keep, o); err != nil {
			return nil, err
		}
	}
	return v.byName(all, named, keep, o), nil
}

// withParts lets a tool that answers one of several needs stand beside those
// that have a little of each.
func (v *view) withParts(ctx context.Context, s *scratch, whole []candidate, parts []need, keep func(catalog.ID) bool, o *operator) ([]candidate, error) {
	all := slices.Clone(whole) // the scratch is used again below
	at := make(map[int]int, len(all))
	for i, c := range all {
		at[c.number] = i
	}
	for _, n := range parts {
		s.reset()
		answers, err := v.answers(ctx, s, n, keep, o)
		if err != nil {
			return nil, err
		}
		left := v.behind(answers, len(parts))
		for _, c := range answers {
			c.score *= left(c.number)
			i, ok := at[c.number]
			if !ok {
				i = len(all)
				at[c.number] = i
				all = append(all, candidate{number: c.number})
			}
			all[i].part = max(all[i].part, c.score)
		}
	}
	share := partsShare(len(parts))
	for i := range all {
		c := &all[i]
		c.fromWords, c.fromMeaning, c.fromPart = (1-share)*c.fromWords, (1-share)*c.fromMeaning, share*c.part
		c.score = c.fromWords + c.fromMeaning + c.fromPart
	}
	return all, nil
}

// partsShare is what the part that a tool answers best counts beside the whole
// request: the more parts, the less any one tool can have of the whole. It begins
// at 0.3, flat from 0.2 to 0.4, and ends at 0.7, flat from 0.5 to 0.9.
func partsShare(parts int) float64 {
	return min(0.3+0.1*float64(max(parts-3, 0)), 0.7)
}

// Of a request that surely has several parts, the answers to each count by their
// place as well.
const (
	severalParts = 5   // flat from 4 to 6
	firstPlaces  = 4   // that are told apart; flat from 3 to 6
	perPlace     = 0.2 // taken off the score; flat from 0.1 to 0.3
)

// behind gives what is left of the score of each of several answers to a part. The
// first ones to five needs then come before the second and third ones to the
// easiest of them.
func (v *view) behind(answers []candidate, parts int) func(number int) float64 {
	if parts < severalParts {
		return func(int) float64 { return 1 }
	}
	best := slices.Clone(v.first(answers, min(firstPlaces, len(answers))))
	return func(number int) float64 {
		place := slices.IndexFunc(best, func(c candidate) bool { return c.number == number })
		if place < 0 {
			place = firstPlaces
		}
		return 1 - perPlace*float64(place)
	}
}

// byName puts the tools that the request calls by name above the others. A name
// alone is no reason to put an unreviewed server's tool there: it can call its
// tools what people are going to ask.
func (v *view) byName(all []candidate, named []int, keep func(catalog.ID) bool, o *operator) []candidate {
	for _, d := range named {
		if keep != nil && !keep(v.docs[d].id) || o.unreviewed(v, d) {
			continue
		}
		i := slices.IndexFunc(all, func(c candidate) bool { return c.number == d })
		if i < 0 {
			i = len(all)
			all = append(all, candidate{number: d})
		}
		all[i].named = true
		all[i].score += nameBonus
	}
	return all
}

// answers scores the documents for one need and leaves out what is too weak to
// be an answer. What counts as weak is measured at the tools of servers that
// somebody has reviewed, if any of them has an answer: others could make every
// honest tool look weak. The result is valid until the scratch is used again.
func (v *view) answers(ctx context.Context, s *scratch, n need, keep func(catalog.ID) bool, o *operator) ([]candidate, error) {
	if err := v.words(ctx, s, n.clauses); err != nil {
		return nil, err
	}
	s.candidates = v.collect(s, n.meant, someWords, someMeaning, keep, s.candidates[:0])
	if n.meant != nil && !n.worthAnswering(s.candidates) {
		return nil, nil // a stray word in common is no answer
	}
	top := o.best(v, s.candidates, func(c *candidate) float64 { return c.words })
	share := 0.0
	if n.meant != nil {
		share = meaningWeight
	}
	scale := (1 - share) / (1 - topShare + topShare*top)
	for i := range s.candidates {
		c := &s.candidates[i]
		c.fromWords, c.fromMeaning = min(c.words, top)*scale, share*max(c.meaning-noMeaning, 0)
		c.score = c.fromWords + c.fromMeaning
	}
	best := o.best(v, s.candidates, func(c *candidate) float64 { return c.score })
	return slices.DeleteFunc(s.candidates, func(c candidate) bool { return c.score < farBehind*best }), nil
}

// worthAnswering reports whether any tool has enough in common with a need. For
// words that nobody knows the meaning must be plain: the model makes something of
// the pieces of any of them.
func (n *need) worthAnswering(all []candidate) bool {
	enough := someMeaning
	if n.foreign {
		enough = foreignMeaning
	}
	return slices.ContainsFunc(all, func(c candidate) bool { return c.meaning >= enough || c.words >= enoughWords })
}

// collect gives the documents that hold enough words of the need, or mean
// something close enough to it.
func (v *view) collect(s *scratch, meant []float32, words, meaning float64, keep func(catalog.ID) bool, out []candidate) []candidate {
	add := func(d int) {
		if keep == nil || keep(v.docs[d].id) {
			out = append(out, candidate{number: d, words: s.total[d], meaning: cosineOf(meant, d)})
		}
	}
	for _, d := range s.found {
		if s.total[d] >= words || cosineOf(meant, d) >= meaning {
			add(d)
		}
	}
	for d, c := range meant {
		if s.total[d] == 0 && float64(c) >= meaning {
			add(d)
		}
	}
	return out
}

func cosineOf(meant []float32, d int) float64 {
	if meant == nil {
		return 0
	}
	return float64(meant[d])
}
