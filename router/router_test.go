package router

import (
	"strings"
	"sync"
	"testing"
	"time"

	"toolrouter/internal/catalog"
)

// slowUpstream lets something happen while a view is being composed.
type slowUpstream struct {
	fakeUpstream
	during func()
}

func (u *slowUpstream) Servers() []catalog.Server {
	if u.during != nil {
		u.during()
	}
	return u.servers
}

// A Refresh that begins while a view is being published does not bring back the
// one before it.
func TestRefreshDuringPublish(t *testing.T) {
	up := &slowUpstream{}
	r := New(newFakeIndex(), up, Options{})
	var refresh sync.Once
	var refreshed sync.WaitGroup
	up.during = func() {
		refresh.Do(func() {
			refreshed.Go(r.Refresh)           // waits for the publication; joined below
			time.Sleep(20 * time.Millisecond) // for Refresh to come to where it waits
		})
	}
	r.Publish(&View{Snapshot: catalog.NewSnapshot(office(t))})
	refreshed.Wait()
	if got := r.Snapshot().Len(); got != len(office(t)) {
		t.Errorf("%d tools after a refresh, want %d", got, len(office(t)))
	}
}

func TestOptionsValidate(t *testing.T) {
	for _, o := range []Options{{}, {Limit: 20, MaxTokens: 100}, {Limit: 1, MaxTokens: 100_000}} {
		if err := o.Validate(); err != nil {
			t.Errorf("%+v: %v", o, err)
		}
	}
	err := Options{Limit: 21, MaxTokens: 99}.Validate()
	for _, want := range []string{"limit: 21", "max_tokens: 99"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Validate = %v, want %q in it", err, want)
		}
	}
}

// What the configuration allows is what counts.
func TestBudgetIsTakenAsGiven(t *testing.T) {
	for given, want := range map[int]int{0: 1200, 100: 100, 60_000: 60_000, 100_000: 100_000} {
		if got := routerOf(Options{MaxTokens: given}, nil).opts.MaxTokens; got != want {
			t.Errorf("a budget of %d counts as %d, want %d", given, got, want)
		}
	}
}
