//go:build e2e || scale

package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// program is the binary under test, built once.
var program string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "e2e")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "router")
	build := exec.Command("go", "build", "-o", program, "toolrouter/cmd/router")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// backend is a server as the config file names it.
type backend struct {
	Name    string   `json:"name"`
	Command []string `json:"command"`
	Env     []string `json:"env,omitempty"`
}

// instance is one router: its state directory, its config and, once started,
// its process.
type instance struct {
	t      *testing.T
	state  string
	config string
	addr   string
	cmd    *exec.Cmd
	log    *syncBuffer
	ended  chan struct{} // closed when the process has ended
}

// newInstance writes a config with the given backends.
func newInstance(t *testing.T, backends ...backend) *instance {
	t.Helper()
	state, err := os.MkdirTemp("", "e2e") // short, for the socket in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(state) })
	config, err := json.Marshal(map[string]any{"servers": backends})
	if err != nil {
		t.Fatal(err)
	}
	r := &instance{t: t, state: state, config: filepath.Join(state, "config.json"), addr: freeAddress(t)}
	if err := os.WriteFile(r.config, config, 0o600); err != nil {
		t.Fatal(err)
	}
	return r
}

// freeAddress finds a loopback port that is free now.
func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// command makes a command of the program on this state directory.
func (r *instance) command(args ...string) *exec.Cmd {
	cmd := exec.Command(program, append([]string{"--state", r.state, "--config", r.config}, args...)...)
	cmd.Env = append(os.Environ(), "E2E_CANARY=must-not-be-seen")
	return cmd
}

// start runs "router serve" and waits until it answers. Its end is the test's.
func (r *instance) start() {
	r.t.Helper()
	r.log = &syncBuffer{}
	r.cmd = r.command("serve", "--listen", r.addr)
	r.cmd.Stderr = r.log
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	ended := make(chan struct{})
	r.ended = ended
	cmd := r.cmd
	go func() { // ends with the process, which stop ends
		_ = cmd.Wait()
		close(ended)
	}()
	r.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if r.t.Failed() {
			r.t.Logf("the router's log:\n%s", r.log.String())
		}
	})
	r.await("answer on /healthz", 10*time.Second, func() bool {
		resp, err := http.Get("http://" + r.addr + "/healthz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// await polls until a condition holds.
func (r *instance) await(what string, limit time.Duration, holds func() bool) {
	r.t.Helper()
	for end := time.Now().Add(limit); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("the router did not %s within %v; its log:\n%s", what, limit, r.log.String())
		}
		select {
		case <-r.ended:
			r.t.Fatalf("the router ended by itself:\n%s", r.log.String())
		default:
		}
	}
}

// awaitServers waits until n servers have been listed.
func (r *instance) awaitServers(n int, limit time.Duration) {
	r.t.Helper()
	r.await(fmt.Sprintf("list %d servers", n), limit, func() bool {
		listed := 0
		for _, s := range r.status().Servers {
			if s.Tools > 0 {
				listed++
			}
		}
		return listed == n
	})
}

// terminate sends SIGTERM and gives how long the process took to end.
func (r *instance) terminate(limit time.Duration) time.Duration {
	r.t.Helper()
	began := time.Now()
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		r.t.Fatal(err)
	}
	select {
	case <-r.ended:
	case <-time.After(limit):
		r.t.Fatalf("the router still runs %v after SIGTERM:\n%s", limit, r.log.String())
	}
	return time.Since(began)
}

// status is what "router status --json" says, as far as it is asked here.
type status struct {
	Tools   int `json:"tools"`
	Servers []struct {
		Name     string `json:"name"`
		State    string `json:"state"`
		PID      int    `json:"pid"`
		Tools    int    `json:"tools"`
		Restarts int    `json:"restarts"`
	} `json:"servers"`
	Index struct {
		Documents int `json:"documents"`
	} `json:"index"`
}

// pids maps the servers to their processes.
func (s status) pids() map[string]int {
	out := map[string]int{}
	for _, server := range s.Servers {
		out[server.Name] = server.PID
	}
	return out
}

// status asks the running router over HTTP.
func (r *instance) status() (out status) {
	r.t.Helper()
	resp, err := http.Get("http://" + r.addr + "/api/status")
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		r.t.Fatalf("decode status: %v", err)
	}
	return out
}

// run runs a command of the program to its end.
func (r *instance) run(args ...string) (stdout, stderr string, code int) {
	r.t.Helper()
	var out, errs bytes.Buffer
	cmd := r.command(args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	defer time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() }).Stop()
	err := cmd.Wait()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		r.t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// post makes one JSON-RPC request on /mcp by hand, without a session.
func (r *instance) post(client *http.Client, method string, params any) (json.RawMessage, error) {
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequest(http.MethodPost, "http://"+r.addr+"/mcp", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	var reply struct {
		Result json.RawMessage `json:"result"`
		Error  json.RawMessage `json:"error"`
	}
	if err := json.Unmarshal(data, &reply); err != nil || reply.Error != nil {
		return nil, fmt.Errorf("%s: %s: %s", method, resp.Status, data)
	}
	return reply.Result, nil
}

// syncBuffer is a buffer that a process writes while a test reads.
type syncBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
