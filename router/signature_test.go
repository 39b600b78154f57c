package router

import (
	"fmt"
	"strings"
	"testing"
)

// TestSignatureSpellsOut: with room, enums of five values and one level of nested
// objects are shown as they are, and without it as what they are.
func TestSignatureSpellsOut(t *testing.T) {
	var values []string
	for i := range 5 {
		values = append(values, fmt.Sprintf("%q", fmt.Sprintf("%d-%s", i, strings.Repeat("v", 40))))
	}
	enum := strings.Join(values, "|")
	object := `{from: string, to: string, sort_type?: "ByCreateTimeAsc"|"ByCreateTimeDesc"|"ByNothingAtAll", page_size?: number, page_token?: string, container?: {…}}`
	schema := `{"type":"object","required":["kind","range"],"properties":{"kind":{"enum":[` + strings.Join(values, ",") + `]},
		"range":{"type":"object","required":["from","to"],"properties":{"from":{"type":"string"},"to":{"type":"string"},
			"sort_type":{"enum":["ByCreateTimeAsc","ByCreateTimeDesc","ByNothingAtAll"]},"page_size":{"type":"number"},"page_token":{"type":"string"},
			"container":{"type":"object","properties":{"id":{"type":"string"}}}}},
		"also":{"enum":[` + strings.Join(values, ",") + `]}}}`
	want := "lists__make(kind: " + enum + ", range: " + object + ", also?: " + enum + ")"
	for tokens, text := range map[int]string{0: want + " [write]", 120: "lists__make(kind: string, range: {…}, …) [write]"} {
		res, err := routerOf(Options{MaxTokens: tokens}, nil, toolNamed(t, "lists", "make", "Make a list.", schema)).Search(t.Context(), SearchRequest{Query: "make list"})
		if err != nil || len(res.Hits) != 1 || res.Hits[0].Signature != want {
			t.Errorf("%d tokens: signature %+v (%v), want %s", tokens, res.Hits, err, want)
		}
		mustContain(t, res.Text, text)
	}
}
