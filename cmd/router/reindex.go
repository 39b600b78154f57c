package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

func newReindexCommand(e *env) *cobra.Command {
	return &cobra.Command{
		Use:   "reindex",
		Short: "Rebuild the index from the store while searches go on",
		Long: `Rebuild the index from the stored catalogue. No server is asked, and searches go
on in the old index until the new one takes its place.

` + exitCodesHelp,
		Example: "  router reindex",
		Args:    noArguments,
		RunE:    func(c *cobra.Command, _ []string) error { return runReindex(c.Context(), e) },
	}
}

func runReindex(ctx context.Context, e *env) error {
	began := time.Now()
	tools := 0
	show, end := progressLine(e.err)
	err := e.withRouter(ctx, needNothing, func(ctx context.Context, d doer) error {
		return d.Reindex(ctx, func(done, total int) {
			tools = total
			show("indexed %s of %s", thousands(done), count(total, "tool"))
		})
	})
	end()
	if err != nil {
		return err
	}
	took := time.Since(began)
	if e.json {
		return printJSON(e.out, map[string]any{"tools": tools, "took_ms": took.Milliseconds()})
	}
	fmt.Fprintf(e.out, "indexed %s in %.1f s\n", count(tools, "tool"), took.Seconds())
	return nil
}
