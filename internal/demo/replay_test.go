package demo

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"toolrouter/internal/catalog"
)

const recorded = `{"server":"b","tool":{"name":"two","z":1e2,"inputSchema":{"type":["object","null"]},"é":"é"}}

{"server":"a","name":"one","description":"First.","inputSchema":{"type":"object"},"other":1}
{"server":"b","tool":{"name":"three"}}
{"server":"Odd Name","tool":{"name":"x"}}
`

func TestReadCatalog(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write([]byte(recorded)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"plain": []byte(recorded), "gzip": packed.Bytes()} {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := LoadCatalog(file)
		if err != nil {
			t.Fatal(err)
		}
		want := &Catalog{Servers: []Recorded{
			{Name: "a", Tools: []json.RawMessage{[]byte(`{"name":"one","description":"First.","inputSchema":{"type":"object"}}`)}},
			{Name: "b", Tools: []json.RawMessage{[]byte(`{"name":"two","z":1e2,"inputSchema":{"type":["object","null"]},"é":"é"}`), []byte(`{"name":"three"}`)}},
			{Name: "odd-name", Tools: []json.RawMessage{[]byte(`{"name":"x"}`)}},
		}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: mismatch (-want +got):\n%s", name, diff)
		}
		if got.Tools() != 4 {
			t.Errorf("Tools = %d, want 4", got.Tools())
		}
	}
}

func TestReadCatalogRefuses(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"empty", "", "it holds no tools"},
		{"not JSON", recorded + "rubbish", "line 6: not a tool"},
		{"no server", `{"tool":{"name":"x"}}`, `line 1: not a tool: "server" is missing`},
		{"no tool", `{"server":"a"}`, "neither"},
		{"long line", `{"server":"a","name":"` + strings.Repeat("x", maxLine) + `"}`, "longer than"},
		{"broken gzip", "\x1f\x8brubbish", "gzip"},
	} {
		file := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(file, []byte(tt.in), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadCatalog(file); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: LoadCatalog = %v, want %q in it", tt.name, err, tt.want)
		}
	}
}

func FuzzFreeName(f *testing.F) {
	for _, s := range []string{"", "a", "A__b", "..", "ä ö", strings.Repeat("x_", 40), "a.", "-._"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, recorded string) {
		taken := map[string]bool{}
		first := freeName(recorded, taken)
		second := freeName(recorded+"!", taken)
		for _, name := range []string{first, second} {
			if err := catalog.CheckServerName(name); err != nil {
				t.Errorf("freeName(%q): %v", recorded, err)
			}
		}
		if first == second {
			t.Errorf("freeName gives %q twice", first)
		}
	})
}

func TestReplay(t *testing.T) {
	c, err := readCatalog(strings.NewReader(recorded))
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Split("router", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b := got[1].Command // server b
	in := strings.Join([]string{
		`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2024-11-05"}}`,
		`{"jsonrpc":"2.0","method":"notifications/initialized"}`,
		``,
		`{"jsonrpc":"2.0","id":"two","method":"tools/list"}`,
		`{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"two","arguments":{"n":12345678901234567890}}}`,
		`{"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"none"}}`,
		`{"jsonrpc":"2.0","id":5,"method":"server/discover"}`,
		`rubbish`,
		`{"jsonrpc":"2.0","id":6,"method":"ping"}`,
	}, "\n")
	want := strings.Join([]string{
		`{"jsonrpc":"2.0","id":1,"result":{"capabilities":{"tools":{}},"protocolVersion":"2024-11-05","serverInfo":{"name":"b","version":"1.0.0"}}}`,
		`{"jsonrpc":"2.0","id":"two","result":{"tools":[{"name":"two","z":1e2,"inputSchema":{"type":["object","null"]},"é":"é"},{"name":"three"}]}}`,
		`{"jsonrpc":"2.0","id":3,"result":{"content":[{"text":"recorded tool two of b was called with {\"n\":12345678901234567890}","type":"text"}]}}`,
		`{"jsonrpc":"2.0","id":4,"error":{"code":-32602,"message":"no tool none"}}`,
		`{"jsonrpc":"2.0","id":5,"error":{"code":-32601,"message":"no method server/discover"}}`,
		`{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"parse error"}}`,
		`{"jsonrpc":"2.0","id":6,"result":{}}`,
	}, "\n") + "\n"
	var out bytes.Buffer
	if err := Run(t.Context(), b[2], b[3:], strings.NewReader(in), &out); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("replay mismatch (-want +got):\n%s", diff)
	}
}
