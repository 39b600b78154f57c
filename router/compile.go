package router

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"toolrouter/internal/catalog"
)

// Bounds on what a backend's schema may cost. Arguments of a tool whose schema
// goes beyond them are passed on unchecked: checking is a help for the caller,
// and the backend has the last word anyway.
const (
	maxSchemas    = 1024   // compiled schemas kept
	maxSchemaPart = 1500   // objects and lists in one schema; the largest of 4,633 real ones has 1,236
	maxPattern    = 1024   // bytes of a regular expression; longer ones match everything
	maxSteps      = 50_000 // subschemas looked at in one check: references can make a small schema endless
	schemaURL     = "mem:///input"
)

// schemaCache keeps compiled schemas by their tool's hash. The zero value is
// ready for use.
type schemaCache struct {
	mu  sync.RWMutex
	has map[string]*compiled
}

// compiled is a tool's input schema, ready for checking.
type compiled struct {
	schema *jsonschema.Schema // nil if arguments cannot be checked
	why    error              // why not
	id     catalog.ID         // a tool that has it, for the log

	mu    sync.Mutex // one check at a time, for the sake of left
	left  int        // steps that the running check may still take
	noted sync.Once  // that a check was given up
}

// of gives the compiled schema of a tool.
func (c *schemaCache) of(t *catalog.Tool, log *slog.Logger) *compiled {
	c.mu.RLock()
	found := c.has[t.Hash]
	c.mu.RUnlock()
	if found != nil {
		return found
	}
	made := compile(t.InputSchema())
	made.id = t.ID
	c.mu.Lock()
	defer c.mu.Unlock()
	if found := c.has[t.Hash]; found != nil { // another call was faster
		return found
	}
	if c.has == nil {
		c.has = map[string]*compiled{}
	}
	if len(c.has) >= maxSchemas {
		for hash := range c.has { // any: it is compiled again when it is wanted
			delete(c.has, hash)
			break
		}
	}
	c.has[t.Hash] = made
	if made.why != nil {
		log.Warn("arguments are not checked", "server", t.ID.Server, "tool", t.ID.Tool, "err", made.why)
	}
	return made
}

var (
	errCostly     = errors.New("schema takes too many steps to check")
	errNoFetching = errors.New("references to other documents are not followed")
)

// compile reads an input schema. It never fails: what cannot be compiled is kept
// with the reason.
func compile(raw json.RawMessage) (out *compiled) {
	out = &compiled{}
	if raw == nil {
		return out
	}
	defer func() {
		if p := recover(); p != nil { // the schema is a stranger's and the library large
			out.schema, out.why = nil, fmt.Errorf("compile schema: %v", p)
		}
	}()
	doc, err := decode(raw)
	if err == nil && parts(doc) > maxSchemaPart {
		err = fmt.Errorf("schema has more than %d parts", maxSchemaPart)
	}
	if err == nil {
		out.schema, err = compiler(doc, out).Compile(schemaURL)
	}
	if err != nil {
		out.schema, out.why = nil, fmt.Errorf("compile schema: %s", shown(err.Error(), maxReason))
	}
	return out
}

// compiler knows one document and reaches no other one.
func compiler(doc any, counts *compiled) *jsonschema.Compiler {
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(noLoader{})
	c.UseRegexpEngine(lenientRegexp)
	for _, name := range formats {
		c.RegisterFormat(&jsonschema.Format{Name: name, Validate: func(any) error { return nil }})
	}
	c.RegisterVocabulary(&jsonschema.Vocabulary{
		URL:     "mem:///steps",
		Compile: func(*jsonschema.CompilerContext, map[string]any) (jsonschema.SchemaExt, error) { return counts, nil },
	})
	c.AssertVocabs()
	if err := c.AddResource(schemaURL, doc); err != nil {
		panic(err) // the URL is ours and added once
	}
	return c
}

// formats that the older drafts would check. Since 2019 a format is a remark, and
// what a backend takes for a date is its own business.
var formats = []string{
	"json-pointer", "relative-json-pointer", "uuid", "duration", "period", "ipv4", "ipv6", "hostname",
	"email", "date", "time", "date-time", "uri", "iri", "uri-reference", "iri-reference", "uri-template", "semver",
}

// Validate counts the steps of a check: the library calls it for every subschema
// that it has looked at.
func (c *compiled) Validate(*jsonschema.ValidatorContext, any) {
	if c.left--; c.left < 0 {
		panic(errCostly)
	}
}

// check reports how a value does not fit the schema, nil if it does or if the
// schema cannot tell.
func (c *compiled) check(v any, log *slog.Logger) (bad *jsonschema.ValidationError) {
	if c.schema == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = maxSteps
	defer func() {
		if p := recover(); p != nil {
			c.noted.Do(func() {
				log.Warn("gave up checking arguments", "server", c.id.Server, "tool", c.id.Tool, "err", p)
			})
			bad = nil
		}
	}()
	err := c.schema.Validate(v)
	errors.As(err, &bad)
	if bad != nil && leadsInCircles(bad) {
		return nil
	}
	return bad
}

// leadsInCircles reports whether a check ended because the schema refers to
// itself without an end: that is no fault of the arguments.
func leadsInCircles(bad *jsonschema.ValidationError) bool {
	_, is := bad.ErrorKind.(*kind.RefCycle)
	return is || slices.ContainsFunc(bad.Causes, leadsInCircles)
}

// parts counts the objects and lists of a document.
func parts(doc any) int {
	n := 0
	switch doc := doc.(type) {
	case map[string]any:
		n = 1
		for _, v := range doc {
			n += parts(v)
		}
	case []any:
		n = 1
		for _, v := range doc {
			n += parts(v)
		}
	}
	return n
}

// noLoader follows no reference out of a schema, neither to the network nor to a
// file.
type noLoader struct{}

func (noLoader) Load(string) (any, error) { return nil, errNoFetching }

// pattern is a regular expression that is skipped if Go cannot compile it: one
// with look-around, or an absurdly long one, must not make its tool unusable.
type pattern struct {
	text string
	re   *regexp.Regexp // nil matches everything
}

func lenientRegexp(text string) (jsonschema.Regexp, error) {
	p := pattern{text: text}
	if len(text) <= maxPattern {
		p.re, _ = regexp.Compile(text)
	}
	return &p, nil
}

func (p *pattern) String() string            { return p.text }
func (p *pattern) MatchString(s string) bool { return p.re == nil || p.re.MatchString(s) }
