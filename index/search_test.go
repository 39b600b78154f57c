package index

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"toolrouter/index/eval"
	"toolrouter/internal/catalog"
)

var update = flag.Bool("update", false, "rewrite golden files")

// TestRanking keeps the ranking of a small catalogue in a file, so that a change
// of it is read by somebody. Wanted tools are marked.
func TestRanking(t *testing.T) {
	set := household(t)
	res, err := eval.Run(t.Context(), set, eval.Direct(built(t, set.Tools)), eval.Options{Resamples: -1})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "recall@1 %.3f, recall@5 %.3f, mrr %.3f\n", res.Recall1, res.Recall5, res.MRR)
	for _, o := range res.Outcomes {
		fmt.Fprintf(&b, "\n%s\n", o.Query.Text)
		for i, id := range o.Answer[:min(len(o.Answer), 5)] {
			mark := " "
			if slices.Contains(o.Ranks, i+1) {
				mark = "*"
			}
			fmt.Fprintf(&b, "  %s %s\n", mark, id)
		}
		for _, id := range o.Missed(5) {
			fmt.Fprintf(&b, "  missed %s\n", id)
		}
	}
	golden := filepath.Join("testdata", "ranking.golden")
	if *update {
		if err := os.WriteFile(golden, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, b.Bytes()) {
		t.Errorf("the ranking changed (rewrite the file with -update and read the difference):\n%s", b.Bytes())
	}
}

func TestNamesInAnySpellingComeFirst(t *testing.T) {
	x := built(t, household(t).Tools)
	for spelling, want := range map[string]string{
		"createIssue": "forge/createIssue", "create_issue": "forge/createIssue", "create-issue": "forge/createIssue",
		"Create Issue": "forge/createIssue", "createissue": "forge/createIssue", "forge__createIssue": "forge/createIssue",
		"forge/createIssue": "forge/createIssue", "FORGE.CREATE_ISSUE": "forge/createIssue", " forge:createIssue ": "forge/createIssue",
		"grep": "disk/grep", "click": "surf/click", "post__send_mail": "post/send_mail", "node_usage": "fleet/node_usage",
	} {
		found := search(t, x, catalog.Query{Text: spelling, Limit: 3, Explain: true})
		if got := hits(found); len(got) == 0 || got[0] != want {
			t.Errorf("%q finds %v, want %s first", spelling, got, want)
			continue
		}
		if last := found.Hits[0].Why[len(found.Hits[0].Why)-1]; last.Part != "exact name" {
			t.Errorf("%q: the first hit's reasons end with %v, want the exact name", spelling, last)
		}
	}
}

// TestNamesByTheirWords: a request that consists of the words of a name calls it,
// but no tool of a server that nobody has reviewed.
func TestNamesByTheirWords(t *testing.T) {
	long := "Create one. " + strings.Repeat("It gets a region, a size, an image and keys for logging in, all of which can be chosen. ", 10)
	x := built(t, []*catalog.Tool{
		makeTool(t, "ocean", "droplet-create", long),
		makeTool(t, "ocean", "droplet-get", "Get or create a droplet."),
		makeTool(t, "ocean", "droplet-kernels", "Create a droplet of a kernel."),
		makeTool(t, "ocean", "droplet-create-many", "Create a droplet, and another droplet."),
		makeTool(t, "stranger", "create_droplets", "Create a droplet."),
		makeTool(t, "base", "sql_server_show", "Show a server."),
	})
	x.SetWords(nil, map[string]float64{"stranger": 0.7})
	for text, want := range map[string]string{
		"create droplet": "ocean/droplet-create", "create a droplet": "ocean/droplet-create", "Could you create the droplets, please?": "ocean/droplet-create",
		"create a big droplet": "", "droplet": "", "show me my MySQL servers": "", "the": "",
		"servers: show SQL": "base/sql_server_show",
	} {
		for i, h := range search(t, x, catalog.Query{Text: text, Limit: 10, Explain: true}).Hits {
			named := slices.ContainsFunc(h.Why, func(r catalog.Reason) bool { return r.Part == "exact name" })
			if right := h.ID.String() == want; named != right || right && i > 0 {
				t.Errorf("%q: %s has place %d, called by name: %t; want %q called", text, h.ID, i+1, named, want)
			}
		}
	}
}

