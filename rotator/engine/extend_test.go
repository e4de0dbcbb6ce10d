package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/engine"
	"github.com/rotatord/rotatord/rotator/rotatortest"
)

// extends makes the policy move expiries, and gives the key one in twenty days.
func (w *world) extends() {
	w.capable = rotatortest.NewCapable(w.provider)
	p := w.policies[0]
	p.Extend, p.Lifetime, p.MaxAge = true, 60*day, 0
	w.provider.SetExpiry("1", time.Now().Add(20*day))
}

func (w *world) expiry(id string) time.Time {
	for _, k := range w.provider.Keys() {
		if k.ID == id {
			return k.Expires
		}
	}
	w.t.Fatalf("no key %s", id)
	return time.Time{}
}

// wantReplaced checks that the old key was replaced after all, for a reason in words.
func (l *life) wantReplaced(words string) {
	l.w.t.Helper()
	r := l.only()
	if r.Stage != rotator.StageDone || r.NewKey.ID == "" {
		l.w.t.Errorf("stage %s, new key %+v: %s", r.Stage, r.NewKey, r.Trouble)
	}
	for _, e := range l.history(r.ID) {
		if strings.Contains(e.Note, words) {
			l.w.wantRotated()
			return
		}
	}
	l.w.t.Errorf("the history does not say %q: %+v", words, l.history(r.ID))
}

func TestAnExpiryIsMovedAndNothingElse(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.extends()
		w.slow()
		l := w.start(nil)
		defer l.stop()
		pass(time.Minute)
		r := l.only()
		if r.Stage != rotator.StageDone || !strings.Contains(r.Why, "moved to") || !strings.Contains(r.Why, "its secret is the same") {
			t.Fatalf("stage %s: %s %s", r.Stage, r.Why, r.Trouble)
		}
		if left := time.Until(w.expiry("1")); left < 59*day || left > 60*day || !r.NewKeyExpires.Equal(w.expiry("1")) {
			t.Errorf("the key expires in %s, the rotation says %s", left, r.NewKeyExpires)
		}
		w.wantActive("deploy")
		for name, sink := range w.sinks {
			if n := len(sink.Items()); n != 0 {
				t.Errorf("sink %s was written", name)
			}
		}
		pass(29 * day)
		if n := w.provider.Calls("Extend"); n != 1 {
			t.Errorf("moved %d times before it was due again", n)
		}
		pass(62 * day)
		if n := w.provider.Calls("Extend"); n != 4 {
			t.Errorf("moved %d times in 91 days of an expiry that is due every 30", n)
		}
		if n := w.provider.Calls("Mint") + w.provider.Calls("Retire"); n != 0 {
			t.Errorf("%d calls to make and revoke keys", n)
		}
	})
}

func TestWhenAKeyIsReplacedThoughItsExpiryCouldBeMoved(t *testing.T) {
	t.Parallel()
	refuse := func(k rotator.Kind) rotatortest.Hook {
		return faults("Extend", false, 1, 1<<40, rotator.NewFault("extend", k, "the account forbids it"))
	}
	tests := []struct {
		name  string
		spoil func(w *world)
		words string
	}{
		{"too old", func(w *world) { w.policies[0].MaxAge = 80 * day }, "max_age"},
		{"no other expiry than it has", func(w *world) { w.policies[0].Lifetime = 19 * day }, "expiring"},
		{"the provider refuses", func(w *world) { w.provider.SetHook(refuse(rotator.Invalid)) }, "the account forbids it"},
		{"the provider moves it no further", func(w *world) { w.capable.ShortExtend = 10 * day }, "no further"},
		{"the provider cannot", func(w *world) {
			w.outerProvider, w.capable = func(p rotator.Provider) rotator.Provider { return p }, nil
		}, "expiring"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.extends()
				tt.spoil(w)
				l := w.start(nil)
				defer l.stop()
				pass(3 * time.Hour)
				l.wantReplaced(tt.words)
			})
		})
	}
}

func TestAKeyThatExpiredMeanwhileIsReplaced(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.extends()
		w.provider.SetHook(faults("Extend", false, 1, 1<<40, rotator.NewFault("extend", rotator.Conflict, "locked")))
		l := w.start(nil)
		defer l.stop()
		pass(time.Minute)
		w.provider.SetExpiry("1", time.Now().Add(-time.Second))
		pass(3 * time.Hour)
		l.wantReplaced("it expired at")
	})
}

func TestMovingAnExpiryIsRepeatedUntilTheAnswerIsKnown(t *testing.T) {
	t.Parallel()
	for _, k := range []rotator.Kind{rotator.Transient, rotator.UnknownOutcome, rotator.Throttled, rotator.Denied} {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/after=%v", k, after), func(t *testing.T) {
				bubble(t, func(t *testing.T, w *world) {
					w.extends()
					w.provider.SetHook(faults("Extend", after, 1, 2, rotator.NewFault("extend", k, "no answer")))
					l := w.start(nil)
					defer l.stop()
					pass(time.Hour)
					if r := l.only(); r.Stage != rotator.StageDone || w.provider.Calls("Extend") != 3 {
						t.Errorf("stage %s after %d calls: %s", r.Stage, w.provider.Calls("Extend"), r.Trouble)
					}
					w.wantActive("deploy")
					if left := time.Until(w.expiry("1")); left < 59*day {
						t.Errorf("the key expires in %s", left)
					}
				})
			})
		}
	}
}

