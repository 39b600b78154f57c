package router

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"toolrouter/internal/catalog"
)

func TestOverview(t *testing.T) {
	r := routerOf(Options{}, nil, office(t)...)
	want := "github (4 tools): issues, pull request, repository\n" +
		"jira (1 tool): issue\n" +
		"time (1 tool): now"
	if got := r.state.Load().overview; got != want {
		t.Errorf("overview =\n%s\nwant\n%s", got, want)
	}
	mustContain(t, r.Instructions(), want, "search_tools", "call_tool")
}

// manyServers makes a catalogue in which no overview has room for everybody.
func manyServers(tb testing.TB, n int) []*catalog.Tool {
	var tools []*catalog.Tool
	for i := range n {
		for j := range 1 + i%5 {
			tools = append(tools, toolNamed(tb, fmt.Sprintf("server-%03d", i), fmt.Sprintf("list_widgets%c", 'a'+j), "", `{}`))
		}
	}
	return tools
}

func TestOverviewIsBoundedAndStable(t *testing.T) {
	tools := manyServers(t, 200)
	r := routerOf(Options{}, nil, tools...)
	text := r.state.Load().overview
	if len(text) > maxOverview {
		t.Errorf("overview has %d bytes, want at most %d", len(text), maxOverview)
	}
	first, last := text[:strings.IndexByte(text, '\n')], text[strings.LastIndexByte(text, '\n')+1:]
	if !strings.HasPrefix(first, "server-004 (5 tools)") {
		t.Errorf("first line %q, want the busiest server, by name among equals", first)
	}
	if !strings.HasPrefix(last, "and ") || !strings.Contains(last, " more servers: server-") || !strings.HasSuffix(last, ", …") {
		t.Errorf("last line %q, want the number and names of the others", last)
	}
	if n := strings.Count(last, "server-"); n < 10 {
		t.Errorf("last line names %d servers, want it to have room for 10: %s", n, last)
	}
	tools[0], tools[len(tools)-1] = tools[len(tools)-1], tools[0]
	if again := routerOf(Options{}, nil, tools...); string(again.ToolsJSON()) != string(r.ToolsJSON()) {
		t.Error("the same catalogue in another order makes another tools/list")
	}
	if _, err := r.Search(t.Context(), SearchRequest{Query: "widgets"}); err != nil {
		t.Fatal(err)
	}
	if r.state.Load().overview != text {
		t.Error("a search changed the overview")
	}
}

func TestToolsJSON(t *testing.T) {
	r := routerOf(Options{Limit: 7}, nil, manyServers(t, 200)...)
	if n := len(r.ToolsJSON()) - len(r.state.Load().overview); n > 3000 {
		t.Errorf("tools/list has %d bytes beside the overview, want less than 3,000", n)
	}
	var tools []struct {
		Name, Title, Description string
		InputSchema              struct {
			Type       string
			Properties map[string]map[string]any
			Required   []string
		}
		Annotations map[string]bool
	}
	if err := json.Unmarshal(r.ToolsJSON(), &tools); err != nil || len(tools) != 2 {
		t.Fatalf("%d tools, %v", len(tools), err)
	}
	for i, want := range []map[string]bool{
		{"readOnlyHint": true, "destructiveHint": false, "idempotentHint": true, "openWorldHint": false},
		{"readOnlyHint": false, "destructiveHint": true, "idempotentHint": false, "openWorldHint": true},
	} {
		if fmt.Sprint(tools[i].Annotations) != fmt.Sprint(want) {
			t.Errorf("%s: annotations %v, want %v", tools[i].Name, tools[i].Annotations, want)
		}
	}
	if got := tools[0].InputSchema.Properties["limit"]["default"]; got != 7.0 {
		t.Errorf("default limit %v, want 7", got)
	}
	if got := tools[1].InputSchema.Required; len(got) != 1 || got[0] != "name" {
		t.Errorf("call_tool requires %v, want name", got)
	}
	for i, def := range tools { // our own schemas must compile like others'
		if c := compile(locate(r.ToolsJSON(), strconv.Itoa(i), "inputSchema")); c.schema == nil {
			t.Errorf("%s schema: %v", def.Name, c.why)
		}
	}
}

func TestOverviewChanged(t *testing.T) {
	up := &fakeUpstream{}
	r := routerOf(Options{}, up, office(t)...)
	told := 0
	r.OverviewChanged(func() { told++ })
	r.Refresh()
	if told != 0 {
		t.Errorf("told %d times of no change", told)
	}
	up.servers = []catalog.Server{{Name: "github", State: catalog.Disabled}}
	r.Refresh()
	if told != 1 || strings.Contains(r.Instructions(), "github (") {
		t.Errorf("told %d times that github was disabled, want once; overview:\n%s", told, r.state.Load().overview)
	}
}

func TestTopics(t *testing.T) {
	tests := []struct {
		name   string
		server string
		tools  []string
		want   string
	}{
		{"plural as it occurs", "gh", []string{"create_issue", "list_issues", "getRepo"}, "issues, repo"},
		{"prefix of all is left out", "web", []string{"browser_click", "browser_tab_new", "browser_tab_close", "browser_cookies"}, "tab, cookies"},
		{"own name is left out", "slack", []string{"slack_post_message", "slack_list_channels"}, "channels, message"},
		{"nothing but verbs", "x", []string{"run", "get", "list"}, ""},
		{"two words", "cloud", []string{"create_load_balancer", "list_load_balancers", "create_droplet"}, "balancers, droplet"},
		{"a noun of two verbs", "gh", []string{"create_pull_request", "list_pull_requests", "pull"}, "pull requests"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var tools []*catalog.Tool
			for _, name := range tt.tools {
				tools = append(tools, toolNamed(t, tt.server, name, "", `{}`))
			}
			if got := topics(tt.server, tools); got != tt.want {
				t.Errorf("topics(%s, %v) = %q, want %q", tt.server, tt.tools, got, tt.want)
			}
		})
	}
}
