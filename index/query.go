package index

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	bleveindex "github.com/blevesearch/bleve_index_api"
)

// maxQueryTerms is how many words of one need count, the rarest. Flat from 16 to
// 32; each costs a list.
const maxQueryTerms = 24

// Weights of words that stand in for the one that was asked.
const (
	familyWeight = 0.5 // a relative, see families.go; flat from 0.4 to 0.6
	typoWeight   = 0.7 // the nearest known word, for one that no tool has; flat from 0.5 to 0.9
	joinedWeight = 0.8 // "file system" for "filesystem", and the other way; flat from 0.6 to 1
)

// clause is one thing a need asks for: a term, with others that mean much the
// same and count less. A tool gets the best of them, not the sum.
type clause struct {
	text    string    // the word as it was asked
	terms   []variant // the term itself first
	idf     float64   // of the term itself; 0 for a word that is only talk
	unknown bool      // no tool that counts has the term itself, see lexicon
}

type variant struct {
	term   string
	weight float64
}

// Limits on the needs of one request.
const (
	maxNeeds    = 8  // parts of a long request that are looked for on their own
	longRequest = 12 // words from which a request may hold several needs; flat from 9 to 16
	shortNeed   = 3  // words that a part must have to be a need
)

// quoted is text that a request hands on: what to write into a file is not what
// is asked for.
var quoted = regexp.MustCompile(`"[^"]{12,}"|“[^”]{12,}”|«[^»]{12,}»|` + "```[^`]*```" + `|(?:^|\s)'[^']{12,}'`)

// boundary is where one need may end and the next begin.
var boundary = regexp.MustCompile(`[.!?;\n]+(?:\s|$)|,? (?:and then|then|and also|after that|afterwards|finally|and next|as well as)\b|, (?:and|but) |\s(?:\d+[.)]|[-*•])\s`)

// split gives what a request asks for: all of it first, then its parts if it is
// long and has several. Beside a phrase that tells somebody to do something, the
// rest of its sentence is the story around it, and if there are more parts than
// are looked for, so are all sentences without one.
func split(text string) []string {
	if bare := quoted.ReplaceAllString(text, " "); len(words(bare)) >= shortNeed {
		text = bare
	}
	whole := []string{text}
	if len(strings.Fields(text)) < longRequest {
		return whole
	}
	var parts, asks []string
	for _, sentence := range sentences(text) {
		if strings.HasSuffix(strings.TrimSpace(sentence), ":") {
			continue // only says that a list follows
		}
		all, asking := phrases(sentence), false
		for _, p := range all {
			asking = asking || p.asks
		}
		for _, p := range all {
			if telling(p.text) < shortNeed {
				continue
			}
			if p.asks || !asking {
				parts = append(parts, p.text)
			}
			if p.asks {
				asks = append(asks, p.text)
			}
		}
	}
	if len(parts) > maxNeeds && len(asks) > 1 {
		parts = asks
	}
	if len(parts) < 2 {
		return whole
	}
	return append(whole, parts[:min(len(parts), maxNeeds)]...)
}

