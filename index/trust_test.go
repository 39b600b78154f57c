package index

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"toolrouter/index/embed"
	"toolrouter/index/eval"
	"toolrouter/internal/catalog"
)

// wholeIndex is an index with the built-in model, as the program has it.
func wholeIndex(t testing.TB, tools []*catalog.Tool) *Index {
	t.Helper()
	model, err := embed.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	x, err := Open("", Options{Embedder: model})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, x) })
	rebuild(t, x, tools, 1)
	return x
}

// bazaar is the household with copies of some of its tools on servers that nobody
// has reviewed, and many tools of one of these.
func bazaar(t testing.TB) (tools []*catalog.Tool, queries []string, priors map[string]float64) {
	t.Helper()
	set := household(t)
	tools = slices.Clone(set.Tools)
	priors = map[string]float64{"stall1": 0.7, "stall2": 0.7, "stall3": 1}
	for i, tool := range set.Tools {
		if server := fmt.Sprintf("stall%d", 1+i%3); i%2 == 0 {
			tools = append(tools, makeTool(t, server, tool.ID.Tool, tool.Description))
		}
	}
	for i, q := range set.Queries {
		queries = append(queries, q.Text)
		for n := range 6 {
			tools = append(tools, makeTool(t, "stall1", fmt.Sprintf("offer_%d_%d", i, n), q.Text))
		}
	}
	return tools, queries, priors
}

// TestPagesJoinWithTrust: copies and unreviewed servers move hits about in the
// ranking; no page repeats or loses one for that.
func TestPagesJoinWithTrust(t *testing.T) {
	tools, queries, priors := bazaar(t)
	x := wholeIndex(t, tools)
	turned := slices.Clone(tools)
	slices.Reverse(turned)
	other := wholeIndex(t, turned)
	for _, p := range []map[string]float64{nil, priors} {
		x.SetWords(nil, p)
		other.SetWords(nil, p)
		for _, text := range queries {
			whole := search(t, x, catalog.Query{Text: text, Limit: maxHits})
			if all := hits(whole); len(all) != whole.Total || len(slices.Compact(slices.Sorted(slices.Values(all)))) != whole.Total {
				t.Errorf("%q: %d hits of %d", text, len(all), whole.Total)
			}
			for _, size := range []int{1, 3, 5, 7, 60} {
				var pages []string
				for offset := 0; offset < whole.Total; offset += size {
					page := search(t, x, catalog.Query{Text: text, Limit: size, Offset: offset})
					if page.Total != whole.Total {
						t.Errorf("%q: the total is %d at %d and %d before", text, page.Total, offset, whole.Total)
					}
					pages = append(pages, hits(page)...)
				}
				if !slices.Equal(pages, hits(whole)) {
					t.Errorf("%q: pages of %d are %v, the whole is %v", text, size, pages, hits(whole))
				}
			}
			if got := hits(search(t, other, catalog.Query{Text: text, Limit: maxHits})); !slices.Equal(got, hits(whole)) {
				t.Errorf("%q: tools in another order are ranked %v, not %v", text, got, hits(whole))
			}
		}
	}
}

// TestPlacesOfTheUnreviewed: as long as reviewed servers have hits, the first
// four are theirs, and of any five hits an unreviewed server has one.
func TestPlacesOfTheUnreviewed(t *testing.T) {
	const slots = 5 // that are looked at together
	tools, queries, priors := bazaar(t)
	x := wholeIndex(t, tools)
	x.SetWords(nil, priors)
	for _, text := range queries {
		found := search(t, x, catalog.Query{Text: text, Limit: maxHits})
		last := -1 // of the reviewed
		for i, h := range found.Hits {
			if priors[h.ID.Server] != 0.7 {
				last = i
			}
		}
		at := map[string]int{}
		for i, h := range found.Hits[:last+1] {
			server := h.ID.Server
			if priors[server] != 0.7 {
				continue
			}
			if before, had := at[server]; i < slots-1 || had && i-before < slots {
				t.Errorf("%q: %s has place %d after %d", text, h.ID, i+1, before+1)
			}
			at[server] = i
		}
	}
}

