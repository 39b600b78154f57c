package router

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"toolrouter/internal/catalog"
)

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
		{"empty string", `{"name":"mcp__router__time__now","arguments":""}`, `{}`, ""},
		{"the name in another field", `{"tool_name":"time__now"}`, `{}`, ` the tool's name in "tool_name" in "name"`},
		{"beside the name and in arguments", `{"name":"` + create + `","arguments":{"owner":"o","repo":"r", "title":"t" },"state":"Open","owner":"o"}`,
			`{"owner":"o","repo":"r", "title":"t" ,"state":"open"}`, ` beside "name" in "arguments";/state "Open" "open"`},
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
		{"no JSON", "odd__union", `{"when":`, []string{"the arguments cannot be read: not valid JSON"}},
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

// TestCallRefusesWhatCannotBeArguments: the answer is the tool's, with its
// signature, and not an error of the protocol.
func TestCallRefusesWhatCannotBeArguments(t *testing.T) {
	for in, want := range map[string]string{
		`[1]`:                   `"arguments" must be an object, got an array`,
		`5`:                     `got a number`,
		`true`:                  `got a boolean`,
		`"abc"`:                 `got a string`,
		`{"repo":"a"},"repo":7`: `"repo" stands in "arguments" and beside "name", with different values: give it once, in "arguments"`,
	} {
		up := &fakeUpstream{call: func(context.Context, catalog.Call) (json.RawMessage, error) {
			t.Errorf("%s: the backend was called", in)
			return json.RawMessage(`{}`), nil
		}}
		req, err := DecodeCall(json.RawMessage(`{"name":"github__delete_repository","arguments":` + in + `}`))
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		got, err := routerOf(Options{}, up, office(t)...).Call(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		text, isError := textOf(t, got)
		if !isError {
			t.Errorf("%s: isError is not set", in)
		}
		mustContain(t, text, "github__delete_repository was not called", want, "signature: github__delete_repository(repo: string)")
	}
}

// TestCallMendsAnyNumber: the note of what was mended is bounded, the mending not.
func TestCallMendsAnyNumber(t *testing.T) {
	up, last := echo(`{}`)
	r := routerOf(Options{}, up, toolNamed(t, "s", "sum", "", `{"type":"object","properties":{"ns":{"type":"array","items":{"type":"integer"}}}}`))
	for _, n := range []int{maxTold, maxTold + 8, 5000} {
		var texts, numbers []string
		for i := range n {
			texts, numbers = append(texts, fmt.Sprintf("%q", fmt.Sprint(i))), append(numbers, fmt.Sprint(i))
		}
		got, err := r.Call(t.Context(), CallRequest{Name: "s__sum", Arguments: json.RawMessage(`{"ns":[` + strings.Join(texts, " , ") + `]}`)})
		if want := `{"ns":[` + strings.Join(numbers, " , ") + `]}`; err != nil || string(last.Arguments) != want {
			t.Fatalf("%d: sent %.200s (%v, %.200s), want %.200s", n, last.Arguments, err, got, want)
		}
		told := mendedIn(t, got)
		if more := fmt.Sprintf(" %s mended likewise", counted(n-maxTold, "more value")); n > maxTold != strings.HasSuffix(told, more) {
			t.Errorf("%d: the note ends in %q, want %q", n, told[max(0, len(told)-60):], more)
		}
		if entries := strings.Count(told, ";") + 1; entries != min(n, maxTold+1) {
			t.Errorf("%d: the note has %d entries", n, entries)
		}
	}
}

// TestCallUnwraps: {"arguments":{…}} is what the tool gets if it can be meant so.
func TestCallUnwraps(t *testing.T) {
	const wrapped, inner = `{"arguments":{"a":1}}`, `{"a":1}`
	for schema, want := range map[string]string{
		`{"type":"object"}`: wrapped,
		`{"type":"object","properties":{"a":{"type":"integer"}}}`:                                       inner,
		`{"type":"object","properties":{"a":{"type":"integer"}},"additionalProperties":false}`:          inner,
		`{"type":"object","properties":{"arguments":{"type":"object"}}}`:                                wrapped,
		`{"type":"object","required":["a"]}`:                                                            inner,
		`{"type":"object","patternProperties":{"^a$":{"type":"integer"}},"additionalProperties":false}`: inner,
	} {
		up, last := echo(`{}`)
		r := routerOf(Options{}, up, toolNamed(t, "s", "t", "", schema))
		got, err := r.Call(t.Context(), CallRequest{Name: "s__t", Arguments: json.RawMessage(wrapped)})
		if err != nil || string(last.Arguments) != want {
			t.Errorf("%s: sent %s (%v, %s), want %s", schema, last.Arguments, err, got, want)
		}
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
