package engine_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/rotatortest"
)

var deploy = rotator.CredentialID{Provider: "cc", UserID: user, Base: "deploy"}

// TestAPlanIsGivenUpWhenTheOldKeyIsGone revokes the old key by hand between the plan and the first look at the provider.
func TestAPlanIsGivenUpWhenTheOldKeyIsGone(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.setup.Scan, _ = rotator.ParseSchedule("@daily", "")
		var once sync.Once
		w.provider.SetHook(func(op string, after bool) error {
			if op == "List" && !after {
				once.Do(func() { _ = w.provider.Retire(t.Context(), rotator.Key{ID: "1"}) })
			}
			return nil
		})
		l := w.start(nil)
		defer l.stop()
		pass(time.Minute)
		if r := l.only(); r.Stage != rotator.StageAbandoned || w.provider.Mints() != 0 {
			t.Errorf("stage %s, %d keys made", r.Stage, w.provider.Mints())
		}
		series, err := l.store.Series(t.Context(), deploy)
		if err != nil || len(series) != 1 || series[0].State != rotator.KeyRevoked {
			t.Errorf("the inventory was not brought up to date at once: %+v, %v", series, err)
		}
	})
}

func TestANameThatTheProviderDoesNotTakeBlocks(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.provider.Lim.MaxNameLength = 8
		l := w.start(nil)
		defer l.stop()
		pass(time.Hour)
		if r := l.only(); r.Blocked != rotator.BlockNameInvalid || w.provider.Mints() != 0 {
			t.Errorf("blocked %q, %d keys made", r.Blocked, w.provider.Mints())
		}
	})
}

func TestG2NothingIsMadeBeforeTheIntentIsDurable(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		l := w.startWith(func(s rotator.Store) rotator.Store {
			return &flaky{Store: s, stage: rotator.StageMinting, failures: 60}
		})
		defer l.stop()
		pass(30 * time.Second)
		if n := w.provider.Mints(); n != 0 {
			t.Errorf("%d keys made while the journal took no intent", n)
		}
		pass(3 * time.Hour)
		w.wantRotated()
	})
}

// TestG4TheKeyToReplaceIsNotRevokedToMakeRoomForItsReplacement has a cap of one key, and a key of ours that is idle.
func TestG4TheKeyToReplaceIsNotRevokedToMakeRoomForItsReplacement(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.slow()
		w.lives(day)
		w.provider.Lim.MaxKeysPerUser = 1
		l := w.start(nil)
		defer l.stop()
		pass(62 * day)
		w.wantActive("deploy-r0001")
		open, err := l.store.Rotations(t.Context(), false, 10)
		if err != nil || len(open) != 1 || open[0].Blocked != rotator.BlockAtKeyCap {
			t.Errorf("open rotations %+v, %v", open, err)
		}
	})
}

func TestG4NoRoomIsMadeInAFreeze(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.slow()
		w.setup.Freezes = []rotator.Freeze{{From: time.Now().Add(100 * day), To: time.Now().Add(200 * day)}}
		l := w.start(nil)
		defer l.stop()
		atTheCap(t, w, l)
		r, err := l.engine.Rotate(t.Context(), deploy, rotator.ReasonManual, "ann")
		if err != nil {
			t.Fatal(err)
		}
		pass(day)
		r, err = l.store.Rotation(t.Context(), r.ID)
		if err != nil || r.Blocked != rotator.BlockFrozen {
			t.Errorf("blocked %q, %v", r.Blocked, err)
		}
		w.wantActive("deploy-r0001", "deploy-r0002")
	})
}

// TestG5ALostKeyIsWaitedForBeforeAnotherIsMade has a provider that lists a new key only after half a minute, within the
// time that it says it takes.
func TestG5ALostKeyIsWaitedForBeforeAnotherIsMade(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string]error{
		"classified":   rotator.NewFault("mint", rotator.UnknownOutcome, "lost"),
		"unclassified": errors.New("unexpected EOF"),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.provider.SetListAfter(30 * time.Second)
				w.provider.SetHook(faults("Mint", true, 1, 1, lost))
				l := w.start(nil)
				defer l.stop()
				pass(25 * time.Second)
				if n := w.provider.Mints(); n != 1 {
					t.Errorf("%d keys made while the first could still appear", n)
				}
				pass(3 * time.Hour)
				w.wantActive("deploy-r0002")
			})
		})
	}
	t.Run("lost in a crash", func(t *testing.T) {
		bubble(t, func(t *testing.T, w *world) {
			w.provider.SetListAfter(30 * time.Second)
			ctx, die := context.WithCancel(t.Context())
			w.provider.SetHook(func(op string, after bool) error {
				if op == "Mint" && after {
					die()
					return rotatortest.ErrCrashed
				}
				return nil
			})
			l := w.startWith(func(s rotator.Store) rotator.Store { return mortal{s, ctx} })
			pass(time.Second)
			l.stop()
			w.provider.SetHook(nil)
			l = w.start(nil)
			defer l.stop()
			pass(20 * time.Second)
			if n := w.provider.Mints(); n != 1 {
				t.Errorf("%d keys made while the first could still appear", n)
			}
			pass(3 * time.Hour)
			w.wantActive("deploy-r0002")
		})
	})
}

