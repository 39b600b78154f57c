package configs

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"toolrouter/internal/catalog"
)

// reporter is told what is wrong at a key path.
type reporter func(path, format string, args ...any)

// Validate checks a config that was made by hand rather than loaded. It gives
// Mistakes without places.
func (c *Config) Validate() error {
	var ms Mistakes
	c.problems(func(path, format string, args ...any) {
		ms = append(ms, Mistake{Key: path, Text: fmt.Sprintf(format, args...)})
	})
	if len(ms) == 0 {
		return nil
	}
	return ms
}

// problems reports everything that the values have wrong.
func (c *Config) problems(report reporter) {
	checkListen(report, c.Listen)
	oneOf(report, "log.level", c.Log.Level, LogLevels...)
	oneOf(report, "log.format", c.Log.Format, LogFormats...)
	between(report, "search.limit", c.Search.Limit, 1, 20)
	between(report, "search.max_tokens", c.Search.MaxTokens, 100, 100_000)
	if p := c.Search.UnreviewedPrior; !(p > 0 && p <= 1) {
		report("search.unreviewed_prior", "%v is out of range: above 0, at most 1", p)
	}
	c.Search.Embedder.problems(report)
	between(report, "calls.max_concurrent", c.Calls.MaxConcurrent, 1, 100_000)
	if c.Calls.Timeout <= 0 {
		report("calls.timeout", "wants more than nothing, such as 60s")
	}
	for i, host := range c.HTTP.Hosts {
		if host == "" || strings.ContainsAny(host, "/ \t@?#*") {
			report(fmt.Sprintf("http.hosts[%d]", i), "%q is no host: write example.com or example.com:7411", host)
		}
	}
	for i, origin := range c.HTTP.Origins {
		u, err := url.Parse(origin)
		if err != nil || u.Scheme == "" || u.Host == "" || u.User != nil || u.Path+u.RawQuery+u.Fragment != "" {
			report(fmt.Sprintf("http.origins[%d]", i), "%q is no origin: write https://example.com", origin)
		}
	}
	if c.HTTP.MaxBody < 1<<10 {
		report("http.max_body", "wants at least 1KiB")
	}
	for i, s := range c.Servers {
		s.problems(func(key, format string, args ...any) {
			report(fmt.Sprintf("servers[%d].%s", i, key), format, args...)
		})
	}
	c.checkNames(report)
}

func checkListen(report reporter, listen string) {
	_, port, err := net.SplitHostPort(listen)
	if err != nil {
		report("listen", "%q is no address: write 127.0.0.1:7411", listen)
		return
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		report("listen", "%q is no port: 1 to 65535, or 0 for any", port)
	}
}

func oneOf(report reporter, path, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		report(path, "%q is none of %s", value, strings.Join(allowed, ", "))
	}
}

func between(report reporter, path string, n, least, most int) {
	if n < least || n > most {
		report(path, "%d is out of range: %d to %d", n, least, most)
	}
}

// checkNames refuses names that are the same, or that look the same in the
// public names of tools, where a dot becomes an underscore.
func (c *Config) checkNames(report reporter) {
	first := map[string]string{}
	for i, s := range c.Servers {
		if s.Name == "" {
			continue
		}
		public := catalog.PublicServer(s.Name)
		path := fmt.Sprintf("servers[%d].name", i)
		switch other, taken := first[public]; {
		case taken && other == s.Name:
			report(path, "a second server %q", s.Name)
		case taken:
			report(path, "%q reads the same as %q in the names of tools", s.Name, other)
		default:
			first[public] = s.Name
		}
	}
}

// specMistake splits what upstream.Spec.Validate says: the key, then the rest.
var specMistake = regexp.MustCompile(`(?s)^([a-z_]+(?:\[\d+\])?): (.*)$`)

// problems reports what is wrong with a server, at keys of its own.
func (s Server) problems(report reporter) {
	transport, known := transports[strings.ToLower(s.Transport)]
	spec := s.Spec(0)
	switch {
	case !known:
		report("transport", "%q is none of stdio, http, sse", s.Transport)
		spec.Transport = ""
	case transport == "stdio" && s.URL != "":
		report("transport", "stdio wants a command, not a url")
	case transport != "" && transport != "stdio" && len(s.Command) > 0:
		report("transport", "%s wants a url, not a command", s.Transport)
	}
	if s.Trust != "" {
		oneOf(report, "trust", s.Trust, trustReviewed, trustUnreviewed)
	}
	s.Tools.problems(report)
	if s.Concurrency > 10_000 {
		report("concurrency", "%d is out of range: 0 to 10000", s.Concurrency)
	}
	for i, part := range s.Command {
		if strings.Contains(part, "\x00") {
			report(fmt.Sprintf("command[%d]", i), "holds a NUL character")
		}
	}
	for _, err := range split(spec.Validate()) {
		s.report(report, err.Error())
	}
}

// report passes on one mistake of the spec under the key that the file has.
func (s Server) report(report reporter, text string) {
	m := specMistake.FindStringSubmatch(text)
	switch {
	case m == nil:
		report("name", "%s", text)
	case s.Disabled && m[1] == "url" && strings.Contains(s.URL, "${"): // may lead nowhere
	case strings.HasPrefix(m[1], "allow"), strings.HasPrefix(m[1], "deny"):
		report("tools."+m[1], "%s", m[2])
	default:
		report(m[1], "%s", m[2])
	}
}

// split takes joined errors apart.
func split(err error) []error {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		return many.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// oddities says what is no mistake but worth a word.
func (c *Config) oddities(l *loader) []string {
	var all []string
	if host, _, err := net.SplitHostPort(c.Listen); err == nil && !loopback(host) {
		all = append(all, fmt.Sprintf("listen: %s can be reached from other machines", c.Listen))
	}
	all = append(all, c.Search.Embedder.oddities()...)
	if key := "search.embedder.key"; l.open && c.Search.Embedder.Key != "" && !l.expanded[key] && l.origin[key] == "" {
		all = append(all, fmt.Sprintf("%s: others may read %s, and the key stands in it: chmod 600 it, or write ${secret:NAME}", key, l.file))
	}
	for i, s := range c.Servers {
		switch {
		case len(s.Command) > 0 && len(s.Headers) > 0:
			all = append(all, fmt.Sprintf("server %s: headers mean nothing to a command", s.Name))
		case s.URL != "" && len(s.Env)+len(s.Dir) > 0:
			all = append(all, fmt.Sprintf("server %s: env and dir mean nothing to a url", s.Name))
		}
		if l.open && l.origin["servers"] == "" && l.holdsSecret(i, s) {
			all = append(all, fmt.Sprintf("server %s: others may read %s, and env or headers stand in it: chmod 600 it, or write ${secret:NAME}", s.Name, l.file))
		}
	}
	return all
}

// holdsSecret reports whether the file itself has a value of env or headers
// that looks like a secret.
func (l *loader) holdsSecret(i int, s Server) bool {
	secret := func(key string, pairs []string) bool {
		for j, pair := range pairs {
			name, value, _ := strings.Cut(pair, "=")
			if !l.expanded[fmt.Sprintf("servers[%d].%s[%d]", i, key, j)] && value != "" && secretive.MatchString(name) {
				return true
			}
		}
		return false
	}
	return secret("env", s.Env) || secret("headers", s.Headers)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
