package configs

import (
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.yaml.in/yaml/v3"
)

// The example shows every key, with the value that holds without it.
func TestExampleIsTheDefault(t *testing.T) {
	env := []string{"HOME=/home/u"}
	got := load(t, LoadOptions{Path: "examples/config.yaml", Environ: env})
	want := load(t, LoadOptions{Environ: env})
	ignore := cmpopts.IgnoreFields(Config{}, "Path", "Source", "Digest", "Reads", "expanded")
	if diff := cmp.Diff(want, got, ignore); diff != "" {
		t.Errorf("the example differs from the defaults (-default +example):\n%s", diff)
	}
	if len(got.Warnings) > 0 {
		t.Errorf("warnings: %q", got.Warnings)
	}
}

func TestExampleHasEveryKey(t *testing.T) {
	src := read(t, "examples/config.yaml")
	// Uncommenting the servers must give a file that loads.
	servers := regexp.MustCompile(`(?m)^#  `).ReplaceAllString(src, "  ")
	servers = strings.Replace(servers, "servers: []", "servers:", 1)
	path := write(t, "config.yaml", servers)
	c := load(t, LoadOptions{Path: path, Environ: []string{"HOME=/home/u", "GITHUB_TOKEN=t"}})
	if len(c.Servers) != 2 {
		t.Errorf("%d servers, want 2", len(c.Servers))
	}
	root, err := parseYAML([]byte(servers))
	must(t, err)
	for f := range fieldsSeq(reflect.TypeFor[Config]()) {
		n := field(root, keyName(f))
		if n == nil {
			t.Errorf("key %s is not shown", keyName(f))
		}
		if f.Type.Kind() == reflect.Struct {
			allShown(t, n, f.Type, keyName(f))
		}
	}
	for f := range fieldsSeq(reflect.TypeFor[Server]()) {
		shown := keyName(f) == "type" // an alias, told in a comment
		for _, s := range field(root, "servers").Content {
			shown = shown || field(s, keyName(f)) != nil
		}
		if !shown {
			t.Errorf("key servers[].%s is not shown", keyName(f))
		}
	}
	allShown(t, field(field(root, "servers").Content[0], "tools"), reflect.TypeFor[Filter](), "servers[].tools")
}

func allShown(t *testing.T, n *yaml.Node, typ reflect.Type, path string) {
	for f := range fieldsSeq(typ) {
		sub := field(n, keyName(f))
		if sub == nil {
			t.Errorf("key %s.%s is not shown", path, keyName(f))
		}
		if f.Type.Kind() == reflect.Struct {
			allShown(t, sub, f.Type, join(path, keyName(f)))
		}
	}
}
