package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/engine"
)

// observes makes the policy one that only observes, with nowhere to deliver to.
func (w *world) observes() {
	p := *w.policies[0]
	p.Observe, p.Sinks = true, nil
	w.policies = []*rotator.Policy{&p}
}

func observed(t *testing.T, l *life) int {
	t.Helper()
	counts, err := l.store.Counts(t.Context(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return counts.Blocked["cc"][rotator.BlockObserveOnly]
}

func TestAnObservedKeyIsShownAndNotRotated(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		rotating := w.policies
		w.observes()
		l := w.start(nil)
		defer l.stop()
		pass(6 * time.Hour)
		if rs := l.rotations(); len(rs) != 0 {
			t.Fatalf("rotations %+v", rs)
		}
		waiting, err := l.store.WaitingKeys(t.Context(), 10)
		if err != nil || len(waiting) != 1 || waiting[0].Waiting != rotator.BlockObserveOnly || !strings.Contains(waiting[0].WaitingWhy, "policy ci only observes") {
			t.Errorf("waiting %+v, %v", waiting, err)
		}
		if since := time.Since(waiting[0].WaitingSince); since < 5*time.Hour {
			t.Errorf("waiting for %s only, after six hours", since)
		}
		if n := observed(t, l); n != 1 {
			t.Errorf("%d keys counted as observed only", n)
		}
		_, err = l.engine.Rotate(t.Context(), deploy, rotator.ReasonManual, "ann")
		wantFault(t, err, rotator.Invalid, "only observes")
		_, err = l.engine.Rotate(t.Context(), deploy, rotator.ReasonCompromised, "ann")
		wantFault(t, err, rotator.Invalid, "only observes")
		down := w.down()
		down.Store(true) // it does not take a scan to see that
		l.reload(func(s *engine.Setup) { s.Policies = rotating })
		pass(10 * time.Second)
		down.Store(false)
		pass(10 * time.Minute)
		w.wantActive("deploy", "deploy-r0001")
		if n := observed(t, l); n != 0 {
			t.Errorf("%d keys counted as observed only once they rotate", n)
		}
	})
}

func TestAnObservedKeyThatIsRevokedIsNotShownAnyMore(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.observes()
		w.slow() // a look at the key itself comes an hour later
		w.setup.Scan, _ = rotator.ParseSchedule("*/15 * * * *", "")
		l := w.start(nil)
		defer l.stop()
		pass(time.Minute)
		if n := observed(t, l); n != 1 {
			t.Fatalf("%d keys counted as observed only", n)
		}
		w.provider.RemoveByHand("1")
		l.engine.ScanNow()
		pass(time.Minute)
		if n := observed(t, l); n != 0 {
			t.Errorf("%d keys counted as observed only after the one was revoked", n)
		}
	})
}

func TestAPlanWhosePolicyOnlyObservesByNowIsGivenUp(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.byHand()
		l := w.start(nil)
		defer l.stop()
		pass(time.Minute)
		l.wantBlocked(rotator.StagePlanned, rotator.BlockAwaitingSupply)
		w.observes()
		l.reload(func(s *engine.Setup) { s.Policies = w.policies })
		pass(time.Hour)
		if r := l.only(); r.Stage != rotator.StageAbandoned || observed(t, l) != 1 {
			t.Errorf("stage %s, %d keys counted as observed only: %s", r.Stage, observed(t, l), r.Trouble)
		}
	})
}
