// Package remote makes vectors with a model behind an OpenAI-compatible
// embeddings endpoint: Ollama, text-embeddings-inference, LM Studio, OpenAI and
// others.
//
// A [Client] is one model behind one endpoint. It asks in batches, a few at a
// time, believes nothing of what comes back, and gives unit vectors of one
// length.
//
// A [Filler] keeps the vectors of a whole catalogue: it loads those that are
// stored, asks for the missing ones in the background, stores each batch as it
// comes, by model and by hash of the exact text, and gives the index the whole
// set once it is whole. A text that was embedded once is never sent again, and
// vectors of different settings never meet, because [Client.Name] is another
// then.
//
// Queries have a deadline, since a search waits on nobody. A query that misses
// it is answered by the model in the binary; its vector is kept when it comes,
// for the next page or the next try. An endpoint that keeps failing is left alone
// for growing moments, so that searches do not pay for it. What is wrong, and
// since when, is told by [Filler.Status] in full and by [Filler.Ask] in a few
// words that may stand in a search's answer.
//
// Nothing here lets a secret out: errors hold neither the key nor the headers
// nor the query of the URL, and a redirect to another host is not followed.
package remote
