package upstream

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"toolrouter/internal/catalog"
)

// Values of Spec that stand for a way to do things.
const (
	TransportHTTP = "http" // Streamable HTTP
	TransportSSE  = "sse"  // the older HTTP+SSE
	StartLazy     = "lazy"
	StartEager    = "eager"
)

// What a zero field of Spec means.
const (
	DefaultTimeout      = time.Minute
	DefaultStartTimeout = 15 * time.Second
	DefaultConcurrency  = 64
)

// Spec says how to reach one backend and how to treat it. Either Command or URL
// is set.
type Spec struct {
	Name      string   // unique; what users call it
	Command   []string // program and arguments of a child process
	Dir       string   // where the child runs; "" is the router's own directory
	Env       []string // "KEY=value", added to the few variables a child is given
	URL       string   // http or https
	Transport string   // "http", "sse", or "" to try the first and then the second
	Headers   []string // "Name=value", sent with every HTTP request
	Protocol  string   // the protocol revision to ask for; "" finds one that both speak
	Start     string   // "eager", or "lazy" (also ""): not before the first call if the tools are known

	Timeout      time.Duration // for one call, begun anew by progress up to ten minutes; 0 is a minute
	StartTimeout time.Duration // for starting and listing; 0 is 15 seconds
	Concurrency  int           // calls at the same time; 0 is 64

	Allow    []string // globs of tool names that count; none means all
	Deny     []string // globs of tool names that do not count, whatever Allow says
	Disabled bool     // known, but neither started nor called
}

// Validate tells everything that is wrong with a spec, each mistake beginning
// with the key it is in.
func (s Spec) Validate() error {
	errs := []error{catalog.CheckServerName(s.Name)}
	bad := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %w", key, fmt.Errorf(format, args...)))
	}
	switch {
	case len(s.Command) > 0 && s.URL != "":
		bad("url", "a server has a command or a URL, not both")
	case len(s.Command) == 0 && s.URL == "":
		bad("command", "a server needs a command or a URL")
	case s.URL != "":
		if err := checkURL(s.URL); err != nil {
			bad("url", "%w", err)
		}
	case s.Command[0] == "":
		bad("command", "the program's name is empty")
	}
	oneOf := func(key, value string, allowed ...string) {
		if value == "" || slices.Contains(allowed, value) {
			return
		}
		bad(key, "%q is none of %s", value, strings.Join(allowed, ", "))
	}
	oneOf("transport", s.Transport, TransportHTTP, TransportSSE)
	oneOf("start", s.Start, StartLazy, StartEager)
	oneOf("protocol", s.Protocol, mcp.ValidProtocolVersions...)
	checkPairs(bad, "env", s.Env, "KEY=value")
	checkPairs(bad, "headers", s.Headers, "Name=value")
	checkGlobs(bad, "allow", s.Allow)
	checkGlobs(bad, "deny", s.Deny)
	checkDuration(bad, "timeout", s.Timeout)
	checkDuration(bad, "start_timeout", s.StartTimeout)
	if s.Concurrency < 0 {
		bad("concurrency", "%d is negative; want at least 1, or 0 for the default of %d", s.Concurrency, DefaultConcurrency)
	}
	return errors.Join(errs...)
}

func checkURL(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return errors.Unwrap(err) // without the URL, which may hold a secret
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("scheme %q is neither http nor https", u.Scheme)
	case u.Host == "":
		return errors.New("no host")
	case u.User != nil:
		return errors.New("user and password belong into a header")
	}
	return nil
}

func checkPairs(bad func(string, string, ...any), key string, pairs []string, shape string) {
	for i, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		at := fmt.Sprintf("%s[%d]", key, i)
		switch {
		case !ok || name == "":
			bad(at, "want %s", shape)
		case key == "headers" && strings.Trim(name, tokenChars) != "":
			bad(at, "want %s, without a colon or space in the name", shape) // the name may hold the secret
		case strings.ContainsAny(value, "\x00") || key == "headers" && strings.ContainsAny(value, "\r\n"):
			bad(at, "the value of %s holds a character it cannot", name)
		}
	}
}

// tokenChars may make up a header's name.
const tokenChars = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

func checkGlobs(bad func(string, string, ...any), key string, globs []string) {
	for i, glob := range globs {
		if _, err := path.Match(glob, ""); err != nil {
			bad(fmt.Sprintf("%s[%d]", key, i), "%q: %w", glob, err)
		}
	}
}

func checkDuration(bad func(string, string, ...any), key string, d time.Duration) {
	if d != 0 && d < time.Millisecond {
		bad(key, "%v is too short; write it with a unit, such as 30s", d)
	}
}

// Digest changes when what the backend lists, or may list, changes: with its
// command or URL and all that is given to it, and with the filter.
func (s Spec) Digest() string {
	doc, err := json.Marshal([]any{s.Command, s.Dir, s.Env, s.URL, s.Transport, s.Headers, s.Protocol, s.Allow, s.Deny})
	if err != nil { // strings always marshal
		panic(err)
	}
	sum := sha256.Sum256(doc)
	return hex.EncodeToString(sum[:16])
}

// LogValue leaves out what may be secret: environment, headers and arguments.
func (s Spec) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("name", s.Name)}
	if len(s.Command) > 0 {
		attrs = append(attrs, slog.String("program", s.Command[0]))
	}
	if u, err := url.Parse(s.URL); err == nil && s.URL != "" {
		attrs = append(attrs, slog.String("host", u.Host))
	}
	return slog.GroupValue(attrs...)
}

// withDefaults fills in what zero fields mean.
func (s Spec) withDefaults() Spec {
	if s.Timeout == 0 {
		s.Timeout = DefaultTimeout
	}
	if s.StartTimeout == 0 {
		s.StartTimeout = DefaultStartTimeout
	}
	if s.Concurrency == 0 {
		s.Concurrency = DefaultConcurrency
	}
	return s
}

// stdio reports whether the backend is a child process.
func (s Spec) stdio() bool { return len(s.Command) > 0 }

// Serves reports whether a tool counts: it is allowed, and not denied.
func (s Spec) Serves(tool string) bool {
	return (len(s.Allow) == 0 || matches(s.Allow, tool)) && !matches(s.Deny, tool)
}

// matches reports whether a name fits one of the globs. The slash has no
// meaning in a tool's name, so a star takes it like every other character.
func matches(globs []string, name string) bool {
	flat := strings.NewReplacer("/", "\x00")
	for _, glob := range globs {
		if ok, err := path.Match(flat.Replace(glob), flat.Replace(name)); ok && err == nil {
			return true
		}
	}
	return false
}
