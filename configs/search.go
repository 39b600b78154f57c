package configs

import (
	"fmt"
	"strings"
	"time"

	"toolrouter/index/remote"
	"toolrouter/internal/catalog"
)

// Embedder is an embeddings endpoint that replaces the model in the binary.
// Without a URL there is none.
type Embedder struct {
	URL            string   `json:"url"`             // with or without /v1 and /embeddings at its end
	Model          string   `json:"model"`           // "" leaves it to the endpoint
	Key            string   `json:"key"`             // sent as a bearer token
	Headers        []string `json:"headers"`         // "Name=value", sent with every request
	Timeout        Duration `json:"timeout"`         // for the vector of one query; the built-in model answers after it
	Batch          int      `json:"batch"`           // texts in one request
	Dimensions     int      `json:"dimensions"`      // length of vectors to ask for; 0 is the model's own
	QueryPrefix    string   `json:"query_prefix"`    // put before every query
	DocumentPrefix string   `json:"document_prefix"` // put before every tool's text
}

// Remote is the endpoint as package remote takes it.
func (e Embedder) Remote() remote.Options {
	return remote.Options{
		URL: e.URL, Model: e.Model, Key: e.Key, Headers: e.Headers, Batch: e.Batch,
		Dimensions: e.Dimensions, QueryPrefix: e.QueryPrefix, DocumentPrefix: e.DocumentPrefix,
	}
}

const longestQueryWait = 10 * time.Second

// problems reports what is wrong with the endpoint.
func (e Embedder) problems(report reporter) {
	between(report, "search.embedder.batch", e.Batch, 1, 2048)
	if e.Timeout <= 0 || time.Duration(e.Timeout) > longestQueryWait {
		report("search.embedder.timeout", "%v is out of range: at least 1ms, at most %v", e.Timeout, Duration(longestQueryWait))
	}
	o := e.Remote()
	o.Batch = remote.DefaultBatch // told above
	if e.URL == "" {
		o.URL = "http://localhost" // the rest is checked all the same
	}
	for _, err := range split(o.Validate()) {
		if m := specMistake.FindStringSubmatch(err.Error()); m != nil {
			report("search.embedder."+m[1], "%s", m[2])
		}
	}
}

// oddities says what is no mistake but worth a word.
func (e Embedder) oddities() (all []string) {
	if e.URL == "" && (e.Model != "" || e.Key != "") {
		all = append(all, "search.embedder: without a url the built-in model is used")
	}
	if e.URL != "" && e.Remote().Unencrypted() {
		all = append(all, "search.embedder: key or headers cross the network unencrypted")
	}
	return all
}

// The values of Server.Trust.
const (
	trustReviewed   = "reviewed"
	trustUnreviewed = "unreviewed"
)

// maxWords bounds what the operator says of one tool in one entry.
const maxWords = 1000

// Words gives what the config says of tools, by tool. What is said of one tool
// several times adds up.
func (c *Config) Words() map[catalog.ID]catalog.Words {
	all := map[catalog.ID]catalog.Words{}
	for _, s := range c.Servers {
		for _, entry := range s.Tools.Describe {
			tool, text, _ := strings.Cut(entry, "=")
			id := catalog.ID{Server: s.Name, Tool: strings.TrimSpace(tool)}
			w := all[id]
			w.Text = strings.TrimSpace(w.Text + " " + strings.TrimSpace(text))
			all[id] = w
		}
		for _, entry := range s.Tools.Aliases {
			tool, list, _ := strings.Cut(entry, "=")
			id := catalog.ID{Server: s.Name, Tool: strings.TrimSpace(tool)}
			w := all[id]
			w.Aliases = append(w.Aliases, betweenCommas(list)...)
			all[id] = w
		}
	}
	return all
}

// Priors gives the factor on the scores of the servers that nobody has reviewed.
func (c *Config) Priors() map[string]float64 {
	all := map[string]float64{}
	for _, s := range c.Servers {
		if s.Trust == trustUnreviewed {
			all[s.Name] = c.Search.UnreviewedPrior
		}
	}
	return all
}

// problems reports what is wrong with words for tools.
func (f Filter) problems(report reporter) {
	for _, said := range []pair{{key: "describe", list: f.Describe}, {key: "aliases", list: f.Aliases}} {
		for i, entry := range said.list {
			at := fmt.Sprintf("tools.%s[%d]", said.key, i)
			tool, text, ok := strings.Cut(entry, "=")
			switch tool = strings.TrimSpace(tool); {
			case !ok || tool == "" || strings.Trim(text, " ,") == "":
				report(at, `want "tool=words"`)
			case len(text) > maxWords:
				report(at, "the words are longer than %d bytes", maxWords)
			case strings.ContainsAny(tool, "*?["):
				report(at, "%q is no tool's name: words are for one tool, not for a pattern", tool)
			}
		}
	}
}
