package main

import (
	"fmt"
	"io"
	"strings"

	"toolrouter/index/eval"
	"toolrouter/internal/catalog"
)

// miss is a query whose tools were not all found early enough.
type miss struct {
	Set    string       `json:"set"`
	ID     string       `json:"id"`
	Query  string       `json:"query"`
	Wanted []wantedRank `json:"wanted"`
	First  []string     `json:"first"` // what stood there instead, server/tool
}

type wantedRank struct {
	Tool string `json:"tool"`
	Rank int    `json:"rank"` // of itself or what counts as it; 0 is not among the first ten
}

// missesOf lists the queries with tools that are not among the first limit hits.
func missesOf(results []eval.Result, limit int) (out []miss) {
	for _, r := range results {
		for _, o := range r.Outcomes {
			if len(o.Missed(limit)) == 0 {
				continue
			}
			m := miss{Set: r.Name, ID: o.Query.ID, Query: o.Query.Text, First: []string{}}
			for i, w := range o.Query.Wanted {
				m.Wanted = append(m.Wanted, wantedRank{w.ID.String(), o.Ranks[i]})
			}
			for _, id := range o.Answer[:min(len(o.Answer), limit)] {
				m.First = append(m.First, id.String())
			}
			out = append(out, m)
		}
	}
	return out
}

// comparison is what another setting makes better and worse.
type comparison struct {
	Settings string          `json:"settings"`
	Mean     eval.Mean       `json:"mean"` // of that setting
	Sets     []setDifference `json:"sets"`
}

type setDifference struct {
	Name        string            `json:"name"`
	Differences []eval.Difference `json:"differences"` // the other setting minus the default
}

func compareAll(setting string, first, second []eval.Result) (*comparison, error) {
	c := &comparison{Settings: setting, Mean: eval.NewReport(second).Mean}
	for i := range first {
		d, err := eval.Compare(first[i], second[i], 0)
		if err != nil {
			return nil, err
		}
		c.Sets = append(c.Sets, setDifference{first[i].Name, d})
	}
	return c, nil
}

// printEval shows a report to a person.
func printEval(w io.Writer, r evalReport, o evalOptions) error {
	if err := printScores(w, r.Report); err != nil {
		return err
	}
	if r.Compare != nil {
		if err := printComparison(w, r.Compare); err != nil {
			return err
		}
	}
	if len(r.Foreign) > 0 {
		if err := printForeign(w, r.Foreign); err != nil {
			return err
		}
	}
	if o.misses {
		printMisses(w, r.Misses, o.limit)
	}
	if len(r.Chart) > 0 {
		return printChart(w, r.Chart, o.chart)
	}
	return nil
}

func printScores(w io.Writer, r eval.Report) error {
	var rows [][]string
	for _, s := range r.Sets {
		ndcg := fmt.Sprintf("%.3f", s.NDCG10)
		if i, ok := s.Intervals["ndcg@10"]; ok {
			ndcg += fmt.Sprintf(" (%.3f–%.3f)", i[0], i[1])
		}
		rows = append(rows, append([]string{s.Name, thousands(s.Tools), thousands(s.Queries)}, scoreCells(s.Metrics, ndcg, s.QueryMS, s.ResponseTokens)...))
	}
	if len(r.Sets) > 1 {
		rows = append(rows, append([]string{"mean", "", ""}, scoreCells(r.Mean.Metrics, fmt.Sprintf("%.3f", r.Mean.NDCG10), r.Mean.QueryMS, r.Mean.ResponseTokens)...))
	}
	return table(w, "SET\tTOOLS\tQUERIES\tR@1\tR@3\tR@5\tR@10\tnDCG@10 (95 %)\tMRR\tCOMPLETE@10\tMS P50/P99\tTOKENS P50/P95", rows)
}

func scoreCells(m eval.Metrics, ndcg string, ms eval.Times, tokens eval.Tokens) []string {
	share := func(v float64) string { return fmt.Sprintf("%.3f", v) }
	return []string{
		share(m.Recall1), share(m.Recall3), share(m.Recall5), share(m.Recall10), ndcg, share(m.MRR), share(m.Complete10),
		fmt.Sprintf("%.2f/%.2f", ms.P50, ms.P99), fmt.Sprintf("%.0f/%.0f", tokens.P50, tokens.P95),
	}
}

