package index

import (
	"context"
	"math"
)

// BM25 constants.
const (
	bm25K1    = 0.8  // how soon a word that occurs again stops adding; flat from 0.6 to 1
	bm25B     = 0.75 // how much a tool's length counts; flat from 0.65 to 0.85
	nameShare = 0.15 // what a tool can gain by being called as it is asked for; flat from 0.1 to 0.2
	enough    = 1.0  // a word's weighted count in the tool that would answer perfectly; flat from 0.7 to 1.5
)

// scratch is the memory of one search, kept for the next.
type scratch struct {
	best   []float64 // of the clause at hand
	total  []float64 // of the query
	named  []float64 // of the query: words of the tool's name
	asked  []float64 // of the query: what these words weigh
	marks  []bool    // documents in found
	clause []int     // documents that have the clause at hand
	found  []int     // documents that have any clause

	candidates []candidate
}

func (v *view) borrow() *scratch {
	if s, ok := v.scratch.Get().(*scratch); ok {
		return s
	}
	n := len(v.docs)
	return &scratch{best: make([]float64, n), total: make([]float64, n), named: make([]float64, n), asked: make([]float64, n), marks: make([]bool, n)}
}

// giveBack leaves the scratch as new.
func (v *view) giveBack(s *scratch) {
	s.reset()
	v.scratch.Put(s)
}

// reset makes room for the next need. An error may have left documents in clause
// that are not in found yet.
func (s *scratch) reset() {
	for _, documents := range [...][]int{s.found, s.clause} {
		for _, d := range documents {
			s.best[d], s.total[d], s.named[d], s.asked[d], s.marks[d] = 0, 0, 0, 0, false
		}
	}
	s.found, s.clause = s.found[:0], s.clause[:0]
}

// words scores documents by BM25F. The scores in s.total are divided so that a
// tool that holds every word of the query about once in its description gets 1;
// one that holds them in its name can get more.
func (v *view) words(ctx context.Context, s *scratch, clauses []clause) error {
	perfect := 0.0
	for _, c := range clauses {
		if c.idf == 0 {
			continue // talk
		}
		if err := v.score(ctx, s, c); err != nil {
			return err
		}
		perfect += c.idf
	}
	if perfect == 0 {
		return nil
	}
	for _, d := range s.found {
		s.total[d] /= perfect * saturate(enough)
		if s.named[d] > 0 {
			whole := min(s.named[d]/v.docs[d].words, 1)
			s.total[d] += nameShare / saturate(enough) * whole * min(2*s.asked[d]/perfect, 1)
		}
	}
	return nil
}

func saturate(count float64) float64 { return count * (bm25K1 + 1) / (count + bm25K1) }

// score adds one clause to every document that has it.
func (v *view) score(ctx context.Context, s *scratch, c clause) error {
	for _, variant := range c.terms {
		l, err := v.list(ctx, variant.term)
		if err != nil {
			return err
		}
		// A rare synonym of a common word is worth no more than the word.
		weight := variant.weight * min(v.idf(len(l.docs)), c.idf)
		for i := range l.docs {
			d, worth, inName := l.at(i)
			if s.best[d] == 0 {
				s.clause = append(s.clause, d)
			}
			s.best[d] = max(s.best[d], weight*worth)
			if inName {
				s.named[d] += variant.weight
				s.asked[d] += weight
			}
		}
	}
	for _, d := range s.clause {
		if !s.marks[d] {
			s.marks[d] = true
			s.found = append(s.found, d)
		}
		s.total[d] += s.best[d]
		s.best[d] = 0
	}
	s.clause = s.clause[:0]
	return nil
}

// idf is how much a term that n documents have tells about one of them.
func (v *view) idf(n int) float64 {
	return math.Log(1 + (float64(v.live)-float64(n)+0.5)/(float64(n)+0.5))
}
