package engine_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// settable is the clock of a daemon that somebody sets while it runs, and of a provider whose clock is right.
type settable struct{ ahead atomic.Int64 }

func (s *settable) set(w *world) {
	w.clock = rotator.NewClock(func() time.Duration { return time.Duration(s.ahead.Load()) })
	w.outerProvider = func(p rotator.Provider) rotator.Provider { return rightly{p, s} }
}

// rightly is a provider that says how far its clock is ahead of the daemon's.
type rightly struct {
	rotator.Provider
	s *settable
}

func (r rightly) Skew() (time.Duration, bool) { return -time.Duration(r.s.ahead.Load()), true }

// inSetWorld runs a test in a world whose clock can be set.
func inSetWorld(t *testing.T, run func(w *world, set func(ahead time.Duration))) {
	bubble(t, func(t *testing.T, w *world) {
		var s settable
		s.set(w)
		run(w, func(ahead time.Duration) { s.ahead.Store(int64(ahead)) })
	})
}

// TestAClockThatIsBehindIsToldOf where nothing is due by it, and so nothing waits for it.
func TestAClockThatIsBehindIsToldOf(t *testing.T) {
	t.Parallel()
	inSetWorld(t, func(w *world, set func(time.Duration)) {
		w.provider.AddKey(user, "deploy", time.Now())
		l := w.start(nil)
		defer l.stop()
		set(-40 * day)
		pass(20 * time.Minute)
		if s := l.state(); s.Skew != 40*day {
			w.t.Errorf("the provider is said to be ahead by %s", s.Skew)
		}
		set(0)
		pass(20 * time.Minute)
		if s := l.state(); s.Skew != 0 {
			w.t.Errorf("the provider is still said to be ahead by %s", s.Skew)
		}
	})
}

// TestAPauseOfAClockThatWasAhead is over when the clock is set back, though no scan has ended while it was ahead.
func TestAPauseOfAClockThatWasAhead(t *testing.T) {
	t.Parallel()
	for name, restart := range map[string]bool{"while the daemon runs": false, "while it is stopped": true} {
		t.Run(name, func(t *testing.T) {
			inSetWorld(t, func(w *world, set func(time.Duration)) {
				w.setup.HaltAfter = 1
				w.provider.SetHook(func(string, bool) error { return rotator.NewFault("GET", rotator.Transient, "down") })
				set(90 * day)
				l := w.start(nil)
				pass(time.Hour)
				if s := l.state(); !s.PausedUntil.After(time.Now().Add(80 * day)) {
					w.t.Fatalf("paused until %s", s.PausedUntil)
				}
				if restart {
					l.stop()
				}
				set(0)
				w.provider.SetHook(nil)
				if restart {
					l = w.start(nil)
				}
				defer func() { l.stop() }()
				pass(6 * time.Hour)
				w.wantRotated()
			})
		})
	}
}

// TestAKeyThatExpiredByAClockThatWasAhead is rotated once the clock is right.
func TestAKeyThatExpiredByAClockThatWasAhead(t *testing.T) {
	t.Parallel()
	inSetWorld(t, func(w *world, set func(time.Duration)) {
		w.provider.Lifetime = 100 * day // from the last 70 days on
		l := w.start(nil)
		defer l.stop()
		pass(day)
		w.wantRotated()
		made := l.only().NewKey
		set(400 * day)
		pass(day)
		set(0)
		pass(30 * day)
		if rs := l.rotations(); len(rs) != 1 {
			w.t.Fatalf("%d rotations before the key of the first is due", len(rs))
		}
		pass(60 * day)
		if rs := l.rotations(); len(rs) != 2 || rs[0].OldKey != made && rs[1].OldKey != made {
			w.t.Errorf("the key that seemed to have expired was not replaced: %+v", rs)
		}
		w.wantRotated()
	})
}

// full is a journal that takes plans and no other change of a rotation while it is full.
type full struct {
	rotator.Store
	is atomic.Bool
}

func (f *full) Commit(ctx context.Context, c rotator.Change) error {
	if f.is.Load() && c.Seq > 0 {
		return rotator.NewFault("commit", rotator.Transient, "no space left on device")
	}
	return f.Store.Commit(ctx, c)
}

