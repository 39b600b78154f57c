package configs

import (
	"os"
	"strings"
	"testing"
)

// A client's file that the router was added to is a config without the router.
func TestItselfIsLeftOut(t *testing.T) {
	path := write(t, "mcp.json", `{"mcpServers": {
		"router": {"url": "http://127.0.0.1:7411/mcp"},
		"mine": {"command": "x", "args": ["--key", "${TOK}"]},
		"joined": {"command": "/usr/local/bin/router", "args": ["stdio"]},
		"off": {"command": "router", "args": ["stdio"], "disabled": true},
		"last": {"command": "y", "args": ["${TOK}"]}}}`)
	c := load(t, LoadOptions{Path: path, Environ: []string{"HOME=/h", "TOK=hush"}})
	var names []string
	for _, s := range c.Servers {
		names = append(names, s.Name)
	}
	if got := strings.Join(names, " "); got != "mine off last" {
		t.Errorf("servers %s", got)
	}
	if all := strings.Join(c.Warnings, "\n"); strings.Count(all, "leads to this router itself") != 2 {
		t.Errorf("warnings\n%s", all)
	}
	yaml, err := c.Redacted().YAML()
	must(t, err)
	if strings.Contains(string(yaml), "hush") {
		t.Errorf("a secret shows in\n%s", yaml)
	}
}

func TestItself(t *testing.T) {
	self, err := os.Executable()
	must(t, err)
	for _, tt := range []struct {
		listen, server string
		want           bool
	}{
		{"127.0.0.1:7411", "http://localhost:7411/mcp/", true},
		{"[::1]:7411", "http://127.0.0.1:7411/sse", true},
		{":7411", "http://127.0.0.2:7411/mcp", true},
		{"0.0.0.0:7411", "http://[::1]:7411/mcp", true},
		{"192.0.2.1:7411", "http://192.0.2.1:7411/mcp", true},
		{"192.0.2.1:7411", "http://127.0.0.1:7411/mcp", false},
		{"127.0.0.1:7411", "http://127.0.0.1:7412/mcp", false},
		{"127.0.0.1:7411", "http://127.0.0.1:7411/other", false},
		{"127.0.0.1:7411", "https://127.0.0.1:7411/mcp", false},
		{"127.0.0.1:7411", "http://mcp.example.com:7411/mcp", false},
		{"127.0.0.1:80", "http://localhost/mcp", true},
		{"127.0.0.1:0", "http://localhost:0/mcp", false},
		{"127.0.0.1:1", "router stdio", true},
		{"127.0.0.1:1", "router.exe --config f stdio", true},
		{"127.0.0.1:1", "router --state /s stdio", true},
		{"127.0.0.1:1", "router --state=/other stdio", false},
		{"127.0.0.1:1", "router demo-server time", false},
		{"127.0.0.1:1", self + " stdio", true},
		{"127.0.0.1:1", self + " demo-server time", false},
		{"127.0.0.1:1", "npx router-mcp stdio", false},
	} {
		c := Default()
		c.Listen, c.State = tt.listen, "/s"
		s := Server{Name: "x", Command: strings.Fields(tt.server)}
		if strings.Contains(tt.server, "://") {
			s = Server{Name: "x", URL: tt.server}
		}
		if got := c.Itself(s); got != tt.want {
			t.Errorf("listening on %s, Itself(%s) = %v", tt.listen, tt.server, got)
		}
	}
}
