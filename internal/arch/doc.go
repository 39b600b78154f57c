// Package arch holds tests that keep the house in order: who may import whom,
// which library is touched where, and that no file speaks of the machine it was
// written on. It has no code of its own.
//
// The files are read with go/parser rather than asked of "go list": the test
// cache knows the files that a test opened, so a violation cannot hide behind a
// cached result, and files behind build tags are seen too.
package arch
