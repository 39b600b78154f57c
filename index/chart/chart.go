// Package chart draws lines over a growing quantity as SVG that needs nothing
// else: no script, no font, no style sheet from elsewhere. It takes on the
// reader's light or dark colours, and brings its own background for pages that
// do not. It can be read without colour too: each line has its name at its end
// and a stroke of its own.
//
// The horizontal axis is logarithmic; the vertical one shows shares from 0 to
// 100 %. The same chart gives the same bytes.
package chart

import (
	"cmp"
	"errors"
	"fmt"
	"html"
	"io"
	"math"
	"slices"
	"strings"
)

// Chart is what to draw.
type Chart struct {
	Title string
	Note  string // a smaller line under the title
	X     string // what the horizontal axis counts
	Lines []Line // at most four
}

// Line is one line of a chart.
type Line struct {
	Name   string
	Points []Point // by growing X
}

// Point is one of a line: X above 0, Y a share between 0 and 1.
type Point struct{ X, Y float64 }

// The picture, in pixels.
const (
	width, height = 760, 420
	left, right   = 56, 110 // room for the numbers and for the names
	top, bottom   = 72, 56
)

const style = `<style>
.page{fill:#fff}
text{font:13px system-ui,sans-serif;fill:#1f2328}
.title{font-size:17px;font-weight:600}
.note,.tick{fill:#59636e}
.grid{stroke:#d1d9e0}
path,circle{stroke-width:2.5}
path{fill:none}
.l0{stroke:#0969da}.l1{stroke:#bc4c00;stroke-dasharray:7 4}.l2{stroke:#1a7f37;stroke-dasharray:2 3}.l3{stroke:#8250df;stroke-dasharray:10 3 2 3}
.p0{fill:#0969da}.p1{fill:#bc4c00}.p2{fill:#1a7f37}.p3{fill:#8250df}
.name{font-weight:600}
@media (prefers-color-scheme:dark){
.page{fill:#0d1117}
text{fill:#f0f6fc}.note,.tick{fill:#9198a1}.grid{stroke:#3d444d}
.l0{stroke:#4493f8}.l1{stroke:#f0883e}.l2{stroke:#3fb950}.l3{stroke:#ab7df8}
.p0{fill:#4493f8}.p1{fill:#f0883e}.p2{fill:#3fb950}.p3{fill:#ab7df8}
}
</style>
`

// Write draws the chart. It fails on one that cannot be drawn, and with w's error.
func Write(w io.Writer, c Chart) error {
	if err := c.check(); err != nil {
		return err
	}
	d := &drawing{scale: scaleOf(c.Lines)}
	d.printf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s">`+"\n", width, height, html.EscapeString(c.describe()))
	d.WriteString(style)
	d.printf(`<rect class="page" width="%d" height="%d" rx="8"/>`+"\n", width, height)
	d.text(left, 28, "title", "start", c.Title)
	d.text(left, 50, "note", "start", c.Note)
	d.axes(c.X)
	for i, l := range c.Lines {
		d.line(i, l)
	}
	d.names(c.Lines)
	d.WriteString("</svg>\n")
	_, err := io.WriteString(w, d.String())
	return err
}

func (c Chart) check() error {
	if len(c.Lines) == 0 || len(c.Lines) > 4 {
		return fmt.Errorf("a chart of %d lines", len(c.Lines))
	}
	for _, l := range c.Lines {
		if len(l.Points) == 0 {
			return fmt.Errorf("line %s has no points", l.Name)
		}
		for _, p := range l.Points {
			if !(p.X > 0) || math.IsInf(p.X, 0) || !(p.Y >= 0 && p.Y <= 1) {
				return fmt.Errorf("line %s: %v, %v cannot be drawn", l.Name, p.X, p.Y)
			}
		}
		if !slices.IsSortedFunc(l.Points, func(a, b Point) int { return cmp.Compare(a.X, b.X) }) {
			return errors.New("line " + l.Name + " goes back")
		}
	}
	return nil
}

// describe is the chart for those who cannot see it.
func (c Chart) describe() string {
	var parts []string
	for _, l := range c.Lines {
		first, last := l.Points[0], l.Points[len(l.Points)-1]
		parts = append(parts, fmt.Sprintf("%s goes from %s at %s to %s at %s", l.Name, percent(first.Y), number(first.X), percent(last.Y), number(last.X)))
	}
	return fmt.Sprintf("%s, by %s: %s.", c.Title, c.X, strings.Join(parts, "; "))
}

