package index

import (
	"context"
	"strings"

	"toolrouter/internal/catalog"
)

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
		out[i] = EncodeVector(sum)
	}
	return out, nil
}

// What of a tool is embedded: later words of a long description are notes.
const (
	describeWords = 30  // of a description; flat from 25 to 40
	paramWords    = 12  // of each parameter's; flat from 8 to 20
	paramsMeaning = 0.4 // weight of the parameters; flat from 0.3 to 0.5
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
