package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"toolrouter/configs"
)

// Exit codes, told in every command's help.
const (
	exitFailed    = 1
	exitUsage     = 2 // wrong usage or config
	exitNotOurs   = 3 // no running router, or the state directory is another's
	exitDenied    = 4 // denied by policy
	exitToolError = 5 // the tool returned an error

	exitUnread = 128 + 13 // what a shell makes of a program that a closed pipe has ended
)

const exitCodesHelp = `Exit codes: 0 done; 1 failed; 2 wrong usage or config; 3 no running router,
or the state directory is another's; 4 denied by policy; 5 the tool returned an error.`

// exitError is an error with the status the process ends with and, if there is
// one, the next step for the person who sees it.
type exitError struct {
	code int
	hint string
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// fail wraps an error with an exit status and a hint ("" for none).
func fail(code int, hint string, err error) error { return &exitError{code, hint, err} }

// errSilent ends the process without a message: everything has been said.
var errSilent = errors.New("")

// env is what every command gets: the global flags and the process's streams.
type env struct {
	in       io.Reader
	out, err io.Writer

	configPath string
	stateDir   string
	logLevel   string
	logFormat  string
	json       bool

	level slog.LevelVar // of the logger
}

// run is the whole program but for the process around it.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	e := &env{in: in, out: out, err: errOut}
	root := newRootCommand(e)
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	return report(ctx, root.ExecuteContext(ctx), errOut)
}

// errInterrupted takes the place of how an interruption looks from inside.
var errInterrupted = errors.New("interrupted")

// interrupted reports whether an error is nothing but that the program was told
// to end.
func interrupted(ctx context.Context, err error) bool {
	return ctx.Err() != nil && !errors.Is(err, errInterrupted) &&
		(errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx)))
}

// report prints an error in the program's one form and gives the exit status.
func report(ctx context.Context, err error, errOut io.Writer) int {
	switch {
	case errors.Is(context.Cause(ctx), errUnread):
		return exitUnread
	case err == nil:
		return 0
	case interrupted(ctx, err):
		err = errInterrupted
	}
	code, hint := exitFailed, ""
	if coded, ok := errors.AsType[*exitError](err); ok {
		code, hint = coded.code, coded.hint
	}
	if !errors.Is(err, errSilent) {
		for line := range lines(err.Error()) {
			fmt.Fprintf(errOut, "router: %s\n", terminalSafe(errOut, line))
		}
	}
	if hint != "" {
		fmt.Fprintf(errOut, "router: hint: %s\n", terminalSafe(errOut, hint))
	}
	return code
}

func newRootCommand(e *env) *cobra.Command {
	printVersion := false
	root := &cobra.Command{
		Use:   "router",
		Short: "One MCP endpoint in front of every MCP server you use",
		Long: `router is one MCP endpoint in front of any number of MCP servers. Your AI client
sees two tools, search_tools and call_tool, whatever is behind it: it finds the
few tools that fit a need, and loads a schema only when it wants one.

` + exitCodesHelp,
		Example: `  router demo                                  a first look, nothing to install
  router add files -- npx -y @modelcontextprotocol/server-filesystem ~/notes
  router serve                                 then connect a client to http://127.0.0.1:7411/mcp`,
		Args:              knownCommand,
		PersistentPreRunE: func(*cobra.Command, []string) error { return e.checkFlags() },

		RunE: func(c *cobra.Command, _ []string) error {
			if printVersion {
				return runVersion(e)
			}
			return c.Help()
		},
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.Flags().BoolVar(&printVersion, "version", false, "print the version")
	f := root.PersistentFlags()
	f.StringVar(&e.configPath, "config", "", "config `FILE` to read (default: $ROUTER_CONFIG, or toolrouter/config.yaml in the user's config directory)")
	f.StringVar(&e.stateDir, "state", "", "folder `DIR` for the catalogue, the index and the control socket")
	f.BoolVar(&e.json, "json", false, "print facts as JSON")
	f.StringVar(&e.logLevel, "log-level", "", "log from `LEVEL` on: debug, info, warn or error (default info)")
	f.StringVar(&e.logFormat, "log-format", "", "log as `FORMAT`: text or json (default text)")
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(
		newDemoCommand(e), newServeCommand(e), newStdioCommand(e),
		newSearchCommand(e), newCallCommand(e), newStatusCommand(e),
		newAddCommand(e), newRemoveCommand(e), newEnableCommand(e), newDisableCommand(e),
		newReindexCommand(e), newEvalCommand(e), newConfigCommand(e), newVersionCommand(e), newDemoServerCommand(e),
	)
	return root
}

// flagError says what is wrong with a flag, without how Go reads numbers.
func flagError(c *cobra.Command, err error) error {
	if m := unreadValue.FindStringSubmatch(err.Error()); m != nil {
		what := map[string]string{"Int": "no whole number", "Bool": "neither true nor false"}[m[3]]
		err = fmt.Errorf("%s: %q is %s", m[2], m[1], what)
	}
	return fail(exitUsage, fmt.Sprintf("%q shows the flags", c.CommandPath()+" --help"), err)
}

var unreadValue = regexp.MustCompile(`^invalid argument "(.*)" for "(?:-., )?(.*)" flag: strconv\.Parse(Int|Bool): `)

// knownCommand refuses what is no command, with the ones it may have meant.
func knownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := fmt.Sprintf("%q lists the commands", c.CommandPath()+" --help")
	for _, distance := range []int{1, 2} { // the nearest first
		c.SuggestionsMinimumDistance = distance
		if near := c.SuggestionsFor(args[0]); len(near) > 0 {
			hint = fmt.Sprintf("did you mean %q?", c.CommandPath()+" "+near[0])
			break
		}
	}
	return fail(exitUsage, hint, fmt.Errorf("unknown command %q", args[0]))
}

