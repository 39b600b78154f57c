package index

import (
	"context"
	"math"

	"toolrouter/internal/catalog"
)

// vectors are unit vectors by document number, kept as bytes: one step is 1/127
// of the largest component, which the cosine does not need to know. Absent ones
// are zero.
type vectors struct {
	dim   int
	data  []int8
	scale []float32 // 1/length of each, so that the product is a cosine
}

// set keeps the encoded vector of a document.
func (v *vectors) set(number int, encoded []byte) {
	if len(encoded) != v.dim {
		return
	}
	for len(v.scale) <= number {
		v.scale = append(v.scale, 0)
		v.data = append(v.data, make([]int8, v.dim)...)
	}
	var sum int
	for i, b := range encoded {
		c := int8(b)
		v.data[number*v.dim+i] = c
		sum += int(c) * int(c)
	}
	if sum > 0 {
		v.scale[number] = float32(1 / math.Sqrt(float64(sum)))
	}
}

// encode makes bytes of a vector.
func encode(vector []float32) []byte {
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

// cosines calls f with the cosine between a query and every document that has a
// vector.
func (v *vectors) cosines(query []float32, f func(number int, cosine float64)) {
	q := encode(query)
	if len(q) != v.dim || v.dim == 0 {
		return
	}
	ints := make([]int8, len(q))
	sum := 0
	for i, b := range q {
		ints[i] = int8(b)
		sum += int(ints[i]) * int(ints[i])
	}
	scale := float32(1 / math.Sqrt(float64(sum)))
	for n, s := range v.scale {
		if s != 0 {
			f(n, float64(float32(dot(ints, v.data[n*v.dim:(n+1)*v.dim]))*s*scale))
		}
	}
}

// dot is the inner product. Four sums at a time keep the processor busy.
func dot(a, b []int8) int32 {
	var s0, s1, s2, s3 int32
	b = b[:len(a)]
	i := 0
	for ; i+4 <= len(a); i += 4 {
		s0 += int32(a[i]) * int32(b[i])
		s1 += int32(a[i+1]) * int32(b[i+1])
		s2 += int32(a[i+2]) * int32(b[i+2])
		s3 += int32(a[i+3]) * int32(b[i+3])
	}
	for ; i < len(a); i++ {
		s0 += int32(a[i]) * int32(b[i])
	}
	return s0 + s1 + s2 + s3
}

// embed makes the encoded vectors of tools; nil ones without an Embedder.
func (x *Index) embed(ctx context.Context, tools []*catalog.Tool, about func(string) catalog.ServerText) ([][]byte, error) {
	out := make([][]byte, len(tools))
	if x.opts.Embedder == nil || len(tools) == 0 {
		return out, nil
	}
	texts := make([]string, len(tools))
	for i, t := range tools {
		texts[i] = meaningText(t, about(t.ID.Server))
	}
	found, err := x.opts.Embedder.Embed(ctx, texts)
	if err != nil {
		return nil, err
	}
	for i, v := range found {
		out[i] = encode(v)
	}
	return out, nil
}

// meaningText is what of a tool is embedded: what it is called and what it does.
func meaningText(t *catalog.Tool, _ catalog.ServerText) string {
	return t.ID.Tool + "\n" + clip(t.Title, maxParamText) + "\n" + clip(t.Description, maxMeaning)
}

// maxMeaning bounds the description that is embedded: what comes late in a long
// one is notes.
const maxMeaning = 600
