package engine_test

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// robotID is the service user that waits for its first key.
const robotID = "8"

// awaitsFirstKey has a declared service user that is there already and has no key, at a provider that loses the answers of so many first
// creations and lists new keys so late.
func (w *world) awaitsFirstKey(lost int64, late time.Duration) {
	w.declares()
	w.provider.AddUser(robotID, "robot")
	w.capable.SetAttributes(robotID, w.declared[0].Spec)
	w.provider.SetListAfter(late)
	w.provider.SetHook(faults("Mint", true, 1, lost, rotator.NewFault("mint", rotator.UnknownOutcome, "connection reset")))
}

// orphans counts them as they are told of.
func (l *life) orphans() int {
	l.w.t.Helper()
	c, err := l.store.Counts(l.w.t.Context(), time.Now())
	if err != nil {
		l.w.t.Fatal(err)
	}
	return c.Orphans["cc"]
}

// TestALostFirstKeyIsRevokedBeforeAnotherIsMade, however long the provider does not let go of it: the rotation waits, and says for what.
func TestALostFirstKeyIsRevokedBeforeAnotherIsMade(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.awaitsFirstKey(1, 0)
		c := w.clings("bot-r0001")
		l := w.start(nil)
		defer l.stop()
		pass(6 * time.Hour)
		r := l.only()
		if r.Stage != rotator.StageMinting || !strings.Contains(r.Trouble, "revoking key bot-r0001 (id 2), whose secret was lost: ") {
			t.Errorf("stage %s: %s", r.Stage, r.Trouble)
		}
		if n := w.provider.Mints(); n != 1 {
			t.Errorf("%d keys were made while the first was not let go of", n)
		}
		if n := c.asked.Load(); n < 6 || n > 60 {
			t.Errorf("the provider was asked %d times in six hours to revoke it", n)
		}
		c.keeps.Store(false)
		pass(20 * time.Minute)
		w.wantRobot()
		if r := l.only(); r.Stage != rotator.StageDone || r.NewKey.Name != "bot-r0002" {
			t.Errorf("stage %s of key %s: %s", r.Stage, r.NewKey.Name, r.Trouble)
		}
	})
}

// TestAnOrphanGoesBeforeTheFirstKeyIsPlannedAnew: it shows itself after its rotation was given up, and is all that its service user has.
func TestAnOrphanGoesBeforeTheFirstKeyIsPlannedAnew(t *testing.T) {
	t.Parallel()
	for name, kept := range map[string]bool{"let go at once": false, "kept for a while": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) { orphanWithoutARotation(t, w, kept) })
		})
	}
}

func orphanWithoutARotation(t *testing.T, w *world, kept bool) {
	t.Helper()
	w.awaitsFirstKey(1, 5*time.Minute)
	w.provider.SetAcceptAfter(time.Hour) // so the second key is of no use
	c := w.clings("bot-r0001")
	c.keeps.Store(kept)
	l := w.start(nil)
	defer l.stop()
	pass(10 * time.Minute)
	if r := l.only(); r.Stage != rotator.StageAbandoned || r.NewKey.Name != "bot-r0002" || !slices.Equal(w.provider.Active(robotID), []string{"bot-r0001"}) {
		t.Fatalf("stage %s of key %s, active keys %v", r.Stage, r.NewKey.Name, w.provider.Active(robotID))
	}
	w.provider.SetAcceptAfter(0)
	w.provider.SetListAfter(0)
	made := w.provider.Mints()
	w.provider.SetHook(func(op string, after bool) error {
		if active := w.provider.Active(robotID); op == "Mint" && !after && len(active) > 0 {
			t.Errorf("another key is made beside %v", active)
		}
		return nil
	})
	if kept {
		pass(6 * time.Hour)
		if n := c.asked.Load(); w.provider.Mints() != made || n < 6 || l.orphans() != 1 {
			t.Errorf("%d keys were made beside an orphan that is kept; it was to be revoked %d times, and %d are told of", w.provider.Mints()-made, n, l.orphans())
		}
		c.keeps.Store(false)
	}
	pass(time.Hour)
	w.wantRobot()
	if w.provider.Mints() != made+1 || l.orphans() != 0 {
		t.Errorf("%d keys were made since, and %d orphans are told of", w.provider.Mints()-made, l.orphans())
	}
}

// TestOrphansOfAFirstKeyDoNotPileUp at a provider that loses every answer, shows every key late and lets go of none: once those that
// there are show themselves, no more are made, and the rotation says why.
func TestOrphansOfAFirstKeyDoNotPileUp(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.unhurried()
		w.awaitsFirstKey(1<<40, 5*time.Minute)
		c := w.clings("")
		l := w.start(nil)
		defer l.stop()
		pass(10 * time.Minute)
		made := w.provider.Mints()
		if made < 2 {
			t.Fatalf("only %d keys were made: this test sees nothing", made)
		}
		for range 2 {
			pass(20 * time.Hour)
			if r := l.only(); r.Stage != rotator.StagePlanned || r.Blocked != rotator.BlockAtKeyCap || w.provider.Mints() != made || l.orphans() != made {
				t.Errorf("stage %s, blocked %q: %s; %d of %d keys were made since, and %d orphans are told of",
					r.Stage, r.Blocked, r.Trouble, w.provider.Mints()-made, w.provider.Mints(), l.orphans())
			}
		}
		w.provider.SetHook(nil)
		w.provider.SetListAfter(0)
		c.keeps.Store(false)
		pass(time.Hour)
		w.wantRobot()
	})
}

// TestG9AFirstKeyOfNoUseIsNotMadeAgainAtEveryScan: each costs the provider a key. What is the matter is said of the service user.
func TestG9AFirstKeyOfNoUseIsNotMadeAgainAtEveryScan(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.awaitsFirstKey(0, 0)
		w.provider.SetAcceptAfter(100 * day)
		l := w.start(nil)
		defer l.stop()
		pass(12 * time.Hour)
		if n := w.provider.Mints(); n < 6 || n > 9 {
			t.Errorf("%d keys were made in twelve hours", n)
		}
		l.wantProvision(rotator.ProvisionPresent, "was of no use, and another is made after 2000-01-01T")
		w.provider.SetAcceptAfter(0)
		pass(3 * time.Hour)
		w.wantRobot()
		l.wantProvision(rotator.ProvisionPresent, "")
	})
}

// TestAFirstKeyThatAClockPutOffWhichWasAhead is made soon once the clock is right.
func TestAFirstKeyThatAClockPutOffWhichWasAhead(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.awaitsFirstKey(0, 0)
		w.provider.SetAcceptAfter(100 * day)
		var ahead atomic.Int64
		w.clock = rotator.NewClock(func() time.Duration { return time.Duration(ahead.Load()) })
		ahead.Store(int64(365 * day))
		l := w.start(nil)
		defer l.stop()
		pass(time.Hour)
		if r := l.latest(); r.Stage != rotator.StageAbandoned {
			t.Fatalf("stage %s: %s", r.Stage, r.Trouble)
		}
		w.provider.SetAcceptAfter(0)
		ahead.Store(0)
		pass(20 * time.Minute)
		w.wantRobot()
	})
}
