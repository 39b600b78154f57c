package eval

import (
	"math"
	"slices"

	"toolrouter/internal/catalog"
)

// depth is how far down a ranking is looked at.
const depth = 10

// Metrics are shares between 0 and 1: of one query, or averaged over queries.
type Metrics struct {
	Recall1    float64 `json:"recall@1"`    // share of the wanted tools among the first hit,
	Recall3    float64 `json:"recall@3"`    // … three,
	Recall5    float64 `json:"recall@5"`    // … five,
	Recall10   float64 `json:"recall@10"`   // … ten
	NDCG10     float64 `json:"ndcg@10"`     // the same, where higher ranks count more
	MRR        float64 `json:"mrr"`         // 1 / rank of the first one that was found
	Complete10 float64 `json:"complete@10"` // all of them are among the first ten
}

// metric is one of the fields, for what is done to all of them alike.
type metric struct {
	name string
	of   func(*Metrics) *float64
}

var allMetrics = []metric{
	{"recall@1", func(m *Metrics) *float64 { return &m.Recall1 }},
	{"recall@3", func(m *Metrics) *float64 { return &m.Recall3 }},
	{"recall@5", func(m *Metrics) *float64 { return &m.Recall5 }},
	{"recall@10", func(m *Metrics) *float64 { return &m.Recall10 }},
	{"ndcg@10", func(m *Metrics) *float64 { return &m.NDCG10 }},
	{"mrr", func(m *Metrics) *float64 { return &m.MRR }},
	{"complete@10", func(m *Metrics) *float64 { return &m.Complete10 }},
}

// ranks gives where each wanted tool stands in an answer, from 1; 0 is not found.
func (q Query) ranks(answer []catalog.ID) []int {
	out := make([]int, len(q.Wanted))
	for i, w := range q.Wanted {
		out[i] = 1 + slices.IndexFunc(answer, func(id catalog.ID) bool {
			return id == w.ID || slices.Contains(w.CountsAs, id)
		})
	}
	return out
}

// score makes the metrics of one query from the ranks of its wanted tools.
func score(ranks []int) Metrics {
	wanted := float64(len(ranks))
	var m Metrics
	within := func(k int) (n float64) {
		for _, r := range ranks {
			if r > 0 && r <= k {
				n++
			}
		}
		return n
	}
	m.Recall1, m.Recall3 = within(1)/wanted, within(3)/wanted
	m.Recall5, m.Recall10 = within(5)/wanted, within(10)/wanted
	if m.Recall10 == 1 {
		m.Complete10 = 1
	}
	gained := map[int]bool{} // one hit that stands for two wanted tools is one hit
	var gain, ideal float64
	for i, r := range ranks {
		if r > 0 && r <= depth && !gained[r] {
			gained[r] = true
			gain += discount(r)
		}
		if r > 0 {
			m.MRR = max(m.MRR, 1/float64(r))
		}
		if i < depth {
			ideal += discount(i + 1)
		}
	}
	m.NDCG10 = gain / ideal
	return m
}

func discount(rank int) float64 { return 1 / math.Log2(float64(rank)+1) }

// average is the mean of each metric.
func average(all []Metrics) Metrics {
	var sum Metrics
	for _, m := range allMetrics {
		for i := range all {
			*m.of(&sum) += *m.of(&all[i])
		}
		*m.of(&sum) /= max(float64(len(all)), 1)
	}
	return sum
}

// percentile is the smallest value that at least p percent of the values do not
// exceed. values is sorted by it.
func percentile(values []float64, p float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	n := int(math.Ceil(p / 100 * float64(len(values))))
	return values[max(n, 1)-1]
}
