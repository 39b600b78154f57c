package remote

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// slowly answers after a while, whatever the texts.
func slowly(after time.Duration, asked *atomic.Int64) func(context.Context, []string) ([][]float32, error) {
	return func(ctx context.Context, texts []string) ([][]float32, error) {
		asked.Add(int64(len(texts)))
		select {
		case <-time.After(after):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		out := make([][]float32, len(texts))
		for i := range out {
			out[i] = []float32{1}
		}
		return out, nil
	}
}

func TestAskRemembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		a := newAsker(slowly(time.Millisecond, &asked), 0)
		defer a.close()
		for _, texts := range [][]string{{"a"}, {"a"}, {"b", "a"}, {"b", "c"}} {
			if got, err := a.ask(t.Context(), texts); err != nil || len(got) != len(texts) || got[0] == nil {
				t.Fatalf("ask(%q) = %v, %v", texts, got, err)
			}
		}
		if asked.Load() != 3 {
			t.Errorf("%d texts were sent, want 3", asked.Load())
		}
		for i := range 2 * maxRecent {
			if _, err := a.ask(t.Context(), []string{fmt.Sprint(i)}); err != nil {
				t.Fatal(err)
			}
		}
		if len(a.recent) != maxRecent || len(a.order) != maxRecent {
			t.Errorf("%d and %d are remembered, want %d", len(a.recent), len(a.order), maxRecent)
		}
	})
}

// An answer that comes too late for one search serves the next.
func TestAskLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		a := newAsker(slowly(5*time.Second, &asked), 300*time.Millisecond)
		defer a.close()
		began := time.Now()
		for range 2 {
			if _, err := a.ask(t.Context(), []string{"q"}); !errors.Is(err, errLate) || !strings.Contains(inShort(err), "timed out") {
				t.Fatalf("error %v", err)
			}
		}
		if took := time.Since(began); took != 600*time.Millisecond || asked.Load() != 1 {
			t.Errorf("two searches took %v and sent %d texts, want 600ms and 1", took, asked.Load())
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if got, err := a.ask(t.Context(), []string{"q"}); err != nil || got[0] == nil {
			t.Errorf("after the answer: %v, %v", got, err)
		}
		if s := a.state(); s.count != 2 || s.err == nil {
			t.Errorf("state %+v: what is remembered says nothing of the endpoint", s)
		}
	})
}

// An endpoint that keeps failing is left alone, and asked again.
func TestAskLeavesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, down := 0, true
		broken := &StatusError{Status: 500}
		a := newAsker(func(_ context.Context, texts []string) ([][]float32, error) {
			asked++
			if down {
				return nil, broken
			}
			return [][]float32{{1}}, nil
		}, 0)
		defer a.close()
		since := time.Now()
		for i := range 1000 {
			if _, err := a.ask(t.Context(), []string{fmt.Sprint(i)}); !errors.Is(err, broken) {
				t.Fatalf("search %d: %v", i, err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if asked < 8 || asked > 12 {
			t.Errorf("the endpoint was asked %d times in 100 s, want about 9", asked)
		}
		if s := a.state(); !s.since.Equal(since) || !errors.Is(s.err, broken) {
			t.Errorf("state %+v, want since %v", s, since)
		}
		down = false
		time.Sleep(longestLet)
		if _, err := a.ask(t.Context(), []string{"x"}); err != nil || a.state() != (trouble{}) {
			t.Errorf("after it came back: %v, %+v", err, a.state())
		}
	})
}

func TestAskManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		a := newAsker(slowly(time.Hour, &asked), time.Second)
		errs := make(chan error, 2*maxFlights)
		for i := range 2 * maxFlights {
			go func() { // ends with its deadline; the channel counts them
				_, err := a.ask(t.Context(), []string{fmt.Sprint(i)})
				errs <- err
			}()
		}
		busy := 0
		for range 2 * maxFlights {
			if err := <-errs; errors.Is(err, errBusy) {
				busy++
			}
		}
		if busy != maxFlights || asked.Load() != maxFlights {
			t.Errorf("%d were asked and %d turned away, want %d each", asked.Load(), busy, maxFlights)
		}
		a.close() // or the test would not end: requests are under way
		if _, err := a.ask(t.Context(), []string{"x"}); !errors.Is(err, errClosed) {
			t.Errorf("after close: %v", err)
		}
	})
}

// Whoever stops searching is no sign of a bad endpoint.
func TestAskCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		a := newAsker(slowly(time.Second, &asked), 500*time.Millisecond)
		defer a.close()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Millisecond, cancel)
		if _, err := a.ask(ctx, []string{"x"}); !errors.Is(err, context.Canceled) || a.state() != (trouble{}) {
			t.Errorf("%v, %+v", err, a.state())
		}
	})
}
