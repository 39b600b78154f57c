package router

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"toolrouter/internal/catalog"
)

// echo answers every call and keeps the last one.
func echo(result string) (*fakeUpstream, *catalog.Call) {
	last := &catalog.Call{}
	return &fakeUpstream{call: func(_ context.Context, c catalog.Call) (json.RawMessage, error) {
		*last = c
		return json.RawMessage(result), nil
	}}, last
}

const oddResult = `{ "content":[{"type":"hologram","x":9007199254740993}],"isError":false, "vendor":{"a":1.10} }`

func TestCallMendsAndPassesOn(t *testing.T) {
	const create = "github__create_issue"
	base := `"owner":"o","repo":"r","title":"t"`
	tests := []struct {
		name string
		in   string // arguments of call_tool
		sent string // arguments of the backend
		was  string // mended, as "path was now" joined by ;
	}{
		{"as it came", `{"name":"` + create + `","arguments":{ ` + base + ` , "weight":1.50e1}}`, `{ ` + base + ` , "weight":1.50e1}`, ""},
		{"integer in a string", `{"name":"` + create + `","arguments":{` + base + `,"milestone":"9007199254740993"}}`, `{` + base + `,"milestone":9007199254740993}`, `/milestone "9007199254740993" 9007199254740993`},
		{"number in a string", `{"name":"` + create + `","arguments":{` + base + `,"weight":"1.50"}}`, `{` + base + `,"weight":1.50}`, `/weight "1.50" 1.50`},
		{"boolean in a string", `{"name":"` + create + `","arguments":{` + base + `,"draft":"True"}}`, `{` + base + `,"draft":true}`, `/draft "True" true`},
		{"string from a number", `{"name":"` + create + `","arguments":{"owner":"o","repo":1.0,"title":"t"}}`, `{"owner":"o","repo":"1.0","title":"t"}`, `/repo 1.0 "1.0"`},
		{"list in a string", `{"name":"` + create + `","arguments":{` + base + `,"labels":"[\"a\", \"b\"]"}}`, `{` + base + `,"labels":["a", "b"]}`, `/labels "[\"a\", \"b\"]" ["a", "b"]`},
		{"object in a string, and a string in that", `{"name":"` + create + `","arguments":{` + base + `,"meta":"{\"a\":\"5\"}"}}`, `{` + base + `,"meta":{"a":5}}`, `/meta "{\"a\":\"5\"}" {"a":"5"};/meta/a "5" 5`},
		{"enum in other case", `{"name":"` + create + `","arguments":{` + base + `,"state":"OPEN"}}`, `{` + base + `,"state":"open"}`, `/state "OPEN" "open"`},
		{"several at once", `{"name":"` + create + `","arguments":{"owner":7,"draft":"false","repo":"r","title":8}}`, `{"owner":"7","draft":false,"repo":"r","title":"8"}`, `/draft "false" false;/owner 7 "7";/title 8 "8"`},
		{"arguments in a string", `{"name":"` + create + `","arguments":"{` + strings.ReplaceAll(base, `"`, `\"`) + `}"}`, `{` + base + `}`, ` a string of JSON an object`},
		{"arguments twice", `{"name":"` + create + `","arguments":{"arguments":{` + base + `}}}`, `{` + base + `}`, `/arguments arguments within arguments the inner ones`},
		{"a call in a call", `{"name":"` + create + `","arguments":{"name":"github/create_issue","arguments":{` + base + `}}}`, `{` + base + `}`, `/arguments arguments within arguments the inner ones`},
		{"beside the name", `{"name":"` + create + `",` + base + `}`, `{` + base + `}`, ` beside "name" in "arguments"`},
		{"beside the name and empty", `{"name":"` + create + `","arguments":{},` + base + `}`, `{` + base + `}`, ` beside "name" in "arguments"`},
		{"none", `{"name":"time.now"}`, `{}`, ""},
		{"null", `{"name":"NOW","arguments":null}`, `{}`, ""},
		{"empty string", `{"tool_name":"mcp__router__time__now","arguments":""}`, `{}`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			up, last := echo(oddResult)
			r := routerOf(Options{}, up, office(t)...)
			req, err := DecodeCall(json.RawMessage(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			got, err := r.Call(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			if string(last.Arguments) != tt.sent {
				t.Errorf("sent %s, want %s (%s)", last.Arguments, tt.sent, got)
			}
			if tt.was == "" {
				if string(got) != oddResult {
					t.Errorf("result = %s, want it untouched", got)
				}
				return
			}
			if want := mendedIn(t, got); want != tt.was {
				t.Errorf("mended %s, want %s", want, tt.was)
			}
			if !strings.HasSuffix(string(got), oddResult[1:]) {
				t.Errorf("result = %s, want the backend's bytes after the note", got)
			}
		})
	}
}

// mendedIn reads a result's note of what was mended.
func mendedIn(tb testing.TB, result json.RawMessage) string {
	var r struct {
		Meta map[string][]mend `json:"_meta"`
	}
	if err := json.Unmarshal(result, &r); err != nil {
		tb.Fatalf("%v in %s", err, result)
	}
	var out []string
	for _, m := range r.Meta[mendedKey] {
		out = append(out, m.Path+" "+m.Was+" "+m.Now)
	}
	return strings.Join(out, ";")
}

func TestCallRefuses(t *testing.T) {
	tools := append(office(t),
		toolNamed(t, "odd", "union", "", `{"type":"object","properties":{"at":{"anyOf":[{"type":"null"},{"type":"object","properties":{"x":{"type":"integer"}},"required":["x"]}]},"when":{"type":["integer","null"]},"near":{"enum":["Ab","aB"]}}}`))
	tests := []struct {
		name string
		tool string
		args string
		want []string
	}{
		{"missing", "github__create_issue", `{"owner":"o"}`, []string{
			"github__create_issue was not called", "- /repo: is required and missing", "- /title: is required and missing",
			"signature: github__create_issue(owner: string, repo: string, title: string,", `schema of /title: {"type":"string"}`}},
		{"forbidden", "github__create_issue", `{"owner":"o","repo":"r","titel":"t","title":"t"}`, []string{
			"- /titel: is not a parameter", `for /titel, did you mean "title"?`, "parameters of the arguments: owner, repo, title, body"}},
		{"wrong type", "github__create_issue", `{"owner":"o","repo":"r","title":"t","labels":"bug"}`, []string{
			"- /labels: must be array, got string", `schema of /labels: {"type":"array","items":{"type":"string"}}`}},
		{"within a list", "github__create_issue", `{"owner":"o","repo":"r","title":"t","labels":[true]}`, []string{
			"- /labels/0: must be string, got boolean"}},
		{"not an integer", "github__create_issue", `{"owner":"o","repo":"r","title":"t","milestone":"5.0"}`, []string{
			"- /milestone: must be integer, got string"}},
		{"enum", "github__create_issue", `{"owner":"o","repo":"r","title":"t","state":"ajar"}`, []string{
			`- /state: must be one of "open", "closed"`}},
		{"ambiguous enum", "odd__union", `{"near":"ab"}`, []string{`- /near: must be one of "Ab", "aB"`}},
		{"the alternative that is meant", "odd__union", `{"at":{}}`, []string{"- /at/x: is required and missing"}},
		{"none of the alternatives", "odd__union", `{"at":true}`, []string{"- /at: must be one of null, object"}},
		{"several types", "odd__union", `{"when":[]}`, []string{"- /when: must be one of null, integer, got array"}},
		{"repeated name", "github__create_issue", `{"owner":"o","owner":"p"}`, []string{`"owner" occurs twice`}},
		{"huge exponent", "odd__union", `{"when":1e999999999}`, []string{"out of range"}},
		{"deep", "odd__union", `{"x":` + strings.Repeat("[", 300) + strings.Repeat("]", 300) + `}`, []string{"more than 200 levels deep"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			up := &fakeUpstream{call: func(context.Context, catalog.Call) (json.RawMessage, error) {
				t.Error("the backend was called")
				return json.RawMessage(`{}`), nil
			}}
			got, err := routerOf(Options{}, up, tools...).Call(t.Context(), CallRequest{Name: tt.tool, Arguments: json.RawMessage(tt.args)})
			if err != nil {
				t.Fatal(err)
			}
			text, isError := textOf(t, got)
			if !isError {
				t.Error("isError is not set")
			}
			mustContain(t, text, tt.want...)
			if len(text) > 5000 {
				t.Errorf("refusal of %d bytes", len(text))
			}
		})
	}
}

func TestCallKeepsArgumentsThatAreParameters(t *testing.T) {
	up, last := echo(`{}`)
	r := routerOf(Options{}, up, toolNamed(t, "cmd", "run", "", `{"type":"object","properties":{"arguments":{"type":"object"},"name":{"type":"string"}}}`))
	const args = `{"name":"cmd__run","arguments":{"a":1}}`
	if _, err := r.Call(t.Context(), CallRequest{Name: "cmd__run", Arguments: json.RawMessage(args)}); err != nil || string(last.Arguments) != args {
		t.Errorf("sent %s (%v), want %s", last.Arguments, err, args)
	}
}

func TestCallUnknownNames(t *testing.T) {
	r := routerOf(Options{}, &fakeUpstream{servers: []catalog.Server{{Name: "mail", State: catalog.Starting}}}, office(t)...)
	tests := []struct {
		name string
		want []string
	}{
		{"create_issue", []string{"is the name of 2 tools", "github__create_issue, jira__create_issue"}},
		{"github__creat_isue", []string{"no tool", "Nearest: github__create_issue"}},
		{"github__make_repository", []string{"Nearest: ", "github__delete_repository"}},
		{"mail__send", []string{"no tool", "mail is starting."}},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) { // a server that is starting is waited for
			got, err := r.Call(t.Context(), CallRequest{Name: tt.name})
			if err != nil {
				t.Fatal(err)
			}
			text, isError := textOf(t, got)
			if !isError {
				t.Errorf("%s: isError is not set", tt.name)
			}
			mustContain(t, text, tt.want...)
		})
	}
	var bad *RequestError
	if _, err := r.Call(t.Context(), CallRequest{}); !errors.As(err, &bad) {
		t.Errorf("Call without a name = %v, want a RequestError", err)
	}
}

