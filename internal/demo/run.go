package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// A child is told which server to be by its first arguments:
//
//	router demo-server files DIR
//	router demo-server notes FILE
//	router demo-server time
//	router demo-server replay FILE
const command = "demo-server"

// Server is how to start one server.
type Server struct {
	Name    string
	Command []string // program and arguments
}

// servers are the kinds that Run knows. Each is given its one path, "" if it
// takes none, and returns when in ends or ctx does.
var servers = map[string]struct {
	path string // what the argument is called, "" if there is none
	run  func(ctx context.Context, path string, in io.Reader, out io.Writer) error
}{
	"files":  {"DIR", runFiles},
	"notes":  {"FILE", runNotes},
	"time":   {"", runTime},
	"replay": {"FILE", runReplay},
}

// Run serves MCP as the named server on in and out until in ends or ctx does.
// Nothing but protocol is written to out. It is the whole of the child process
// that a command line of [Specs] starts.
func Run(ctx context.Context, name string, args []string, in io.Reader, out io.Writer) error {
	s, ok := servers[name]
	if !ok {
		return fmt.Errorf("no demo server %q: there are files, notes, time and replay", name)
	}
	want, path := 0, ""
	if s.path != "" {
		want = 1
	}
	if len(args) != want {
		return fmt.Errorf("usage: %s", strings.TrimSpace(strings.Join([]string{command, name, s.path}, " ")))
	}
	if want == 1 {
		path = args[0]
	}
	err := s.run(ctx, path, in, out)
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return nil
	}
	return err
}

// Specs gives the command lines of the demo servers, bin being the program that
// calls Run, and lays out in dir what they work on: a folder of sample files
// (left alone if it is there already), the notes file, and the recorded lists of
// catalog, a file as described in the package comment; "" means none.
func Specs(bin, dir, catalog string) ([]Server, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("demo folder: %w", err)
	}
	files := filepath.Join(dir, "files")
	if err := layOutSamples(files); err != nil {
		return nil, fmt.Errorf("lay out sample files: %w", err)
	}
	out := []Server{
		{Name: "files", Command: []string{bin, command, "files", files}},
		{Name: "notes", Command: []string{bin, command, "notes", filepath.Join(dir, "notes.db")}},
		{Name: "time", Command: []string{bin, command, "time"}},
	}
	if catalog == "" {
		return out, nil
	}
	c, err := LoadCatalog(catalog)
	if err != nil {
		return nil, err
	}
	recorded, err := c.Split(bin, filepath.Join(dir, "replay"), "files", "notes", "time")
	if err != nil {
		return nil, err
	}
	return append(out, recorded...), nil
}

// layOutSamples fills a new folder with the sample files. One that exists is
// the user's by now.
func layOutSamples(dir string) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return err
	}
	sub, err := fs.Sub(samples, "sample")
	if err != nil {
		return err
	}
	return os.CopyFS(dir, sub)
}
