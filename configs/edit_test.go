package configs

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// runEdit does what the comment of a golden archive says, line by line.
func runEdit(path, script string) error {
	for step := range strings.SplitSeq(strings.TrimSpace(script), "\n") {
		var err error
		switch word := strings.Fields(step); {
		case len(word) == 0 || word[0] == "#":
		case word[0] == "add" && strings.HasPrefix(word[2], "https:"):
			err = Add(path, Server{Name: word[1], URL: word[2]})
		case word[0] == "add":
			err = Add(path, Server{Name: word[1], Command: word[2:]})
		case word[0] == "remove":
			err = Remove(path, word[1])
		default:
			err = SetDisabled(path, word[1], word[0] == "disable")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Each testdata/edit/*.txtar has the steps as its comment, then the file before
// ("in") and after ("out", or "error" if the file must stay).
func TestEditGolden(t *testing.T) {
	paths, err := filepath.Glob("testdata/edit/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatal("no golden edits", err)
	}
	for _, name := range paths {
		t.Run(filepath.Base(name), func(t *testing.T) {
			a, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			before := string(a.Files[0].Data)
			path := write(t, "config.yaml", before)
			err = runEdit(path, string(a.Comment))
			wantName, got := "out", read(t, path)
			if err != nil {
				if got != before {
					t.Error("the file changed in spite of the error")
				}
				wantName, got = "error", strings.ReplaceAll(err.Error(), path, "config.yaml")+"\n"
			}
			if *update {
				a.Files = append(a.Files[:1], txtar.File{Name: wantName, Data: []byte(got)})
				must(t, os.WriteFile(name, txtar.Format(a), 0o644))
			}
			if a.Files[1].Name != wantName {
				t.Fatalf("ended in %s, want %s:\n%s", wantName, a.Files[1].Name, got)
			}
			if diff := cmp.Diff(string(a.Files[1].Data), got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// odd are texts that a generated file is made of besides generated ones.
var odd = []string{
	"", "# only a comment\n", "listen: 127.0.0.1:1", "servers:", "servers: []", "servers: [ ]\n", "servers: [\n]\n",
	"servers: []  # none yet\nlog: {level: info}\n", "  listen: 127.0.0.1:1\n  servers:\n    - name: a\n      command: [x]\n",
	"servers:\n  # soon\n    # deeper\n\n# far\nlog: {level: info}\n", "---\nlisten: 127.0.0.1:1\n", "servers:\n...\n",
	"\ufeffservers:\n- name: a\n  command: [x]", "servers:\n-   name: a\n    command: [x]\n\n\n",
	"servers:\n  -\n    name: a\n    env:\n      - |\n        # text\n        more\n  # end\n", "servers:\r\n  - name: a\r\n    url: https://u\r\n",
	"servers: [{name: a, url: https://u}, # first\n  {name: b, url: https://u}, # second\n  ]\n",
	"servers: [\n  {name: a, url: https://u}, # first\n  {name: b, url: https://u} # second\n]\n",
	"servers: [{name: \"a\", command: ['it''s', \"]\", \"x\\\"}\", a'b]},]\n", "servers: [{name: a, url: https://u},\n\t{name: b, url: https://u}]\n",
	"servers: [{name: a, disabled: false, url: https://u}, {name: b, disabled: True, url: https://u}]\n",
	"servers:\n- name: a # the name\n  disabled: false\n  url: https://u\n- {name: b, url: https://u, disabled: true} # b\n",
	"servers:\n- name: a\n  disabled: true\n  url: https://u\n- name: b\n  url: https://u\n  disabled: TRUE  # off\n",
	"servers:\n- url: https://u\t# tab\n  name: a\n\t\n# end", "Servers:\n- name: é\u2028\n",
	"# Made by \"router add\".\nservers:\n  # kept\n", "servers: !!seq\n- name: a\n  url: https://u\n",
}

// generated writes a file with a random style; the seed makes it repeatable.
func generated(r *rand.Rand) string {
	pick := func(all ...string) string { return all[r.IntN(len(all))] }
	var b strings.Builder
	nl := pick("\n", "\n", "\r\n")
	b.WriteString(pick("", "# head"+nl, nl, "listen: 127.0.0.1:1 # here"+nl, "search: {limit: 3}"+nl+nl))
	indent, gap := pick("", "  ", "    "), pick(" ", " ", "   ")
	b.WriteString("servers:" + pick("", " ", "  # all of them") + nl)
	for i := range 1 + r.IntN(4) {
		b.WriteString(pick("", nl, indent+"# about it"+nl, indent+gap+"# deep"+nl, "# shallow"+nl))
		name, in := fmt.Sprintf("s%d", i), indent+" "+gap
		if r.IntN(4) == 0 {
			b.WriteString(indent + "-" + gap + "{name: " + name + pick("", " ") + ", url: 'https://u'" + pick("", ", disabled: false", ", disabled: true") + "}" + pick("", " # c") + nl)
			continue
		}
		b.WriteString(indent + "-" + gap + "name: " + pick(name, `"`+name+`"`) + pick("", " # c") + nl)
		b.WriteString(pick("", in+"disabled: false"+nl, in+"disabled: true"+nl, nl, in+"disabled: False"+nl))
		b.WriteString(in + pick("command: [x, \"y # z\"]", "command:"+nl+in+"- x"+nl+in+"- >"+nl+in+"  # folded"+nl+in+"  text", "url: https://u # c") + nl)
		b.WriteString(pick("", in+"# inside"+nl, in+"disabled: true # why"+nl, in+"env: [\"A=b\","+nl+in+"  C=d]"+nl))
	}
	b.WriteString(pick("", nl, "# tail"+nl, "log: {level: info}"+nl, indent+"# tail"+nl+nl+"log:"+nl+"  level: info"+nl))
	text := b.String()
	if r.IntN(4) == 0 {
		text = strings.TrimRight(text, "\r\n")
	}
	return text
}

// checkReversible does and undoes each edit and compares bytes. An edit may be
// refused.
func checkReversible(t *testing.T, text string) (edits int) {
	t.Helper()
	apply := func(text string, change func(*yamlFile) ([]byte, error)) (string, error) {
		f, err := openYAML("config.yaml", []byte(text))
		if err != nil {
			return "", err
		}
		out, err := change(f)
		return string(out), err
	}
	thereAndBack := func(what string, there, back func(*yamlFile) ([]byte, error)) {
		changed, err := apply(text, there)
		if err != nil {
			return
		}
		edits++
		got, err := apply(changed, back)
		if err != nil || got != text {
			t.Fatalf("%s and back: %v\nbefore %q\nthen   %q\nback   %q", what, err, text, changed, got)
		}
	}
	s := Server{Name: "new", Command: []string{"npx", "-y", "true", "${HOME}/x"}, Env: []string{"A=b"}}
	thereAndBack("add", adding(s), removing(s.Name))
	root, err := parseYAML([]byte(text))
	if err != nil {
		return edits
	}
	for _, item := range (&yamlFile{plain: root}).items() {
		name, off := nameOf(item), field(item, "disabled")
		is := off != nil && strings.EqualFold(off.Value, "true")
		if name != "" {
			thereAndBack("switch "+name, switching(name, !is), switching(name, is))
		}
	}
	return edits
}

func TestEditsAreReversible(t *testing.T) {
	for _, text := range odd {
		t.Run("", func(t *testing.T) { checkReversible(t, text) })
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	edits := 0
	for range 500 {
		text := generated(r)
		n := checkReversible(t, text)
		if n == 0 {
			t.Fatalf("no edit worked on\n%s", text)
		}
		edits += n
	}
	t.Logf("%d edits", edits)
}

func TestEditRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		file, text string
		edit       func(string) error
		want       error
	}{
		"json":    {"mcp.json", `{"mcpServers":{}}`, func(p string) error { return Add(p, Server{Name: "a", URL: "https://u"}) }, ErrNotEditable},
		"toml":    {"c.toml", ``, func(p string) error { return Remove(p, "a") }, ErrNotEditable},
		"client":  {"c.yaml", "mcpServers: {}\n", func(p string) error { return Remove(p, "a") }, ErrNotEditable},
		"twice":   {"c.yaml", "servers: [{name: a.b, url: u}]\n", func(p string) error { return Add(p, Server{Name: "a_b", URL: "https://u"}) }, ErrServerExists},
		"unknown": {"c.yaml", "servers: [{name: a, url: u}]\n", func(p string) error { return SetDisabled(p, "b", true) }, ErrNoServer},
		"bad":     {"c.yaml", "", func(p string) error { return Add(p, Server{Name: "A"}) }, nil},
		"type":    {"c.yaml", "", func(p string) error { return Add(p, Server{Name: "a", Type: "bogus", URL: "https://u"}) }, nil},
		"stdio":   {"c.yaml", "", func(p string) error { return Add(p, Server{Name: "a", Type: "stdio", URL: "https://u"}) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, c.file, c.text)
			err := c.edit(path)
			if err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
			if read(t, path) != c.text {
				t.Error("the file changed")
			}
		})
	}
}

func TestAddMakesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b", "config.yaml")
	s := Server{
		Name: "files", Command: []string{"npx", "-y", "@scope/x", "${HOME}", "true", "8080", "a: b", "é\x7f\n\t\"", "", "1e3"}, Dir: "d",
		Env: []string{"A=b c", "N=1"}, Protocol: "2025-06-18", Start: "eager", Timeout: Duration(90 * time.Second),
		Concurrency: 3, Tools: Filter{Allow: []string{"*"}, Deny: []string{"a_*"}},
	}
	must(t, Add(path, s))
	must(t, Add(path, Server{Name: "web", URL: "https://a.example/mcp", Headers: []string{"A=b"}, Transport: "sse"}))
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	c := load(t, LoadOptions{Path: path, Environ: []string{"HOME=/h"}})
	s.Command[3], s.Dir = "/h", filepath.Join(filepath.Dir(path), "d")
	if diff := cmp.Diff(s, c.Servers[0]); diff != "" {
		t.Errorf("-added +loaded:\n%s\n%s", diff, read(t, path))
	}
}

func TestEditFollowsLinksAndKeepsModes(t *testing.T) {
	target := write(t, "real.yaml", "servers: []\n")
	must(t, os.Chmod(target, 0o640))
	link := filepath.Join(t.TempDir(), "config.yaml")
	must(t, os.Symlink(target, link))
	must(t, Add(link, Server{Name: "a", URL: "https://u.example"}))
	info, err := os.Lstat(link)
	must(t, err)
	if info.Mode()&os.ModeSymlink == 0 {
		t.Error("the link was replaced")
	}
	if info, err = os.Stat(target); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if got := read(t, target); got != "servers: [{name: a, url: https://u.example}]\n" {
		t.Errorf("target is %q", got)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(target), ".*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func FuzzEdit(f *testing.F) {
	for _, text := range odd {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) { checkReversible(t, text) })
}

// The surgery is not trusted: a result that says something else is refused.
func TestVerify(t *testing.T) {
	const before = "listen: 127.0.0.1:1\nservers: [{name: a, url: https://a}, {name: b, url: https://b}]\n"
	f, err := openYAML("config.yaml", []byte(before))
	must(t, err)
	withoutA := func(list []any) []any { return list[1:] }
	for after, ok := range map[string]bool{
		"listen: 127.0.0.1:1\nservers: [{name: b, url: https://b}]\n": true,
		"listen: 127.0.0.1:1\nservers: [{name: a, url: https://a}]\n": false, // the wrong one is gone
		"listen: 127.0.0.1:2\nservers: [{name: b, url: https://b}]\n": false, // another key changed
		"listen: 127.0.0.1:1\nservers: [{name: b, url: https://b}\n":  false, // broken
	} {
		if err := f.verify([]byte(after), withoutA); (err == nil) != ok {
			t.Errorf("verify(%q) = %v", after, err)
		}
	}
}
