package configs

import (
	"strings"
	"testing"
)

func TestHideArguments(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		// What people want to read stays.
		{"npx -y @modelcontextprotocol/server-filesystem /home/u/notes", ""},
		{"npx -y @scope/server-everything@2025.9.12 --port 8080 --mode=read-only", ""},
		{"docker run -i --rm ghcr.io/github/github-mcp-server:v0.20.1", ""},
		{"uvx --from git+https://github.com/a/b server", ""},
		{"npx mcp-remote https://mcp.example.com/v1/mcp", ""},
		{"x server-2024-11-05 modelcontextprotocol v1beta2 a=b", ""},
		// Values that a name gives away.
		{"npx mcp-remote u --header Authorization:Bearer_sk-1", "npx mcp-remote u --header Authorization:…"},
		{"docker run -e API_KEY=sk-1 -e MODE=x img", "docker run -e API_KEY=… -e MODE=… img"},
		{"x --api-key=k --token t --password p -v", "x --api-key=… --token … --password … -v"},
		{"x X-Api-Key:k", "x X-Api-Key:…"},
		// What looks like a key, wherever it stands.
		{"x sk-proj-abcdefgh", "x …"},
		{"x ghp_abcdefghijkl", "x …"},
		{"x --id=a8f3k29dj2k3l4m5", "x --id=…"},
		{"x 3f2504e0-4f89-11d3-9a0c-0305e82c3301", "x …"},
		// URLs.
		{"npx mcp-remote https://h/s/a8f3k29dj2k3l4m5/mcp?key=k", "npx mcp-remote https://h/s/…/mcp?…"},
		{"db postgres://u:p@h/db", "db postgres://h/db?…"},
		{"db --url=postgres://u:p@h/db", "db --url=postgres://h/db?…"},
	} {
		if tt.want == "" {
			tt.want = tt.args
		}
		if got := strings.Join(hideArguments(strings.Fields(tt.args)), " "); got != tt.want {
			t.Errorf("hideArguments(%s)\n = %s\nwant %s", tt.args, got, tt.want)
		}
	}
	got := hideArguments([]string{"npx", "x", "--header", "Authorization: Bearer sk-1", "Bearer sk-2"})
	if text := strings.Join(got, "|"); strings.Contains(text, "sk-") || !strings.Contains(text, "Authorization:…") {
		t.Errorf("arguments with spaces: %s", text)
	}
}

func TestHideURL(t *testing.T) {
	for raw, want := range map[string]string{
		"https://mcp.example.com/v1/mcp/":                            "https://mcp.example.com/v1/mcp/",
		"https://mcp.example.com/api/mcp-server-2024/sse":            "https://mcp.example.com/api/mcp-server-2024/sse",
		"https://h/s/sk_live_abcdefgh/mcp":                           "https://h/s/…/mcp",
		"https://h/api/3f2504e0-4f89-11d3-9a0c-0305e82c3301/sse":     "https://h/api/…/sse",
		"https://h/hook/T00000000/B0/notarealkey1234notakey00?x=y#z": "https://h/hook/T00000000/B0/…?…",
		"https://u:p@h/mcp":                                          "https://h/mcp?…",
	} {
		if got := hideURL(raw); got != want {
			t.Errorf("hideURL(%s) = %s, want %s", raw, got, want)
		}
	}
}

// A message tells which reference has a wrong value, and never the value.
func TestMessagesHideWhatWasExpanded(t *testing.T) {
	const secret = "sk-SECRET-1x"
	for _, tt := range []struct{ server, want string }{
		{"timeout: '${TOK}'", "servers[0].timeout: wants a text such as 30s, and ${TOK} gives another"},
		{"timeout: '${NUM}'", "servers[0].timeout: wants a text such as 30s, and ${NUM} gives another"},
		{"concurrency: '${TOK}'", "servers[0].concurrency: wants a whole number, and ${TOK} gives another value"},
		{"concurrency: '${NUM}'", "servers[0].concurrency: ${NUM} is out of range: 0 to 10000"},
		{"disabled: '${TOK}'", "servers[0].disabled: wants true or false, and ${TOK} gives another value"},
		{"start: '${TOK}'", "servers[0].start: ${TOK} is none of"},
		{"trust: 'a${TOK}'", "servers[0].trust: a${TOK} is none of reviewed, unreviewed"},
		{"type: '${TOK}'", "servers[0].type: ${TOK} is none of stdio, http, sse"},
		{"protocol: '${TOK}'", "servers[0].protocol: ${TOK} is none of"},
		{"headers: ['${PAIR}']", "servers[0].headers[0]: "},
		{"tools: {deny: ['[${TOK}']}", "servers[0].tools.deny[0]: [${TOK}: syntax error in pattern"},
		{"headers: Bearer " + secret, "servers[0].headers: wants a list of texts, such as"},
	} {
		path := write(t, "config.yaml", "servers:\n  - name: a\n    url: https://a.example\n    "+tt.server+"\n")
		_, err := Load(LoadOptions{Path: path, Environ: []string{"HOME=/h", "TOK=" + secret, "NUM=40711", "PAIR=Bearer " + secret + "=x"}})
		switch {
		case err == nil:
			t.Errorf("%s is no mistake", tt.server)
		case !strings.Contains(err.Error(), tt.want), strings.Contains(err.Error(), "SECRET"), strings.Contains(err.Error(), "40711"):
			t.Errorf("%s:\n%v\nwant %s", tt.server, err, tt.want)
		}
	}
}
