package catalog

import "testing"

func TestWordsString(t *testing.T) {
	for want, w := range map[string]Words{
		"":                      {},
		"open a ticket":         {Text: "open a ticket"},
		"ticket, bug":           {Aliases: []string{"ticket", "bug"}},
		"ticket, open a ticket": {Text: "open a ticket", Aliases: []string{"ticket"}},
	} {
		if got := w.String(); got != want {
			t.Errorf("%+v.String() = %q, want %q", w, got, want)
		}
	}
}
