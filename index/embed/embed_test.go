package embed

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode"
)

func model(t testing.TB) *Model {
	t.Helper()
	m, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func vector(t testing.TB, m *Model, text string) []float32 {
	t.Helper()
	vecs, err := m.Embed(context.Background(), []string{text})
	if err != nil {
		t.Fatal(err)
	}
	return vecs[0]
}

func cosine(a, b []float32) float64 {
	var sum float64
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

// names lists the pieces of text as the table spells them.
func names(m *Model, text string) []string {
	spell := map[int32]string{}
	for s, row := range m.words {
		spell[row] = s
	}
	for s, row := range m.tails {
		spell[row] = "##" + s
	}
	got := []string{}
	m.pieces(text, func(row int32) { got = append(got, spell[row]) })
	return got
}

// TestGolden compares with what distill.py computed from the same file.
func TestGolden(t *testing.T) {
	data, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Model string
		Texts []struct {
			Text   string
			Pieces []string
			Head   []float32 // the first cells of the vector
		}
	}
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	m := model(t)
	if m.Name() != golden.Model {
		t.Fatalf("model is %q, golden file is of %q", m.Name(), golden.Model)
	}
	for _, g := range golden.Texts {
		if got := names(m, g.Text); !slices.Equal(got, g.Pieces) {
			t.Errorf("pieces of %q:\n got %q\nwant %q", g.Text, got, g.Pieces)
		}
		got := vector(t, m, g.Text)
		for i, want := range g.Head {
			if math.Abs(float64(got[i]-want)) > 1e-4 {
				t.Errorf("vector of %q: cell %d is %g, want %g", g.Text, i, got[i], want)
				break
			}
		}
	}
}

func TestEmbed(t *testing.T) {
	m := model(t)
	for _, tt := range []struct {
		text string
		norm float64
	}{
		{"cancel the meeting", 1},
		{"x", 1},
		{"", 0},
		{" \t\n", 0},
		{"!?… –", 0},
		{strings.Repeat("database ", 10_000), 1},
	} {
		v := vector(t, m, tt.text)
		if len(v) != m.Dim() {
			t.Errorf("%.20q: %d cells, want %d", tt.text, len(v), m.Dim())
		}
		if norm := math.Sqrt(cosine(v, v)); math.Abs(norm-tt.norm) > 1e-5 {
			t.Errorf("%.20q: length %g, want %g", tt.text, norm, tt.norm)
		}
	}
}

func TestSpellings(t *testing.T) {
	m := model(t)
	want := vector(t, m, "create pull request")
	for _, text := range []string{
		"create_pull_request", "create-pull-request", "createPullRequest",
		"CreatePullRequest", "CREATE PULL REQUEST", "créate.púll/requést",
		"ｃｒｅａｔｅ pull request",
	} {
		if got := vector(t, m, text); !slices.Equal(got, want) {
			t.Errorf("%q differs from %q: cosine %.3f", text, "create pull request", cosine(got, want))
		}
	}
}

// TestMeaning holds the model to pairs without a word in common.
func TestMeaning(t *testing.T) {
	m := model(t)
	for _, tt := range []struct{ text, near, far string }{
		{"remove a folder", "delete directory", "resize image"},
		{"what will it be like outside tomorrow, rain or sun", "weather forecast", "currency exchange"},
		{"send a message to my colleague", "post chat text", "compile source code"},
		{"how much is a dollar in euro", "currency conversion", "file permissions"},
	} {
		v := vector(t, m, tt.text)
		near, far := cosine(v, vector(t, m, tt.near)), cosine(v, vector(t, m, tt.far))
		if near < far+0.1 {
			t.Errorf("%q: %.2f to %q, %.2f to %q", tt.text, near, tt.near, far, tt.far)
		}
	}
}

func TestEmbedCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := model(t).Embed(ctx, []string{"x"}); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want %v", err, context.Canceled)
	}
}

func TestAppendDoesNotAllocate(t *testing.T) {
	m := model(t)
	dst := make([]float32, 0, m.Dim())
	const text = "listOpenIssues of a repository"
	if n := testing.AllocsPerRun(100, func() { dst = m.Append(dst[:0], text) }); n > 0 {
		t.Errorf("%g allocations", n)
	}
}

// build makes a model file with the given pieces, tails marked by "##", whose
// row r is 127 in dimension r and 0 elsewhere.
func build(dim int, pieces ...string) []byte {
	var words, tails []string
	for _, p := range pieces {
		if tail, ok := strings.CutPrefix(p, "##"); ok {
			tails = append(tails, tail)
		} else {
			words = append(words, p)
		}
	}
	var block, scales, table []byte
	for r, p := range append(slices.Clone(words), tails...) {
		block = append(append(block, byte(len(p))), p...)
		scales = binary.LittleEndian.AppendUint32(scales, math.Float32bits(1))
		row := make([]byte, dim)
		row[r%dim] = 127
		table = append(table, row...)
	}
	le := binary.LittleEndian
	body := le.AppendUint32(nil, uint32(dim))
	body = le.AppendUint32(body, uint32(len(words)))
	body = le.AppendUint32(body, uint32(len(tails)))
	body = le.AppendUint32(body, uint32(len(block)))
	body = append(body, "\x04test"...)
	body = slices.Concat(body, block, scales, table)
	return seal(body)
}

