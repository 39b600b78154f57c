package endpoint

import (
	"strings"
	"testing"
	"testing/synctest"
)

const canAll = `{"elicitation":{},"sampling":{},"roots":{}}`

// suspended makes a call that asks and gives the requestState it got.
func (f *fixture) suspended(t *testing.T, tool string) string {
	t.Helper()
	_, got := f.post(t, callBody("1", tool, `{"a":1,"b":2}`, modernMeta(canAll, "")), modernHeaders()...)
	result := mustJSON(t, got)["result"].(map[string]any)
	state, _ := result["requestState"].(string)
	if result["resultType"] != "input_required" || !strings.HasPrefix(state, f.parked.prefix) {
		t.Fatalf("%s = %s, want input_required", tool, got)
	}
	return state
}

func (f *fixture) repeat(t *testing.T, tool, arguments, responses, state string) string {
	t.Helper()
	_, got := f.post(t, callBody("2", tool, arguments, modernMeta(canAll, "")+`,"inputResponses":`+responses+`,"requestState":"`+state+`"`), modernHeaders()...)
	return got
}

func TestSuspendedCallGoesOn(t *testing.T) {
	f := start(t, Options{})
	state := f.suspended(t, "elicit")
	<-f.backend.calls
	got := f.repeat(t, "elicit", `{"b":2, "a":1}`, `{"q1":{"action":"accept","content":{"n":9007199254740993}}}`, state)
	if want := `elicit={\"action\":\"accept\",\"content\":{\"n\":9007199254740993}}`; !strings.Contains(got, want) {
		t.Errorf("repeated call = %s, want %s in it", got, want)
	}
	if len(f.backend.calls) != 0 {
		t.Error("the backend was called again")
	}
	waitFor(t, "the place of the call", func() bool { return len(f.calls) == 0 })
}

func TestSuspendedCallAsksAgainForWhatIsMissing(t *testing.T) {
	f := start(t, Options{})
	state := f.suspended(t, "ask_all")
	for range 3 {
		got := f.repeat(t, "ask_all", `{"a":1,"b":2}`, `{"other":{}}`, state)
		if strings.Contains(got, `"requestState":"`+state+`"`) || !strings.Contains(got, "input_required") {
			t.Fatalf("without answers = %s, want a new question", got)
		}
		state = stateIn(got)
	}
	var got string
	for range 3 { // the three are asked at once, but not told of in one result by need
		got = f.repeat(t, "ask_all", `{"a":1,"b":2}`, `{"q1":{"x":1},"q2":{"x":2},"q3":{"x":3}}`, state)
		if state = stateIn(got); state == "" {
			break
		}
	}
	if strings.Count(got, `{\"x\":`) != 3 {
		t.Errorf("with all answers = %s", got)
	}
}

func stateIn(result string) string {
	_, rest, _ := strings.Cut(result, `"requestState":"`)
	state, _, _ := strings.Cut(rest, `"`)
	return state
}

func TestRequestStateIsGoodForOneCallOnce(t *testing.T) {
	f := start(t, Options{})
	const answers, gone = `{"q1":{"action":"accept"}}`, `the call again without requestState`
	cases := map[string]func(state string) string{
		"altered":       func(s string) string { return f.repeat(t, "elicit", `{"a":1,"b":2}`, answers, s+"x") },
		"invented":      func(string) string { return f.repeat(t, "elicit", `{"a":1,"b":2}`, answers, f.parked.prefix+"AAAA") },
		"other answers": func(s string) string { return f.repeat(t, "elicit", `{"a":1,"b":3}`, answers, s) },
		"other tool":    func(s string) string { return f.repeat(t, "sample", `{"a":1,"b":2}`, answers, s) },
		"replayed": func(s string) string {
			f.repeat(t, "elicit", `{"a":1,"b":2}`, answers, s)
			return f.repeat(t, "elicit", `{"a":1,"b":2}`, answers, s)
		},
	}
	for name, try := range cases {
		t.Run(name, func(t *testing.T) {
			got := try(f.suspended(t, "elicit"))
			if !strings.Contains(got, `"isError":true`) || !strings.Contains(got, gone) {
				t.Errorf("= %s, want an isError result", got)
			}
		})
	}
}

func TestBackendsOwnStatePassesThrough(t *testing.T) {
	f := start(t, Options{})
	// A backend may be a router too, or this one before it was started anew.
	for _, state := range []string{"backend's", newParking().prefix + "A", "router:A", "router:"} {
		f.backend.state = state
		_, got := f.post(t, callBody("1", "state", `{}`, modernMeta(canAll, "")), modernHeaders()...)
		if !strings.Contains(got, `"requestState":"`+state+`"`) {
			t.Fatalf("= %s, want the backend's requestState %q", got, state)
		}
		got = f.repeat(t, "state", `{}`, `{"a":{"roots":[]}}`, strings.ReplaceAll(state, "'", `\u0027`))
		if !strings.Contains(got, `answers {\"a\":{\"roots\":[]}} state `+state) {
			t.Errorf("repeated with %q = %s", state, got)
		}
	}
}

func TestSuspendedCallsAreBounded(t *testing.T) {
	f := start(t, Options{})
	for range maxSuspended {
		f.suspended(t, "elicit")
	}
	_, got := f.post(t, callBody("1", "elicit", `{}`, modernMeta(canAll, "")), modernHeaders()...)
	if !strings.Contains(got, `"isError":true`) || !strings.Contains(got, "too many questions") {
		t.Errorf("one more = %s", got)
	}
	if err := f.stop(); err != nil { // the suspended end with the server
		t.Error(err)
	}
	if n := len(f.parked.calls); n != 0 {
		t.Errorf("%d calls still parked", n)
	}
}

func TestSuspendedCallExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLife(t.Context())
		p := newParking()
		cancelled := make(chan struct{})
		f := &flight{cancel: func() { close(cancelled) }}
		state, _ := p.add(f, l)
		<-cancelled // the clock is fake: nothing else is left to happen
		if p.take(state, "", f.args) != nil {
			t.Error("an expired call can be taken")
		}
		l.stop()
	})
}

func TestAskWithoutCapabilityFails(t *testing.T) {
	f := start(t, Options{})
	for name, headers := range map[string][]string{
		"stateless": nil,
		"session":   {headerSession, f.legacySession(t, `{"sampling":{}}`)},
		"modern":    modernHeaders(),
	} {
		extra := ""
		if name == "modern" {
			extra = modernMeta(`{"sampling":{}}`, "")
		}
		if _, got := f.post(t, callBody("1", "elicit", `{}`, extra), headers...); !strings.Contains(got, "not declared elicitation") {
			t.Errorf("%s: %s", name, got)
		}
	}
}
