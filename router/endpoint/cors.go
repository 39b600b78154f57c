package endpoint

import (
	"net/http"
	"strings"
)

// What a page of a listed origin may do: its browser asks before it sends
// anything but the simplest of requests, and hides from it the headers of an
// answer that are not named.
const (
	sharedMethods = "GET, POST, DELETE"
	sharedHeaders = "Content-Type, Accept, Authorization, Last-Event-ID, Mcp-Session-Id, MCP-Protocol-Version, Mcp-Method, Mcp-Name"
	sharedAnswers = "Mcp-Session-Id"

	paramHeader = "mcp-param-" // of headers that repeat an argument, named by the tool
)

// share lets a page read the answer if its origin is one that the config lists,
// and reports whether the request was no more than its browser's question
// beforehand, which it answers. No other page is told anything, one of this
// machine neither: it may send what needs no leave, as ever.
func (g *guard) share(w http.ResponseWriter, r *http.Request) (asked bool) {
	if len(g.origins) == 0 {
		return false
	}
	h := w.Header()
	h.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if !g.origins[strings.ToLower(origin)] {
		return false
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", sharedAnswers)
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h.Set("Access-Control-Allow-Methods", sharedMethods)
	h.Set("Access-Control-Allow-Headers", sharedHeaders+paramHeaders(r.Header))
	w.WriteHeader(http.StatusNoContent)
	return true
}

// paramHeaders lists those of the headers a browser asks for that repeat an
// argument; they are as many as tools have arguments.
func paramHeaders(h http.Header) (list string) {
	for _, line := range h["Access-Control-Request-Headers"] {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.TrimSpace(name); strings.HasPrefix(strings.ToLower(name), paramHeader) {
				list += ", " + name
			}
		}
	}
	return list
}
