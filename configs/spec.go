package configs

import (
	"cmp"
	"time"

	"toolrouter/upstream"
)

// Specs gives what the upstream manager is to run.
func (c *Config) Specs() []upstream.Spec {
	specs := make([]upstream.Spec, len(c.Servers))
	for i, s := range c.Servers {
		specs[i] = s.Spec(c.Calls.Timeout)
	}
	return specs
}

// Spec is the server as package upstream takes it; timeout is for calls to a
// server that has none of its own.
func (s Server) Spec(timeout Duration) upstream.Spec {
	spec := upstream.Spec{
		Name: s.Name, Command: s.Command, Dir: s.Dir, Env: s.Env,
		URL: s.URL, Headers: s.Headers, Protocol: s.Protocol, Start: s.Start,
		Timeout:      time.Duration(cmp.Or(s.Timeout, timeout)),
		StartTimeout: time.Duration(s.StartTimeout),
		Concurrency:  s.Concurrency,
		Allow:        s.Tools.Allow, Deny: s.Tools.Deny,
		Disabled: s.Disabled,
	}
	if s.Transport != "stdio" {
		spec.Transport = s.Transport
	}
	return spec
}
