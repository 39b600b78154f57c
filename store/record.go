package store

import (
	"encoding/binary"
	"errors"
	"strings"

	"toolrouter/internal/catalog"
)

// A record is one tool: a version byte, then fields as strings with their
// length before them (uvarint), numbers as uvarints. It begins with the hash, so
// that a listing can be compared without reading the rest.
//
//	version hash definition hints title description
//	params { name type description required enums { value } }
//
// recordVersion changes with this layout and with what the catalog package
// reads out of a definition; an older record is read from its definition anew.
const recordVersion = 2

var errRecord = errors.New("record is cut short")

const (
	hintReadOnly = 1 << iota
	hintDestructive
	hintIdempotent
)

func encodeTool(t *catalog.Tool) []byte {
	b := make([]byte, 0, len(t.Definition)+len(t.Description)+256)
	b = append(b, recordVersion)
	b = appendString(b, t.Hash)
	b = appendString(b, string(t.Definition))
	b = binary.AppendUvarint(b, hintBits(t.Hints))
	b = appendString(b, t.Title)
	b = appendString(b, t.Description)
	b = binary.AppendUvarint(b, uint64(len(t.Params)))
	for _, p := range t.Params {
		b = appendString(b, p.Name)
		b = appendString(b, p.Type)
		b = appendString(b, p.Description)
		b = binary.AppendUvarint(b, flag(p.Required))
		b = binary.AppendUvarint(b, uint64(len(p.Enum)))
		for _, v := range p.Enum {
			b = appendString(b, v)
		}
	}
	return b
}

func hintBits(h catalog.Hints) uint64 {
	return flag(h.ReadOnly)*hintReadOnly | flag(h.Destructive)*hintDestructive | flag(h.Idempotent)*hintIdempotent
}

func flag(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// hashOf reads the hash of a record, "" if there is none of this version.
func hashOf(record []byte) string {
	if len(record) == 0 || record[0] != recordVersion {
		return ""
	}
	r := reader{rest: string(record[1:min(len(record), 80)])}
	return r.string()
}

// holds tells whether a record is that of the tool and can be read: a damaged one
// that kept its hash is written anew.
func holds(record []byte, t *catalog.Tool) bool {
	if hashOf(record) != t.Hash {
		return false
	}
	_, err := decodeTool(t.ID.Server, t.ID.Tool, record)
	return err == nil
}

// decodeTool reads a record. The tool's texts share one piece of memory.
func decodeTool(server, name string, record []byte) (*catalog.Tool, error) {
	if len(record) == 0 {
		return nil, errRecord
	}
	r := reader{rest: string(record[1:])}
	hash, definition := strings.Clone(r.string()), []byte(r.string()) // not a part of the whole record
	if r.failed {
		return nil, errRecord
	}
	if record[0] != recordVersion {
		return catalog.NewTool(server, definition)
	}
	r.rest = strings.Clone(r.rest) // let go of the definition's other copy
	t := &catalog.Tool{
		ID:         catalog.ID{Server: server, Tool: name},
		Name:       catalog.PublicName(server, name),
		Hash:       hash,
		Definition: definition,
	}
	hints := r.uvarint()
	t.Hints = catalog.Hints{ReadOnly: hints&hintReadOnly != 0, Destructive: hints&hintDestructive != 0, Idempotent: hints&hintIdempotent != 0}
	t.Title, t.Description = r.string(), r.string()
	t.Params = r.params()
	if r.failed || r.rest != "" {
		return nil, errRecord
	}
	return t, nil
}

// reader takes fields off the front of a record. After the first one that is not
// there it gives zero values only.
type reader struct {
	rest   string
	failed bool
}

func (r *reader) params() []catalog.Param {
	n := r.uvarint()
	if n > uint64(len(r.rest)) {
		r.failed = true
		return nil
	}
	var out []catalog.Param
	for range n {
		p := catalog.Param{Name: r.string(), Type: r.string(), Description: r.string(), Required: r.uvarint() == 1}
		values := r.uvarint()
		if r.failed || values > uint64(len(r.rest)) {
			r.failed = true
			return nil
		}
		for range values {
			p.Enum = append(p.Enum, r.string())
		}
		out = append(out, p)
	}
	return out
}

func (r *reader) string() string {
	n := r.uvarint()
	if r.failed || n > uint64(len(r.rest)) {
		r.failed = true
		return ""
	}
	s := r.rest[:n]
	r.rest = r.rest[n:]
	return s
}

func (r *reader) uvarint() uint64 {
	var n uint64
	for shift := 0; shift < 64 && r.rest != ""; shift += 7 {
		c := r.rest[0]
		r.rest = r.rest[1:]
		n |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return n
		}
	}
	r.failed = true
	return 0
}
