package router

import (
	"testing"
	"testing/synctest"
	"time"

	"toolrouter/internal/catalog"
)

// TestFirstListingIsAwaited: a client that starts the router asks at once, and
// gets its answer as soon as the first servers have been listed.
func TestFirstListingIsAwaited(t *testing.T) {
	const listedAfter = 700 * time.Millisecond
	for _, tt := range []struct {
		name    string
		call    string
		listed  bool
		min     time.Duration
		max     time.Duration
		isError bool
	}{
		{"its tool comes", "time__now", true, listedAfter, listedAfter + listingPoll, false},
		{"it never comes", "time__now", false, callPatience, callPatience + listingPoll, true},
		{"its server has no such tool", "github__nonsense", true, 0, 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				up, _ := echo(`{"content":[{"type":"text","text":"ok"}]}`)
				up.servers = []catalog.Server{{Name: "time", State: catalog.Starting}, {Name: "github", State: catalog.Ready}}
				tools := office(t)
				var first []*catalog.Tool
				for _, tool := range tools {
					if tool.ID.Server != "time" {
						first = append(first, tool)
					}
				}
				r := routerOf(Options{}, up, first...)
				if tt.listed {
					time.AfterFunc(listedAfter, func() { r.Publish(&View{Snapshot: catalog.NewSnapshot(tools)}) })
				}
				began := time.Now()
				got, err := r.Call(t.Context(), CallRequest{Name: tt.call})
				if err != nil {
					t.Fatal(err)
				}
				if _, isError := textOf(t, got); isError != tt.isError {
					t.Errorf("isError = %v, want %v: %s", isError, tt.isError, got)
				}
				if took := time.Since(began); took < tt.min || took > tt.max {
					t.Errorf("took %v, want %v to %v", took, tt.min, tt.max)
				}
				synctest.Wait()
			})
		})
	}
}
