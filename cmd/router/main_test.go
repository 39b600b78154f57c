package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"toolrouter/internal/mcptest"
)

// The test binary is the program: scripts run "router", and the demo servers
// that the router starts are children of the same binary.
func TestMain(m *testing.M) {
	mcptest.Main() // in its children, where a script asks for one of its servers
	takeoverPatience = generous
	testscript.Main(m, map[string]func(){"router": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			// A socket's path must be short; that of a test's folder is not.
			state, err := os.MkdirTemp("", "rt")
			if err != nil {
				return err
			}
			env.Defer(func() { os.RemoveAll(state) })
			env.Setenv("STATE", state)
			env.Setenv("ROUTER_STATE", state)
			env.Setenv("ROUTER_CONFIG", filepath.Join(env.WorkDir, "config.yaml"))
			env.Setenv("ROUTER_LISTEN", "127.0.0.1:0")
			env.Setenv("MCPTEST", mcptest.Env("good"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"await": await,
			"get":   get,
		},
	})
}

// generous is longer than anything takes on a loaded machine.
const generous = time.Minute

// await runs "router ARGS…" until it prints what is wanted: await 'text' ARGS….
func await(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: await TEXT ARG …")
	}
	last := ""
	for end := time.Now().Add(generous); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		err := ts.Exec("router", args[1:]...)
		last = ts.ReadFile("stdout") + ts.ReadFile("stderr")
		if found := strings.Contains(last, args[0]); found != neg && (err == nil || neg) {
			return
		}
	}
	ts.Fatalf("router %s never printed %q; last was:\n%s", strings.Join(args[1:], " "), args[0], last)
}

// get asks the running router over HTTP: get STATUS PATH [HEADER=value …].
func get(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(ts.Exec("router", "status", "--json"))
	listen := ""
	for line := range lines(ts.ReadFile("stdout")) {
		if _, value, ok := strings.Cut(line, `"listen": "`); ok {
			listen = strings.TrimSuffix(strings.TrimSpace(value), `",`)
		}
	}
	req, err := http.NewRequest(http.MethodGet, "http://"+listen+args[1], nil)
	ts.Check(err)
	for _, h := range args[2:] {
		name, value, _ := strings.Cut(h, "=")
		if name == "Host" {
			req.Host = value
		}
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	ts.Check(err)
	if fmt.Sprint(resp.StatusCode) != args[0] {
		ts.Fatalf("GET %s = %s, want %s\n%s", args[1], resp.Status, args[0], body)
	}
	fmt.Fprint(ts.Stdout(), string(body))
}
