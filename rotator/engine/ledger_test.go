package engine_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// TestAKeyThatWasSuppliedAndIsThenDeclaredCountsOnce has somebody put the new key into the configuration, in good order.
func TestAKeyThatWasSuppliedAndIsThenDeclaredCountsOnce(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.byHand()
		w.slow()
		l := w.start(nil)
		defer l.stop()
		pass(time.Minute)
		l.supplies(w.makes("deploy-r0001"))
		pass(3 * time.Hour)
		w.provider.RemoveByHand("1")
		if _, err := l.engine.Removed(t.Context(), deploy, "ann"); err != nil {
			t.Fatal(err)
		}
		w.provider.AddKey(user, "deploy-r0001", time.Now())
		pass(62 * day)
		if r := l.wantBlocked(rotator.StagePlanned, rotator.BlockAwaitingSupply); r.OldKey.ID != "7/deploy-r0001" {
			t.Errorf("replaces %+v, blocked %q", r.OldKey, r.Blocked)
		}
	})
}

// TestAKeyInTheLedgerEndsWithItsExpiry: where nothing is listed, only its date says that it is gone.
func TestAKeyInTheLedgerEndsWithItsExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // without a consumer, who would notice
		w := newWorld(t)
		w.byHand()
		w.slow()
		l := w.start(nil)
		defer l.stop()
		pass(time.Minute)
		s := w.makes("deploy-r0001")
		s.Expires = time.Now().Add(day)
		l.supplies(s)
		pass(day + 7*time.Hour)
		keys, err := l.store.Series(t.Context(), deploy)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range keys {
			if k.ID == "7/deploy-r0001" && k.State != rotator.KeyExpired {
				t.Errorf("after its expiry it is %s", k.State)
			}
		}
	})
}
