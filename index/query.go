package index

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"strings"

	bleveindex "github.com/blevesearch/bleve_index_api"
)

const (
	maxQueryTerms = 24 // of one need, the rarest
	maxNeeds      = 6  // parts of a long request that are looked for on their own
	longRequest   = 12 // words from which a request may hold several needs
	shortNeed     = 3  // words that a part must have to be a need
)

// Weights of words that stand in for the one that was asked.
const (
	familyWeight = 0.5 // a relative, see families.go
	typoWeight   = 0.7 // the nearest known word, for one that no tool has
	joinedWeight = 0.8 // "file system" for "filesystem", and the other way
)

// clause is one thing a need asks for: a term, with others that mean much the
// same and count less. A tool gets the best of them, not the sum.
type clause struct {
	text    string    // the word as it was asked
	terms   []variant // the term itself first
	idf     float64   // of the term itself
	unknown bool      // no tool has the term itself
}

type variant struct {
	term   string
	weight float64
}

// quoted is text that a request hands on: what to write into a file is not what
// is asked for.
var quoted = regexp.MustCompile(`"[^"]{12,}"|“[^”]{12,}”|«[^»]{12,}»|` + "```[^`]*```" + `|(?:^|\s)'[^']{12,}'`)

// boundary is where one need may end and the next begin.
var boundary = regexp.MustCompile(`[.!?;\n]+(?:\s|$)|,? (?:and then|then|and also|after that|afterwards|finally|next|as well as)\b|, (?:and|but) |\s(?:\d+[.)]|[-*•])\s`)

// split gives what a request asks for: all of it first, then its parts if it is
// long and has several.
func split(text string) []string {
	if bare := quoted.ReplaceAllString(text, " "); len(words(bare)) >= shortNeed {
		text = bare
	}
	whole := []string{text}
	if len(strings.Fields(text)) < longRequest {
		return whole
	}
	var parts []string
	for _, part := range boundary.Split(text, -1) {
		if telling(part) >= shortNeed {
			parts = append(parts, part)
		}
	}
	if len(parts) < 2 {
		return whole
	}
	return append(whole, parts[:min(len(parts), maxNeeds)]...)
}

// telling counts the words of a text that are no stop words.
func telling(text string) (n int) {
	for _, w := range words(text) {
		if !stopWords[w] {
			n++
		}
	}
	return n
}

// clauses reads one need. Of a long one the rarest terms are kept, for they say
// what is meant; a term that no tool has stays in a short one, so that not
// finding it counts.
func (v *view) clauses(ctx context.Context, a *analyzer, text string) ([]clause, error) {
	spelled := 0
	var out []clause
	seen := map[string]bool{}
	before := ""
	for _, w := range words(text) {
		if stopWords[w] {
			before = ""
			continue
		}
		term := a.stem(w)
		if seen[term] {
			continue
		}
		seen[term] = true
		c, err := v.clause(ctx, w, term)
		if err != nil {
			return nil, err
		}
		if c.unknown && len(c.terms) == 1 && spelled < maxSpelled {
			spelled++
			if err := v.spell(&c); err != nil {
				return nil, err
			}
		}
		if before != "" {
			if err := v.join(ctx, &out[len(out)-1], &c, a.stem(before+w)); err != nil {
				return nil, err
			}
		}
		out = append(out, c)
		before = w
	}
	if len(out) > maxQueryTerms {
		for i := range out {
			if out[i].unknown {
				out[i].idf = 0 // in a long text, a word of no tool is talk
			}
		}
		slices.SortStableFunc(out, func(a, b clause) int { return cmp.Compare(b.idf, a.idf) })
		out = out[:maxQueryTerms]
	}
	return out, nil
}

// clause makes the clause of one word.
func (v *view) clause(ctx context.Context, word, term string) (clause, error) {
	c := clause{text: word, terms: []variant{{term, 1}}}
	l, err := v.list(ctx, term)
	if err != nil {
		return c, err
	}
	c.idf, c.unknown = v.idf(len(l.docs)), len(l.docs) == 0
	for _, relative := range families[term] {
		c.terms = append(c.terms, variant{relative, familyWeight})
	}
	return c, nil
}

// spell adds what a word that no tool has may have been meant for.
func (v *view) spell(c *clause) error {
	near, err := v.similar(c.terms[0].term)
	for _, t := range near {
		c.terms = append(c.terms, variant{t, typoWeight})
	}
	return err
}

// join lets two words that stand together be found where they are written as
// one.
func (v *view) join(ctx context.Context, first, second *clause, term string) error {
	l, err := v.list(ctx, term)
	if err != nil || len(l.docs) == 0 {
		return err
	}
	first.terms = append(first.terms, variant{term, joinedWeight})
	second.terms = append(second.terms, variant{term, joinedWeight})
	return nil
}

// Typing errors that are looked for: one in a word of at least shortTypo letters,
// two from longTypo on, never in the first letter.
const (
	shortTypo  = 4
	longTypo   = 8
	maxSimilar = 3
	maxSpelled = 3 // words of one need: each costs as much as the rest of a search
)

// similar finds known terms that differ from an unknown one by a typing error.
func (v *view) similar(term string) ([]string, error) {
	fuzzy, ok := v.reader.(bleveindex.IndexReaderFuzzy)
	if !ok || len(term) < shortTypo || !isASCII(term) || strings.ContainsAny(term, "0123456789") {
		return nil, nil
	}
	distance := 1
	if len(term) >= longTypo {
		distance = 2
	}
	dict, err := fuzzy.FieldDictFuzzy(fieldTerms, term, distance, term[:1])
	if err != nil {
		return nil, err
	}
	defer dict.Close()
	var found []bleveindex.DictEntry
	for {
		e, err := dict.Next()
		if err != nil {
			return nil, err
		}
		if e == nil {
			break
		}
		found = append(found, *e)
	}
	// What many tools say is more likely meant than what one does.
	slices.SortFunc(found, func(a, b bleveindex.DictEntry) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Term, b.Term))
	})
	var terms []string
	for _, e := range found[:min(len(found), maxSimilar)] {
		terms = append(terms, e.Term)
	}
	return terms, nil
}
