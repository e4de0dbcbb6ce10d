package engine_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/rotatortest"
)

// TestCrashMatrix stops the daemon at every journal write and every effect of a whole rotation, before it and after it,
// starts it again, and reaches the same end each time. A consumer uses what is delivered all the while (G1); at the end no
// key is left that nobody holds (G2).
func TestCrashMatrix(t *testing.T) {
	t.Parallel()
	for _, disables := range []bool{false, true} {
		total := crashAt(t, disables, 0)
		if total < 30 {
			t.Fatalf("only %d points in a whole rotation: the crash is not wired in", total)
		}
		for at := 1; at <= total; at += stride {
			t.Run(fmt.Sprintf("disables=%v/point=%d", disables, at), func(t *testing.T) { crashAt(t, disables, at) })
		}
	}
}

// crashAt runs a rotation that crashes at a point, and a second life after it. It returns how many points there were.
func crashAt(t *testing.T, disables bool, at int) int {
	t.Helper()
	crash := &rotatortest.Crash{At: at}
	bubble(t, func(t *testing.T, w *world) {
		w.disables, w.look = disables, 5*time.Minute
		first := w.start(crash)
		pass(3 * time.Hour)
		first.stop()
		if at > 0 && crash.Where() == "" {
			return // this run took another way and passed fewer points
		}
		second := w.start(nil)
		pass(4 * time.Hour)
		defer second.stop()
		w.wantRotated()
		for _, r := range second.rotations() {
			if !r.Stage.Final() {
				t.Errorf("crashed %s: rotation still in %s: %s", crash.Where(), r.Stage, r.Trouble)
			}
		}
	})
	return crash.Points()
}

// TestCrashTwice crashes at a point, and again early in the life after it.
func TestCrashTwice(t *testing.T) {
	t.Parallel()
	total := crashAt(t, false, 0)
	for at := 5; at <= total; at += 3 * stride {
		for again := 1; again <= 8; again++ {
			t.Run(fmt.Sprintf("point=%d/again=%d", at, again), func(t *testing.T) {
				bubble(t, func(t *testing.T, w *world) {
					w.look = 5 * time.Minute
					for _, point := range []int{at, again} {
						l := w.start(&rotatortest.Crash{At: point})
						pass(3 * time.Hour)
						l.stop()
					}
					w.lives(6 * time.Hour)
					w.wantRotated()
				})
			})
		}
	}
}

// TestSuspendedMachine lets days pass between two lives: what was due meanwhile is done at once.
func TestSuspendedMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.lives(time.Minute)
		w.wantActive("deploy", "deploy-r0001")
		pass(30 * day)
		l := w.start(nil)
		defer l.stop()
		pass(time.Second)
		if r := l.only(); r.Stage != rotator.StageDone {
			t.Errorf("stage %s, %s", r.Stage, r.Trouble)
		}
	})
}
