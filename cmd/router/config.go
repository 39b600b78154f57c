package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

func newConfigCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "Check, show or find the config file",
		Long:  "Check, show or find the config file.\n\n" + exitCodesHelp,
		Args:  usage(cobra.NoArgs),
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(
		&cobra.Command{
			Use:     "check",
			Short:   "Read the config and say every mistake with its place",
			Example: "  router config check --config ./config.yaml",
			Args:    usage(cobra.NoArgs),
			RunE:    func(*cobra.Command, []string) error { return runConfigCheck(e) },
		},
		&cobra.Command{
			Use:     "show",
			Short:   "Print the config in force, secrets left out",
			Example: "  router config show --json",
			Args:    usage(cobra.NoArgs),
			RunE:    func(*cobra.Command, []string) error { return runConfigShow(e) },
		},
		&cobra.Command{
			Use:     "path",
			Short:   "Print which file is read",
			Example: "  $EDITOR \"$(router config path)\"",
			Args:    usage(cobra.NoArgs),
			RunE:    func(*cobra.Command, []string) error { return runConfigPath(e) },
		},
	)
	return c
}

func runConfigCheck(e *env) error {
	cfg, err := e.config(nil)
	if err != nil {
		return err
	}
	for _, w := range cfg.Warnings {
		fmt.Fprintf(e.err, "router: warning: %s\n", w)
	}
	if e.json {
		return printJSON(e.out, map[string]any{"file": cfg.Path, "servers": len(cfg.Servers), "warnings": cfg.Warnings})
	}
	if cfg.Path == "" {
		fmt.Fprintln(e.out, "no config file: defaults, no servers")
		return nil
	}
	fmt.Fprintf(e.out, "%s is good: %s\n", cfg.Path, count(len(cfg.Servers), "server"))
	return nil
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
		_, statErr := os.Stat(path)
		return printJSON(e.out, map[string]any{"path": path, "exists": statErr == nil})
	}
	fmt.Fprintln(e.out, path)
	return nil
}
