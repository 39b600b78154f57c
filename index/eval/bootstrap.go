package eval

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// seed makes the intervals come out the same every time.
const seed = 1

// confidence is the part of resamples that an interval holds.
const confidence = 0.95

// Interval is where a mean lies with a confidence of 95 %: its bounds.
type Interval [2]float64

// intervals are the bootstrap intervals of each metric's mean, by its name.
func intervals(each []Metrics, resamples int) map[string]Interval {
	if resamples < 0 || len(each) == 0 {
		return nil
	}
	means := bootstrap(each, resamples)
	out := make(map[string]Interval, len(allMetrics))
	for _, m := range allMetrics {
		out[m.name] = bounds(m, means)
	}
	return out
}

// bootstrap gives the means of samples that are drawn, with repetition, from the
// queries.
func bootstrap(each []Metrics, resamples int) []Metrics {
	if resamples == 0 {
		resamples = 1000
	}
	rng := rand.New(rand.NewPCG(seed, uint64(len(each))))
	sample, means := make([]Metrics, len(each)), make([]Metrics, resamples)
	for i := range means {
		for j := range sample {
			sample[j] = each[rng.IntN(len(each))]
		}
		means[i] = average(sample)
	}
	return means
}

func bounds(m metric, means []Metrics) Interval {
	values := make([]float64, len(means))
	for i := range means {
		values[i] = *m.of(&means[i])
	}
	slices.Sort(values)
	tail := (1 - confidence) / 2
	last := float64(len(values) - 1)
	return Interval{values[int(tail*last)], values[int((1-tail)*last+0.5)]}
}

// Difference is by how much a second run is better than a first one.
type Difference struct {
	Metric   string   `json:"metric"`
	Mean     float64  `json:"mean"`     // second minus first
	Interval Interval `json:"interval"` // of the mean; one that holds 0 is no difference
	Better   int      `json:"better"`   // queries that the second answers better,
	Worse    int      `json:"worse"`    // … and worse
}

// Certain reports whether the difference is more than chance.
func (d Difference) Certain() bool { return d.Interval[0] > 0 || d.Interval[1] < 0 }

// Compare tells how two runs over the same queries differ, metric by metric. The
// bootstrap is over each query's difference, which says far more than two
// intervals beside each other.
func Compare(first, second Result, resamples int) ([]Difference, error) {
	differences, err := pair(first.Outcomes, second.Outcomes)
	if err != nil {
		return nil, fmt.Errorf("compare runs over %s: %w", first.Name, err)
	}
	mean, means := average(differences), bootstrap(differences, max(resamples, 0))
	var out []Difference
	for _, m := range allMetrics {
		d := Difference{Metric: m.name, Mean: *m.of(&mean), Interval: bounds(m, means)}
		for i := range differences {
			switch v := *m.of(&differences[i]); {
			case v > 0:
				d.Better++
			case v < 0:
				d.Worse++
			}
		}
		out = append(out, d)
	}
	return out, nil
}

// pair gives the second's metrics minus the first's, query by query.
func pair(first, second []Outcome) ([]Metrics, error) {
	if len(first) != len(second) || len(first) == 0 {
		return nil, fmt.Errorf("one has %d queries and the other %d", len(first), len(second))
	}
	out := make([]Metrics, len(first))
	for i := range first {
		if first[i].Query.ID != second[i].Query.ID {
			return nil, fmt.Errorf("one asks %q where the other asks %q", first[i].Query.ID, second[i].Query.ID)
		}
		for _, m := range allMetrics {
			*m.of(&out[i]) = *m.of(&second[i].Metrics) - *m.of(&first[i].Metrics)
		}
	}
	return out, nil
}
