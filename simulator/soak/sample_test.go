//go:build !race

package soak

import (
	"math"
	"runtime"
	"strings"
	"testing"
)

// sample is what the process keeps at a moment at which nothing moves.
type sample struct {
	// daemon is the live memory, in bytes, that was asked for by code of the daemon; what the simulated world asked for is left out, which
	// remembers every key and every call of its life.
	daemon     int64
	goroutines int64
	// at says which of the daemon's functions asked for how much.
	at map[string]int64
}

// take collects what is no longer used, twice, as [runtime.MemProfile] wants it, and counts what is left.
func take() sample {
	runtime.GC()
	runtime.GC()
	s := sample{goroutines: int64(runtime.NumGoroutine()), at: map[string]int64{}}
	for _, r := range records() {
		if by := askedBy(&r); by != "" {
			n := scaled(&r)
			s.daemon += n
			s.at[by] += n
		}
	}
	return s
}

func records() []runtime.MemProfileRecord {
	list := make([]runtime.MemProfileRecord, 1<<14)
	for {
		n, ok := runtime.MemProfile(list, false)
		if ok {
			return list[:n]
		}
		list = make([]runtime.MemProfileRecord, 2*n)
	}
}

const module = "github.com/rotatord/rotatord/"

// askedBy is the innermost function of this module that the memory was allocated for; empty where that is the world's, or where none is: what
// the runtime keeps for itself.
func askedBy(r *runtime.MemProfileRecord) string {
	frames := runtime.CallersFrames(r.Stack())
	for {
		f, more := frames.Next()
		if of, ours := strings.CutPrefix(f.Function, module); ours {
			if strings.HasPrefix(of, "simulator/") || strings.HasPrefix(of, "emulator.") {
				return ""
			}
			return of
		}
		if !more {
			return ""
		}
	}
}

// scaled estimates from what was sampled how much there is, as pprof does.
func scaled(r *runtime.MemProfileRecord) int64 {
	n, bytes := float64(r.InUseObjects()), float64(r.InUseBytes())
	if n == 0 {
		return 0
	}
	return int64(bytes / (1 - math.Exp(-bytes/n/float64(runtime.MemProfileRate))))
}

// grown tells which functions' memory has become more.
func grown(t *testing.T, early, late sample) {
	t.Helper()
	for by, n := range late.at {
		if more := n - early.at[by]; more > memoryMore/8 {
			t.Logf("%d bytes more for %s", more, by)
		}
	}
}
