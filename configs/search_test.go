package configs

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"toolrouter/index/remote"
	"toolrouter/internal/catalog"
)

func TestEmbedder(t *testing.T) {
	path := write(t, "config.yaml", `
search:
  unreviewed_prior: 1
  embedder:
    url: https://api.example/v1?version=tok1
    model: small
    key: ${KEY}
    headers: ["X-Org=tok3"]
    timeout: 1s
    query_prefix: "query: "
`)
	c := load(t, LoadOptions{Path: path, Environ: []string{"HOME=/h", "KEY=tok2"}})
	want := remote.Options{
		URL: "https://api.example/v1?version=tok1", Model: "small", Key: "tok2", Headers: []string{"X-Org=tok3"},
		Batch: 64, QueryPrefix: "query: ",
	}
	e := c.Search.Embedder
	if diff := cmp.Diff(want, e.Remote()); diff != "" || time.Duration(e.Timeout) != time.Second || c.Search.UnreviewedPrior != 1 {
		t.Errorf("embedder (-want +got):\n%s%v %v", diff, e.Timeout, c.Search.UnreviewedPrior)
	}
	yaml, err := c.Redacted().YAML()
	must(t, err)
	all := string(yaml) + fmt.Sprintf("%v %+v %#v %v", c, c.Search, e, e.LogValue())
	for _, secret := range []string{"tok1", "tok2", "tok3"} {
		if strings.Contains(all, secret) {
			t.Errorf("%q shows in\n%s", secret, all)
		}
	}
}

func TestEmbedderWarnings(t *testing.T) {
	for _, tt := range []struct{ search, want string }{
		{"{model: m}", "without a url"},
		{"{url: \"http://models.example\", key: k}", "unencrypted"},
		{"{url: \"http://localhost:11434\", key: k}", ""},
		{"{url: \"http://models.example\"}", ""},
		{"{url: \"https://models.example\", key: k}", ""},
	} {
		c := load(t, LoadOptions{Path: write(t, "config.yaml", "search: {embedder: "+tt.search+"}")})
		if all := strings.Join(c.Warnings, "\n"); all == "" != (tt.want == "") || !strings.Contains(all, tt.want) {
			t.Errorf("%s: warnings %q, want %q", tt.search, all, tt.want)
		}
	}
}

func TestKeyInAnOpenFile(t *testing.T) {
	path := write(t, "config.yaml", "search: {embedder: {url: http://localhost, key: k}}")
	must(t, os.Chmod(path, 0o644))
	if c := load(t, LoadOptions{Path: path}); len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "others may read") {
		t.Errorf("warnings %q", c.Warnings)
	}
}

func TestOperatorsWords(t *testing.T) {
	c := load(t, LoadOptions{Path: write(t, "config.yaml", `
servers:
  - name: tracker
    command: [x]
    trust: unreviewed
    tools:
      describe: ["Create_Issue = open a ticket, file a bug", "Create_Issue=or a task", "x=a=b"]
      aliases: ["Create_Issue=ticket, bug report,", "close=done"]
  - name: clock
    command: [y]
    trust: reviewed
`)})
	want := map[catalog.ID]catalog.Words{
		{Server: "tracker", Tool: "Create_Issue"}: {Text: "open a ticket, file a bug or a task", Aliases: []string{"ticket", "bug report"}},
		{Server: "tracker", Tool: "close"}:        {Aliases: []string{"done"}},
		{Server: "tracker", Tool: "x"}:            {Text: "a=b"},
	}
	if diff := cmp.Diff(want, c.Words()); diff != "" {
		t.Errorf("words (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]float64{"tracker": 0.7}, c.Priors()); diff != "" {
		t.Errorf("priors (-want +got):\n%s", diff)
	}
}
