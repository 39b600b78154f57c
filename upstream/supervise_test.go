//go:build unix

package upstream

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"toolrouter/internal/catalog"
	"toolrouter/internal/mcptest"
)

// TestKill kills a backend under the calls of 16 clients: calls in flight fail
// clearly or not at all, the next ones succeed soon, and the sibling notices
// nothing.
func TestKill(t *testing.T) {
	victim, sibling := spec("good"), spec("good")
	sibling.Name = "sibling"
	f := start(t, Options{}, victim, sibling)
	before := f.await("s", catalog.Ready)
	calm := f.await("sibling", catalog.Ready)

	var failed, answered, recovered atomic.Int64
	var killed atomic.Pointer[time.Time]
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for ctx.Err() == nil {
				began := time.Now()
				_, err := f.Call(t.Context(), toolCall("sleep", `{"ms":1}`))
				var un *catalog.Unavailable
				switch at := killed.Load(); {
				case err == nil:
					answered.Add(1)
					if at != nil && began.After(*at) {
						recovered.CompareAndSwap(0, int64(time.Since(*at)))
					}
				case !errors.As(err, &un) || !un.Sent || !strings.Contains(err.Error(), "killed"):
					t.Errorf("call failed with %v", err)
				default:
					failed.Add(1)
				}
				other := catalog.Call{ID: catalog.ID{Server: "sibling", Tool: "echo"}}
				if _, err := f.Call(t.Context(), other); err != nil {
					t.Errorf("the sibling's call failed: %v", err)
				}
			}
		})
	}
	f.awaitThat("calls are answered", func() bool { return answered.Load() > 100 })
	now := time.Now()
	killed.Store(&now)
	if err := syscall.Kill(before.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if !eventually(5*time.Second, func() bool { return recovered.Load() != 0 }) {
		t.Fatal("no call succeeded after the kill")
	}
	cancel()
	wg.Wait()
	took := time.Duration(recovered.Load())
	t.Logf("next call after %v; %d calls failed, %d answered", took, failed.Load(), answered.Load())
	if took > 2*time.Second || failed.Load() > 16 {
		t.Errorf("next call after %v, %d calls failed", took, failed.Load())
	}
	after := f.await("s", catalog.Ready)
	if after.Restarts != 1 || after.PID == before.PID {
		t.Errorf("after the kill: %+v", after)
	}
	if s := f.state("sibling"); s.PID != calm.PID || s.Restarts != 0 {
		t.Errorf("the sibling was restarted: %+v", s)
	}
	if state := processState(before.PID); state != "" {
		t.Errorf("the killed process is still there, in state %s", state)
	}
}

// processState gives the letter that ps shows, "" for no such process.
func processState(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		if syscall.Kill(pid, 0) == nil {
			return "?"
		}
		return ""
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return rest[:1]
}

// gone tells whether a process that is not our child has ended: init reaps it.
func gone(pid int) func() bool {
	return func() bool { s := processState(pid); return s == "" || s == "Z" }
}

func TestKillAgainAndAgain(t *testing.T) {
	f := start(t, Options{}, spec("good"))
	for i := range 6 {
		pid, err := strconv.Atoi(f.must(toolCall("pid", `{}`)))
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(time.Second, func() bool { return processState(pid) == "" })
		began := time.Now()
		f.must(toolCall("echo", `{}`))
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("kill %d: the next call took %v", i+1, took)
		}
	}
}

