package router

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode"

	"toolrouter/internal/catalog"
)

func TestSearchPagesGiveEveryHitOnce(t *testing.T) {
	var tools []*catalog.Tool
	for i := range 57 {
		tools = append(tools, toolNamed(t, "crowd", fmt.Sprintf("paint_%02d", i), "Paint a wall.", issueSchema))
	}
	tools = append(tools, toolNamed(t, "zebra", "paint", "Stripes.", `{"type":"object"}`)) // whose full name is the query
	r := routerOf(Options{MaxTokens: 300}, nil, tools...)
	for _, req := range []SearchRequest{{Query: "zebra__paint"}, {Query: "zebra__paint", Limit: 1}, {Query: "paint wall", Limit: 20}, {Server: "crowd"}} {
		seen := map[string]int{}
		var order []string
		var total int
		for page := 0; ; page++ {
			res, err := r.Search(t.Context(), req)
			if err != nil || res.IsError || page > 100 {
				t.Fatalf("page %d: %v %s", page, err, res.Text)
			}
			total = res.Total
			for _, h := range res.Hits[:res.Shown] {
				seen[h.Name]++
				order = append(order, h.Name)
				mustContain(t, res.Text, h.Name+"(")
			}
			next, more := askAgain(t, res.Text, req)
			if !more {
				break
			}
			req = next
		}
		want := 58
		if req.Query == "" {
			want = 57
		}
		if req.Query == "zebra__paint" && order[0] != "zebra__paint" {
			t.Errorf("%+v: first is %s, want the tool of that name", req, order[0])
		}
		if len(seen) != want || len(order) != want || total != want {
			t.Errorf("%+v: %d different hits of %d shown, total %d, want %d each once", req, len(seen), len(order), total, want)
		}
	}
}

// oddQueries cannot all be repeated in the line that leads to the next page.
var oddQueries = []string{
	"paint a wall", "paint  a   wall", "  paint\ta\nwall ", "paint 👩\u200d🎨 wall", "paint \u202ewall", "paint\u00a0wall", "paint \"wall\" <&>\\",
	"paint\x00wall", "paint \xff\xfe wall", "paint \ufffd", "paint \u2028 wall", "می\u200cخواهم paint", strings.Repeat("paint ", 60),
}

// askAgain follows the line of an answer that leads to the next page, as a model
// would.
func askAgain(tb testing.TB, text string, req SearchRequest) (next SearchRequest, ok bool) {
	tb.Helper()
	_, line, ok := strings.Cut(text, "\nmore: ")
	if !ok {
		return req, false
	}
	line, _, _ = strings.Cut(line, "\n")
	if call, ok := strings.CutPrefix(line, SearchTool); ok {
		next, err := DecodeSearch(json.RawMessage(call))
		if err != nil {
			tb.Fatalf("more line %s: %v", line, err)
		}
		next.Limit = req.Limit
		return next, true
	}
	cursor, ok := strings.CutPrefix(line, `the same search with "cursor":`)
	if !ok || json.Unmarshal([]byte(cursor), &req.Cursor) != nil {
		tb.Fatalf("more line %q leads nowhere", line)
	}
	return req, true
}

func TestSearchMoreLineLeadsOn(t *testing.T) {
	tools := []*catalog.Tool{toolNamed(t, "one", "paint_a", "", `{}`), toolNamed(t, "one", "paint_b", "", `{}`)}
	for _, tokens := range []int{minMaxTokens, defaultMaxTokens} {
		r := routerOf(Options{MaxTokens: tokens}, nil, tools...)
		for _, query := range oddQueries {
			req := SearchRequest{Query: query, Limit: 1}
			res, err := r.Search(t.Context(), req)
			if err != nil || res.Shown != 1 {
				t.Fatalf("%q: %v %s", query, err, res.Text)
			}
			if i := strings.IndexFunc(res.Text, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }); i >= 0 {
				t.Errorf("%q: the text holds %q", query, res.Text[i:min(i+4, len(res.Text))])
			}
			next, ok := askAgain(t, res.Text, req)
			if !ok {
				t.Fatalf("%q: no more line in %s", query, res.Text)
			}
			second, err := r.Search(t.Context(), next)
			if err != nil || second.IsError || second.Shown != 1 || second.Hits[0].Name == res.Hits[0].Name {
				t.Errorf("%q: the second page is %s (%v)", query, second.Text, err)
			}
		}
	}
}

func FuzzMoreLine(f *testing.F) {
	for _, q := range oddQueries {
		f.Add(q, uint16(7))
	}
	f.Fuzz(func(t *testing.T, query string, offset uint16) {
		req := SearchRequest{Query: query, Server: "one"}
		at := position{offset: min(int(offset), maxOffset)}
		next, ok := askAgain(t, "\n"+moreLine(req, at, maxMoreEcho), req)
		if got, err := parseCursor(next.Cursor, next.Query, next.Server); !ok || err != nil || got != at {
			t.Errorf("%q leads to %+v, %v, want %+v", query, got, err, at)
		}
	})
}
