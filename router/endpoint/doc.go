// Package endpoint is how the router is reached: MCP over Streamable HTTP, over
// the older HTTP+SSE and over stdio, a small JSON API, and the control socket
// that other commands and further stdio processes use.
//
// An [Endpoint] serves any number of listeners and connections at once:
//
//	e := endpoint.New(r, endpoint.Options{Version: version})
//	err := e.Serve(ctx, listener)        // HTTP, until ctx ends
//	err = e.ServeControl(ctx, socket)    // the unix socket, without Host checks
//	err = e.ServeStdio(ctx, os.Stdin, os.Stdout)
//
// Two halves answer a client. mcp-go's server does what a library should:
// initialize, server/discover, ping, logging levels, standing streams. The two
// methods that carry the product, tools/list and tools/call, are answered here
// from bytes: a result reaches the client as the backend sent it, whatever
// fields it has, and a notification made before the result arrives before it.
//
// Both eras of the protocol meet here, and the era is decided by each request.
// Up to 2025-11-25 a client has a session and can be asked on the stream of its
// call. From 2026-07-28 on there are no sessions: a call that has a question is
// suspended, answered with input_required, and goes on when the client repeats
// it with the answers. What a backend may ask is in both cases what the client
// said it can do.
//
// Messages may come in batches, which revision 2025-03-26 had: on /mcp from
// clients of that time, elsewhere from any.
//
// A [Bridge] is the other side: it joins a process's stdin and stdout to a
// running router and outlives it. A [Client] is what the command line uses.
//
// Everything is bounded: bodies, lines, nesting, calls at once, sessions,
// questions, queues and the time of each write. What a client sends that
// another parser could read differently (repeated keys, keys that differ in
// case only) is refused at the door.
package endpoint
