package configs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestNoFile(t *testing.T) {
	home := t.TempDir()
	c := load(t, LoadOptions{Environ: []string{"HOME=" + home, "XDG_STATE_HOME=/state"}})
	want := Default()
	want.State = "/state/toolrouter"
	want.Path = filepath.Join(home, ".config/toolrouter/config.yaml")
	if diff := cmp.Diff(want.Redacted(), c.Redacted(), cmp.AllowUnexported(Config{})); diff != "" {
		t.Errorf("config without a file (-want +got):\n%s", diff)
	}
	if c.Source != SourceNone || len(c.Specs()) != 0 {
		t.Errorf("source %s, %d specs", c.Source, len(c.Specs()))
	}
}

func TestNamedFileMustExist(t *testing.T) {
	for _, o := range []LoadOptions{
		{Path: "testdata/none.yaml", Environ: []string{"HOME=/h"}},
		{Environ: []string{"HOME=/h", "ROUTER_CONFIG=testdata/none.yaml"}},
	} {
		if _, err := Load(o); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "testdata/none.yaml") {
			t.Errorf("Load(%v) = %v, want not exist", o, err)
		}
	}
}

func TestOddFiles(t *testing.T) {
	large := write(t, "large.yaml", "listen: a"+strings.Repeat(" ", maxFile))
	for path, want := range map[string]string{
		t.TempDir(): "is a folder, not a file", large: "larger than 10MiB",
	} {
		if _, err := Load(LoadOptions{Path: path}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Load(%s) = %v, want %q", path, err, want)
		}
	}
}

