// Package golden keeps the ranking in view. It has no code of its own: its test
// asks some ninety needs, in people's own words, of a recorded office with some
// thirty servers, and compares each ranked list with a file. A change of the
// ranking is then a diff that a person reads, need by need:
//
//	go test ./index/golden -update
//	git diff index/golden
//
// What is where, in testdata:
//
//   - office: the set, which "router eval" reads as well. The tools of the
//     servers files, notes and time are what the bundled servers list; the others
//     were made up for this, with the habits of real authors: siblings that differ
//     in a word, long-winded and terse descriptions and none at all, camelCase,
//     missing annotations. queries.jsonl holds the needs and nothing.jsonl those
//     that no tool here answers.
//   - NEED.txt: what is found, right tools marked with a star.
//   - summary.txt: recall@1, recall@5, MRR, how often nothing is rightly said to
//     fit, and where each wanted tool stands.
//
// Most needs are hard on purpose: paraphrases that share no word with the tool,
// slips of the keyboard, names in other spellings, several needs in one sentence,
// other languages. The figures are no estimate of what users meet. Needs are
// added and mended, never dropped because they fail.
package golden
