package index

import (
	"context"
	"math"
	"strings"

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

// between is the cosine of two documents, 0 if one has no vector.
func (v *vectors) between(a, b int) float64 {
	if a >= len(v.scale) || b >= len(v.scale) {
		return 0
	}
	product := dot(v.data[a*v.dim:(a+1)*v.dim], v.data[b*v.dim:(b+1)*v.dim])
	return float64(float32(product) * v.scale[a] * v.scale[b])
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

// embed makes the encoded vectors of tools; nil ones without an Embedder. A
// tool's vector is that of what it is called and does, with some of what its
// parameters are added.
func (x *Index) embed(ctx context.Context, tools []*catalog.Tool, f filler) ([][]byte, error) {
	out := make([][]byte, len(tools))
	if x.opts.Embedder == nil || len(tools) == 0 {
		return out, nil
	}
	texts := make([]string, 0, 2*len(tools))
	for _, t := range tools {
		around := f.of(t)
		texts = append(texts, meaningText(t, around.said), paramsText(t, around.common))
	}
	found, err := x.opts.Embedder.Embed(ctx, texts)
	if err != nil {
		return nil, err
	}
	for i := range tools {
		sum := found[2*i]
		for j, c := range found[2*i+1] {
			sum[j] += paramsMeaning * c
		}
		out[i] = encode(sum)
	}
	return out, nil
}

// What of a tool is embedded: later words of a long description are notes.
const (
	describeWords = 30
	paramWords    = 12
	paramsMeaning = 0.4 // weight of the parameters
)

// meaningText is what a tool is called and what it does.
func meaningText(t *catalog.Tool, said string) string {
	return t.ID.Tool + ". " + clip(t.Title, maxParamText) + " " + firstWords(said, describeWords) + " " + firstWords(t.Description, describeWords)
}

// paramsText is what a tool takes.
func paramsText(t *catalog.Tool, common map[string]bool) string {
	var b strings.Builder
	for i, p := range t.Params {
		if i == maxParamsIndexed {
			break
		}
		if !common[p.Name] {
			b.WriteString(p.Name + " " + firstWords(p.Description, paramWords) + " ")
		}
	}
	return b.String()
}

// firstWords cuts a text after some words.
func firstWords(text string, n int) string {
	fields := strings.Fields(clip(text, maxTextBytes))
	return strings.Join(fields[:min(n, len(fields))], " ")
}
