package index

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/index/scorch"
	"github.com/blevesearch/bleve/v2/mapping"

	"toolrouter/internal/catalog"
)

// layout names what documents look like and how text becomes terms. An index
// with another one is rebuilt.
const layout = "4"

// What is committed beside the documents.
const (
	keyLayout = "layout"
	keySeq    = "seq"
	keyModel  = "model" // that made the vectors
)

// batchSize is how many documents are committed at a time.
const batchSize = 500

// Embedder turns texts into vectors of one length. Name changes whenever a text
// would get another vector.
type Embedder interface {
	Name() string
	Dim() int
	Embed(ctx context.Context, texts []string) ([][]float32, error)
}

// Options are an Index's settings. The zero value searches by words alone.
type Options struct {
	Embedder Embedder     // nil leaves the meaning out
	Log      *slog.Logger // nil logs nothing
}

// Index is an open index. Search may be called from any number of goroutines,
// Update and Rebuild from one at a time, beside them.
type Index struct {
	dir  string // of the generations; "" in memory
	opts Options
	log  *slog.Logger
	view atomic.Pointer[view]
	seq  atomic.Uint64

	remote   remoteArm
	operator operatorArm

	mu      sync.Mutex // held by writers
	current generation
}

// generation is one index on disk, or in memory.
type generation struct {
	number int
	path   string // "" in memory
	ix     bleve.Index
}

// Open opens the newest generation in dir that can be used, or an empty index if
// there is none; "" keeps the index in memory, and so does a folder that takes no
// new one, as on a full disk. The caller must own dir: bleve waits for another
// process that holds an index.
func Open(dir string, o Options) (*Index, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	x := &Index{dir: dir, opts: o, log: o.Log}
	err := x.open()
	if err != nil && dir != "" {
		x.log.Error("index cannot be written and is kept in memory until the next start", "path", dir, "err", err)
		x.dir = ""
		err = x.open()
	}
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	return x, nil
}

// open takes the newest generation into use that can be, else a new one.
func (x *Index) open() error {
	number := 0
	if x.dir != "" {
		if err := makeDir(x.dir); err != nil {
			return err
		}
		for i, n := range generations(x.dir) {
			if i == 0 {
				number = n
			}
			if x.openGeneration(n) == nil {
				x.removeOthers(n)
				return nil
			}
		}
	}
	if err := x.begin(number + 1); err != nil {
		return err
	}
	x.removeOthers(number + 1)
	return nil
}

// makeDir makes the folder of the generations. Something else that stands in its
// place is moved aside: the index is made of what is kept elsewhere.
func makeDir(dir string) error {
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		if err := os.Rename(dir, dir+".damaged-"+time.Now().UTC().Format("20060102T150405.000")); err != nil {
			return err
		}
	}
	return os.MkdirAll(dir, 0o700)
}

// generations lists what is in dir, the newest first.
func generations(dir string) (numbers []int) {
	entries, _ := os.ReadDir(dir) // a folder that cannot be read is noticed when it is written
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil && n > 0 {
			numbers = append(numbers, n)
		}
	}
	slices.SortFunc(numbers, func(a, b int) int { return b - a })
	return numbers
}

func (x *Index) path(number int) string {
	if x.dir == "" {
		return ""
	}
	return filepath.Join(x.dir, strconv.Itoa(number))
}

// openGeneration takes a generation that is there into use.
func (x *Index) openGeneration(number int) error {
	path := x.path(number)
	err := guarded(func() error { return x.tryGeneration(number, path) })
	if err != nil {
		x.log.Warn("index cannot be used", "path", path, "err", err)
	}
	return err
}

func (x *Index) tryGeneration(number int, path string) error {
	if err := checkSegments(path); err != nil {
		return err
	}
	ix, err := bleve.OpenUsing(path, map[string]any{"bolt_timeout": "2s"})
	if err != nil {
		return err
	}
	if got, _ := ix.GetInternal([]byte(keyLayout)); string(got) != layout {
		return errors.Join(fmt.Errorf("its layout is %q, wanted is %q", got, layout), ix.Close())
	}
	if err := x.publish(generation{number, path, ix}); err != nil {
		return errors.Join(err, ix.Close())
	}
	return nil
}

// begin starts an empty generation and takes it into use.
func (x *Index) begin(number int) error {
	g, err := x.create(number)
	if err != nil {
		return err
	}
	b := g.ix.NewBatch()
	x.stamp(b, 0)
	err = g.ix.Batch(b)
	if err == nil {
		err = x.publish(g)
	}
	if err != nil {
		return errors.Join(err, x.discard(g))
	}
	return nil
}

// discard closes a generation that did not come to be, and leaves nothing of it.
func (x *Index) discard(g generation) error {
	err := g.ix.Close()
	if g.path != "" {
		err = errors.Join(err, os.RemoveAll(g.path))
	}
	return err
}

func (x *Index) create(number int) (generation, error) {
	path := x.path(number)
	if path != "" {
		if err := os.RemoveAll(path); err != nil {
			return generation{}, err
		}
	}
	m := mapping.NewIndexMapping()
	m.ScoringModel = "bm25" // makes scorch keep lengths
	ix, err := bleve.NewUsing(path, m, scorch.Name, scorch.Name, map[string]any{"bolt_timeout": "2s"})
	if err != nil && path != "" {
		err = errors.Join(err, os.RemoveAll(path))
	}
	return generation{number, path, ix}, err
}

