package index

import (
	"strings"
	"testing"

	"toolrouter/internal/catalog"
)

func TestOperatorsWords(t *testing.T) {
	dir := t.TempDir()
	tools := []*catalog.Tool{
		makeTool(t, "tracker", "create_issue", "Create an issue."),
		makeTool(t, "files", "read_file", "Read a file."),
	}
	id := tools[0].ID
	words := map[catalog.ID]catalog.Words{id: {Text: "something is broken", Aliases: []string{"zorkmid"}}}
	x := open(t, dir)
	rebuild(t, x, tools, 7)
	q := catalog.Query{Text: "zorkmid", Limit: 3, Explain: true}
	if got := search(t, x, q); len(got.Hits) != 0 {
		t.Fatalf("found %q before the word was said", hits(got))
	}
	x.SetWords(words, nil)
	if x.Seq() != 0 {
		t.Errorf("Seq() = %d with words that the documents lack, want 0", x.Seq())
	}
	rebuild(t, x, tools, 7)
	got := search(t, x, q)
	if len(got.Hits) != 1 || got.Hits[0].ID != id || x.Seq() != 7 {
		t.Fatalf("found %q at %d, want %s at 7", hits(got), x.Seq(), id)
	}
	if why := got.Hits[0].Why; len(why) == 0 || why[len(why)-1].Part != "operator's words" || !strings.Contains(why[len(why)-1].Note, "zorkmid, something is broken") {
		t.Errorf("why: %+v", why)
	}
	x.SetWords(map[catalog.ID]catalog.Words{id: {Text: "other"}}, nil)
	x.SetWords(words, nil)
	if x.Seq() != 7 {
		t.Errorf("Seq() = %d after the same words were said again, want 7", x.Seq())
	}
	closed(t, x)

	x = open(t, dir) // the next start
	defer func() { closed(t, x) }()
	x.SetWords(words, nil)
	if x.Seq() != 7 {
		t.Errorf("Seq() = %d after a restart with the same words, want 7", x.Seq())
	}
	x.SetWords(nil, nil)
	if x.Seq() != 0 {
		t.Errorf("Seq() = %d after the words were taken back, want 0", x.Seq())
	}
}

func TestPrior(t *testing.T) {
	tools := []*catalog.Tool{
		makeTool(t, "a-stranger", "open_door", "Open the door of the house."),
		makeTool(t, "trusted", "open_door", "Open the door of the house."),
	}
	x := built(t, tools)
	q := catalog.Query{Text: "open the door of the house", Limit: 2, Explain: true}
	before := search(t, x, q)
	if len(before.Hits) != 2 || before.Hits[0].ID.Server != "a-stranger" {
		t.Fatalf("hits %q", hits(before))
	}
	x.SetWords(nil, map[string]float64{"a-stranger": 0.7})
	got := search(t, x, q)
	if x.Seq() != 1 || got.Hits[0].ID.Server != "trusted" {
		t.Errorf("with a prior: hits %q at %d", hits(got), x.Seq())
	}
	for _, h := range got.Hits {
		has := false
		for _, r := range h.Why {
			has = has || r.Part == "unreviewed" && r.Score < 0
		}
		if has != (h.ID.Server == "a-stranger") {
			t.Errorf("%s: why %+v", h.ID, h.Why)
		}
	}
}
