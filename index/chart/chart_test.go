package chart

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the picture that is drawn now")

var sample = Chart{
	Title: "Found <at once>",
	Note:  "mean of 3 sets",
	X:     "tools",
	Lines: []Line{
		{"ours", []Point{{45, 0.95}, {545, 0.9}, {5561, 0.81}}},
		{"a & b", []Point{{45, 0.9}, {545, 0.8}, {5561, 0.79}}},
	},
}

func draw(t *testing.T, c Chart) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, c); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestPicture keeps the picture as it was when somebody last looked at it.
func TestPicture(t *testing.T) {
	const file = "testdata/sample.svg"
	got := draw(t, sample)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the picture changed; if that is right, run with -update and look at it:\n%s", diff)
	}
}

// TestWellFormed: what is drawn is XML, needs nothing from elsewhere, and says
// in words what it shows.
func TestWellFormed(t *testing.T) {
	svg := draw(t, sample)
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{
		"Found &lt;at once&gt;", "prefers-color-scheme:dark",
		"ours goes from 95 % at 45 to 81 % at 5,561; a &amp; b goes from 90 % at 45 to 79 % at 5,561.",
	} {
		if !strings.Contains(svg, want) {
			t.Errorf("the picture lacks %q", want)
		}
	}
	for _, forbidden := range []string{"<script", "href", "@import", "url("} {
		if strings.Contains(svg, forbidden) {
			t.Errorf("the picture holds %q", forbidden)
		}
	}
}

func TestTicks(t *testing.T) {
	for _, tt := range []struct {
		from, to float64
		want     []float64
	}{
		{45, 5561, []float64{50, 100, 200, 500, 1000, 2000, 5000}},
		{100, 1000, []float64{100, 200, 500, 1000}},
		{3, 3, []float64{1, 2, 5}}, // one size alone
	} {
		s := scaleOf([]Line{{Points: []Point{{tt.from, 0}, {tt.to, 0}}}})
		if got := s.ticks(); !slices.Equal(got, tt.want) {
			t.Errorf("ticks from %v to %v = %v, want %v", tt.from, tt.to, got, tt.want)
		}
	}
}

func TestRefuses(t *testing.T) {
	line := func(points ...Point) Chart { return Chart{Lines: []Line{{"x", points}}} }
	for name, c := range map[string]Chart{
		"no lines":     {},
		"too many":     {Lines: make([]Line, 5)},
		"no points":    line(),
		"zero":         line(Point{0, 0.5}),
		"above 100 %":  line(Point{1, 1.5}),
		"not a number": line(Point{1, math.NaN()}),
		"endless":      line(Point{math.Inf(1), 0.5}),
		"going back":   line(Point{2, 0.5}, Point{1, 0.5}),
	} {
		if err := Write(io.Discard, c); err == nil {
			t.Errorf("%s: Write = nil, want an error", name)
		}
	}
}