// stamp makes a batch carry what it brings the index to.
func (x *Index) stamp(b *bleve.Batch, seq uint64) {
	b.SetInternal([]byte(keyLayout), []byte(layout))
	b.SetInternal([]byte(keySeq), binary.BigEndian.AppendUint64(nil, seq))
	b.SetInternal([]byte(keyModel), []byte(x.Embedder()))
	b.SetInternal([]byte(keyWords), []byte(x.wordsDigest()))
}

func (x *Index) dim() int {
	if x.opts.Embedder == nil {
		return 0
	}
	return x.opts.Embedder.Dim()
}

// publish shows searches the state of a generation.
func (x *Index) publish(g generation) error {
	v, err := newView(g.ix, x.Embedder(), x.dim())
	if err != nil {
		return err
	}
	x.current = g
	x.seq.Store(x.reflects(v))
	if old := x.view.Swap(v); old != nil {
		old.release()
	}
	return nil
}

// removeOthers deletes every generation but one.
func (x *Index) removeOthers(keep int) {
	if x.dir == "" {
		return
	}
	for _, n := range generations(x.dir) {
		if n != keep {
			if err := os.RemoveAll(x.path(n)); err != nil {
				x.log.Warn("old index cannot be removed", "path", x.path(n), "err", err)
			}
		}
	}
}

// Seq is the store's sequence number that the index reflects, 0 if it reflects
// none.
func (x *Index) Seq() uint64 { return x.seq.Load() }

// Len is the number of tools in the index.
func (x *Index) Len() int { return x.view.Load().live }

// Embedder names the model behind the vectors, "" if there is none.
func (x *Index) Embedder() string {
	if x.opts.Embedder == nil {
		return ""
	}
	return x.opts.Embedder.Name()
}

// Update takes in a change. The index must reflect the sequence number before it.
func (x *Index) Update(ctx context.Context, c catalog.Change) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	b := x.current.ix.NewBatch()
	for _, id := range c.Removed {
		b.Delete(idOf(id))
	}
	tools := c.Upserted
	if c.All != nil {
		tools = c.All // what they have in common, or their server says, may be another now
	}
	f := filler{newAnalyzer(), func(string) catalog.ServerText { return c.About }, x.said, commonParams(tools)}
	if err := x.fill(ctx, b, f, tools); err != nil {
		return err
	}
	x.stamp(b, c.Seq)
	if err := x.current.ix.Batch(b); err != nil {
		return fmt.Errorf("index %s: %w", c.Server, err)
	}
	return x.publish(x.current)
}

// filler is what is needed to make documents of tools.
type filler struct {
	*analyzer
	about  func(server string) catalog.ServerText
	said   func(catalog.ID) catalog.Words // what the operator adds
	common map[string]map[string]bool     // by server
}

// of is what is said of a tool beside its definition.
func (f filler) of(t *catalog.Tool) surroundings {
	return surroundings{f.about(t.ID.Server), f.said(t.ID).String(), f.common[t.ID.Server]}
}

// fill adds tools to a batch.
func (x *Index) fill(ctx context.Context, b *bleve.Batch, f filler, tools []*catalog.Tool) error {
	encoded, err := x.embed(ctx, tools, f)
	if err != nil {
		return err
	}
	for i, t := range tools {
		if err := b.IndexAdvanced(newDocument(f.analyzer, t, f.of(t), encoded[i])); err != nil {
			return fmt.Errorf("index %s: %w", t.ID, err)
		}
	}
	return nil
}

// Rebuild makes a new generation beside the one in use, which answers searches
// until the new one takes its place. progress may be nil; it is called by this
// goroutine.
func (x *Index) Rebuild(ctx context.Context, tools []*catalog.Tool, servers map[string]catalog.ServerText, seq uint64, progress func(done, total int)) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	next, err := x.create(x.current.number + 1)
	if err == nil {
		err = x.build(ctx, next, tools, servers, seq, progress)
		if err == nil {
			err = x.replace(next)
		}
		if err != nil {
			err = errors.Join(err, x.discard(next))
		}
	}
	if err != nil {
		return fmt.Errorf("rebuild index: %w", err)
	}
	return nil
}

func (x *Index) build(ctx context.Context, g generation, tools []*catalog.Tool, servers map[string]catalog.ServerText, seq uint64, progress func(done, total int)) error {
	f := filler{newAnalyzer(), func(server string) catalog.ServerText { return servers[server] }, x.said, commonParams(tools)}
	for done := 0; ; {
		n := min(batchSize, len(tools)-done)
		b := g.ix.NewBatch()
		if err := x.fill(ctx, b, f, tools[done:done+n]); err != nil {
			return err
		}
		done += n
		if done == len(tools) {
			x.stamp(b, seq) // with the last ones: a half-built index counts as none
		}
		if err := g.ix.Batch(b); err != nil {
			return err
		}
		if progress != nil {
			progress(done, len(tools))
		}
		if done == len(tools) {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// replace swaps generations and removes the old one. Searches that still read
// the old view keep its files alive until they are done.
func (x *Index) replace(next generation) error {
	old := x.current
	if err := x.publish(next); err != nil {
		return err
	}
	if err := old.ix.Close(); err != nil {
		x.log.Warn("close old index", "err", err)
	}
	x.removeOthers(next.number)
	return nil
}

// ErrClosed is the error of a search after Close.
var ErrClosed = errors.New("the index is closed")

// Close ends the index. No search may run.
func (x *Index) Close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.view.Load().release()
	return x.current.ix.Close()
}
