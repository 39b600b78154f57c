//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// traffic calls one tool again and again until stop is closed.
type traffic struct {
	mu     sync.Mutex
	failed []string
	good   []time.Time // when good calls had begun
	calls  atomic.Int64
}

// client makes calls of one tool from one session.
func (tr *traffic) client(t *testing.T, p *peer, tool string, arguments any, stop <-chan struct{}) {
	name, args := routed(tool, arguments)
	for {
		select {
		case <-stop:
			return
		case <-time.After(2 * time.Millisecond):
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		began := time.Now()
		result, err := p.session.CallTool(ctx, &mcp.CallToolParams{Name: name, Arguments: args})
		cancel()
		tr.calls.Add(1)
		tr.mu.Lock()
		switch {
		case err != nil:
			tr.failed = append(tr.failed, err.Error())
		case result.IsError:
			tr.failed = append(tr.failed, result.Content[0].(*mcp.TextContent).Text)
		default:
			tr.good = append(tr.good, began)
		}
		tr.mu.Unlock()
	}
}

// recovered gives how long after a moment the first good call that had begun
// after it was made, and had ended. Zero means none was.
func (tr *traffic) recovered(since time.Time) time.Duration {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for _, began := range tr.good {
		if began.After(since) {
			return time.Since(since)
		}
	}
	return 0
}

// TestKilledBackend kills a backend under calls from 16 clients: the next call
// works within 2 seconds, and nobody else notices.
func TestKilledBackend(t *testing.T) {
	r := startInstance(t, realServers(t, t.TempDir())...)
	var victim, siblings traffic
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for i := range 16 {
		p := overHTTP(t, r, "")
		clients.Go(func() { // ends with stop
			switch i % 4 {
			case 0, 1:
				victim.client(t, p, "everything__get-sum", map[string]any{"a": 1, "b": 2}, stop)
			case 2:
				siblings.client(t, p, "memory__read_graph", map[string]any{}, stop)
			default:
				siblings.client(t, p, "filesystem__list_allowed_directories", map[string]any{}, stop)
			}
		})
	}
	r.await("serve 16 clients", 20*time.Second, func() bool { return victim.calls.Load() > 200 && siblings.calls.Load() > 200 })
	before := r.status().pids()
	for range 2 {
		pid := r.status().pids()["everything"]
		killed := time.Now()
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		r.await("recover from a killed backend", 2*time.Second, func() bool { return victim.recovered(killed) > 0 })
		t.Logf("a good call %v after kill -9", victim.recovered(killed).Round(time.Millisecond))
	}
	close(stop)
	clients.Wait()

	after := r.status().pids()
	if after["everything"] == before["everything"] || after["everything"] == 0 {
		t.Errorf("the killed backend's process is %d, before %d", after["everything"], before["everything"])
	}
	for _, name := range []string{"memory", "filesystem"} {
		if after[name] != before[name] {
			t.Errorf("%s has process %d, before the kill of another %d", name, after[name], before[name])
		}
	}
	if len(siblings.failed) > 0 {
		t.Errorf("%d of %d calls of siblings failed, the first: %s", len(siblings.failed), siblings.calls.Load(), siblings.failed[0])
	}
	if dead := zombies(descendants(r.cmd.Process.Pid)); len(dead) > 0 {
		t.Errorf("zombies are left: %v", dead)
	}
	for _, message := range victim.failed {
		if !strings.Contains(message, "everything") {
			t.Errorf("a call that the kill cut off says %q, which does not name the server", message)
		}
	}
	t.Logf("%d calls of the victim, %d cut off; %d calls of siblings", victim.calls.Load(), len(victim.failed), siblings.calls.Load())
}

// TestWrappedBackend starts a server as npx does, below another process, and
// wants both to go together.
func TestWrappedBackend(t *testing.T) {
	everything := npmServer(t, "everything")
	script := fmt.Sprintf("%s '%s'; exit $?", everything[0], everything[1])
	r := startInstance(t, backend{Name: "wrapped", Command: []string{"sh", "-c", script}})
	p := overHTTP(t, r, "")
	echo, arguments := routed("wrapped__echo", map[string]any{"message": "hello"})
	if _, err := p.call(echo, arguments); err != nil {
		t.Fatal(err)
	}
	wrapper := r.status().pids()["wrapped"]
	before := servers(descendants(wrapper))
	if len(before) != 1 {
		t.Fatalf("the shell has processes %v below it, want the server", descendants(wrapper))
	}
	if err := syscall.Kill(wrapper, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	r.await("end what the killed process had started", 5*time.Second, func() bool { return len(alive(before)) == 0 })
	if got, err := p.call(echo, arguments); err != nil || !strings.Contains(string(got), "hello") {
		t.Errorf("the call after the kill gives %s, %v", got, err)
	}
	before = descendants(r.cmd.Process.Pid)
	r.terminate(5 * time.Second)
	if left := alive(before); len(left) > 0 {
		t.Errorf("processes outlive the router: %v", left)
	}
}

// TestTerminate sends SIGTERM under load and wants everything gone in 5 seconds.
func TestTerminate(t *testing.T) {
	r := startInstance(t, realServers(t, t.TempDir())...)
	var load traffic
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for range 4 {
		p := overHTTP(t, r, "")
		clients.Go(func() { load.client(t, p, "memory__read_graph", map[string]any{}, stop) }) // ends with stop
	}
	long := overHTTP(t, r, "")
	roots, none := routed("everything__get-roots-list", map[string]any{})
	if _, err := long.call(roots, none); err != nil { // or it would ask for them during the long call
		t.Fatal(err)
	}
	clients.Go(func() { // ends with the router
		name, arguments := routed("everything__trigger-long-running-operation", map[string]any{"duration": 60, "steps": 600})
		params := &mcp.CallToolParams{Name: name, Arguments: arguments}
		params.SetProgressToken("long")
		_, _ = long.session.CallTool(t.Context(), params)
	})
	r.await("serve calls", 10*time.Second, func() bool { return load.calls.Load() > 50 && len(long.steps()) > 0 })
	before := descendants(r.cmd.Process.Pid)
	close(stop)
	t.Logf("ended %v after SIGTERM", r.terminate(5*time.Second).Round(time.Millisecond))
	clients.Wait()
	if code := r.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit status %d, want 0; the log:\n%s", code, r.log.String())
	}
	if left := alive(before); len(left) > 0 {
		t.Errorf("processes outlive the router: %v", left)
	}
}

// TestKilledRouter kills the router itself and wants no orphan.
func TestKilledRouter(t *testing.T) {
	r := startInstance(t, realServers(t, t.TempDir())...)
	before := descendants(r.cmd.Process.Pid)
	if err := r.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-r.ended
	for end := time.Now().Add(2 * time.Second); len(alive(before)) > 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("processes outlive the killed router: %v", alive(before))
		}
	}
}

