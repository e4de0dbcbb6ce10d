package engine_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// TestKeysOfNoUseAreMadeEverMoreRarely: the provider refuses every key that it makes. Each attempt costs it a key, so they
// grow rarer, also while scans see the old key in use; and the key says why it waits.
func TestKeysOfNoUseAreMadeEverMoreRarely(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.provider.SetAcceptAfter(365 * day)
		secret := w.provider.SecretOf("1")
		l := w.start(nil)
		defer l.stop()
		for range 48 * 4 {
			pass(15 * time.Minute)
			_, _ = w.provider.Use(secret) // it changes what a scan sees
		}
		// 30m + 1h + 2h + 4h + 8h + 12h + 12h
		if n := w.provider.Mints(); n < 6 || n > 9 {
			t.Errorf("%d keys were made in two days", n)
		}
		waiting, err := l.store.WaitingKeys(t.Context(), 10)
		if err != nil || len(waiting) != 1 || waiting[0].Waiting != rotator.BlockRotationFailed || waiting[0].WaitingWhy == "" {
			t.Errorf("waiting %+v, %v", waiting, err)
		}
		w.wantActive("deploy")
		w.provider.SetAcceptAfter(0)
		pass(14 * time.Hour)
		w.wantRotated()
		if waiting, err := l.store.WaitingKeys(t.Context(), 10); err != nil || len(waiting) != 0 {
			t.Errorf("still waiting: %+v, %v", waiting, err)
		}
	})
}

// TestAnotherRotationRightAfterTheLast is asked for before any scan has seen the new key.
func TestAnotherRotationRightAfterTheLast(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.setup.Scan, _ = rotator.ParseSchedule("@daily", "")
		l := w.start(nil)
		defer l.stop()
		pass(3 * time.Hour)
		w.wantActive("deploy-r0001")
		if _, err := l.engine.Rotate(t.Context(), deploy, rotator.ReasonCompromised, "ann"); err != nil {
			t.Fatal(err)
		}
		pass(30 * time.Minute)
		w.wantActive("deploy-r0002")
	})
}

// TestAKeyThatExpiredWhileTheDaemonWasAwayIsReplaced: its consumers are refused already, and get another as soon as the daemon
// is back. One that expired long ago was left to expire, and is replaced only when somebody asks.
func TestAKeyThatExpiredWhileTheDaemonWasAwayIsReplaced(t *testing.T) {
	t.Parallel()
	for _, away := range []time.Duration{day, 60 * day} {
		bubble(t, func(t *testing.T, w *world) {
			w.unhurried()
			w.policies[0].MaxAge = 0
			w.provider.SetExpiry("1", time.Now().Add(40*day))
			w.lives(time.Hour)
			pass(40*day + away)
			l := w.start(nil)
			defer l.stop()
			pass(6 * time.Hour)
			if away > 30*day {
				if rs := l.rotations(); len(rs) != 0 {
					t.Fatalf("a key that expired %s ago was replaced: %+v", away, rs)
				}
				if _, err := l.engine.Rotate(t.Context(), deploy, rotator.ReasonManual, "ann"); err != nil {
					t.Fatal(err)
				}
				pass(6 * time.Hour)
			}
			w.wantRotated()
			if r := l.only(); r.Stage != rotator.StageDone || r.OldKey.Name != "deploy" {
				t.Errorf("stage %s: %s", r.Stage, r.Trouble)
			}
			pass(48 * time.Hour)
			l.only() // the old key is not replaced again
		})
	}
}

// preparing is a provider that finds something out before its first key.
type preparing struct {
	rotator.Provider
	prepare func() error
}

func (p preparing) Prepare(context.Context) error { return p.prepare() }

// TestG5NothingIsIntendedBeforeTheProviderIsReady crashes while the provider prepares: no key can have been made, so nobody is
// asked what became of one.
func TestG5NothingIsIntendedBeforeTheProviderIsReady(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		stop := make(chan struct{}, 1)
		var tries atomic.Int64
		w.outerProvider = func(p rotator.Provider) rotator.Provider {
			return preparing{p, func() error {
				n := tries.Add(1)
				if n == 1 {
					stop <- struct{}{}
				}
				if n < 3 {
					return rotator.NewFault("prepare", rotator.Transient, "the connection broke")
				}
				return nil
			}}
		}
		l := w.start(nil)
		<-stop
		l.stop()
		l = w.start(nil)
		defer l.stop()
		if r := l.only(); r.Stage != rotator.StagePlanned {
			t.Errorf("stage %s: %s", r.Stage, r.Trouble)
		}
		pass(4 * time.Hour)
		w.wantRotated()
		if r := l.only(); r.NewKey.Name != "deploy-r0001" {
			t.Errorf("the name %s was not the first", r.NewKey.Name)
		}
	})
}

// TestAKeyThatFailedAndIsRevokedByHandAsksNobody: its rotation failed, and then somebody revoked the key. Nothing is left to ask
// a person for.
func TestAKeyThatFailedAndIsRevokedByHandAsksNobody(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.provider.SetAcceptAfter(365 * day)
		l := w.start(nil)
		defer l.stop()
		pass(10 * time.Minute)
		if waiting, err := l.store.WaitingKeys(t.Context(), 10); err != nil || len(waiting) != 1 {
			t.Fatalf("waiting %+v, %v", waiting, err)
		}
		w.provider.RemoveByHand("1")
		pass(20 * time.Minute)
		if waiting, err := l.store.WaitingKeys(t.Context(), 10); err != nil || len(waiting) != 0 {
			t.Errorf("still waiting: %+v, %v", waiting, err)
		}
	})
}
