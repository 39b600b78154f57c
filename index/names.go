package index

import "strings"

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
