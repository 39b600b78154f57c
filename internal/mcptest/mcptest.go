// Package mcptest has MCP servers for tests: a well-behaved one, and many that
// misbehave each in a way of its own.
//
// The servers that speak on standard input and output are real processes: the
// test binary starts itself again. A package that uses them calls [Main] first
// in its TestMain:
//
//	func TestMain(m *testing.M) {
//		mcptest.Main() // does not return in a process that is to be a server
//		goleak.VerifyTestMain(m)
//	}
//
// and starts a server by [Command] with [Env] in its environment. The tools of
// the well-behaved server stand in [NewServer], which also serves HTTP tests.
package mcptest

import (
	"fmt"
	"os"
	"strings"
)

// kindVariable names the server that a process is to be.
const kindVariable = "MCPTEST_SERVER"

// Main becomes a server if the environment says so, and then ends the process.
// Otherwise it returns.
func Main() {
	kind, args, _ := strings.Cut(os.Getenv(kindVariable), " ")
	if kind == "" {
		return
	}
	run := kinds[kind]
	if run == nil {
		fmt.Fprintf(os.Stderr, "mcptest: no server of kind %q\n", kind)
		os.Exit(2)
	}
	run(strings.Fields(args))
	os.Exit(0)
}

// Command is the program that becomes a server.
func Command() []string {
	path, err := os.Executable()
	if err != nil {
		panic(err) // a test cannot go on without its own binary
	}
	return []string{path}
}

// Env makes Command a server of a kind, with arguments that depend on it.
func Env(kind string, args ...string) string {
	return kindVariable + "=" + strings.Join(append([]string{kind}, args...), " ")
}
