package router

import (
	"encoding/json"
	"time"

	"toolrouter/internal/catalog"
)

// RequestError says what is wrong with a request that cannot be answered at all.
// Its text is written for whoever made the request.
type RequestError struct{ Msg string }

// Error gives the text.
func (e *RequestError) Error() string { return e.Msg }

// SearchRequest is what search_tools was asked. Tools, if there are any, decide
// that definitions are loaded; else Query is searched for; else Server is listed.
type SearchRequest struct {
	Query   string
	Tools   []string
	Server  string // only tools of this server
	Limit   int    // hits wanted; 0 means the configured number, more than 20 mean 20
	Cursor  string // from an earlier answer to the same request
	Explain bool   // fill Hit.Why
}

// SearchResult is the answer to a search.
type SearchResult struct {
	Text    string // for a model; fits the token budget unless definitions were loaded
	IsError bool   // Text says what was wrong with the request
	Query   string
	Hits    []Hit  // best first, at most as many as asked for
	Shown   int    // how many of the hits Text has room for; the next page begins after them
	Total   int    // how many tools matched
	Catalog int    // how many tools there are
	Note    string // why the answer may be worse than it could be; "" if it is not
	Took    time.Duration
}

// Hit is one tool of an answer. All text is fit to be shown on one line.
type Hit struct {
	Name        string           `json:"name"`
	Server      string           `json:"server"`
	Tool        string           `json:"tool"`
	Score       float64          `json:"score"`
	Signature   string           `json:"signature"`
	Description string           `json:"description"` // its first sentence
	Marks       []string         `json:"marks"`
	Why         []catalog.Reason `json:"why,omitempty"`
}

// SearchAnswer is a SearchResult as programs get it.
type SearchAnswer struct {
	Query   string  `json:"query"`
	Total   int     `json:"total"`
	Catalog int     `json:"catalog"`
	TookMS  float64 `json:"took_ms"`
	Hits    []Hit   `json:"hits"`
	Note    string  `json:"note,omitempty"` // why the answer may be worse than it could be
	Text    string  `json:"text,omitempty"` // the same, as a model sees it
}

// Answer gives the facts of the answer, and its text beside them.
func (s SearchResult) Answer() SearchAnswer {
	return SearchAnswer{
		Query: s.Query, Total: s.Total, Catalog: s.Catalog, TookMS: float64(s.Took.Microseconds()) / 1000,
		Hits: append([]Hit{}, s.Hits...), Note: s.Note, Text: s.Text, // hits are [] and not null
	}
}

// ToolResult is the answer as the result of a tools/call: one block of text.
func (s SearchResult) ToolResult() json.RawMessage { return textResult(s.Text, s.IsError) }

// CallRequest is what call_tool was asked. DecodeCall fills Name and Arguments
// from a client's request; the rest is for the endpoint to add.
type CallRequest struct {
	Name      string          // in any spelling
	Arguments json.RawMessage // nil means {}
	Meta      json.RawMessage // the client's own _meta entries for the backend; nil if none
	Caller    catalog.Caller  // the client, for progress and questions; nil if there is none to ask
	Retry     *catalog.Answers

	valid   bool   // DecodeCall has found Arguments to be JSON
	mended  []mend // what DecodeCall had to put right
	problem string // what DecodeCall found that is wrong with the arguments; told with the tool's signature
}

// mend is one thing about a call's arguments that was put right.
type mend struct {
	Path string `json:"path"` // JSON pointer into the arguments, "" for all of them
	Was  string `json:"was"`
	Now  string `json:"now"`
}

// ErrorResult is a tools/call result with isError set and one block of text.
func ErrorResult(text string) json.RawMessage { return textResult(text, true) }

func textResult(text string, isError bool) json.RawMessage {
	type block struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	return mustMarshal(struct {
		Content []block `json:"content"`
		IsError bool    `json:"isError,omitempty"`
	}{[]block{{"text", text}}, isError})
}
