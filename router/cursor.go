package router

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
)

// position is where a page begins.
type position struct {
	offset int  // in the index's list
	pinned bool // one tool was put before that list, and is left out of it
}

// shown is how many hits the pages before one that a cursor led to had.
func (p position) shown() int {
	if p.pinned {
		return p.offset + 1
	}
	return p.offset
}

// A cursor is its version and flags, the offset, and a checksum of the request it
// belongs to. It holds all there is to know, so that any router may continue.
const (
	cursorVersion  = 1
	cursorPinned   = 0x80
	maxCursorBytes = 64
)

var errCursor = errors.New(`this cursor does not belong to this request: send it with the same "query" and "server" as before, or leave it out to begin anew`)

func (p position) cursor(query, server string) string {
	head := byte(cursorVersion)
	if p.pinned {
		head |= cursorPinned
	}
	b := binary.AppendUvarint([]byte{head}, uint64(p.offset))
	b = binary.BigEndian.AppendUint32(b, requestSum(query, server))
	return base64.RawURLEncoding.EncodeToString(b)
}

// parseCursor reads a cursor that belongs to a request; "" is the beginning.
func parseCursor(s, query, server string) (position, error) {
	if s == "" {
		return position{}, nil
	}
	if len(s) > maxCursorBytes {
		return position{}, errCursor
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) < 6 || b[0]&^cursorPinned != cursorVersion {
		return position{}, errCursor
	}
	offset, n := binary.Uvarint(b[1:])
	if n <= 0 || len(b) != 1+n+4 || binary.BigEndian.Uint32(b[1+n:]) != requestSum(query, server) {
		return position{}, errCursor
	}
	if offset > maxOffset {
		return position{}, fmt.Errorf("the cursor points behind the first %s hits: make the query narrower", thousands(maxOffset))
	}
	return position{offset: int(offset), pinned: b[0]&cursorPinned != 0}, nil
}

func requestSum(query, server string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(query))
	h.Write([]byte{0})
	h.Write([]byte(server))
	return h.Sum32()
}

const maxMoreEcho = 160 // bytes of a request that is repeated in the "more" line

// moreLine tells how to get the next page. A short request is written out, a long
// one only referred to: it would take room from the hits.
func moreLine(req SearchRequest, p position) string {
	if p.offset > maxOffset {
		return ""
	}
	again, err := marshalPlain(struct {
		Query  string `json:"query,omitempty"`
		Server string `json:"server,omitempty"`
		Cursor string `json:"cursor"`
	}{req.Query, req.Server, p.cursor(req.Query, req.Server)})
	if err == nil && len(again) <= maxMoreEcho {
		return "more: " + SearchTool + shown(string(again), maxMoreEcho)
	}
	cursor, _ := json.Marshal(p.cursor(req.Query, req.Server)) // letters, digits, - and _
	return fmt.Sprintf(`more: the same search with "cursor":%s`, cursor)
}
