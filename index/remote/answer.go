package remote

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"

	"toolrouter/internal/catalog"
)

// readVectors reads an answer to so many texts: unit vectors in the order of the
// texts.
func readVectors(answer []byte, texts int) ([][]float32, error) {
	var list struct {
		Data []struct {
			Index     *int            `json:"index"`
			Embedding json.RawMessage `json:"embedding"`
		} `json:"data"`
		Error json.RawMessage `json:"error"`
	}
	if err := json.Unmarshal(answer, &list); err != nil {
		return nil, wrong("is no list of vectors: %v", err)
	}
	if len(list.Data) == 0 && len(list.Error) > 0 && !bytes.Equal(list.Error, []byte("null")) {
		return nil, wrong("is an error: %s", messageOf(answer))
	}
	if len(list.Data) != texts {
		return nil, wrong("has %d vectors for %d texts", len(list.Data), texts)
	}
	out := make([][]float32, texts)
	for i, d := range list.Data {
		at := i
		if d.Index != nil {
			at = *d.Index
		}
		if at < 0 || at >= texts || out[at] != nil {
			return nil, wrong("gives index %d twice or out of turn", at)
		}
		v, err := readVector(d.Embedding)
		if err != nil {
			return nil, err
		}
		out[at] = v
	}
	return out, nil
}

// readVector reads one list of numbers and makes its length 1. It does without
// package json, which would take null for 0 and most of the time.
func readVector(raw []byte) ([]float32, error) {
	inner, isList := bytes.CutPrefix(bytes.TrimSpace(raw), []byte("["))
	inner, closed := bytes.CutSuffix(inner, []byte("]"))
	if !isList || !closed || len(bytes.TrimSpace(inner)) == 0 {
		return nil, wrong("has %s for a vector", kindOf(raw))
	}
	n := bytes.Count(inner, []byte(",")) + 1
	if n > maxDimensions {
		return nil, wrong("has a vector of %d numbers; at most %d are taken", n, maxDimensions)
	}
	out := make([]float32, 0, n)
	var sum float64
	for item := range bytes.SplitSeq(inner, []byte(",")) {
		x, err := strconv.ParseFloat(string(bytes.TrimSpace(item)), 64)
		if err != nil || math.IsNaN(x) || math.Abs(x) > math.MaxFloat32 {
			return nil, wrong("has %q in a vector, which is no finite number", catalog.Clip(string(item), maxMessage))
		}
		out = append(out, float32(x))
		sum += x * x
	}
	if !(sum > 1e-12) {
		return nil, wrong("has a vector of nothing but zeros")
	}
	norm := float32(1 / math.Sqrt(sum))
	for i := range out {
		out[i] *= norm
	}
	return out, nil
}

// kindOf names what stands where a vector should.
func kindOf(raw []byte) string {
	switch raw = bytes.TrimSpace(raw); {
	case len(raw) == 0, bytes.Equal(raw, []byte("null")):
		return "nothing"
	case raw[0] == '"':
		return "a text"
	case raw[0] == '[':
		return "an empty list"
	}
	return "no list of numbers"
}