func TestAnExpiryIsBelievedOnceItIsListed(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.extends()
		w.capable.SetLies(true)
		l := w.start(nil)
		defer l.stop()
		pass(time.Minute)
		if r := l.only(); r.Stage != rotator.StageExtending || r.Blocked != "" {
			t.Errorf("stage %s, blocked %q within the propagation time", r.Stage, r.Blocked)
		}
		pass(10 * time.Minute)
		l.wantBlocked(rotator.StageExtending, rotator.BlockOldKeyUnclear)
		w.capable.SetLies(false)
		pass(5 * time.Minute)
		if r := l.only(); r.Stage != rotator.StageDone {
			t.Errorf("stage %s: %s", r.Stage, r.Trouble)
		}
	})
}

func TestAHoldAndAFreezeStopTheMovingOfAnExpiry(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.extends()
		w.look = time.Minute
		w.provider.SetHook(faults("Extend", false, 1, 1<<40, rotator.NewFault("extend", rotator.Transient, "no answer")))
		l := w.start(nil)
		defer l.stop()
		pass(10 * time.Second)
		if r := l.only(); r.Stage != rotator.StageExtending {
			t.Fatalf("stage %s", r.Stage)
		}
		w.provider.SetHook(nil)
		if err := l.engine.Hold(t.Context(), rotator.Hold{CredentialID: deploy, By: "ann", Until: time.Now().Add(day), Reason: "audit"}); err != nil {
			t.Fatal(err)
		}
		calls := w.provider.Calls("Extend")
		pass(3 * time.Hour)
		l.wantBlocked(rotator.StageExtending, rotator.BlockHeld)
		l.reload(func(s *engine.Setup) {
			s.Freezes = []rotator.Freeze{{From: time.Now(), To: time.Now().Add(2 * day), Reason: "year end"}}
		})
		if err := l.engine.Release(t.Context(), deploy, "ann"); err != nil {
			t.Fatal(err)
		}
		pass(time.Hour)
		l.wantBlocked(rotator.StageExtending, rotator.BlockFrozen)
		if n := w.provider.Calls("Extend"); n != calls {
			t.Errorf("%d calls while held and frozen", n-calls)
		}
		pass(2 * day)
		for _, r := range l.rotations() { // a look at the key may fall on the very end, and plans what is then not due any more
			if r.Stage != rotator.StageDone && r.Stage != rotator.StageAbandoned {
				t.Errorf("stage %s: %s", r.Stage, r.Trouble)
			}
		}
		if left := time.Until(w.expiry("1")); left < 57*day {
			t.Errorf("the key expires in %s", left)
		}
	})
}

// TestACompromisedKeyIsReplacedAndNotExtended says so while the moving of its expiry is under way, or waits.
func TestACompromisedKeyIsReplacedAndNotExtended(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"Extend", "List"} {
		t.Run(op, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.extends()
				w.provider.SetHook(faults(op, false, 1, 1<<40, rotator.NewFault("extend", rotator.Conflict, "locked")))
				l := w.start(nil)
				defer l.stop()
				pass(10 * time.Second)
				if _, err := l.engine.Rotate(t.Context(), deploy, rotator.ReasonCompromised, "ann"); err != nil {
					t.Fatal(err)
				}
				w.provider.SetHook(nil)
				pass(time.Hour)
				if n := w.provider.Calls("Extend"); op == "List" && n != 0 {
					t.Errorf("the expiry of a compromised key was moved %d times", n)
				}
				w.wantRotated()
				w.wantActive("deploy-r0001")
			})
		})
	}
}

func TestCrashMatrixOfMovingAnExpiry(t *testing.T) {
	t.Parallel()
	total := extendCrashAt(t, 0)
	if total < 10 {
		t.Fatalf("only %d points: the crash is not wired in", total)
	}
	for at := 1; at <= total; at += stride {
		t.Run(fmt.Sprintf("point=%d", at), func(t *testing.T) { extendCrashAt(t, at) })
	}
}

func extendCrashAt(t *testing.T, at int) int {
	t.Helper()
	crash := &rotatortest.Crash{At: at}
	bubble(t, func(t *testing.T, w *world) {
		w.extends()
		w.slow()
		first := w.start(crash)
		pass(time.Minute)
		first.stop()
		second := w.start(nil)
		defer second.stop()
		pass(32 * day)
		w.wantActive("deploy")
		if left := time.Until(w.expiry("1")); left < 57*day {
			t.Errorf("crashed %s: the key expires in %s, so it was not moved a second time", crash.Where(), left)
		}
		if n := w.provider.Calls("Mint"); n != 0 {
			t.Errorf("crashed %s: %d keys made", crash.Where(), n)
		}
		for _, r := range second.rotations() {
			if r.Stage != rotator.StageDone && r.Stage != rotator.StageAbandoned {
				t.Errorf("crashed %s: a rotation in %s: %s", crash.Where(), r.Stage, r.Trouble)
			}
		}
	})
	return crash.Points()
}
