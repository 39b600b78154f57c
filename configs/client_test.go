package configs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"toolrouter/internal/catalog"
)

const claudeFile = `{
  // comments are allowed
  "theme": "dark",
  "mcpServers": {
    "Notes App": {"command": "npx", "args": ["-y", "server", 8080], "env": {"API_KEY": "$${K}", "Mixed": "${K}"}, "disabled": true, "autoApprove": ["x"]},
    "weather": {"type": "http", "url": "https://w.example/mcp", "headers": {"X-Key": "${K}"}, "timeout": 60, "frobnicate": 1},
    "old": {"url": "https://old.example/sse", "transportType": "sse", "enabled": false, "disabledTools": ["a*b"],},
    "cursor": {"command": "x", "cwd": "${workspaceFolder}/sub", "envFile": ".env"},
  },
}`

func TestClaudeFile(t *testing.T) {
	path := write(t, "mcp.json", claudeFile)
	dir := filepath.Dir(path)
	must(t, os.WriteFile(filepath.Join(dir, ".env"), []byte("# c\nexport A='1 ${K}'\nB=2 # two\n\n"), 0o600))
	c := load(t, LoadOptions{Path: path, Environ: []string{"HOME=/h", "K=k"}})
	want := []Server{
		{Name: "notes-app", Command: []string{"npx", "-y", "server", "8080"}, Env: []string{"API_KEY=${K}", "Mixed=k"}, Start: "lazy", Disabled: true},
		{Name: "weather", URL: "https://w.example/mcp", Transport: "http", Headers: []string{"X-Key=k"}, Start: "lazy"},
		{Name: "old", URL: "https://old.example/sse", Transport: "sse", Start: "lazy", Disabled: true, Tools: Filter{Deny: []string{`a\*b`}}},
		{Name: "cursor", Command: []string{"x"}, Dir: dir + "/sub", Env: []string{"A=1 ${K}", "B=2"}, Start: "lazy"},
	}
	if diff := cmp.Diff(want, c.Servers); diff != "" {
		t.Errorf("servers (-want +got):\n%s", diff)
	}
	if c.Source != SourceClient || c.Listen != defaultListen {
		t.Errorf("source %s, listen %s", c.Source, c.Listen)
	}
	wantWarnings := []string{
		path + `: server "Notes App" is called notes-app here`,
		path + `: mcpServers.weather.frobnicate is not read`,
	}
	if diff := cmp.Diff(wantWarnings, c.Warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func TestVSCodeFile(t *testing.T) {
	root := t.TempDir()
	must(t, os.Mkdir(filepath.Join(root, ".vscode"), 0o700))
	path := filepath.Join(root, ".vscode", "mcp.json")
	must(t, os.WriteFile(path, []byte(`{
  "inputs": [{"type": "promptString", "id": "gh-token", "description": "GitHub token", "password": true},
             {"type": "promptString", "id": "region", "default": "eu"}],
  "servers": {
    "github": {"type": "http", "url": "https://a.example/${input:region}", "headers": {"Authorization": "Bearer ${input:gh-token}"}},
    "files": {"type": "stdio", "command": "npx", "args": ["${workspaceFolder}", "${env:HOME}"]}
  }
}`), 0o600))
	_, err := Load(LoadOptions{Path: path, Environ: []string{"HOME=/h"}})
	want := path + ":5:105: servers.github.headers.Authorization: server github: the client would ask for ${input:gh-token} (GitHub token) and the router cannot: set $ROUTER_INPUT_GH_TOKEN"
	if err == nil || err.Error() != want {
		t.Errorf("without the input: %v\nwant %s", err, want)
	}
	c := load(t, LoadOptions{Path: path, Environ: []string{"HOME=/h", "ROUTER_INPUT_GH_TOKEN=t"}})
	wantServers := []Server{
		{Name: "github", URL: "https://a.example/eu", Transport: "http", Headers: []string{"Authorization=Bearer t"}, Start: "lazy"},
		{Name: "files", Command: []string{"npx", root, "/h"}, Transport: "stdio", Start: "lazy"},
	}
	if diff := cmp.Diff(wantServers, c.Servers); diff != "" || c.Source != SourceVSCode {
		t.Errorf("servers of %s (-want +got):\n%s", c.Source, diff)
	}
}

// A client's file says what only a file of the router's own may: it is not read,
// and that is told. Keys that mean nothing to the router are the client's affair.
func TestOurKeysInAClientsFile(t *testing.T) {
	for _, text := range []string{
		`{"Listen": "0.0.0.0:80", "theme": "dark", "servers": [], "mcpServers": {"a": {"command": "x"}}}`,
		`{"Listen": "0.0.0.0:80", "inputs": [], "mcpProxy": {}, "servers": {"a": {"command": "x"}}}`,
	} {
		path := write(t, "mcp.json", text)
		c := load(t, LoadOptions{Path: path})
		if c.Listen != defaultListen || len(c.Servers) != 1 {
			t.Errorf("listen %s, servers %v", c.Listen, c.Servers)
		}
		const unread = " is not read from a client's file: set listen and the like in a file of the router's own, or in the environment"
		second := map[Source]string{SourceClient: "servers", SourceVSCode: "mcpProxy"}[c.Source]
		if diff := cmp.Diff([]string{path + ": Listen" + unread, path + ": " + second + unread}, c.Warnings); diff != "" {
			t.Errorf("warnings (-want +got):\n%s", diff)
		}
	}
}

// Clients tell names apart that come to the same here.
func TestNamesThatFoldTogether(t *testing.T) {
	long := strings.Repeat("x", 40)
	path := write(t, "mcp.json", `{"mcpServers": {
	"GitHub": {"command": "a"}, "github": {"command": "b"}, "GITHUB": {"command": "c"},
	"a.b": {"command": "d"}, "a_b": {"command": "e"}, "`+long+`": {"command": "f"}, "`+long+`y": {"command": "g"}}}`)
	c := load(t, LoadOptions{Path: path})
	var got []string
	for _, s := range c.Servers {
		got = append(got, s.Name+" "+s.Command[0])
	}
	want := []string{
		"github-" + shortHash("GitHub") + " a", "github b", "github-" + shortHash("GITHUB") + " c",
		"a.b d", "a_b-" + shortHash("a_b") + " e",
		long[:32] + " f", long[:23] + "-" + shortHash(long+"y") + " g",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("servers (-want +got):\n%s", diff)
	}
	if len(c.Warnings) != 5 || c.Warnings[0] != path+`: server "GitHub" is called github-`+shortHash("GitHub")+` here, because another one is called github` {
		t.Errorf("warnings %q", c.Warnings)
	}
}

func TestLegalName(t *testing.T) {
	for in, want := range map[string]string{
		"github": "github", "My Server": "my-server", "A__B": "a__b", "@scope/pkg": "scope-pkg", "My tools!": "my-tools",
		"天気": "server-8f06fb2c", strings.Repeat("x", 40): strings.Repeat("x", 32),
	} {
		got := legalName(in)
		if got != want && !strings.HasPrefix(want, "server-") {
			t.Errorf("legalName(%q) = %q, want %q", in, got, want)
		}
		if catalog.CheckServerName(got) != nil || legalName(got) != got {
			t.Errorf("legalName(%q) = %q is not legal, or not its own", in, got)
		}
	}
}

func FuzzLegalName(f *testing.F) {
	f.Add("._a..b__")
	f.Fuzz(func(t *testing.T, s string) {
		if got := legalName(s); catalog.CheckServerName(got) != nil {
			t.Errorf("legalName(%q) = %q: %v", s, got, catalog.CheckServerName(got))
		}
	})
}