// checkFlags refuses values of the global flags, also for commands that log nothing.
func (e *env) checkFlags() error {
	for _, f := range []struct {
		name, value string
		allowed     []string
	}{{"--log-level", e.logLevel, configs.LogLevels}, {"--log-format", e.logFormat, configs.LogFormats}} {
		if f.value != "" && !slices.Contains(f.allowed, f.value) {
			return fail(exitUsage, "", fmt.Errorf("%s: %q is none of %s", f.name, f.value, strings.Join(f.allowed, ", ")))
		}
	}
	return nil
}

// helpHint points to a command's help.
func helpHint(c *cobra.Command) string {
	return fmt.Sprintf("%q shows how it is used", c.CommandPath()+" --help")
}

// noArguments refuses every argument, of which a file is mostly meant as a config.
func noArguments(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := helpHint(c)
	if info, err := os.Stat(args[0]); err == nil && info.Mode().IsRegular() {
		hint = fmt.Sprintf("a config file is given as %s --config %s", c.CommandPath(), args[0])
	}
	return fail(exitUsage, hint, fmt.Errorf("%s takes no arguments; what is %q for?", c.Name(), args[0]))
}

// wants is the check of a command that takes at least, and unless most is 0 at
// most, so many arguments.
func wants(least, most int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return fail(exitUsage, helpHint(c), fmt.Errorf("%s wants %s", c.Name(), what))
		case most > 0 && len(args) > most:
			return fail(exitUsage, helpHint(c), fmt.Errorf("%s wants %s alone; what is %q for?", c.Name(), what, args[most]))
		}
		return nil
	}
}

// state is the state directory, also where the rest of the config is broken.
func (e *env) state() (string, error) {
	return configs.StateDir(configs.LoadOptions{Path: e.configPath, Environ: os.Environ(), Overrides: map[string]string{"state": e.stateDir}})
}

// warnLines prints a warning of several lines.
func (e *env) warnLines(warning string, err error) {
	fmt.Fprintf(e.err, "router: warning: %s:\n", warning)
	for line := range lines(err.Error()) {
		fmt.Fprintf(e.err, "router:   %s\n", line)
	}
}

// warn prints what is odd about a config.
func (e *env) warn(cfg *configs.Config) {
	for _, w := range cfg.Warnings {
		fmt.Fprintf(e.err, "router: warning: %s\n", w)
	}
}

// config loads the configuration: file, then environment, then flags.
func (e *env) config(overrides map[string]string) (*configs.Config, error) {
	set := map[string]string{}
	for key, value := range map[string]string{"state": e.stateDir, "log.level": e.logLevel, "log.format": e.logFormat} {
		if value != "" {
			set[key] = value
		}
	}
	for key, value := range overrides {
		if value != "" {
			set[key] = value
		}
	}
	cfg, err := configs.Load(configs.LoadOptions{Path: e.configPath, Environ: os.Environ(), Overrides: set})
	if err != nil {
		return nil, fail(exitUsage, "", err)
	}
	return cfg, nil
}

// configFile is where the config file is, or would be.
func (e *env) configFile() (string, error) {
	path := cmp.Or(e.configPath, os.Getenv("ROUTER_CONFIG"))
	if path != "" {
		return filepath.Abs(path)
	}
	return configs.DefaultPath(os.Environ())
}

// logger writes to standard error, in every mode: standard output belongs to
// facts, or in stdio mode to the protocol.
func (e *env) logger(cfg *configs.Config) *slog.Logger {
	_ = e.level.UnmarshalText([]byte(cfg.Log.Level)) // checked with the configuration
	o := &slog.HandlerOptions{Level: &e.level}
	if cfg.Log.Format == "json" {
		return slog.New(slog.NewJSONHandler(e.err, o))
	}
	return slog.New(slog.NewTextHandler(e.err, o))
}
