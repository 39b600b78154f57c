package index

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSplit(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string // the parts, without the whole
	}{
		{"short", "create an issue and assign it to Tom", nil},
		{"one need", "find the oldest open pull request in the repository that still waits for a review of somebody", nil},
		{"sentences", "Create an issue about the broken login. Assign that issue to our new colleague. The sun shines bright today.",
			[]string{"Create an issue about the broken login", "Assign that issue to our new colleague", "The sun shines bright today"}},
		{"and then", "list the pods of the cluster, and then delete the oldest pod, then restart the broken deployment",
			[]string{"list the pods of the cluster", "delete the oldest pod", "restart the broken deployment"}},
		{"commas with verbs", "please send the invoice to the customer, book a meeting room, translate the German contract",
			[]string{"send the invoice to the customer,", "book a meeting room,", "translate the German contract"}},
		{"run on", "I'm late so check whether my train is on time and I hate waiting so book the next flight too",
			[]string{"check whether my train is on time", "book the next flight too"}},
		{"wishes", "I would like to book a table for two people and we want to see the new film",
			[]string{"book a table for two people", "see the new film"}},
		{"list", "Please do what follows for the launch:\n1. create the product page\n2. post a short announcement\n- remove the old price list",
			[]string{"create the product page", "post a short announcement", "remove the old price list"}},
		{"lines that go on", "Write a page about the failure of\nthe payment service last night. Open an issue for the\nteam that owns it",
			[]string{"Write a page about the failure of the payment service last night", "Open an issue for the team that owns it"}},
		{"double verbs", "find and replace the word colour in all documents of the folder, copy and paste the old title page",
			[]string{"find and replace the word colour in all documents of the folder,", "copy and paste the old title page"}},
		{"quoted text", `post the message "Create an issue. Delete the branch. Send an email." to the channel of the whole team please`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, slices.Clip(split(tt.text))[1:], cmp.Transformer("nil", func(s []string) string { return strings.Join(s, "|") })); diff != "" {
				t.Errorf("parts (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSplitKeepsWhatAsks(t *testing.T) {
	text := strings.Repeat("Yesterday the weather was very fine. ", 20) + "Send an email to Mira. Book a flight to Oslo."
	if got := split(text)[1:]; !slices.Equal(got, []string{"Send an email to Mira", "Book a flight to Oslo"}) {
		t.Errorf("parts are %q", got)
	}
}

// FuzzSplit: the parts are few, say something, and are all of the text.
func FuzzSplit(f *testing.F) {
	for _, seed := range []string{
		"", "list", longTask, "and then, and then, and then, and then, and then, and then, and then", strings.Repeat("like, ", 700),
		"list, list, list, list, list, list, list, list, list, list, list, list, list,", "1. 2. 3. 4. - * • a b c d e f g h i j k l m",
		strings.Repeat("\n- send mail to\xff", 20), "«" + strings.Repeat("a ", 30) + "» \"", strings.Repeat("— to send – ", 12), "打开文件 🦄, send mail 🦄 and 打开 open the 文件 door now please",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		all := split(text)
		if len(all) == 0 || len(all) == 2 || len(all) > maxNeeds+1 {
			t.Fatalf("split(%q) gives %d texts", text, len(all))
		}
		whole := strings.Fields(all[0])
		for _, p := range all[1:] {
			if telling(p) < shortNeed {
				t.Errorf("split(%q) has the part %q, which says nothing", text, p)
			}
			for w := range strings.FieldsSeq(p) {
				if !slices.ContainsFunc(whole, func(in string) bool { return strings.Contains(in, w) }) {
					t.Errorf("split(%q) has the part %q, whose %q is not in the text", text, p, w)
				}
			}
		}
	})
}