func TestLayers(t *testing.T) {
	path := write(t, "config.yaml", "Listen: 127.0.0.1:1\nsearch: {LIMIT: 2, max_tokens: 500}\nlog: {level: warn}\nservers:\n")
	c := load(t, LoadOptions{
		Path: path,
		Environ: []string{"HOME=/h", "ROUTER_LISTEN=127.0.0.1:2", "ROUTER_SEARCH_LIMIT=3", "ROUTER_CALLS_TIMEOUT=5s",
			"ROUTER_HTTP_HOSTS=a.example, b.example:80", "ROUTER_HTTP_MAX_BODY=1MiB", "ROUTER_SERCH_LIMIT=9", "ROUTER_SECRET_X=1"},
		Overrides: map[string]string{"search.limit": "4", "state": "/s"},
	})
	if c.Listen != "127.0.0.1:2" || c.Search.Limit != 4 || c.Search.MaxTokens != 500 || c.Log != (Log{"warn", "text"}) || c.State != "/s" {
		t.Errorf("config %+v %+v %+v %s", c.Listen, c.Search, c.Log, c.State)
	}
	if time.Duration(c.Calls.Timeout) != 5*time.Second || c.HTTP.MaxBody != 1<<20 ||
		!cmp.Equal(c.HTTP.Hosts, []string{"a.example", "b.example:80"}) {
		t.Errorf("from the environment: %v %v %q", c.Calls.Timeout, c.HTTP.MaxBody, c.HTTP.Hosts)
	}
	want := []string{"$ROUTER_SERCH_LIMIT means nothing here, did you mean $ROUTER_SEARCH_LIMIT?"}
	if diff := cmp.Diff(want, c.Warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func TestEveryScalarFromEnvironment(t *testing.T) {
	values := map[string]string{
		"listen": "127.0.0.1:9", "state": "/s", "log.level": "debug", "log.format": "json", "search.limit": "7",
		"search.max_tokens": "700", "calls.max_concurrent": "9", "calls.timeout": "9s",
		"http.hosts": "h", "http.origins": "http://o", "http.max_body": "9KiB",
		"search.unreviewed_prior": "0.5", "search.embedder.url": "http://localhost:9", "search.embedder.model": "m",
		"search.embedder.key": "k", "search.embedder.headers": "A=b", "search.embedder.timeout": "9ms",
		"search.embedder.batch": "9", "search.embedder.dimensions": "9", "search.embedder.query_prefix": "q: ",
		"search.embedder.document_prefix": "d: ", "servers": "[{name: a, command: [b]}]",
	}
	for path, s := range settings() {
		text, ok := values[path]
		if !ok {
			t.Errorf("no value for %s", path)
		}
		c := load(t, LoadOptions{Environ: []string{"HOME=/h", s.env() + "=" + text}})
		if len(c.Changed(load(t, LoadOptions{Environ: []string{"HOME=/h"}}))) == 0 {
			t.Errorf("%s=%s changed nothing", s.env(), text)
		}
	}
}

func TestMistakesOutsideTheFile(t *testing.T) {
	_, err := Load(LoadOptions{
		Path:      write(t, "config.yaml", "search: {limit: 3}"),
		Environ:   []string{"HOME=/h", "ROUTER_SEARCH_LIMIT=lots", "ROUTER_CALLS_TIMEOUT=3", "ROUTER_LOG_LEVEL=loud"},
		Overrides: map[string]string{"listen": "here", "no.such": "x"},
	})
	want := `ROUTER_CALLS_TIMEOUT: 3 has no unit: write 3s
ROUTER_LOG_LEVEL: "loud" is none of debug, info, warn, error
ROUTER_SEARCH_LIMIT: wants a whole number, not "lots"
flag for listen: "here" is no address: write 127.0.0.1:7411
no.such: no key that can be set from outside the file`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

// A list in the environment is read as strictly as one in the file, in whose
// place it stands, and its mistakes are told under the variable's name.
func TestListsFromTheEnvironment(t *testing.T) {
	path := write(t, "config.yaml", "http: {hosts: [file.example]}\nservers: [{name: file, command: [x]}]\n")
	must(t, os.Chmod(path, 0o644))
	c := load(t, LoadOptions{Path: path, Environ: []string{"HOME=/h", "TOKEN=t",
		`ROUTER_SERVERS=[{"name": "a", "url": "https://a.example", "headers": ["Authorization=Bearer ${TOKEN}"]}, {name: b, Command: [x, "a,b"], env: [KEY=k]}]`,
		`ROUTER_HTTP_HOSTS=["a.example", "b.example"]`, "ROUTER_HTTP_ORIGINS=- http://a.example\n- http://b.example", `ROUTER_SEARCH_EMBEDDER_HEADERS=["A=b, c"]`}})
	want := []Server{
		{Name: "a", URL: "https://a.example", Headers: []string{"Authorization=Bearer t"}, Start: "lazy"},
		{Name: "b", Command: []string{"x", "a,b"}, Env: []string{"KEY=k"}, Start: "lazy"},
	}
	if diff := cmp.Diff(want, c.Servers); diff != "" {
		t.Errorf("servers (-want +got):\n%s", diff)
	}
	lists := [][]string{c.HTTP.Hosts, c.HTTP.Origins, c.Search.Embedder.Headers}
	if diff := cmp.Diff([][]string{{"a.example", "b.example"}, {"http://a.example", "http://b.example"}, {"A=b, c"}}, lists); diff != "" {
		t.Errorf("hosts, origins, headers (-want +got):\n%s", diff)
	}
	if len(c.Warnings) != 0 {
		t.Errorf("warnings %q, none of which is about the file", c.Warnings)
	}
	c = load(t, LoadOptions{Path: path, Environ: []string{"HOME=/h", "ROUTER_SERVERS=[]", "ROUTER_HTTP_HOSTS=[::1]:80,[2001:db8::1]"}})
	if len(c.Servers) != 0 || !cmp.Equal(c.HTTP.Hosts, []string{"[::1]:80", "[2001:db8::1]"}) {
		t.Errorf("servers %v, hosts %q", c.Servers, c.HTTP.Hosts)
	}

	_, err := Load(LoadOptions{Path: path, Environ: []string{"HOME=/h", "ROUTER_HTTP_ORIGINS=[1, a.example]", "ROUTER_HTTP_HOSTS=[a",
		`ROUTER_SERVERS=[{"name": "A", "command": ["x"]}, {"nam": "b", "url": "ftp://x"}, {"name": "c", "url": "${NO_SUCH}", "timeout": 3}]`}})
	wanted := `ROUTER_HTTP_HOSTS: is no list in YAML or JSON: did not find expected ',' or ']'
ROUTER_HTTP_ORIGINS[0]: wants a text: put 1 in quotes
ROUTER_HTTP_ORIGINS[1]: "a.example" is no origin: write https://example.com
ROUTER_SERVERS[0].name: server name "A": use lower-case letters, digits, '.', '_' and '-', and begin with a letter or digit
ROUTER_SERVERS[1].nam: unknown key, did you mean "name"?
ROUTER_SERVERS[1].name: a server needs a name
ROUTER_SERVERS[1].url: scheme "ftp" is neither http nor https
ROUTER_SERVERS[2].timeout: 3 has no unit: write 3s
ROUTER_SERVERS[2].url: server c: ${NO_SUCH} is not set: set it, or write ${NO_SUCH:-default}`
	if err == nil || err.Error() != wanted {
		t.Errorf("got\n%v\nwant\n%s", err, wanted)
	}
	if _, err := Load(LoadOptions{Path: path, Environ: []string{"HOME=/h", "ROUTER_SERVERS={a: b}"}}); err == nil || err.Error() != `ROUTER_SERVERS: wants a list: begin each entry with "- name: …"` {
		t.Errorf("no list: %v", err)
	}
}

func TestChanged(t *testing.T) {
	one := load(t, LoadOptions{Path: write(t, "c.yaml", "servers: [{name: a, command: [x]}]")})
	two := load(t, LoadOptions{Path: write(t, "c.yaml", "listen: 127.0.0.1:1\nsearch: {embedder: {batch: 9}}\nhttp: {hosts: [h]}\nservers: [{name: b, command: [x]}]")})
	if diff := cmp.Diff([]string{"http.hosts", "listen", "search.embedder.batch", "servers"}, one.Changed(two)); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
	if same := one.Changed(one); len(same) != 0 {
		t.Errorf("unchanged: %q", same)
	}
}

const full = `
servers:
  - name: my.server
    command: [run, "${ARG}", "$${ARG}", "$$", "a$$$${X}$$$${Y}"]
    dir: sub
    env: ["API_KEY=${KEY}", "Mixed=Case", "D=${NONE:-x${ARG}y}"]
    protocol: 2025-06-18
    timeout: 90s
    concurrency: ${N}
    disabled: ${OFF:-false}
    tools: {allow: ["get_*"], deny: ["*_x"], describe: ["get_A=open = it"], aliases: ["get_A=a, b"]}
  - name: remote
    type: streamable-http
    url: https://a.example/mcp?token=t
    headers: ["Authorization=Bearer ${file:token}", "X=${secret:api-key}", "Y=${secret:other}"]
    start: eager
`

func TestServers(t *testing.T) {
	path := write(t, "config.yaml", full)
	dir := filepath.Dir(path)
	must(t, os.WriteFile(filepath.Join(dir, "token"), []byte("tok\n\n"), 0o600))
	must(t, os.MkdirAll(filepath.Join(dir, "state/secrets"), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "state/secrets/other"), []byte("hush\r\n"), 0o600))
	env := []string{"HOME=/h", "ARG=a b", "KEY=k", "N=3", "ROUTER_SECRET_API_KEY=s", "ROUTER_STATE=" + dir + "/state"}
	// A header cannot hold a line end, so the second one of the file is a mistake.
	if _, err := Load(LoadOptions{Path: path, Environ: env}); err == nil || !strings.Contains(err.Error(), "headers[0]") {
		t.Errorf("a header with a line end: %v", err)
	}
	must(t, os.WriteFile(filepath.Join(dir, "token"), []byte("tok\n"), 0o600))
	c := load(t, LoadOptions{Path: path, Environ: env})
	want := []Server{{
		Name: "my.server", Command: []string{"run", "a b", "${ARG}", "$$", "a$${X}$${Y}"}, Dir: filepath.Join(dir, "sub"),
		Env: []string{"API_KEY=k", "Mixed=Case", "D=xa by"}, Protocol: "2025-06-18", Start: "lazy",
		Timeout: Duration(90 * time.Second), Concurrency: 3,
		Tools: Filter{
			Allow: []string{"get_*"}, Deny: []string{"*_x"},
			Describe: []string{"get_A=open = it"}, Aliases: []string{"get_A=a, b"},
		},
	}, {
		Name: "remote", URL: "https://a.example/mcp?token=t", Transport: "http", Start: "eager",
		Headers: []string{"Authorization=Bearer tok", "X=s", "Y=hush"},
	}}
	if diff := cmp.Diff(want, c.Servers); diff != "" {
		t.Errorf("servers (-want +got):\n%s", diff)
	}
	specs := c.Specs()
	if specs[0].Timeout != 90*time.Second || specs[1].Timeout != time.Minute || specs[1].Transport != "http" {
		t.Errorf("specs %v %v", specs[0], specs[1])
	}
	if len(c.Reads) != 3 {
		t.Errorf("read %q, want the config, the token and the secret", c.Reads)
	}
	noSecretLeaves(t, c)
	must(t, os.Chmod(filepath.Join(dir, "state/secrets/other"), 0o644))
	if _, err := Load(LoadOptions{Path: path, Environ: env}); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a secret that others may read: %v", err)
	}
}

func noSecretLeaves(t *testing.T, c *Config) {
	t.Helper()
	yaml, err := c.Redacted().YAML()
	must(t, err)
	text, err := json.Marshal(c.Redacted())
	must(t, err)
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "c", c, "v", *c, "s", c.Servers[1])
	all := string(yaml) + string(text) + log.String() + fmt.Sprintf("%v %+v %#v %+v", c, *c, *c, c.Servers)
	for _, secret := range []string{"tok", "hush", "Bearer", "a b", "Case", "=k", "=s"} {
		if strings.Contains(strings.ReplaceAll(all, "max_tokens", ""), secret) {
			t.Errorf("%q shows in\n%s", secret, all)
		}
	}
	for _, shown := range []string{"command: [run, …,", "Authorization=…", "https://a.example/mcp?…", "timeout: 1m30s"} {
		if !strings.Contains(string(yaml), shown) {
			t.Errorf("%q is missing in\n%s", shown, yaml)
		}
	}
}

