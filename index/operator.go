package index

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"

	"toolrouter/internal/catalog"
)

// keyWords is where a generation notes which of the operator's words its
// documents were made with.
const keyWords = "words"

// operator is what the operator says of tools and servers. It never changes: a
// reload makes another.
type operator struct {
	words  map[catalog.ID]catalog.Words
	priors map[string]float64
	digest string // of words, "" if there are none
}

// operatorArm holds the one in force; the zero value says nothing.
type operatorArm struct{ now atomic.Pointer[operator] }

func (a *operatorArm) load() *operator {
	if o := a.now.Load(); o != nil {
		return o
	}
	return &operator{}
}

// SetWords takes over what the operator says: words for tools, and for servers
// that are not to be trusted like the others a factor below 1 on every score.
// The maps must not be changed afterwards. Factors count from the next search
// on. Words are part of the documents: if the index was made with others, its
// sequence number becomes 0, and the owner rebuilds it as always when that
// differs from the store's. It waits for an Update or Rebuild that runs.
func (x *Index) SetWords(words map[catalog.ID]catalog.Words, priors map[string]float64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.operator.now.Store(&operator{words: words, priors: priors, digest: wordsDigest(words)})
	x.seq.Store(x.reflects(x.view.Load()))
}

// reflects is the sequence number that a view stands at: 0 if its documents were
// made with another model or other words of the operator, so that the owner
// rebuilds.
func (x *Index) reflects(v *view) uint64 {
	seq := v.internal(keySeq)
	if len(seq) != 8 || v.internal(keyModel) != x.Embedder() || v.internal(keyWords) != x.wordsDigest() {
		return 0
	}
	return binary.BigEndian.Uint64([]byte(seq))
}

// wordsDigest is what stamp commits under keyWords.
func (x *Index) wordsDigest() string { return x.operator.load().digest }

// wordsDigest is the same for two sets of words exactly if they are the same.
func wordsDigest(all map[catalog.ID]catalog.Words) string {
	if len(all) == 0 {
		return ""
	}
	h := sha256.New()
	ids := slices.SortedFunc(maps.Keys(all), func(a, b catalog.ID) int {
		return cmp.Or(cmp.Compare(a.Server, b.Server), cmp.Compare(a.Tool, b.Tool))
	})
	for _, id := range ids {
		w := all[id]
		fmt.Fprintf(h, "%q %q %q %q\n", id.Server, id.Tool, w.Text, w.Aliases)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// said gives the operator's words for a tool.
func (x *Index) said(id catalog.ID) catalog.Words { return x.operator.load().words[id] }

// prior is the factor on the scores of a server's tools, 1 for most.
func (o *operator) prior(server string) float64 {
	if p, ok := o.priors[server]; ok {
		return p
	}
	return 1
}

// reasons tells what the operator has to do with a hit: the words that were
// searched beside the tool's own, and what a prior took off its score.
func (o *operator) reasons(id catalog.ID, score float64) (why []catalog.Reason) {
	if w := o.words[id].String(); w != "" {
		why = append(why, catalog.Reason{Part: "operator's words", Note: catalog.FirstSentence(w, maxSaid)})
	}
	if p := o.prior(id.Server); p != 1 && p > 0 {
		why = append(why, catalog.Reason{Part: "unreviewed", Score: score - score/p, Note: fmt.Sprintf("server %s counts × %.2g", id.Server, p)})
	}
	return why
}

// maxSaid bounds the operator's words in an explanation.
const maxSaid = 160