// TestOnlyUnreviewed: who has nothing else is answered by them.
func TestOnlyUnreviewed(t *testing.T) {
	tools, queries, priors := bazaar(t)
	x := wholeIndex(t, slices.DeleteFunc(tools, func(tool *catalog.Tool) bool { return priors[tool.ID.Server] != 0.7 }))
	for _, text := range queries {
		x.SetWords(nil, nil)
		before := search(t, x, catalog.Query{Text: text, Limit: 5})
		x.SetWords(nil, priors)
		after := search(t, x, catalog.Query{Text: text, Limit: 5})
		if len(after.Hits) != len(before.Hits) || after.Total != before.Total || len(after.Hits) > 0 && hits(after)[0] != hits(before)[0] {
			t.Errorf("%q finds %v of %d, with priors %v of %d", text, hits(before), before.Total, hits(after), after.Total)
		}
	}
}

// TestCopiesStandBehindTheTrusted also where the copy of somebody unreviewed says
// more of what is asked.
func TestCopiesStandBehindTheTrusted(t *testing.T) {
	text := "Open the door of the house for a guest who has rung the bell."
	tools := []*catalog.Tool{
		makeTool(t, "trusted", "open_door", text),
		makeTool(t, "copycat", "Open_Door", text+" Open the door of the house."),
		makeTool(t, "windows", "open_window", "Open a window of the house."),
		makeTool(t, "stranger", "open_hatch", "Open the hatch of the house."),
	}
	x := wholeIndex(t, tools)
	q := catalog.Query{Text: "open the door of the house", Limit: 10}
	for name, prior := range map[string]float64{"a little doubted": 0.99, "unreviewed": 0.7} {
		x.SetWords(nil, map[string]float64{"copycat": prior, "stranger": prior})
		got := hits(search(t, x, q))
		if want := []string{"trusted/open_door", "windows/open_window", "stranger/open_hatch"}; !slices.Equal(got, want) {
			t.Errorf("%s: hits %v, want %v: the one place of the unreviewed is not for a copy", name, got, want)
		}
	}
}

// TestInstancesStandTogether: of one server run several times a few are seen with
// each tool, so that nobody takes one for the only one, and no page is full of
// them.
func TestInstancesStandTogether(t *testing.T) {
	var tools []*catalog.Tool
	for i := range 6 {
		server := fmt.Sprint("pg-", i+1)
		tools = append(tools,
			makeTool(t, server, "query", "Run a read-only SQL query against the database."),
			makeTool(t, server, "list_tables", "List the tables of the database."),
			makeTool(t, server, "explain", "Explain how a SQL query is run by the database."),
			makeTool(t, server, "list_schemas", "List the schemas of the database."))
	}
	for name, tt := range map[string]struct {
		tools  []*catalog.Tool
		priors map[string]float64
		want   []string // the first hits
	}{
		"two":                   {tools[:8], nil, []string{"pg-1/query", "pg-2/query"}},
		"two, one unreviewed":   {tools[:8], map[string]float64{"pg-1": 0.7}, []string{"pg-2/query", "pg-2/explain"}},
		"six":                   {tools, nil, []string{"pg-1/query", "pg-2/query", "pg-3/query", "pg-1/explain"}},
		"six, three unreviewed": {tools, map[string]float64{"pg-1": 0.7, "pg-3": 0.7, "pg-4": 0.7}, []string{"pg-2/query", "pg-5/query", "pg-6/query", "pg-2/explain"}},
	} {
		x := wholeIndex(t, tt.tools)
		x.SetWords(nil, tt.priors)
		q := catalog.Query{Text: "run a sql query against the database", Limit: maxHits}
		got := hits(search(t, x, q))
		if len(got) < len(tt.want) || !slices.Equal(got[:len(tt.want)], tt.want) {
			t.Errorf("%s: hits %v, want %v first", name, got, tt.want)
		}
		if all := slices.Compact(slices.Sorted(slices.Values(got))); len(all) != len(got) {
			t.Errorf("%s: hits %v, one of them twice", name, got)
		}
	}
}

// TestUnreviewedTeachNoWords: a slip of the keyboard that an unreviewed server
// makes too is still one, unless there is nobody else.
func TestUnreviewedTeachNoWords(t *testing.T) {
	x := built(t, []*catalog.Tool{
		makeTool(t, "lingua", "translate", "Translate a text."),
		makeTool(t, "stranger", "do_anything", "Tranzlate, transslate, trannslate."),
	})
	q := catalog.Query{Text: "tranzlate", Limit: 2}
	for name, tt := range map[string]struct {
		priors map[string]float64
		want   []string
	}{
		"reviewed":       {nil, []string{"stranger/do_anything"}},
		"unreviewed":     {map[string]float64{"stranger": 0.7}, []string{"lingua/translate", "stranger/do_anything"}},
		"all unreviewed": {map[string]float64{"stranger": 0.7, "lingua": 0.7}, []string{"stranger/do_anything"}},
	} {
		x.SetWords(nil, tt.priors)
		if got := hits(search(t, x, q)); !slices.Equal(got, tt.want) {
			t.Errorf("%s: hits %v, want %v", name, got, tt.want)
		}
	}
}

