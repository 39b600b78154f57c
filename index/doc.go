// Package index finds tools by what is asked for.
//
// An [Index] holds one document per tool: the words of its name, description,
// parameters and server, each with a weighted count. bleve's scorch keeps the
// inverted lists on disk, in one batch with the sequence number of the store they
// reflect; everything else a search needs is in memory, the lists that were asked
// for once among it. The index is disposable: one that is missing, damaged, or
// was made by another version opens empty with sequence number 0, and its owner
// rebuilds it.
//
// # How a query is answered
//
// Text becomes terms in one way for tools and queries (analyze.go): identifiers
// are split (createIssue, create_issue and create-issue are two words), accents
// and letter case go, English words are stemmed. Three arms score documents:
//
//   - names: a query that is a tool's name, in any spelling, or consists of the
//     words of one, finds it first.
//   - words: BM25F (Robertson, Zaragoza and Taylor 2004): a word counts more in a
//     name than in a parameter, and the same word in both is not counted as two.
//     A word that means much the same stands in at half the worth. Divided by
//     what a tool that holds every word would get, it lies on a scale where 1 is
//     as good as can be expected.
//   - meaning: the cosine of vectors from an [Embedder], if there is one.
//
// fuse.go puts them on one scale and drops what is too weak to be an answer. A
// long request is taken apart into its needs (query.go), so that a tool that
// answers one of five stands beside those that have a little of each. The order
// is the same every time: score, then name.
//
// The operator can add words to a tool and say which servers nobody has reviewed
// (operator.go); those are kept from crowding out the others (trust.go). With an
// embeddings endpoint (remote.go) its model is asked for the meaning instead,
// and the built-in one answers when it cannot.
//
// # Where the numbers come from
//
// Weights and thresholds are one setting for all catalogues, tried on public sets
// of queries with known answers. None stands on a peak that another catalogue
// would not have. "Flat from a to b" beside a number means that in between, the
// others left alone, the mean nDCG@10 of the six public sets that the README
// names moves by less than 0.004, and so does that of three of them in a crowd of
// 5,516 other tools.
//
// # Who may write
//
// One goroutine at a time calls Update and Rebuild. Each publishes a new
// immutable view; searches take the one that is there and wait on nobody.
package index
