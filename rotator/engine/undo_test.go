package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// undo asks as an operator does.
func (l *life) undo(span time.Duration) error {
	now := time.Now()
	_, err := l.engine.Undo(l.w.t.Context(), rotator.Hold{CredentialID: deploy, By: "ann", Until: now.Add(span), Reason: "still in use", At: now})
	return err
}

func TestUndoBringsTheOldKeyBack(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.disables = true
		l := w.start(nil)
		defer l.stop()
		pass(90 * time.Minute) // an hour of grace is over, and the soak is not
		if r := l.only(); r.Stage != rotator.StageSoaking {
			t.Fatalf("stage %s: %s", r.Stage, r.Trouble)
		}
		w.wantActive("deploy-r0001")
		if err := l.undo(3 * time.Hour); err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Hour)
		w.wantActive("deploy", "deploy-r0001")
		if r := l.only(); r.Blocked != rotator.BlockHeld {
			t.Errorf("stage %s, blocked %q: %s", r.Stage, r.Blocked, r.Trouble)
		}
		pass(4 * time.Hour) // the hold ends, and grace and soak begin anew
		w.wantRotated()
	})
}

func TestUndoIsRefusedWhereNothingIsSwitchedOff(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		l := w.start(nil)
		defer l.stop()
		pass(time.Minute)
		if err := l.undo(time.Hour); rotator.KindOf(err) != rotator.Conflict || !strings.Contains(err.Error(), "rotatord hold") {
			t.Errorf("in grace: %v", err)
		}
		if h, err := l.store.HoldOn(t.Context(), deploy, time.Now()); h != nil || err != nil {
			t.Errorf("a hold was left: %v, %v", h, err)
		}
		pass(3 * time.Hour)
		if err := l.undo(time.Hour); rotator.KindOf(err) != rotator.Gone || !strings.Contains(err.Error(), "cannot be brought back") {
			t.Errorf("after the end: %v", err)
		}
	})
}

// TestUndoOfAKeyThatIsGone: somebody revoked the key by hand while it was off.
func TestUndoOfAKeyThatIsGone(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.disables = true
		l := w.start(nil)
		defer l.stop()
		pass(90 * time.Minute)
		if err := w.provider.Retire(t.Context(), rotator.Key{ID: l.only().OldKey.ID}); err != nil {
			t.Fatal(err)
		}
		if err := l.undo(time.Hour); err != nil {
			t.Fatal(err)
		}
		pass(4 * time.Hour)
		w.wantRotated()
		if r := l.only(); r.Stage != rotator.StageDone {
			t.Errorf("stage %s: %s", r.Stage, r.Trouble)
		}
	})
}

// TestUndoSurvivesACrash stops the daemon around the call that switches the key on.
func TestUndoSurvivesACrash(t *testing.T) {
	for _, after := range []bool{false, true} {
		bubble(t, func(t *testing.T, w *world) {
			w.disables = true
			l := w.start(nil)
			pass(90 * time.Minute)
			w.provider.SetHook(func(op string, now bool) error {
				if op == "Enable" && now == after {
					l.cancel()
					return rotator.NewFault("enable", rotator.UnknownOutcome, "the connection broke")
				}
				return nil
			})
			if err := l.undo(3 * time.Hour); err != nil {
				t.Fatal(err)
			}
			pass(time.Minute)
			l.stop()
			w.provider.SetHook(nil)
			l = w.start(nil)
			defer l.stop()
			pass(time.Hour)
			w.wantActive("deploy", "deploy-r0001")
		})
	}
}
