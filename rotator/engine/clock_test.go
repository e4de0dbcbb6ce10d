package engine_test

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// TestAClockThatWasAYearAhead runs a daemon for a while on a clock that is a year ahead, with a sink that is down and a
// provider that asks for patience, and then on the right one. Every bubble begins at the same instant.
func TestAClockThatWasAYearAhead(t *testing.T) {
	t.Parallel()
	var w *world
	path := filepath.Join(t.TempDir(), "rotatord.db")
	synctest.Test(t, func(t *testing.T) {
		w = newWorld(t)
		w.path = path
		pass(365 * day)
		w.sinks["disk"].SetHook(func(string, bool) error { return rotator.NewFault("write", rotator.Transient, "read-only") })
		l := w.start(nil)
		pass(6 * time.Hour)
		if r := l.only(); r.Stage != rotator.StageDelivering {
			t.Fatalf("stage %s", r.Stage)
		}
		slow := rotator.NewFault("GET", rotator.Throttled, "slow down")
		slow.RetryAfter = 24 * time.Hour
		w.provider.SetHook(func(string, bool) error { return slow })
		pass(time.Hour)
		l.stop()
	})
	w.sinks["disk"].SetHook(nil)
	w.provider.SetHook(nil)
	synctest.Test(t, func(t *testing.T) {
		w.t = t
		l := w.start(nil)
		defer l.stop()
		pass(20 * time.Minute)
		if r := l.only(); r.Stage != rotator.StageGrace {
			t.Errorf("stage %s, next step at %s: %s", r.Stage, r.NextAt, r.Trouble)
		}
		if s := l.state(); s.LastScan.After(time.Now()) {
			t.Errorf("last scan at %s", s.LastScan)
		}
	})
}

// TestAClockThatWasAheadOnlyForThePlan has the clock set back between the plan and the delivery, without a scan in between that would
// notice it: what the plan said of later times is a year off.
func TestAClockThatWasAheadOnlyForThePlan(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		plans := &aheadForPlans{by: 365 * day}
		l := w.startWith(func(s rotator.Store) rotator.Store { plans.Store = s; return plans })
		defer l.stop()
		pass(20 * time.Minute)
		if r := l.only(); r.Stage != rotator.StageGrace {
			t.Errorf("stage %s, next step at %s: %s", r.Stage, r.NextAt, r.Trouble)
		}
		if plans.seen.Load() != 1 {
			t.Errorf("%d plans were stored, want 1", plans.seen.Load())
		}
	})
}

// aheadForPlans stores a plan as a daemon would whose clock is ahead, but for when the next step is due: that one has been taken.
type aheadForPlans struct {
	rotator.Store
	by   time.Duration
	seen atomic.Int64
}

func (a *aheadForPlans) Commit(ctx context.Context, c rotator.Change) error {
	if r := &c.After; r.Stage == rotator.StagePlanned {
		a.seen.Add(1)
		r.StageAt, r.PlannedAt = r.StageAt.Add(a.by), r.PlannedAt.Add(a.by)
		for i := range r.Sinks {
			if p := &r.Sinks[i]; !p.NextAt.IsZero() {
				p.NextAt = p.NextAt.Add(a.by)
			}
		}
	}
	return a.Store.Commit(ctx, c)
}
