package index

import (
	"math"
	"math/rand/v2"
	"testing"
)

func exactCosine(a, b []float32) float64 {
	var ab, aa, bb float64
	for i := range a {
		ab += float64(a[i]) * float64(b[i])
		aa += float64(a[i]) * float64(a[i])
		bb += float64(b[i]) * float64(b[i])
	}
	if aa == 0 || bb == 0 {
		return 0
	}
	return ab / math.Sqrt(aa*bb)
}

// TestCosines compares the packed arithmetic with the plain one, also at the
// ends of what a component can be and for lengths that fill no word.
func TestCosines(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	random := func(dim int, kind int) []float32 {
		v := make([]float32, dim)
		for i := range v {
			switch kind {
			case 0:
				v[i] = float32(rng.NormFloat64())
			case 1:
				v[i] = 1
			case 2:
				v[i] = -1
			default:
				v[i] = float32(1 - 2*(i%2))
			}
		}
		return v
	}
	for _, dim := range []int{1, 2, 3, 4, 11, 12, 13, 192, 193, 768, 1536} {
		v := vectors{dim: dim}
		var all [][]float32
		for n := range 40 {
			all = append(all, random(dim, n%5))
			if n != 7 { // one is absent
				v.set(n, EncodeVector(all[n]))
			}
		}
		for kind := range 4 {
			query := random(dim, kind)
			seen := 0
			v.cosines(query, func(n int, got float64) {
				seen++
				if want := exactCosine(query, all[n]); math.Abs(got-want) > 0.03 {
					t.Errorf("dim %d, kind %d: cosine with %d = %.4f, want %.4f", dim, kind, n, got, want)
				}
				if between := v.between(n, n); math.Abs(between-1) > 1e-5 {
					t.Errorf("dim %d: cosine of %d with itself = %f", dim, n, between)
				}
			})
			if seen != len(all)-1 {
				t.Errorf("dim %d: %d cosines, want %d", dim, seen, len(all)-1)
			}
		}
	}
}

func BenchmarkCosines(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	v := vectors{dim: 192}
	query := make([]float32, v.dim)
	for n := range 5000 {
		for i := range query {
			query[i] = float32(rng.NormFloat64())
		}
		v.set(n, EncodeVector(query))
	}
	out := make([]float32, 5000)
	b.ReportAllocs()
	for b.Loop() {
		v.cosines(query, func(n int, c float64) { out[n] = float32(c) })
	}
}