// TestOneOwner wants a second router refused, and "router stdio" and commands to
// join the first.
func TestOneOwner(t *testing.T) {
	r := startInstance(t, realServers(t, t.TempDir())...)
	_, stderr, code := r.run("serve", "--listen", freeAddress(t))
	if code != 3 || !strings.Contains(stderr, r.state) {
		t.Errorf("a second serve ends with %d and says %q, want 3 and the state directory named", code, stderr)
	}
	cmd := r.command("stdio")
	p := overStdio(t, cmd, "")
	echo, arguments := routed("everything__echo", map[string]any{"message": "joined"})
	if got, err := p.call(echo, arguments); err != nil || !strings.Contains(string(got), "joined") {
		t.Errorf("a call over a joined stdio gives %s, %v", got, err)
	}
	if own := descendants(cmd.Process.Pid); len(own) > 0 {
		t.Errorf("router stdio started %v instead of joining", own)
	}
	if out, stderr, code := r.run("search", "add two numbers", "--json"); code != 0 || !strings.Contains(out, `"everything__get-sum"`) {
		t.Errorf("search ends with %d, %s%s", code, out, stderr)
	}
	if out, stderr, code := r.run("call", "everything__get-sum", `{"a":2,"b":40}`); code != 0 || !strings.Contains(out, "42") {
		t.Errorf("call ends with %d, %s%s", code, out, stderr)
	}
	if out, stderr, code := r.run("call", "filesystem__read_text_file", "path=/etc/hostname"); code != 5 {
		t.Errorf("a call that the tool refuses ends with %d, want 5: %s%s", code, out, stderr)
	}
	_ = p.session.Close() // or its process would become the router
	r.terminate(5 * time.Second)
	if _, _, code := r.run("status"); code != 3 {
		t.Errorf("status without a router ends with %d, want 3", code)
	}
}

