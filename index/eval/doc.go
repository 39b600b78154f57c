// Package eval scores a search on queries whose answers are known.
//
// A [Set] is a catalogue with queries, read from a folder with tools.jsonl and
// queries.jsonl. [Run] asks every query once and gives a [Result]: how many of
// the wanted tools were found, how high they stood, how long it took and how
// much the answers cost a reader, each share with the interval in which it would
// lie for other queries of the same kind. [Compare] says whether two runs over
// the same queries differ by more than chance.
//
//	set, err := eval.Load("testdata/set")
//	...
//	res, err := eval.Run(ctx, set, eval.Direct(ix), eval.Options{})
//
// What is scored is a function, so that the whole way of a request can be
// measured as well as the index alone.
//
// # What counts as found
//
// A wanted tool stands at the best rank of itself and of those that count as it,
// and is counted once, also when several of these were found. A query wants one
// tool or several; recall is the share of them, so that a query that wants many
// weighs as much as one that wants one.
//
// Figures on a few dozen queries move by several hundredths by chance. Look at
// the interval before believing a difference, and at Compare before keeping a
// change: queries differ much more from each other than searches do.
package eval
