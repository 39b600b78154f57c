package remote

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"
)

const (
	// DefaultTimeout is how long a search waits for the vector of its query.
	DefaultTimeout = 300 * time.Millisecond

	patience   = 30 * time.Second // for a query that nobody waits for any more
	maxFlights = 8                // requests for queries at once
	maxRecent  = 256              // queries whose vectors are remembered
	tolerated  = 3                // failures in a row before the endpoint is left alone
	longestLet = time.Minute      // that it is left alone
)

var (
	errLate   = errors.New("no answer in time")
	errBusy   = errors.New("too many queries are waiting for an answer")
	errClosed = errors.New("the router is stopping")
)

// asker gives vectors of queries within a deadline. A request that misses it goes
// on, for the answer may serve the next search, and a server that loads its model
// for the first request would never get that far if everybody hung up.
type asker struct {
	embed   func(context.Context, []string) ([][]float32, error)
	timeout time.Duration
	wg      sync.WaitGroup // flights

	mu      sync.Mutex // guards what follows
	closed  bool
	flights map[string]*flight   // by their texts
	recent  map[string][]float32 // by text
	order   []string             // of recent, the oldest first
	trouble                      // as searches have met it
}

// trouble is what is wrong with an endpoint, the zero value if nothing is.
type trouble struct {
	err   error
	since time.Time // of the first failure in a row
	count int       // of failures in a row
	until time.Time // it is not asked before this
}

// flight is one request under way.
type flight struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when what follows is set
	err    error
}

func newAsker(embed func(context.Context, []string) ([][]float32, error), timeout time.Duration) *asker {
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	return &asker{embed: embed, timeout: timeout, flights: map[string]*flight{}, recent: map[string][]float32{}}
}

// ask gives a vector for each text. Its error is the one that counts: the
// deadline's, the endpoint's, or the last one while the endpoint is left alone.
func (a *asker) ask(ctx context.Context, texts []string) ([][]float32, error) {
	limited, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	vectors, f, err := a.begin(ctx, texts)
	if f == nil {
		return vectors, err
	}
	select {
	case <-f.done:
		err = f.err
	case <-limited.Done():
		err = errLate
	}
	if ctx.Err() != nil { // the searcher's, and no fault of the endpoint
		return nil, ctx.Err()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.note(err)
	if err != nil {
		return nil, err
	}
	vectors, missing := a.known(texts)
	if len(missing) > 0 { // pushed out by others meanwhile
		return nil, errBusy
	}
	return vectors, nil
}

// begin gives what is remembered, or the request to wait for.
func (a *asker) begin(ctx context.Context, texts []string) ([][]float32, *flight, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	vectors, missing := a.known(texts)
	if len(missing) == 0 {
		return vectors, nil, nil
	}
	key := strings.Join(missing, "\x00")
	f := a.flights[key]
	switch {
	case a.closed:
		return nil, nil, errClosed
	case time.Now().Before(a.until):
		return nil, nil, a.err
	case f != nil:
		return nil, f, nil
	case len(a.flights) == maxFlights:
		a.note(errBusy)
		return nil, nil, errBusy
	}
	f = &flight{done: make(chan struct{})}
	ctx, f.cancel = context.WithTimeout(context.WithoutCancel(ctx), patience)
	a.flights[key] = f
	a.wg.Go(func() { a.fly(ctx, f, key, missing) }) // ends with its request; joined by close
	return nil, f, nil
}

// fly makes one request and remembers what it brings.
func (a *asker) fly(ctx context.Context, f *flight, key string, texts []string) {
	defer f.cancel()
	vectors, err := a.embed(ctx, texts)
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, v := range vectors {
		a.remember(texts[i], v)
	}
	f.err = err
	delete(a.flights, key)
	close(f.done)
}

// known gives the remembered vectors, and the texts that have none. mu is held.
func (a *asker) known(texts []string) (vectors [][]float32, missing []string) {
	vectors = make([][]float32, len(texts))
	for i, t := range texts {
		if vectors[i] = a.recent[t]; vectors[i] == nil {
			missing = append(missing, t)
		}
	}
	return vectors, missing
}

// remember keeps a vector. mu is held.
func (a *asker) remember(text string, v []float32) {
	if a.recent[text] == nil {
		a.order = append(a.order, text)
	}
	a.recent[text] = v
	if len(a.order) > maxRecent {
		delete(a.recent, a.order[0])
		a.order = a.order[1:]
	}
}

// forget drops what is remembered, for when the model has become another.
func (a *asker) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.recent)
	a.order = nil
}

// note takes down how asking went. mu is held.
func (a *asker) note(err error) {
	if err == nil {
		a.trouble = trouble{}
		return
	}
	if a.count == 0 {
		a.since = time.Now()
	}
	a.err = err
	if a.count++; a.count >= tolerated {
		a.until = time.Now().Add(min(time.Second<<min(a.count-tolerated, 10), longestLet))
	}
}

// state tells what is wrong.
func (a *asker) state() trouble {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.trouble
}

// close ends what is under way and waits for it.
func (a *asker) close() {
	a.mu.Lock()
	a.closed = true
	for _, f := range a.flights {
		f.cancel()
	}
	a.mu.Unlock()
	a.wg.Wait()
}
