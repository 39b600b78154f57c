package remote

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"toolrouter/index"
	"toolrouter/internal/catalog"
)

const (
	defaultChunk = 256 // texts between two looks at the progress
	maxRefused   = 50  // texts that an endpoint may find too long, or the like

	firstRetry   = 2 * time.Second
	longestRetry = 5 * time.Minute
)

// Model makes vectors of texts. A [Client] is one.
type Model interface {
	Name() string  // under which vectors are kept
	Label() string // for people
	Dim() int      // of the vectors, 0 while it is not known
	AsQuery(text string) string
	AsDocument(text string) string
	Embed(ctx context.Context, texts []string) ([][]float32, error)
}

// Store keeps vectors by model and by hash of their text.
type Store interface {
	Vectors(ctx context.Context, model string) (map[string][]byte, error)
	PutVectors(ctx context.Context, model string, byHash map[string][]byte) error
	PruneVectors(ctx context.Context, model string, keep func(hash string) bool) error
}

// Index searches with the vectors. It is told of them when they are complete.
type Index interface {
	SetRemoteVectors(context.Context, *index.RemoteVectors) error
}

// Document is a tool as it is embedded.
type Document struct {
	ID   catalog.ID
	Text string
}

// FillerOptions are what a Filler works with. Documents is called by one
// goroutine and gives what the catalogue holds now.
type FillerOptions struct {
	Model     Model
	Store     Store
	Index     Index
	Documents func() []Document
	Timeout   time.Duration // for the vector of a query; 0 is 300 ms
	Chunk     int           // texts that are asked for, and stored, at a time; 0 is 256
	Log       *slog.Logger  // nil logs nothing
}

// Filler keeps the vectors of a catalogue complete, and asks for those of
// queries. Load and Run are called once each, in this order and by one goroutine;
// the other methods from any number of them. It is an index.Remote.
type Filler struct {
	o     FillerOptions
	log   *slog.Logger
	asker *asker
	dirty chan struct{} // cap 1: the catalogue changed

	mu       sync.Mutex // guards what follows
	progress progress
}

// progress is how far the vectors are.
type progress struct {
	done, total int // tools
	refused     int // of done: tools whose text the endpoint does not take
	dim         int // of the vectors that searches use, 0 if they use none
	err         error
	since       time.Time // of err
}

// NewFiller makes a Filler. Nothing is loaded or asked yet.
func NewFiller(o FillerOptions) *Filler {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Chunk <= 0 {
		o.Chunk = defaultChunk
	}
	f := &Filler{o: o, log: o.Log.With("model", o.Model.Label()), dirty: make(chan struct{}, 1)}
	f.asker = newAsker(o.Model.Embed, o.Timeout)
	return f
}

// Load takes the stored vectors into use if they are complete. Nothing is asked,
// so that a command which only searches need not wait for a Run.
func (f *Filler) Load(ctx context.Context) error {
	w, err := f.gather(ctx)
	if err == nil && len(w.missing) == 0 {
		err = f.publish(ctx, w)
	}
	return err
}

// Poke says that the catalogue has changed. It never blocks.
func (f *Filler) Poke() {
	select {
	case f.dirty <- struct{}{}:
	default:
	}
}

// Run fills what is missing, now and after every Poke, until the context ends.
// It returns when every request it made has ended. What fails is tried again
// after a while, longer each time.
func (f *Filler) Run(ctx context.Context) error {
	defer f.asker.close()
	for retry := firstRetry; ; {
		err := f.fill(ctx)
		if ctx.Err() != nil {
			return nil
		}
		f.failed(err)
		if err == nil {
			retry = firstRetry
			select {
			case <-ctx.Done():
				return nil
			case <-f.dirty:
			}
			continue
		}
		f.log.Warn("embedding stopped and will be tried again", "retry_in", retry, "err", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(retry + rand.N(retry/4)):
		}
		retry = min(2*retry, longestRetry)
	}
}

// failed notes how a fill ended.
func (f *Filler) failed(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil {
		f.progress.err = nil
		return
	}
	if f.progress.err == nil {
		f.progress.since = time.Now()
	}
	f.progress.err = err
}

// fill brings the vectors up to the catalogue and gives them to the index.
func (f *Filler) fill(ctx context.Context) error {
	w, err := f.gather(ctx)
	if err != nil {
		return err
	}
	began, missing := time.Now(), len(w.missing)
	if missing > 0 {
		f.log.Info("embedding", "texts", missing, "tools", w.total())
	}
	for said := began; len(w.missing) > 0; {
		n := min(f.o.Chunk, len(w.missing))
		if err := f.embed(ctx, w, w.missing[:n]); err != nil {
			return err
		}
		w.missing = w.missing[n:]
		f.count(w)
		if len(w.missing) > 0 && time.Since(said) > 10*time.Second {
			said = time.Now()
			f.log.Info("embedding", "done", missing-len(w.missing), "texts", missing)
		}
	}
	if err := f.publish(ctx, w); err != nil {
		return err
	}
	if missing > 0 {
		f.log.Info("embedded", "texts", missing, "dur", time.Since(began).Round(time.Millisecond))
	}
	if err := f.prune(ctx, w); err != nil { // the next one gets them too
		f.log.Warn("vectors that are no longer wanted stay", "err", err)
	}
	return nil
}

// work is one state of the catalogue on its way to vectors.
type work struct {
	queries, tools []string // hashes of the calibration texts
	docs           []Document
	hashes         []string          // of docs
	texts          map[string]string // everything that is wanted, by hash
	missing        []string          // hashes without a vector
	kept           map[string][]byte // vectors by hash, also those no longer wanted; empty for a refused text
	refused        int
}

func (w *work) total() int { return len(w.docs) }