// TestSafe counts how often a call reaches a backend that ends in the middle of
// it: once, unless the call says that it may be repeated.
func TestSafe(t *testing.T) {
	tests := []struct {
		name   string
		args   string
		safe   bool
		starts int
		calls  int
		fail   bool
	}{
		{"not safe", `{"x":"once"}`, false, 2, 1, true},
		{"safe", `{"x":"once"}`, true, 2, 2, false},
		{"safe, and falls every time", `{"x":"bad"}`, true, 3, 2, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			journal := t.TempDir() + "/journal"
			f := start(t, Options{}, spec("counted", journal))
			f.await("s", catalog.Ready)
			call := toolCall("echo", tt.args)
			call.Safe = tt.safe
			_, err := f.try(call)
			var un *catalog.Unavailable
			if tt.fail && (!errors.As(err, &un) || !un.Sent) || !tt.fail && err != nil {
				t.Errorf("call = %v", err)
			}
			f.await("s", catalog.Ready)
			count := func(what string) int {
				b, _ := os.ReadFile(journal)
				return strings.Count(string(b), what)
			}
			eventually(5*time.Second, func() bool { return count("start") == tt.starts })
			if count("start") != tt.starts || count("call") != tt.calls {
				t.Errorf("%d starts and %d calls, want %d and %d", count("start"), count("call"), tt.starts, tt.calls)
			}
		})
	}
}

func TestLazyStart(t *testing.T) {
	s := spec("good")
	known := func(name, digest string) (int, bool) { return 4, name == "s" && digest == s.Digest() }
	f := start(t, Options{Known: known}, s)
	f.await("s", catalog.Idle)
	time.Sleep(50 * time.Millisecond)
	state := f.state("s")
	if state.State != catalog.Idle || state.PID != 0 || state.Tools != 4 {
		t.Fatalf("before the first call: %+v", state)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { f.must(toolCall("echo", `{}`)) })
	}
	wg.Wait()
	if state = f.await("s", catalog.Ready); state.PID == 0 || state.Tools < 10 || state.Restarts != 0 {
		t.Errorf("after it: %+v", state)
	}
	if len(f.listings) != 1 {
		t.Errorf("%d listings, want 1", len(f.listings))
	}

	s.Start = StartEager
	f = start(t, Options{Known: func(string, string) (int, bool) { return 4, true }}, s)
	f.await("s", catalog.Ready)
}

// TestNoToolsKnown has a server of which it is known that it lists no tool: since
// no call could wake it, it is started and may list some by now.
func TestNoToolsKnown(t *testing.T) {
	f := start(t, Options{Known: func(string, string) (int, bool) { return 0, true }}, spec("good"))
	if s := f.await("s", catalog.Ready); s.Tools == 0 {
		t.Errorf("state = %+v, want tools", s)
	}
}

// TestApplyCutsCalls changes and removes servers under calls that do not end: they
// are told why they were cut off.
func TestApplyCutsCalls(t *testing.T) {
	changed, removed := spec("good"), spec("good")
	changed.Timeout, removed.Timeout = time.Minute, time.Minute
	removed.Name = "removed"
	f := start(t, Options{}, changed, removed)
	call := toolCall("sleep", `{"ms":600000}`)
	slow := f.goTry(call)
	call.ID.Server = "removed"
	other := f.goTry(call)
	f.awaitCalls("s", 1)
	f.awaitCalls("removed", 1)
	changed.Timeout = 50 * time.Second
	f.Apply([]Spec{changed})
	for want, result := range map[string]<-chan error{"restarted for a changed configuration": slow, "removed from the configuration": other} {
		var un *catalog.Unavailable
		if err := receive(t, result); !errors.As(err, &un) || !un.Sent || !strings.Contains(err.Error(), want) {
			t.Errorf("call = %v, want %s", err, want)
		}
	}
	f.must(toolCall("echo", `{}`))
}

// TestKilledSays looks at the reason of a server that was killed: what it had
// written before is none.
func TestKilledSays(t *testing.T) {
	f := start(t, Options{}, spec("stderrs", "100"))
	s := f.await("s", catalog.Ready)
	f.awaitThat("it has written", func() bool { return f.log.count("the very end") > 0 })
	_ = syscall.Kill(s.PID, syscall.SIGKILL)
	f.awaitThat("it ended and was started again", func() bool { return f.state("s").Restarts == 1 })
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.ContainsFunc(f.states, func(s catalog.Server) bool { return s.LastError == "the server ended (signal: killed)" }) {
		t.Errorf("states = %+v", f.states)
	}
}

