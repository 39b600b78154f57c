package upstream

import (
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"sync"
)

// guard outlives the router for a moment. It is a shell that is told of every
// process group, and kills the ones it knows when its input ends: the router
// may be killed in a way that leaves it no time to do so, and a server that
// npx started, or one that does not watch its input, would stay behind.
type guard struct {
	log *slog.Logger

	mu     sync.Mutex
	groups map[int]bool
	cmd    *exec.Cmd // nil when none runs
	in     io.WriteCloser
	warned bool
}

func newGuard(log *slog.Logger) *guard { return &guard{log: log, groups: map[int]bool{}} }

// guardScript reads lines "+ GROUP" and "- GROUP".
const guardScript = `trap '' INT TERM HUP QUIT
groups=
while read -r sign id; do
	case $sign in
	+) groups="$groups $id" ;;
	-) rest=
		for g in $groups; do [ "$g" = "$id" ] || rest="$rest $g"; done
		groups=$rest ;;
	esac
done
for g in $groups; do kill -s TERM -- "-$g"; done
[ -z "$groups" ] || sleep 1
for g in $groups; do kill -s KILL -- "-$g"; done
`

// add has a process group guarded.
func (g *guard) add(group int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.groups[group] = true
	g.tellLocked("+", group)
}

// remove is told when a process group is gone.
func (g *guard) remove(group int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.groups, group)
	if g.cmd != nil {
		g.tellLocked("-", group)
	}
}

// tellLocked tells the shell of a change. A shell that does not run, or no more,
// is started and told everything.
func (g *guard) tellLocked(sign string, group int) {
	if g.cmd != nil {
		if _, err := fmt.Fprintf(g.in, "%s %d\n", sign, group); err == nil {
			return
		}
		g.endLocked()
	}
	if len(g.groups) == 0 {
		return
	}
	if err := g.startLocked(); err != nil && !g.warned {
		g.warned = true
		g.log.Warn("no guard for child processes: they may stay behind if the router is killed", "err", err)
	}
}

func (g *guard) startLocked() error {
	cmd := guardCommand(guardScript)
	if cmd == nil {
		return nil
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	g.cmd, g.in = cmd, in
	for group := range g.groups {
		if _, err := fmt.Fprintf(in, "+ %d\n", group); err != nil {
			return err
		}
	}
	return nil
}

// endLocked ends the shell and reaps it.
func (g *guard) endLocked() {
	_ = g.in.Close()
	_ = g.cmd.Wait()
	g.cmd, g.in = nil, nil
}

// close ends the guard when every group is gone.
func (g *guard) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cmd != nil {
		g.endLocked()
	}
}
