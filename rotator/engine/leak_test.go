package engine_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/engine"
	"github.com/rotatord/rotatord/rotator/rotatortest"
)

// leak reports that the credential leaked, in the life.
func (l *life) leak() {
	l.w.t.Helper()
	if _, err := l.engine.Rotate(context.WithoutCancel(l.w.t.Context()), deploy, rotator.ReasonCompromised, "ann"); err != nil {
		l.w.t.Fatal(err)
	}
}

// wantFollowed checks that the rotation that was hastened and the one that followed it are over, and that nothing else was begun.
func (l *life) wantFollowed() {
	l.w.t.Helper()
	l.w.wantActive("deploy-r0002")
	l.w.wantRotated()
	l.wantHastenedAndFollowed()
}

// wantHastenedAndFollowed is wantFollowed whatever the version of the new key is: names of lost creates are spent.
func (l *life) wantHastenedAndFollowed() {
	l.w.t.Helper()
	rs := l.rotations()
	slices.SortFunc(rs, func(a, b rotator.Rotation) int { return b.Version - a.Version }) // the latest first
	if len(rs) != 2 {
		l.w.t.Fatalf("%d rotations, want 2: %+v", len(rs), rs)
	}
	if followed := rs[1].NewKey; rs[0].OldKey != followed || rs[0].NewKey == followed {
		l.w.t.Errorf("key %s replaces %s, want one that replaces %s", rs[0].NewKey.Name, rs[0].OldKey.Name, followed.Name)
	}
	for _, r := range rs {
		if r.Stage != rotator.StageDone || r.Reason != rotator.ReasonCompromised || r.Actor != "ann" {
			l.w.t.Errorf("rotation to %s: stage %s, reason %s, asked for by %q", r.NewKey.Name, r.Stage, r.Reason, r.Actor)
		}
	}
}

// TestALeakWhileTheNewKeyIsOutReplacesThatOneToo, in whatever stage the rotation is, at a provider that takes two keys of a credential.
func TestALeakWhileTheNewKeyIsOutReplacesThatOneToo(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]time.Duration{"in grace": 10 * time.Minute, "while the old key is off": 90 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.disables, w.provider.Lim.MaxKeysPerUser = true, 2
				l := w.start(nil)
				defer l.stop()
				pass(after)
				suspect := w.provider.SecretOf("2")
				l.leak()
				pass(5 * time.Minute)
				l.wantFollowed()
				if w.provider.Accepts(suspect) {
					t.Error("the key that was out when the leak was reported is accepted")
				}
				pass(2 * day)
				l.wantFollowed()
			})
		})
	}
}

// TestALeakBeforeTheNewKeyIsOutNeedsOneRotation: nobody can have had a key that has not left the daemon.
func TestALeakBeforeTheNewKeyIsOutNeedsOneRotation(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.provider.SetAcceptAfter(w.provider.Lim.Propagation / 2)
		l := w.start(nil)
		defer l.stop()
		pass(time.Second)
		if r := l.only(); r.Stage != rotator.StageTesting {
			t.Fatalf("stage %s", r.Stage)
		}
		l.leak()
		pass(day)
		w.wantActive("deploy-r0001")
		w.wantRotated()
		l.only()
	})
}

// TestALeakWhileASinkIsDown: one sink has the new key already, the other not yet.
func TestALeakWhileASinkIsDown(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.sinks["disk"].SetHook(faults("Deliver", false, 1, 6, rotator.NewFault("write", rotator.Transient, "no space left on device")))
		l := w.start(nil)
		defer l.stop()
		pass(10 * time.Second)
		if r := l.only(); r.Stage != rotator.StageDelivering || len(r.Unconfirmed()) != 1 {
			t.Fatalf("stage %s, sinks %+v", r.Stage, r.Sinks)
		}
		l.leak()
		pass(30 * time.Minute)
		l.wantFollowed()
	})
}

// TestStartingOverLeavesNoSuspect: the key that was out is given up, and goes with the old one.
func TestStartingOverLeavesNoSuspect(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		l := w.start(nil)
		defer l.stop()
		pass(10 * time.Minute)
		w.sinks["vault"].Remove("cc/ci-build/deploy") // so that it cannot go on
		l.leak()
		if _, err := l.engine.StartOver(t.Context(), deploy, "ann"); err != nil {
			t.Fatal(err)
		}
		pass(day)
		w.wantActive("deploy-r0002")
		w.wantRotated()
		l.only()
	})
}

// TestAFollowUpHeedsAHold and goes on when it is released.
func TestAFollowUpHeedsAHold(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		l := w.start(nil)
		defer l.stop()
		pass(10 * time.Minute)
		l.leak()
		if err := l.engine.Hold(t.Context(), rotator.Hold{CredentialID: deploy, By: "bob", Reason: "a release", At: time.Now(), Until: time.Now().Add(day)}); err != nil {
			t.Fatal(err)
		}
		pass(time.Hour)
		for _, r := range l.rotations() {
			if !r.Stage.Final() && r.Blocked != rotator.BlockHeld {
				t.Errorf("stage %s, blocked %q", r.Stage, r.Blocked)
			}
		}
		if err := l.engine.Release(t.Context(), deploy, "bob"); err != nil {
			t.Fatal(err)
		}
		pass(time.Hour)
		l.wantFollowed()
	})
}

