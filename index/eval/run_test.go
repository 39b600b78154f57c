package eval

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"toolrouter/internal/catalog"
)

// fixed answers every query by its text.
func fixed(answers map[string][]catalog.ID, bytes int) Search {
	return func(_ context.Context, query string, limit int) (Answer, error) {
		a := answers[query]
		return Answer{IDs: a[:min(len(a), limit)], Bytes: bytes}, nil
	}
}

func fourQueries() Set {
	s := Set{Name: "four", Tools: make([]*catalog.Tool, 7)}
	for _, text := range []string{"a", "b", "c", "d"} {
		q := wants(text)
		q.ID, q.Text = text, text
		s.Queries = append(s.Queries, q)
	}
	return s
}

func TestRun(t *testing.T) {
	var progress []int
	s := fourQueries()
	got, err := Run(t.Context(), s, fixed(map[string][]catalog.ID{
		"a": ids("a"), "b": ids("x", "b"), "c": ids("1", "2", "3", "4", "5", "6", "c"),
	}, 41), Options{Progress: func(done, total int) { progress = append(progress, done*10+total) }})
	if err != nil {
		t.Fatal(err)
	}
	want := Metrics{
		Recall1: 0.25, Recall3: 0.5, Recall5: 0.5, Recall10: 0.75, Complete10: 0.75,
		NDCG10: (1 + discount(2) + discount(7)) / 4, MRR: (1 + 1./2 + 1./7) / 4,
	}
	if diff := cmp.Diff(want, got.Metrics, near); diff != "" {
		t.Errorf("metrics mismatch (-want +got):\n%s", diff)
	}
	if got.Tools != 7 || got.Queries != 4 || got.ResponseTokens != (Tokens{11, 11}) {
		t.Errorf("tools %d, queries %d, tokens %v; want 7, 4, 11", got.Tools, got.Queries, got.ResponseTokens)
	}
	if !slices.Equal(progress, []int{14, 24, 34, 44}) {
		t.Errorf("progress was %v", progress)
	}
	for name, i := range got.Intervals {
		if i[0] > i[1] || i[0] < 0 || i[1] > 1 {
			t.Errorf("interval of %s is %v", name, i)
		}
	}
	if i := got.Intervals["recall@10"]; i[0] > 0.75 || i[1] < 0.75 || i[0] == i[1] {
		t.Errorf("interval of recall@10 is %v, want one around 0.75", i)
	}
}

func TestRunEndsWithTheSearchsError(t *testing.T) {
	broken := errors.New("broken")
	_, err := Run(t.Context(), fourQueries(), func(context.Context, string, int) (Answer, error) { return Answer{}, broken }, Options{})
	if !errors.Is(err, broken) {
		t.Errorf("Run = %v, want %v", err, broken)
	}
}

// TestReport keeps the names that programs read.
func TestReport(t *testing.T) {
	one := Result{Name: "one", Tools: 2, Queries: 3, Metrics: Metrics{1, 1, 1, 1, 1, 1, 1}, QueryMS: Times{1, 2}, ResponseTokens: Tokens{10, 20}}
	two := Result{Name: "two", Tools: 4, Queries: 5, QueryMS: Times{3, 4}}
	got, err := json.MarshalIndent(NewReport([]Result{one, two}), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	var r struct {
		Sets []map[string]any
		Mean map[string]any
	}
	if err := json.Unmarshal(got, &r); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"name": "one", "tools": 2., "queries": 3.,
		"recall@1": 1., "recall@3": 1., "recall@5": 1., "recall@10": 1., "ndcg@10": 1., "mrr": 1., "complete@10": 1.,
		"query_ms": map[string]any{"p50": 1., "p99": 2.}, "response_tokens": map[string]any{"p50": 10., "p95": 20.},
	}
	if diff := cmp.Diff(want, r.Sets[0]); diff != "" {
		t.Errorf("set mismatch (-want +got):\n%s", diff)
	}
	mean := map[string]any{
		"recall@1": .5, "recall@3": .5, "recall@5": .5, "recall@10": .5, "ndcg@10": .5, "mrr": .5, "complete@10": .5,
		"query_ms": map[string]any{"p50": 2., "p99": 3.}, "response_tokens": map[string]any{"p50": 5., "p95": 10.},
	}
	if diff := cmp.Diff(mean, r.Mean); diff != "" {
		t.Errorf("mean mismatch (-want +got):\n%s", diff)
	}
}

func outcomes(values ...float64) (r Result) {
	for i, v := range values {
		r.Outcomes = append(r.Outcomes, Outcome{Query: Query{ID: string(rune('a' + i))}, Metrics: Metrics{Recall5: v}})
	}
	return r
}

func TestCompare(t *testing.T) {
	for _, tt := range []struct {
		name          string
		first, second Result
		mean          float64
		better, worse int
		certain       bool
	}{
		{"the same", outcomes(1, 0, 1), outcomes(1, 0, 1), 0, 0, 0, false},
		{"one of four", outcomes(1, 0, 1, 0), outcomes(1, 1, 1, 0), 0.25, 1, 0, false},
		{"for and against", outcomes(1, 0, 1, 0), outcomes(0, 1, 1, 0), 0, 1, 1, false},
		{"always a little better", outcomes(.1, .2, .3, .4), outcomes(.2, .3, .4, .5), 0.1, 4, 0, true},
		{"always worse", outcomes(.5, .5), outcomes(0, .25), -0.375, 0, 2, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			all, err := Compare(tt.first, tt.second, 500)
			if err != nil {
				t.Fatal(err)
			}
			d := all[slices.IndexFunc(all, func(d Difference) bool { return d.Metric == "recall@5" })]
			if diff := cmp.Diff(tt.mean, d.Mean, near); diff != "" || d.Better != tt.better || d.Worse != tt.worse {
				t.Errorf("difference = %+v, want %v with %d better and %d worse", d, tt.mean, tt.better, tt.worse)
			}
			if d.Certain() != tt.certain {
				t.Errorf("Certain = %t with the interval %v, want %t", d.Certain(), d.Interval, tt.certain)
			}
		})
	}
}

func TestCompareWantsTheSameQueries(t *testing.T) {
	other := outcomes(1, 1)
	other.Outcomes[1].Query.ID = "z"
	for _, second := range []Result{outcomes(1), other} {
		if _, err := Compare(outcomes(1, 1), second, 10); err == nil {
			t.Error("Compare of different queries = nil, want an error")
		}
	}
	if _, err := Compare(Result{}, Result{}, 10); err == nil {
		t.Error("Compare of nothing = nil, want an error")
	}
}

func TestIntervalsComeOutTheSame(t *testing.T) {
	each := []Metrics{{Recall1: 1}, {}, {Recall1: .5}, {}}
	if diff := cmp.Diff(intervals(each, 200), intervals(each, 200)); diff != "" {
		t.Errorf("two bootstraps differ:\n%s", diff)
	}
}
