package app

import (
	"context"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/engine"
)

// forgetter has copies of secrets overwritten that nobody has a hold of any more (guarantee G7). What the daemon holds of a secret
// it wipes itself; but JSON, HTTP and strings make copies without an owner, and Go's collector frees memory without clearing
// it. A secret passes through memory when a key is made, delivered and read back: so a while after a rotation has moved out of a
// stage that sees one, free memory is cleared.
type forgetter struct {
	engine.Unobserved
	wake chan struct{}
}

func newForgetter() *forgetter { return &forgetter{wake: make(chan struct{}, 1)} }

// Moved implements [engine.Observer].
func (f *forgetter) Moved(from rotator.Stage, _ *rotator.Rotation, _ string) {
	switch from {
	case rotator.StageMinting, rotator.StageMinted, rotator.StageTesting, rotator.StageDelivering, rotator.StageDeactivating, rotator.StageRevoking:
		select {
		case f.wake <- struct{}{}:
		default:
		}
	}
}

// forgetAfter gathers what moves together, so that a large fleet does not clear its memory all the time.
const forgetAfter = 3 * time.Second

// run clears free memory a while after each move, until ctx ends.
func (f *forgetter) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.wake:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(forgetAfter):
		}
		clearFree()
	}
}

// maxClear bounds what is allocated at a time, in bytes: a heap that was much larger a moment ago has more free memory than has
// to be cleared at once.
const maxClear = 16 << 20

// clearFree has the collector free what can be freed, overwrites the free places between living objects, and gives whole free
// pages back to the system, which clears them. A living copy (in the buffer of an open connection, say) it does not reach.
func clearFree() {
	runtime.GC()
	runtime.GC() // what was in a pool is free only now
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	free := min(stats.HeapInuse-min(stats.HeapAlloc, stats.HeapInuse), maxClear)
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() { fill(stats, free/uint64(runtime.GOMAXPROCS(0))+1) }) //nolint:gosec // it is at least 1
	}
	all.Wait()
	debug.FreeOSMemory()
}

// fill allocates objects of each size that the allocator knows, which come cleared and take the places of freed ones.
func fill(stats runtime.MemStats, bytes uint64) {
	for _, class := range stats.BySize {
		if class.Size == 0 {
			continue
		}
		taken := make([][]byte, 0, bytes/uint64(class.Size)+1)
		for len(taken) < cap(taken) {
			taken = append(taken, make([]byte, class.Size))
		}
		runtime.KeepAlive(taken)
	}
}
