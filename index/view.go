package index

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/blevesearch/bleve/v2"
	bleveindex "github.com/blevesearch/bleve_index_api"

	"toolrouter/internal/catalog"
)

// view is what one search sees from beginning to end: a snapshot of the
// inverted lists and what stands in memory beside it. It never changes. A
// document is known by its number in the snapshot.
type view struct {
	reader  bleveindex.IndexReader
	docs    []doc              // by number; deleted ones have no id
	live    int                // documents that are not deleted
	average map[string]float64 // length of each scored field
	vectors vectors
	scratch sync.Pool // *scratch
	refs    atomic.Int64
}

// doc is a document as far as it is kept in memory.
type doc struct {
	id   catalog.ID
	name string // the public name, by which equal scores are ordered
	bare string // the tool's own name, folded
}

// newView reads what a search needs. The view holds one reference: its owner's.
func newView(ix bleve.Index, model string, dim int) (*view, error) {
	advanced, err := ix.Advanced()
	if err != nil {
		return nil, err
	}
	reader, err := advanced.Reader()
	if err != nil {
		return nil, err
	}
	v := &view{reader: reader, average: map[string]float64{}}
	v.refs.Store(1)
	if err := v.load(model, dim); err != nil {
		reader.Close()
		return nil, err
	}
	return v, nil
}

func (v *view) load(model string, dim int) error {
	ids, err := v.reader.DocIDReaderAll()
	if err != nil {
		return err
	}
	defer ids.Close()
	withVectors := dim > 0 && v.internal(keyModel) == model
	v.vectors.dim = dim
	for {
		id, err := ids.Next()
		if err != nil {
			return err
		}
		if id == nil {
			break
		}
		if err := v.add(id, withVectors); err != nil {
			return err
		}
	}
	return v.measure()
}

// add takes in one document.
func (v *view) add(id bleveindex.IndexInternalID, withVector bool) error {
	name, err := v.reader.ExternalID(id)
	if err != nil {
		return err
	}
	number := int(id.Value())
	for len(v.docs) <= number {
		v.docs = append(v.docs, doc{})
	}
	tool := parseID(name)
	v.docs[number] = doc{id: tool, name: catalog.PublicName(tool.Server, tool.Tool), bare: foldName(tool.Tool)}
	v.live++
	if !withVector {
		return nil
	}
	stored, err := v.reader.Document(name)
	if err != nil || stored == nil {
		return err
	}
	stored.VisitFields(func(f bleveindex.Field) {
		if f.Name() == fieldVector {
			v.vectors.set(number, f.Value())
		}
	})
	return nil
}

// measure notes the average length of each field.
func (v *view) measure() error {
	stats, ok := v.reader.(bleveindex.BM25Reader)
	if !ok {
		return fmt.Errorf("the index tells no lengths of fields")
	}
	for _, f := range scored {
		n, err := stats.FieldCardinality(f.name)
		if err != nil {
			return err
		}
		v.average[f.name] = max(float64(n)/float64(max(v.live, 1)), 1)
	}
	return nil
}

// internal reads a value that was committed with the documents.
func (v *view) internal(key string) string {
	b, err := v.reader.GetInternal([]byte(key))
	if err != nil {
		return ""
	}
	return string(b)
}

// postings calls f for every document that has the term in the field, with how
// often and how long the field is.
func (v *view) postings(ctx context.Context, term, field string, f func(number int, freq, length float64)) error {
	r, err := v.reader.TermFieldReader(ctx, []byte(term), field, true, true, false)
	if err != nil {
		return err
	}
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
		length := 1.0
		if d.Norm > 0 {
			length = 1 / (d.Norm * d.Norm) // scorch keeps the length as its inverse root
		}
		f(int(d.ID.Value()), float64(d.Freq), length)
	}
}

// acquire takes the current view for one search.
func (x *Index) acquire() *view {
	for {
		v := x.view.Load()
		if n := v.refs.Load(); n > 0 && v.refs.CompareAndSwap(n, n+1) {
			return v
		}
	}
}

// release gives a view back. The last one closes it.
func (v *view) release() {
	if v.refs.Add(-1) == 0 {
		v.reader.Close()
	}
}

// foldName gives the one form of all spellings of a name.
func foldName(name string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case '_', '-', '.', '/', ':', ' ':
			return -1
		}
		return r
	}, strings.ToLower(name))
}
