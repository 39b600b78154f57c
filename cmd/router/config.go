package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"toolrouter/configs"
)

func newConfigCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "Check, show or find the config file",
		Long:  "Check, show or find the config file.\n\n" + exitCodesHelp,
		Args:  knownCommand,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(
		&cobra.Command{
			Use:     "check",
			Short:   "Read the config and say every mistake with its place",
			Long:    "Read the config and say every mistake with its place.\n\n" + exitCodesHelp,
			Example: "  router config check --config ./config.yaml",
			Args:    noArguments,
			RunE:    func(*cobra.Command, []string) error { return runConfigCheck(e) },
		},
		&cobra.Command{
			Use:   "show",
			Short: "Print the config in force, secrets left out",
			Long: `Print the config in force, secrets left out. "…" stands for

  * every value of env and headers, and the key of an embeddings endpoint
  * everything that ${…} was replaced in
  * in URLs: user and password, the query, the fragment, and parts of the path that
    look like a key
  * in the arguments of commands: what follows a flag or a name with key, token,
    secret, passw, auth, cookie or credential in it, what -e, --env, -H and --header
    give, bearer values, and what looks like a key

What looks like a key begins like one of a well-known service, is a UUID, or has a
part of at least twelve characters that mixes digits and letters. A secret that
looks like a plain word is shown: write ${secret:NAME} in its place.

` + exitCodesHelp,
			Example: "  router config show --json",
			Args:    noArguments,
			RunE:    func(*cobra.Command, []string) error { return runConfigShow(e) },
		},
		&cobra.Command{
			Use:     "path",
			Short:   "Print which file is read",
			Long:    "Print which file is read.\n\n" + exitCodesHelp,
			Example: "  $EDITOR \"$(router config path)\"",
			Args:    noArguments,
			RunE:    func(*cobra.Command, []string) error { return runConfigPath(e) },
		},
	)
	return c
}

func runConfigCheck(e *env) error {
	cfg, err := e.config(nil)
	if err != nil && e.json {
		return e.printMistakes(err)
	}
	if err != nil {
		return err
	}
	e.warn(cfg)
	if e.json {
		warnings := append([]string{}, cfg.Warnings...) // [] and not null
		return printJSON(e.out, map[string]any{"file": cfg.Path, "exists": exists(cfg.Path), "servers": len(cfg.Servers), "warnings": warnings, "mistakes": []any{}})
	}
	if !exists(cfg.Path) {
		fmt.Fprintf(e.out, "no config file %s: the defaults hold, no servers\n", cfg.Path)
		return nil
	}
	fmt.Fprintf(e.out, "%s is good: %s\n", cfg.Path, count(len(cfg.Servers), "server"))
	return nil
}

// printMistakes prints as JSON why there is no config.
func (e *env) printMistakes(err error) error {
	mistakes, ok := errors.AsType[configs.Mistakes](err)
	if !ok {
		mistakes = configs.Mistakes{{Text: err.Error()}}
	}
	path, _ := e.configFile() // "" if there is no place for one
	report := map[string]any{"file": path, "exists": exists(path), "mistakes": mistakes}
	if err := printJSON(e.out, report); err != nil {
		return err
	}
	return fail(exitUsage, "", errSilent)
}

func runConfigShow(e *env) error {
	cfg, err := e.config(nil)
	if err != nil {
		return err
	}
	shown := cfg.Redacted()
	if e.json {
		return printJSON(e.out, shown)
	}
	text, err := shown.YAML()
	if err != nil {
		return err
	}
	_, err = e.out.Write(text)
	return err
}

func runConfigPath(e *env) error {
	path, err := e.configFile()
	if err != nil {
		return fail(exitUsage, "", err)
	}
	if e.json {
		return printJSON(e.out, map[string]any{"path": path, "exists": exists(path)})
	}
	fmt.Fprintln(e.out, path)
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