// TestStdioAlone wants "router stdio" without a running router to do it all
// itself, and to leave nothing behind when its client goes.
func TestStdioAlone(t *testing.T) {
	r := newInstance(t, realServers(t, t.TempDir())...)
	cmd := r.command("stdio")
	p := overStdio(t, cmd, legacy)
	echo, arguments := routed("everything__echo", map[string]any{"message": "alone"})
	got, err := p.call(echo, arguments)
	for end := time.Now().Add(20 * time.Second); !strings.Contains(string(got), "Echo: alone") && time.Now().Before(end); {
		time.Sleep(100 * time.Millisecond) // the first listing may still be under way
		got, err = p.call(echo, arguments)
	}
	if err != nil || !strings.Contains(string(got), "Echo: alone") {
		t.Errorf("a call gives %s, %v", got, err)
	}
	second := overStdio(t, r.command("stdio"), "")
	if got, err := second.call(echo, arguments); err != nil || !strings.Contains(string(got), "Echo: alone") {
		t.Errorf("a call over a second stdio gives %s, %v", got, err)
	}
	_ = second.session.Close()
	before := descendants(cmd.Process.Pid)
	if len(servers(before)) != 3 {
		t.Errorf("the router has processes %v below it, want the three servers", before)
	}
	_ = p.session.Close()
	for end := time.Now().Add(5 * time.Second); len(alive(before)) > 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("processes outlive the client: %v", alive(before))
		}
	}
}

// TestRestart wants what was known to be known after a restart, with no backend
// started, and a call to start the one it needs.
func TestRestart(t *testing.T) {
	r := startInstance(t, realServers(t, t.TempDir())...)
	tools := r.status().Tools
	r.terminate(5 * time.Second)

	r.start()
	found, err := r.post(http.DefaultClient, "tools/call", map[string]any{
		"name": "search_tools", "arguments": map[string]any{"query": "add two numbers"},
	})
	if err != nil || !strings.Contains(string(found), "everything__get-sum(") {
		t.Errorf("the first search after a restart gives %s, %v", found, err)
	}
	s := r.status()
	if s.Tools != tools || s.Index.Documents != tools {
		t.Errorf("after a restart %d tools are known and %d indexed, want %d", s.Tools, s.Index.Documents, tools)
	}
	for _, server := range s.Servers {
		if server.State != "idle" {
			t.Errorf("%s is %s after a restart, want idle", server.Name, server.State)
		}
	}
	if started := servers(descendants(r.cmd.Process.Pid)); len(started) > 0 {
		t.Errorf("a restart started %v", started)
	}
	p := overHTTP(t, r, "")
	echo, arguments := routed("everything__echo", map[string]any{"message": "awake"})
	if got, err := p.call(echo, arguments); err != nil || !strings.Contains(string(got), "awake") {
		t.Errorf("the first call gives %s, %v", got, err)
	}
	if pids := r.status().pids(); pids["everything"] == 0 || pids["memory"] != 0 || pids["filesystem"] != 0 {
		t.Errorf("the processes are %v, want that of everything alone", pids)
	}
}