func TestOddities(t *testing.T) {
	path := write(t, "config.yaml", "listen: :7411\nservers:\n  - name: a\n    command: [x]\n    env: [API_KEY=k, LANG=C]\n    headers: [A=b]\n")
	must(t, os.Chmod(path, 0o644))
	c := load(t, LoadOptions{Path: path})
	if len(c.Warnings) != 3 || !strings.Contains(c.Warnings[2], "others may read") {
		t.Errorf("warnings %q", c.Warnings)
	}
}

func TestMergeKeysAndAliases(t *testing.T) {
	path := write(t, "config.yaml", "servers:\n  - &a\n    name: a\n    command: &c [x]\n    start: eager\n  - <<: *a\n    name: b\n  - {name: c, command: *c}\n")
	c := load(t, LoadOptions{Path: path})
	if len(c.Servers) != 3 || c.Servers[1].Start != "eager" || c.Servers[2].Command[0] != "x" {
		t.Errorf("servers %+v", c.Specs())
	}
}

func TestFormatsAgree(t *testing.T) {
	texts := map[string]string{
		"c.yaml": "listen: 127.0.0.1:1\nsearch:\n  limit: 3\nservers:\n  - name: A.b\n    command: [x]\n",
		"c.json": "\xef\xbb\xbf{\"listen\": \"127.0.0.1:1\", /* c */ \"search\": {\"Limit\": 3,}, // d\n\"servers\": [{\"name\": \"A.b\", \"command\": [\"x\"],}]}",
		"c.toml": "listen = \"127.0.0.1:1\"\n[search]\nlimit = 3\n[[servers]]\nname = \"A.b\"\ncommand = [\"x\"]\n",
		"c":      "{\"listen\": \"127.0.0.1:1\", \"search\": {\"limit\": 3}, \"servers\": [{\"name\": \"A.b\", \"command\": [\"x\"]}]}",
	}
	first := load(t, LoadOptions{Path: write(t, "c.yaml", strings.ReplaceAll(texts["c.yaml"], "A.b", "a.b"))})
	for name, text := range texts {
		c := load(t, LoadOptions{Path: write(t, name, strings.ReplaceAll(text, "A.b", "a.b"))})
		if keys := first.Changed(c); len(keys) > 0 {
			t.Errorf("%s differs in %q", name, keys)
		}
		if c.Digest != FileDigest(c.Path) || (c.Digest == first.Digest) != (name == "c.yaml") {
			t.Errorf("%s: digest %q, of the file %q", name, c.Digest, FileDigest(c.Path))
		}
	}
}

