package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"toolrouter/configs"
	"toolrouter/internal/catalog"
	"toolrouter/internal/demo"
)

func newDemoCommand(e *env) *cobra.Command {
	var o demoOptions
	c := &cobra.Command{
		Use:   "demo",
		Short: "A first look with nothing installed",
		Long: `Start the bundled MCP servers as real child processes, serve them, make a search
and a call before your eyes and tell what a client saves. The endpoint then stays
up, to connect a client to; --once ends instead.

` + exitCodesHelp,
		Example: `  router demo
  router demo --once
  router demo --catalog tools.jsonl.gz        search a recorded catalogue of thousands`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return runDemo(c.Context(), e, o) },
	}
	c.Flags().BoolVar(&o.once, "once", false, "end after the search and the call")
	c.Flags().StringVar(&o.catalog, "catalog", "", "also serve the recorded tools of `FILE` (JSON lines, may be gzipped)")
	c.Flags().StringVar(&o.query, "query", "what time is it in Tokyo", "what to search for")
	c.Flags().StringVar(&o.listen, "listen", "127.0.0.1:7411", "listen on `ADDR`; any free port if it is taken")
	return c
}

// newDemoServerCommand is the child's side: one bundled server on stdin and stdout.
func newDemoServerCommand(e *env) *cobra.Command {
	return &cobra.Command{
		Use:    "demo-server NAME [ARG …]",
		Short:  "Run one bundled MCP server on stdin and stdout",
		Hidden: true,
		Args:   wants(1, 0, "the name of a server"),
		RunE: func(c *cobra.Command, args []string) error {
			return demo.Run(c.Context(), args[0], args[1:], e.in, e.out)
		},
	}
}

type demoOptions struct {
	once    bool
	catalog string
	query   string
	listen  string
}

func runDemo(ctx context.Context, e *env, o demoOptions) error {
	dir, cleanUp, err := demoDir(e.stateDir)
	if err != nil {
		return err
	}
	defer cleanUp()
	cfg, err := demoConfig(e, dir, o)
	if err != nil {
		return err
	}
	a, err := openApp(ctx, cfg, e.logger(cfg))
	if err != nil {
		return err
	}
	defer a.close()
	a.tidy(ctx)
	ln, err := net.Listen("tcp", o.listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		ln, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		return err
	}
	control, err := listenControl(cfg)
	if err != nil {
		ln.Close()
		return err
	}
	a.address = ln.Addr().String()
	a.changed = make(chan catalog.Server, 4096)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	return a.run(ctx,
		func(ctx context.Context) error { return a.endpoint.Serve(ctx, ln) },
		func(ctx context.Context) error { return a.endpoint.ServeControl(ctx, control) },
		func(ctx context.Context) error {
			out := e.out
			if e.json { // the tour is told all the same, beside the facts
				out = e.err
			}
			facts, err := a.show(ctx, out, e.err, o)
			if err != nil {
				return err
			}
			if e.json {
				err = printJSON(e.out, facts)
			}
			if o.once || err != nil {
				stop()
				return err
			}
			a.howToConnect(out)
			<-ctx.Done()
			return nil
		})
}

// demoDir is where the demo keeps its state: the folder that was asked for, or
// one that goes when it ends.
func demoDir(asked string) (dir string, cleanUp func(), err error) {
	if asked != "" {
		dir, err = filepath.Abs(asked)
		return dir, func() {}, err
	}
	dir, err = os.MkdirTemp("", "router-demo-")
	if err != nil {
		return "", nil, err
	}
	return dir, func() { os.RemoveAll(dir) }, nil
}

func demoConfig(e *env, dir string, o demoOptions) (*configs.Config, error) {
	bin, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	servers, err := demo.Specs(bin, dir, o.catalog)
	if err != nil {
		return nil, err
	}
	cfg := configs.Default()
	cfg.State = dir
	cfg.Log.Level = cmp.Or(e.logLevel, "warn")
	cfg.Log.Format = cmp.Or(e.logFormat, cfg.Log.Format)
	for _, s := range servers {
		cfg.Servers = append(cfg.Servers, configs.Server{Name: s.Name, Command: s.Command})
	}
	return cfg, nil
}

// demoFacts is what the tour found, in bytes.
type demoFacts struct {
	URL         string `json:"url"`
	Tools       int    `json:"tools"`
	DirectBytes int    `json:"direct_bytes"` // the definitions of all tools
	RouterBytes int    `json:"router_bytes"` // those of the two
	SearchBytes int    `json:"search_bytes"` // one search's answer, as the model reads it
}

// show is the tour: the servers come up, then a client looks, searches and calls.
func (a *app) show(ctx context.Context, out, progress io.Writer, o demoOptions) (*demoFacts, error) {
	if err := a.showStart(ctx, out, progress); err != nil {
		return nil, err
	}
	c := &demoClient{url: "http://" + a.address + "/mcp"}
	list, err := c.request(ctx, "tools/list", map[string]any{})
	if err != nil {
		return nil, err
	}
	all := 0
	for t := range a.router.Snapshot().All() {
		all += len(t.Definition) + 1
	}
	fmt.Fprintf(out, "\n%s\n", bold(out, "A client connects and lists the tools:"))
	fmt.Fprintf(out, "  2 tools, %s bytes (about %s tokens), where the %s behind them take %s bytes (%s tokens)\n",
		thousands(len(list)), thousands(len(list)/4), count(a.router.Snapshot().Len(), "tool"), thousands(all), thousands(all/4))

	answer, err := c.tool(ctx, out, "search_tools", map[string]any{"query": o.query, "limit": 3})
	if err != nil {
		return nil, err
	}
	if _, err := c.tool(ctx, out, "call_tool", map[string]any{"name": "time__current_time", "arguments": map[string]any{"timezone": "Asia/Tokyo"}}); err != nil {
		return nil, err
	}
	used := len(list) + len(answer)
	fmt.Fprintf(out, "\n%s\n", bold(out, "What that saved:"))
	fmt.Fprintf(out, "  %s of definitions and search instead of %s: %s\n", tokens(used), tokens(all), saved(used, all))
	return &demoFacts{URL: c.url, Tools: a.router.Snapshot().Len(), DirectBytes: all, RouterBytes: len(list), SearchBytes: len(answer)}, nil
}

