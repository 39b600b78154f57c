package configs

import (
	"cmp"
	"strings"
)

// Server is one backend as the file names it. Either Command or URL is set.
type Server struct {
	Name         string   `json:"name"`
	Command      []string `json:"command,omitempty"`       // program and arguments
	Dir          string   `json:"dir,omitempty"`           // working directory of the program; relative to the config file
	Env          []string `json:"env,omitempty"`           // "NAME=value", added to the child's small environment
	URL          string   `json:"url,omitempty"`           // of a remote server
	Transport    string   `json:"transport,omitempty"`     // "" (found out), stdio, http or sse
	Type         string   `json:"type,omitempty"`          // another name for Transport, as clients have it; empty after Load
	Headers      []string `json:"headers,omitempty"`       // "Name=value", sent with every HTTP request
	Protocol     string   `json:"protocol,omitempty"`      // pins the protocol revision
	Start        string   `json:"start,omitempty"`         // lazy (default) or eager
	Timeout      Duration `json:"timeout,omitempty"`       // for one call; 0 is calls.timeout
	StartTimeout Duration `json:"start_timeout,omitempty"` // until it has listed its tools; 0 is the default of package upstream
	Concurrency  int      `json:"concurrency,omitempty"`   // calls at once; 0 is the default of package upstream
	Disabled     bool     `json:"disabled,omitempty"`
	Trust        string   `json:"trust,omitempty"` // "" and reviewed are the same; unreviewed ranks lower
	Tools        Filter   `json:"tools,omitzero"`
}

// Filter chooses among a server's tools by globs as of path.Match, and adds the
// operator's own words to what their author says. The words are "tool=words"
// with the backend's own name for the tool: as keys they would lose their letter
// case.
type Filter struct {
	Allow    []string `json:"allow,omitempty"`    // only these; none means all
	Deny     []string `json:"deny,omitempty"`     // not these, even if allowed
	Describe []string `json:"describe,omitempty"` // "tool=what it is good for", searched like its description
	Aliases  []string `json:"aliases,omitempty"`  // "tool=name, other name", searched like its name
}

// transports maps every spelling of a transport to ours.
var transports = map[string]string{
	"": "", "stdio": "stdio", "http": "http", "sse": "sse",
	"streamable-http": "http", "streamable_http": "http", "streamablehttp": "http",
}

// settle replaces spellings by the one that the rest of the program knows.
func (s *Server) settle(base func(string) string) {
	s.Transport, s.Type = s.transport(), ""
	if known, ok := transports[strings.ToLower(s.Transport)]; ok {
		s.Transport = known
	}
	s.Start = cmp.Or(s.Start, "lazy")
	if s.Dir != "" {
		s.Dir = base(s.Dir)
	}
}
