package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"toolrouter/configs"
	"toolrouter/internal/catalog"
)

func newAddCommand(e *env) *cobra.Command {
	var entry configs.Server
	c := &cobra.Command{
		Use:   "add NAME -- COMMAND [ARG …]  |  add NAME URL",
		Short: "Add a server to the config file",
		Long:  `Add a server to the config file, leaving every other byte of it alone.` + editHelp + exitCodesHelp,
		Example: `  router add files -- npx -y @modelcontextprotocol/server-filesystem ~/notes
  router add github https://api.example.com/mcp/ --header 'Authorization=Bearer ${GITHUB_TOKEN}'
  router add db --env 'DB_URL=${DB_URL}' -- db-mcp --read-only`,
		Args: wants(2, 0, "a name, and a command or a URL"),
		RunE: func(c *cobra.Command, args []string) error {
			entry.Name = args[0]
			if err := addressed(&entry, args[1:], c.ArgsLenAtDash()); err != nil {
				return err
			}
			if err := e.checkAdded(entry); err != nil {
				return fail(exitUsage, "", err)
			}
			return e.edit(c.Context(), "added "+entry.Name, func(path string) error { return configs.Add(path, entry) })
		},
	}
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		if strings.HasPrefix(err.Error(), "unknown") { // it belongs to the command
			return fail(exitUsage, addHint, err)
		}
		return flagError(c, err)
	})
	f := c.Flags()
	f.StringArrayVar(&entry.Env, "env", nil, "environment variable `KEY=value` of the command; repeatable")
	f.StringArrayVar(&entry.Headers, "header", nil, "HTTP header `Name=value` sent to the URL; repeatable")
	f.StringVar(&entry.Dir, "dir", "", "run the command in the folder `DIR`")
	f.StringVar(&entry.Type, "type", "", "transport: stdio, http or sse (default: what fits)")
	return c
}

const addHint = `"--" stands between the name and a command: router add NAME -- COMMAND [ARG …]`

// addressed fills in how the server is reached. dash is the number of words
// before a "--", -1 if there is none.
func addressed(entry *configs.Server, rest []string, dash int) error {
	scheme, _, isURL := strings.Cut(rest[0], "://")
	switch {
	case dash > 1:
		return fail(exitUsage, addHint, fmt.Errorf("what is %q for, before the \"--\"?", rest[:dash-1]))
	case dash == 0:
		return fail(exitUsage, addHint, errors.New("the name stands before the \"--\""))
	case dash < 0 && !isURL && len(rest) == 1 && schemeless(rest[0]):
		return fail(exitUsage, fmt.Sprintf("an address begins with http:// or https://, as in http://%s; %s", rest[0], addHint),
			fmt.Errorf("%s is no program here, and no URL", rest[0]))
	case dash == 1 || !isURL:
		entry.Command = rest
	case !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https"):
		return fail(exitUsage, "", fmt.Errorf("%s is neither an http nor an https URL", rest[0]))
	case len(rest) > 1:
		return fail(exitUsage, "", fmt.Errorf("a URL stands alone; what are %q for?", rest[1:]))
	default:
		entry.URL = rest[0]
	}
	return nil
}

// address looks like host:port, or like host/path with a dot in the host.
var address = regexp.MustCompile(`^(?:[\w.-]+|\[[0-9a-fA-F:.]+\]):\d+(?:/.*)?$|^(?:localhost|[\w-]+(?:\.[\w-]+)+)/`)

// schemeless reports whether a word is meant as a URL and lacks its beginning.
func schemeless(word string) bool {
	_, err := exec.LookPath(word)
	return err != nil && address.MatchString(word)
}

