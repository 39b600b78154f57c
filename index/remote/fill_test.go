package remote

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"toolrouter/index"
	"toolrouter/internal/catalog"
)

// memory is a store in maps.
type memory struct {
	mu     sync.Mutex
	models map[string]map[string][]byte
	puts   int
}

func (m *memory) Vectors(_ context.Context, model string) (map[string][]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[string][]byte{}
	maps.Copy(out, m.models[model])
	return out, nil
}

func (m *memory) PutVectors(_ context.Context, model string, byHash map[string][]byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.models[model] == nil {
		m.models[model] = map[string][]byte{}
	}
	maps.Copy(m.models[model], byHash)
	m.puts++
	return nil
}

func (m *memory) PruneVectors(_ context.Context, model string, keep func(string) bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.models, func(name string, _ map[string][]byte) bool { return name != model })
	maps.DeleteFunc(m.models[model], func(hash string, _ []byte) bool { return !keep(hash) })
	return nil
}

func (m *memory) size() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, vectors := range m.models {
		n += len(vectors)
	}
	return n
}

// shelf is an index that only takes vectors.
type shelf struct {
	mu  sync.Mutex
	got []*index.RemoteVectors
}

func (s *shelf) SetRemoteVectors(_ context.Context, v *index.RemoteVectors) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, v)
	return nil
}

func (s *shelf) sets() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.got)
}

func documents(n int) []Document {
	docs := make([]Document, n)
	for i := range docs {
		docs[i] = Document{catalog.ID{Server: "s", Tool: fmt.Sprint("tool", i)}, strings.Repeat(string(rune('a'+i%26)), i/26+1)}
	}
	return docs
}

// bed is a Filler between a real endpoint and a store and index of its own.
type bed struct {
	*Filler
	store *memory
	index *shelf
	mu    sync.Mutex
	docs  []Document
	calls int // requests so far
	fail  http.HandlerFunc
}

func (b *bed) requests() (n int) {
	b.set(func() { n = b.calls })
	return n
}

func (b *bed) set(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}

func newBed(t *testing.T, n int) *bed {
	t.Helper()
	b := &bed{store: &memory{models: map[string]map[string][]byte{}}, index: &shelf{}, docs: documents(n)}
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var fail http.HandlerFunc
		b.set(func() { b.calls++; fail = b.fail })
		if fail != nil {
			fail(w, r)
			return
		}
		answerTo(w, r)
	})
	b.Filler = b.filler(client(t, Options{URL: s.URL, Model: "letters", Batch: 50}))
	return b
}

func (b *bed) filler(m Model) *Filler {
	return NewFiller(FillerOptions{Model: m, Store: b.store, Index: b.index, Chunk: 100, Timeout: 5 * time.Second, Documents: func() (docs []Document) {
		b.set(func() { docs = slices.Clone(b.docs) })
		return docs
	}})
}

// run lets the Filler work until the test ends or the function is called.
func (b *bed) run(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }() // ends with ctx; awaited by stop
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

const calibrations = 48

func TestFill(t *testing.T) {
	b := newBed(t, 1000)
	if err := b.Load(t.Context()); err != nil || b.index.sets() != 0 || b.requests() != 0 {
		t.Fatalf("Load of nothing: %v, %d sets, %d requests", err, b.index.sets(), b.requests())
	}
	if s := b.Status(); !strings.HasSuffix(s.String(), ": 0 of 1,000") || b.Waits() != "0 of 1,000 tools are embedded so far" {
		t.Errorf("status %s, waits %s", s, b.Waits())
	}
	stop := b.run(t)
	await(t, "complete", func() bool { return b.index.sets() == 1 })
	if s := b.Status(); s.Done != 1000 || s.Dim != 26 || s.Problem != "" || strings.Contains(s.String(), " of ") {
		t.Errorf("status %+v", s)
	}
	if n := b.store.size(); n != 1000+calibrations || b.store.puts != 11 {
		t.Errorf("%d vectors are stored in %d writes, want %d in 11", n, b.store.puts, 1000+calibrations)
	}
	requests := b.requests()
	b.set(func() { b.docs = append(b.docs[:500:500], Document{catalog.ID{Server: "new", Tool: "x"}, "xyzzy"}) })
	b.Poke()
	await(t, "the change", func() bool { return b.index.sets() == 2 })
	if b.requests() != requests+1 {
		t.Errorf("one new text took %d requests", b.requests()-requests)
	}
	await(t, "old ones are forgotten", func() bool { return b.store.size() == 501+calibrations })
	stop()

	again := b.filler(b.o.Model) // the next start
	requests = b.requests()
	if err := again.Load(t.Context()); err != nil || b.index.sets() != 3 || b.requests() != requests {
		t.Errorf("Load: %v, %d sets, %d requests", err, b.index.sets(), b.requests()-requests)
	}
}