// TestReasonsSumUp: what is said of a hit's score adds up to it, in every case
// that there is.
func TestReasonsSumUp(t *testing.T) {
	office, err := eval.Load(filepath.Join("golden", "testdata", "office"))
	if err != nil {
		t.Fatal(err)
	}
	words := map[catalog.ID]catalog.Words{office.Tools[3].ID: {Text: "something else", Aliases: []string{"zorkmid"}}}
	priors := map[string]float64{"postbox": 0.7, "daybook": 0.35, "codeforge": 1}
	whole, plain := wholeIndex(t, office.Tools), built(t, office.Tools)
	for _, x := range []*Index{whole, plain} {
		for _, p := range []map[string]float64{nil, priors} {
			x.SetWords(words, p)
			rebuild(t, x, office.Tools, 1)
			for _, q := range office.Queries {
				checkReasons(t, x, q.Text)
			}
			for _, tool := range office.Tools[:40] {
				checkReasons(t, x, tool.Name)
				checkReasons(t, x, tool.ID.Tool)
			}
			checkReasons(t, x, longTask)
			checkReasons(t, x, "zorkmid "+strings.Repeat("send list open ", 100))
		}
	}
}

// longTask has eight parts, more than any other query of these tests.
const longTask = `Please take care of the following for me, because I am on the road all day:
1. Send the customer an email.
2. Create an event in the calendar for Monday.
3. Open an issue in the repository and assign it to Tom,
4. list the pods of the cluster, and then delete the oldest pod that you find.
5. Translate the text into French so that they can read it over there.
6. I want to book a hotel in Oslo and find a flight to Oslo.`

func checkReasons(t *testing.T, x *Index, text string) {
	t.Helper()
	found := search(t, x, catalog.Query{Text: text, Limit: 30, Explain: true})
	for _, h := range found.Hits {
		sum := 0.0
		for _, r := range h.Why {
			sum += r.Score
			if r.Part == "" || len(r.Note) > 500 || !readable(r.Note) {
				t.Errorf("%.60q: %s has the reason %+v", text, h.ID, r)
			}
		}
		if math.Abs(sum-h.Score) > 1e-9*max(1, h.Score) || math.IsNaN(h.Score) {
			t.Errorf("%.60q: %s has %g, its reasons %g: %+v", text, h.ID, h.Score, sum, h.Why)
		}
	}
}

func readable(note string) bool {
	return utf8.ValidString(note) && strings.TrimSpace(note) == note && !strings.ContainsFunc(note, unicode.IsControl)
}

// FuzzExplained searches with everything that there is: meaning, parts, priors
// and reasons.
func FuzzExplained(f *testing.F) {
	tools, queries, priors := bazaar(f)
	x := wholeIndex(f, tools)
	x.SetWords(nil, priors)
	for i, seed := range append(queries, longTask, "*:* name:foo^9 \"a\" ~2", "\x00\x1b[31m\xff", "打开文件 🦄", "createIssue", "and then, list: to") {
		f.Add(seed, i%7, i%3)
	}
	f.Add("open a file", math.MaxInt, math.MaxInt)
	f.Fuzz(func(t *testing.T, text string, limit, offset int) {
		q := catalog.Query{Text: text, Limit: limit, Offset: offset, Explain: true}
		found, err := x.Search(context.Background(), q)
		if err != nil || len(found.Hits) > max(limit, 0) || len(found.Hits) > found.Total {
			t.Fatalf("Search(%q, %d, %d) = %d hits of %d, %v", text, limit, offset, len(found.Hits), found.Total, err)
		}
		again, err := x.Search(context.Background(), q)
		if err != nil || !slices.Equal(hits(again), hits(found)) {
			t.Errorf("Search(%q, %d, %d) = %v, then %v, %v", text, limit, offset, hits(found), hits(again), err)
		}
		checkReasons(t, x, text)
	})
}
