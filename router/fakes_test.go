package router

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"toolrouter/internal/catalog"
)

// fakeIndex ranks tools by how many words of the query their name and
// description hold. It is a plain list in place of the real index, so that what
// is tested here does not depend on how well that one ranks.
type fakeIndex struct {
	mu    sync.Mutex
	tools map[catalog.ID]*catalog.Tool
	near  []string
	note  string
	seq   uint64
	fails error // what Update answers

	rebuilt, updated int
	during           func() // called in the middle of Rebuild
}

func newFakeIndex(tools ...*catalog.Tool) *fakeIndex {
	x := &fakeIndex{tools: map[catalog.ID]*catalog.Tool{}}
	for _, t := range tools {
		x.tools[t.ID] = t
	}
	return x
}

func (x *fakeIndex) Search(_ context.Context, q catalog.Query) (catalog.Found, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	var hits []catalog.Hit
	want := words(q.Text)
	for id, t := range x.tools {
		if q.Keep != nil && !q.Keep(id) {
			continue
		}
		text := words(t.Name + " " + t.Description)
		score := 0.0
		for _, w := range want {
			if slices.Contains(text, w) {
				score++
			}
		}
		if score > 0 {
			hits = append(hits, catalog.Hit{ID: id, Score: score / float64(len(want))})
		}
	}
	slices.SortFunc(hits, func(a, b catalog.Hit) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.ID.String(), b.ID.String()))
	})
	found := catalog.Found{Total: len(hits), Note: x.note}
	if len(hits) == 0 {
		found.Near = x.near
	}
	hits = hits[min(q.Offset, len(hits)):]
	found.Hits = hits[:min(q.Limit, len(hits))]
	return found, nil
}

func (x *fakeIndex) Seq() uint64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.seq
}

func (x *fakeIndex) Update(_ context.Context, c catalog.Change) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.fails != nil {
		return x.fails
	}
	x.updated++
	for _, id := range c.Removed {
		delete(x.tools, id)
	}
	for _, t := range c.Upserted {
		x.tools[t.ID] = t
	}
	x.seq = c.Seq
	return nil
}

func (x *fakeIndex) Rebuild(_ context.Context, tools []*catalog.Tool, _ map[string]catalog.ServerText, seq uint64, progress func(done, total int)) error {
	if x.during != nil {
		x.during()
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.rebuilt++
	x.tools = map[catalog.ID]*catalog.Tool{}
	for i, t := range tools {
		x.tools[t.ID] = t
		if progress != nil {
			progress(i+1, len(tools))
		}
	}
	x.seq = seq
	return nil
}

// fakeUpstream answers every call with what a function says.
type fakeUpstream struct {
	servers []catalog.Server
	call    func(context.Context, catalog.Call) (json.RawMessage, error)
}

func (u *fakeUpstream) Servers() []catalog.Server { return u.servers }

func (u *fakeUpstream) Call(ctx context.Context, c catalog.Call) (json.RawMessage, error) {
	return u.call(ctx, c)
}

// tool makes a tool out of its definition.
func tool(tb testing.TB, server, definition string) *catalog.Tool {
	tb.Helper()
	t, err := catalog.NewTool(server, json.RawMessage(definition))
	if err != nil {
		tb.Fatalf("NewTool(%s, %.100s): %v", server, definition, err)
	}
	return t
}

// toolNamed makes a tool with a schema; the description may hold anything.
func toolNamed(tb testing.TB, server, name, description, schema string) *catalog.Tool {
	tb.Helper()
	d, err := json.Marshal(description)
	if err != nil {
		tb.Fatal(err)
	}
	return tool(tb, server, fmt.Sprintf(`{"name":%q,"description":%s,"inputSchema":%s}`, name, d, schema))
}

// routerOf makes a Router over some tools.
func routerOf(o Options, up *fakeUpstream, tools ...*catalog.Tool) *Router {
	if up == nil {
		up = &fakeUpstream{}
	}
	r := New(newFakeIndex(tools...), up, o)
	r.Publish(&View{Snapshot: catalog.NewSnapshot(tools)})
	return r
}

const issueSchema = `{
  "type": "object",
  "properties": {
    "owner": {"type": "string"},
    "repo": {"type": "string"},
    "title": {"type": "string"},
    "body": {"type": "string"},
    "labels": {"type": "array", "items": {"type": "string"}},
    "state": {"type": "string", "enum": ["open", "closed"]},
    "milestone": {"type": "integer"},
    "draft": {"type": "boolean"},
    "weight": {"type": "number"},
    "meta": {"type": "object", "properties": {"a": {"type": "integer"}}}
  },
  "required": ["owner", "repo", "title"],
  "additionalProperties": false
}`

// office is a small catalogue of the kind that people have.
func office(tb testing.TB) []*catalog.Tool {
	return []*catalog.Tool{
		tool(tb, "github", `{"name":"create_issue","description":"Create a new issue in a GitHub repository. It is then open.","inputSchema":`+issueSchema+`}`),
		tool(tb, "github", `{"name":"list_issues","description":"List issues of a repository.","annotations":{"readOnlyHint":true},"inputSchema":{"type":"object","properties":{"owner":{"type":"string"},"repo":{"type":"string"},"state":{"enum":["open","closed","all"]}},"required":["owner","repo"]}}`),
		tool(tb, "github", `{"name":"create_pull_request","description":"Create a pull request.","inputSchema":{"type":"object","properties":{"owner":{"type":"string"},"head":{"type":"string"}},"required":["owner","head"]}}`),
		tool(tb, "github", `{"name":"delete_repository","description":"Delete a repository for good.","annotations":{"destructiveHint":true},"inputSchema":{"type":"object","properties":{"repo":{"type":"string"}},"required":["repo"]}}`),
		tool(tb, "jira", `{"name":"create_issue","description":"Create an issue in a Jira project.","inputSchema":{"type":"object","properties":{"project":{"type":"string"},"summary":{"type":"string"},"fields":{"type":"object"}},"required":["project","summary"]}}`),
		tool(tb, "time", `{"name":"now","description":"Tell the time.","annotations":{"readOnlyHint":true,"idempotentHint":true},"inputSchema":{"type":"object"}}`),
	}
}

// textOf reads the one block of text of a result.
func textOf(tb testing.TB, result json.RawMessage) (text string, isError bool) {
	tb.Helper()
	var r struct {
		Content []struct{ Type, Text string }
		IsError bool
	}
	if err := json.Unmarshal(result, &r); err != nil || len(r.Content) != 1 || r.Content[0].Type != "text" {
		tb.Fatalf("result %s is not one block of text (%v)", result, err)
	}
	return r.Content[0].Text, r.IsError
}

func mustContain(tb testing.TB, text string, wants ...string) {
	tb.Helper()
	for _, w := range wants {
		if !strings.Contains(text, w) {
			tb.Errorf("text lacks %q:\n%s", w, text)
		}
	}
}
