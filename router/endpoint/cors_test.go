package endpoint

import (
	"net/http"
	"strings"
	"testing"
)

// asked is what a browser asks before a page may post.
func asked(origin, headers string) []string {
	return []string{"Origin", origin, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", headers, "Sec-Fetch-Site", "cross-site"}
}

func TestBrowsersQuestionIsAnswered(t *testing.T) {
	f := start(t, Options{Origins: []string{"https://App.example/"}})
	for _, path := range []string{"/mcp", "/sse", "/message", "/api/call", "/api/search"} {
		resp := f.send(t, http.MethodOptions, path, "", asked("https://app.example", "content-type,mcp-param-Region, x-other,mcp-protocol-version")...)
		h := resp.Header
		if resp.StatusCode != http.StatusNoContent || h.Get("Access-Control-Allow-Origin") != "https://app.example" || h.Get("Vary") != "Origin" {
			t.Errorf("OPTIONS %s = %d %v", path, resp.StatusCode, h)
		}
		allowed := strings.ToLower(h.Get("Access-Control-Allow-Headers")) + ","
		for _, name := range []string{"content-type", "accept", "authorization", "mcp-session-id", "mcp-protocol-version", "last-event-id", "mcp-method", "mcp-name", "mcp-param-region"} {
			if !strings.Contains(allowed, name+",") {
				t.Errorf("OPTIONS %s does not allow %s: %s", path, name, allowed)
			}
		}
		if strings.Contains(allowed, "x-other") || !strings.Contains(h.Get("Access-Control-Allow-Methods"), "DELETE") {
			t.Errorf("OPTIONS %s = %v", path, h)
		}
	}
}

func TestPagesOfListedOriginsReadAnswers(t *testing.T) {
	f := start(t, Options{Origins: []string{"https://app.example"}})
	body := callBody("1", "echo", "{}", "")
	for _, c := range []struct {
		origin string
		status int
		shared bool
	}{
		{"https://app.example", 200, true},
		{"", 200, false},
		{"http://localhost:3000", 200, false}, // may ask, as programs of this machine may, but not read
		{"https://evil.example", 403, false},
		{"null", 403, false},
	} {
		resp := f.send(t, http.MethodPost, "/mcp", body, "Origin", c.origin)
		h := resp.Header
		want := [2]string{}
		if c.shared {
			want = [2]string{c.origin, "Mcp-Session-Id"}
		}
		got := [2]string{h.Get("Access-Control-Allow-Origin"), h.Get("Access-Control-Expose-Headers")}
		if resp.StatusCode != c.status || got != want {
			t.Errorf("from %q: %d %v, want %d %v", c.origin, resp.StatusCode, got, c.status, want)
		}
	}
}

func TestOthersQuestionsAreNotAnswered(t *testing.T) {
	f := start(t, Options{Origins: []string{"https://app.example"}})
	for origin, want := range map[string]int{"https://evil.example": 403, "http://localhost:3000": 405, "null": 403} {
		resp := f.send(t, http.MethodOptions, "/mcp", "", asked(origin, "content-type")...)
		for key := range resp.Header {
			if strings.HasPrefix(key, "Access-Control-") {
				t.Errorf("OPTIONS from %s: %s", origin, key)
			}
		}
		if resp.StatusCode != want {
			t.Errorf("OPTIONS from %s = %d, want %d", origin, resp.StatusCode, want)
		}
	}
}
