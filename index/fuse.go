package index

import (
	"context"
	"sync"

	"toolrouter/internal/catalog"
)

// The common scale. Both arms lie between 0 and 1 on it, and so does their
// weighted sum; an exact name stands above everything.
const (
	wordsWeight   = 0.6
	meaningWeight = 0.4
	nameBonus     = 2.0
	threshold     = 0.12 // below it a tool is no answer

	noMeaning  = 0.10 // a cosine that says nothing
	allMeaning = 0.80 // a cosine that says as much as can be said
)

var analyzers = sync.Pool{New: func() any { return newAnalyzer() }}

// meant gives the cosine of every document with the query, nil without an
// Embedder.
func (x *Index) meant(ctx context.Context, v *view, text string) ([]float32, error) {
	if x.opts.Embedder == nil || len(v.vectors.scale) == 0 {
		return nil, nil
	}
	query, err := x.opts.Embedder.Embed(ctx, []string{text})
	if err != nil {
		return nil, err
	}
	out := make([]float32, len(v.docs))
	v.vectors.cosines(query[0], func(n int, c float64) { out[n] = float32(c) })
	return out, nil
}

// fuse brings the arms together, for the documents that may be seen.
func (v *view) fuse(s *scratch, meant []float32, name string, keep func(catalog.ID) bool) []candidate {
	var all []candidate
	add := func(d int) {
		if doc := &v.docs[d]; doc.id.Tool != "" && (keep == nil || keep(doc.id)) {
			c := candidate{number: d, words: s.total[d], named: doc.bare == name || foldName(doc.name) == name}
			if meant != nil {
				c.meaning = float64(meant[d])
			}
			c.score = wordsShare(c.words)
			if meant != nil {
				c.score = c.score*wordsWeight + meaningShare(c.meaning)
			}
			if c.named {
				c.score += nameBonus
			}
			all = append(all, c)
		}
	}
	if meant == nil {
		for _, d := range s.found {
			add(d)
		}
		return all
	}
	for d := range v.docs {
		if s.total[d] > 0 || meant[d] > noMeaning {
			add(d)
		}
	}
	return all
}

// wordsShare is what the words of a tool are worth on the scale.
func wordsShare(words float64) float64 { return min(words, 1.5) / 1.5 }

// meaningShare is what its meaning is worth.
func meaningShare(cosine float64) float64 {
	return meaningWeight * min(max((cosine-noMeaning)/(allMeaning-noMeaning), 0), 1)
}