// checkAdded refuses what the config would take and nobody means.
func (e *env) checkAdded(entry configs.Server) error {
	switch {
	case entry.URL != "" && len(entry.Env) > 0:
		return errors.New("--env: a URL has no environment; --header sends something to it")
	case entry.URL != "" && entry.Dir != "":
		return errors.New("--dir: a URL runs in no folder")
	case len(entry.Command) > 0 && len(entry.Headers) > 0:
		return errors.New("--header: a command is sent no headers; --env gives it something")
	}
	for _, h := range entry.Headers {
		if name, _, ok := strings.Cut(h, "="); !ok || strings.ContainsAny(name, ": ") {
			name, _, _ = strings.Cut(name, ":")
			return fmt.Errorf("--header: want Name=value, such as --header 'Authorization=Bearer …'; %s has no = after its name", strconv.Quote(catalog.Clip(name, 40)))
		}
	}
	for _, v := range entry.Env {
		if name, _, ok := strings.Cut(v, "="); !ok || name == "" {
			return errors.New("--env: want KEY=value, such as --env 'TOKEN=${TOKEN}'")
		}
	}
	cfg, err := e.config(nil)
	if err != nil {
		cfg = configs.Default()
	}
	if cfg.Itself(entry) {
		return fmt.Errorf("add %s: this leads to the router itself; add the servers that it is to reach", entry.Name)
	}
	return nil
}

func newRemoveCommand(e *env) *cobra.Command {
	return &cobra.Command{
		Use:     "remove NAME",
		Aliases: []string{"rm"},
		Short:   "Remove a server from the config file",
		Long:    "Remove a server from the config file, leaving every other byte of it alone." + editHelp + exitCodesHelp,
		Example: "  router remove files",
		Args:    wants(1, 1, "the name of a server"),
		RunE: func(c *cobra.Command, args []string) error {
			return e.edit(c.Context(), "removed "+args[0], func(path string) error { return configs.Remove(path, args[0]) })
		},
	}
}

func newEnableCommand(e *env) *cobra.Command {
	return newSwitchCommand(e, "enable", "Switch a server on again", false)
}
func newDisableCommand(e *env) *cobra.Command {
	return newSwitchCommand(e, "disable", "Switch a server off and keep its entry", true)
}

func newSwitchCommand(e *env, verb, short string, disabled bool) *cobra.Command {
	return &cobra.Command{
		Use:     verb + " NAME",
		Short:   short,
		Long:    short + ", leaving every other byte of the config file alone." + editHelp + exitCodesHelp,
		Example: "  router " + verb + " files",
		Args:    wants(1, 1, "the name of a server"),
		RunE: func(c *cobra.Command, args []string) error {
			return e.edit(c.Context(), verb+"d "+args[0], func(path string) error { return configs.SetDisabled(path, args[0], disabled) })
		},
	}
}

// editHelp is what the commands that edit have in common.
const editHelp = `

A running router takes the change over at once, which is waited for. The file must
be YAML of the router's own: files of clients, JSON and TOML are read, never edited.

`

// edited is what an edit has done.
type edited struct {
	Done      string `json:"done"`
	File      string `json:"file"`
	TakenOver *bool  `json:"taken_over,omitempty"` // by the running router; nil without one
}

// edit changes the config file, says where, and waits for the running router.
func (e *env) edit(ctx context.Context, done string, change func(path string) error) error {
	path, err := e.configFile()
	if err != nil {
		return fail(exitUsage, "", err)
	}
	if err := change(path); err != nil {
		return fail(exitUsage, editingHint(err), err)
	}
	said := edited{Done: done, File: path}
	switch err := e.awaitTakeover(ctx, path); {
	case err == nil:
		said.TakenOver = new(true)
	case errors.Is(err, errNoneRuns):
		e.warnOfMistakes()
	default:
		said.TakenOver = new(false)
		e.warnLines("the running router has not taken it over", err)
	}
	if e.json {
		return printJSON(e.out, said)
	}
	also := ""
	if said.TakenOver != nil && *said.TakenOver {
		also = "; the running router has taken it over"
	}
	fmt.Fprintf(e.out, "%s in %s%s\n", done, path, also)
	return nil
}

// editingHint is the next step after an edit that was not done.
func editingHint(err error) string {
	switch {
	case errors.Is(err, configs.ErrNoServer):
		return `"router config show" lists the servers`
	case errors.Is(err, configs.ErrNotEditable):
		return "write the change into it with an editor; a router that runs on it takes it over. " +
			"Without --config, these commands edit the router's own YAML file"
	}
	return ""
}

// warnOfMistakes says why a router would not take the changed file over: a
// variable that is not set, or a mistake that was in it before.
func (e *env) warnOfMistakes() {
	if _, err := e.config(nil); err != nil {
		e.warnLines("no router takes this config over as it is", err)
	}
}
