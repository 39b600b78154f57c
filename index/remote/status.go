package remote

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Status is how a model and its vectors are.
type Status struct {
	Label   string    // of the model
	Done    int       // tools that have a vector
	Total   int       // tools
	Refused int       // tools whose text the endpoint does not take
	Dim     int       // length of the vectors that searches use; 0 while the built-in model answers
	Problem string    // why the built-in model answers, or may for some queries; "" if all is well
	Since   time.Time // of Problem
}

// Status tells how far the vectors are and what is wrong.
func (f *Filler) Status() Status {
	p := f.state()
	s := Status{Label: f.o.Model.Label(), Done: p.done, Total: p.total, Refused: p.refused, Dim: p.dim}
	if p.err != nil {
		s.Problem, s.Since = p.err.Error(), p.since
	} else if t := f.asker.state(); t.err != nil {
		s.Problem, s.Since = f.told(t.err), t.since
	}
	return s
}

// state is how far the vectors are now.
func (f *Filler) state() progress {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.progress
}

// told is the whole truth about a query's failure.
func (f *Filler) told(err error) string {
	if errors.Is(err, errLate) {
		return fmt.Sprintf("queries get no vector within %v", f.asker.timeout)
	}
	return err.Error()
}

// String is the status on one line, without the problem.
func (s Status) String() string {
	switch {
	case s.Done < s.Total || s.Dim == 0:
		return fmt.Sprintf("%s: %s of %s", s.Label, thousands(s.Done), thousands(s.Total))
	case s.Refused > 0:
		return fmt.Sprintf("%s (%s of %s tools refused)", s.Label, thousands(s.Refused), thousands(s.Total))
	}
	return s.Label
}

// remoteError is what a search may say of a failure.
type remoteError struct {
	text  string
	cause error
}

func (e *remoteError) Error() string { return e.text }
func (e *remoteError) Unwrap() error { return e.cause }

var errChanged = errors.New("vectors of another length than before")

// Ask gives a vector for each query within the deadline. The error's text is fit
// for a search's answer.
func (f *Filler) Ask(ctx context.Context, texts []string) ([][]float32, error) {
	exact := make([]string, len(texts))
	for i, t := range texts {
		exact[i] = f.o.Model.AsQuery(t)
	}
	vectors, err := f.asker.ask(ctx, exact)
	if err != nil {
		return nil, &remoteError{inShort(err), err}
	}
	dim := f.state().dim
	other := func(v []float32) bool { return len(v) != dim }
	if dim != 0 && slices.ContainsFunc(vectors, other) {
		f.Poke() // the model has become another one: its vectors are made anew
		return nil, &remoteError{"the embeddings endpoint has another model now", errChanged}
	}
	return vectors, nil
}

// Waits says why searches cannot use the vectors.
func (f *Filler) Waits() string {
	p := f.state()
	if p.err != nil {
		return fmt.Sprintf("%s, and %s of %s tools are embedded", inShort(p.err), thousands(p.done), thousands(p.total))
	}
	if p.done == p.total && p.dim != 0 {
		return "the catalogue has changed this moment"
	}
	return fmt.Sprintf("%s of %s tools are embedded so far", thousands(p.done), thousands(p.total))
}

// thousands writes 4633 as 4,633.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
