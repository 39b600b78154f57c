package router

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"toolrouter/internal/catalog"
)

const (
	maxTopics     = 4
	maxTopicBytes = 56 // of all topics of a server together
)

// noTopic holds words that say what a tool does, or nothing at all, and so do
// not tell what a server is about.
var noTopic = func() map[string]bool {
	const all = `a about above across add advanced after all an analyze and any api append apply are as at ask batch be begin
	browse bulk by calculate call cancel change check clear click close compare complete connect copy count create
	current data debug default delete describe detail detailed details disable do download edit enable end ensure
	estimate evaluate execute export extract fetch fill filter find flush for format from full generate get give go
	handle has health help how id ids import in info information init initialize insert inspect is it item items
	join kill launch list load lock login logout look lookup make manage mark mcp merge modify move multiple my new
	next of on one open or out parse patch pause perform ping poll post preview print process publish pull push put
	query raw read reading recent record refresh register release remove rename render reopen replace reply report request
	reset resolve restart restore result results resume retrieve return revert review revoke run save scan schedule
	search select send server set setup show simple single start status stop store submit suggest summarize
	summary switch sync tail test the this to toggle tool tools trigger type types undo unlock update upload upsert use
	using abort active approve around clone command convert crawl deploy discover expand explain force hover index
	install introspect navigate reason scrape take usage visit wrapup validate value values verify version view wait watch when with without write you your`
	m := map[string]bool{}
	for w := range strings.FieldsSeq(all) {
		m[w] = true
	}
	return m
}()

// topicCache keeps the topics of servers whose tools have not changed, so that a
// new listing of one server does not cost reading all of them again.
type topicCache map[string]struct {
	tools  []*catalog.Tool
	topics string
}

// of gives the topics of a server that has tools, found anew only if these are
// other ones.
func (c topicCache) of(server string, tools []*catalog.Tool) string {
	known := c[server]
	if len(known.tools) != len(tools) || &known.tools[0] != &tools[0] {
		known.tools, known.topics = tools, topics(server, tools)
		c[server] = known
	}
	return known.topics
}

// subject is a word, or two in a row, that tools' names speak of.
type subject struct {
	shown map[string]int // how often it is spelt how
	tools map[int]bool   // which tools speak of it
	pair  bool
}

// topics says in a few words what a server's tools are about: the nouns that
// most of their names share, chosen so that each speaks for tools that the ones
// before it left out.
func topics(server string, tools []*catalog.Tool) string {
	subjects := subjectsOf(server, tools)
	keys := slices.Sorted(maps.Keys(subjects))
	covered := map[int]bool{}
	var out []string
	size := 0
	for len(out) < maxTopics {
		best, gain := "", 0.0
		for _, key := range keys {
			if g := subjects[key].gain(covered); g > gain {
				best, gain = key, g
			}
		}
		if best == "" {
			break
		}
		word := subjects[best].spelling()
		for i := range subjects[best].tools {
			covered[i] = true
		}
		delete(subjects, best)
		keys = slices.DeleteFunc(keys, func(k string) bool { return k == best })
		if size+len(word) > maxTopicBytes {
			continue
		}
		size += len(word) + len(", ")
		out = append(out, word)
	}
	return strings.Join(out, ", ")
}

func subjectsOf(server string, tools []*catalog.Tool) map[string]*subject {
	own := commonWords(tools)
	for _, w := range words(server) {
		own[singular(w)] = true
	}
	subjects := map[string]*subject{}
	note := func(i int, shown string, parts ...string) {
		key := strings.Join(parts, " ")
		s := subjects[key]
		if s == nil {
			s = &subject{shown: map[string]int{}, tools: map[int]bool{}, pair: len(parts) > 1}
			subjects[key] = s
		}
		s.shown[shown]++
		s.tools[i] = true
	}
	for i, t := range tools {
		before := ""
		for _, w := range nouns(t.ID.Tool) {
			if w == "" || own[singular(w)] {
				before = ""
				continue
			}
			note(i, w, singular(w))
			if before != "" {
				note(i, before+" "+w, singular(before), singular(w))
			}
			before = w
		}
	}
	return subjects
}

// nouns gives the words of a name, with "" for each that is no subject.
func nouns(name string) []string {
	out := words(name)
	for i := 1; i < len(out); i++ {
		if out[i-1] == "pull" && singular(out[i]) == "request" { // a noun made of two verbs
			out[i-1], out[i] = "", "pull "+out[i]
		}
	}
	for i, w := range out {
		if len(w) < 3 || len(w) > 20 || noTopic[w] || strings.ContainsAny(w, "0123456789") {
			out[i] = ""
		}
	}
	return out
}

// commonWords are those that nearly every tool of a server has in its name: they
// say no more than the server's name does.
func commonWords(tools []*catalog.Tool) map[string]bool {
	in := map[string]int{}
	for _, t := range tools {
		seen := map[string]bool{}
		for _, w := range nouns(t.ID.Tool) {
			if w = singular(w); !seen[w] {
				seen[w] = true
				in[w]++
			}
		}
	}
	common := map[string]bool{}
	for w, n := range in {
		if len(tools) >= 4 && 4*n >= 3*len(tools) {
			common[w] = true
		}
	}
	return common
}

// gain is how much a subject adds to those chosen. Two words say more than one,
// so they win where they speak for nearly the same tools.
func (s *subject) gain(covered map[int]bool) float64 {
	n := 0
	for i := range s.tools {
		if !covered[i] {
			n++
		}
	}
	if s.pair {
		return float64(n) * 1.2
	}
	return float64(n)
}

// spelling is how a subject is shown: the plural if it occurs, else what occurs
// most often.
func (s *subject) spelling() string {
	return slices.MaxFunc(slices.Sorted(maps.Keys(s.shown)), func(a, b string) int {
		return cmp.Or(
			cmp.Compare(plural(a), plural(b)),
			cmp.Compare(s.shown[a], s.shown[b]),
			cmp.Compare(b, a))
	})
}

func plural(w string) int {
	if singular(w) != w {
		return 1
	}
	return 0
}

// singular takes the plural off an English noun, roughly: it only has to do the
// same to both forms.
func singular(w string) string {
	switch {
	case len(w) > 4 && strings.HasSuffix(w, "ies"):
		return w[:len(w)-3] + "y"
	case len(w) > 4 && (strings.HasSuffix(w, "sses") || strings.HasSuffix(w, "xes") || strings.HasSuffix(w, "ches") || strings.HasSuffix(w, "shes")):
		return w[:len(w)-2]
	case len(w) > 3 && strings.HasSuffix(w, "s") && !strings.HasSuffix(w, "ss") && !strings.HasSuffix(w, "us") && !strings.HasSuffix(w, "is"):
		return w[:len(w)-1]
	}
	return w
}
