package engine_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// slowState takes an hour for each of the first two saves of a provider's state.
type slowState struct {
	rotator.Store
	saves atomic.Int64
}

func (s *slowState) SaveProviderState(ctx context.Context, p rotator.ProviderState) error {
	if s.saves.Add(1) <= 2 {
		<-time.After(time.Hour)
	}
	return s.Store.SaveProviderState(ctx, p)
}

// TestASlowSaveKeepsNoClockFromGoing: whoever waits for a save to end waits so that a fake clock goes on, or no test could have two
// of them.
func TestASlowSaveKeepsNoClockFromGoing(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		slow := &slowState{}
		l := w.startWith(func(s rotator.Store) rotator.Store { slow.Store = s; return slow })
		defer l.stop()
		pass(time.Second) // the first scan is over, and its save under way
		if err := l.engine.Apply(t.Context(), &l.setup); err != nil {
			t.Fatal(err)
		}
		if n, err := l.engine.Approve(t.Context(), "cc", "ann", day); err != nil {
			t.Errorf("%d approved: %v", n, err)
		}
		if slow.saves.Load() < 2 {
			t.Errorf("%d saves, want two at least, one after the other", slow.saves.Load())
		}
		pass(day)
		w.wantRotated()
	})
}