// want adds a text and gives its hash.
func (w *work) want(text string) string {
	hash := hashOf(text)
	if _, seen := w.texts[hash]; !seen {
		w.texts[hash] = text
		if w.kept[hash] == nil {
			w.missing = append(w.missing, hash)
		}
	}
	return hash
}

// hashOf is the key of a text in the store.
func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// gather finds out what the catalogue needs and what of it is stored. The
// calibration texts come first: an endpoint that does not take these takes none.
func (f *Filler) gather(ctx context.Context) (*work, error) {
	m := f.o.Model
	kept, err := f.o.Store.Vectors(ctx, m.Name())
	if err != nil {
		return nil, err
	}
	w := &work{docs: f.o.Documents(), texts: map[string]string{}, kept: kept}
	queries, tools := index.CalibrationTexts()
	dim := m.Dim()
	if dim == 0 {
		dim = len(kept[hashOf(m.AsQuery(queries[0]))])
	}
	w.dropOthers(dim, f.log)
	for i := range queries {
		w.queries = append(w.queries, w.want(m.AsQuery(queries[i])))
		w.tools = append(w.tools, w.want(m.AsDocument(tools[i])))
	}
	for _, d := range w.docs {
		w.hashes = append(w.hashes, w.want(m.AsDocument(d.Text)))
	}
	f.count(w)
	return w, nil
}

// dropOthers leaves out vectors of another length than the model gives now, or
// than the first that was stored: it has become another one under the same name.
func (w *work) dropOthers(dim int, log *slog.Logger) {
	dropped := 0
	for hash, v := range w.kept {
		if len(v) != dim {
			delete(w.kept, hash)
			dropped++
		}
	}
	if dropped > 0 {
		log.Warn("the model gives vectors of another length than those kept, which are made anew", "dropped", dropped, "dim", dim)
	}
}

// embed asks for the vectors of some texts and stores them. If one of the texts
// is refused, it is found by halving, and does without a vector.
func (f *Filler) embed(ctx context.Context, w *work, hashes []string) error {
	texts := make([]string, len(hashes))
	for i, h := range hashes {
		texts[i] = w.texts[h]
	}
	vectors, err := f.o.Model.Embed(ctx, texts)
	var status *StatusError
	switch {
	case errors.As(err, &status) && status.refusesText() && w.calibrated():
		return f.refused(ctx, w, hashes, err)
	case err != nil:
		return err
	}
	fresh := make(map[string][]byte, len(hashes))
	for i, h := range hashes {
		fresh[h] = index.EncodeVector(vectors[i])
		w.kept[h] = fresh[h]
	}
	return f.o.Store.PutVectors(ctx, f.o.Model.Name(), fresh)
}

// calibrated reports whether the endpoint has taken the calibration texts, which
// nothing is wrong with.
func (w *work) calibrated() bool {
	for i := range w.queries {
		if w.kept[w.queries[i]] == nil || w.kept[w.tools[i]] == nil {
			return false
		}
	}
	return true
}

func (f *Filler) refused(ctx context.Context, w *work, hashes []string, err error) error {
	if len(hashes) > 1 {
		half := len(hashes) / 2
		if err := f.embed(ctx, w, hashes[:half]); err != nil {
			return err
		}
		return f.embed(ctx, w, hashes[half:])
	}
	if w.refused++; w.refused > maxRefused {
		return fmt.Errorf("more than %d texts were refused: %w", maxRefused, err)
	}
	w.kept[hashes[0]] = []byte{}
	f.log.Warn("the endpoint does not take a tool's text; the tool is found by its words alone", "tool", w.named(hashes[0]), "err", err)
	return nil
}

// named is a tool whose text has the hash.
func (w *work) named(hash string) string {
	for i, h := range w.hashes {
		if h == hash {
			return w.docs[i].ID.String()
		}
	}
	return ""
}

// count notes how many tools have a vector.
func (f *Filler) count(w *work) {
	done, refused := 0, 0
	for _, h := range w.hashes {
		switch v := w.kept[h]; {
		case v == nil:
		case len(v) == 0:
			refused++
			fallthrough
		default:
			done++
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.progress.done, f.progress.total, f.progress.refused = done, len(w.hashes), refused
}

// publish gives the index a complete set.
func (f *Filler) publish(ctx context.Context, w *work) error {
	levels, err := index.MeasureLevels(w.decoded(w.queries), w.decoded(w.tools))
	if err != nil {
		return fmt.Errorf("measure %s: %w", f.o.Model.Label(), err)
	}
	ids, encoded := make([]catalog.ID, len(w.docs)), make([][]byte, len(w.docs))
	for i, d := range w.docs {
		ids[i], encoded[i] = d.ID, w.kept[w.hashes[i]]
	}
	dim := len(w.kept[w.queries[0]])
	vectors, err := index.NewRemoteVectors(ids, encoded, dim, levels)
	if err == nil {
		err = f.o.Index.SetRemoteVectors(ctx, vectors)
	}
	if err != nil {
		return fmt.Errorf("search with vectors of %s: %w", f.o.Model.Label(), err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.progress.dim != dim {
		f.asker.forget()
	}
	f.progress.dim = dim
	return nil
}

func (w *work) decoded(hashes []string) [][]float32 {
	out := make([][]float32, len(hashes))
	for i, h := range hashes {
		out[i] = index.DecodeVector(w.kept[h])
	}
	return out
}

// prune forgets vectors of texts that are gone, and of other models, when there
// are enough of them to be worth a write.
func (f *Filler) prune(ctx context.Context, w *work) error {
	if len(w.kept)-len(w.texts) < len(w.texts)/8+1 {
		return nil
	}
	return f.o.Store.PruneVectors(ctx, f.o.Model.Name(), func(hash string) bool {
		_, wanted := w.texts[hash]
		return wanted
	})
}
