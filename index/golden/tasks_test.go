package golden

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"toolrouter/index/eval"
)

// maxRequest is what a client may ask, in characters.
const maxRequest = 2000

// maxMissed is how many of the tools that all tasks need may be missing.
const maxMissed = 1

// TestTasks: a task of some 200 words that needs five tools of five servers, in
// the ways in which people write such tasks, has all five among its first ten
// hits.
func TestTasks(t *testing.T) {
	set, err := eval.Load(tasks(t))
	if err != nil {
		t.Fatal(err)
	}
	res := score(t, openOffice(t, set.Tools), set)
	missed := 0
	for _, o := range res.Outcomes {
		if n := utf8.RuneCountInString(o.Query.Text); n > maxRequest {
			t.Errorf("%s has %d characters, more than may be asked", o.Query.ID, n)
		}
		t.Logf("%-10s %3d words, the five stand at%s", o.Query.ID, len(strings.Fields(o.Query.Text)), rankText(o.Ranks))
		for _, id := range o.Missed(10) {
			missed++
			t.Logf("%s: %s is not among the first ten, which are %v", o.Query.ID, id, o.Answer)
		}
	}
	if missed > maxMissed {
		t.Errorf("%d tools are missing, at most %d may be", missed, maxMissed)
	}
}

// tasks puts the office's tools beside the tasks, as a set.
func tasks(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for to, from := range map[string]string{"tools.jsonl": "office", "queries.jsonl": "tasks"} {
		data, err := os.ReadFile(filepath.Join(dir, from, to))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, to), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}
