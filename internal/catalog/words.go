package catalog

import (
	"slices"
	"strings"
)

// Words are what the operator says of a tool beside what its author did. They
// are searched, and never shown as if they were the author's.
type Words struct {
	Text    string   // "" if nothing is said
	Aliases []string // other names that people have for it
}

// String is all of it as one text.
func (w Words) String() string {
	parts := w.Aliases
	if w.Text != "" {
		parts = append(slices.Clip(parts), w.Text)
	}
	return strings.Join(parts, ", ")
}
