package index

import (
	"math"
	"runtime"
	"sync"
)

// vectors are vectors by number, made for one thing: the cosine of all of them
// with a query. Each component is kept in seven bits, from 0 to 127 with 64 in
// the middle, and three of them in a word, 18 bits apart. The query's stand the
// other way round, so that one multiplication of words does three of components:
// with u in one word and w in the other,
//
//	(u0 + u1·2¹⁸ + u2·2³⁶) · (w2 + w1·2¹⁸ + w0·2³⁶)
//
// holds u0·w0 + u1·w1 + u2·w2 from bit 36 on. Below it stand smaller sums, which
// leave it alone, and what is above falls off or is masked. Four such products
// can be added before the 18 bits are full. This is about four times as fast as
// going through bytes one by one, the best that Go does without assembly.
type vectors struct {
	dim   int
	words int       // of one vector
	data  []uint64  // words of all vectors
	sums  []int32   // of the components of each, as they are kept
	scale []float32 // 1/length of each, so that the product is a cosine; 0 for one that is absent
}

const (
	laneBits  = 18
	perWord   = 3 // components
	perSum    = 4 // words whose products are added before they are masked
	middle    = 64
	laneMask  = 1<<laneBits - 1
	laneShift = laneBits * (perWord - 1)
)

// set keeps the encoded vector of a number. Numbers may come in any order.
func (v *vectors) set(number int, encoded []byte) {
	if len(encoded) != v.dim || v.dim == 0 {
		return
	}
	v.words = wordsFor(v.dim)
	for len(v.scale) <= number {
		v.scale = append(v.scale, 0)
		v.sums = append(v.sums, 0)
		v.data = append(v.data, make([]uint64, v.words)...)
	}
	v.sums[number], v.scale[number] = pack(v.row(number), encoded, false)
}

func (v *vectors) row(number int) []uint64 { return v.data[number*v.words : (number+1)*v.words] }

// wordsFor is the number of words of a vector, in whole sums.
func wordsFor(dim int) int {
	n := (dim + perWord - 1) / perWord
	return (n + perSum - 1) / perSum * perSum
}

// pack writes the components of an encoded vector into words, turned round in
// each word for a query, and gives their sum and 1/length.
func pack(to []uint64, encoded []byte, turned bool) (sum int32, scale float32) {
	square := 0
	for i := range len(to) * perWord {
		c := 0
		if i < len(encoded) {
			c = min((int(int8(encoded[i]))+1)>>1, middle-1)
		}
		square += c * c
		sum += int32(c + middle)
		at := i % perWord
		if turned {
			at = perWord - 1 - at
		}
		word := &to[i/perWord]
		*word = *word&^(laneMask<<(at*laneBits)) | uint64(c+middle)<<(at*laneBits)
	}
	if square > 0 {
		scale = float32(1 / math.Sqrt(float64(square)))
	}
	return sum, scale
}

// EncodeVector makes the bytes that a vector is kept as: one step is 1/127 of the
// largest component, which the cosine does not need to know. A zero vector gives
// nil.
func EncodeVector(vector []float32) []byte {
	var largest float32
	for _, x := range vector {
		largest = max(largest, max(x, -x))
	}
	if largest == 0 {
		return nil
	}
	out := make([]byte, len(vector))
	for i, x := range vector {
		out[i] = byte(int8(math.Round(float64(x / largest * 127))))
	}
	return out
}

// DecodeVector makes a vector of the same direction out of what EncodeVector
// gave.
func DecodeVector(encoded []byte) []float32 {
	out := make([]float32, len(encoded))
	for i, b := range encoded {
		out[i] = float32(int8(b))
	}
	return out
}

// worthSharing is from how many vectors on a second processor helps.
const worthSharing = 8192

// cosines calls f with the cosine between a query and every vector there is. f is
// called from several goroutines, for different numbers, and they have all ended
// when cosines returns.
func (v *vectors) cosines(query []float32, f func(number int, cosine float64)) {
	encoded := EncodeVector(query)
	if len(encoded) != v.dim || v.dim == 0 || len(v.scale) == 0 {
		return
	}
	q := make([]uint64, v.words)
	sum, scale := pack(q, encoded, true)
	some := func(from, to int) {
		for n := from; n < to; n++ {
			if s := v.scale[n]; s != 0 {
				f(n, float64(float32(v.product(n, q, sum))*s*scale))
			}
		}
	}
	workers := 1
	if len(v.scale) >= worthSharing {
		workers = min(runtime.GOMAXPROCS(0), 4)
	}
	var wg sync.WaitGroup
	for i := 1; i < workers; i++ {
		wg.Go(func() { some(i*len(v.scale)/workers, (i+1)*len(v.scale)/workers) }) // joined below
	}
	some(0, len(v.scale)/workers)
	wg.Wait()
}

// product is the inner product of a vector and a packed query.
func (v *vectors) product(number int, q []uint64, sum int32) int32 {
	row := v.row(number)
	q = q[:len(row)]
	var all uint64
	for i := 0; i+perSum <= len(row); i += perSum {
		four := row[i]*q[i] + row[i+1]*q[i+1] + row[i+2]*q[i+2] + row[i+3]*q[i+3]
		all += four >> laneShift & laneMask
	}
	n := int32(len(row) * perWord)
	return int32(all) - middle*(v.sums[number]+sum) + middle*middle*n
}

// between is the cosine of two vectors, 0 if one is absent.
func (v *vectors) between(a, b int) float64 {
	if a >= len(v.scale) || b >= len(v.scale) {
		return 0
	}
	sum := 0
	for i, x := range v.row(a) {
		y := v.row(b)[i]
		for lane := 0; lane < perWord*laneBits; lane += laneBits {
			sum += (int(x>>lane&laneMask) - middle) * (int(y>>lane&laneMask) - middle)
		}
	}
	return float64(float32(sum) * v.scale[a] * v.scale[b])
}
