package index

import "slices"

// lexicon tells which words are known: by the tools, and by the model. A word
// that neither knows may be a slip of the keyboard, or of no language they speak.
type lexicon struct {
	view   *view
	model  knower    // nil if the model does not tell
	trusts *operator // nil if the tools of all servers count
}

// knower is a model that tells which lower-case words it knows.
type knower interface{ Knows(word string) bool }

// newLexicon makes that of a search. A server that nobody has reviewed adds no
// words to it: with the slips that people make in its own texts it would keep
// them from being taken for the words of others. Where there are no others, its
// words count.
func newLexicon(v *view, o *operator, model Embedder) *lexicon {
	known := &lexicon{view: v}
	known.model, _ = model.(knower)
	if len(o.priors) > 0 && o.reviewedAny(v) {
		known.trusts = o
	}
	return known
}

// byAny reports whether any of the tools that have a word counts.
func (k *lexicon) byAny(documents []uint32) bool {
	if k.trusts == nil {
		return len(documents) > 0
	}
	return slices.ContainsFunc(documents, func(d uint32) bool { return !k.trusts.unreviewed(k.view, int(d)) })
}

// byModel reports whether the model knows a word.
func (k *lexicon) byModel(word string) bool { return k.model != nil && k.model.Knows(word) }

// misspelt reports whether a word may have been meant for another. One that the
// model knows is spelled as it is meant: that no tool has wife is no reason to
// look for wipe.
func (k *lexicon) misspelt(c *clause) bool {
	return c.unknown && len(c.terms) == 1 && !k.byModel(c.text)
}

// foreign reports whether nobody knows any of a need's words, as far as the model
// tells.
func (k *lexicon) foreign(clauses []clause) bool {
	return k.model != nil && !slices.ContainsFunc(clauses, func(c clause) bool { return !c.unknown || len(c.terms) > 1 || k.byModel(c.text) })
}