// What was embedded before a failure is not embedded again.
func TestFillGoesOnAfterAFailure(t *testing.T) {
	b := newBed(t, 1000)
	b.fail = func(w http.ResponseWriter, r *http.Request) {
		if b.requests() > 9 {
			http.Error(w, `{"error":{"message":"over quota"}}`, http.StatusPaymentRequired)
			return
		}
		answerTo(w, r)
	}
	if err := b.fill(t.Context()); err == nil || !strings.Contains(err.Error(), "402 Payment Required: over quota") {
		t.Fatalf("fill: %v", err)
	} else {
		b.failed(err)
	}
	s := b.Status()
	if s.Done < 300 || s.Done >= 1000 || s.Since.IsZero() || !strings.Contains(s.Problem, "over quota") || b.index.sets() != 0 {
		t.Errorf("status %+v, %d sets", s, b.index.sets())
	}
	if got := b.Waits(); !strings.HasPrefix(got, "the embeddings endpoint answered 402, and ") || strings.Contains(got, "quota") {
		t.Errorf("waits: %q", got)
	}
	b.fail = nil
	before := b.requests()
	if err := b.fill(t.Context()); err != nil || b.index.sets() != 1 || b.requests()-before > 15 {
		t.Errorf("fill: %v after %d requests", err, b.requests()-before)
	}
}

// One text that is refused does not keep the others from being searched.
func TestFillWithoutARefusedText(t *testing.T) {
	b := newBed(t, 300)
	b.docs[123].Text = "too long"
	b.fail = func(w http.ResponseWriter, r *http.Request) {
		body := new(strings.Builder)
		r.Body = tee{r.Body, body}
		rec := &discard{header: http.Header{}}
		answerTo(rec, r)
		if strings.Contains(body.String(), "too long") {
			http.Error(w, "maximum context length", http.StatusBadRequest)
			return
		}
		w.Write(rec.body)
	}
	if err := b.fill(t.Context()); err != nil || b.index.sets() != 1 {
		t.Fatalf("fill: %v", err)
	}
	if s := b.Status(); s.Refused != 1 || s.Done != 300 || !strings.Contains(s.String(), "1 of 300 tools refused") {
		t.Errorf("status %+v %s", s, s)
	}
	if n := b.store.size(); n != 299+calibrations {
		t.Errorf("%d vectors are stored", n)
	}
	b.fail = func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no such model", http.StatusBadRequest) }
	b.store.models = map[string]map[string][]byte{}
	before := b.requests()
	if err := b.fill(t.Context()); err == nil || b.requests()-before > 5 {
		t.Errorf("an endpoint that refuses everything: %v after %d requests", err, b.requests()-before)
	}
}

// tee copies what is read.
type tee struct {
	from interface {
		Read([]byte) (int, error)
		Close() error
	}
	to *strings.Builder
}

func (t tee) Read(p []byte) (int, error) {
	n, err := t.from.Read(p)
	t.to.Write(p[:n])
	return n, err
}

func (t tee) Close() error { return t.from.Close() }

// discard keeps an answer that may not be sent.
type discard struct {
	header http.Header
	body   []byte
}

func (d *discard) Header() http.Header { return d.header }
func (d *discard) WriteHeader(int)     {}
func (d *discard) Write(p []byte) (int, error) {
	d.body = append(d.body, p...)
	return len(p), nil
}

