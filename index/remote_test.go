package index

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"toolrouter/index/embed"
	"toolrouter/internal/catalog"
)

// raised is the built-in model with all its cosines moved towards 1, as those of
// many models are. It stands for one outside the process.
type raised struct {
	*embed.Model
	fails error
	asked int
}

func (r *raised) Ask(ctx context.Context, texts []string) ([][]float32, error) {
	r.asked++
	if r.fails != nil {
		return nil, r.fails
	}
	return r.vectors(ctx, texts)
}

func (r *raised) Waits() string { return "1 of 2 tools are embedded so far" }

func (r *raised) vectors(ctx context.Context, texts []string) ([][]float32, error) {
	all, err := r.Embed(ctx, texts)
	for i := range all {
		all[i] = append(slices.Clone(all[i]), 1) // as long as the rest of it
	}
	return all, err
}

// remoteVectors are the vectors of tools, by a raised model.
func (r *raised) remoteVectors(t *testing.T, x *Index, tools []*catalog.Tool) *RemoteVectors {
	t.Helper()
	var texts []string
	var ids []catalog.ID
	for _, tool := range tools {
		texts, ids = append(texts, x.RemoteText(tool)), append(ids, tool.ID)
	}
	queries, answers := CalibrationTexts()
	vectors := func(texts []string) [][]float32 {
		all, err := r.vectors(t.Context(), texts)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	levels, err := MeasureLevels(vectors(queries), vectors(answers))
	if err != nil {
		t.Fatal(err)
	}
	var encoded [][]byte
	for _, v := range vectors(texts) {
		encoded = append(encoded, EncodeVector(v))
	}
	got, err := NewRemoteVectors(ids, encoded, r.Dim()+1, levels)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func withModel(t *testing.T, tools []*catalog.Tool) (*Index, *raised) {
	t.Helper()
	x := wholeIndex(t, tools)
	r := &raised{Model: x.opts.Embedder.(*embed.Model)}
	x.SetRemote(r)
	return x, r
}

func TestRemote(t *testing.T) {
	tools := household(t).Tools
	x, r := withModel(t, tools)
	q := catalog.Query{Text: "buy something for dinner", Limit: 5}
	built := search(t, x, q)
	if built.Note != "meaning search fell back to the built-in model: 1 of 2 tools are embedded so far" || r.asked != 0 {
		t.Errorf("before there are vectors: note %q, asked %d times", built.Note, r.asked)
	}
	if err := x.SetRemoteVectors(t.Context(), r.remoteVectors(t, x, tools)); err != nil {
		t.Fatal(err)
	}
	if got := search(t, x, q); got.Note != "" || r.asked != 1 || len(got.Hits) == 0 {
		t.Errorf("with vectors: note %q, asked %d times, %d hits", got.Note, r.asked, len(got.Hits))
	}
	r.fails = errors.New("the embeddings endpoint timed out")
	failed := search(t, x, q)
	if !strings.HasSuffix(failed.Note, "built-in model: the embeddings endpoint timed out") || !slices.Equal(hits(failed), hits(built)) {
		t.Errorf("after a failure: note %q, hits %q, want those of the built-in model %q", failed.Note, hits(failed), hits(built))
	}
	r.fails = nil
	change := catalog.Change{Server: "new", Seq: 2, Upserted: []*catalog.Tool{makeTool(t, "new", "x", "Something new.")}}
	if err := x.Update(t.Context(), change); err != nil {
		t.Fatal(err)
	}
	if got := search(t, x, q); !strings.Contains(got.Note, "so far") {
		t.Errorf("with a tool that has no vector: note %q", got.Note)
	}
	if err := x.SetRemoteVectors(t.Context(), r.remoteVectors(t, x, append(tools[1:len(tools):len(tools)], change.Upserted...))); err != nil {
		t.Fatal(err)
	}
	if err := x.Update(t.Context(), catalog.Change{Server: tools[0].ID.Server, Seq: 3, Removed: []catalog.ID{tools[0].ID}}); err != nil {
		t.Fatal(err)
	}
	if got := search(t, x, q); got.Note != "" {
		t.Errorf("with vectors of exactly the catalogue: note %q", got.Note)
	}
	if err := x.SetRemoteVectors(t.Context(), nil); err != nil || search(t, x, q).Note == "" {
		t.Errorf("without vectors again: %v", err)
	}
}

// Cosines of a model with another scale come out where the built-in one's are.
func TestRemoteScale(t *testing.T) {
	tools := household(t).Tools
	x, r := withModel(t, tools)
	if err := x.SetRemoteVectors(t.Context(), r.remoteVectors(t, x, tools)); err != nil {
		t.Fatal(err)
	}
	v, err := x.acquire()
	if err != nil {
		t.Fatal(err)
	}
	defer v.release()
	query := "what is left in the fridge"
	got, note, ok := x.remoteMeantAll(t.Context(), v, []string{query})
	if !ok || note != "" {
		t.Fatalf("remoteMeantAll: %q, %v", note, ok)
	}
	for _, tool := range tools {
		number := slices.IndexFunc(v.docs, func(d doc) bool { return d.id == tool.ID })
		plain, err := r.Embed(t.Context(), []string{query, x.RemoteText(tool)})
		if err != nil {
			t.Fatal(err)
		}
		if want := closeness(plain[0], plain[1]); math.Abs(want-float64(got[0][number])) > 0.03 {
			t.Errorf("%s has cosine %.3f, want about %.3f", tool.ID, got[0][number], want)
		}
	}
}

func TestRemoteWrongAnswers(t *testing.T) {
	tools := household(t).Tools
	x, r := withModel(t, tools)
	if err := x.SetRemoteVectors(t.Context(), r.remoteVectors(t, x, tools)); err != nil {
		t.Fatal(err)
	}
	for name, answer := range map[string][][]float32{"too short": {{1, 2}}, "none": {}, "nil": {nil}} {
		x.SetRemote(fixed(answer))
		if got := search(t, x, catalog.Query{Text: "find a recipe for dinner", Limit: 3}); !strings.Contains(got.Note, "another length") || len(got.Hits) == 0 {
			t.Errorf("%s: note %q, %d hits", name, got.Note, len(got.Hits))
		}
	}
	if _, err := NewRemoteVectors([]catalog.ID{{}}, [][]byte{{1, 2}}, 3, Levels{}); err == nil {
		t.Error("a vector of another length was taken")
	}
}

// fixed answers every query alike.
type fixed [][]float32

func (f fixed) Ask(context.Context, []string) ([][]float32, error) { return f, nil }
func (f fixed) Waits() string                                      { return "" }

func TestLevels(t *testing.T) {
	x, _ := withModel(t, nil)
	own, err := x.ownLevels(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("built-in model: %+v", own)
	if math.Abs(own.Nothing-usualLevels.Nothing) > 0.1 || math.Abs(own.Match-usualLevels.Match) > 0.1 {
		t.Errorf("the built-in model has %+v: bring usualLevels, %+v, up to it", own, usualLevels)
	}
	same := make([][]float32, len(calibration))
	for i := range same {
		same[i] = []float32{1, 0.5}
	}
	if _, err := MeasureLevels(same, same); err == nil {
		t.Error("a model that gives everything the same vector was taken")
	}
	if _, err := MeasureLevels(nil, nil); err == nil {
		t.Error("no vectors were taken")
	}
}

func BenchmarkRemote(b *testing.B) {
	const tools, dim = 4633, 1536
	v := &view{docs: make([]doc, tools), live: tools}
	ids, encoded := make([]catalog.ID, tools), make([][]byte, tools)
	query := make([]float32, dim)
	for i := range tools {
		vector := make([]float32, dim)
		for j := range vector {
			vector[j] = float32(math.Sin(float64(i*dim + j)))
			query[j] = vector[j]
		}
		ids[i] = catalog.ID{Server: "s", Tool: strings.Repeat("x", i%9) + string(rune('a'+i))}
		v.docs[i].id, encoded[i] = ids[i], EncodeVector(vector)
	}
	vectors, err := NewRemoteVectors(ids, encoded, dim, usualLevels)
	if err != nil {
		b.Fatal(err)
	}
	x := &Index{}
	x.SetRemote(fixed{query})
	if err := x.SetRemoteVectors(b.Context(), vectors); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, note, ok := x.remoteMeantAll(b.Context(), v, []string{"q"}); !ok {
			b.Fatal(note)
		}
	}
}
