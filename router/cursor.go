package router

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"unicode"
	"unicode/utf8"
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

const (
	maxMoreEcho = 160 // bytes of a request that is repeated in the "more" line
	minMoreEcho = 48  // and where room is scarce: hardly more than it takes to refer to it
)

// moreLine tells how to get the next page. A request of at most echo bytes is
// written out, as it came, for the cursor belongs to it alone. A longer one would
// take room from the hits, and one with characters that do not show cannot be
// copied: those are only referred to.
func moreLine(req SearchRequest, p position, echo int) string {
	if p.offset > maxOffset {
		return ""
	}
	cursor := p.cursor(req.Query, req.Server)
	again := string(mustMarshal(struct {
		Query  string `json:"query,omitempty"`
		Server string `json:"server,omitempty"`
		Cursor string `json:"cursor"`
	}{req.Query, req.Server, cursor}))
	hidden := func(r rune) bool { return !unicode.IsPrint(r) }
	if len(again) <= echo && utf8.ValidString(req.Query) && strings.IndexFunc(again, hidden) < 0 {
		return "more: " + SearchTool + again
	}
	return fmt.Sprintf(`more: the same search with "cursor":%q`, cursor)
}