func TestCallFailures(t *testing.T) {
	since := time.Now().Add(-90 * time.Second)
	tests := []struct {
		name string
		err  error
		want []string
	}{
		{"down", &catalog.Unavailable{Server: "time", State: catalog.Down, Since: since, Next: time.Now().Add(2 * time.Second), Err: errors.New("exit status 1\nno key")},
			[]string{"server time is down since 20", "(1m30s)", "exit status 1 no key", "being restarted, next try in 2s", "The call was not made."}},
		{"sent", &catalog.Unavailable{Server: "time", State: catalog.Down, Sent: true}, []string{"may or may not have been carried out"}},
		{"sign-in", &catalog.Unavailable{Server: "time", State: catalog.NeedsSignIn}, []string{"needs sign-in", "A person has to sign in"}},
		{"disabled", &catalog.Unavailable{Server: "time", State: catalog.Disabled}, []string{"is disabled", "switched off in the configuration"}},
		{"rpc", &catalog.RPCError{Code: -32602, Message: "bad\x1b zone", Data: json.RawMessage(`{"zone":"x"}`)}, []string{"answered with an error: bad zone (code -32602)", `data: {"zone":"x"}`}},
		{"timeout", fmt.Errorf("call: %w", context.DeadlineExceeded), []string{"did not answer in time", "may or may not"}},
		{"other", errors.New("pipe broke"), []string{"failed: pipe broke"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			up := &fakeUpstream{call: func(context.Context, catalog.Call) (json.RawMessage, error) { return nil, tt.err }}
			got, err := routerOf(Options{}, up, office(t)...).Call(t.Context(), CallRequest{Name: "time__now"})
			if err != nil {
				t.Fatal(err)
			}
			text, isError := textOf(t, got)
			if !isError {
				t.Error("isError is not set")
			}
			mustContain(t, text, append(tt.want, "time__now: ")...)
		})
	}
}

