//go:build scale

package e2e

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"toolrouter/internal/demo"
)

var catalogFile = flag.String("catalog", "", "a recorded catalogue, JSON lines, may be gzipped")

const (
	firstAnswer = 500 * time.Millisecond // after a restart, process start included
	searchP99   = 10 * time.Millisecond
	routerRSS   = 100.0 // MiB
	maxQueries  = 1000
)

// TestScale puts every recorded server behind one router as a child process,
// restarts it, and measures: the first search, searches after it, memory.
func TestScale(t *testing.T) {
	recorded, err := demo.LoadCatalog(*catalogFile)
	if err != nil {
		t.Fatalf("-catalog: %v", err)
	}
	servers, err := recorded.Split(program, filepath.Join(t.TempDir(), "replay"))
	if err != nil {
		t.Fatal(err)
	}
	var backends []backend
	for _, s := range servers {
		backends = append(backends, backend{Name: s.Name, Command: s.Command})
	}
	r := newInstance(t, backends...)

	began := time.Now()
	r.start()
	r.awaitServers(len(servers), 5*time.Minute)
	r.await("index all tools", time.Minute, func() bool { s := r.status(); return s.Index.Documents == s.Tools })
	t.Logf("%d servers with %d tools: all started, listed and indexed in %v", len(servers), r.status().Tools, time.Since(began).Round(time.Millisecond))
	r.awaitMemory("with all of them connected")
	tools := r.status().Tools
	t.Logf("ended %v after SIGTERM", r.terminate(10*time.Second).Round(time.Millisecond))

	queries := ask(recorded)
	first := r.restart(queries[0])
	t.Logf("restart: first search answered %v after the process was started", first.Round(time.Millisecond))
	r.logMemory("after the first search")
	if first > firstAnswer {
		t.Errorf("the first search took %v, want at most %v", first, firstAnswer)
	}
	if started := descendants(r.cmd.Process.Pid); len(started) > 0 {
		t.Errorf("a restart started %d backends, want none", len(started))
	}
	if got := r.status().Tools; got != tools {
		t.Errorf("%d tools are known after the restart, want %d", got, tools)
	}
	r.measureSearch(queries, 1)
	r.measureSearch(queries, 8)
	r.logMemory(fmt.Sprintf("after %d searches", 2*len(queries)))
	r.awaitMemory("at rest")
	r.terminate(5 * time.Second)
}

// awaitMemory wants the router within its limit once it has nothing to do: what a
// burst of work took is given back some seconds later.
func (r *instance) awaitMemory(when string) {
	r.t.Helper()
	r.logMemory(when)
	r.await("keep within its memory", 30*time.Second, func() bool {
		return memory(r.cmd.Process.Pid, "VmRSS") <= routerRSS
	})
	r.logMemory(when + ", some seconds later")
}

// logMemory tells what the router takes: its own, and the files it has mapped,
// which are the program itself and the index, and which the system may drop.
func (r *instance) logMemory(when string) {
	r.t.Helper()
	pid := r.cmd.Process.Pid
	r.t.Logf("router %s: RSS %.0f MiB (own %.0f, mapped files %.0f), peak %.0f MiB",
		when, memory(pid, "VmRSS"), memory(pid, "RssAnon"), memory(pid, "RssFile"), memory(pid, "VmHWM"))
}

// ask makes queries of what the tools say of themselves: the first sentence of
// every so manieth description.
func ask(c *demo.Catalog) (out []string) {
	every := max(1, c.Tools()/maxQueries)
	n := 0
	for _, s := range c.Servers {
		for _, raw := range s.Tools {
			var tool struct {
				Description string `json:"description"`
			}
			_ = json.Unmarshal(raw, &tool)
			sentence, _, _ := strings.Cut(tool.Description, ".")
			if n++; n%every == 0 && len(sentence) > 10 {
				out = append(out, sentence[:min(len(sentence), 200)])
			}
		}
	}
	return out
}

// restart starts the process and gives how long it took until a search was
// answered.
func (r *instance) restart(query string) time.Duration {
	began := time.Now()
	r.start()
	r.search(query)
	return time.Since(began)
}

// search makes one search over MCP.
func (r *instance) search(query string) {
	r.t.Helper()
	_, err := r.post(http.DefaultClient, "tools/call", map[string]any{
		"name": "search_tools", "arguments": map[string]any{"query": strings.ToValidUTF8(query, "")},
	})
	if err != nil {
		r.t.Fatalf("search %q: %v", query, err)
	}
}

// measureSearch asks all queries from n clients at once, as a client sees it:
// over HTTP, answer read to its end.
func (r *instance) measureSearch(queries []string, n int) {
	r.t.Helper()
	took := make([]time.Duration, len(queries))
	var clients sync.WaitGroup
	for client := range n {
		clients.Go(func() { // ends after its share of the queries
			for i := client; i < len(queries); i += n {
				began := time.Now()
				r.search(queries[i])
				took[i] = time.Since(began)
			}
		})
	}
	clients.Wait()
	slices.Sort(took)
	p50, p99 := took[len(took)/2], took[len(took)*99/100]
	r.t.Logf("%d searches from %d clients: p50 %v, p99 %v, worst %v", len(took), n, p50, p99, took[len(took)-1])
	if n == 1 && p99 > searchP99 {
		r.t.Errorf("search p99 is %v, want at most %v", p99, searchP99)
	}
}
