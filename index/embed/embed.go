// Package embed turns short English text into vectors whose cosine tells how
// close two texts are in meaning, without a network, without cgo and in a few
// microseconds.
//
// It is a static embedding: the model is a table with one row for each of some
// tens of thousands of word pieces. A text is cut into pieces, their rows are
// added up, and the sum is scaled to length one. Nothing else happens, so word
// order is lost and a sentence costs as many row additions as it has pieces.
// What makes the sums meaningful is how the table was made: it was fitted so
// that they reproduce the sentence vectors of a transformer over some eighty
// thousand descriptions of software. Common words ended up with short rows and
// telling ones with long rows, so no stop list or weighting is needed. The
// directory distill holds the script that does this; README.md says what it
// was measured against.
//
// The table is part of the executable:
//
//	m, err := embed.Builtin()
//	if err != nil {
//		return err
//	}
//	vecs, err := m.Embed(ctx, []string{"cancel a meeting", "delete_event"})
//
// Identifiers are understood as they are: delete_event, deleteEvent and
// "Delete event" give the same vector.
package embed

import (
	"context"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"sync"
)

//go:embed model.bin
var builtin []byte

// Builtin returns the model that is part of the executable. It is decoded on
// the first call, which takes a few milliseconds, and shared from then on.
var Builtin = sync.OnceValues(func() (*Model, error) {
	m, err := decode(builtin)
	if err != nil {
		return nil, fmt.Errorf("built-in embedding model: %w", err)
	}
	return m, nil
})

// Model is a table of vectors for word pieces. It is immutable and safe for
// concurrent use.
type Model struct {
	name  string
	dim   int
	words map[string]int32 // pieces that begin a word, or are one
	tails map[string]int32 // pieces that continue a word
	// longest is the length of the longest piece, where the search for the
	// next piece of a word starts.
	longest int
	scales  []byte // one little-endian float32 for each row
	table   []byte // rows of dim int8, left as they lie in the file
}

// Name identifies the table and its version. Vectors of models with different
// names must not be compared.
func (m *Model) Name() string { return m.name }

// Dim is the length of the vectors.
func (m *Model) Dim() int { return m.dim }

// Embed returns a vector of length one for each text. A text in which nothing
// is known, such as the empty one, gets a vector of zeros, whose cosine with
// everything is zero. The error is that of ctx.
func (m *Model) Embed(ctx context.Context, texts []string) ([][]float32, error) {
	all := make([]float32, 0, len(texts)*m.dim)
	vecs := make([][]float32, len(texts))
	for i, text := range texts {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		start := len(all)
		all = m.Append(all, text)
		vecs[i] = all[start:len(all):len(all)]
	}
	return vecs, nil
}

// Append appends the vector of text to dst and returns the longer slice. It
// does not allocate if dst has room and text is ASCII.
func (m *Model) Append(dst []float32, text string) []float32 {
	start := len(dst)
	for range m.dim {
		dst = append(dst, 0)
	}
	vec := dst[start:]
	m.pieces(text, func(row int32) { m.add(vec, row) })

	var sum float64
	for _, x := range vec {
		sum += float64(x) * float64(x)
	}
	if sum == 0 {
		return dst
	}
	norm := float32(1 / math.Sqrt(sum))
	for i := range vec {
		vec[i] *= norm
	}
	return dst
}

// Knows reports whether a lower-case word stands in the table as a whole. One
// that does not is put together from pieces, which also make something of a
// word that is none.
func (m *Model) Knows(word string) bool {
	_, ok := m.words[word]
	return ok
}

func (m *Model) add(vec []float32, row int32) {
	scale := math.Float32frombits(binary.LittleEndian.Uint32(m.scales[4*row:]))
	cells := m.table[int(row)*m.dim:][:len(vec)]
	for i, c := range cells {
		vec[i] += scale * float32(int8(c))
	}
}

// The file, all numbers little-endian:
//
//	8  magic
//	4  version of the format, 1
//	4  CRC-32 (IEEE) of everything that follows
//	4  dimensions
//	4  number of pieces that begin a word, W
//	4  number of pieces that continue a word, T
//	4  length of the piece block in bytes
//	   name: a length byte and so many bytes
//	   piece block: W+T times a length byte and so many bytes
//	   scales: W+T float32
//	   table: W+T rows of int8, one for each dimension
//
// A cell of row r stands for cell*scale[r].
const (
	magic   = "rtEMBED\n"
	version = 1
	header  = len(magic) + 6*4

	maxDim  = 4096
	maxRows = 1 << 20
)

var errShort = errors.New("file is too short")

func decode(data []byte) (*Model, error) {
	s, err := readShape(data)
	if err != nil {
		return nil, err
	}
	rest := data[header:]
	cut := func(n int) (part []byte) {
		if err == nil && (n < 0 || n > len(rest)) { // int may have 32 bits
			err = errShort
		}
		if err != nil {
			return nil
		}
		part, rest = rest[:n:n], rest[n:]
		return part
	}
	nameLength := 0
	if size := cut(1); err == nil {
		nameLength = int(size[0])
	}
	m := &Model{dim: s.dim, name: string(cut(nameLength))}
	pieces := cut(s.block)
	m.scales = cut(4 * (s.words + s.tails))
	m.table = cut((s.words + s.tails) * m.dim)
	if err != nil {
		return nil, err
	}
	if len(rest) != 0 {
		return nil, fmt.Errorf("%d bytes too many", len(rest))
	}
	if err := m.readPieces(string(pieces), s); err != nil {
		return nil, err
	}
	return m, nil
}

// shape is what the head of the file says of the rest.
type shape struct{ dim, words, tails, block int }

// readShape checks the head and the checksum.
func readShape(data []byte) (shape, error) {
	if len(data) < header {
		return shape{}, errShort
	}
	if string(data[:len(magic)]) != magic {
		return shape{}, errors.New("not a model file")
	}
	field := func(i int) uint32 { return binary.LittleEndian.Uint32(data[len(magic)+4*i:]) }
	if v := field(0); v != version {
		return shape{}, fmt.Errorf("format version %d, want %d", v, version)
	}
	if sum := crc32.ChecksumIEEE(data[len(magic)+8:]); sum != field(1) {
		return shape{}, fmt.Errorf("checksum %08x, want %08x: the file is damaged", sum, field(1))
	}
	dim, words, tails := field(2), field(3), field(4)
	if dim == 0 || dim > maxDim || words > maxRows || tails > maxRows {
		return shape{}, fmt.Errorf("%d+%d rows of %d dimensions are out of range", words, tails, dim)
	}
	return shape{int(dim), int(words), int(tails), int(field(5))}, nil
}

// readPieces fills the maps from the piece block, whose bytes their keys share.
func (m *Model) readPieces(text string, s shape) error {
	m.words = make(map[string]int32, min(s.words, len(text)))
	m.tails = make(map[string]int32, min(s.tails, len(text)))
	for row := range s.words + s.tails {
		if text == "" || len(text) < 1+int(text[0]) || text[0] == 0 {
			return fmt.Errorf("piece %d is cut off or empty", row)
		}
		end := 1 + int(text[0])
		piece := text[1:end]
		text = text[end:]
		m.longest = max(m.longest, len(piece))
		if row < s.words {
			m.words[piece] = int32(row)
		} else {
			m.tails[piece] = int32(row)
		}
	}
	if text != "" {
		return errors.New("more pieces than rows")
	}
	return nil
}
