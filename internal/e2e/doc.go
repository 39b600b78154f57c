// Package e2e tests the program as its users have it: the real binary, as its
// own process, in front of real MCP servers, spoken to by the official Go SDK,
// which shares no code with it.
//
// Its tests stand behind build tags, because they need more than Go:
//
//	-tags e2e     servers from npm, in the folder named by ROUTER_E2E_NPM
//	-tags scale   a recorded catalogue, named by the flag -catalog
//
// Both are for Linux: processes are looked at in /proc. ".ci/run" installs the
// servers and runs the first; "make scale" runs the second.
package e2e