// TestAnyText: no text of a query is a language of its own, takes long, or fails.
func TestAnyText(t *testing.T) {
	x := built(t, household(t).Tools)
	for _, text := range []string{
		"", " ", "\n\t", "*", "*:*", "+file -file", `name:"x" AND (y OR z)`, "file~2^4", "/.*/", "[a TO z]", "%s%n", "'; drop table tools; --",
		"\x00\x01\xff\xfe", "\u202e\u2066", "🔥🚀👩‍👩‍👧", "打开文件", "كيف أقرأ ملفا", "прочитать файл", "ファイルを読む", "e\u0301\u0301\u0301", everyTool,
		strings.Repeat("file ", 400), strings.Repeat("x", 2000), strings.Repeat("é", 1<<20), strings.Repeat("a b ", 1<<18),
	} {
		began := time.Now()
		found := search(t, x, catalog.Query{Text: text, Limit: 5, Explain: true})
		if took := time.Since(began); took > time.Second {
			t.Errorf("%.30q took %s", text, took)
		}
		if len(found.Hits) > 5 || found.Total < len(found.Hits) {
			t.Errorf("%.30q gives %d hits of %d", text, len(found.Hits), found.Total)
		}
	}
}

func FuzzSearch(f *testing.F) {
	x := built(f, household(f).Tools)
	for _, seed := range []string{"read a file", "*:*", "createIssueV2", "\xff\x00", "打开", "", everyTool} {
		f.Add(seed, 5, 0)
	}
	f.Fuzz(func(t *testing.T, text string, limit, offset int) {
		found, err := x.Search(context.Background(), catalog.Query{Text: text, Limit: limit, Offset: offset})
		if err != nil || len(found.Hits) > max(limit, 0) {
			t.Errorf("Search(%q, %d, %d) = %d hits, %v", text, limit, offset, len(found.Hits), err)
		}
	})
}

func TestNothingFits(t *testing.T) {
	x := built(t, household(t).Tools)
	for _, text := range []string{"xyzzy plugh qwrtz", "asdkjh", "????", "the of and"} {
		if found := search(t, x, catalog.Query{Text: text, Limit: 5}); len(found.Hits) > 0 || found.Total > 0 {
			t.Errorf("%q finds %v, want nothing", text, hits(found))
		}
	}
	found := search(t, x, catalog.Query{Text: "xyzzy plugh qwrtz frobnicate grault garply waldo fred thud quux corge flob zorkmid blorb gnusto rezrov ozmoo izyuk ticker", Limit: 5})
	if len(found.Hits) > 0 || !slices.Contains(found.Near, "coins") {
		t.Errorf("one word of many finds %v and is near %v; want nothing, and coins among the near", hits(found), found.Near)
	}
}

func TestKeepIsAskedBeforeTheCut(t *testing.T) {
	x := built(t, household(t).Tools)
	found := search(t, x, catalog.Query{Text: "list", Limit: 3, Keep: func(id catalog.ID) bool { return id.Server == "coins" }})
	if got := hits(found); len(got) == 0 || got[0] != "coins/list_invoices" {
		t.Errorf("hits = %v, want those of coins", got)
	}
	for _, h := range found.Hits {
		if h.ID.Server != "coins" {
			t.Errorf("%s was not to be kept", h.ID)
		}
	}
	none := search(t, x, catalog.Query{Text: "createIssue", Limit: 3, Keep: func(catalog.ID) bool { return false }})
	if len(none.Hits) > 0 || len(none.Near) > 0 || none.Total > 0 {
		t.Errorf("with nothing kept the answer is %+v", none)
	}
}

func TestPagesJoin(t *testing.T) {
	set := household(t)
	x := built(t, set.Tools)
	for _, q := range set.Queries {
		whole := search(t, x, catalog.Query{Text: q.Text, Limit: 100})
		var pages []string
		for offset := 0; offset < whole.Total; offset += 3 {
			pages = append(pages, hits(search(t, x, catalog.Query{Text: q.Text, Limit: 3, Offset: offset}))...)
		}
		if !slices.Equal(pages, hits(whole)) || len(pages) != whole.Total {
			t.Errorf("%q: pages are %v, the whole is %v of %d", q.Text, pages, hits(whole), whole.Total)
		}
	}
	past := search(t, x, catalog.Query{Text: "file", Limit: 3, Offset: 1 << 40})
	if len(past.Hits) > 0 || past.Total == 0 {
		t.Errorf("behind the end there are %d hits of %d", len(past.Hits), past.Total)
	}
}

// TestOrderIsAlwaysTheSame also where scores are equal and documents were added
// in another order.
func TestOrderIsAlwaysTheSame(t *testing.T) {
	var tools []*catalog.Tool
	for i := range 30 {
		tools = append(tools, makeTool(t, fmt.Sprintf("s%02d", i), "ping", "Says pong."))
	}
	want := hits(search(t, built(t, tools), catalog.Query{Text: "say pong", Limit: 30}))
	if !slices.IsSorted(want) || len(want) != 30 {
		t.Errorf("equal hits come as %v, want them by name", want)
	}
	slices.Reverse(tools)
	if got := hits(search(t, built(t, tools), catalog.Query{Text: "say pong", Limit: 30})); !slices.Equal(got, want) {
		t.Errorf("added the other way round the order is %v", got)
	}
}

