package upstream

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// processGroup is the child alone: what it started is not known here.
type processGroup struct{ id int }

func (*processGroup) prepare(*exec.Cmd) {}

func (g *processGroup) started(pid int) { g.id = pid }

// terminate does nothing: a child is asked to end by the end of its input.
func (*processGroup) terminate() {}

func (g *processGroup) kill() {
	if p, err := os.FindProcess(g.id); err == nil {
		_ = p.Kill()
		_ = p.Release()
	}
}

// errBadExeFormat is ERROR_BAD_EXE_FORMAT.
const errBadExeFormat = syscall.Errno(193)

func isNoProgram(err error) bool { return errors.Is(err, errBadExeFormat) }

// guardCommand gives none: there are no process groups to guard.
func guardCommand(string) *exec.Cmd { return nil }
