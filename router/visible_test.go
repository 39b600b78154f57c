package router

import (
	"encoding/json"
	"strings"
	"testing"

	"toolrouter/internal/catalog"
)

// TestDisabledToolsAreNowhere: what may not be seen is neither found, listed,
// loaded nor called, however it is spelled.
func TestDisabledToolsAreNowhere(t *testing.T) {
	up, last := echo(`{}`)
	up.servers = []catalog.Server{{Name: "jira", State: catalog.Disabled}, {Name: "github", State: catalog.Ready}}
	r := routerOf(Options{}, up, office(t)...)
	for _, req := range []SearchRequest{{Query: "issue project"}, {Query: "jira__create_issue"}, {Server: "jira"}, {Tools: []string{"jira__create_issue"}}, {Query: "jra__create_isue"}} {
		res, err := r.Search(t.Context(), req)
		if err != nil || strings.Contains(res.Text, "jira__") && !strings.Contains(res.Text, `no tool "jira__create_issue" here`) {
			t.Errorf("%+v finds %s (%v)", req, res.Text, err)
		}
		if res.Catalog != 5 {
			t.Errorf("%+v counts %d tools, want 5", req, res.Catalog)
		}
	}
	for _, name := range []string{"jira__create_issue", "jira/create_issue", "mcp__x__jira__create_issue"} {
		got, err := r.Call(t.Context(), CallRequest{Name: name, Arguments: json.RawMessage(`{"project":"p","summary":"s"}`)})
		if err != nil || last.ID.Tool != "" {
			t.Fatalf("%s was called: %v, %v", name, last.ID, err)
		}
		text, isError := textOf(t, got)
		rest := strings.Replace(text, name, "", 1)
		if rest, said := strings.CutPrefix(rest, `no tool "" here. Server jira is disabled. It is switched off in the configuration.`); !isError || !said || strings.Contains(rest, "jira") {
			t.Errorf("%s: %s", name, text)
		}
	}
	res, err := r.Search(t.Context(), SearchRequest{Server: "jira"})
	if want := "Server jira is disabled. It is switched off in the configuration."; err != nil || res.Text != want {
		t.Errorf("listing it says %q (%v), want %q", res.Text, err, want)
	}
	if _, err := r.Call(t.Context(), CallRequest{Name: "create_issue", Arguments: json.RawMessage(`{"owner":"o","repo":"r","title":"t"}`)}); err != nil || last.ID.Server != "github" {
		t.Errorf("the bare name called %v (%v), want the visible tool", last.ID, err)
	}
}
