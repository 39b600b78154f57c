package router

import (
	"strings"

	"toolrouter/internal/catalog"
)

const (
	maxType        = 400 // bytes of one parameter's type in a signature; the longest of 4,633 real tools have 348
	maxShortType   = 40  // and where room is scarce
	maxOptional    = 480 // bytes of optional parameters: the rest is for who loads the schema
	maxDescription = 280 // bytes of a description's first sentence
)

// entry is one hit with the parts that its two lines are made of.
type entry struct {
	hit      Hit
	required []string // parameters, as they stand in a signature
	short    []string // the same with types cut short
	names    []string // and with no types
	optional []string
	ready    int // optional parameters that are shown where there is room
}

// entry prepares a tool for being shown as a hit.
func (l *look) entry(t *catalog.Tool, h catalog.Hit) entry {
	e := newEntry(t)
	e.hit.Score, e.hit.Why, e.hit.Marks = h.Score, h.Why, l.marks(t)
	return e
}

func newEntry(t *catalog.Tool) entry {
	e := entry{}
	size := 0
	for _, p := range t.Params {
		text := catalog.Printable(signature(p, maxType))
		if !p.Required {
			e.optional = append(e.optional, text)
			if size += len(text) + len(", "); size <= maxOptional && e.ready == len(e.optional)-1 {
				e.ready++
			}
			continue
		}
		e.required = append(e.required, text)
		e.short = append(e.short, catalog.Printable(signature(p, maxShortType)))
		bare := p
		bare.Type = ""
		e.names = append(e.names, strings.TrimSuffix(catalog.Printable(bare.Signature()), ":"))
	}
	e.hit = Hit{
		Name: t.Name, Server: t.ID.Server, Tool: catalog.Printable(t.ID.Tool),
		Description: catalog.FirstSentence(catalog.Clip(t.Description, 8*maxDescription), maxDescription),
	}
	e.hit.Signature = e.line(form{optional: len(e.optional)})
	return e
}

// marks are what a reader should know before calling.
func (l *look) marks(t *catalog.Tool) []string {
	marks := []string{t.Hints.Mark()}
	switch l.servers[t.ID.Server].State {
	case catalog.NeedsSignIn:
		marks = append(marks, "needs sign-in")
	case catalog.Down:
		marks = append(marks, "down")
	}
	return marks
}

// signature writes a parameter with a type of at most max bytes.
func signature(p catalog.Param, max int) string {
	p.Type = shortType(p.Type, max)
	return p.Signature()
}

// shortType is a type, or what kind of type it is if that is long.
func shortType(t string, max int) string {
	if len(t) <= max {
		return t
	}
	list := ""
	if strings.HasSuffix(t, "[]") {
		list = "[]"
	}
	switch t[0] {
	case '{':
		return "{…}" + list
	case '"':
		return "string" + list
	}
	return "any" + list
}

// form is how much of an entry is shown.
type form struct {
	width       int // of required parameters: 0 with their types, 1 with short ones, 2 names alone, 3 only how many
	optional    int // how many of the optional parameters
	description bool
}

// line is the signature in a form: name(parameters), without marks.
func (e *entry) line(f form) string {
	var b strings.Builder
	b.WriteString(e.hit.Name)
	b.WriteByte('(')
	params := [][]string{e.required, e.short, e.names, nil}[f.width]
	for i, p := range params {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(p)
	}
	for i, p := range e.optional[:f.optional] {
		if i > 0 || len(params) > 0 {
			b.WriteString(", ")
		}
		b.WriteString(p)
	}
	if f.optional < len(e.optional) || f.width == 3 {
		if f.optional > 0 || len(params) > 0 {
			b.WriteString(", ")
		}
		b.WriteString("…")
	}
	b.WriteByte(')')
	return b.String()
}

// text is the entry in a form, each of its lines ended.
func (e *entry) text(f form) string {
	var b strings.Builder
	b.WriteString(e.line(f))
	for _, m := range e.hit.Marks {
		b.WriteString(" [" + m + "]")
	}
	b.WriteByte('\n')
	switch {
	case f.width == 2:
		b.WriteString("  (no room for the types: load the schema)\n")
	case f.width == 3:
		b.WriteString("  (no room for its " + counted(len(e.required), "required parameter") + ": load the schema)\n")
	case f.description && e.hit.Description != "":
		b.WriteString("  " + e.hit.Description + "\n")
	}
	return b.String()
}
