// Package baseline is plain keyword search, to compare with: bleve's own BM25
// over one field. It is what one gets by following bleve's documentation with
// care, and no part of the product.
//
// The field holds a tool's name as it is and split into words, its description,
// and the names of its parameters, split too: createIssue and create_issue
// become "create issue", because bleve would keep them whole and lose by it. The
// descriptions of parameters were tried and lost more than they won. The rest is
// left to bleve's analyzer for English, which stems and drops stop words. A query
// is a match query: any of its words.
package baseline

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/analysis/lang/en"
	"github.com/blevesearch/bleve/v2/index/scorch"
	"github.com/blevesearch/bleve/v2/mapping"
	"github.com/blevesearch/bleve/v2/search"
	bleveindex "github.com/blevesearch/bleve_index_api"

	"toolrouter/internal/catalog"
)

const (
	field     = "text"
	batchSize = 500
)

// Index is a catalogue that is searched by words alone. Search may be called
// from any number of goroutines.
type Index struct {
	ix  bleve.Index
	ids map[string]catalog.ID // by the document's id
}

// Open indexes tools in memory.
func Open(ctx context.Context, tools []*catalog.Tool) (*Index, error) {
	ix, err := bleve.NewUsing("", newMapping(), scorch.Name, scorch.Name, nil)
	if err != nil {
		return nil, fmt.Errorf("baseline index: %w", err)
	}
	x := &Index{ix: ix, ids: make(map[string]catalog.ID, len(tools))}
	if err := x.fill(ctx, tools); err != nil {
		return nil, fmt.Errorf("baseline index: %w", errors.Join(err, ix.Close()))
	}
	return x, nil
}

func newMapping() mapping.IndexMapping {
	text := bleve.NewTextFieldMapping()
	text.Analyzer, text.Store, text.IncludeTermVectors, text.DocValues = en.AnalyzerName, false, false, false
	m := bleve.NewIndexMapping()
	m.ScoringModel = bleveindex.BM25Scoring
	m.DefaultMapping = bleve.NewDocumentStaticMapping()
	m.DefaultMapping.AddFieldMappingsAt(field, text)
	return m
}

func (x *Index) fill(ctx context.Context, tools []*catalog.Tool) error {
	for len(tools) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		batch := x.ix.NewBatch()
		n := min(batchSize, len(tools))
		for _, t := range tools[:n] {
			id := t.ID.String()
			x.ids[id] = t.ID
			if err := batch.Index(id, map[string]any{field: text(t)}); err != nil {
				return err
			}
		}
		if err := x.ix.Batch(batch); err != nil {
			return err
		}
		tools = tools[n:]
	}
	return nil
}

// text is everything of a tool that is searched.
func text(t *catalog.Tool) string {
	var b strings.Builder
	b.WriteString(t.ID.Tool + " " + split(t.ID.Tool) + "\n" + t.Description)
	for _, p := range t.Params {
		b.WriteString("\n" + split(p.Name))
	}
	return b.String()
}

// Search gives the best hits, those of equal score by name. Everything that has
// one of the words is a match, however weak; Explain is not heeded.
func (x *Index) Search(ctx context.Context, q catalog.Query) (catalog.Found, error) {
	m := bleve.NewMatchQuery(split(q.Text))
	m.SetField(field)
	size := q.Offset + q.Limit
	if q.Keep != nil {
		size = len(x.ids) // what is left out is known only afterwards
	}
	req := bleve.NewSearchRequestOptions(m, size, 0, false)
	req.SortByCustom(search.SortOrder{&search.SortScore{Desc: true}, &search.SortDocID{}})
	res, err := x.ix.SearchInContext(ctx, req)
	if err != nil {
		return catalog.Found{}, fmt.Errorf("baseline search: %w", err)
	}
	found := catalog.Found{Total: int(res.Total)}
	for _, h := range res.Hits {
		id := x.ids[h.ID]
		if q.Keep != nil && !q.Keep(id) {
			found.Total--
			continue
		}
		found.Hits = append(found.Hits, catalog.Hit{ID: id, Score: h.Score})
	}
	found.Hits = found.Hits[min(q.Offset, len(found.Hits)):min(size, len(found.Hits))]
	if q.Keep != nil {
		found.Hits = found.Hits[:min(q.Limit, len(found.Hits))]
	}
	return found, nil
}

// Close ends the index.
func (x *Index) Close() error { return x.ix.Close() }

// split parts the words of identifiers and leaves other text alone.
func split(s string) string {
	var b strings.Builder
	var before rune
	for _, r := range s {
		switch {
		case r == '_' || r == '-' || r == '.' || r == '/':
			r = ' '
		case unicode.IsUpper(r) && unicode.IsLower(before):
			b.WriteByte(' ')
		}
		b.WriteRune(r)
		before = r
	}
	return b.String()
}