// TestAFullDiskSparesTheProvider: a step that cannot be written down is not taken again each second.
func TestAFullDiskSparesTheProvider(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		var calls atomic.Int64
		w.provider.SetHook(func(_ string, after bool) error {
			if !after {
				calls.Add(1)
			}
			return nil
		})
		disk := &full{}
		disk.is.Store(true)
		l := w.startWith(func(s rotator.Store) rotator.Store { disk.Store = s; return disk })
		defer l.stop()
		pass(5 * time.Hour)
		if n := calls.Load(); n == 0 || n > 5*120 {
			t.Errorf("the provider was called %d times in five hours", n)
		}
		disk.is.Store(false)
		pass(2 * time.Hour)
		w.wantRotated()
	})
}

// TestAReplicaThatActsAgainTellsOfItsOwnClock, and not of that of the replica which acted meanwhile.
func TestAReplicaThatActsAgainTellsOfItsOwnClock(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		rs := w.replicas()
		defer rs.close()
		var right, behind settable
		behind.ahead.Store(int64(-time.Hour))
		cut := &cutOff{Store: rs.store}
		a := rs.start("a", cut, rightly{w.provider, &right})
		pass(2 * time.Minute)
		cut.set(true)
		pass(leaseTime)
		b := rs.start("b", nil, rightly{w.provider, &behind})
		pass(20 * time.Minute)
		said := func() time.Duration {
			s, err := rs.store.ProviderState(t.Context(), "cc")
			if err != nil {
				t.Fatal(err)
			}
			return s.Skew
		}
		if !b.held.is() || said() != time.Hour {
			t.Fatalf("b acts: %v; the provider is said to be ahead by %s", b.held.is(), said())
		}
		cut.set(false)
		rs.stop(b)
		pass(5 * time.Minute)
		if !a.held.is() || said() != 0 {
			t.Errorf("a acts: %v; the provider is said to be ahead by %s", a.held.is(), said())
		}
		rs.stop(a)
	})
}

// TestTheAgeOfAKeyThatNoListShows is counted by the provider's clock, whatever the daemon's says when it is supplied.
func TestTheAgeOfAKeyThatNoListShows(t *testing.T) {
	t.Parallel()
	inSetWorld(t, func(w *world, set func(time.Duration)) {
		w.byHand()
		said := w.outerProvider
		w.outerProvider = func(p rotator.Provider) rotator.Provider {
			guide, ok := p.(rotator.Guide)
			if !ok {
				w.t.Fatal("the provider guides nobody")
			}
			return struct {
				rotator.Provider
				rotator.Timekeeper
				rotator.Guide
			}{p, said(p).(rightly), guide}
		}
		l := w.start(nil)
		defer l.stop()
		pass(time.Minute)
		l.wantBlocked(rotator.StagePlanned, rotator.BlockAwaitingSupply)
		set(7 * day)
		l.supplies(w.makes("deploy-r0001"))
		pass(time.Minute)
		series, err := l.store.Series(w.t.Context(), deploy)
		if err != nil || len(series) == 0 || series[0].Name != "deploy-r0001" || time.Since(series[0].Created) > 2*time.Minute || time.Since(series[0].Created) < 0 {
			w.t.Errorf("%v, the keys are known as %+v", err, series)
		}
	})
}

// TestAGracePeriodThatBeganByAClockThatWasAhead begins anew when the clock is set back, where no provider had said that it was wrong.
func TestAGracePeriodThatBeganByAClockThatWasAhead(t *testing.T) {
	t.Parallel()
	inSetWorld(t, func(w *world, set func(time.Duration)) {
		w.outerProvider = nil
		set(40 * day)
		l := w.start(nil)
		defer l.stop()
		pass(30 * time.Minute)
		if r := l.only(); r.Stage != rotator.StageGrace {
			w.t.Fatalf("stage %s: %s", r.Stage, r.Trouble)
		}
		set(0)
		pass(55 * time.Minute)
		if !w.provider.Accepts(w.provider.SecretOf("1")) {
			w.t.Error("the old key is revoked before a grace period is over since")
		}
		pass(2 * time.Hour)
		w.wantRotated()
	})
}
