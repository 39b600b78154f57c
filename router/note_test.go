package router

import (
	"encoding/json"
	"strings"
	"testing"

	"toolrouter/internal/catalog"
)

// What makes an answer worse is told in its last line, and beside it for
// programs; what came from outside cannot break the line.
func TestNote(t *testing.T) {
	const tokens = 200
	x := newFakeIndex(office(t)...)
	x.note = "meaning search fell back to the built-in model:\nthe embeddings endpoint timed out"
	r := New(x, &fakeUpstream{}, Options{MaxTokens: tokens})
	r.Publish(&View{Snapshot: catalog.NewSnapshot(office(t))})
	want := "\nnote: meaning search fell back to the built-in model: the embeddings endpoint timed out"
	for query, hits := range map[string]bool{"create an issue in a repository": true, "xyzzy": false} {
		res, err := r.Search(t.Context(), SearchRequest{Query: query})
		if err != nil || (len(res.Hits) > 0) != hits {
			t.Fatalf("Search(%s): %d hits, %v", query, len(res.Hits), err)
		}
		if !strings.HasSuffix(res.Text, want) || len(res.Text) > tokens*bytesPerToken {
			t.Errorf("Search(%s) has %d bytes:\n%s", query, len(res.Text), res.Text)
		}
		facts, err := json.Marshal(res.Answer())
		if err != nil || !strings.Contains(string(facts), `"note":"meaning search fell back`) {
			t.Errorf("JSON of %s: %s, %v", query, facts, err)
		}
	}
	x.note = ""
	res, err := r.Search(t.Context(), SearchRequest{Query: "create an issue"})
	facts, _ := json.Marshal(res.Answer())
	if err != nil || strings.Contains(res.Text, "note:") || strings.Contains(string(facts), `"note"`) {
		t.Errorf("without a note: %s, %s, %v", res.Text, facts, err)
	}
}
