package engine_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/rotatortest"
)

// TestCrashMatrixByHand stops the daemon at every journal write and every effect of a rotation in which people make and
// remove the keys, and starts it again. The person supplies once more what was not recorded, and is told in clear words
// where it was.
func TestCrashMatrixByHand(t *testing.T) {
	t.Parallel()
	total := byHandCrashAt(t, 0)
	if total < 25 {
		t.Fatalf("only %d points: the crash is not wired in", total)
	}
	for at := 1; at <= total; at += stride {
		t.Run(fmt.Sprintf("point=%d", at), func(t *testing.T) { byHandCrashAt(t, at) })
	}
}

func byHandCrashAt(t *testing.T, at int) int {
	t.Helper()
	crash := &rotatortest.Crash{At: at}
	bubble(t, func(t *testing.T, w *world) {
		w.byHand()
		w.look = 5 * time.Minute
		key := w.makes("deploy-r0001")
		first := w.start(crash)
		pass(10 * time.Minute)
		_, supplied := first.engine.Supply(t.Context(), deploy, key, "ann")
		pass(2 * time.Hour)
		_, removed := first.engine.Removed(t.Context(), deploy, "ann")
		pass(10 * time.Minute)
		first.stop()
		if at > 0 && crash.Where() == "" {
			return // this run took another way and passed fewer points
		}
		second := w.start(nil)
		defer second.stop()
		pass(10 * time.Minute)
		_, again := second.engine.Supply(t.Context(), deploy, key, "ann")
		if again != nil {
			wantFault(t, again, rotator.Conflict)
		}
		if supplied == nil && again == nil {
			t.Errorf("crashed %s: the same key was taken twice", crash.Where())
		}
		pass(2 * time.Hour)
		w.provider.RemoveByHand("1")
		if _, err := second.engine.Removed(t.Context(), deploy, "ann"); err != nil && removed != nil && rotator.KindOf(err) != rotator.Gone {
			t.Errorf("crashed %s: saying that it was removed: %v, then %v", crash.Where(), removed, err)
		}
		pass(time.Hour)
		w.wantRotated()
		w.wantActive("deploy-r0001")
		if open, err := second.store.Rotations(t.Context(), false, 10); err != nil || len(open) > 0 {
			t.Errorf("crashed %s: still open: %+v, %v", crash.Where(), open, err)
		}
	})
	return crash.Points()
}
