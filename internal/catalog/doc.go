// Package catalog says what a tool is. It is the leaf of the program: every
// other package may import it, and it imports only the standard library.
//
// The types here are what the packages meet on. A [Tool] is one tool of one
// backend with its definition kept byte for byte. A [Change] is what a new
// listing of one server changed, and a [Snapshot] is everything that is known
// at one moment: immutable, so that any number of searches and calls can read
// it while the next one is being made. A [Call] is one call on its way to a
// backend, with the [Caller] it came from. A [Query] and its [Hit]s are what
// the index is asked and answers.
package catalog
