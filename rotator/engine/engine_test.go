package engine_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/rotatortest"
)

// bubble runs a test on the fake clock, with a consumer that uses what is delivered.
func bubble(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { w.consume(ctx); close(done) }()
		f(t, w)
		stop()
		<-done
	})
}

func TestWholeRotation(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		l := w.start(nil)
		defer l.stop()
		pass(time.Minute)
		if r := l.only(); r.Stage != rotator.StageGrace || r.Sealed != nil {
			t.Fatalf("after a minute: stage %s, sealed %d bytes", r.Stage, len(r.Sealed))
		}
		w.wantActive("deploy", "deploy-r0001")
		pass(2 * time.Hour)
		if r := l.only(); r.Stage != rotator.StageDone {
			t.Fatalf("after two hours: stage %s, %s", r.Stage, r.Trouble)
		}
		w.wantActive("deploy-r0001")
		w.wantRotated()
	})
}

func TestSoakKeepsTheOldKeyDisabled(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.disables = true
		l := w.start(nil)
		defer l.stop()
		pass(90 * time.Minute)
		if r := l.only(); r.Stage != rotator.StageSoaking || w.provider.Keys()[0].State != rotator.KeyDisabled {
			t.Fatalf("stage %s, old key %s", r.Stage, w.provider.Keys()[0].State)
		}
		pass(time.Hour)
		if r := l.only(); r.Stage != rotator.StageDone || w.provider.Keys()[0].State != rotator.KeyRevoked {
			t.Fatalf("stage %s, old key %s", r.Stage, w.provider.Keys()[0].State)
		}
	})
}

func TestG1AcrossManyRotations(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.look = 6 * time.Hour
		w.setup.Scan, _ = rotator.ParseSchedule("0 */6 * * *", "")
		l := w.start(nil)
		defer l.stop()
		pass(400 * day)
		if n := len(l.rotations()); n < 6 || n > 8 {
			t.Errorf("%d rotations in 400 days of a 90-day policy renewed 30 days ahead", n)
		}
		w.wantRotated()
	})
}

// faults makes the n-th to m-th call of op fail, before or after the effect.
func faults(op string, after bool, from, to int64, err error) rotatortest.Hook {
	var n atomic.Int64
	return func(o string, a bool) error {
		if o != op || a != after {
			return nil
		}
		if i := n.Add(1); i >= from && i <= to {
			return err
		}
		return nil
	}
}

func TestG5LostAnswerIsAskedAboutNeverRetried(t *testing.T) {
	t.Parallel()
	lost := rotator.NewFault("mint", rotator.UnknownOutcome, "connection reset")
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprintf("after the effect %v", after), func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.provider.SetHook(faults("Mint", after, 1, 1, lost))
				w.lives(3 * time.Hour)
				w.wantActive("deploy-r0002")
				w.wantRotated()
				want := map[bool]int{false: 1, true: 2}[after]
				if got := w.provider.Mints(); got != want {
					t.Errorf("%d keys made, want %d", got, want)
				}
			})
		})
	}
}

func TestG2SecretSurvivesAJournalThatFailsForAWhile(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		l := w.startWith(func(s rotator.Store) rotator.Store { return &flaky{Store: s, stage: rotator.StageMinted, failures: 5} })
		pass(3 * time.Hour)
		l.stop()
		w.wantActive("deploy-r0001")
		w.wantRotated()
	})
}

func TestG2KeyIsRevokedWhenItCannotBeSealed(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		l := w.startWith(func(s rotator.Store) rotator.Store {
			return &flaky{Store: s, stage: rotator.StageMinted, failures: 100}
		})
		pass(35 * time.Second)
		if first := w.provider.Keys()[1]; first.State != rotator.KeyRevoked {
			t.Errorf("key %s could not be sealed and is %s", first.Name, first.State)
		}
		pass(6 * time.Hour)
		l.stop()
		w.wantRotated()
	})
}

// flaky refuses the first commits that reach a stage, as a full disk would.
type flaky struct {
	rotator.Store
	stage    rotator.Stage
	failures int32
	n        atomic.Int32
}

