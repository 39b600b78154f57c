package catalog

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// Limits on what one backend may list. A tool beyond them is held back alone;
// its siblings are served.
const (
	MaxToolName   = 128       // bytes of a tool's own name
	MaxDefinition = 256 << 10 // bytes of one tools/list entry; the largest of 4,633 real ones has 85 KB
)

// ID names a tool by the server's name in the configuration and the tool's own
// name, exactly as the backend spells it.
type ID struct{ Server, Tool string }

// String gives server/tool, the spelling of logs and evaluation sets.
func (id ID) String() string { return id.Server + "/" + id.Tool }

// Tool is one tool of one backend. It is immutable once it has been published
// in a Snapshot.
type Tool struct {
	ID          ID
	Name        string          // the public name, server__tool
	Definition  json.RawMessage // the tools/list entry as the backend sent it, byte for byte
	Title       string
	Description string
	Params      []Param // top level of the input schema, the required ones first
	Hints       Hints
	Hash        string // of the canonical definition: key order and white space do not matter
}

// Hints are a backend's own annotations. They are claims, not facts: nothing
// may be allowed because of them alone.
type Hints struct {
	ReadOnly    bool // readOnlyHint is true
	Destructive bool // destructiveHint is true and readOnlyHint is not
	Idempotent  bool // idempotentHint is true
}

// Mark is how a tool's nature is shown: "read", "write" or "destructive". A tool
// without annotations counts as one that writes.
func (h Hints) Mark() string {
	switch {
	case h.ReadOnly:
		return "read"
	case h.Destructive:
		return "destructive"
	default:
		return "write"
	}
}

// NewTool reads one tools/list entry of a server. It fails on an entry that
// has no usable name or exceeds the limits; everything else it forgives, for an
// odd schema must not hide a tool.
func NewTool(server string, definition json.RawMessage) (*Tool, error) {
	if len(definition) > MaxDefinition {
		return nil, fmt.Errorf("definition of %d bytes is over the limit of %d", len(definition), MaxDefinition)
	}
	d, err := decodeObject(definition)
	if err != nil {
		return nil, fmt.Errorf("read definition: %w", err)
	}
	name := text(d["name"])
	if err := checkToolName(name); err != nil {
		return nil, err
	}
	hash, err := canonicalHash(definition)
	if err != nil {
		return nil, fmt.Errorf("tool %q: %w", name, err)
	}
	a, _ := decodeObject(d["annotations"]) // odd ones say nothing
	return &Tool{
		ID:          ID{server, name},
		Name:        PublicName(server, name),
		Definition:  bytes.Clone(definition),
		Title:       cmp.Or(text(d["title"]), text(a["title"])),
		Description: text(d["description"]),
		Params:      params(d["inputSchema"]),
		Hints:       newHints(a),
		Hash:        hash,
	}, nil
}

func newHints(annotations map[string]json.RawMessage) Hints {
	is := func(hint string) bool { return string(annotations[hint]) == "true" }
	return Hints{
		ReadOnly:    is("readOnlyHint"),
		Destructive: is("destructiveHint") && !is("readOnlyHint"),
		Idempotent:  is("idempotentHint"),
	}
}

// decodeObject reads a JSON object. Names count exactly as they are written, which
// decoding into a struct would not keep to.
func decodeObject(object json.RawMessage) (m map[string]json.RawMessage, err error) {
	err = json.Unmarshal(object, &m)
	return m, err
}

// InputSchema is the tool's input schema as the backend gave it, nil if it gave none.
func (t *Tool) InputSchema() json.RawMessage { return t.member("inputSchema") }

// OutputSchema is the tool's output schema as the backend gave it, nil if it gave none.
func (t *Tool) OutputSchema() json.RawMessage { return t.member("outputSchema") }

// Annotations are the tool's annotations as the backend gave them, nil if it gave none.
func (t *Tool) Annotations() json.RawMessage { return t.member("annotations") }

func (t *Tool) member(key string) json.RawMessage {
	m, _ := decodeObject(t.Definition) // it was read before
	return m[key]
}

func checkToolName(name string) error {
	switch {
	case name == "":
		return errors.New("a tool without a name")
	case len(name) > MaxToolName:
		return fmt.Errorf("tool name of %d bytes is over the limit of %d", len(name), MaxToolName)
	case !utf8.ValidString(name):
		return errors.New("tool name is not UTF-8")
	}
	for _, r := range name {
		if !unicode.IsPrint(r) {
			return fmt.Errorf("tool name %q holds a character that cannot be shown", name)
		}
	}
	return nil
}

// text reads a JSON string and gives "" for everything else.
func text(raw json.RawMessage) string {
	var s string
	if len(raw) > 0 && raw[0] == '"' {
		_ = json.Unmarshal(raw, &s)
	}
	return s
}

// canonicalHash is the SHA-256 of a JSON document with its object keys sorted
// and its white space gone. Numbers keep their spelling.
func canonicalHash(doc json.RawMessage) (string, error) {
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return "", fmt.Errorf("read definition: %w", err)
	}
	canonical, err := json.Marshal(v) // maps are marshalled in the order of their keys
	if err != nil {
		return "", fmt.Errorf("canonical form: %w", err)
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:16]), nil
}
