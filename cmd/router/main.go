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
	"errors"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(process(os.Args[1:])) }

// process is the program with the streams and signals of the process.
func process(args []string) int {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		signals = append(signals, syscall.SIGHUP) // the terminal was closed
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	defer stop()
	context.AfterFunc(ctx, stop) // the second signal ends the process at once
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	// Nobody reads the channel: that the signal is asked for makes writing into a
	// closed pipe an error, where it would end the process before it has tidied up.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	return run(ctx, args, os.Stdin, stream{os.Stdout, end}, stream{os.Stderr, end})
}

// errUnread ends a program whose output nobody reads any more, as in
// "router demo | head -1".
var errUnread = errors.New("nobody reads the output any more")

// stream is standard output or standard error. When its reader has gone, it ends
// the program.
type stream struct {
	file *os.File
	end  context.CancelCauseFunc
}

func (s stream) Write(p []byte) (int, error) {
	n, err := s.file.Write(p)
	if errors.Is(err, syscall.EPIPE) {
		s.end(errUnread)
	}
	return n, err
}

// Stat tells what the stream leads to.
func (s stream) Stat() (os.FileInfo, error) { return s.file.Stat() }