func TestListChanged(t *testing.T) {
	for _, protocol := range []string{"2025-11-25", "2026-07-28"} {
		t.Run(protocol, func(t *testing.T) {
			s := spec("good")
			s.Protocol = protocol
			f := start(t, Options{}, s)
			f.await("s", catalog.Ready)
			f.growsUntilTold()
		})
	}
}

func TestListedFails(t *testing.T) {
	f := start(t, Options{Listed: func(context.Context, Listing) error { return errors.New("disk full") }}, spec("raw"))
	state := f.await("s", catalog.Ready)
	if !strings.Contains(state.LastError, "disk full") {
		t.Errorf("last error = %q", state.LastError)
	}
	f.must(toolCall("echo", `{}`))
}

// TestGrandchildren has servers leave a process behind: it must go with them.
func TestGrandchildren(t *testing.T) {
	ends := map[string]func(f *fixture, pid int){
		"the server ends":        func(f *fixture, _ int) { _, _ = f.try(toolCall("echo", `{"x":"bad"}`)) },
		"the server is killed":   func(_ *fixture, pid int) { _ = syscall.Kill(pid, syscall.SIGKILL) },
		"the router stops":       func(f *fixture, _ int) { f.stop() },
		"it is no longer wanted": func(f *fixture, _ int) { f.Apply(nil) },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			f := start(t, Options{}, spec("grandchild"))
			pid := f.await("s", catalog.Ready).PID
			grandchild, err := strconv.Atoi(strings.TrimPrefix(names(f.lastListing("s")), "pid_"))
			if err != nil || processState(grandchild) == "" {
				t.Fatalf("no grandchild: %v", err)
			}
			end(f, pid)
			if !eventually(4*time.Second, gone(grandchild)) {
				t.Errorf("the grandchild is in state %s", processState(grandchild))
			}
		})
	}
}

// TestShell is what npx amounts to: a shell that runs the server and waits.
func TestShell(t *testing.T) {
	s := spec("good")
	s.Command = []string{"sh", "-c", mcptest.Command()[0] + "; exit 5"}
	f := start(t, Options{}, s)
	shell := f.await("s", catalog.Ready).PID
	server, err := strconv.Atoi(f.must(toolCall("pid", `{}`)))
	if err != nil || server == shell {
		t.Fatalf("server %d in shell %d: %v", server, shell, err)
	}
	_ = syscall.Kill(shell, syscall.SIGKILL)
	if !eventually(2*time.Second, gone(server)) {
		t.Errorf("the server outlived its shell, in state %s", processState(server))
	}
	// A process that looks dead may have threads that still hold its pipes: a
	// call made now might be one that it could have seen.
	eventually(5*time.Second, func() bool { return f.state("s").PID != shell })
	f.must(toolCall("echo", `{}`))
}

func TestStop(t *testing.T) {
	var specs []Spec
	for i, kind := range []string{"good", "raw", "stubborn", "stubborn", "mute", "deaf", "grandchild", "exit1"} {
		s := spec(kind)
		s.Name = fmt.Sprintf("s%d", i)
		specs = append(specs, s)
	}
	f := start(t, Options{}, specs...)
	var pids []int
	for i := range 4 {
		pids = append(pids, f.await(fmt.Sprintf("s%d", i), catalog.Ready).PID)
	}
	call := toolCall("sleep", `{"ms":60000}`)
	call.ID.Server = "s0"
	result := f.goTry(call)
	f.awaitCalls("s0", 1)
	began := time.Now()
	f.stop()
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("stopping took %v", took)
	}
	for _, pid := range pids {
		if state := processState(pid); state != "" {
			t.Errorf("process %d is left, in state %s", pid, state)
		}
	}
	select {
	case err := <-result:
		if err == nil {
			t.Error("the call under way was answered")
		}
	case <-time.After(time.Second):
		t.Error("the call under way did not end")
	}
}

