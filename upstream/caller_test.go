package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/server"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"toolrouter/internal/catalog"
	"toolrouter/internal/mcptest"
)

var everything = map[string]bool{"sampling": true, "elicitation": true, "roots": true}

// answers gives each kind of question a proper answer.
func answers(_ context.Context, method string, _ json.RawMessage) (json.RawMessage, error) {
	switch method {
	case "elicitation/create":
		return json.RawMessage(`{"action":"accept","content":{"name":"Ada"}}`), nil
	case "sampling/createMessage":
		return json.RawMessage(`{"role":"assistant","model":"m1","content":{"type":"text","text":"hi"}}`), nil
	case "roots/list":
		return json.RawMessage(`{"roots":[{"uri":"file:///a"},{"uri":"file:///b"}]}`), nil
	}
	return nil, errors.New("unknown question")
}

// legacySpecs are ways to reach a server that asks questions.
func legacySpecs(t *testing.T) map[string]Spec {
	stdio, streamable := spec("good"), urlSpec(mcpgo(t).URL)
	stdio.Protocol, streamable.Protocol = "2025-11-25", "2025-11-25"
	sse := urlSpec(listen(t, server.NewSSEServer(mcptest.NewServer(), server.WithKeepAlive(true))).URL + "/sse")
	sse.Transport = TransportSSE
	return map[string]Spec{"stdio": stdio, "http": streamable, "sse": sse}
}

func TestQuestions(t *testing.T) {
	for name, spec := range legacySpecs(t) {
		if name == "sse" {
			continue // this server does not ask there; TestQuestionsOverSSE has one that does
		}
		t.Run(name, func(t *testing.T) {
			f := start(t, Options{}, spec)
			f.await("s", catalog.Ready)
			f.growsUntilTold() // over HTTP it asks on the standing stream, which is open now
			for tool, want := range map[string]string{"elicit": "accept map[name:Ada]", "sample": "m1", "roots": "2"} {
				if got := f.must(callFor(&asker{can: everything, answer: answers}, tool, `{}`)); got != want {
					t.Errorf("%s = %q, want %q", tool, got, want)
				}
			}
			if got := f.must(callFor(&asker{}, "elicit", `{}`)); !strings.Contains(got, "has no elicitation") && !strings.Contains(got, "whose client has elicitation") {
				t.Errorf("elicit without the capability = %q", got)
			}
			leaves := &asker{can: everything, answer: func(context.Context, string, json.RawMessage) (json.RawMessage, error) {
				return nil, &catalog.RPCError{Code: -1, Message: "user went away"}
			}}
			if got := f.must(callFor(leaves, "elicit", `{}`)); !strings.Contains(got, "user went away") {
				t.Errorf("elicit with an error = %q", got)
			}
			if got := f.must(toolCall("roots", `{}`)); !strings.Contains(got, "whose client has roots") {
				t.Errorf("roots without a caller = %q, want an error: an empty list would be remembered", got)
			}
		})
	}
}

func TestQuestionsOverSSE(t *testing.T) {
	f := start(t, Options{}, Spec{Name: "s", URL: listen(t, officialSSE()).URL, Transport: TransportSSE})
	f.await("s", catalog.Ready)
	if got := f.must(callFor(&asker{can: everything, answer: answers}, "elicit", `{}`)); got != "accept" {
		t.Errorf("elicit = %q", got)
	}
	if got := f.must(callFor(&asker{}, "elicit", `{}`)); !strings.Contains(got, "whose client has elicitation") {
		t.Errorf("elicit without the capability = %q", got)
	}
}

// officialSSE is a server on the official SDK that asks the user.
func officialSSE() http.Handler {
	s := sdk.NewServer(&sdk.Implementation{Name: "sdk", Version: "1"}, nil)
	sdk.AddTool(s, &sdk.Tool{Name: "elicit"}, func(ctx context.Context, r *sdk.CallToolRequest, _ struct{}) (*sdk.CallToolResult, any, error) {
		answer, err := r.Session.Elicit(ctx, &sdk.ElicitParams{Message: "your name?", RequestedSchema: map[string]any{
			"type": "object", "properties": map[string]any{"name": map[string]any{"type": "string"}},
		}})
		if err != nil {
			return nil, nil, err
		}
		return &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: answer.Action}}}, nil, nil
	})
	return sdk.NewSSEHandler(func(*http.Request) *sdk.Server { return s }, nil)
}

// TestAmbiguousQuestion has two calls under way on one process: which client is
// asked must not be guessed. It is clear if both are of one.
func TestAmbiguousQuestion(t *testing.T) {
	f := start(t, Options{}, legacySpecs(t)["stdio"])
	f.await("s", catalog.Ready)
	defer f.hold(&asker{can: everything, answer: answers, client: 1})()
	tests := []struct {
		tool   string
		client any
		want   string
	}{
		{"elicit", 2, "not clear whose client"},
		{"elicit", nil, "not clear whose client"},
		{"elicit", 1, "accept map[name:Ada]"},
		{"sample", 2, "not clear whose client"},
		{"sample", 1, "m1"},
		{"roots", 2, "not clear whose client"},
		{"roots", nil, "not clear whose client"},
		{"roots", 1, "2"},
	}
	for _, tt := range tests {
		a := &asker{can: everything, answer: answers, client: tt.client}
		if got := f.must(callFor(a, tt.tool, `{}`)); !strings.Contains(got, tt.want) {
			t.Errorf("%s of client %v = %q, want %q", tt.tool, tt.client, got, tt.want)
		}
	}
}