// scale maps values to pixels.
type scale struct{ from, to float64 } // logarithms of X

func scaleOf(lines []Line) scale {
	s := scale{math.Inf(1), math.Inf(-1)}
	for _, l := range lines {
		for _, p := range l.Points {
			s.from, s.to = min(s.from, math.Log10(p.X)), max(s.to, math.Log10(p.X))
		}
	}
	if s.to-s.from < 0.1 { // one size alone stands in the middle
		s.from, s.to = s.from-0.5, s.to+0.5
	}
	return s
}

func (s scale) x(v float64) float64 {
	return left + (math.Log10(v)-s.from)/(s.to-s.from)*(width-left-right)
}

func (s scale) y(share float64) float64 { return height - bottom - share*(height-top-bottom) }

// ticks are round numbers, 1, 2 and 5 times a power of ten, within the scale.
func (s scale) ticks() (out []float64) {
	for e := math.Floor(s.from); e <= s.to; e++ {
		for _, m := range []float64{1, 2, 5} {
			if v := m * math.Pow(10, e); math.Log10(v) >= s.from-1e-9 && math.Log10(v) <= s.to+1e-9 {
				out = append(out, v)
			}
		}
	}
	return out
}

// drawing is an SVG being written.
type drawing struct {
	strings.Builder
	scale scale
}

func (d *drawing) printf(format string, args ...any) { fmt.Fprintf(&d.Builder, format, args...) }

func (d *drawing) text(x, y float64, class, anchor, s string) {
	d.printf(`<text class="%s" x="%.1f" y="%.1f" text-anchor="%s">%s</text>`+"\n", class, x, y, anchor, html.EscapeString(s))
}

func (d *drawing) axes(x string) {
	for share := 0; share <= 100; share += 20 {
		y := d.scale.y(float64(share) / 100)
		d.printf(`<line class="grid" x1="%d" y1="%.1f" x2="%d" y2="%.1f"/>`+"\n", left, y, width-right, y)
		d.text(left-8, y+4, "tick", "end", fmt.Sprintf("%d %%", share))
	}
	base := float64(height - bottom)
	for _, v := range d.scale.ticks() {
		d.printf(`<line class="grid" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`+"\n", d.scale.x(v), base, d.scale.x(v), base+5)
		d.text(d.scale.x(v), base+20, "tick", "middle", number(v))
	}
	d.text((left+width-right)/2, base+44, "note", "middle", x)
}

func (d *drawing) line(i int, l Line) {
	d.printf(`<path class="l%d" d="`, i)
	for n, p := range l.Points {
		d.printf("%c%.1f %.1f", "ML"[min(n, 1)], d.scale.x(p.X), d.scale.y(p.Y))
	}
	d.WriteString("\"/>\n")
	for _, p := range l.Points {
		d.printf(`<circle class="p%d" cx="%.1f" cy="%.1f" r="4"><title>%s: %s at %s</title></circle>`+"\n",
			i, d.scale.x(p.X), d.scale.y(p.Y), html.EscapeString(l.Name), percent(p.Y), number(p.X))
	}
}

// nameGap keeps names apart whose lines end at about the same place: two rows of
// text each.
const nameGap = 34

// names writes each line's name and last value at its end, from the top down.
func (d *drawing) names(lines []Line) {
	order := make([]int, len(lines))
	for i := range order {
		order[i] = i
	}
	last := func(i int) Point { return lines[i].Points[len(lines[i].Points)-1] }
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(last(b).Y, last(a).Y) })
	y := math.Inf(-1)
	for _, i := range order {
		y = max(y+nameGap, d.scale.y(last(i).Y))
		d.text(d.scale.x(last(i).X)+12, y, fmt.Sprintf("name p%d", i), "start", lines[i].Name)
		d.text(d.scale.x(last(i).X)+12, y+16, "note", "start", percent(last(i).Y))
	}
}

func percent(share float64) string { return fmt.Sprintf("%.0f %%", 100*share) }

// number writes a quantity with commas.
func number(v float64) string {
	s := fmt.Sprintf("%.0f", v)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