// mortal is a journal that takes nothing any more once its daemon is dead.
type mortal struct {
	rotator.Store
	alive context.Context
}

func (m mortal) Commit(ctx context.Context, c rotator.Change) error {
	if m.alive.Err() != nil {
		return rotatortest.ErrCrashed
	}
	return m.Store.Commit(ctx, c)
}

// TestG2AKeyWhoseRotationWasMovedBySomebodyElseIsRevokedAtOnce loses a race for the journal when the secret is sealed.
func TestG2AKeyWhoseRotationWasMovedBySomebodyElseIsRevokedAtOnce(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		l := w.startWith(func(s rotator.Store) rotator.Store { return &outrun{Store: s} })
		defer l.stop()
		pass(time.Second)
		if first := w.provider.Keys()[1]; first.State != rotator.KeyRevoked {
			t.Errorf("key %s could not be sealed and is %s", first.Name, first.State)
		}
		pass(3 * time.Hour)
		w.wantRotated()
	})
}

// outrun answers the first seal with a conflict.
type outrun struct {
	rotator.Store
	once atomic.Bool
}

func (o *outrun) Commit(ctx context.Context, c rotator.Change) error {
	if c.After.Stage == rotator.StageMinted && o.once.CompareAndSwap(false, true) {
		return rotator.NewFault("commit", rotator.Conflict, "it is at another stage by now")
	}
	return o.Store.Commit(ctx, c)
}

// murky says a word of the first key of ours that nobody knows.
type murky struct{ rotator.Provider }

func (p murky) Scan(ctx context.Context, s rotator.Scope, v rotator.Visitor) error {
	return p.Provider.Scan(ctx, s, murkyKeys{v})
}

type murkyKeys struct{ rotator.Visitor }

func (m murkyKeys) Key(k rotator.Key) error {
	if k.Name == "deploy-r0001" {
		k.State = rotator.KeyOther
	}
	return m.Visitor.Key(k)
}

func TestALostKeyInAnUnknownStateIsLeftAlone(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.outerProvider = func(p rotator.Provider) rotator.Provider { return murky{p} }
		w.provider.SetHook(faults("Mint", true, 1, 1, rotator.NewFault("mint", rotator.UnknownOutcome, "lost")))
		w.lives(3 * time.Hour)
		w.wantActive("deploy-r0001", "deploy-r0002")
	})
}

func TestARefusalThatAsksForTimeGetsIt(t *testing.T) {
	t.Parallel()
	slow := rotator.NewFault("call", rotator.Conflict, "come back later")
	slow.RetryAfter = time.Hour
	t.Run("provider", func(t *testing.T) {
		bubble(t, func(t *testing.T, w *world) {
			var n atomic.Int32
			w.provider.SetHook(calls("Mint", &n, func() error { return slow }))
			w.lives(50 * time.Minute)
			if n.Load() != 1 {
				t.Errorf("asked %d times within an hour", n.Load())
			}
		})
	})
	t.Run("sink", func(t *testing.T) {
		bubble(t, func(t *testing.T, w *world) {
			var n atomic.Int32
			w.sinks["disk"].SetHook(calls("Deliver", &n, func() error { return slow }))
			w.sinks["vault"].SetHook(faults("Deliver", false, 1, 1<<40, rotator.NewFault("put", rotator.Transient, "down")))
			w.lives(50 * time.Minute)
			if n.Load() != 1 {
				t.Errorf("asked %d times within an hour, because another sink was tried more often", n.Load())
			}
		})
	})
}

func TestANewKeyOfAnotherUserIsAbandoned(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.provider.SetHook(faults("Check", false, 1, 1<<40, rotator.NewFault("check", rotator.Conflict, "it belongs to user 9")))
		l := w.start(nil)
		defer l.stop()
		pass(10 * time.Second)
		if r := l.only(); r.Stage != rotator.StageAbandoned {
			t.Errorf("stage %s", r.Stage)
		}
		w.wantActive("deploy")
	})
}

