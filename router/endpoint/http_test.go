package endpoint

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func TestResultPassesByteForByte(t *testing.T) {
	f := start(t, Options{Version: "1.2"})
	_, got := f.post(t, callBody(`"a"`, "raw", `{}`, ""))
	if want := `{"jsonrpc":"2.0","id":"a","result":` + rawResult + `}`; got != want {
		t.Errorf("legacy result = %s, want %s", got, want)
	}
	_, got = f.post(t, callBody("7", "raw", `{}`, modernMeta("{}", "")), modernHeaders()...)
	if want := `{"jsonrpc":"2.0","id":7,"result":{"resultType":"complete",` + rawResult[1:] + `}`; got != want {
		t.Errorf("modern result = %s, want %s", got, want)
	}
	_, got = f.post(t, callBody("8", "echo", `{}`, modernMeta("{}", "")), modernHeaders()...)
	if strings.Contains(got, "_meta") {
		t.Errorf("modern result of a backend that gave no _meta = %s", got)
	}
}

func TestLineBreaksDoNotBreakTheStream(t *testing.T) {
	f := start(t, Options{})
	_, got := f.post(t, callBody("1", "raw", `{}`, `,"_meta":{"progressToken":1}`))
	want := `{"jsonrpc":"2.0","id":1,"result":` + strings.NewReplacer("\n", " ", "\r", " ").Replace(rawResult) + `}`
	if data := events(got); len(data) != 2 || data[0] != `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1 }}` || data[1] != want {
		t.Errorf("events = %q, want %q at the end", data, want)
	}
}

func TestNotificationsComeInOrderBeforeTheResult(t *testing.T) {
	f := start(t, Options{})
	for _, era := range []struct {
		name    string
		body    string
		headers []string
	}{
		{"legacy", callBody("1", "notify", `{"count":1000}`, `,"_meta":{"progressToken":"t\u0031"}`), nil},
		{"modern", callBody("1", "notify", `{"count":1000}`, modernMeta("{}", `,"progressToken":12345678901234567890`)), modernHeaders()},
	} {
		t.Run(era.name, func(t *testing.T) {
			resp := f.send(t, http.MethodPost, "/mcp", era.body, era.headers...)
			if got := resp.Header.Get("Content-Type"); got != "text/event-stream" {
				t.Fatalf("Content-Type = %q", got)
			}
			data := events(readString(t, resp.Body))
			token := map[string]string{"legacy": `"t\u0031"`, "modern": "12345678901234567890"}[era.name]
			for i := range 1000 {
				want := fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%s,"progress":%d,"total":1000}}`, token, i+1)
				if data[i] != want {
					t.Fatalf("event %d = %s, want %s", i, data[i], want)
				}
			}
			if last := data[len(data)-1]; !strings.Contains(last, "notified") {
				t.Errorf("last event = %s, want the result", last)
			}
			logs := map[string]int{"legacy": 2, "modern": 0}[era.name] // info and error; none without a logLevel
			if got := len(data) - 1001; got != logs {
				t.Errorf("%d log messages, want %d", got, logs)
			}
		})
	}
}

func TestLogLevels(t *testing.T) {
	f := start(t, Options{})
	id := f.legacySession(t, "{}")
	if status, got := f.post(t, `{"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{"level":"error"}}`, headerSession, id); status != http.StatusOK {
		t.Fatalf("setLevel: %d %s", status, got)
	}
	_, legacy := f.post(t, callBody("2", "notify", `{"count":0}`, ""), headerSession, id)
	_, modern := f.post(t, callBody("2", "notify", `{"count":0}`, modernMeta("{}", `,"`+metaLogLevel+`":"debug"`)), modernHeaders()...)
	if n := strings.Count(legacy, "notifications/message"); n != 1 {
		t.Errorf("session at error: %d messages, want 1: %s", n, legacy)
	}
	if n := strings.Count(modern, "notifications/message"); n != 3 {
		t.Errorf("modern call at debug: %d messages, want 3: %s", n, modern)
	}
}

func TestClientThatTakesNoStreamGetsJSON(t *testing.T) {
	f := start(t, Options{})
	for _, accept := range []string{"application/json", ""} {
		resp := f.send(t, http.MethodPost, "/mcp", callBody("1", "notify", `{"count":3}`, `,"_meta":{"progressToken":1}`), "Accept", "", "Accept", accept)
		body := readString(t, resp.Body)
		if resp.Header.Get("Content-Type") != "application/json" || !strings.Contains(body, "notified") {
			t.Errorf("Accept %q: %s %s", accept, resp.Header.Get("Content-Type"), body)
		}
	}
}

func TestToolsListIsOurs(t *testing.T) {
	f := start(t, Options{Version: "1.2"})
	const list = `{"jsonrpc":"2.0","id":1,"method":"tools/list"`
	_, got := f.post(t, list+`}`)
	if want := list[:24] + `"result":{"tools":` + string(f.router.ToolsJSON()) + `}}`; got != want {
		t.Errorf("tools/list = %s, want %s", got, want)
	}
	_, got = f.post(t, list+`,"params":{`+modernMeta("{}", "")[1:]+`}}`, headerVersion, "2026-07-28", headerMethod, methodList)
	result := mustJSON(t, got)["result"].(map[string]any)
	for _, key := range []string{"resultType", "_meta", "ttlMs", "cacheScope", "tools"} {
		if result[key] == nil {
			t.Errorf("modern tools/list lacks %s: %s", key, got)
		}
	}
	if _, got = f.post(t, list+`,"params":{"cursor":"x"}}`); !strings.Contains(got, "-32602") {
		t.Errorf("unknown cursor: %s", got)
	}
}

func TestInstructionsFollowTheCatalogue(t *testing.T) {
	f := start(t, Options{})
	for range 2 {
		_, got := f.post(t, `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`)
		init := mustJSON(t, got)["result"].(map[string]any)
		if init["instructions"] != f.router.Instructions() {
			t.Errorf("initialize: instructions %q, want %q", init["instructions"], f.router.Instructions())
		}
		_, got = f.post(t, `{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{`+modernMeta("{}", "")[1:]+`}}`,
			headerVersion, "2026-07-28", headerMethod, "server/discover")
		if disc := mustJSON(t, got)["result"].(map[string]any); disc["instructions"] != f.router.Instructions() {
			t.Errorf("discover: instructions %q, want %q", disc["instructions"], f.router.Instructions())
		}
		f.router.Publish(view(t, "other", "Other things."))
	}
}