// maxListed is how many servers get a line each as they come up.
const maxListed = 20

// showStart waits for the servers and shows how they come up: each on a line, or
// so many of them as a number that grows, and then those that did not.
func (a *app) showStart(ctx context.Context, out, progress io.Writer) error {
	fmt.Fprintln(out, bold(out, "Starting the bundled MCP servers, each a child process:"))
	all := a.backends.Servers()
	width := nameWidth(all)
	if len(all) <= maxListed {
		return a.awaitBackends(ctx, func(s catalog.Server, after time.Duration) { fmt.Fprintln(out, "  "+settledLine(s, width, after)) })
	}
	show, end := progressLine(progress)
	began, ready, tools := time.Now(), 0, 0
	var failed []string
	err := a.awaitBackends(ctx, func(s catalog.Server, after time.Duration) {
		if s.LastError != "" {
			failed = append(failed, settledLine(s, width, after))
			return
		}
		ready, tools = ready+1, tools+s.Tools
		show("%s of %s ready, %s", thousands(ready), count(len(all), "server"), count(tools, "tool"))
	})
	end()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "  %s ready, %s, %.0f s\n", count(ready, "server"), count(tools, "tool"), time.Since(began).Seconds())
	for _, line := range failed {
		fmt.Fprintln(out, "  "+line)
	}
	return nil
}

func tokens(bytes int) string { return thousands(bytes/4) + " tokens" }

// saved compares honestly: with a handful of small tools there is nothing to save.
func saved(used, all int) string {
	if used >= all {
		return "nothing yet, for these tools are few and small; a real one is 400 tokens on average, so it begins at three"
	}
	return fmt.Sprintf("%.1f %% less, before the first call of every conversation", 100*(1-float64(used)/float64(all)))
}

func (a *app) howToConnect(w io.Writer) {
	url := "http://" + a.address + "/mcp"
	fmt.Fprintf(w, "\n%s %s\n", bold(w, "The endpoint stays up:"), url)
	fmt.Fprintf(w, "  Claude Code   claude mcp add --transport http router %s\n", url)
	fmt.Fprintf(w, "  Cursor        {\"mcpServers\": {\"router\": {\"url\": %q}}}   in ~/.cursor/mcp.json\n", url)
	fmt.Fprintf(w, "  VS Code       code --add-mcp '{\"name\":\"router\",\"type\":\"http\",\"url\":%q}'\n", url)
	fmt.Fprintf(w, "  Codex         codex mcp add router --url %s\n", url)
	fmt.Fprintf(w, "  a shell       %s --state %s search 'your need in plain words'\n", selfCommand(), a.cfg.State)
	fmt.Fprintf(w, "Ctrl-C ends it.\n")
}

// selfCommand is how a person starts this program from a shell again.
func selfCommand() string {
	self, err := os.Executable()
	if err != nil {
		return "router"
	}
	if found, err := exec.LookPath("router"); err == nil && sameFile(found, self) {
		return "router"
	}
	if strings.Contains(self, string(filepath.Separator)+"go-build") { // gone with "go run"
		return "go run ./cmd/router"
	}
	if strings.ContainsAny(self, " '\"$&()") {
		return strconv.Quote(self)
	}
	return self
}

// demoClient is a client reduced to what the tour needs: one JSON-RPC request
// over HTTP at a time, without a session.
type demoClient struct {
	url string
	id  int
}

// request makes one request and gives its result as it came.
func (c *demoClient) request(ctx context.Context, method string, params any) (json.RawMessage, error) {
	c.id++
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": c.id, "method": method, "params": params})
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var reply struct {
		Result json.RawMessage   `json:"result"`
		Error  *catalog.RPCError `json:"error"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 64<<20)).Decode(&reply); err != nil {
		return nil, fmt.Errorf("%s answered %s: %w", method, resp.Status, err)
	}
	if reply.Error != nil {
		return nil, fmt.Errorf("%s: %w", method, reply.Error)
	}
	return reply.Result, nil
}

// tool calls one of the two tools, shows request and answer, and gives what the
// model gets to read of it.
func (c *demoClient) tool(ctx context.Context, w io.Writer, name string, args map[string]any) (text string, err error) {
	shown, err := json.Marshal(args)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(w, "\n%s\n", bold(w, "> "+name+string(shown)))
	began := time.Now()
	raw, err := c.request(ctx, "tools/call", map[string]any{"name": name, "arguments": args})
	if err != nil {
		return "", err
	}
	took := time.Since(began)
	text, isError := resultText(raw)
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		fmt.Fprintln(w, "  "+terminalSafe(w, line))
	}
	fmt.Fprintf(w, "  (%s, %.1f ms)\n", tokens(len(text)), float64(took.Microseconds())/1000)
	if isError {
		return "", errors.New("the tool answered with an error")
	}
	return text, nil
}
