package index

import (
	"context"
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
	docs    []doc // by number; deleted ones have no id
	live    int   // documents that are not deleted
	vectors vectors
	names   names
	lists   lists
	scratch sync.Pool // *scratch
	refs    atomic.Int64
}

// doc is a document as far as it is kept in memory.
type doc struct {
	id    catalog.ID
	name  string  // the public name, by which equal scores are ordered
	damp  float64 // how much its length takes from a word: 1 for an average one
	words float64 // different words in its name
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
	v := &view{reader: reader, names: newNames(), lists: lists{byTerm: map[string]list{}}}
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
	public := catalog.PublicName(tool.Server, tool.Tool)
	v.docs[number] = doc{id: tool, name: public}
	v.names.add(number, 0, tool.Tool)
	v.names.add(number, 1, public)
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

// measure notes the tools' lengths. bleve's own average is of the different terms
// in the whole index, which is another thing.
func (v *view) measure() error {
	lengths := make([]float64, len(v.docs))
	total := 0.0
	list, err := v.open(context.Background(), everyTool, true)
	if err != nil {
		return err
	}
	err = each(list, func(d int, freq uint64, norm float64) {
		lengths[d] = 1 / (norm * norm) // scorch tells a length as its inverse root
		v.docs[d].words = float64(freq - 1)
		total += lengths[d]
	})
	if err != nil {
		return err
	}
	average := max(total/float64(max(v.live, 1)), 1)
	for d := range v.docs {
		v.docs[d].damp = 1 - bm25B + bm25B*lengths[d]/average
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

// acquire takes the current view for one search.
func (x *Index) acquire() (*view, error) {
	for {
		v := x.view.Load()
		switch n := v.refs.Load(); {
		case n > 0 && v.refs.CompareAndSwap(n, n+1):
			return v, nil
		case n <= 0 && x.view.Load() == v: // its owner has let go of it and published no other
			return nil, ErrClosed
		}
	}
}

// release gives a view back. The last one closes it.
func (v *view) release() {
	if v.refs.Add(-1) == 0 {
		v.reader.Close()
	}
}