func TestG2AKeyThatIsGivenUpIsRevokedHoweverOftenThatFails(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		conflict := faults("Check", false, 1, 1, rotator.NewFault("check", rotator.Conflict, "it belongs to user 9"))
		fails := faults("Retire", false, 1, 3, rotator.NewFault("retire", rotator.Transient, "down"))
		w.provider.SetHook(func(op string, after bool) error { return errors.Join(conflict(op, after), fails(op, after)) })
		w.lives(10 * time.Minute)
		w.wantActive("deploy")
	})
}

// hollow takes deliveries and keeps none.
type hollow struct{ rotator.Sink }

func (hollow) Deliver(context.Context, rotator.Delivery) (rotator.Receipt, error) {
	return rotator.Receipt{Detail: "of course"}, nil
}

func TestG3ADeliveryCountsOnceItWasReadBack(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.outerSink = func(name string, s rotator.Sink) rotator.Sink {
			if name == "vault" {
				return hollow{s}
			}
			return s
		}
		l := w.start(nil)
		defer l.stop()
		pass(3 * time.Hour)
		r := l.only()
		if r.Stage != rotator.StageDelivering || r.Blocked != rotator.BlockSinkMismatch || len(r.Sealed) == 0 || !strings.Contains(r.Trouble, "nothing is at") {
			t.Errorf("stage %s, blocked %q: %s", r.Stage, r.Blocked, r.Trouble)
		}
		w.wantActive("deploy", "deploy-r0001")
	})
}

func TestWhatASinkRefusesIsShownByItsKind(t *testing.T) {
	t.Parallel()
	for kind, want := range map[rotator.Kind]rotator.BlockReason{
		rotator.Conflict: rotator.BlockSinkConflict, rotator.Denied: rotator.BlockDenied, rotator.Invalid: rotator.BlockInvalid, rotator.Transient: "",
	} {
		t.Run(string(kind), func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.sinks["disk"].SetHook(faults("Deliver", false, 1, 1<<40, rotator.NewFault("write", kind, "no")))
				l := w.start(nil)
				defer l.stop()
				pass(10 * time.Minute)
				if r := l.only(); r.Blocked != want || r.Stage != rotator.StageDelivering {
					t.Errorf("stage %s, blocked %q, want %q", r.Stage, r.Blocked, want)
				}
			})
		})
	}
}

func TestG3EvidenceBeforeTheOldKeyIsSwitchedOff(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.disables = true
		l := w.start(nil)
		defer l.stop()
		pass(30 * time.Minute)
		if err := l.engine.Hold(t.Context(), rotator.Hold{CredentialID: deploy, By: "ann", Until: time.Now().Add(10 * time.Hour)}); err != nil {
			t.Fatal(err)
		}
		pass(5 * time.Hour)
		if r := l.only(); r.Stage != rotator.StageDeactivating || r.Blocked != rotator.BlockHeld {
			t.Errorf("stage %s, blocked %q", r.Stage, r.Blocked)
		}
		w.wantActive("deploy", "deploy-r0001")
		pass(10 * time.Hour)
		w.wantRotated()
	})
}

// TestG7WhatSomebodyElsePutIntoASinkIsNotSentToTheProvider counts the keys that are tried.
func TestG7WhatSomebodyElsePutIntoASinkIsNotSentToTheProvider(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		l := w.start(nil)
		defer l.stop()
		pass(10 * time.Minute)
		var n atomic.Int32
		w.provider.SetHook(calls("Check", &n, func() error { return nil }))
		for _, sink := range w.sinks {
			sink.Put("cc/ci-build/deploy", rotatortest.Item{Secret: "not of this provider", Foreign: true})
		}
		pass(3 * time.Hour)
		if r := l.only(); r.Blocked != rotator.BlockSinkMismatch || n.Load() != 0 {
			t.Errorf("blocked %q, %d foreign secrets tried", r.Blocked, n.Load())
		}
	})
}

// TestCompromisedDoesNotWaitForPlacesThatMoved: what leaked has to go, whoever still reads it at its former place.
func TestCompromisedDoesNotWaitForPlacesThatMoved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		l := w.start(nil)
		defer l.stop()
		pass(3 * time.Hour)
		for _, sink := range w.sinks {
			sink.Where = func(c rotator.Coordinates) string { return "moved/" + c.Credential }
		}
		if _, err := l.engine.Rotate(t.Context(), deploy, rotator.ReasonCompromised, "ann"); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		w.wantActive("deploy-r0002")
	})
}
