// Package store keeps what must survive the process: the catalogue of every
// backend's tools as last listed, what the backends say of themselves, and the
// vectors of texts that were expensive to embed. It is one bbolt file, and the
// lock on that file is what makes a process the owner of the state directory.
//
// Everything else the program shows is made from here: the index and the
// snapshot can be thrown away and are rebuilt from [Store.Load] with no backend
// up. The sequence number moves with every change of a tool, or of what a backend
// says of itself, in the same transaction; whoever carries a copy compares it to
// know whether the copy is whole.
//
// A tool is kept as the bytes the backend sent, with what was read out of them
// beside, so that a start does not parse thousands of schemas. A file that is
// damaged is moved aside, never deleted, and a new one begun: what it held is
// listed again by the backends.
package store