func (f *flaky) Commit(ctx context.Context, c rotator.Change) error {
	if c.After.Stage == f.stage && f.n.Add(1) <= f.failures {
		return rotator.NewFault("commit", rotator.Transient, "no space left on device")
	}
	return f.Store.Commit(ctx, c)
}

func TestADownSinkIsRetriedWithTheSameKeyAndOthersAreNotRepeated(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		var vaultDeliveries atomic.Int32
		w.sinks["vault"].SetHook(func(op string, after bool) error {
			if op == "Deliver" && !after {
				vaultDeliveries.Add(1)
			}
			return nil
		})
		w.sinks["disk"].SetHook(faults("Deliver", false, 1, 6, rotator.NewFault("write", rotator.Transient, "no space left on device")))
		l := w.start(nil)
		defer l.stop()
		pass(30 * time.Second)
		r := l.only()
		if r.Stage != rotator.StageDelivering || len(r.Sealed) == 0 || !strings.Contains(r.Trouble, "sink disk: ") {
			t.Fatalf("while the disk is full: stage %s, sealed %d bytes, trouble %q", r.Stage, len(r.Sealed), r.Trouble)
		}
		w.wantActive("deploy", "deploy-r0001")
		pass(3 * time.Hour)
		w.wantRotated()
		if n := vaultDeliveries.Load(); n != 1 || w.provider.Mints() != 1 {
			t.Errorf("%d deliveries to the other sink, %d keys made", n, w.provider.Mints())
		}
	})
}

func TestAForeignWriteBlocksAndIsNotOverwritten(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		const where = "cc/ci-build/deploy"
		w.sinks["disk"].Put(where, rotatortest.Item{Secret: w.provider.SecretOf("1"), Foreign: true})
		l := w.start(nil)
		defer l.stop()
		pass(2 * day)
		if r := l.only(); r.Blocked != rotator.BlockSinkConflict {
			t.Fatalf("blocked %q: %s", r.Blocked, r.Trouble)
		}
		w.wantActive("deploy", "deploy-r0001")
		w.sinks["disk"].Remove(where)
		pass(3 * time.Hour)
		w.wantRotated()
	})
}

func TestG3SinkThatLosesTheKeyStopsTheRevocation(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		l := w.start(nil)
		defer l.stop()
		pass(10 * time.Minute)
		const where = "cc/ci-build/deploy"
		held := w.sinks["vault"].Items()[where]
		w.sinks["vault"].Put(where, rotatortest.Item{Secret: w.provider.SecretOf("1"), Version: 1})
		pass(day)
		if r := l.only(); r.Blocked != rotator.BlockSinkMismatch {
			t.Fatalf("blocked %q: %s", r.Blocked, r.Trouble)
		}
		w.wantActive("deploy", "deploy-r0001")
		w.sinks["vault"].Put(where, held)
		pass(time.Hour)
		w.wantRotated()
	})
}

func TestG3OldKeyInUseIsNotRevoked(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		l := w.start(nil)
		defer l.stop()
		old := w.provider.SecretOf("1")
		for range 60 {
			pass(5 * time.Minute)
			if _, err := w.provider.Use(old); err != nil {
				t.Fatal("the old key was revoked while it was in use")
			}
		}
		r := l.only()
		if r.Blocked != rotator.BlockOldKeyInUse || time.Since(r.BlockedSince) < 3*time.Hour {
			t.Fatalf("blocked %q since %s", r.Blocked, r.BlockedSince)
		}
		pass(20 * time.Minute)
		w.wantRotated()
	})
}

