package arch

import (
	"bytes"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "toolrouter"

// mayImport says which packages of ours each package may import, besides what
// falls under its own row. A package without a row is an error: a new room
// says here whom it knows.
var mayImport = map[string][]string{
	"internal/catalog": {},
	"upstream":         {"internal/catalog"},
	"store":            {"internal/catalog"},
	"index":            {"internal/catalog"},
	"router":           {"internal/catalog"},
	"router/endpoint":  {"internal/catalog", "router"},
	"configs":          {"internal/catalog", "upstream", "store", "index", "router", "router/endpoint"},
	"cmd/router":       {"configs", "upstream", "store", "index", "router", "internal/catalog", "internal/demo"},
	"internal/demo":    {"internal/catalog"},
	"internal/mcptest": {"internal/catalog"},
	"internal/arch":    {},
	"internal/bench":   {},
	"internal/e2e":     {},
}

// forTests are what the tests of any package may import besides.
var forTests = []string{"internal"}

// touches says which packages may import a library; tests says whether the
// tests of every other may too. The longest matching path counts.
var touches = map[string]struct {
	by    []string
	tests bool
}{
	"go.etcd.io/bbolt":                       {by: []string{"store", "internal/demo"}},
	"github.com/blevesearch":                 {by: []string{"index"}},
	"github.com/mark3labs/mcp-go":            {by: []string{"upstream", "router/endpoint", "internal/demo", "internal/mcptest"}, tests: true},
	"github.com/mark3labs/mcp-go/client":     {by: []string{"upstream", "internal/mcptest"}, tests: true},
	"github.com/mark3labs/mcp-go/server":     {by: []string{"router/endpoint", "internal/demo", "internal/mcptest"}, tests: true},
	"github.com/modelcontextprotocol/go-sdk": {tests: true},
	"github.com/santhosh-tekuri/jsonschema":  {by: []string{"router"}, tests: true},
	"github.com/spf13/viper":                 {by: []string{"configs"}},
	"github.com/spf13/cobra":                 {by: []string{"cmd/router"}},
	"github.com/spf13/pflag":                 {by: []string{"cmd/router"}},
	"net/http":                               {by: []string{"upstream", "index/remote", "router/endpoint", "cmd/router", "internal/mcptest"}, tests: true},
}

// leaf imports the standard library alone, but for its tests.
const leaf = "internal/catalog"

func TestImports(t *testing.T) {
	root := repository(t)
	checked := 0
	for _, file := range files(t, root) {
		if path.Ext(file) != ".go" {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, parser.ImportsOnly)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		checked++
		for _, spec := range parsed.Imports {
			imported, _ := strconv.Unquote(spec.Path.Value)
			if rule := violation(file, imported); rule != "" {
				t.Errorf("%s imports %q: %s", file, imported, rule)
			}
		}
	}
	if checked < 10 {
		t.Errorf("%d files were checked; is the repository at %s?", checked, root)
	}
}

// violation says which rule forbids an import, or "".
func violation(file, imported string) string {
	from, test := path.Dir(file), strings.HasSuffix(file, "_test.go")
	if ours, ok := strings.CutPrefix(imported, module+"/"); ok {
		return ownViolation(from, ours, test)
	}
	if from == leaf && !test && strings.Contains(strings.Split(imported, "/")[0], ".") {
		return leaf + " imports the standard library alone"
	}
	best := ""
	for library := range touches {
		if under(imported, library) && len(library) > len(best) {
			best = library
		}
	}
	rule := touches[best]
	if best == "" || test && rule.tests || anyUnder(from, rule.by) {
		return ""
	}
	if len(rule.by) == 0 {
		return "only tests touch " + best
	}
	return fmt.Sprintf("%s alone touches %s", strings.Join(rule.by, ", "), best)
}

func ownViolation(from, ours string, test bool) string {
	row := rowOf(from)
	allowed := mayImport[row]
	switch {
	case row == ".":
		return from + " has no row in the table of who may import whom"
	case rowOf(ours) == row || anyUnder(ours, allowed):
		return ""
	case test && anyUnder(ours, forTests):
		return ""
	case len(allowed) == 0:
		return row + " imports nothing of ours"
	}
	return fmt.Sprintf("%s may import %s", row, strings.Join(allowed, ", "))
}

// rowOf gives the row that a package falls under, "." if there is none.
func rowOf(name string) string {
	for mayImport[name] == nil && name != "." {
		name = path.Dir(name)
	}
	return name
}

// under reports whether name is parent or stands below it.
func under(name, parent string) bool { return name == parent || strings.HasPrefix(name, parent+"/") }

func anyUnder(name string, parents []string) bool {
	return slices.ContainsFunc(parents, func(p string) bool { return under(name, p) })
}

// TestViolation keeps the checker honest: each rule has an import that breaks it.
func TestViolation(t *testing.T) {
	for _, tt := range []struct{ file, imported, want string }{
		{"internal/catalog/tool.go", "encoding/json", ""},
		{"internal/catalog/tool.go", "github.com/google/go-cmp/cmp", "standard library alone"},
		{"internal/catalog/tool_test.go", "github.com/google/go-cmp/cmp", ""},
		{"store/store.go", "toolrouter/internal/catalog", ""},
		{"store/store.go", "toolrouter/index", "store may import internal/catalog"},
		{"store/store_test.go", "toolrouter/index", "store may import internal/catalog"},
		{"store/store_test.go", "toolrouter/internal/mcptest", ""},
		{"store/store.go", "go.etcd.io/bbolt", ""},
		{"index/index.go", "go.etcd.io/bbolt/errors", "store, internal/demo alone touches"},
		{"index/index.go", "toolrouter/index/embed", ""},
		{"index/embed/model.go", "toolrouter/internal/catalog", ""},
		{"router/router.go", "toolrouter/router/endpoint", "router may import internal/catalog"},
		{"router/router.go", "net/http", "alone touches net/http"},
		{"router/router.go", "github.com/mark3labs/mcp-go/mcp", "alone touches"},
		{"router/endpoint/http.go", "github.com/mark3labs/mcp-go/server", ""},
		{"router/endpoint/http.go", "github.com/mark3labs/mcp-go/client", "alone touches"},
		{"router/endpoint/http.go", "toolrouter/upstream", "router/endpoint may import"},
		{"upstream/spec.go", "github.com/modelcontextprotocol/go-sdk/mcp", "only tests touch"},
		{"upstream/spec_test.go", "github.com/modelcontextprotocol/go-sdk/mcp", ""},
		{"cmd/router/app.go", "github.com/spf13/viper", "configs alone touches"},
		{"newroom/x.go", "toolrouter/store", "has no row"},
		{"internal/arch/x.go", "toolrouter/store", "imports nothing of ours"},
	} {
		got := violation(tt.file, tt.imported)
		if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("violation(%s, %s) = %q, want %q", tt.file, tt.imported, got, tt.want)
		}
	}
}