// A model that gives every text the same vector is noticed.
func TestFillWithNonsense(t *testing.T) {
	b := newBed(t, 3)
	b.fail = func(w http.ResponseWriter, r *http.Request) {
		var req request
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
			t.Error(err)
		}
		fmt.Fprintf(w, `{"data":[%s{"embedding":[1,1]}]}`, strings.Repeat(`{"embedding":[1,1]},`, len(req.Input)-1))
	}
	if err := b.fill(t.Context()); err == nil || !strings.Contains(err.Error(), "is it a model for embeddings?") || b.index.sets() != 0 {
		t.Errorf("fill: %v", err)
	}
}

// A model that became another one of other length is embedded with anew.
func TestFillAfterAChangeOfModel(t *testing.T) {
	b := newBed(t, 10)
	short := map[string][]byte{}
	w, err := b.gather(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for hash, text := range w.texts {
		short[hash] = index.EncodeVector(vectorOf(text)[:24])
	}
	b.store.models[b.o.Model.Name()] = short
	if err := b.Load(t.Context()); err != nil || b.Status().Dim != 24 {
		t.Fatalf("Load: %v, %+v", err, b.Status())
	}
	b.run(t)
	await(t, "the first look", func() bool { return b.index.sets() == 2 })
	if _, err := b.Ask(t.Context(), []string{"hello"}); err == nil || !strings.Contains(err.Error(), "another model") {
		t.Errorf("Ask: %v", err)
	}
	await(t, "new vectors", func() bool { return b.Status().Dim == 26 })
	if got, err := b.Ask(t.Context(), []string{"hello"}); err != nil || len(got[0]) != 26 {
		t.Errorf("Ask: %v, %v", got, err)
	}
}

// So is one that changes while the router runs, as often as it does.
func TestFillWhileTheModelChanges(t *testing.T) {
	b := newBed(t, 10)
	b.run(t)
	await(t, "complete", func() bool { return b.Status().Dim == 26 })
	for i, dim := range []int{24, 26, 25} {
		b.set(func() {
			b.fail = func(w http.ResponseWriter, r *http.Request) { answerWith(w, r, dim) }
		})
		query := []string{fmt.Sprint("hello ", strings.Repeat("x", i))} // that no search has asked
		if _, err := b.Ask(t.Context(), query); err == nil || !strings.Contains(err.Error(), "another model") {
			t.Errorf("Ask of %d numbers: %v", dim, err)
		}
		await(t, "new vectors", func() bool { return b.Status().Dim == dim })
		if got, err := b.Ask(t.Context(), query); err != nil || len(got[0]) != dim {
			t.Errorf("Ask of %d numbers: %v, %v", dim, got, err)
		}
	}
}

// A stored vector that is not like the others is made anew.
func TestFillOverDamage(t *testing.T) {
	b := newBed(t, 10)
	if err := b.fill(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.store.models[b.o.Model.Name()][hashOf("c")] = []byte{1}
	again := b.filler(client(t, b.o.Model.(*Client).opts)) // does not know the length yet
	before := b.requests()
	if err := again.Load(t.Context()); err != nil || b.index.sets() != 1 || again.Waits() != "9 of 10 tools are embedded so far" {
		t.Fatalf("Load: %v, %d sets, %s", err, b.index.sets(), again.Waits())
	}
	if err := again.fill(t.Context()); err != nil || b.index.sets() != 2 || b.requests() != before+1 {
		t.Errorf("fill: %v, %d sets, %d requests", err, b.index.sets(), b.requests()-before)
	}
}

func TestQueryPrefix(t *testing.T) {
	var mu sync.Mutex
	sent := map[string]bool{}
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body := new(strings.Builder)
		r.Body = tee{r.Body, body}
		answerTo(w, r)
		mu.Lock()
		defer mu.Unlock()
		sent["query"] = sent["query"] || strings.Contains(body.String(), `"query: hello"`)
		sent["passage"] = sent["passage"] || strings.Contains(body.String(), `"passage: a"`)
	})
	b := newBed(t, 1)
	b.Filler = b.filler(client(t, Options{URL: s.URL, QueryPrefix: "query: ", DocumentPrefix: "passage: "}))
	b.run(t)
	await(t, "complete", func() bool { return b.index.sets() == 1 })
	if _, err := b.Ask(t.Context(), []string{"hello"}); err != nil || !sent["query"] || !sent["passage"] {
		t.Errorf("Ask: %v, sent %v", err, sent)
	}
}
