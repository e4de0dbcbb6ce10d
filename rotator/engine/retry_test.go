package engine_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// calls counts the calls of one kind.
func calls(op string, n *atomic.Int32, then func() error) func(string, bool) error {
	return func(o string, after bool) error {
		if o != op || after {
			return nil
		}
		n.Add(1)
		return then()
	}
}

func TestARefusedMintIsRepeatedEverMoreRarely(t *testing.T) {
	for _, kind := range []rotator.Kind{rotator.Invalid, rotator.Conflict, rotator.Denied} {
		t.Run(string(kind), func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				var n atomic.Int32
				w.provider.SetHook(calls("Mint", &n, func() error { return rotator.NewFault("mint", kind, "no") }))
				w.lives(3 * time.Hour)
				if n.Load() > 40 {
					t.Errorf("asked %d times in three hours", n.Load())
				}
			})
		})
	}
}

// TestLostAnswersDoNotMakeAKeyFactory has a provider that makes keys and fails to say so, and reads without a fault.
func TestLostAnswersDoNotMakeAKeyFactory(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.provider.SetHook(faults("Mint", true, 1, 1<<40, rotator.NewFault("mint", rotator.UnknownOutcome, "lost")))
		w.lives(3 * time.Hour)
		if n := w.provider.Mints(); n > 40 {
			t.Errorf("%d keys made in three hours", n)
		}
		w.wantActive("deploy")
	})
}

func TestAnEmptySecretDoesNotMakeAKeyFactory(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.outerProvider = func(p rotator.Provider) rotator.Provider { return mute{p} }
		w.lives(3 * time.Hour)
		if n := w.provider.Mints(); n > 40 {
			t.Errorf("%d keys made in three hours", n)
		}
		w.wantActive("deploy")
	})
}

// mute makes keys and never says their secret.
type mute struct{ rotator.Provider }

func (p mute) Mint(ctx context.Context, req rotator.MintRequest) (rotator.Minted, error) {
	m, err := p.Provider.Mint(ctx, req)
	m.Secret = rotator.Secret{}
	return m, err
}

// TestG9BreakerOpensWhereOnlyWritesFail has a provider that answers every read: what is read between two failed writes
// does not make the writes work.
func TestG9BreakerOpensWhereOnlyWritesFail(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		var n atomic.Int32
		broken := atomic.Bool{}
		broken.Store(true)
		w.provider.SetHook(calls("Mint", &n, func() error {
			if !broken.Load() {
				return nil
			}
			return rotator.NewFault("mint", rotator.UnknownOutcome, "500")
		}))
		l := w.start(nil)
		defer l.stop()
		pass(6 * time.Hour)
		s, err := l.store.ProviderState(t.Context(), "cc")
		if err != nil || !s.BreakerOpen {
			t.Errorf("after %d lost writes: %+v, %v", n.Load(), s, err)
		}
		broken.Store(false)
		pass(4 * time.Hour)
		s, err = l.store.ProviderState(t.Context(), "cc")
		if err != nil || s.BreakerOpen || s.Failures != 0 {
			t.Errorf("once writes work: %+v, %v", s, err)
		}
		w.wantRotated()
	})
}

func TestAHugeVersionInANameIsNoVersion(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.provider.AddKey(user, "deploy-r9223372036854775807", time.Now().Add(-day))
		var lists atomic.Int32
		w.provider.SetHook(calls("List", &lists, func() error {
			if lists.Load() > 1000 {
				return rotator.NewFault("list", rotator.Denied, "too many calls")
			}
			return nil
		}))
		w.lives(3 * time.Hour)
		w.wantActive("deploy-r0001", "deploy-r9223372036854775807")
		if n := lists.Load(); n > 100 {
			t.Errorf("%d lists", n)
		}
	})
}

func TestTheHighestVersionBlocks(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		id, _ := w.provider.AddKey(user, "deploy-r999999999", time.Now().Add(-70*day))
		l := w.start(nil)
		defer l.stop()
		pass(time.Hour)
		if r := l.only(); r.Blocked != rotator.BlockNameInvalid || r.OldKey.ID != id || w.provider.Mints() != 0 {
			t.Errorf("stage %s, blocked %q: %s", r.Stage, r.Blocked, r.Trouble)
		}
	})
}
