package index

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	bleveindex "github.com/blevesearch/bleve_index_api"

	"toolrouter/internal/catalog"
)

// readNeed makes the clauses of a text.
func readNeed(t *testing.T, x *Index, v *view, text string) []clause {
	t.Helper()
	clauses, err := v.clauses(t.Context(), newAnalyzer(), text, newLexicon(v, x.operator.load(), x.opts.Embedder))
	if err != nil {
		t.Fatal(err)
	}
	return clauses
}

// TestTalkCountsNothing: words of no tool take nothing off the scores of a long
// need, and find nothing by being written as one.
func TestTalkCountsNothing(t *testing.T) {
	x := built(t, append(household(t).Tools, makeTool(t, "chest", "zorkmid", "Coins.")))
	v, err := x.acquire()
	if err != nil {
		t.Fatal(err)
	}
	defer v.release()
	known := "issue repository request file folder directory mail page weather ticket calendar deployment table customer invoice"
	text := known + " zork mid"
	for r := range strings.SplitSeq("abcdefghijkl", "") {
		text += " qqqqq" + strings.Repeat(r, 5)
	}
	var scores [2][]float64 // rounded: the sums are not made in the same order
	for i, text := range []string{known, text} {
		s := v.borrow()
		if err := v.words(t.Context(), s, readNeed(t, x, v, text)); err != nil {
			t.Fatal(err)
		}
		scores[i] = []float64{float64(len(s.found))}
		for _, total := range s.total {
			scores[i] = append(scores[i], math.Round(total*1e9))
		}
		v.giveBack(s)
	}
	if !slices.Equal(scores[0], scores[1]) {
		t.Errorf("scores are %v, and %v with talk", scores[0], scores[1])
	}
}

// TestKnownWordsAreSpelledAsMeant: a word of the language is not taken for a slip
// that was meant for another.
func TestKnownWordsAreSpelledAsMeant(t *testing.T) {
	tools := []*catalog.Tool{
		makeTool(t, "box", "wipe_logs", "Wipe all logs."),
		makeTool(t, "box", "keep_note", "Remember a fact for later."),
		makeTool(t, "post", "translate", "Translate a text."),
	}
	x := wholeIndex(t, tools)
	if got := hits(search(t, x, catalog.Query{Text: "remember that my wife likes tulips", Limit: 3})); len(got) != 1 || got[0] != "box/keep_note" {
		t.Errorf("hits %v, want the note alone", got)
	}
	if got := hits(search(t, x, catalog.Query{Text: "tranzlate", Limit: 3})); len(got) != 1 || got[0] != "post/translate" {
		t.Errorf("hits %v, want the slip to find translate", got)
	}
}

// broken is a reader that fails at one term.
type broken struct {
	bleveindex.IndexReader
	at string
}

var errBroken = errors.New("broken")

func (b broken) TermFieldReader(ctx context.Context, term []byte, field string, freq, norm, vectors bool) (bleveindex.TermFieldReader, error) {
	if string(term) == b.at {
		return nil, errBroken
	}
	return b.IndexReader.TermFieldReader(ctx, term, field, freq, norm, vectors)
}

// TestScratchIsCleanAfterAnError: what a search that failed midway has noted does
// not show in the next.
func TestScratchIsCleanAfterAnError(t *testing.T) {
	x := built(t, household(t).Tools)
	v, err := x.acquire()
	if err != nil {
		t.Fatal(err)
	}
	defer v.release()
	clauses := readNeed(t, x, v, "ticket folder")
	whole := v.reader
	defer func() { v.reader = whole }()
	v.reader, v.lists.byTerm = broken{whole, clauses[1].terms[1].term}, map[string]list{}
	s := v.borrow()
	if err := v.words(t.Context(), s, clauses); !errors.Is(err, errBroken) {
		t.Fatalf("words: %v, want the reader's error", err)
	}
	if len(s.found) == 0 || len(s.clause) == 0 {
		t.Fatalf("%d documents were found and %d are of the clause at hand, want some of both", len(s.found), len(s.clause))
	}
	s.reset()
	for d := range v.docs {
		if s.best[d] != 0 || s.total[d] != 0 || s.named[d] != 0 || s.asked[d] != 0 || s.marks[d] {
			t.Errorf("%s still has scores", v.docs[d].id)
		}
	}
}
