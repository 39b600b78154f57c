package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"testing"
)

func TestGCPercent(t *testing.T) {
	for live, want := range map[uint64]int{0: 400, 1 << 20: 400, 4 << 20: 200, 16 << 20: 50, 1 << 30: 20} {
		if got := gcPercent(live); got != want {
			t.Errorf("gcPercent(%d) = %d, want %d", live, got, want)
		}
	}
}

// TestPaceGC holds 64 MiB and wants the collector to know of it.
func TestPaceGC(t *testing.T) {
	if os.Getenv("GOGC") != "" {
		t.Setenv("GOGC", "")
	}
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	held := make([]byte, 64<<20)
	stop := paceGC()
	defer stop()
	percent := func() uint64 { return bytesOf("/gc/gogc:percent") }
	// A collection marks the beacon, and its finalizer runs some time after it.
	for tries := 0; percent() > 40; tries++ {
		if tries == 1000 {
			t.Fatalf("the percentage is still %d with %d bytes alive", percent(), len(held))
		}
		runtime.GC()
	}
	runtime.KeepAlive(held)
}
