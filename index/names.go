package index

import (
	"cmp"
	"context"
	"slices"
	"strings"
)

// maxNameWords is the most words of a request that may be a name without being
// written as one.
const maxNameWords = 8

// called gives the documents that a request calls by name, in no order: in any
// spelling of it, or else by the words that it is made of, in any order. "create
// a droplet" calls droplet-create.
func (v *view) called(ctx context.Context, text string) ([]int, error) {
	if documents := v.names.find(text); len(documents) > 0 {
		return documents, nil
	}
	a := analyzers.Get().(*analyzer)
	defer analyzers.Put(a)
	// In a request a capital letter begins no word: the sql of MySQL is no SQL.
	return v.madeOf(ctx, distinct(a.terms(strings.ToLower(text))))
}

// madeOf gives the documents whose own names have these terms and no others.
func (v *view) madeOf(ctx context.Context, terms []string) (documents []int, err error) {
	if len(terms) == 0 || len(terms) > maxNameWords {
		return nil, nil
	}
	lists := make([]list, len(terms))
	for i, term := range terms {
		if lists[i], err = v.list(ctx, term); err != nil {
			return nil, err
		}
	}
	shortest := slices.MinFunc(lists, func(a, b list) int { return cmp.Compare(len(a.docs), len(b.docs)) })
	for _, d := range shortest.docs {
		other := func(l list) bool { return !l.inName(d) }
		if v.docs[d].words == float64(len(terms)) && !slices.ContainsFunc(lists, other) {
			documents = append(documents, int(d))
		}
	}
	return documents, nil
}

// names finds tools by their names in any spelling: the own name, and the public
// one with the server's before it.
type names struct {
	first map[string]int32 // a folded name → an entry
	next  []int32          // entry → another of the same name, or -1
}

// An entry stands for one of a document's two names.
const namesPerTool = 2

func newNames() names { return names{first: map[string]int32{}} }

// add gives a document a name; which is 0 or 1.
func (n *names) add(document, which int, name string) {
	entry := document*namesPerTool + which
	for len(n.next) <= entry {
		n.next = append(n.next, -1)
	}
	name = foldName(name)
	if other, ok := n.first[name]; ok {
		n.next[entry] = other
	}
	n.first[name] = int32(entry)
}

// find gives the documents that have a name, in no order.
func (n *names) find(text string) (documents []int) {
	entry, ok := n.first[foldName(text)]
	for ok && entry >= 0 {
		documents = append(documents, int(entry)/namesPerTool)
		entry = n.next[entry]
	}
	return documents
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
