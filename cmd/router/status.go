package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"toolrouter/internal/catalog"
)

// statusReport is the answer of /api/status and of "router status --json".
type statusReport struct {
	Version string         `json:"version"`
	PID     int            `json:"pid"`
	Listen  string         `json:"listen,omitempty"` // the address of the HTTP endpoint, "" if there is none
	UptimeS float64        `json:"uptime_s"`
	Tools   int            `json:"tools"`
	Servers []serverReport `json:"servers"`
	Index   indexReport    `json:"index"`
	Config  string         `json:"config,omitempty"`
	Problem string         `json:"problem,omitempty"` // why the last change of the config was not taken over
}

type serverReport struct {
	Name      string            `json:"name"`
	State     catalog.State     `json:"state"`
	PID       int               `json:"pid"`
	Tools     int               `json:"tools"`
	Restarts  int               `json:"restarts"`
	Since     time.Time         `json:"since"`
	LastError string            `json:"last_error"`
	Protocol  string            `json:"protocol,omitempty"`
	Held      map[string]string `json:"held,omitempty"` // tools that were refused, with the reason
}

type indexReport struct {
	Documents int           `json:"documents"`
	Seq       uint64        `json:"seq"`
	Embedder  string        `json:"embedder"`         // the model for meaning, and how far it is
	Remote    *remoteReport `json:"remote,omitempty"` // of an embeddings endpoint
}

func newStatusCommand(e *env) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show servers, tools and index of the running router",
		Long: `Show the running router: its servers, tools and index, with a reason for
everything that is not well.

` + exitCodesHelp,
		Example: "  router status\n  router status --json | jq '.servers[] | select(.state != \"ready\")'",
		Args:    usage(cobra.NoArgs),
		RunE:    func(c *cobra.Command, _ []string) error { return runStatus(c.Context(), e) },
	}
}

func runStatus(ctx context.Context, e *env) error {
	state, err := e.state()
	if err != nil {
		return fail(exitUsage, "", err)
	}
	running := dial(ctx, state)
	if running == nil {
		return fail(exitNotOurs, `"router serve" starts one`, fmt.Errorf("no router is running on %s", state))
	}
	defer running.Close()
	raw, err := running.Status(ctx)
	if err != nil {
		return fmt.Errorf("ask the running router: %w", told(err))
	}
	var r statusReport
	if err := json.Unmarshal(raw, &r); err != nil {
		return fmt.Errorf("read the running router's status: %w", err)
	}
	if e.json {
		return printJSON(e.out, r)
	}
	return printStatus(e.out, r)
}

func printStatus(w io.Writer, r statusReport) error {
	fmt.Fprintf(w, "%s, process %d, up %s", bold(w, "router "+r.Version), r.PID, ago(time.Duration(r.UptimeS*float64(time.Second))))
	if r.Listen != "" {
		fmt.Fprintf(w, ", http://%s/mcp", r.Listen)
	}
	fmt.Fprintf(w, "\n%s on %s; index of %s at sequence %d\n", count(r.Tools, "tool"), count(len(r.Servers), "server"),
		count(r.Index.Documents, "document"), r.Index.Seq)
	if r.Index.Remote != nil {
		fmt.Fprintln(w, r.Index.Remote.meaning(r.Index.Embedder))
	}
	if r.Problem != "" {
		fmt.Fprintf(w, "config not taken over:\n")
		for line := range lines(r.Problem) {
			fmt.Fprintf(w, "  %s\n", line)
		}
	}
	if len(r.Servers) == 0 {
		fmt.Fprintln(w, `no servers yet: "router add NAME -- COMMAND …" or "router add NAME URL" adds one`)
		return nil
	}
	fmt.Fprintln(w)
	var rows [][]string
	for _, s := range r.Servers {
		rows = append(rows, []string{s.Name, string(s.State), fmt.Sprint(s.Tools), pid(s.PID), fmt.Sprint(s.Restarts), since(s.Since), remark(s)})
	}
	return table(w, "SERVER\tSTATE\tTOOLS\tPID\tRESTARTS\tSINCE\tREMARK", rows)
}

// remark is the reason why a server is not well, or what a person may wonder about.
func remark(s serverReport) string {
	switch {
	case s.LastError != "":
		return catalog.FirstSentence(s.LastError, 160)
	case s.State == catalog.Idle:
		return "starts with its first call"
	case len(s.Held) > 0:
		return fmt.Sprintf("%s held back, see --json", count(len(s.Held), "tool"))
	}
	return ""
}

func pid(n int) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

func since(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return ago(time.Since(t))
}
