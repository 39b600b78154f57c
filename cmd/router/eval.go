package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"toolrouter/index/eval"
	"toolrouter/internal/catalog"
)

func newEvalCommand(e *env) *cobra.Command {
	var o evalOptions
	c := &cobra.Command{
		Use:   "eval DIR …",
		Short: "Score the search on queries with known answers",
		Long: `Score the search on queries with known answers. A set is a folder with tools.jsonl,
a tool a line:

  {"server":"github","name":"create_issue","description":"…","inputSchema":{…}}

and queries.jsonl, a query a line. "alternatives" is optional and lists tools that
count as a relevant one:

  {"id":"q1","query":"open a ticket","relevant":["github/create_issue"],
   "alternatives":{"github/create_issue":["jira/create_issue"]}}

Each query goes the way of search_tools, over a catalogue in memory: no config is
read and no server started. Recall@k is the share of the relevant tools among the
first k; the interval beside nDCG@10 holds it with a confidence of 95 %.

Settings, of which the first is scored and --compare takes another:
` + settingsHelp() + `
` + exitCodesHelp,
		Example: `  router eval index/golden/testdata/office
  router eval sets/* --distractors crowd.jsonl.gz
  router eval sets/support --misses
  router eval sets/* --compare words
  router eval sets/* --distractors crowd.jsonl.gz --chart recall.svg`,
		Args: wants(1, 0, "the folder of a set"),
		RunE: func(c *cobra.Command, args []string) error {
			o.dirs = args
			if err := o.check(); err != nil {
				return err
			}
			return runEval(c.Context(), e, o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.distractors, "distractors", "", "add the tools of `FILE` (a tools.jsonl or a recorded catalogue, may be gzipped) to every set's catalogue")
	f.StringVar(&o.compare, "compare", "", "also score with `SETTINGS` ("+strings.Join(settingNames()[1:], ", ")+") and tell what it makes better or worse")
	f.BoolVar(&o.misses, "misses", false, "list the queries whose tools are not all among the first --limit hits")
	f.BoolVar(&o.foreign, "foreign", false, "also ask each set's queries of the other sets' catalogues, where nothing is the right answer")
	f.StringVar(&o.chart, "chart", "", "draw Recall@5 over growing parts of --distractors, beside plain keyword search, into `FILE`.svg")
	f.IntVar(&o.limit, "limit", 5, "hits of the answer that is timed, weighed and looked at for misses, 1 to 20")
	return c
}

func settingsHelp() string {
	var b strings.Builder
	for _, s := range settings {
		fmt.Fprintf(&b, "  %-9s %s\n", s.name, s.about)
	}
	return b.String()
}

type evalOptions struct {
	dirs        []string
	distractors string
	compare     string
	chart       string
	misses      bool
	foreign     bool
	limit       int
}

// check says what is wrong with the flags, which depend on each other.
func (o *evalOptions) check() error {
	const hint = `"router eval --help" shows how it is used`
	switch {
	case o.limit < 1 || o.limit > maxLimit:
		return fail(exitUsage, hint, fmt.Errorf("--limit: %d is not from 1 to %d", o.limit, maxLimit))
	case o.compare != "" && !slices.Contains(settingNames(), o.compare):
		return fail(exitUsage, "settings: "+strings.Join(settingNames()[1:], ", "), fmt.Errorf("--compare: unknown setting %q", o.compare))
	case o.compare == defaultSetting:
		return fail(exitUsage, "the others are "+strings.Join(settingNames()[1:], ", "), fmt.Errorf("--compare: %s is what is scored anyway", o.compare))
	case o.foreign && len(o.dirs) < 2:
		return fail(exitUsage, "give two sets", errors.New("--foreign: there is no other set's catalogue to ask"))
	case o.chart != "" && o.distractors == "":
		return fail(exitUsage, "--distractors FILE gives the tools that the catalogue grows by", errors.New("--chart: there is nothing to grow by"))
	case o.chart != "" && !strings.HasSuffix(o.chart, ".svg"):
		return fail(exitUsage, hint, fmt.Errorf("--chart: %s does not end in .svg", o.chart))
	}
	return nil
}

// evaluation is a run of the command: what it was asked, what it has read, and
// how it tells that it is still there.
type evaluation struct {
	evalOptions
	sets  []eval.Set
	crowd []*catalog.Tool
	show  func(format string, args ...any)
}

// evalReport is everything that a run found out.
type evalReport struct {
	eval.Report
	Settings string         `json:"settings"`
	Compare  *comparison    `json:"compare,omitempty"`
	Foreign  []eval.Foreign `json:"foreign,omitempty"`
	Misses   []miss         `json:"misses,omitempty"`
	Chart    []chartPoint   `json:"chart,omitempty"`
}

func runEval(ctx context.Context, e *env, o evalOptions) error {
	ev := &evaluation{evalOptions: o}
	if err := ev.load(); err != nil {
		return err
	}
	for _, s := range ev.sets {
		if len(s.Absent) > 0 {
			fmt.Fprintf(e.err, "router: set %s: its catalogue lacks %s: %s\n", s.Name, count(len(s.Absent), "wanted tool"), namesUpTo(s.Absent, 3))
		}
	}
	show, end := progressLine(e.err)
	ev.show = show
	report, err := ev.run(ctx)
	end()
	if err != nil {
		return err
	}
	if e.json {
		return printJSON(e.out, report)
	}
	return printEval(e.out, report, o)
}

// load reads the sets and the crowd.
func (ev *evaluation) load() (err error) {
	names := map[string]bool{}
	for _, dir := range ev.dirs {
		s, err := eval.Load(dir)
		if errors.Is(err, fs.ErrNotExist) {
			return fail(exitUsage, "a set is a folder with tools.jsonl and queries.jsonl", fmt.Errorf("read set: %w", err))
		}
		if err != nil {
			return fmt.Errorf("read set: %w", err)
		}
		if names[s.Name] {
			s.Name = dir // two folders of one name
		}
		names[s.Name] = true
		ev.sets = append(ev.sets, s)
	}
	if ev.distractors == "" {
		return nil
	}
	ev.crowd, err = eval.LoadTools(ev.distractors)
	if errors.Is(err, fs.ErrNotExist) {
		return fail(exitUsage, "", fmt.Errorf("read distractors: %w", err))
	}
	if err != nil {
		return fmt.Errorf("read distractors: %w", err)
	}
	return nil
}

// run scores all that was asked for.
func (ev *evaluation) run(ctx context.Context) (r evalReport, err error) {
	r.Settings = defaultSetting
	results, err := ev.score(ctx, defaultSetting)
	if err != nil {
		return r, err
	}
	r.Report = eval.NewReport(results)
	if ev.misses {
		r.Misses = missesOf(results, ev.limit)
	}
	if ev.compare != "" {
		others, err := ev.score(ctx, ev.compare)
		if err != nil {
			return r, err
		}
		if r.Compare, err = compareAll(ev.compare, results, others); err != nil {
			return r, err
		}
	}
	if ev.foreign {
		if r.Foreign, err = ev.askForeign(ctx); err != nil {
			return r, err
		}
	}
	if ev.chart != "" {
		r.Chart, err = ev.draw(ctx)
	}
	return r, err
}

// score runs every set, in its crowd, with one setting.
func (ev *evaluation) score(ctx context.Context, setting string) ([]eval.Result, error) {
	var results []eval.Result
	for _, s := range ev.sets {
		r, err := ev.scoreOne(ctx, setting, s.With(ev.crowd), eval.Options{Limit: ev.limit})
		if err != nil {
			return nil, err
		}
		results = append(results, r)
	}
	return results, nil
}

// scoreOne runs one set, as it is, with one setting.
func (ev *evaluation) scoreOne(ctx context.Context, setting string, s eval.Set, o eval.Options) (eval.Result, error) {
	ev.show("%s, %s: indexing %s", s.Name, setting, count(len(s.Tools), "tool"))
	r, err := openEvalRouter(ctx, setting, s.Tools)
	if err != nil {
		return eval.Result{}, fmt.Errorf("set %s: %w", s.Name, err)
	}
	var shown time.Time
	o.Progress = func(done, total int) {
		if time.Since(shown) < 100*time.Millisecond {
			return // writing takes longer than a search
		}
		shown = time.Now()
		ev.show("%s, %s, %s: %s of %s asked", s.Name, setting, count(len(s.Tools), "tool"), thousands(done), thousands(total))
	}
	res, err := eval.Run(ctx, s, r.search, o)
	return res, errors.Join(err, r.close())
}

// askForeign asks every set's queries of every set's tools, the own ones
// included: there nothing is the wrong answer, and what a threshold costs shows.
func (ev *evaluation) askForeign(ctx context.Context) (out []eval.Foreign, err error) {
	for _, of := range ev.sets {
		r, err := openEvalRouter(ctx, defaultSetting, of.Tools)
		if err != nil {
			return nil, fmt.Errorf("set %s: %w", of.Name, err)
		}
		for _, s := range ev.sets {
			ev.show("queries of %s to the tools of %s", s.Name, of.Name)
			f, err := eval.Ask(ctx, s, of, r.search)
			if err != nil {
				return nil, errors.Join(err, r.close())
			}
			out = append(out, f)
		}
		if err := r.close(); err != nil {
			return nil, err
		}
	}
	return out, nil
}
