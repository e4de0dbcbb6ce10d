package engine_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/engine"
)

func TestAFreezeStopsWhatWasPlannedBeforeIt(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.unhurried()
		w.setup.Freezes = []rotator.Freeze{{From: time.Now().Add(time.Hour), To: time.Now().Add(5 * day), Reason: "year end"}}
		var lists atomic.Int32
		until := time.Now().Add(2 * time.Hour)
		w.provider.SetHook(calls("List", &lists, func() error {
			if time.Now().Before(until) {
				return rotator.NewFault("list", rotator.Invalid, "maintenance")
			}
			return nil
		}))
		l := w.start(nil)
		defer l.stop()
		pass(4 * day)
		if r := l.only(); r.Blocked != rotator.BlockFrozen || w.provider.Mints() != 0 {
			t.Errorf("stage %s, blocked %q, %d keys made in a freeze", r.Stage, r.Blocked, w.provider.Mints())
		}
		pass(2 * day)
		w.wantRotated()
	})
}

// TestTheWindowOfARenamedPolicyCounts follows the credential to the policy that selects it now.
func TestTheWindowOfARenamedPolicyCounts(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		l := w.start(nil)
		defer l.stop()
		pass(10 * time.Minute)
		opens, err := rotator.ParseSchedule("0 9 * * *", "")
		if err != nil {
			t.Fatal(err)
		}
		renamed := *w.policies[0]
		renamed.Name, renamed.Window = "renamed", &rotator.Window{Opens: opens, For: time.Hour}
		l.reload(func(s *engine.Setup) { s.Policies = []*rotator.Policy{&renamed} })
		pass(8 * time.Hour)
		if r := l.only(); r.Blocked != rotator.BlockOutsideWindow {
			t.Errorf("stage %s, blocked %q: %s", r.Stage, r.Blocked, r.Trouble)
		}
		w.wantActive("deploy", "deploy-r0001")
		pass(time.Hour)
		w.wantRotated()
	})
}

// TestAHeldRotationAsksNobody counts what a long hold costs the provider.
func TestAHeldRotationAsksNobody(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.unhurried()
		l := w.start(nil)
		defer l.stop()
		pass(10 * time.Minute)
		var lists atomic.Int32
		w.provider.SetHook(calls("List", &lists, func() error { return nil }))
		c := rotator.CredentialID{Provider: "cc", UserID: user, Base: "deploy"}
		if err := l.engine.Hold(t.Context(), rotator.Hold{CredentialID: c, By: "ann", Until: time.Now().Add(10 * day)}); err != nil {
			t.Fatal(err)
		}
		pass(9 * day)
		if r := l.only(); r.Blocked != rotator.BlockHeld || lists.Load() > 1 {
			t.Errorf("blocked %q, %d lists of keys while held", r.Blocked, lists.Load())
		}
		w.wantActive("deploy", "deploy-r0001")
		pass(2 * day)
		w.wantRotated()
	})
}

// lost is a sink whose locations cannot be rendered, with an error that nobody classified.
type lost struct{ rotator.Sink }

func (lost) Location(rotator.Coordinates) (string, error) {
	return "", errors.New("the template fails")
}

// TestALocationThatCannotBeRenderedIsShownAndNotAskedForWithoutEnd counts how often it is tried.
func TestALocationThatCannotBeRenderedIsShownAndNotAskedForWithoutEnd(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.outerSink = func(_ string, s rotator.Sink) rotator.Sink { return lost{s} }
		failures := &journalFailures{}
		w.observer = failures
		l := w.start(nil)
		defer l.stop()
		pass(time.Hour)
		waiting, err := l.store.WaitingKeys(t.Context(), 10)
		if err != nil || len(waiting) != 1 || waiting[0].Waiting != rotator.BlockInvalid {
			t.Errorf("waiting %+v, %v", waiting, err)
		}
		if n := failures.n.Load(); n > 0 {
			t.Errorf("%d failures blamed on the journal", n)
		}
	})
}

type journalFailures struct {
	engine.Unobserved
	n atomic.Int32
}

func (j *journalFailures) JournalFailed(error) { j.n.Add(1) }

func TestG3AFreezeThatAnOperatorPlacesStopsTheRevocationUntilItIsLifted(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		l := w.start(nil)
		defer l.stop()
		pass(time.Minute)
		if r := l.only(); r.Stage != rotator.StageGrace {
			t.Fatalf("stage %s, want a grace period to freeze in", r.Stage)
		}
		f := rotator.PlacedFreeze{ID: "f", By: "ada", At: time.Now(), Freeze: rotator.Freeze{From: time.Now(), To: time.Now().Add(50 * day), Reason: "move"}}
		if err := l.engine.Freeze(t.Context(), f); err != nil {
			t.Fatal(err)
		}
		pass(20 * day)
		if r := l.only(); r.Blocked != rotator.BlockFrozen {
			t.Errorf("stage %s, blocked %q: %s", r.Stage, r.Blocked, r.Trouble)
		}
		w.wantActive("deploy", "deploy-r0001")
		if all, err := l.engine.Freezes(t.Context()); err != nil || len(all) != 1 || all[0].By != "ada" {
			t.Errorf("freezes %+v, %v", all, err)
		}
		if err := l.engine.Lift(t.Context(), "f", "ann"); err != nil {
			t.Fatal(err)
		}
		pass(time.Hour)
		w.wantRotated()
	})
}
