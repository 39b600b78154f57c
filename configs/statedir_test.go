package configs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A command must find the router that "serve" starts with the same config, in
// whichever way the file says where that is.
func TestStateDirIsThatOfLoad(t *testing.T) {
	for _, tt := range []struct{ name, file, text, want string }{
		{"plain", "c.yaml", "state: /var/rs", "/var/rs"},
		{"relative", "c.yaml", "state: rs/deep", "DIR/rs/deep"},
		{"variable", "c.yaml", `state: "${HOME}/rs"`, "/home/u/rs"},
		{"default", "c.yaml", `state: "${NO_SUCH:-/var/x}"`, "/var/x"},
		{"nothing", "c.yaml", `state: "${NO_SUCH:-}"`, "/home/u/.local/state/toolrouter"},
		{"empty", "c.yaml", "state:", "/home/u/.local/state/toolrouter"},
		{"home", "c.yaml", "state: ~/rs", "/home/u/rs"},
		{"letter case", "c.yaml", "State: /var/rs", "/var/rs"},
		{"alias", "c.yaml", "log: {level: &a info}\nstate: *a", "DIR/info"},
		{"toml", "c.toml", "listen = \"127.0.0.1:1\"\nstate = \"~/rs\"\n[search]\nlimit = 3\n", "/home/u/rs"},
		{"json", "c.json", "{\n\t// where it is\n\t\"State\": \"/var/rs\",\n}", "/var/rs"},
		{"json without a suffix", "c", "{\"state\":\t\"/var/rs\"}", "/var/rs"},
		{"a client's file has none", "c.json", `{"state": "/var/rs", "mcpServers": {}}`, "/home/u/.local/state/toolrouter"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := LoadOptions{Path: write(t, tt.file, tt.text), Environ: []string{"HOME=/home/u"}}
			want := strings.Replace(tt.want, "DIR", filepath.Dir(o.Path), 1)
			if got, err := StateDir(o); err != nil || got != want {
				t.Errorf("StateDir = %s, %v, want %s", got, err, want)
			}
			if c := load(t, o); c.State != want {
				t.Errorf("Load has the state in %s, want %s", c.State, want)
			}
		})
	}
}

func TestStateDirOfABrokenFile(t *testing.T) {
	const byDefault = "/home/u/.local/state/toolrouter"
	for _, tt := range []struct{ name, file, text, want, mistake string }{
		{"mistakes elsewhere", "c.yaml", "lisen: 1\nstate: ~/rs\nservers:\n  - {name: A, url: \"${NO_SUCH}\"}\n", "/home/u/rs", ""},
		{"a client's server", "c.json", `{"mcpServers": {"a": {"command": 1}}}`, byDefault, ""},
		{"unset variable", "c.yaml", "state: ${NO_SUCH}", byDefault, "c.yaml:1:8: state: ${NO_SUCH} is not set"},
		{"no text", "c.yaml", "state: [a]", byDefault, "c.yaml:1:8: state: wants a text"},
		{"no YAML", "c.yaml", "state: /var/rs\nlog: {", byDefault, "c.yaml:2: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := StateDir(LoadOptions{Path: write(t, tt.file, tt.text), Environ: []string{"HOME=/home/u"}})
			if got != tt.want || (err == nil) != (tt.mistake == "") || err != nil && !strings.Contains(err.Error(), tt.mistake) {
				t.Errorf("StateDir = %s, %v, want %s and %q", got, err, tt.want, tt.mistake)
			}
		})
	}
	got, err := StateDir(LoadOptions{Path: "testdata/none.yaml", Environ: []string{"HOME=/home/u"}})
	if got != byDefault || err == nil || !strings.Contains(err.Error(), "testdata/none.yaml") {
		t.Errorf("StateDir without the file = %s, %v", got, err)
	}
}

// What flags and the environment say needs no file.
func TestStateDirFromOutside(t *testing.T) {
	here, err := os.Getwd()
	must(t, err)
	o := LoadOptions{Path: "testdata/none.yaml", Environ: []string{"HOME=/home/u", "ROUTER_STATE=rs"}}
	if got, err := StateDir(o); err != nil || got != filepath.Join(here, "rs") {
		t.Errorf("StateDir = %s, %v", got, err)
	}
	o.Overrides = map[string]string{"state": "~/rs"}
	if got, err := StateDir(o); err != nil || got != "/home/u/rs" {
		t.Errorf("StateDir = %s, %v", got, err)
	}
	if _, err := StateDir(LoadOptions{Environ: []string{}}); err == nil {
		t.Error("StateDir without a home gives no error")
	}
}
