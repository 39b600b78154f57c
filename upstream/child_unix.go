//go:build unix

package upstream

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
)

// sealFiles keeps from our children what our own parent left open for us. The
// files we open ourselves are sealed from the beginning.
var sealFiles = sync.OnceFunc(func() {
	entries, err := os.ReadDir("/dev/fd")
	if err != nil {
		return
	}
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
})

// processGroup is a child with all that it started.
type processGroup struct{ id int }

// prepare makes the child the leader of a group of its own.
func (*processGroup) prepare(cmd *exec.Cmd) {
	sealFiles()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}

func (g *processGroup) started(pid int) { g.id = pid }

// terminate asks every process of the group to end.
func (g *processGroup) terminate() { _ = syscall.Kill(-g.id, syscall.SIGTERM) }

// kill ends every process of the group. There may be none left.
func (g *processGroup) kill() { _ = syscall.Kill(-g.id, syscall.SIGKILL) }

// isNoProgram reports whether a file exists, but is none the system can run.
func isNoProgram(err error) bool { return errors.Is(err, syscall.ENOEXEC) }

// guardCommand is the shell that runs a guard's script, in a session of its own:
// what ends the router's group must not end it.
func guardCommand(script string) *exec.Cmd {
	cmd := exec.Command("/bin/sh", "-c", script)
	cmd.Env = []string{"PATH=/usr/bin:/bin"}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}
