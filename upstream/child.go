package upstream

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// How long a child has to end: after the end of its input, and after TERM. The
// router as a whole has five seconds, and may have spent half of them on calls
// in flight.
const (
	inputGrace  = 500 * time.Millisecond
	termGrace   = time.Second
	outputGrace = 200 * time.Millisecond // for what is still in the pipe of a child that ended
)

// child is a backend's process, with everything in its process group.
type child struct {
	cmd   *exec.Cmd
	in    *os.File // its standard input
	out   *os.File // its standard output
	group processGroup
	guard *guard

	done chan struct{} // closed when it has ended, its group is gone and it is reaped
	err  error         // how it ended; valid once done is closed
	logs chan struct{} // closed when its standard error was read to the end
}

// startChild starts a child. What it writes to standard error goes to errs.
func startChild(spec Spec, errs *stderrLog, guard *guard) (*child, error) {
	cmd, err := command(spec)
	if err != nil {
		return nil, err
	}
	var pipes pipeSet
	defer pipes.closeTheirs()
	inR, inW := pipes.open(true)
	outR, outW := pipes.open(false)
	errR, errW := pipes.open(false)
	if pipes.err != nil {
		pipes.closeOurs()
		return nil, fmt.Errorf("make pipes: %w", pipes.err)
	}
	// Files, not readers and writers: Wait must not wait for a grandchild that
	// holds the other end.
	cmd.Stdin, cmd.Stdout, cmd.Stderr = inR, outW, errW
	c := &child{cmd: cmd, in: inW, out: outR, guard: guard, done: make(chan struct{}), logs: make(chan struct{})}
	c.group.prepare(cmd)
	if err := cmd.Start(); err != nil {
		pipes.closeOurs()
		return nil, startError(spec, err)
	}
	c.group.started(cmd.Process.Pid)
	guard.add(cmd.Process.Pid)
	go func() { // ends with the child's output, at the latest when wait closes it; stop waits
		defer close(c.logs)
		errs.readAll(errR)
	}()
	go c.wait(errR) // ends with the child; stop waits
	return c, nil
}

// command prepares the process: a short environment, and the program looked up
// in the path that the child will have.
func command(spec Spec) (*exec.Cmd, error) {
	env := childEnv(spec.Env)
	program, err := lookPath(spec.Command[0], env)
	if err != nil {
		return nil, startError(spec, err)
	}
	cmd := exec.Command(program, spec.Command[1:]...)
	cmd.Args[0] = spec.Command[0]
	cmd.Dir, cmd.Env = spec.Dir, env
	return cmd, nil
}

// lookPath finds a program in the PATH among env, as a shell would.
func lookPath(program string, env []string) (string, error) {
	if strings.ContainsRune(program, filepath.Separator) {
		return program, nil
	}
	for _, e := range slices.Backward(env) {
		path, ok := strings.CutPrefix(e, "PATH=")
		if !ok || path == os.Getenv("PATH") {
			continue
		}
		for _, dir := range filepath.SplitList(path) {
			if found, err := exec.LookPath(filepath.Join(dir, program)); err == nil && filepath.IsAbs(dir) {
				return found, nil
			}
		}
		return "", &exec.Error{Name: program, Err: exec.ErrNotFound}
	}
	return exec.LookPath(program)
}

// startError says why a program could not be started, and names it.
func startError(spec Spec, err error) error {
	program := spec.Command[0]
	switch {
	case spec.Dir != "" && !isDir(spec.Dir):
		err = fmt.Errorf("start %s: no directory %q to run it in", program, spec.Dir)
	case errors.Is(err, exec.ErrNotFound):
		err = fmt.Errorf("command %q was not found in the PATH", program)
	case errors.Is(err, fs.ErrNotExist):
		err = fmt.Errorf("command %q was not found, or what its first line says to run it with", program)
	case errors.Is(err, fs.ErrPermission):
		err = fmt.Errorf("command %q may not be run: %w", program, err)
	case isNoProgram(err):
		err = fmt.Errorf("command %q is no program: %w", program, err)
	default:
		return fmt.Errorf("start %s: %w", program, err)
	}
	return &permanentError{err}
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// wait reaps the child the moment it ends, and takes what is left of its group
// with it: npx and shells leave the real server behind.
func (c *child) wait(errR *os.File) {
	err := c.cmd.Wait()
	c.group.kill()
	c.guard.remove(c.cmd.Process.Pid)
	c.err = ended(err)
	// A process that left the group may hold the pipes for ever. In any case the
	// reader of out has that long for the rest.
	time.AfterFunc(outputGrace, func() {
		c.out.Close()
		errR.Close()
	})
	<-c.logs
	errR.Close()
	close(c.done)
}

// ended tells how a process ended.
func ended(err error) error {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return errors.New("the server ended (exit status 0)")
	case errors.As(err, &exit):
		err = &exitError{exit.ProcessState}
		if code := exit.ExitCode(); code == 126 || code == 127 { // a shell's "cannot run" and "not found"
			return &permanentError{err}
		}
	}
	return err
}

// exitError says how a process ended.
type exitError struct{ state *os.ProcessState }

func (e *exitError) Error() string { return fmt.Sprintf("the server ended (%s)", e.state) }

// bySignal reports whether an error is that of a process that was killed: what it
// wrote before has nothing to do with it.
func bySignal(err error) bool {
	e, ok := errors.AsType[*exitError](err)
	return ok && e.state.ExitCode() == -1
}

// stop ends the child: its input has ended already; then TERM, then KILL, each
// to the whole group. It returns when the child is reaped.
func (c *child) stop() {
	if c.endsWithin(inputGrace) {
		return
	}
	c.group.terminate()
	if c.endsWithin(termGrace) {
		return
	}
	c.group.kill()
	<-c.done
}

// why tells how the child ended, if that is why its pipes did.
func (c *child) why(err error) error {
	if c.endsWithin(outputGrace) {
		return c.err
	}
	return err
}

func (c *child) endsWithin(d time.Duration) bool {
	select {
	case <-c.done:
		return true
	case <-time.After(d):
		return false
	}
}

// pipeSet opens pipes and remembers what to close.
type pipeSet struct {
	ours, theirs []*os.File
	err          error
}

// open makes one pipe, of which the child gets the reading or the writing end.
func (s *pipeSet) open(childReads bool) (r, w *os.File) {
	if s.err != nil {
		return nil, nil
	}
	r, w, s.err = os.Pipe()
	if s.err != nil {
		return nil, nil
	}
	if childReads {
		s.ours, s.theirs = append(s.ours, w), append(s.theirs, r)
	} else {
		s.ours, s.theirs = append(s.ours, r), append(s.theirs, w)
	}
	return r, w
}

func (s *pipeSet) closeOurs() {
	for _, f := range s.ours {
		f.Close()
	}
}

func (s *pipeSet) closeTheirs() {
	for _, f := range s.theirs {
		f.Close()
	}
}
