package router

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
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

func TestCallFailures(t *testing.T) {
	since := time.Now().Add(-90 * time.Second)
	tests := []struct {
		name string
		err  error
		want []string
	}{
		{"down", &catalog.Unavailable{Server: "time", State: catalog.Down, Since: since, Next: time.Now().Add(2 * time.Second), Err: errors.New("exit status 1\nno key")},
			[]string{"server time is down (since 20", "UTC, 1m30s ago): exit status 1 no key. The router tries it again in 2s. The call was not made."}},
		{"keeps failing", &catalog.Unavailable{Server: "time", State: catalog.Down}, []string{"server time is down. The router keeps trying to reach it. The call was not made."}},
		{"no slot", &catalog.Unavailable{Server: "time", State: catalog.Ready, Err: fmt.Errorf("64 calls were before it: %w", context.DeadlineExceeded)}, []string{"server time could not serve this call: 64 calls were before it: context deadline exceeded. The call was not made."}},
		{"sent", &catalog.Unavailable{Server: "time", State: catalog.Down, Sent: true}, []string{"may or may not have been carried out"}},
		{"sign-in", &catalog.Unavailable{Server: "time", State: catalog.NeedsSignIn}, []string{"needs sign-in", "A person has to sign in"}},
		{"disabled", &catalog.Unavailable{Server: "time", State: catalog.Disabled}, []string{"is disabled", "switched off in the configuration"}},
		{"rpc", &catalog.RPCError{Code: -32602, Message: "bad\x1b zone", Data: json.RawMessage(`{"zone":"x"}`)}, []string{"answered with an error: bad zone (code -32602)", `data: {"zone":"x"}`}},
		{"timeout", fmt.Errorf("call time/now: no answer within 7s (3 lines on its standard output were no messages): %w", context.DeadlineExceeded),
			[]string{"the call to server time timed out: no answer within 7s (3 lines on its standard output were no messages)", "may or may not"}},
		{"other", errors.New("call time/now: pipe broke"), []string{"the call to server time failed: pipe broke"}},
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

// A URL that has to be opened first is told to the client that can, as it came.
func TestCallWantsURL(t *testing.T) {
	wants := &catalog.RPCError{Code: -32042, Message: "sign in", Data: json.RawMessage(`{"elicitations":[{"url":"https://a/"}]}`)}
	up := &fakeUpstream{call: func(context.Context, catalog.Call) (json.RawMessage, error) { return nil, wants }}
	for name, tt := range map[string]struct {
		caller catalog.Caller
		passed bool
	}{
		"can":             {&fakeCaller{can: "elicitation"}, true},
		"cannot":          {&fakeCaller{can: "roots"}, false},
		"of a later time": {&fakeCaller{can: "elicitation", repeats: true}, false},
		"nobody":          {nil, false},
	} {
		got, err := routerOf(Options{}, up, office(t)...).Call(t.Context(), CallRequest{Name: "time__now", Caller: tt.caller})
		if passed := errors.Is(err, wants); passed != tt.passed {
			t.Errorf("%s: passed %v, want %v: %s, %v", name, passed, tt.passed, got, err)
		}
		if !tt.passed {
			mustContain(t, string(got), "sign in", "https://a/")
		}
	}
}

func TestCallContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	up := &fakeUpstream{call: func(ctx context.Context, _ catalog.Call) (json.RawMessage, error) {
		calls++
		cancel() // in the middle of the call
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	r := routerOf(Options{}, up, office(t)...)
	for _, when := range []string{"during the call", "before the call"} {
		if _, err := r.Call(ctx, CallRequest{Name: "time__now"}); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled %s: %v, want context.Canceled", when, err)
		}
	}
	if calls != 1 {
		t.Errorf("the backend was called %d times, want once", calls)
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
func (c *fakeCaller) Client() any                    { return nil }
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
	times := 0
	bare := func(context.Context, catalog.Call) (json.RawMessage, error) {
		times++
		return json.RawMessage(`{"resultType":"input_required","content":[]}`), nil
	}
	mustContain(t, call(bare, c), `"content":[]`)
	if times != 1 {
		t.Errorf("a tool that asked for nothing was called %d times", times)
	}
	mustContain(t, call(endless, &fakeCaller{can: "roots"}), "needs elicitation from the client")
	mustContain(t, call(endless, &fakeCaller{can: "elicitation", err: &catalog.RPCError{Message: "declined"}}), "declined")
}