// TestNoMachinePaths finds paths of the machine a file was written on. They are
// put together here, so that this file holds none.
func TestNoMachinePaths(t *testing.T) {
	root := repository(t)
	forbidden := [][]byte{[]byte("/" + "work" + "/"), []byte(".." + "/shared")}
	if strings.Count(root, string(filepath.Separator)) > 1 {
		forbidden = append(forbidden, []byte(root))
	}
	for _, file := range files(t, root) {
		data, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Error(err)
			continue
		}
		number := 0
		for line := range bytes.Lines(data) {
			number++
			for _, words := range forbidden {
				if bytes.Contains(line, words) {
					t.Errorf("%s:%d speaks of a machine: %q", file, number, words)
				}
			}
		}
	}
}

// repository finds the folder of go.mod.
func repository(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if filepath.Dir(dir) == dir {
			t.Fatal("there is no go.mod above this package")
		}
		dir = filepath.Dir(dir)
	}
}

// files lists the repository's files, with slashes. What is not ours (.git,
// modules of npm) and what is built is left out.
func files(t *testing.T, root string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && slices.Contains([]string{".git", "node_modules", "bin", "dist"}, e.Name()):
			return fs.SkipDir
		case !e.Type().IsRegular():
			return nil
		}
		rel, err := filepath.Rel(root, name)
		out = append(out, filepath.ToSlash(rel))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
