package router

import (
	"fmt"
	"strings"
)

// page is what one answer has to show before it is known how much of it fits.
type page struct {
	request      SearchRequest
	entries      []entry // best first, at least one
	first        int     // how many hits the pages before had
	total        int
	noun, plural string
	catalog      string                           // "4,633 tools on 176 servers"
	note         string                           // a line under the header, "" for none
	caveat       string                           // why the answer may be worse than it could be, "" if it is not
	next         func(shown int) (position, bool) // where the page after so many entries begins, if there is one

	echo int // bytes of the request that may be repeated in the line that leads on
}

// pack makes the answer, at most budget bytes long. As many hits as possible get
// a line with their required parameters; what room is left goes to descriptions,
// then to full types, then to optional parameters, each time the best hit first.
func (p *page) pack(budget int) SearchResult {
	caveat := p.caveat // told to programs in any case
	forms := p.forms(p.room(budget))
	var b strings.Builder
	b.WriteString(p.header(len(forms)) + "\n")
	if p.note != "" {
		b.WriteString(p.note + "\n")
	}
	b.WriteByte('\n')
	for i, f := range forms {
		b.WriteString(p.entries[i].text(f))
	}
	b.WriteByte('\n')
	if more := p.more(len(forms)); more != "" {
		b.WriteString(more + "\n")
	}
	b.WriteString(p.schemaLine() + caveatLine(p.caveat))
	return SearchResult{Text: b.String(), Hits: hitsOf(p.entries), Shown: len(forms), Total: p.total, Note: caveat}
}

// room is what a budget leaves for hits. Where it does not hold even the best one,
// what stands around the hits is given up, the least useful first.
func (p *page) room(budget int) int {
	p.echo = maxMoreEcho
	need := len(p.entries[0].text(form{width: 1}))
	for _, giveUp := range []func(){
		func() { p.caveat = "" },
		func() { p.echo = minMoreEcho },
		func() { p.note = "" },
	} {
		if budget-p.frame() >= need {
			break
		}
		giveUp()
	}
	return budget - p.frame()
}

// frame is the most that everything but the hits can take.
func (p *page) frame() int {
	size := len(p.header(len(p.entries))) + len("00") + len("\n\n\n") + len(p.schemaLine()) + len(caveatLine(p.caveat))
	tail := len(p.more(len(p.entries))) // the line grows with the position it leads to, or is not needed
	if n := len(p.entries) - 1; n > 0 {
		tail = max(tail, len(p.more(n)))
	}
	if p.note != "" {
		size += len(p.note) + len("\n")
	}
	return size + tail + len("\n")
}

// more is the line that leads on after so many entries, "" if nothing follows.
func (p *page) more(shown int) string {
	at, ok := p.next(shown)
	if !ok {
		return ""
	}
	return moreLine(p.request, at, p.echo)
}

// caveatLine is the last line of an answer that may be worse than it could be.
func caveatLine(why string) string {
	if why == "" {
		return ""
	}
	return "\nnote: " + why
}

func hitsOf(entries []entry) []Hit {
	hits := make([]Hit, len(entries))
	for i, e := range entries {
		hits[i] = e.hit
	}
	return hits
}

func (p *page) header(shown int) string {
	count := thousands(shown)
	if p.first > 0 {
		count = fmt.Sprintf("%s–%s", thousands(p.first+1), thousands(p.first+shown))
	}
	noun := p.plural
	if p.total == 1 {
		noun = p.noun
	}
	return fmt.Sprintf("%s of %s %s (%s)", count, thousands(max(p.total, p.first+shown)), noun, p.catalog)
}

func (p *page) schemaLine() string {
	return fmt.Sprintf("full schema: %s{\"tools\":[%q]}", SearchTool, p.entries[0].hit.Name)
}

// forms chooses how the entries that fit into room are shown.
func (p *page) forms(room int) []form {
	var forms []form
	for i := range p.entries {
		f := form{width: 1}
		size := len(p.entries[i].text(f))
		if i == 0 {
			for ; size > room && f.width < 3; size = len(p.entries[i].text(f)) {
				f.width++ // one huge hit alone: better its names than nothing
			}
		}
		if i > 0 && size > room {
			break
		}
		room -= size
		forms = append(forms, f)
	}
	for _, grow := range []func(*entry, form) form{withDescription, withTypes} {
		full := false
		for i := range forms {
			e := &p.entries[i]
			next := grow(e, forms[i])
			cost := len(e.text(next)) - len(e.text(forms[i]))
			if full = full || cost > room; full && cost > 0 {
				continue
			}
			room -= cost
			forms[i] = next
		}
	}
	for i := range forms {
		if room = p.entries[i].addOptional(&forms[i], room); room < 0 {
			break
		}
	}
	return forms
}

func withDescription(_ *entry, f form) form {
	f.description = true
	return f
}

func withTypes(_ *entry, f form) form {
	if f.width == 1 {
		f.width = 0
	}
	return f
}

// addOptional shows as many optional parameters as there is room for and gives
// what is left of it, less than nothing if one did not fit. The types of the
// required ones come first.
func (e *entry) addOptional(f *form, room int) int {
	if f.width > 0 {
		return room
	}
	had := len(e.line(*f))
	for f.optional < e.ready {
		next := *f
		next.optional++
		size := len(e.line(next))
		if size-had > room {
			return -1
		}
		room -= size - had
		had = size
		*f = next
	}
	return room
}