func TestApply(t *testing.T) {
	a, b, c := spec("raw"), spec("raw"), spec("raw")
	a.Name, b.Name, c.Name = "a", "b", "c"
	f := start(t, Options{}, a, b, c)
	pids := map[string]int{}
	for _, name := range []string{"a", "b", "c"} {
		pids[name] = f.await(name, catalog.Ready).PID
	}
	b.Timeout = time.Second
	d := Spec{Name: "d", Command: []string{"x"}, Disabled: true}
	f.Apply([]Spec{d, b, a})
	var got []string
	for _, s := range f.Servers() {
		got = append(got, s.Name)
	}
	if want := "a b d"; strings.Join(got, " ") != want {
		t.Errorf("servers = %s, want %s", got, want)
	}
	if s := f.state("a"); s.PID != pids["a"] || s.State != catalog.Ready {
		t.Errorf("the unchanged server: %+v", s)
	}
	if s := f.await("b", catalog.Ready); s.PID == pids["b"] {
		t.Errorf("the changed server kept its process")
	}
	if !eventually(4*time.Second, func() bool { return processState(pids["c"]) == "" }) {
		t.Error("the removed server still runs")
	}
	_, err := f.Call(t.Context(), catalog.Call{ID: catalog.ID{Server: "d", Tool: "x"}})
	var un *catalog.Unavailable
	if !errors.As(err, &un) || un.State != catalog.Disabled {
		t.Errorf("call of a disabled server = %v", err)
	}
	if _, err := f.Call(t.Context(), catalog.Call{ID: catalog.ID{Server: "c", Tool: "x"}}); err == nil {
		t.Error("a call of a removed server was answered")
	}
}

// TestApplyUnderLoad reloads again and again while calls run on a server that
// does not change.
func TestApplyUnderLoad(t *testing.T) {
	a, b := spec("raw"), spec("raw")
	b.Name = "b"
	f := start(t, Options{}, a)
	f.await("s", catalog.Ready)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				f.must(toolCall("echo", `{}`))
			}
		})
	}
	for i := range 20 {
		b.Timeout = time.Duration(i+1) * time.Second
		f.Apply([]Spec{a, b})
	}
	time.Sleep(50 * time.Millisecond)
	cancel()
	wg.Wait()
	f.await("b", catalog.Ready)
}

func TestEnvironment(t *testing.T) {
	t.Setenv("CANARY_TOKEN", "secret")
	t.Setenv("LC_TIME", "de_AT.UTF-8")
	s := spec("leaky")
	s.Env = append(s.Env, "DECLARED=yes", "HOME=/elsewhere")
	f := start(t, Options{}, s)
	f.await("s", catalog.Ready)
	tool := f.lastListing("s").Tools[0]
	if tool.ID.Tool != "fds_0_1_2" {
		t.Errorf("open files of the child: %s", tool.ID.Tool)
	}
	env := strings.Split(tool.Description, "\n")
	for _, want := range []string{"DECLARED=yes", "HOME=/elsewhere", "LC_TIME=de_AT.UTF-8", "PATH=" + os.Getenv("PATH")} {
		if !slices.Contains(env, want) {
			t.Errorf("the child lacks %s", want)
		}
	}
	for _, pair := range env {
		if strings.Contains(pair, "CANARY") || strings.HasPrefix(pair, "GO") {
			t.Errorf("the child was given %s", pair)
		}
	}
}

// TestStderr has a server write more to its standard error than a pipe holds: all
// of it is read.
func TestStderr(t *testing.T) {
	f := start(t, Options{}, spec("stderrs", "4000000"))
	f.await("s", catalog.Ready)
	stderr := f.backend("s").stderr
	f.awaitThat("all is read", func() bool {
		stderr.mu.Lock()
		defer stderr.mu.Unlock()
		return stderr.last == "the very end"
	})
	f.must(toolCall("echo", `{}`))
}

