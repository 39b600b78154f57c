package index

import (
	"context"
	"math"
	"slices"
	"sync"

	bleveindex "github.com/blevesearch/bleve_index_api"
)

// maxListed bounds the entries of the lists that a view keeps: 8 bytes each.
const maxListed = 4 << 20

// list is the documents that have a term, with what the term is worth in each:
// its count, damped by the tool's length and saturated. Reading one from the
// index takes many times as long as using it, and people ask for the same words
// again, so a view keeps those it has read.
type list struct {
	docs  []uint32
	worth []float32 // negative where the term is in the tool's name
}

// lists are those a view has read.
type lists struct {
	mu     sync.RWMutex
	byTerm map[string]list
	size   int // entries of all
}

// list gives the list of a term, an empty one if no tool has it.
func (v *view) list(ctx context.Context, term string) (list, error) {
	v.lists.mu.RLock()
	l, ok := v.lists.byTerm[term]
	v.lists.mu.RUnlock()
	if ok {
		return l, nil
	}
	l, err := v.read(ctx, term)
	if err != nil || len(l.docs) == 0 {
		return l, err
	}
	v.lists.mu.Lock()
	defer v.lists.mu.Unlock()
	if _, ok := v.lists.byTerm[term]; !ok && v.lists.size+len(l.docs) <= maxListed {
		v.lists.byTerm[term] = l
		v.lists.size += len(l.docs)
	}
	return l, nil
}

// read makes a list of what the index holds of a term.
func (v *view) read(ctx context.Context, term string) (list, error) {
	postings, err := v.open(ctx, term, false)
	if err != nil {
		return list{}, err
	}
	n := postings.Count()
	l := list{docs: make([]uint32, 0, n), worth: make([]float32, 0, n)}
	err = each(postings, func(d int, freq uint64, _ float64) {
		count, inName := unpackCount(freq)
		worth := saturate(count / v.docs[d].damp)
		if inName {
			worth = -worth
		}
		l.docs = append(l.docs, uint32(d))
		l.worth = append(l.worth, float32(worth))
	})
	return l, err
}

// at is the i-th document with what the term is worth there.
func (l list) at(i int) (number int, worth float64, inName bool) {
	w := float64(l.worth[i])
	return int(l.docs[i]), math.Abs(w), w < 0
}

// inName reports whether a document has the term in its name.
func (l list) inName(number uint32) bool {
	i, there := slices.BinarySearch(l.docs, number)
	return there && l.worth[i] < 0
}

// open gives what the index holds of a term.
func (v *view) open(ctx context.Context, term string, lengths bool) (bleveindex.TermFieldReader, error) {
	return v.reader.TermFieldReader(ctx, []byte(term), fieldTerms, true, lengths, false)
}

// each calls f for every document that has a term, with the term's count, and
// closes the reader.
func each(r bleveindex.TermFieldReader, f func(number int, freq uint64, norm float64)) error {
	defer r.Close()
	var at bleveindex.TermFieldDoc
	for {
		d, err := r.Next(&at)
		if err != nil {
			return err
		}
		if d == nil {
			return nil
		}
		f(int(d.ID.Value()), d.Freq, d.Norm)
	}
}
