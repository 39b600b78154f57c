package index

import (
	"math"
	"strings"

	"github.com/blevesearch/bleve/v2/document"
	bleveindex "github.com/blevesearch/bleve_index_api"

	"toolrouter/internal/catalog"
)

// A document has one field of terms and, not indexed, its vector. Each term of a
// tool stands there once, with a count in which a word of the name weighs more
// than one of a parameter: BM25F's weighted count, taken when the tool is
// indexed, so that a search reads one list a term. The tool's length is weighted
// alike.
const (
	fieldTerms  = "t"
	fieldVector = "v"
)

// everyTool is a term that each document has, and that no text gives. Its list
// tells every tool's length, and in place of a count the words in its name.
const everyTool = "\x01"

// part is a tool's text of one kind, and what a word of it counts. The weights
// were fixed on the development halves of public sets, one setting for all.
type part struct {
	text   string
	weight float64
	once   bool // a word that is repeated counts once
	name   bool
}

// A count is kept as an integer: in twentieths, and below them one bit that says
// whether the term is in the tool's name.
const countUnit = 20

func packCount(count float64, inName bool) int {
	n := max(int(math.Round(count*countUnit)), 1) << 1
	if inName {
		n |= 1
	}
	return n
}

func unpackCount(n uint64) (count float64, inName bool) {
	return float64(n>>1) / countUnit, n&1 == 1
}

// Limits on what of a tool is indexed.
const (
	maxParamsIndexed = 64
	maxEnumIndexed   = 16
	maxParamText     = 256
	maxLead          = 400 // of a description's first sentence
	maxInstructions  = 600 // of what a server says of itself
)

// idOf is a tool's document id. A server's name holds no slash.
func idOf(id catalog.ID) string { return id.Server + "/" + id.Tool }

func parseID(id string) catalog.ID {
	server, tool, _ := strings.Cut(id, "/")
	return catalog.ID{Server: server, Tool: tool}
}

// surroundings are what is said of a tool beside its definition.
type surroundings struct {
	about  catalog.ServerText // by its server
	said   string             // by the operator
	common map[string]bool    // parameters that tell nothing about it
}

// parts are a tool's texts. What a description says first says what the tool
// does; later come notes.
func parts(t *catalog.Tool, around surroundings) []part {
	description := clip(t.Description, maxTextBytes)
	first := strings.TrimSuffix(catalog.FirstSentence(description, maxLead), "…")
	rest, ok := strings.CutPrefix(description, first)
	if !ok { // control characters were taken out of the sentence
		rest = description[min(len(first), len(description)):]
	}
	names, values := paramTexts(t, around.common)
	return []part{
		{text: t.ID.Tool, weight: 2, once: true, name: true},
		{text: clip(t.Title, maxParamText), weight: 1.5, once: true},
		{text: first, weight: 1.3},
		{text: rest, weight: 0.7},
		{text: names, weight: 0.5},
		{text: values, weight: 0.3},
		{text: t.ID.Server + " " + clip(around.about.Title, maxParamText), weight: 1.5, once: true},
		{text: clip(around.about.Instructions, maxInstructions), weight: 0.2, once: true},
		{text: clip(around.said, maxTextBytes), weight: 1.3},
	}
}

// paramTexts are the parameters' names, and what is said of them. Common ones are
// left out.
func paramTexts(t *catalog.Tool, common map[string]bool) (names, values string) {
	var n, v strings.Builder
	for _, p := range t.Params[:min(len(t.Params), maxParamsIndexed)] {
		if v.Len() > maxTextBytes {
			break
		}
		if common[p.Name] {
			continue
		}
		n.WriteString(p.Name + " \n ")
		v.WriteString(clip(p.Description, maxParamText) + " \n ")
		for _, value := range p.Enum[:min(len(p.Enum), maxEnumIndexed)] {
			v.WriteString(clip(value, maxWordBytes) + " ")
		}
	}
	return n.String(), v.String()
}

// newDocument makes a tool's document.
func newDocument(a *analyzer, t *catalog.Tool, around surroundings, vector []byte) *document.Document {
	doc := document.NewDocument(idOf(t.ID))
	doc.AddField(newTermsField(a, parts(t, around)))
	if len(vector) > 0 {
		doc.AddField(document.NewTextFieldCustom(fieldVector, nil, vector, bleveindex.StoreField, nil))
	}
	return doc
}

// termsField is a field whose counts were made here: bleve would count every
// word as one.
type termsField struct {
	*document.TextField
	counts bleveindex.TokenFrequencies
	length int
}

func newTermsField(a *analyzer, parts []part) *termsField {
	counts, named := map[string]float64{}, map[string]bool{}
	length := 0.0
	for _, p := range parts {
		terms := a.terms(p.text)
		if p.once {
			terms = distinct(terms)
		}
		for _, term := range terms {
			counts[term] += p.weight
			if p.name {
				named[term] = true
			}
		}
		length += p.weight * float64(len(terms))
	}
	f := &termsField{
		TextField: document.NewTextFieldCustom(fieldTerms, nil, nil, bleveindex.IndexField, nil),
		counts:    make(bleveindex.TokenFrequencies, len(counts)+1),
		length:    max(int(length*countUnit), 1),
	}
	for term, count := range counts {
		f.set(term, packCount(count, named[term]))
	}
	f.set(everyTool, len(named)+1)
	return f
}

func (f *termsField) set(term string, count int) {
	freq := &bleveindex.TokenFreq{Term: []byte(term)}
	freq.SetFrequency(count)
	f.counts[term] = freq
}

// Analyze does nothing: the terms are there already.
func (f *termsField) Analyze() {}

// AnalyzedLength is the tool's length, in the unit of counts.
func (f *termsField) AnalyzedLength() int { return f.length }

// AnalyzedTokenFrequencies are the terms with their counts.
func (f *termsField) AnalyzedTokenFrequencies() bleveindex.TokenFrequencies { return f.counts }

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

// fewTools is how many tools a server has at most for none of its parameters to
// count as common.
const fewTools = 3

// commonParams names the parameters that more than half of a server's tools
// have, by server: a tenant, a page size, a verbose flag. They tell nothing about
// one tool.
func commonParams(tools []*catalog.Tool) map[string]map[string]bool {
	sizes := map[string]int{}
	counts := map[string]map[string]int{}
	for _, t := range tools {
		server := t.ID.Server
		sizes[server]++
		if counts[server] == nil {
			counts[server] = map[string]int{}
		}
		for _, p := range t.Params {
			counts[server][p.Name]++
		}
	}
	common := map[string]map[string]bool{}
	for server, names := range counts {
		common[server] = map[string]bool{}
		for name, n := range names {
			if sizes[server] > fewTools && n > max(sizes[server]/2, 2) {
				common[server][name] = true
			}
		}
	}
	return common
}
