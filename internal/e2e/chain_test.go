//go:build e2e

package e2e

import (
	"strings"
	"testing"
)

// TestRouterBehindRouter asks the client from a tool two routers away: the answer
// must find the way back to the call that waits for it, in the inner of the two.
func TestRouterBehindRouter(t *testing.T) {
	inner := startInstance(t, backend{Name: "everything", Command: npmServer(t, "everything")})
	outer := startInstance(t, backend{Name: "inner", Command: inner.command("stdio").Args})
	name, call := routed("everything__trigger-elicitation-request", map[string]any{})
	for _, revision := range []string{"", legacy} {
		p := overHTTP(t, outer, revision)
		tool, arguments := routed("inner__"+name, call)
		got, err := p.call(tool, arguments)
		if err != nil || !strings.Contains(string(got), "Ada Lovelace") {
			t.Errorf("revision %q: %s, %v, want the client's own answer", revision, got, err)
		}
	}
}