func TestG3HoldIsCheckedAtTheCallThatRevokes(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		l := w.start(nil)
		defer l.stop()
		pass(59 * time.Minute)
		c := rotator.CredentialID{Provider: "cc", UserID: user, Base: "deploy"}
		// The hold falls between the commit of the intent to revoke and the revocation itself.
		var once atomic.Bool
		w.sinks["vault"].SetHook(func(op string, after bool) error {
			if op == "Observe" && !after && once.CompareAndSwap(false, true) {
				return l.engine.Hold(t.Context(), rotator.Hold{CredentialID: c, By: "ann", Until: time.Now().Add(day), Reason: "audit"})
			}
			return nil
		})
		pass(5 * time.Hour)
		if r := l.only(); r.Stage != rotator.StageRevoking || r.Blocked != rotator.BlockHeld {
			t.Fatalf("stage %s, blocked %q", r.Stage, r.Blocked)
		}
		w.wantActive("deploy", "deploy-r0001")
		if err := l.engine.Release(t.Context(), c, "ann"); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		w.wantRotated()
	})
}

func TestG4AtTheCapNothingForeignIsDestroyed(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.provider.AddKey(user, "other", time.Now().Add(-10*day))
		w.provider.Lim.MaxKeysPerUser = 2
		l := w.start(nil)
		defer l.stop()
		pass(day)
		if r := l.only(); r.Blocked != rotator.BlockAtKeyCap || w.provider.Mints() != 0 {
			t.Fatalf("blocked %q, %d keys made", r.Blocked, w.provider.Mints())
		}
		w.wantActive("deploy", "other")
	})
}

func TestAKeyThatIsRefusedForGoodIsAbandoned(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.provider.SetHook(faults("Check", false, 1, 1<<40, rotator.NewFault("check", rotator.Denied, "refused")))
		l := w.start(nil)
		defer l.stop()
		pass(10 * time.Minute)
		w.wantActive("deploy")
		if r := l.only(); r.Stage != rotator.StageAbandoned || r.Sealed != nil {
			t.Fatalf("stage %s", r.Stage)
		}
		w.provider.SetHook(nil)
		pass(3 * time.Hour)
		w.wantRotated()
	})
}

func TestPropagationDelayIsWaitedOut(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.provider.SetAcceptAfter(40 * time.Second)
		w.lives(3 * time.Hour)
		w.wantActive("deploy-r0001")
		w.wantRotated()
	})
}

func TestG9BreakerPausesAProviderAndRecovers(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		var down atomic.Bool
		var calls atomic.Int32
		down.Store(true)
		w.provider.SetHook(func(_ string, after bool) error {
			if down.Load() && !after {
				calls.Add(1)
				return rotator.NewFault("GET", rotator.Transient, "connection refused")
			}
			return nil
		})
		l := w.start(nil)
		defer l.stop()
		pass(12 * time.Hour)
		s, err := l.store.ProviderState(t.Context(), "cc")
		if err != nil || !s.BreakerOpen || s.ScanTrouble == "" {
			t.Fatalf("state %+v, %v", s, err)
		}
		if n := calls.Load(); n > 60 {
			t.Errorf("%d calls in twelve hours to a provider that is down", n)
		}
		down.Store(false)
		pass(4 * time.Hour)
		s, err = l.store.ProviderState(t.Context(), "cc")
		if err != nil || s.BreakerOpen || s.ScanTrouble != "" {
			t.Fatalf("after recovery: %+v, %v", s, err)
		}
		w.wantRotated()
	})
}

func TestThrottlingPausesForAsLongAsAsked(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		slow := rotator.NewFault("POST", rotator.Throttled, "slow down")
		slow.RetryAfter = 20 * time.Minute
		w.provider.SetHook(faults("Mint", false, 1, 1, slow))
		l := w.start(nil)
		defer l.stop()
		pass(19 * time.Minute)
		if w.provider.Mints() != 0 {
			t.Error("minted before the provider's time was over")
		}
		pass(3 * time.Hour)
		w.wantActive("deploy-r0001")
	})
}

