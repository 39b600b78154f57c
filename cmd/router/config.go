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
			Long:    "Read the config and say every mistake with its place.\n\n" + exitCodesHelp,
			Example: "  router config check --config ./config.yaml",
			Args:    usage(cobra.NoArgs),
			RunE:    func(*cobra.Command, []string) error { return runConfigCheck(e) },
		},
		&cobra.Command{
			Use:     "show",
			Short:   "Print the config in force, secrets left out",
			Long:    "Print the config in force, secrets left out.\n\n" + exitCodesHelp,
			Example: "  router config show --json",
			Args:    usage(cobra.NoArgs),
			RunE:    func(*cobra.Command, []string) error { return runConfigShow(e) },
		},
		&cobra.Command{
			Use:     "path",
			Short:   "Print which file is read",
			Long:    "Print which file is read.\n\n" + exitCodesHelp,
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
	e.warn(cfg)
	_, statErr := os.Stat(cfg.Path)
	if e.json {
		warnings := append([]string{}, cfg.Warnings...) // [] and not null
		return printJSON(e.out, map[string]any{"file": cfg.Path, "exists": statErr == nil, "servers": len(cfg.Servers), "warnings": warnings})
	}
	if statErr != nil {
		fmt.Fprintf(e.out, "no config file %s: the defaults hold, no servers\n", cfg.Path)
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
