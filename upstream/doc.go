// Package upstream keeps sessions with MCP servers ("backends") and calls their
// tools.
//
// A [Manager] is told by [Manager.Apply] which servers are wanted, each by a
// [Spec], and works for as long as [Manager.Run] runs. Every backend has one
// goroutine of its own, which starts it, lists its tools, notices at once when
// it ends, waits a growing while and starts it again. No backend waits for
// another, and none can slow another down.
//
//	m := upstream.New(upstream.Options{Listed: keep})
//	m.Apply(specs)
//	go m.Run(ctx) // returns when every child process and goroutine has ended
//	result, err := m.Call(ctx, catalog.Call{ID: id, Arguments: args})
//
// A backend is a child process that speaks on its standard input and output, or
// a URL. mcp-go makes the handshake of the older revisions, and carries the older
// HTTP+SSE and what of Streamable HTTP is more than one message for another. Calls
// are put together here and their results are never decoded: what a backend says,
// definitions and results alike, is carried as the bytes it sent.
//
// Beware of three things. A call that was on its way when its backend ended is
// made again only if it says that it is [catalog.Call].Safe. The callbacks in
// [Options] run in the backends' goroutines: Listed holds up only its own
// backend, Changed must not block. And a child process is given a process group
// of its own, which is killed as a whole; one that leaves its group by setsid is
// out of reach.
package upstream
