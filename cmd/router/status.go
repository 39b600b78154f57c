package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
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
	Digest  string         `json:"config_digest,omitempty"` // SHA-256 of the config file as it was read last
	Problem string         `json:"problem,omitempty"`       // why the last change of the config was not taken over
	Restart []string       `json:"needs_restart,omitempty"` // keys of the config that have changed and are not taken over without
}

type serverReport struct {
	Name      string            `json:"name"`
	State     catalog.State     `json:"state"`
	PID       int               `json:"pid"`
	Tools     int               `json:"tools"`
	Restarts  int               `json:"restarts"`
	Since     time.Time         `json:"since"`
	NextTry   time.Time         `json:"next_try,omitzero"` // when the next start is tried
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

// howToAdd is for a person who has no servers yet.
const howToAdd = `"router add NAME -- COMMAND …" or "router add NAME URL" adds one`

func newStatusCommand(e *env) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show servers, tools and index of the running router",
		Long: `Show the running router: its servers, tools and index, with a reason for
everything that is not well.

` + exitCodesHelp,
		Example: "  router status\n  router status --json | jq '.servers[] | select(.state != \"ready\")'",
		Args:    noArguments,
		RunE:    func(c *cobra.Command, _ []string) error { return runStatus(c.Context(), e) },
	}
}

func runStatus(ctx context.Context, e *env) error {
	running, state, err := e.dial(ctx)
	if err != nil {
		return err
	}
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
	fmt.Fprintf(w, "\n%s on %s; search index of %s\n", count(r.Tools, "tool"), count(r.stocked(), "server"), count(r.Index.Documents, "tool"))
	if r.Index.Remote != nil {
		fmt.Fprintln(w, r.Index.Remote.meaning(r.Index.Embedder))
	}
	if r.Problem != "" {
		fmt.Fprintf(w, "config not taken over:\n")
		for line := range lines(r.Problem) {
			fmt.Fprintf(w, "  %s\n", line)
		}
	}
	if len(r.Restart) > 0 {
		fmt.Fprintf(w, "changed in the config, and taken over by a restart: %s\n", strings.Join(r.Restart, ", "))
	}
	if len(r.Servers) == 0 {
		fmt.Fprintln(w, "no servers yet: "+howToAdd)
		return nil
	}
	fmt.Fprintln(w)
	var rows [][]string
	for _, s := range r.Servers {
		rows = append(rows, []string{s.Name, string(s.State), fmt.Sprint(s.Tools), pid(s.PID), fmt.Sprint(s.Restarts), since(s.Since), remark(s)})
	}
	return table(w, "SERVER\tSTATE\tTOOLS\tPID\tRESTARTS\tFOR\tREMARK", rows)
}

// stocked counts the servers that have tools, as a search does.
func (r statusReport) stocked() (n int) {
	for _, s := range r.Servers {
		if s.Tools > 0 {
			n++
		}
	}
	return n
}

// remark is the reason why a server is not well, or what a person may wonder about.
func remark(s serverReport) string {
	switch {
	case s.State == catalog.Disabled:
		return fmt.Sprintf(`switched off; "router enable %s" switches it on`, s.Name)
	case s.State == catalog.NeedsSignIn:
		return strings.TrimSuffix(catalog.FirstSentence(s.LastError, 160), ".") + `; a token in the config signs in: headers: ["Authorization=Bearer …"]`
	case s.LastError != "" && time.Until(s.NextTry) > time.Second:
		return fmt.Sprintf("%s (next try in %s)", catalog.FirstSentence(s.LastError, 160), time.Until(s.NextTry).Round(time.Second))
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
