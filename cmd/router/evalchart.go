package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"slices"

	"toolrouter/index/chart"
	"toolrouter/index/eval"
	"toolrouter/internal/catalog"
)

// chartPoint is what was found at one size of the catalogue, averaged over sets.
type chartPoint struct {
	Distractors int                `json:"distractors"`
	Tools       int                `json:"tools"`    // in the catalogue, the sets' average
	Recall5     map[string]float64 `json:"recall@5"` // by setting
}

// chartSteps are numbers of distractors; all of them come last.
var chartSteps = []int{0, 100, 250, 500, 1000, 2000, 4000}

// draw scores the sets in growing crowds, and writes the picture.
func (ev *evaluation) draw(ctx context.Context) ([]chartPoint, error) {
	crowd := mixed(ev.crowd)
	var points []chartPoint
	for _, n := range stepsUpTo(len(crowd)) {
		p, err := ev.chartPoint(ctx, crowd[:n])
		if err != nil {
			return nil, err
		}
		points = append(points, p)
	}
	var b bytes.Buffer
	if err := chart.Write(&b, recallChart(points, len(ev.sets))); err != nil {
		return nil, fmt.Errorf("draw chart: %w", err)
	}
	if err := os.WriteFile(ev.chart, b.Bytes(), 0o644); err != nil {
		return nil, fmt.Errorf("write chart: %w", err)
	}
	return points, nil
}

// mixed puts tools into an order that has nothing to do with that of the file,
// where a server's tools stand together, and is always the same: each part of it
// is a smaller crowd of the same kind.
func mixed(tools []*catalog.Tool) []*catalog.Tool {
	key := func(t *catalog.Tool) []byte {
		sum := sha256.Sum256([]byte(t.ID.String()))
		return sum[:]
	}
	return slices.SortedFunc(slices.Values(tools), func(a, b *catalog.Tool) int { return bytes.Compare(key(a), key(b)) })
}

func stepsUpTo(all int) (steps []int) {
	for _, n := range chartSteps {
		if n < all {
			steps = append(steps, n)
		}
	}
	return append(steps, all)
}

func (ev *evaluation) chartPoint(ctx context.Context, crowd []*catalog.Tool) (chartPoint, error) {
	p := chartPoint{Distractors: len(crowd), Recall5: map[string]float64{}}
	for _, setting := range []string{defaultSetting, baselineSetting} {
		p.Tools = 0
		for _, s := range ev.sets {
			r, err := ev.scoreOne(ctx, setting, s.With(crowd), eval.Options{Limit: ev.limit, Resamples: -1})
			if err != nil {
				return p, err
			}
			p.Tools += r.Tools
			p.Recall5[setting] += r.Recall5 / float64(len(ev.sets))
		}
		p.Tools /= len(ev.sets)
	}
	return p, nil
}

func recallChart(points []chartPoint, sets int) chart.Chart {
	names := map[string]string{defaultSetting: "router", baselineSetting: "plain BM25"}
	c := chart.Chart{
		Title: "The right tools among the first five hits",
		X:     "tools in the catalogue",
		Note:  fmt.Sprintf("Recall@5, mean of %s", count(sets, "set")),
	}
	for _, setting := range []string{defaultSetting, baselineSetting} {
		line := chart.Line{Name: names[setting]}
		for _, p := range points {
			line.Points = append(line.Points, chart.Point{X: float64(p.Tools), Y: p.Recall5[setting]})
		}
		c.Lines = append(c.Lines, line)
	}
	return c
}

func printChart(w io.Writer, points []chartPoint, file string) error {
	fmt.Fprintf(w, "\n%s\n", bold(w, "Recall@5 in a growing catalogue, drawn in "+file+":"))
	var rows [][]string
	for _, p := range points {
		rows = append(rows, []string{
			thousands(p.Tools), thousands(p.Distractors),
			fmt.Sprintf("%.3f", p.Recall5[defaultSetting]), fmt.Sprintf("%.3f", p.Recall5[baselineSetting]),
		})
	}
	return table(w, "TOOLS\tOF THEM DISTRACTORS\tROUTER\tPLAIN BM25", rows)
}
