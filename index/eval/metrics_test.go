package eval

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"toolrouter/internal/catalog"
)

// near compares figures that were worked out by hand.
var near = cmpopts.EquateApprox(0, 1e-9)

func id(tool string) catalog.ID { return catalog.ID{Server: "s", Tool: tool} }

func ids(tools ...string) (out []catalog.ID) {
	for _, t := range tools {
		out = append(out, id(t))
	}
	return out
}

func wants(tools ...string) (q Query) {
	for _, t := range tools {
		q.Wanted = append(q.Wanted, Wanted{ID: id(t)})
	}
	return q
}

func TestMetrics(t *testing.T) {
	second := 1 / math.Log2(3) // what a hit in the second place is worth
	third := 1 / math.Log2(4)
	for _, tt := range []struct {
		name   string
		query  Query
		answer []catalog.ID
		want   Metrics
	}{
		{"first", wants("a"), ids("a", "b"), Metrics{1, 1, 1, 1, 1, 1, 1}},
		{"nothing found", wants("a"), nil, Metrics{}},
		{"second", wants("a"), ids("b", "a"), Metrics{0, 1, 1, 1, second, 0.5, 1}},
		{"fourth", wants("a"), ids("b", "c", "d", "a"), Metrics{0, 0, 1, 1, 1 / math.Log2(5), 0.25, 1}},
		{"tenth", wants("a"), ids("1", "2", "3", "4", "5", "6", "7", "8", "9", "a"), Metrics{0, 0, 0, 1, 1 / math.Log2(11), 0.1, 1}},
		{"eleventh", wants("a"), ids("1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "a"), Metrics{}},
		{"two, both on top", wants("a", "b"), ids("b", "a"), Metrics{0.5, 1, 1, 1, 1, 1, 1}},
		{"two, one found", wants("a", "b"), ids("x", "a"), Metrics{0, 0.5, 0.5, 0.5, second / (1 + second), 0.5, 0}},
		{"two, apart", wants("a", "b"), ids("a", "x", "b"), Metrics{0.5, 1, 1, 1, (1 + third) / (1 + second), 1, 1}},
		{
			"another counts as it, and once",
			Query{Wanted: []Wanted{{ID: id("a"), CountsAs: ids("b", "c")}}},
			ids("x", "c", "a"),
			Metrics{0, 1, 1, 1, second, 0.5, 1},
		},
		{
			"one hit for two wanted tools gains once",
			Query{Wanted: []Wanted{{ID: id("a"), CountsAs: ids("c")}, {ID: id("b"), CountsAs: ids("c")}}},
			ids("c"),
			Metrics{1, 1, 1, 1, 1 / (1 + second), 1, 1},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := judge(tt.query, tt.answer).Metrics
			if diff := cmp.Diff(tt.want, got, near); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

// TestIdealOfManyWanted: with more than ten wanted tools the ideal list has ten.
func TestIdealOfManyWanted(t *testing.T) {
	names := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"}
	got := judge(wants(names...), ids(names...)).Metrics
	want := Metrics{Recall1: 1. / 12, Recall3: 3. / 12, Recall5: 5. / 12, Recall10: 10. / 12, NDCG10: 1, MRR: 1}
	if diff := cmp.Diff(want, got, near); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
}

func TestPercentile(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		p      float64
		want   float64
	}{
		{nil, 50, 0},
		{[]float64{7}, 99, 7},
		{[]float64{4, 1, 3, 2}, 50, 2},
		{[]float64{4, 1, 3, 2}, 51, 3},
		{[]float64{4, 1, 3, 2}, 99, 4},
	} {
		if got := percentile(tt.values, tt.p); got != tt.want {
			t.Errorf("percentile(%v, %v) = %v, want %v", tt.values, tt.p, got, tt.want)
		}
	}
}

func TestOutcomeMissed(t *testing.T) {
	o := judge(wants("a", "b", "c"), ids("a", "x", "y", "b"))
	for k, want := range map[int][]catalog.ID{1: ids("b", "c"), 3: ids("b", "c"), 4: ids("c"), 10: ids("c")} {
		if diff := cmp.Diff(want, o.Missed(k)); diff != "" {
			t.Errorf("Missed(%d) mismatch (-want +got):\n%s", k, diff)
		}
	}
}
