//go:build unix

package upstream

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"toolrouter/internal/catalog"
)

// TestRouterKilled kills a process that runs a Manager so that it can do
// nothing any more: its children, and theirs, go all the same.
func TestRouterKilled(t *testing.T) {
	if os.Getenv("UPSTREAM_ROUTER") != "" {
		runUntilKilled(t)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestRouterKilled$")
	cmd.Env = append(os.Environ(), "UPSTREAM_ROUTER=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pids []int
	for lines := bufio.NewScanner(out); len(pids) == 0 && lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "processes "); ok {
			for field := range strings.FieldsSeq(rest) {
				pid, err := strconv.Atoi(field)
				if err != nil {
					t.Fatal(err)
				}
				pids = append(pids, pid)
			}
		}
	}
	if len(pids) != 3 {
		t.Fatalf("processes %v", pids)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	began := time.Now()
	for _, pid := range pids {
		if !eventually(4*time.Second, gone(pid)) {
			t.Errorf("process %d outlived the router, in state %s", pid, processState(pid))
		}
	}
	t.Logf("all gone after %v", time.Since(began))
}

// runUntilKilled is the router that is killed.
func runUntilKilled(t *testing.T) {
	stubborn, family := spec("stubborn"), spec("grandchild")
	stubborn.Name, family.Name = "stubborn", "family"
	f := start(t, Options{}, stubborn, family)
	a, b := f.await("stubborn", catalog.Ready).PID, f.await("family", catalog.Ready).PID
	fmt.Printf("processes %d %d %s\n", a, b, strings.TrimPrefix(names(f.lastListing("family")), "pid_"))
	select {}
}

// TestGuardIsReplaced kills the guard: the next child is guarded by a new one,
// and the older ones too.
func TestGuardIsReplaced(t *testing.T) {
	g := newGuard(quiet)
	defer g.close()
	sleeper := func() *exec.Cmd {
		cmd := exec.Command("sleep", "600")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		g.add(cmd.Process.Pid)
		return cmd
	}
	a, b := sleeper(), sleeper()
	g.remove(b.Process.Pid)
	_ = g.cmd.Process.Kill()
	eventually(time.Second, func() bool { return processState(g.cmd.Process.Pid) == "Z" })
	c := sleeper()
	g.close() // as if the router had ended
	for name, cmd := range map[string]*exec.Cmd{"a": a, "c": c} {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = cmd.Wait()
		}()
		select {
		case <-done:
		case <-ctx.Done():
			t.Errorf("%s was not killed", name)
			_ = cmd.Process.Kill()
			<-done
		}
		cancel()
	}
	if processState(b.Process.Pid) == "" {
		t.Error("b was killed though it was no longer guarded")
	}
	_ = b.Process.Kill()
	_ = b.Wait()
}
