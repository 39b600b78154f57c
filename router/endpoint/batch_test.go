package endpoint

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

const pingBody = `{"jsonrpc":"2.0","id":"p","method":"ping"}`

func TestBatchesAreOfTheirRevision(t *testing.T) {
	f := start(t, Options{})
	for _, c := range []struct {
		name    string
		headers []string
		status  int
	}{
		{"no revision", nil, 200},
		{"header 2024-11-05", []string{headerVersion, "2024-11-05"}, 200},
		{"header 2025-03-26", []string{headerVersion, "2025-03-26"}, 200},
		{"header 2025-06-18", []string{headerVersion, "2025-06-18"}, 400},
		{"header 2025-11-25", []string{headerVersion, "2025-11-25"}, 400},
		{"header 2026-07-28", modernHeaders(), 400},
		{"unknown header", []string{headerVersion, "1999-01-01"}, 400},
		{"session 2025-03-26", []string{headerSession, f.sessionOf(t, "2025-03-26", "{}")}, 200},
		{"session 2025-06-18", []string{headerSession, f.sessionOf(t, "2025-06-18", "{}")}, 400},
		{"unknown session", []string{headerSession, "nope"}, 404},
	} {
		status, got := f.post(t, "["+pingBody+"]", c.headers...)
		if status != c.status || status == 400 && !strings.Contains(got, "-32600") {
			t.Errorf("%s: %d %s, want %d", c.name, status, got, c.status)
		}
	}
}

func TestBatchIsAnsweredByAnArray(t *testing.T) {
	f := start(t, Options{})
	call := callBody("1", "notify", `{"count":3}`, `,"_meta":{"progressToken":1}`)
	const notice = `{"jsonrpc":"2.0","method":"notifications/initialized"}`
	for _, c := range []struct {
		name, body string
		status     int
		contains   []string // one for each answer, in any order
	}{
		{"requests and a notification", "[" + pingBody + "," + notice + "," + call + `,{"jsonrpc":"2.0","id":2,"method":"tools/list"}]`, 200,
			[]string{`"id":"p","result":{}`, `"id":1,"result":{"content"`, `"id":2,"result":{"tools"`}},
		{"notifications alone", "[" + notice + "," + notice + "]", 202, nil},
		{"nonsense among them", `[1,[],{},` + pingBody + `]`, 200, []string{`-32700`, `-32600`, `-32600`, `"id":"p","result"`}},
		{"a repeated key", `[` + pingBody + `,{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}]`, 200, []string{`"result"`, `-32600`}},
		{"initialize", `[{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}]`, 200, []string{`"id":1,"error":{"code":-32600`}},
		{"a later revision", "[" + callBody("1", "echo", "{}", modernMeta("{}", "")) + "]", 200, []string{`"id":1,"error":{"code":-32600`}},
		{"a panic", "[" + callBody("1", "panic", "{}", "") + "," + pingBody + "]", 200, []string{`"id":1,"error":{"code":-32603`, `"id":"p"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, got := f.post(t, c.body, "Accept", "", "Accept", "application/json")
			if status != c.status || status == 202 && got != "" {
				t.Fatalf("= %d %s, want %d", status, got, c.status)
			}
			var answers []json.RawMessage
			if err := json.Unmarshal([]byte(got), &answers); err != nil && status == 200 {
				t.Fatalf("%v: %s", err, got)
			}
			if len(answers) != len(c.contains) {
				t.Errorf("%d answers, want %d: %s", len(answers), len(c.contains), got)
			}
			for _, want := range c.contains {
				if !strings.Contains(got, want) {
					t.Errorf("no %s in %s", want, got)
				}
			}
		})
	}
}

func TestBatchesThatAreNone(t *testing.T) {
	f := start(t, Options{})
	for body, want := range map[string]string{
		`[]`:                       `"id":null,"error":{"code":-32600`,
		`[ ] `:                     `-32600`,
		`[` + pingBody:             `-32700`,
		`[` + pingBody + `,]`:      `-32700`,
		`[` + pingBody + `]]`:      `-32700`,
		`[` + pingBody + pingBody:  `-32700`,
		`[` + pingBody + `] "more`: `-32700`,
		`[` + strings.Repeat(pingBody+",", maxBatch) + pingBody + `]`: `at most 100`,
	} {
		if status, got := f.post(t, body); status != 400 || !strings.Contains(got, want) {
			t.Errorf("%.60s = %d %s, want 400 with %s", body, status, got, want)
		}
	}
	if status, got := f.post(t, `[`+strings.Repeat(pingBody+",", maxBatch-1)+pingBody+`]`); status != 200 || strings.Count(got, `"id":"p"`) != maxBatch {
		t.Errorf("the largest batch = %d %s", status, got)
	}
}

// On a stream the calls of a batch can tell of their progress and ask, and their
// client can answer, or cancel, by another batch.
func TestBatchOnAStream(t *testing.T) {
	f := start(t, Options{})
	id := f.sessionOf(t, "2025-03-26", canAll)
	body := "[" + callBody("1", "notify", `{"count":2}`, `,"_meta":{"progressToken":"t"}`) + "," + callBody("2", "elicit", "{}", "") + "," + callBody("3", "hold", "{}", "") + "]"
	resp := f.send(t, http.MethodPost, "/mcp", body, headerSession, id)
	if got := resp.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Fatalf("Content-Type = %s", got)
	}
	for range 3 {
		<-f.backend.calls
	}
	said := map[string]int{}
	for msg := range eventsOf(resp.Body) {
		switch {
		case strings.Contains(msg, "elicitation/create"):
			f.post(t, `[{"jsonrpc":"2.0","id":"`+askedID(msg)+`","result":{"action":"accept"}}]`, headerSession, id)
		case strings.Contains(msg, `"progressToken":"t"`):
			said["progress"]++
		case strings.Contains(msg, `"id":1,"result"`):
			said["notified"]++
		case strings.Contains(msg, `"id":2,"result"`) && strings.Contains(msg, "accept"):
			said["answered"]++
			f.post(t, `[{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":3}}]`, headerSession, id)
		case strings.Contains(msg, `"id":3`):
			t.Errorf("a cancelled call was answered: %s", msg)
		}
	}
	<-f.backend.cancelled
	if said["progress"] != 2 || said["notified"] != 1 || said["answered"] != 1 {
		t.Errorf("heard %v", said)
	}
}