func seal(body []byte) []byte {
	le := binary.LittleEndian
	file := le.AppendUint32([]byte(magic), version)
	file = le.AppendUint32(file, crc32.ChecksumIEEE(body))
	return append(file, body...)
}

func TestPieces(t *testing.T) {
	m, err := decode(build(4, "github", "git", "hub", "list", "read", "text", "html", "parser", "ku", "##be", "##r", "##b"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		text string
		want []string
	}{
		{"GitHub", []string{"github"}},
		{"gitHubList", []string{"git", "hub", "list"}},
		{"HTMLParser", []string{"html", "parser"}},
		{"HTML_PARSER", []string{"html", "parser"}},
		{"kuber", []string{"ku", "##be", "##r"}},
		{"kuxxber", []string{"ku", "##be", "##r"}},
		{"xgitb", []string{"##b"}},
		{"réad/text", []string{"read", "text"}},
		{"日本 read", []string{"read"}},
		{"", []string{}},
		{strings.Repeat("q", maxWord-2) + "list", []string{}},
		{strings.Repeat("q", maxWord) + "list", []string{"list"}},
	} {
		if got := names(m, tt.text); !slices.Equal(got, tt.want) {
			t.Errorf("%.30q: got %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	good := build(2, "a", "##b")
	edit := func(at int, b byte) []byte {
		f := slices.Clone(good)
		f[at] = b
		return seal(f[len(magic)+8:])
	}
	for _, tt := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "too short"},
		{"magic", append([]byte("GIF89a.."), good[8:]...), "not a model"},
		{"version", append([]byte(magic+"\x02"), good[9:]...), "format version 2"},
		{"flipped bit", append(slices.Clone(good[:len(good)-1]), good[len(good)-1]^1), "checksum"},
		{"cut", seal(good[len(magic)+8 : len(good)-1]), "too short"},
		{"longer", seal(append(slices.Clone(good[len(magic)+8:]), 0)), "1 bytes too many"},
		{"no dimensions", edit(16, 0), "out of range"},
		{"huge dimensions", edit(19, 0xff), "out of range"},
		{"huge rows", edit(23, 0xff), "out of range"},
		{"huge block", edit(31, 0xff), "too short"},
		{"long name", edit(32, 0xff), "too short"},
		{"empty piece", edit(37, 0), "piece 0"},
		{"long piece", edit(39, 9), "piece 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := decode(tt.file)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want one with %q", err, tt.want)
			}
		})
	}
	if _, err := decode(good); err != nil {
		t.Errorf("the unedited file: %v", err)
	}
}

func FuzzPieces(f *testing.F) {
	for _, s := range []string{"", "createIssue", "Café ﬁle", "a\xffb", "日本語", strings.Repeat("Aa", 80)} {
		f.Add(s)
	}
	m := model(f)
	f.Fuzz(func(t *testing.T, text string) {
		n := 0
		m.pieces(text, func(row int32) {
			if row < 0 || int(row) >= len(m.table)/m.dim {
				t.Fatalf("row %d of %d", row, len(m.table)/m.dim)
			}
			n++
		})
		letters := strings.ContainsFunc(text, func(r rune) bool {
			return r > unicode.MaxASCII || alnum(byte(r))
		})
		if n > 0 && !letters {
			t.Errorf("%q has %d pieces", text, n)
		}
		v := m.Append(nil, text)
		if norm := cosine(v, v); math.Abs(norm-1) > 1e-4 && norm != 0 {
			t.Errorf("%q has length %g", text, norm)
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add(build(3, "a", "bc", "##d")[len(magic)+8:])
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := decode(seal(body))
		if err == nil {
			m.Append(nil, "abc bcd")
		}
	})
}

func BenchmarkQuery(b *testing.B) {
	m := model(b)
	dst := make([]float32, 0, m.Dim())
	b.ReportAllocs()
	for b.Loop() {
		dst = m.Append(dst[:0], "show me the open issues of a repository assigned to me")
	}
}

func BenchmarkDescription(b *testing.B) {
	m := model(b)
	dst := make([]float32, 0, m.Dim())
	text := "list_pull_requests. Lists the pull requests of a repository with their title, author, state and number of comments. " +
		"The results can be filtered by state, base branch and author, and are sorted by the time of the last update, newest first. " +
		"Use the cursor of the previous answer to fetch the next page; at most one hundred requests are returned at a time."
	b.ReportAllocs()
	for b.Loop() {
		dst = m.Append(dst[:0], text)
	}
}

func BenchmarkDecode(b *testing.B) {
	for b.Loop() {
		if _, err := decode(builtin); err != nil {
			b.Fatal(err)
		}
	}
}