func TestCallContext(t *testing.T) {
	up := &fakeUpstream{call: func(ctx context.Context, _ catalog.Call) (json.RawMessage, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	r := routerOf(Options{CallTimeout: 10 * time.Millisecond}, up, office(t)...)
	got, err := r.Call(t.Context(), CallRequest{Name: "time__now"})
	if err != nil {
		t.Fatal(err)
	}
	text, _ := textOf(t, got)
	mustContain(t, text, "did not answer in time (10ms)")

	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(5*time.Millisecond, cancel)
	if _, err := r.Call(ctx, CallRequest{Name: "time__now"}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled call = %v, want context.Canceled", err)
	}
	if _, err := r.Call(ctx, CallRequest{Name: "time__now"}); !errors.Is(err, context.Canceled) {
		t.Errorf("call with a cancelled context = %v, want context.Canceled", err)
	}
}

func TestCallSafe(t *testing.T) {
	for hints, want := range map[string]bool{`{}`: false, `{"readOnlyHint":true}`: true, `{"idempotentHint":true}`: true, `{"destructiveHint":false}`: false} {
		up, last := echo(`{}`)
		r := routerOf(Options{}, up, tool(t, "s", `{"name":"t","annotations":`+hints+`}`))
		if _, err := r.Call(t.Context(), CallRequest{Name: "s__t", Meta: json.RawMessage(`{"a":1}`)}); err != nil {
			t.Fatal(err)
		}
		if last.Safe != want || string(last.Meta) != `{"a":1}` {
			t.Errorf("annotations %s: call %+v, want safe %v", hints, last, want)
		}
	}
}

// fakeCaller is a client that answers every question.
type fakeCaller struct {
	repeats bool
	can     string
	asked   []string
	err     error
}

func (c *fakeCaller) Notify(string, json.RawMessage) {}
func (c *fakeCaller) LogLevel() string               { return "" }
func (c *fakeCaller) WantsProgress() bool            { return false }
func (c *fakeCaller) Can(what string) bool           { return what == c.can }
func (c *fakeCaller) Repeats() bool                  { return c.repeats }
func (c *fakeCaller) Ask(_ context.Context, method string, params json.RawMessage) (json.RawMessage, error) {
	c.asked = append(c.asked, method+string(params))
	return json.RawMessage(fmt.Sprintf(`{"n":%d}`, len(c.asked))), c.err
}

func TestCallAsksForInput(t *testing.T) {
	const needs = `{"resultType":"input_required","inputRequests":{"b":{"method":"elicitation/create","params":{"message":"sure?"}},"a":{"method":"elicitation/create","params":{}}},"requestState":"s1"}`
	done := `{"content":[{"type":"text","text":"not input_required at all"}]}`
	endless := func(context.Context, catalog.Call) (json.RawMessage, error) { return json.RawMessage(needs), nil }
	var retry *catalog.Answers
	once := func(_ context.Context, c catalog.Call) (json.RawMessage, error) {
		if retry = c.Retry; retry == nil {
			return json.RawMessage(needs), nil
		}
		return json.RawMessage(done), nil
	}
	call := func(f func(context.Context, catalog.Call) (json.RawMessage, error), c catalog.Caller) string {
		t.Helper()
		got, err := routerOf(Options{}, &fakeUpstream{call: f}, office(t)...).Call(t.Context(), CallRequest{Name: "time__now", Caller: c})
		if err != nil {
			t.Fatal(err)
		}
		return string(got)
	}
	c := &fakeCaller{can: "elicitation"}
	if got := call(once, c); got != done {
		t.Errorf("result = %s, want %s", got, done)
	}
	if retry.State != "s1" || string(retry.Responses) != `{"b":{"n":1},"a":{"n":2}}` || c.asked[0] != `elicitation/create{"message":"sure?"}` {
		t.Errorf("repeated with %+v (%s), asked %v", retry, retry.Responses, c.asked)
	}
	if got := call(endless, &fakeCaller{repeats: true}); got != needs {
		t.Errorf("a client that repeats got %s, want %s", got, needs)
	}
	c = &fakeCaller{can: "elicitation"}
	mustContain(t, call(endless, c), "asked for input 10 times")
	if len(c.asked) != 2*maxRounds {
		t.Errorf("asked %d questions, want %d", len(c.asked), 2*maxRounds)
	}
	mustContain(t, call(endless, nil), "interactive client", `"isError":true`)
	mustContain(t, call(endless, &fakeCaller{can: "roots"}), "needs elicitation from the client")
	mustContain(t, call(endless, &fakeCaller{can: "elicitation", err: &catalog.RPCError{Message: "declined"}}), "declined")
}