// hold makes a call that lasts until the function it gives is called.
func (f *fixture) hold(caller catalog.Caller) (end func()) {
	f.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	call := callFor(caller, "sleep", `{"ms":600000}`)
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := f.Call(ctx, call); !errors.Is(err, context.Canceled) {
			f.t.Errorf("the call that lasts = %v", err)
		}
	})
	f.awaitCalls("s", 1)
	return func() {
		cancel()
		wg.Wait()
	}
}

// TestQuestionEndsWithCall cancels a call while its client is being asked.
func TestQuestionEndsWithCall(t *testing.T) {
	f := start(t, Options{}, legacySpecs(t)["stdio"])
	f.await("s", catalog.Ready)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	a := &asker{can: everything, answer: func(ctx context.Context, _ string, _ json.RawMessage) (json.RawMessage, error) {
		cancel()
		<-ctx.Done()
		close(ended)
		return nil, ctx.Err()
	}}
	if _, err := f.Call(ctx, callFor(a, "elicit", `{}`)); !errors.Is(err, context.Canceled) {
		t.Errorf("call = %v", err)
	}
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Error("the question did not end")
	}
}

func TestLogMessages(t *testing.T) {
	specs := legacySpecs(t)
	specs["http of 2026-07-28"] = modernSpec(mcpgo(t).URL)
	for name, spec := range specs {
		t.Run(name, func(t *testing.T) {
			f := start(t, Options{}, spec)
			a := &asker{quiet: true, level: "info"}
			f.must(callFor(a, "log", `{}`))
			want := `notifications/message {"data":"a log message","level":"warning"}`
			f.awaitThat("the message is in our log", func() bool { return f.log.count(`msg="log message"`) == 1 })
			if got := a.heard(); len(got) != 1 || got[0] != want {
				t.Errorf("heard %q, want %q", got, want)
			}
		})
	}
}

// TestLogMessagesOfOthers has calls of two clients under way: neither hears what
// may be the other's.
func TestLogMessagesOfOthers(t *testing.T) {
	stdio := legacySpecs(t)["stdio"]
	tests := []struct {
		name  string
		spec  Spec
		other catalog.Caller
		heard int // by the client whose call logs
	}{
		{"another client", stdio, &asker{client: 2, level: "info"}, 0},
		{"nobody", stdio, nil, 0},
		{"the same client", stdio, &asker{client: 1, level: "info"}, 1},
		{"a stream of its own", modernSpec(mcpgo(t).URL), &asker{client: 2, level: "info"}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := start(t, Options{}, tt.spec)
			f.await("s", catalog.Ready)
			defer f.hold(tt.other)()
			a := &asker{client: 1, quiet: true, level: "info"}
			f.must(callFor(a, "log", `{}`))
			f.awaitThat("the message is in our log", func() bool { return f.log.count(`msg="log message"`) == 1 })
			heard := len(a.heard())
			if other, ok := tt.other.(*asker); ok && tt.heard == 1 && other.client == a.client {
				heard += len(other.heard()) // by either of its calls
			} else if ok && len(other.heard()) > 0 {
				t.Errorf("the other client heard %q", other.heard())
			}
			if heard != tt.heard {
				t.Errorf("the client heard %d messages, want %d", heard, tt.heard)
			}
		})
	}
}

// TestProgressGivesTime has a call take longer than its limit, while it reports.
func TestProgressGivesTime(t *testing.T) {
	s := spec("good")
	s.Timeout = 2 * time.Second
	f := start(t, Options{}, s)
	f.await("s", catalog.Ready)
	const args = `{"count":6,"every_ms":500}`
	if _, err := f.try(toolCall("progress", args)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("call without a token = %v", err)
	}
	a := &asker{}
	f.must(callFor(a, "progress", args))
	heard := a.heard()
	if len(heard) != 6 || heard[5] != `notifications/progress {"progress":6,"total":6}` {
		t.Errorf("heard %q", heard)
	}
}

// TestProgressMeetsItsCall has many calls report at the same time.
func TestProgressMeetsItsCall(t *testing.T) {
	f := start(t, Options{}, spec("good"))
	f.await("s", catalog.Ready)
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			a := &asker{}
			f.must(callFor(a, "progress", fmt.Sprintf(`{"every_ms":2,"count":%d}`, n+1)))
			if got := len(a.heard()); got != n+1 {
				t.Errorf("%d notifications for a call that reports %d", got, n+1)
			}
		})
	}
	wg.Wait()
}

func TestFloodIsBounded(t *testing.T) {
	f := start(t, Options{}, spec("floods"))
	f.await("s", catalog.Ready)
	a := &asker{}
	f.must(callFor(a, "echo", `{"x":"bad"}`))
	if n := len(a.heard()); n < notifyBurst || n > notifyBurst+10*notifyRate {
		t.Errorf("%d of 20000 notifications were passed on", n)
	}
}
