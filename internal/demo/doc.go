// Package demo holds the MCP servers that come with the program, so that it can
// be tried, tested and measured with nothing else installed:
//
//   - files: a folder, confined to it
//   - notes: notes with tags, kept in a bbolt file
//   - time: clocks, zones and durations
//   - replay: a recorded server, which lists what it once listed, byte for byte,
//     and answers every call with an echo
//
// They are servers like any other: the router starts each as a child process
// and speaks MCP over its stdin and stdout. [Run] is what that child runs.
// [Specs] gives the command lines, and writes what the servers need into a
// folder of the caller's: sample files, and one recorded list per server when a
// catalogue is given.
//
// A recorded catalogue is a file of JSON lines, gzipped or not, one tool a line,
// in either of two shapes:
//
//	{"server":"github","tool":{"name":"create_issue", …}}
//	{"server":"github","name":"create_issue","description":"…","inputSchema":{…}}
//
// It is split into one file per server before anything starts, so that a replay
// server reads its own list and nothing else: a few hundred of them can start
// at once.
package demo
