package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"toolrouter/configs"
	"toolrouter/index/embed"
	"toolrouter/internal/catalog"
	"toolrouter/router"
	"toolrouter/upstream"
)

// embeddings is an endpoint with the built-in model behind it.
func embeddings(t *testing.T, down *atomic.Bool, texts *atomic.Int64) string {
	t.Helper()
	m, err := embed.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var req struct{ Input []string }
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil || down.Load() {
			http.Error(w, `{"error":{"message":"out of order"}}`, http.StatusInternalServerError)
			return
		}
		texts.Add(int64(len(req.Input)))
		vectors, err := m.Embed(r.Context(), req.Input)
		if err != nil {
			return
		}
		var data []map[string]any
		for i, v := range vectors {
			data = append(data, map[string]any{"index": i, "embedding": append(slices.Clip(v), 0.5)})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"data": data})
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func loadConfig(t *testing.T, dir, text string) *configs.Config {
	t.Helper()
	path := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := configs.Load(configs.LoadOptions{Path: path, Environ: []string{"HOME=" + dir, "ROUTER_STATE=" + filepath.Join(dir, "state")}})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func openTestApp(t *testing.T, cfg *configs.Config) *app {
	t.Helper()
	a, err := openApp(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func found(t *testing.T, a *app, query string) router.SearchResult {
	t.Helper()
	res, err := a.router.Search(t.Context(), router.SearchRequest{Query: query, Explain: true})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

const officeServer = "servers: [{name: office, url: \"http://127.0.0.1:1/mcp\"%s}]\n"

// listOffice is what the backend would have listed.
func listOffice(t *testing.T, a *app) {
	t.Helper()
	var tools []*catalog.Tool
	for name, description := range map[string]string{
		"create_issue": "Create a new issue in the tracker.", "send_mail": "Send an e-mail.", "add_event": "Add an event to the calendar.",
	} {
		tool, err := catalog.NewTool("office", json.RawMessage(fmt.Sprintf(`{"name":%q,"description":%q,"inputSchema":{"type":"object"}}`, name, description)))
		if err != nil {
			t.Fatal(err)
		}
		tools = append(tools, tool)
	}
	if err := a.listed(t.Context(), upstream.Listing{Server: catalog.Server{Name: "office"}, Digest: "d", Tools: tools}); err != nil {
		t.Fatal(err)
	}
}

// An endpoint serves from its first complete set of vectors on, which outlives
// the process; when it fails, the search and the status say so.
func TestEmbeddingsEndpoint(t *testing.T) {
	var down atomic.Bool
	var texts atomic.Int64
	dir := t.TempDir()
	cfg := loadConfig(t, dir, fmt.Sprintf(officeServer, "")+"search: {embedder: {url: "+embeddings(t, &down, &texts)+", model: small, key: hidden-key, timeout: 10s}}\n")
	a := openTestApp(t, cfg)
	listOffice(t, a)
	if res := found(t, a, "open a ticket in the tracker"); !strings.Contains(res.Note, "tools are embedded so far") || !strings.HasSuffix(res.Text, res.Note) {
		t.Errorf("before it ran: %s", res.Text)
	}
	whileRunning(t, a, func() {
		awaitVectors(t, a)
		if res := found(t, a, "open a ticket in the tracker"); res.Note != "" || len(res.Hits) == 0 || res.Hits[0].Tool != "create_issue" {
			t.Errorf("with vectors: %s", res.Text)
		}
		down.Store(true)
		if res := found(t, a, "write to somebody by mail"); !strings.Contains(res.Note, "the embeddings endpoint answered 500") {
			t.Errorf("endpoint out of order: %s", res.Text)
		}
		r := a.indexReport()
		if !strings.Contains(r.Remote.Problem, "out of order") || r.Remote.Since.IsZero() || !strings.HasPrefix(r.Embedder, "small @ 127.0.0.1:") {
			t.Errorf("status %+v %+v", r, r.Remote)
		}
		var shown strings.Builder
		if err := printStatus(&shown, a.status()); err != nil || !strings.Contains(shown.String(), "the built-in model has stood in for ") || strings.Contains(shown.String(), "hidden-key") {
			t.Errorf("status (%v):\n%s", err, shown.String())
		}
	})
	a.close()

	down.Store(false)
	before := texts.Load()
	a = openTestApp(t, cfg) // the next start has the vectors at once
	defer a.close()
	if res := found(t, a, "open a ticket in the tracker"); res.Note != "" || texts.Load() != before+1 {
		t.Errorf("after a restart, with %d texts sent: %s", texts.Load()-before, res.Text)
	}
	a.remote.Poke()
	whileRunning(t, a, func() { awaitVectors(t, a) })
	if n := texts.Load() - before; n != 1 {
		t.Errorf("%d texts were sent after a restart, want the query alone", n)
	}
}

// whileRunning runs the router for as long as do takes.
func whileRunning(t *testing.T, a *app, do func()) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { // ends with ctx; awaited below
		ended <- a.run(ctx, func(ctx context.Context) error { <-ctx.Done(); return nil })
	}()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	}()
	do()
}

// awaitVectors waits until every tool of the office has a vector and searches use
// them.
func awaitVectors(t *testing.T, a *app) {
	t.Helper()
	complete := func(r *remoteReport) bool { return r.Dim > 0 && r.Tools == 3 && r.Embedded == r.Tools }
	for end := time.Now().Add(generous); !complete(a.indexReport().Remote); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the vectors are never complete: %+v", a.indexReport().Remote)
		}
	}
}

// The operator's words are searched from the moment the config has them.
func TestOperatorsWordsAreTakenOver(t *testing.T) {
	dir := t.TempDir()
	a := openTestApp(t, loadConfig(t, dir, fmt.Sprintf(officeServer, "")))
	listOffice(t, a)
	const query = "zorkmid"
	if res := found(t, a, query); len(res.Hits) != 0 {
		t.Fatalf("found without the words: %s", res.Text)
	}
	said := fmt.Sprintf(officeServer, ", trust: unreviewed, tools: {aliases: [\"send_mail=zorkmid\", \"sned_mail=x\"]}")
	if err := a.apply(t.Context(), loadConfig(t, dir, said)); err != nil {
		t.Fatal(err)
	}
	res := found(t, a, query)
	if len(res.Hits) != 1 || res.Hits[0].Tool != "send_mail" {
		t.Fatalf("after a reload: %s", res.Text)
	}
	if why := fmt.Sprint(res.Hits[0].Why); !strings.Contains(why, "operator's words") || !strings.Contains(why, "unreviewed") {
		t.Errorf("why: %s", why)
	}
	a.close()
	a = openTestApp(t, loadConfig(t, dir, said))
	defer a.close()
	if res := found(t, a, query); len(res.Hits) != 1 {
		t.Errorf("after a restart: %s", res.Text)
	}
	if err := a.apply(t.Context(), loadConfig(t, dir, fmt.Sprintf(officeServer, ""))); err != nil {
		t.Fatal(err)
	}
	if res := found(t, a, query); len(res.Hits) != 0 {
		t.Errorf("after the words were taken back: %s", res.Text)
	}
}