func FuzzLoad(f *testing.F) {
	paths, _ := filepath.Glob("testdata/*.bad.*")
	for _, path := range append(paths, "examples/config.yaml") {
		f.Add(read(f, path), uint8(0))
		f.Add(read(f, path), uint8(1))
		f.Add(read(f, path), uint8(2))
	}
	f.Add(full, uint8(0))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string, kind uint8) {
		path := filepath.Join(dir, "c"+[]string{".yaml", ".json", ".toml", ""}[kind%4])
		must(t, os.WriteFile(path, []byte(text), 0o600))
		c, err := Load(LoadOptions{Path: path, Environ: []string{"HOME=/h", "ARG=a"}})
		if (c == nil) == (err == nil) {
			t.Errorf("Load = %v, %v", c, err)
		}
		if c == nil {
			return
		}
		if err := c.Validate(); err != nil {
			t.Errorf("what was loaded is not valid: %v", err)
		}
		if _, err := c.Redacted().YAML(); err != nil {
			t.Error(err)
		}
	})
}

func FuzzExpand(f *testing.F) {
	for _, s := range []string{"", "$", "${", "${A}", "$${A}", "$$${A}", "${B:-${A}}", "${B:-}", "${secret:x}", "${:-}", "a${A}b${A"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		x := &expander{env: map[string]string{"A": "${A}"}, dir: "/nowhere"}
		if got, err := x.expand(literal(s)); err != nil || got != s {
			t.Errorf("expand(literal(%q)) = %q, %v", s, got, err)
		}
		got, err := x.expand(s)
		if err == nil && !strings.Contains(s, "${") && got != s {
			t.Errorf("expand(%q) = %q without a reference", s, got)
		}
	})
}

func FuzzStripComments(f *testing.F) {
	for _, s := range []string{"", "{}", "{\"a\":1,}", "// x\n[1,/* y */]", "\"//\"", "\"\\\"/*\"", "[1,,]", "/*", "/", "[\",]\"]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := stripComments([]byte(s))
		if err != nil {
			return
		}
		if len(got) != len(s) || strings.Count(string(got), "\n") != strings.Count(s, "\n") {
			t.Errorf("stripComments(%q) = %q moves bytes", s, got)
		}
		if json.Valid([]byte(s)) && string(got) != s {
			t.Errorf("stripComments(%q) = %q changes valid JSON", s, got)
		}
		if again, err := stripComments(got); json.Valid(got) && (err != nil || string(again) != string(got)) {
			t.Errorf("stripComments is not idempotent on %q", s)
		}
	})
}
