package catalog

// Query is what the index is asked.
type Query struct {
	Text    string
	Limit   int           // how many hits at the most
	Offset  int           // how many of the best to leave out, for the next page
	Keep    func(ID) bool // which tools count at all, asked before the cut; nil keeps all
	Explain bool          // fill Hit.Why
}

// Hit is one tool that answers a query. Scores of one query are comparable;
// higher is better.
type Hit struct {
	ID    ID
	Score float64
	Why   []Reason // how the score came about; only filled when asked for
}

// Reason is one part of a score, for search --explain.
type Reason struct {
	Part  string  `json:"part"`           // "exact name", "words", "meaning", …
	Score float64 `json:"score"`          // what the part adds
	Note  string  `json:"note,omitempty"` // the words that matched, or the like
}

// Found is the answer to a query.
type Found struct {
	Hits  []Hit
	Total int      // how many tools matched before the cut
	Near  []string // when nothing fits: the servers nearest to the query, best first
	Note  string   // why the answer may be worse than it could be, in a few words; "" if it is not
}
