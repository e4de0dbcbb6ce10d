package engine_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

func TestG5AKeyThatAppearsLateIsRevokedAsAnOrphan(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.provider.SetListAfter(5 * time.Minute) // later than the propagation time that is configured
		w.provider.SetHook(faults("Mint", true, 1, 1, rotator.NewFault("mint", rotator.UnknownOutcome, "lost")))
		w.lives(6 * time.Hour)
		w.wantActive("deploy-r0002")
		w.wantRotated()
	})
}

// TestAnOrphanSupersedesNothing: a key that nobody has the secret of, and that the provider lets go of late, is no reason to give a rotation up.
func TestAnOrphanSupersedesNothing(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.provider.SetListAfter(5 * time.Minute)
		began := time.Now()
		var kept, lists atomic.Int64
		w.provider.SetHook(func(op string, after bool) error {
			switch {
			case op == "Mint" && after && w.provider.Mints() == 1:
				return rotator.NewFault("mint", rotator.UnknownOutcome, "lost")
			case op == "List" && !after && w.provider.Mints() == 1 && lists.Add(1) > 5 && time.Since(began) < 6*time.Minute:
				return rotator.NewFault("scan", rotator.Transient, "no list until it shows the orphan")
			case op == "Retire" && !after && kept.Add(1) <= 1:
				return rotator.NewFault("retire", rotator.Transient, "no")
			default:
				return nil
			}
		})
		l := w.start(nil)
		defer l.stop()
		pass(50 * time.Minute)
		if r := l.only(); r.Stage != rotator.StageGrace || r.NewKey.Name != "deploy-r0002" {
			t.Errorf("stage %s of key %s: %s", r.Stage, r.NewKey.Name, r.Trouble)
		}
		pass(day)
		w.wantActive("deploy-r0002")
		w.wantRotated()
		if kept.Load() < 2 {
			t.Errorf("%d keys were revoked", kept.Load())
		}
	})
}

func TestAnOrphanThatSomebodyUsesIsLeftAlone(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		lost := rotator.NewFault("mint", rotator.UnknownOutcome, "lost")
		w.provider.SetHook(func(op string, after bool) error {
			if op == "Mint" && after {
				keys := w.provider.Keys()
				_, _ = w.provider.Use(w.provider.SecretOf(keys[len(keys)-1].ID)) // somebody else has it after all
				return lost
			}
			return nil
		})
		w.lives(time.Hour)
		w.wantActive("deploy", "deploy-r0001")
	})
}

// clinging is a provider that does not let go of a key while it is told to keep it, or of any if no name is given.
type clinging struct {
	rotator.Provider
	name  string
	keeps atomic.Bool
	asked atomic.Int64
}

func (c *clinging) Retire(ctx context.Context, k rotator.Key) error {
	if (c.name == "" || k.Name == c.name) && c.keeps.Load() {
		c.asked.Add(1)
		return rotator.NewFault("retire", rotator.Conflict, "the key is being replicated")
	}
	return c.Provider.Retire(ctx, k)
}

// clings has the provider keep a key of that name until it is told otherwise.
func (w *world) clings(name string) *clinging {
	c := &clinging{name: name}
	c.keeps.Store(true)
	w.outerProvider = func(p rotator.Provider) rotator.Provider { c.Provider = p; return c }
	return c
}
