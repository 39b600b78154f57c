package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
)

// heapRoom is how much garbage may pile up before it is collected, in bytes. By
// default Go lets it grow to the size of what is alive: with thousands of tools
// the router would take twice what it holds, and with a few it would collect
// garbage dozens of times a second under load.
const heapRoom = 16 << 20

// Bounds of the garbage collector's percentage.
const (
	minGCPercent = 25
	maxGCPercent = 400
)

// paceGC keeps the garbage at about heapRoom, whatever is alive, until stop is
// called. A GOGC in the environment is the user's choice and is left alone.
func paceGC() (stop func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	p := &pacer{percent: 100}
	p.afterGC(new(beacon))
	return func() { p.stopped.Store(true) }
}

// pacer sets the percentage anew after each collection.
type pacer struct {
	stopped atomic.Bool
	percent int // as it was set last; only the finalizers' goroutine uses it
}

// beacon is what nothing refers to: its finalizer runs after every collection.
type beacon struct{ _ *beacon }

func (p *pacer) afterGC(b *beacon) {
	runtime.SetFinalizer(b, func(b *beacon) {
		if p.stopped.Load() {
			return
		}
		p.pace()
		p.afterGC(b)
	})
}

// pace changes the percentage if it is far from what it should be: a change
// stops the program for a moment.
func (p *pacer) pace() {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	want := gcPercent(sample[0].Value.Uint64())
	if want*8 >= p.percent*7 && want*8 <= p.percent*9 {
		return
	}
	debug.SetGCPercent(want)
	p.percent = want
}

// gcPercent is the percentage at which so many live bytes get heapRoom of garbage.
func gcPercent(live uint64) int {
	return int(min(max(heapRoom*100/max(live, 1), minGCPercent), maxGCPercent))
}