// sentences cuts a text at the ends of sentences and lines, but for lines that
// only go on with the one before.
func sentences(text string) (out []string) {
	line := ""
	for next := range strings.Lines(clip(text, maxTextBytes)) {
		next = strings.TrimSpace(next)
		if r, _ := utf8.DecodeRuneInString(next); line != "" && unicode.IsLower(r) {
			line += " " + next
			continue
		}
		out = append(out, boundary.Split(line, -1)...)
		line = next
	}
	return append(out, boundary.Split(line, -1)...)
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

// phrase is a piece of a sentence. One that asks begins with what is to be done.
type phrase struct {
	text string
	asks bool
}

// phrases cuts a sentence before each verb that stands like an order: at the
// beginning, after a comma or a word like and, after "I want to". An order ends as
// well where the sentence goes on with "and he", "because the".
func phrases(sentence string) (out []phrase) {
	fields := strings.Fields(sentence)
	plain := make([]string, len(fields))
	for i, f := range fields {
		plain[i] = strings.ToLower(strings.Trim(f, `,:;()"'’*_-–—`))
	}
	begin, asks := 0, false
	cut := func(end int) {
		if end > begin {
			out = append(out, phrase{strings.Join(fields[begin:end], " "), asks})
		}
	}
	for i, w := range plain {
		if asks && i > 0 && joiners[plain[i-1]] && tellers[w] {
			cut(i - 1)
			begin, asks = i-1, false
			continue
		}
		if !orders[w] || !opens(fields, plain, i) {
			continue
		}
		if asks && telling(strings.Join(fields[begin:i], " ")) < shortNeed {
			continue // find and replace the word
		}
		cut(i)
		begin, asks = i, true
	}
	cut(len(fields))
	return out
}

// opens reports whether the word at i begins an order.
func opens(fields, plain []string, i int) bool {
	for i > 0 && (plain[i-1] == "" || fillers[plain[i-1]]) && !strings.HasSuffix(fields[i-1], ",") {
		i--
	}
	if i == 0 {
		return true
	}
	if last, _ := utf8.DecodeLastRuneInString(fields[i-1]); strings.ContainsRune(",:;)–—", last) {
		return true
	}
	if plain[i-1] == "to" {
		return i > 1 && wishes[plain[i-2]]
	}
	return joiners[plain[i-1]]
}

// Words around an order: what joins it to the text before, what begins a story,
// what may stand before the verb, and what makes an order of "to do".
var (
	joiners = set(`and so then but or plus can could would will also because which while`)
	tellers = set(`i we he she it they there the this that my our nobody`)
	fillers = set(`please kindly just also then now first finally next you you're we i me at it`)
	wishes  = set(`want wants need needs like love have has you wish ask must supposed`)
)

// orders are verbs in the form in which one tells somebody to do something.
var orders = set(`
list show display enumerate browse view see get fetch retrieve read obtain load look lookup
search find query locate discover check verify validate test inspect tell give
create add make insert register open raise file start begin launch boot
update edit modify change alter set patch adjust rename
delete remove erase drop destroy trash purge discard clear empty wipe reset
send post publish deliver email mail message write compose draft reply respond answer forward
run execute invoke trigger perform stop kill terminate halt shutdown cancel abort revoke
restart reboot copy duplicate clone move relocate transfer migrate
download export save upload import attach schedule plan book reserve arrange
buy purchase order pay charge refund summarize summarise translate convert transform
calculate compute analyze analyse examine compare merge join combine split divide
enable activate disable deactivate assign allocate delegate comment note annotate
approve accept confirm reject decline deny install deploy scale resize
monitor watch track log login authenticate share invite grant generate produce
draw paint sketch count sort rank describe explain identify determine extract detect
turn switch put take bring use keep lock unlock play pause skip dim roll work close
remind notify warn call ring ask upgrade downgrade configure append record print scan
sync build parse format encode decode encrypt decrypt subscribe unsubscribe follow
estimate predict evaluate review recommend suggest provide help collect pull push commit
`)

// clauses reads one need. Of a long one the rarest terms are kept, for they say
// what is meant; a term that no tool has stays in a short one, so that not
// finding it counts.
func (v *view) clauses(ctx context.Context, a *analyzer, text string, known *lexicon) ([]clause, error) {
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
		c, err := v.clause(ctx, w, term, known)
		if err != nil {
			return nil, err
		}
		if known.misspelt(&c) && spelled < maxSpelled {
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
func (v *view) clause(ctx context.Context, word, term string, known *lexicon) (clause, error) {
	c := clause{text: word, terms: []variant{{term, 1}}}
	l, err := v.list(ctx, term)
	if err != nil {
		return c, err
	}
	c.idf, c.unknown = v.idf(len(l.docs)), !known.byAny(l.docs)
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
		if e.Term != term { // which those may have that do not count
			found = append(found, *e)
		}
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
