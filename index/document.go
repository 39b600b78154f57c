package index

import (
	"strings"

	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/document"
	bleveindex "github.com/blevesearch/bleve_index_api"

	"toolrouter/internal/catalog"
)

// A document has four fields of terms and, unindexed, its vector.
const (
	fieldName        = "n" // the tool's name and title
	fieldDescription = "d"
	fieldParams      = "p" // names, descriptions and values of the parameters
	fieldServer      = "s" // the server's name and title
	fieldVector      = "v"
)

// scored are the fields that words are looked for in, with their weights in
// BM25F and how much their length counts (b). They were fixed on the development
// halves of public sets, one setting for all.
var scored = []struct {
	name   string
	weight float64
	b      float64
}{
	{fieldName, 3, 0.5},
	{fieldDescription, 1, 0.7},
	{fieldParams, 0.4, 0.8},
	{fieldServer, 1, 0.3},
}

// Limits on what of a tool is indexed.
const (
	maxParamsIndexed = 64
	maxEnumIndexed   = 16
	maxParamText     = 256
)

// idOf is a tool's document id. A server's name holds no slash.
func idOf(id catalog.ID) string { return id.Server + "/" + id.Tool }

func parseID(id string) catalog.ID {
	server, tool, _ := strings.Cut(id, "/")
	return catalog.ID{Server: server, Tool: tool}
}

// texts are a tool's texts by field.
func texts(t *catalog.Tool, server catalog.ServerText) map[string]string {
	var params strings.Builder
	for i, p := range t.Params {
		if i == maxParamsIndexed || params.Len() > maxTextBytes {
			break
		}
		params.WriteString(p.Name + " " + clip(p.Description, maxParamText) + " ")
		for _, v := range p.Enum[:min(len(p.Enum), maxEnumIndexed)] {
			params.WriteString(clip(v, maxWordBytes) + " ")
		}
	}
	name := t.ID.Tool
	if t.Title != "" {
		name += " \n " + clip(t.Title, maxParamText)
	}
	return map[string]string{
		fieldName:        name,
		fieldDescription: t.Description,
		fieldParams:      params.String(),
		fieldServer:      t.ID.Server + " " + clip(server.Title, maxParamText),
	}
}

// newDocument makes a tool's document. A title that only spells the name again
// does not count twice.
func newDocument(a *analyzer, t *catalog.Tool, server catalog.ServerText, vector []byte) *document.Document {
	doc := document.NewDocument(idOf(t.ID))
	for field, text := range texts(t, server) {
		terms := a.terms(text)
		if field == fieldName || field == fieldServer {
			terms = distinct(terms)
		}
		if len(terms) == 0 {
			continue
		}
		doc.AddField(document.NewTextFieldCustom(field, nil, []byte(strings.Join(terms, " ")), bleveindex.IndexField, spaced))
	}
	if len(vector) > 0 {
		doc.AddField(document.NewTextFieldCustom(fieldVector, nil, vector, bleveindex.StoreField, nil))
	}
	return doc
}

func distinct(terms []string) []string {
	seen := make(map[string]bool, len(terms))
	out := terms[:0]
	for _, t := range terms {
		if !seen[t] {
			seen[t] = true
			out = append(out, t)
		}
	}
	return out
}

// spaced takes text that has been made into terms already.
var spaced = &analysis.DefaultAnalyzer{Tokenizer: bySpace{}}

type bySpace struct{}

// Tokenize splits at single spaces.
func (bySpace) Tokenize(text []byte) analysis.TokenStream {
	var out analysis.TokenStream
	start := 0
	for i := 0; i <= len(text); i++ {
		if i < len(text) && text[i] != ' ' {
			continue
		}
		if i > start {
			out = append(out, &analysis.Token{Term: text[start:i], Start: start, End: i, Position: len(out) + 1, Type: analysis.AlphaNumeric})
		}
		start = i + 1
	}
	return out
}