// TestDeaf has a child that stops reading its input: only its own calls wait, and
// the one that never left is told so.
func TestDeaf(t *testing.T) {
	s := spec("deaf")
	s.Timeout = 4 * time.Second
	other := spec("raw")
	other.Name = "other"
	f := start(t, Options{}, s, other)
	f.await("s", catalog.Ready)
	f.await("other", catalog.Ready)
	big := `{"x":"bad` + strings.Repeat("x", 300<<10) + `"}`
	var wg sync.WaitGroup
	var unsent atomic.Int64
	for range 3 { // one is read, one fills the pipe, one waits
		wg.Go(func() {
			_, err := f.try(toolCall("echo", big))
			var un *catalog.Unavailable
			switch {
			case errors.As(err, &un) && !un.Sent && strings.Contains(err.Error(), "read no input for"):
				unsent.Add(1)
			case !errors.Is(err, context.DeadlineExceeded):
				t.Errorf("call of the deaf child = %v", err)
			}
		})
	}
	wg.Wait()
	if unsent.Load() != 1 {
		t.Errorf("%d calls were told that they never left, want 1", unsent.Load())
	}
	if _, err := f.Call(t.Context(), catalog.Call{ID: catalog.ID{Server: "other", Tool: "echo"}}); err != nil {
		t.Error(err)
	}
}

// TestConcurrency has four calls on two slots: two wait until the others end.
func TestConcurrency(t *testing.T) {
	s := spec("good")
	s.Concurrency = 2
	f := start(t, Options{}, s)
	f.await("s", catalog.Ready)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if _, err := f.Call(ctx, toolCall("sleep", `{"ms":600000}`)); !errors.Is(err, context.Canceled) {
				t.Errorf("the call that holds a slot = %v", err)
			}
		})
	}
	f.awaitCalls("s", 2)
	for range 2 {
		wg.Go(func() { f.must(toolCall("echo", `{}`)) })
	}
	late, stop := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer stop()
	_, err := f.Call(late, toolCall("echo", `{}`))
	var un *catalog.Unavailable
	if !errors.As(err, &un) || un.Sent || un.State != catalog.Ready || !strings.Contains(err.Error(), "for one of its 2 slots") {
		t.Errorf("a call that got no slot = %v, want one that was not made", err)
	}
	cancel()
	wg.Wait()
}

// TestQueueIsBounded has more calls wait for a backend than may: the next one is
// refused at once, and those that wait are served in the end.
func TestQueueIsBounded(t *testing.T) {
	s := spec("good")
	s.Concurrency = 1
	f := start(t, Options{}, s)
	f.await("s", catalog.Ready)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = f.Call(ctx, toolCall("sleep", `{"ms":600000}`)) }) // until cancel
	f.awaitCalls("s", 1)
	for range queueFactor {
		wg.Go(func() { f.must(toolCall("echo", `{}`)) })
	}
	b := f.backend("s")
	if !eventually(10*time.Second, func() bool { return len(b.queue) == queueFactor }) {
		t.Fatalf("%d calls wait, want %d", len(b.queue), queueFactor)
	}
	_, err := f.try(toolCall("echo", `{}`))
	var un *catalog.Unavailable
	if !errors.As(err, &un) || un.Sent || !strings.Contains(err.Error(), "1 calls are under way on it and 4 more wait") {
		t.Errorf("one call too many = %v", err)
	}
	cancel()
	wg.Wait()
}

// TestNotReadyInTime has a call give up before its backend has come up.
func TestNotReadyInTime(t *testing.T) {
	s := spec("mute")
	s.Timeout = 300 * time.Millisecond
	f := start(t, Options{}, s)
	_, err := f.try(toolCall("echo", `{}`))
	var un *catalog.Unavailable
	if !errors.As(err, &un) || un.Sent || un.State != catalog.Starting || !strings.Contains(err.Error(), "it was not ready within") {
		t.Errorf("call = %v, want one that was not made", err)
	}
}