func TestExplain(t *testing.T) {
	x := built(t, household(t).Tools)
	found := search(t, x, catalog.Query{Text: "merge the frobnicated pull request", Limit: 1, Explain: true})
	if len(found.Hits) != 1 || len(found.Hits[0].Why) == 0 {
		t.Fatalf("found %+v, want a hit with reasons", found)
	}
	if got, want := found.Hits[0].Why[0].Note, "merge pull request (not: frobnicated)"; got != want {
		t.Errorf("note = %q, want %q", got, want)
	}
}

// TestExplainTellsTheWholeRequestsCosine also of what was found for a part of it.
func TestExplainTellsTheWholeRequestsCosine(t *testing.T) {
	x := wholeIndex(t, household(t).Tools)
	v, err := x.acquire()
	if err != nil {
		t.Fatal(err)
	}
	defer v.release()
	needs, _, err := x.read(t.Context(), v, longTask, x.operator.load())
	if err != nil || len(needs) < 2 {
		t.Fatalf("read gives %d needs, %v", len(needs), err)
	}
	onlyParts := 0
	for _, h := range search(t, x, catalog.Query{Text: longTask, Limit: 30, Explain: true}).Hits {
		number := slices.IndexFunc(v.docs, func(d doc) bool { return d.id == h.ID })
		if want := fmt.Sprintf("cosine %.2f", needs[0].meant[number]); h.Why[1].Note != want {
			t.Errorf("%s: %+v, want %s", h.ID, h.Why[1], want)
		}
		if h.Why[0].Score+h.Why[1].Score == 0 {
			onlyParts++
		}
	}
	if onlyParts == 0 {
		t.Error("no hit was found for a part alone, which this test is about")
	}
}

// TestFirst: the best are the same however many are asked for.
func TestFirst(t *testing.T) {
	const n = 3000
	v := &view{docs: make([]doc, n)}
	all := make([]candidate, n)
	for i := range all {
		v.docs[i].name = fmt.Sprintf("%04d", i)
		all[i] = candidate{number: i, score: float64(i * 7919 % 101)}
	}
	sorted := slices.SortedFunc(slices.Values(all), v.compare)
	for _, want := range []int{0, 1, 50, maxInserted, maxInserted + 1, n} {
		if got := v.first(slices.Clone(all), want); !slices.Equal(got, sorted[:want]) {
			t.Errorf("the first %d are others than those of all in order", want)
		}
	}
}

func TestSearchAfterClose(t *testing.T) {
	x := open(t, "")
	rebuild(t, x, household(t).Tools, 1)
	closed(t, x)
	if _, err := x.Search(t.Context(), catalog.Query{Text: "file", Limit: 1}); !errors.Is(err, ErrClosed) {
		t.Errorf("Search: %v, want %v", err, ErrClosed)
	}
}

func TestWords(t *testing.T) {
	for text, want := range map[string]string{
		"createIssueV2":         "create issue v 2",
		"getHTTPResponse":       "get http response",
		"list_all-URLs":         "list all urls",
		"Größe ändern":          "große andern",
		"naïve café":            "naive cafe",
		"ＦＵＬＬ width":            "full width",
		"打开文件":                  "打开 开文 文件",
		"a1b22":                 "a 1 b 22",
		"\x01 x":                "x",
		"don't":                 "don t",
		strings.Repeat("y", 50): "",
	} {
		if got := strings.Join(words(text), " "); got != want {
			t.Errorf("words(%q) = %q, want %q", text, got, want)
		}
	}
}

// crowd is a catalogue of n tools, the household's under many servers.
func crowd(t testing.TB, n int) (out []*catalog.Tool) {
	t.Helper()
	set := household(t)
	for i := 0; len(out) < n; i++ {
		for _, tool := range set.Tools {
			c := *tool
			c.ID.Server = fmt.Sprintf("%s%d", tool.ID.Server, i)
			c.Name = catalog.PublicName(c.ID.Server, c.ID.Tool)
			out = append(out, &c)
		}
	}
	return out[:n]
}

func BenchmarkRebuild(b *testing.B) {
	tools := crowd(b, 1000)
	x := open(b, b.TempDir())
	defer closed(b, x)
	for b.Loop() {
		rebuild(b, x, tools, 1)
	}
}
