package eval

import (
	"context"
	"fmt"
	"time"

	"toolrouter/internal/catalog"
)

// bytesPerToken is how bytes of an answer are counted as tokens.
const bytesPerToken = 4

// Answer is what a search gave.
type Answer struct {
	IDs   []catalog.ID // best first
	Bytes int          // of the text a client gets; 0 if there is no text
}

// Search answers a query with at most limit hits.
type Search func(ctx context.Context, query string, limit int) (Answer, error)

// Index is what Direct searches.
type Index interface {
	Search(context.Context, catalog.Query) (catalog.Found, error)
}

// Direct searches an index without anything around it.
func Direct(ix Index) Search {
	return func(ctx context.Context, query string, limit int) (Answer, error) {
		found, err := ix.Search(ctx, catalog.Query{Text: query, Limit: limit})
		if err != nil {
			return Answer{}, err
		}
		var a Answer
		for _, h := range found.Hits {
			a.IDs = append(a.IDs, h.ID)
		}
		return a, nil
	}
}

// Options are the settings of a run. The zero value is good.
type Options struct {
	Limit     int                   // hits of the answer that is timed and weighed; 0 means 5, what a client gets that asks for no other number
	Resamples int                   // of the bootstrap; 0 means 1,000, a negative number leaves the intervals out
	Progress  func(done, total int) // called after every query by Run's goroutine; may be nil
}

// Result is what a run over one set gave.
type Result struct {
	Name    string `json:"name"`
	Tools   int    `json:"tools"`
	Queries int    `json:"queries"`
	Metrics
	QueryMS        Times               `json:"query_ms"`
	ResponseTokens Tokens              `json:"response_tokens"`
	Intervals      map[string]Interval `json:"intervals,omitempty"` // by metric
	Outcomes       []Outcome           `json:"-"`                   // in the order of the queries
}

// Times are milliseconds of a search.
type Times struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
}

// Tokens are what a client reads of an answer, counted as bytes/4.
type Tokens struct {
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
}

// Outcome is one query's part of a result.
type Outcome struct {
	Query   Query
	Ranks   []int        // of its wanted tools, from 1; 0 is not found in the first ten
	Answer  []catalog.ID // the first ten hits
	Metrics Metrics
}

// Missed tells the wanted tools that are not among the first k hits.
func (o Outcome) Missed(k int) (missed []catalog.ID) {
	for i, r := range o.Ranks {
		if r == 0 || r > k {
			missed = append(missed, o.Query.Wanted[i].ID)
		}
	}
	return missed
}

// Run asks every query of a set, one after the other. Each is asked as a client
// asks that wants no special number of hits, which is timed and weighed, and
// once for ten hits, which is scored.
func Run(ctx context.Context, s Set, search Search, o Options) (Result, error) {
	if o.Limit <= 0 {
		o.Limit = 5
	}
	r := Result{Name: s.Name, Tools: len(s.Tools), Queries: len(s.Queries)}
	var times, tokens []float64
	var each []Metrics
	for i, q := range s.Queries {
		if i == 0 { // what the first search of a process pays is not the search
			if _, err := search(ctx, q.Text, o.Limit); err != nil {
				return Result{}, fmt.Errorf("set %s: query %q: %w", s.Name, q.ID, err)
			}
		}
		began := time.Now()
		usual, err := search(ctx, q.Text, o.Limit)
		took := time.Since(began)
		if err != nil {
			return Result{}, fmt.Errorf("set %s: query %q: %w", s.Name, q.ID, err)
		}
		long, err := search(ctx, q.Text, depth)
		if err != nil {
			return Result{}, fmt.Errorf("set %s: query %q: %w", s.Name, q.ID, err)
		}
		times = append(times, float64(took.Nanoseconds())/1e6)
		tokens = append(tokens, float64((usual.Bytes+bytesPerToken-1)/bytesPerToken))
		outcome := judge(q, long.IDs)
		r.Outcomes, each = append(r.Outcomes, outcome), append(each, outcome.Metrics)
		if o.Progress != nil {
			o.Progress(i+1, len(s.Queries))
		}
	}
	r.Metrics = average(each)
	r.QueryMS = Times{percentile(times, 50), percentile(times, 99)}
	r.ResponseTokens = Tokens{percentile(tokens, 50), percentile(tokens, 95)}
	r.Intervals = intervals(each, o.Resamples)
	return r, nil
}

func judge(q Query, answer []catalog.ID) Outcome {
	answer = answer[:min(len(answer), depth)]
	ranks := q.ranks(answer)
	return Outcome{Query: q, Ranks: ranks, Answer: answer, Metrics: score(ranks)}
}

// Report is what several runs gave, as it is printed.
type Report struct {
	Sets []Result `json:"sets"`
	Mean Mean     `json:"mean"`
}

// Mean is the average over sets; each counts the same, whatever its size.
type Mean struct {
	Metrics
	QueryMS        Times  `json:"query_ms"`
	ResponseTokens Tokens `json:"response_tokens"`
}

// NewReport averages results.
func NewReport(results []Result) Report {
	r := Report{Sets: results}
	n := max(float64(len(results)), 1)
	var each []Metrics
	for _, one := range results {
		each = append(each, one.Metrics)
		r.Mean.QueryMS.P50 += one.QueryMS.P50 / n
		r.Mean.QueryMS.P99 += one.QueryMS.P99 / n
		r.Mean.ResponseTokens.P50 += one.ResponseTokens.P50 / n
		r.Mean.ResponseTokens.P95 += one.ResponseTokens.P95 / n
	}
	r.Mean.Metrics = average(each)
	return r
}
