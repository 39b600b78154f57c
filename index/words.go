package index

import (
	"cmp"
	"context"
	"math"
	"slices"
)

// BM25 constants.
const (
	k1            = 1.2 // how soon a word that occurs again stops adding
	enough        = 1.0 // a word's weighted count in the tool that would answer perfectly
	maxQueryTerms = 24  // of a long request, the rarest
	maxRepeats    = 2.0 // a word that the query repeats counts at most this often
)

// clause is one thing the query asks for: a term, with others that mean much the
// same and count less. A tool gets the best of them, not the sum.
type clause struct {
	text   string    // the word as it was asked
	terms  []variant // the term itself first
	weight float64
	idf    float64 // of the first term
}

type variant struct {
	term   string
	weight float64
}

// scratch is the memory of one search, kept for the next.
type scratch struct {
	count  []float64 // of the term at hand: weighted count by document
	best   []float64 // of the clause at hand
	total  []float64 // of the query
	marks  []bool    // documents in touched
	term   []int     // documents that have the term at hand
	clause []int     // documents that have the clause at hand
	found  []int     // documents that have any clause
}

func (v *view) borrow() *scratch {
	if s, ok := v.scratch.Get().(*scratch); ok {
		return s
	}
	n := len(v.docs)
	return &scratch{count: make([]float64, n), best: make([]float64, n), total: make([]float64, n), marks: make([]bool, n)}
}

// giveBack leaves the scratch as new.
func (v *view) giveBack(s *scratch) {
	for _, d := range s.found {
		s.total[d], s.marks[d] = 0, false
	}
	for _, d := range s.clause {
		s.best[d] = 0
	}
	for _, d := range s.term {
		s.count[d] = 0
	}
	s.found, s.clause, s.term = s.found[:0], s.clause[:0], s.term[:0]
	v.scratch.Put(s)
}

// words scores documents by BM25F. The scores in s.total are divided so that a
// tool that holds every word of the query about once in its description gets 1;
// one that holds them in its name can get more.
func (v *view) words(ctx context.Context, s *scratch, clauses []clause) error {
	perfect := 0.0
	for i := range clauses {
		if err := v.score(ctx, s, &clauses[i]); err != nil {
			return err
		}
		perfect += clauses[i].weight * clauses[i].idf
	}
	if perfect == 0 {
		return nil
	}
	perfect *= saturate(enough)
	for _, d := range s.found {
		s.total[d] /= perfect
	}
	return nil
}

func saturate(count float64) float64 { return count * (k1 + 1) / (count + k1) }

// score adds one clause to every document that has it.
func (v *view) score(ctx context.Context, s *scratch, c *clause) error {
	for i, variant := range c.terms {
		if err := v.count(ctx, s, variant.term); err != nil {
			return err
		}
		idf := v.idf(len(s.term))
		if i == 0 {
			c.idf = idf
		}
		for _, d := range s.term {
			if s.best[d] == 0 {
				s.clause = append(s.clause, d)
			}
			// A rare synonym of a common word is worth no more than the word.
			s.best[d] = max(s.best[d], variant.weight*min(idf, c.idf)*saturate(s.count[d]))
			s.count[d] = 0
		}
		s.term = s.term[:0]
	}
	for _, d := range s.clause {
		if !s.marks[d] {
			s.marks[d] = true
			s.found = append(s.found, d)
		}
		s.total[d] += c.weight * s.best[d]
		s.best[d] = 0
	}
	s.clause = s.clause[:0]
	return nil
}

// count notes which documents have a term, and how much of it.
func (v *view) count(ctx context.Context, s *scratch, term string) error {
	for _, f := range scored {
		average := v.average[f.name]
		err := v.postings(ctx, term, f.name, func(d int, freq, length float64) {
			if s.count[d] == 0 {
				s.term = append(s.term, d)
			}
			s.count[d] += f.weight * freq / (1 - f.b + f.b*length/average)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// idf is how much a term that n documents have tells about one of them.
func (v *view) idf(n int) float64 {
	return math.Log(1 + (float64(v.live)-float64(n)+0.5)/(float64(n)+0.5))
}

// clauses reads a query. Of a long one the rarest terms are kept, for they say
// what is meant; a term that no tool has stays, so that finding nothing of it
// counts.
func (v *view) clauses(ctx context.Context, a *analyzer, text string) ([]clause, error) {
	var out []clause
	at := map[string]int{}
	for _, w := range words(text) {
		if stopWords[w] {
			continue
		}
		term := a.stem(w)
		if i, seen := at[term]; seen {
			out[i].weight = min(out[i].weight+0.5, maxRepeats)
			continue
		}
		at[term] = len(out)
		out = append(out, clause{text: w, terms: []variant{{term, 1}}, weight: 1})
	}
	if len(out) <= maxQueryTerms {
		return out, nil
	}
	for i := range out {
		n, err := v.frequency(ctx, out[i].terms[0].term)
		if err != nil {
			return nil, err
		}
		out[i].idf = v.idf(n)
		if n == 0 {
			out[i].idf = 0 // in a long text, a word of no tool is talk
		}
	}
	slices.SortStableFunc(out, func(a, b clause) int { return cmp.Compare(b.idf*b.weight, a.idf*a.weight) })
	return out[:maxQueryTerms], nil
}

// frequency is in how many documents' most telling field a term occurs.
func (v *view) frequency(ctx context.Context, term string) (int, error) {
	most := 0
	for _, f := range scored {
		r, err := v.reader.TermFieldReader(ctx, []byte(term), f.name, false, false, false)
		if err != nil {
			return 0, err
		}
		most = max(most, int(r.Count()))
		if err := r.Close(); err != nil {
			return 0, err
		}
	}
	return most, nil
}
