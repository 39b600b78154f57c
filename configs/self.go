package configs

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A client's file that the router itself was added to leads, read as a config, in
// a circle.

// Itself reports whether a server is plainly the router of this config: its own
// address, or a command that joins it.
func (c *Config) Itself(s Server) bool {
	if len(s.Command) > 0 {
		return c.joins(s.Command)
	}
	return c.serves(s.URL)
}

// joins reports whether a command is "router stdio", on the same state directory
// as far as the command says.
func (c *Config) joins(command []string) bool {
	name, args := filepath.Base(command[0]), command[1:]
	if ext := filepath.Ext(name); strings.EqualFold(ext, ".exe") {
		name = strings.TrimSuffix(name, ext)
	}
	self, err := os.Executable()
	if name != "router" && (err != nil || command[0] != self) {
		return false
	}
	state := argumentOf(args, "--state")
	return slices.Contains(args, "stdio") && (state == "" || filepath.Clean(state) == c.State)
}

// argumentOf gives the value of a flag, "" if it is not there.
func argumentOf(args []string, flag string) string {
	for i, arg := range args {
		if value, ok := strings.CutPrefix(arg, flag+"="); ok {
			return value
		}
		if arg == flag && i+1 < len(args) {
			return args[i+1]
		}
	}
	return ""
}

// serves reports whether a URL is that of an MCP door of the router's own.
func (c *Config) serves(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" {
		return false
	}
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil || port == "0" || u.Port() != port && (u.Port() != "" || port != "80") {
		return false
	}
	ip := net.ParseIP(host)
	everywhere := host == "" || ip != nil && ip.IsUnspecified()
	if !strings.EqualFold(u.Hostname(), host) && (!loopback(u.Hostname()) || !everywhere && !loopback(host)) {
		return false
	}
	return slices.Contains([]string{"/mcp", "/sse"}, strings.TrimSuffix(u.Path, "/"))
}

// leaveOutItself drops the servers that are the router itself, with a warning.
func (c *Config) leaveOutItself() {
	for i, s := range slices.Backward(c.Servers) {
		if !s.Disabled && c.Itself(s) {
			c.Warnings = append(c.Warnings, fmt.Sprintf("server %s leads to this router itself and is left out", s.Name))
			c.Servers = slices.Delete(c.Servers, i, i+1)
			c.expanded = withoutServer(c.expanded, i)
		}
	}
}

var serverPath = regexp.MustCompile(`^servers\[(\d+)\](.*)$`)

// withoutServer gives key paths their number in a list that has lost an entry.
func withoutServer(paths map[string]bool, gone int) map[string]bool {
	out := make(map[string]bool, len(paths))
	for path, is := range paths {
		if m := serverPath.FindStringSubmatch(path); m != nil {
			i, _ := strconv.Atoi(m[1]) // digits
			if i == gone {
				continue
			}
			if i > gone {
				path = fmt.Sprintf("servers[%d]%s", i-1, m[2])
			}
		}
		out[path] = is
	}
	return out
}
