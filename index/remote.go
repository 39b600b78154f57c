package index

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"toolrouter/internal/catalog"
)

// Remote makes vectors of queries with a model outside the process. It may be
// asked from any number of goroutines.
type Remote interface {
	// Ask gives a unit vector for each text, within a deadline of its own. The
	// error is told to whoever searches: a few words, nothing from outside.
	Ask(ctx context.Context, texts []string) ([][]float32, error)
	// Waits says, likewise in a few words, why tools have no vectors yet.
	Waits() string
}

// RemoteVectors are the vectors that a Remote's model has for the tools of a
// catalogue. They never change.
type RemoteVectors struct {
	ids     []catalog.ID // by row
	vectors vectors
	levels  Levels
}

// NewRemoteVectors makes a set of vectors as EncodeVector gives them. A tool
// with an empty one counts as known and is near to nothing.
func NewRemoteVectors(ids []catalog.ID, encoded [][]byte, dim int, l Levels) (*RemoteVectors, error) {
	if len(ids) != len(encoded) {
		return nil, fmt.Errorf("%d vectors for %d tools", len(encoded), len(ids))
	}
	r := &RemoteVectors{ids: ids, vectors: vectors{dim: dim}, levels: l}
	for row, v := range encoded {
		if len(v) != 0 && len(v) != dim {
			return nil, fmt.Errorf("vector of %s has length %d, wanted is %d", ids[row], len(v), dim)
		}
		r.vectors.set(row, v)
	}
	return r, nil
}

// remoteArm is the model outside the process, if there is one.
type remoteArm struct {
	model   atomic.Pointer[Remote]
	vectors atomic.Pointer[scaledVectors]
	aligned atomic.Pointer[alignment]
}

// scaledVectors are vectors with what brings their cosines to the common scale.
type scaledVectors struct {
	*RemoteVectors
	scale line
}

// alignment says which row of a set of vectors belongs to which document of a
// view. It is found again when either changes.
type alignment struct {
	view    *view
	vectors *scaledVectors
	docs    []int32 // by row; -1 for a tool that is not in the view
	missing int     // documents without a row
}

// SetRemote makes a model outside the process the one that searches ask for
// meaning, as soon as SetRemoteVectors has brought the vectors of every tool;
// until then, and where it fails, the built-in model answers and Found.Note says
// why. It is called once, before the first search.
func (x *Index) SetRemote(r Remote) { x.remote.model.Store(&r) }

// SetRemoteVectors brings the vectors of the tools of a catalogue, in place of
// those before. nil takes them away. Searches that run end with what they have.
func (x *Index) SetRemoteVectors(ctx context.Context, r *RemoteVectors) error {
	if r == nil {
		x.remote.vectors.Store(nil)
		x.remote.aligned.Store(nil)
		return nil
	}
	own, err := x.ownLevels(ctx)
	if err != nil {
		return err
	}
	x.remote.vectors.Store(&scaledVectors{r, lineBetween(r.levels, own)})
	return nil
}

// RemoteText is what of a tool a model outside the process is given. Such models
// read more than the one in the binary, and read it as text.
func (x *Index) RemoteText(t *catalog.Tool) string {
	text := t.ID.Server + ": " + t.ID.Tool
	if t.Title != "" && foldName(t.Title) != foldName(t.ID.Tool) {
		text += "\n" + clip(t.Title, maxParamText)
	}
	if said := x.said(t.ID).String(); said != "" {
		text += "\n" + clip(said, maxRemoteText)
	}
	return text + "\n" + clip(t.Description, maxRemoteText)
}

// maxRemoteText bounds a description that is sent: small models take 512 tokens.
const maxRemoteText = 1200

// remoteMeantAll gives the cosine of every document with each of some texts, by
// the model outside the process and on the built-in one's scale. ok is false if
// there is none or it has no answer; note then says why, "" if there is none.
func (x *Index) remoteMeantAll(ctx context.Context, v *view, texts []string) (cosines [][]float32, note string, ok bool) {
	model := x.remote.model.Load()
	if model == nil {
		return nil, "", false
	}
	a := x.remote.align(v)
	if a == nil || a.missing > 0 {
		return nil, x.fallback((*model).Waits()), false
	}
	queries, err := (*model).Ask(ctx, texts)
	if err == nil {
		cosines, err = a.cosines(queries, len(texts))
	}
	if err != nil {
		return nil, x.fallback(err.Error()), false
	}
	return cosines, "", true
}

// fallback is the note for a search that had to do without the model outside.
func (x *Index) fallback(why string) string {
	if x.opts.Embedder == nil {
		return "meaning was not searched, only words: " + why
	}
	return "meaning search fell back to the built-in model: " + why
}

// align finds the documents of the vectors in a view; nil without vectors.
func (r *remoteArm) align(v *view) *alignment {
	vectors := r.vectors.Load()
	if vectors == nil {
		return nil
	}
	if a := r.aligned.Load(); a != nil && a.view == v && a.vectors == vectors {
		return a
	}
	a := &alignment{view: v, vectors: vectors, docs: make([]int32, len(vectors.ids)), missing: v.live}
	rows := make(map[catalog.ID]int, len(vectors.ids))
	for row, id := range vectors.ids {
		rows[id], a.docs[row] = row, -1
	}
	for number := range v.docs {
		if id := v.docs[number].id; id.Tool != "" {
			if row, ok := rows[id]; ok {
				a.docs[row] = int32(number)
				a.missing--
			}
		}
	}
	r.aligned.Store(a)
	return a
}

var errLength = errors.New("the embeddings endpoint gave vectors of another length than before")

// cosines compares queries with every document.
func (a *alignment) cosines(queries [][]float32, wanted int) ([][]float32, error) {
	if len(queries) != wanted {
		return nil, errLength
	}
	out := make([][]float32, len(queries))
	for i, q := range queries {
		if len(q) != a.vectors.vectors.dim {
			return nil, errLength
		}
		out[i] = make([]float32, len(a.view.docs))
		a.vectors.vectors.cosines(q, func(row int, cosine float64) {
			if number := a.docs[row]; number >= 0 {
				out[i][number] = float32(a.vectors.scale.at(cosine))
			}
		})
	}
	return out, nil
}
