// Command router is one MCP endpoint in front of any number of MCP servers. It
// shows an AI client two tools, search_tools and call_tool, whatever is behind
// it.
//
// The commands stand one to a file. Those that serve (serve, stdio, demo) build
// an [app] and run it; the others ask a running router over its control socket,
// or open the state directory themselves when none runs. Facts go to standard
// output, everything else to standard error.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal ends the process at once
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
