package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

// heapRoom is how much garbage may pile up before it is collected, in bytes. By
// default Go lets it grow to the size of what is alive: with thousands of tools
// the router would take twice what it holds, and with a few it would collect
// garbage dozens of times a second under load.
const heapRoom = 8 << 20

// quietTime without a collection is when a burst of work is over, and what it
// took is given back. Go does so too, but takes minutes.
const quietTime = 3 * time.Second

// Bounds of the garbage collector's percentage.
const (
	minGCPercent = 20
	maxGCPercent = 400
)

// paceGC keeps the garbage at about heapRoom, whatever is alive, until stop is
// called. A GOGC in the environment is the user's choice and is left alone.
func paceGC() (stop func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	p := &pacer{percent: 100}
	p.quiet = time.AfterFunc(quietTime, giveBack)
	p.afterGC(new(beacon))
	return func() {
		p.stopped.Store(true)
		p.quiet.Stop()
	}
}

// pacer sets the percentage anew after each collection.
type pacer struct {
	stopped atomic.Bool
	quiet   *time.Timer
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
		p.quiet.Reset(quietTime)
		p.afterGC(b)
	})
}

// pace changes the percentage if it is far from what it should be: a change
// stops the program for a moment.
func (p *pacer) pace() {
	want := gcPercent(bytesOf("/gc/heap/live:bytes"))
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

// giveBack returns to the system what is not used, if it is worth a collection.
func giveBack() {
	held := bytesOf("/memory/classes/heap/objects:bytes") + bytesOf("/memory/classes/heap/free:bytes")
	if held > bytesOf("/gc/heap/live:bytes")+heapRoom/2 {
		debug.FreeOSMemory()
	}
}

// bytesOf reads one of the runtime's metrics.
func bytesOf(name string) uint64 {
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
