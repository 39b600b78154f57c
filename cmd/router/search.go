package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"toolrouter/router"
	"toolrouter/router/endpoint"
)

const maxLimit = 20 // hits in one answer

func newSearchCommand(e *env) *cobra.Command {
	var q router.SearchRequest
	c := &cobra.Command{
		Use:   "search QUERY …",
		Short: "Show what an agent would find",
		Long: `Show what an agent would find for a need in plain words, keywords or a tool's name.
Without a running router the stored catalogue is searched; servers that were never
listed are started for it.

` + exitCodesHelp,
		Example: `  router search open a ticket about a broken build
  router search --limit 10 --server github 'who reviewed this'
  router search --explain 'delete a folder'`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			q.Query = strings.Join(args, " ")
			if q.Query == "" && q.Server == "" {
				return fail(exitUsage, `router search 'what you need, in plain words'`, errors.New("nothing to search for"))
			}
			if c.Flags().Changed("limit") && (q.Limit < 1 || q.Limit > maxLimit) {
				return fail(exitUsage, "", fmt.Errorf("--limit: %d is not from 1 to %d", q.Limit, maxLimit))
			}
			return runSearch(c.Context(), e, q)
		},
	}
	c.Flags().IntVar(&q.Limit, "limit", 0, "how many hits, 1 to 20 (default 5)")
	c.Flags().StringVar(&q.Server, "server", "", "only tools of this server; alone, lists them")
	c.Flags().BoolVar(&q.Explain, "explain", false, "show why each hit stands where it stands")
	return c
}

func runSearch(ctx context.Context, e *env, q router.SearchRequest) error {
	var answer endpoint.SearchAnswer
	err := e.withRouter(ctx, needTools, func(ctx context.Context, d doer) (err error) {
		answer, err = d.Search(ctx, q)
		return err
	})
	if err != nil {
		return err
	}
	if e.json {
		return printJSON(e.out, answer)
	}
	printSearch(e.out, answer, q.Explain)
	if answer.Catalog == 0 {
		e.hintToAdd()
	}
	return nil
}

// hintToAdd tells how to begin where the config has no servers.
func (e *env) hintToAdd() {
	if cfg, err := e.config(nil); err == nil && len(cfg.Servers) == 0 {
		fmt.Fprintf(e.err, "router: hint: %s\n", howToAdd)
	}
}

func printSearch(w io.Writer, a endpoint.SearchAnswer, explain bool) {
	fmt.Fprintln(w, strings.TrimRight(a.Text, "\n"))
	if !explain {
		return
	}
	for _, h := range a.Hits {
		fmt.Fprintf(w, "\n%s  %.3f\n", bold(w, h.Name), h.Score)
		for _, r := range h.Why {
			fmt.Fprintf(w, "  %-12s %+.3f  %s\n", r.Part, r.Score, r.Note)
		}
	}
}
