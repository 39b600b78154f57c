package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"toolrouter/configs"
)

func newAddCommand(e *env) *cobra.Command {
	var entry configs.Server
	c := &cobra.Command{
		Use:   "add NAME -- COMMAND [ARG …]  |  add NAME URL",
		Short: "Add a server to the config file",
		Long: `Add a server to the config file, leaving every other byte of it alone. A running
router takes it over at once.

` + exitCodesHelp,
		Example: `  router add files -- npx -y @modelcontextprotocol/server-filesystem ~/notes
  router add github https://api.example.com/mcp/ --header 'Authorization=Bearer ${GITHUB_TOKEN}'
  router add db --env 'DB_URL=${DB_URL}' -- db-mcp --read-only`,
		Args: usage(func(_ *cobra.Command, args []string) error {
			if len(args) < 2 {
				return errors.New("add wants a name, and a command or a URL")
			}
			return nil
		}),
		RunE: func(c *cobra.Command, args []string) error {
			entry.Name = args[0]
			if err := addressed(&entry, args[1:], c.ArgsLenAtDash() == 1); err != nil {
				return err
			}
			return e.edit("added "+entry.Name, func(path string) error { return configs.Add(path, entry) })
		},
	}
	f := c.Flags()
	f.StringArrayVar(&entry.Env, "env", nil, "environment variable `KEY=value` of the command; repeatable")
	f.StringArrayVar(&entry.Headers, "header", nil, "HTTP header `Name=value` sent to the URL; repeatable")
	f.StringVar(&entry.Dir, "dir", "", "run the command in the folder `DIR`")
	f.StringVar(&entry.Type, "type", "", "transport: stdio, http or sse (default: what fits)")
	return c
}

// addressed fills in how the server is reached.
func addressed(entry *configs.Server, rest []string, dash bool) error {
	scheme, _, isURL := strings.Cut(rest[0], "://")
	switch {
	case dash || !isURL:
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

func newRemoveCommand(e *env) *cobra.Command {
	return &cobra.Command{
		Use:     "remove NAME",
		Aliases: []string{"rm"},
		Short:   "Remove a server from the config file",
		Long:    "Remove a server from the config file, leaving every other byte of it alone.\n\n" + exitCodesHelp,
		Example: "  router remove files",
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			return e.edit("removed "+args[0], func(path string) error { return configs.Remove(path, args[0]) })
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
		Long:    short + ", leaving every other byte of the config file alone.\n\n" + exitCodesHelp,
		Example: "  router " + verb + " files",
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			return e.edit(verb+"d "+args[0], func(path string) error { return configs.SetDisabled(path, args[0], disabled) })
		},
	}
}

// edit changes the config file and says where.
func (e *env) edit(done string, change func(path string) error) error {
	path, err := e.configFile()
	if err != nil {
		return fail(exitUsage, "", err)
	}
	if err := change(path); err != nil {
		hint := ""
		if errors.Is(err, configs.ErrNoServer) {
			hint = `"router config show" lists the servers`
		}
		return fail(exitUsage, hint, err)
	}
	e.warnOfMistakes()
	if e.json {
		return printJSON(e.out, map[string]string{"done": done, "file": path})
	}
	fmt.Fprintf(e.out, "%s in %s\n", done, path)
	return nil
}

// warnOfMistakes says why a router would not take the changed file over: a
// variable that is not set, or a mistake that was in it before.
func (e *env) warnOfMistakes() {
	_, err := e.config(nil)
	if err == nil {
		return
	}
	fmt.Fprintln(e.err, "router: warning: no router takes this config over as it is:")
	for line := range lines(err.Error()) {
		fmt.Fprintf(e.err, "router:   %s\n", line)
	}
}
