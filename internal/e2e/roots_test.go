//go:build e2e

package e2e

import (
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// TestRootsAreEachClientsOwn has clients with roots of their own take turns on one
// server, which keeps what it is told: each call is served with the roots of its
// own client as they are now, whichever way the clients came.
func TestRootsAreEachClientsOwn(t *testing.T) {
	r := startInstance(t, backend{Name: "everything", Command: npmServer(t, "everything")})
	peers := map[string]*peer{
		"http":        overHTTP(t, r, legacy),
		"http again":  overHTTP(t, r, legacy),
		"stdio":       overStdio(t, r.command("stdio"), legacy),
		"stdio again": overStdio(t, r.command("stdio"), legacy),
	}
	tool, arguments := routed("everything__get-roots-list", map[string]any{})
	for _, round := range []string{"one", "two"} {
		for name, p := range peers {
			p.client.RemoveRoots("file:///e2e/root")
			p.client.AddRoots(&mcp.Root{URI: "file:///e2e/root", Name: name + " in round " + round})
		}
		for range 2 {
			for name, p := range peers {
				got, err := p.call(tool, arguments)
				if want := name + " in round " + round; err != nil || !strings.Contains(string(got), want) {
					t.Errorf("round %s: %s has roots %s, %v, want %q", round, name, got, err, want)
				}
			}
		}
	}
}