func TestG9BlastRadiusCapAsksAPerson(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		for i := range 50 {
			w.provider.AddKey(user, fmt.Sprintf("svc-%02d", i), time.Now().Add(-80*day))
		}
		w.look = time.Hour
		l := w.start(nil)
		defer l.stop()
		pass(2 * day)
		if n := w.provider.Mints(); n != 0 {
			t.Fatalf("%d keys made without an approval", n)
		}
		s, err := l.store.ProviderState(t.Context(), "cc")
		if err != nil || s.AwaitingSince.IsZero() {
			t.Fatalf("state %+v, %v", s, err)
		}
		n, err := l.engine.Approve(t.Context(), "cc", "ann", time.Hour)
		if err != nil || n != 51 {
			t.Fatalf("approved %d, %v", n, err)
		}
		pass(3 * time.Hour)
		if n := w.provider.Mints(); n != 51 {
			t.Errorf("%d keys made after the approval, want 51", n)
		}
	})
}

func TestTwoCredentialsNeverShareALocation(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.provider.AddKey(user, "other", time.Now().Add(-70*day))
		w.sinks["disk"].Where = func(c rotator.Coordinates) string { return c.ServiceUser }
		l := w.start(nil)
		defer l.stop()
		pass(3 * time.Hour)
		waiting, err := l.store.WaitingKeys(t.Context(), 10)
		if err != nil || len(waiting) != 1 || waiting[0].Waiting != rotator.BlockLocationTaken {
			t.Errorf("waiting %+v, %v", waiting, err)
		}
		if n := w.provider.Mints(); n != 1 {
			t.Errorf("%d keys made, want 1", n)
		}
	})
}

func TestOperatorRotatesByHand(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.provider.AddKey(user, "fresh", time.Now().Add(-day))
		l := w.start(nil)
		defer l.stop()
		pass(3 * time.Hour)
		c := rotator.CredentialID{Provider: "cc", UserID: user, Base: "fresh"}
		if _, err := l.engine.Rotate(t.Context(), c, rotator.ReasonManual, "ann"); err != nil {
			t.Fatal(err)
		}
		if _, err := l.engine.Rotate(t.Context(), c, rotator.ReasonManual, "bob"); rotator.KindOf(err) != rotator.Conflict {
			t.Errorf("a second rotation beside the first: %v", err)
		}
		pass(3 * time.Hour)
		w.wantActive("deploy-r0001", "fresh-r0001")
		c.Base = "nothing"
		if _, err := l.engine.Rotate(t.Context(), c, rotator.ReasonManual, "ann"); rotator.KindOf(err) != rotator.Gone {
			t.Errorf("rotating what is not there: %v", err)
		}
	})
}

func TestAScanThatLosesMostKeysIsNotBelieved(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		l := w.start(nil)
		defer l.stop()
		pass(3 * time.Hour)
		w.provider.SetListAfter(1000 * day) // lists nothing, and calls that success
		pass(20 * time.Minute)
		s, err := l.store.ProviderState(t.Context(), "cc")
		if err != nil || !strings.Contains(s.ScanTrouble, "taking that for a fault") {
			t.Fatalf("state %+v, %v", s, err)
		}
		w.provider.SetListAfter(0)
		pass(20 * time.Minute)
		s, err = l.store.ProviderState(t.Context(), "cc")
		if err != nil || s.ScanTrouble != "" || s.Keys != 2 {
			t.Fatalf("state %+v, %v", s, err)
		}
	})
}

func TestAReplacementIsAsNarrowAsTheKeyItReplaces(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.provider.Restrict("1", "102")
		w.lives(3 * time.Hour)
		w.wantRotated()
		if got := w.provider.Keys()[1].Restriction; got != "102" {
			t.Errorf("the new key is restricted to %q, want 102", got)
		}
	})
}

func TestAKeyIsLookedAtAgainWhenItsSuccessorIsRevoked(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		byHand, _ := w.provider.AddKey(user, "deploy-r0001", time.Now().Add(-day))
		l := w.start(nil)
		defer l.stop()
		pass(time.Hour)
		w.wantActive("deploy", "deploy-r0001")
		if err := w.provider.Retire(t.Context(), rotator.Key{ID: byHand}); err != nil {
			t.Fatal(err)
		}
		pass(10 * time.Hour)
		w.wantActive("deploy-r0002")
	})
}