// comparedMetrics are shown; JSON has them all.
var comparedMetrics = map[string]string{"recall@1": "R@1", "recall@5": "R@5", "ndcg@10": "nDCG@10"}

func printComparison(w io.Writer, c *comparison) error {
	fmt.Fprintf(w, "\n%s\n", bold(w, fmt.Sprintf("%s, compared with %s query by query (mean nDCG@10 %.3f, R@5 %.3f):",
		c.Settings, defaultSetting, c.Mean.NDCG10, c.Mean.Recall5)))
	var rows [][]string
	for _, s := range c.Sets {
		name := s.Name
		for _, d := range s.Differences {
			if comparedMetrics[d.Metric] == "" {
				continue
			}
			rows = append(rows, []string{
				name, comparedMetrics[d.Metric], signed(d.Mean), signed(d.Interval[0]) + " to " + signed(d.Interval[1]),
				thousands(d.Better), thousands(d.Worse), verdict(c.Settings, d),
			})
			name = ""
		}
	}
	return table(w, "SET\tMETRIC\tDIFFERENCE\t95 %\tBETTER\tWORSE\tVERDICT", rows)
}

func signed(v float64) string { return strings.ReplaceAll(fmt.Sprintf("%+.3f", v), "-", "−") }

// verdict says what may be believed of a difference.
func verdict(setting string, d eval.Difference) string {
	switch {
	case !d.Certain():
		return "may be chance"
	case d.Mean > 0:
		return setting + " is better"
	default:
		return setting + " is worse"
	}
}

// printForeign shows a matrix: a row per set's queries, a column per catalogue.
func printForeign(w io.Writer, parts []eval.Foreign) error {
	fmt.Fprintf(w, "\n%s\n", bold(w, "Answered with nothing, of each set's queries (right everywhere but in brackets, where the tools are the set's own):"))
	header := []string{"QUERIES OF ↓ TOOLS OF →"}
	var rows [][]string
	row := map[string]int{}
	for _, p := range parts {
		if p.ToolsOf != header[len(header)-1] {
			header = append(header, p.ToolsOf)
		}
		i, ok := row[p.QueriesOf]
		if !ok {
			i = len(rows)
			row[p.QueriesOf] = i
			rows = append(rows, []string{p.QueriesOf})
		}
		cell := fmt.Sprintf("%.1f %%", 100*p.Nothing)
		switch {
		case p.Own():
			cell = "(" + cell + ")"
		case p.Queries == 0:
			cell = "-" // all of them have an answer there
		}
		rows[i] = append(rows[i], cell)
	}
	return table(w, strings.Join(header, "\t"), rows)
}

const maxQueryShown = 200

func printMisses(w io.Writer, misses []miss, limit int) {
	fmt.Fprintf(w, "\n%s\n", bold(w, fmt.Sprintf("%s without all of their tools among the first %d:", queriesCount(len(misses)), limit)))
	for _, m := range misses {
		fmt.Fprintf(w, "\n%s %s  %s\n", m.Set, catalog.Printable(m.ID), bold(w, shorten(m.Query, maxQueryShown)))
		for _, t := range m.Wanted {
			at := "not in the first 10"
			if t.Rank > 0 {
				at = fmt.Sprintf("rank %d", t.Rank)
			}
			fmt.Fprintf(w, "  wanted  %s  %s\n", catalog.Printable(t.Tool), at)
		}
		first := "nothing"
		if len(m.First) > 0 {
			first = catalog.Printable(strings.Join(m.First, ", "))
		}
		fmt.Fprintf(w, "  found   %s\n", first)
	}
}

func queriesCount(n int) string {
	if n == 1 {
		return "1 query"
	}
	return thousands(n) + " queries"
}

// shorten cuts text for one line.
func shorten(s string, most int) string {
	runes := []rune(catalog.Printable(s))
	if len(runes) <= most {
		return string(runes)
	}
	return string(runes[:most]) + "…"
}

func namesUpTo(ids []catalog.ID, most int) string {
	var names []string
	for _, id := range ids[:min(len(ids), most)] {
		names = append(names, catalog.Printable(id.String()))
	}
	if len(ids) > most {
		names = append(names, "…")
	}
	return strings.Join(names, ", ")
}