// TestALeakedKeyThatNoPolicyRotatesAnyMore: its rotation ends all the same, and the incident says that the new key is left.
func TestALeakedKeyThatNoPolicyRotatesAnyMore(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		l := w.start(nil)
		defer l.stop()
		pass(10 * time.Minute)
		l.reload(func(s *engine.Setup) { s.Policies = nil })
		reported := time.Now()
		l.leak()
		pass(time.Hour)
		r := l.only()
		if r.Stage != rotator.StageDone {
			t.Fatalf("stage %s, blocked %q: %s", r.Stage, r.Blocked, r.Trouble)
		}
		series, err := l.store.Series(t.Context(), deploy)
		if err != nil {
			t.Fatal(err)
		}
		s := rotator.StandingOf(rotator.IncidentCredential{CredentialID: deploy}, reported, []rotator.Rotation{r}, series)
		if s.Standing != rotator.LeakKeysLeft || s.Do == "" {
			t.Errorf("standing %s, do %q", s.Standing, s.Do)
		}
	})
}

// TestCrashMatrixOfALeak crashes at every point after a leak was reported, until the suspect key is replaced too.
func TestCrashMatrixOfALeak(t *testing.T) {
	t.Parallel()
	from, to := leakCrashAt(t, 0)
	if to-from < 30 {
		t.Fatalf("only %d points after the leak was reported", to-from)
	}
	for at := from + 1; at <= to; at += stride {
		t.Run(fmt.Sprintf("point=%d", at), func(t *testing.T) { leakCrashAt(t, at) })
	}
}

// leakCrashAt reports a leak in a life that crashes at a point, and lets another one end it. It returns how many points there were before
// the leak and in all.
func leakCrashAt(t *testing.T, at int) (before, all int) {
	t.Helper()
	crash := &rotatortest.Crash{At: at}
	bubble(t, func(t *testing.T, w *world) {
		first := w.start(crash)
		pass(10 * time.Minute)
		before = crash.Points()
		_, err := first.engine.Rotate(t.Context(), deploy, rotator.ReasonCompromised, "ann")
		pass(10 * time.Minute)
		all = crash.Points()
		first.stop()
		second := w.start(nil)
		defer second.stop()
		pass(time.Second)
		leaked := func(r rotator.Rotation) bool { return r.Reason == rotator.ReasonCompromised }
		if err != nil && !slices.ContainsFunc(second.rotations(), leaked) { // the crash came first, and whoever reported it does so again
			second.leak()
		}
		pass(time.Hour)
		w.wantRotated()
		second.wantHastenedAndFollowed()
	})
	return before, all
}

// TestALeakIsOfTheKeyThatConsumersHave, and not of an orphan that looks newer because the provider has not let go of it: both are
// revoked in the end. Where there is room the leaked key is replaced beside the orphan, and else it waits and says so.
func TestALeakIsOfTheKeyThatConsumersHave(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		kept bool
		room int
	}{
		"let go in time":          {false, 2},
		"kept, and there is room": {true, 3},
		"kept, and there is none": {true, 2},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) { leakBesideAnOrphan(t, w, c.kept, c.room) })
		})
	}
}

func leakBesideAnOrphan(t *testing.T, w *world, kept bool, room int) {
	t.Helper()
	c := w.clings("deploy-r0002")
	l := w.start(nil)
	defer l.stop()
	pass(3 * time.Hour)
	w.wantRotated() // from here on consumers have deploy-r0001
	l.abandonWithOrphan()
	l.reload(func(s *engine.Setup) {
		s.Accounts = slices.Clone(s.Accounts)
		s.Accounts[0].MaxKeys = room
	})
	pass(time.Minute)
	if n := l.orphans(); n != 1 {
		t.Fatalf("%d orphans are known", n)
	}
	leaked := w.provider.SecretOf("2")
	c.keeps.Store(kept)
	l.leak()
	soon := 10 * time.Second // the place of an orphan is free as soon as it is revoked
	if kept {
		pass(time.Hour)
		r := l.latest()
		if waits := r.Blocked == rotator.BlockAtKeyCap; waits != (room == 2) || w.provider.Accepts(leaked) != waits {
			t.Errorf("stage %s, blocked %q: %s; active keys %v", r.Stage, r.Blocked, r.Trouble, w.provider.Active(user))
		}
		c.keeps.Store(false)
		soon = 20 * time.Minute // at the next scan
	}
	pass(soon)
	w.wantActive("deploy-r0004")
	w.wantRotated()
	if w.provider.Accepts(leaked) {
		t.Error("the key that leaked is accepted")
	}
	if r := l.latest(); r.Stage != rotator.StageDone || r.Reason != rotator.ReasonCompromised || r.OldKey.Name != "deploy-r0001" {
		t.Errorf("%s replaces %s for reason %s, stage %s: %s", r.NewKey.Name, r.OldKey.Name, r.Reason, r.Stage, r.Trouble)
	}
}

// abandonWithOrphan asks for a rotation whose first key is lost and shows itself late, and whose second one is of no use.
func (l *life) abandonWithOrphan() {
	l.w.t.Helper()
	p := l.w.provider
	p.SetListAfter(5 * time.Minute)
	p.SetAcceptAfter(time.Hour)
	p.SetHook(faults("Mint", true, 1, 1, rotator.NewFault("mint", rotator.UnknownOutcome, "lost")))
	if _, err := l.engine.Rotate(l.w.t.Context(), deploy, rotator.ReasonManual, "ann"); err != nil {
		l.w.t.Fatal(err)
	}
	pass(20 * time.Minute)
	if r := l.latest(); r.Stage != rotator.StageAbandoned {
		l.w.t.Fatalf("stage %s of key %s: %s", r.Stage, r.NewKey.Name, r.Trouble)
	}
	l.w.wantActive("deploy-r0001", "deploy-r0002")
	p.SetListAfter(0)
	p.SetAcceptAfter(0)
}

// latest returns the rotation of the highest version.
func (l *life) latest() rotator.Rotation {
	l.w.t.Helper()
	return slices.MaxFunc(l.rotations(), func(a, b rotator.Rotation) int { return a.Version - b.Version })
}
