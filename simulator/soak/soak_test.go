//go:build !race

package soak

import (
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/simulator/world"
)

// TestMain has memory sampled from the beginning: every kilobyte or so.
func TestMain(m *testing.M) {
	runtime.MemProfileRate = 1 << 10
	os.Exit(m.Run())
}

// tally counts the rotations that are over.
type tally struct{ done int }

// Moved implements [world.Watch].
func (t *tally) Moved(c rotator.Change, _ time.Time) {
	if c.After.Stage == rotator.StageDone {
		t.done++
	}
}

// Waits implements [world.Watch].
func (t *tally) Waits(rotator.TrackedKey, time.Time) {}

// TestSoak plays more than 24 hours in which hundreds of keys are replaced while calls fail, and outages, people and takeovers come again in
// each quarter. Between the second quarter and the last, neither the live memory of the daemon's own code nor the goroutines grow.
func TestSoak(t *testing.T) {
	s, over := fleet(), &tally{}
	s.Watch = over
	var samples []sample
	s.Census = func() { samples = append(samples, take()) }
	began := time.Now()
	o, err := world.Run(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if o.Breach != nil {
		t.Errorf("it breaks %s", o.Breach)
	}
	t.Logf("%s simulated in %s: %d rotations over; happened: %v", s.Span, time.Since(began).Round(time.Second), over.done, o.Happened)
	if over.done < enough {
		t.Errorf("%d rotations are over, want at least %d: the soak did not soak", over.done, enough)
	}
	happened(t, s, o)
	n := len(samples)
	if want := int(s.Span/s.CensusEvery) - 1; n < want {
		t.Fatalf("%d samples, want %d", n, want)
	}
	flat(t, samples[n/4:n/2], samples[n-n/4:])
}

// happened checks that what was to go wrong did, and that no daemon was started anew.
func happened(t *testing.T, s *world.Scenario, o *world.Outcome) {
	t.Helper()
	faults := 0
	for _, f := range world.Faults() {
		faults += o.Happened[string(f)]
	}
	if faults < enough {
		t.Errorf("%d faults struck, want at least %d", faults, enough)
	}
	for _, i := range s.Incidents {
		if o.Happened[string(i.Kind)] == 0 {
			t.Errorf("%s never happened", i.Kind)
		}
	}
	for _, k := range []world.Kind{world.Crash, world.Restart, world.ClockJump} {
		if n := o.Happened[string(k)]; n > 0 {
			t.Errorf("%s happened %d times: a daemon that begins anew hides what it leaves behind", k, n)
		}
	}
	if o.Happened["takeover"] < 2 {
		t.Errorf("replicas took over %d times, want at least 2", o.Happened["takeover"])
	}
}

// What may be added between two quarters: nothing for good, but what a scan remembers of each key that its provider goes on listing
// (16 bytes and their place in a map), and what a sample is off by.
const (
	memoryMore     = 64 << 10
	goroutinesMore = 1
)

// flat compares two quarters by the median of each: what there is while a replica acts and nothing special is under way.
func flat(t *testing.T, early, late []sample) {
	t.Helper()
	for _, m := range []struct {
		what string
		of   func(sample) int64
		more int64
	}{
		{"live memory of the daemon", func(s sample) int64 { return s.daemon }, memoryMore},
		{"goroutines", func(s sample) int64 { return s.goroutines }, goroutinesMore},
	} {
		before, after := median(early, m.of), median(late, m.of)
		t.Logf("%s: %d in the second quarter, %d in the last", m.what, before, after)
		if after > before+m.more {
			t.Errorf("%s grew from %d to %d, at most %d more is allowed", m.what, before, after, m.more)
		}
	}
	if t.Failed() {
		grown(t, early[0], late[len(late)-1])
	}
}

func median(samples []sample, of func(sample) int64) int64 {
	list := make([]int64, 0, len(samples))
	for _, s := range samples {
		list = append(list, of(s))
	}
	slices.Sort(list)
	return list[len(list)/2]
}
