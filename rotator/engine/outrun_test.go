package engine_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// slowCommit keeps the first change that a person asks for on its way for a while, in which the daemon goes on.
type slowCommit struct {
	rotator.Store
	takes time.Duration
	begun atomic.Bool
}

func (s *slowCommit) Commit(ctx context.Context, c rotator.Change) error {
	if c.Actor == "ann" && s.begun.CompareAndSwap(false, true) {
		pass(s.takes)
	}
	return s.Store.Commit(ctx, c)
}

// TestALeakIsNotLostToARotationThatMoves, or that ends just then: then the key that it made is replaced.
func TestALeakIsNotLostToARotationThatMoves(t *testing.T) {
	t.Parallel()
	for name, takes := range map[string]time.Duration{"moves": time.Hour, "ends": day} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.disables = true
				slow := &slowCommit{takes: takes}
				l := w.startWith(func(s rotator.Store) rotator.Store { slow.Store = s; return slow })
				defer l.stop()
				pass(10 * time.Minute)
				l.leak()
				if !slow.begun.Load() {
					t.Fatal("nobody asked for anything")
				}
				pass(day)
				w.wantActive("deploy-r0002")
				w.wantRotated()
				if rs := l.rotations(); len(rs) != 2 {
					t.Errorf("%d rotations, want the one that was under way and one more: %+v", len(rs), rs)
				}
			})
		})
	}
}

// TestStartingOverIsNotLostToARotationThatMoves at the same moment.
func TestStartingOverIsNotLostToARotationThatMoves(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		slow := &slowCommit{takes: 80 * time.Minute}
		l := w.startWith(func(s rotator.Store) rotator.Store { slow.Store = s; return slow })
		defer l.stop()
		pass(10 * time.Minute)
		w.sinks["vault"].Remove("cc/ci-build/deploy") // so that it cannot go on
		if _, err := l.engine.StartOver(t.Context(), deploy, "ann"); err != nil {
			t.Fatal(err)
		}
		pass(day)
		w.wantActive("deploy-r0002")
		w.wantRotated()
	})
}

// drowsy does not let keys be looked at again that wait for an approval.
type drowsy struct {
	rotator.Store
	asked atomic.Int64
}

func (d *drowsy) LookAgain(ctx context.Context, provider string, reason rotator.BlockReason, at time.Time) error {
	if reason == rotator.BlockAwaitingApproval {
		d.asked.Add(1)
		return rotator.NewFault("look again", rotator.Transient, "the disk failed")
	}
	return d.Store.LookAgain(ctx, provider, reason, at)
}

// TestWhatIsApprovedIsApproved, though the journal fails just after it has taken the approval.
func TestWhatIsApprovedIsApproved(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.setup.Cap = rotator.CapLimits{}
		d := &drowsy{}
		l := w.startWith(func(s rotator.Store) rotator.Store { d.Store = s; return d })
		defer l.stop()
		pass(time.Minute)
		n, err := l.engine.Approve(t.Context(), "cc", "ann", day)
		if n != 1 || err != nil || d.asked.Load() == 0 {
			t.Fatalf("%d rotations approved, %v, after %d failures", n, err, d.asked.Load())
		}
		pass(4 * time.Hour)
		w.wantActive("deploy-r0001")
		w.wantRotated()
	})
}
