package engine_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/engine"
)

// The tests below are about guarantee G8: no key is ever left where nothing looks at it again.

// TestG8AKeyThatFellDueDuringItsOwnRotationIsRotatedAfterIt has an old key in use for so long that its replacement
// falls due while the rotation is still open.
func TestG8AKeyThatFellDueDuringItsOwnRotationIsRotatedAfterIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.slow()
		w.policies[0].Idle = day
		l := w.start(nil)
		defer l.stop()
		for range 65 * 2 {
			use(t, w, "1")
			pass(12 * time.Hour)
		}
		w.wantActive("deploy", "deploy-r0001")
		pass(3 * day)
		w.wantActive("deploy-r0002")
	})
}

// TestG8AKeyWhoseSuccessorWasRevokedIsRotatedAtTheNextScan has a person revoke the key that made another one superfluous. The other is
// looked at once a day by itself.
func TestG8AKeyWhoseSuccessorWasRevokedIsRotatedAtTheNextScan(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		id, _ := w.provider.AddKey(user, "deploy-r0007", time.Now())
		l := w.start(nil)
		defer l.stop()
		pass(2 * time.Hour)
		if n := w.provider.Mints(); n != 0 {
			t.Fatalf("%d keys made for a credential that has a new one", n)
		}
		if err := w.provider.Retire(t.Context(), rotator.Key{ID: id, UserID: user}); err != nil {
			t.Fatal(err)
		}
		pass(20 * time.Minute)
		w.wantAmong("deploy-r0008")
	})
}

func use(t *testing.T, w *world, id string) {
	t.Helper()
	if _, err := w.provider.Use(w.provider.SecretOf(id)); err != nil {
		t.Fatal(err)
	}
}

// down is a provider's hook that fails everything while it is set.
func (w *world) down() *atomic.Bool {
	var down atomic.Bool
	w.provider.SetHook(func(string, bool) error {
		if down.Load() {
			return rotator.NewFault("GET", rotator.Transient, "connection refused")
		}
		return nil
	})
	return &down
}

// TestG8APolicyThatWasAwayWhileNothingCouldBeScanned takes a policy away and puts it back while the provider is down:
// the scan after that finds every key as it was stored.
func TestG8APolicyThatWasAwayWhileNothingCouldBeScanned(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.policies[0].MaxAge = 100*day + time.Hour // due in an hour
		down := w.down()
		l := w.start(nil)
		defer l.stop()
		pass(time.Minute)
		down.Store(true)
		mine := w.policies
		l.reload(func(s *engine.Setup) { s.Policies = nil })
		pass(2 * time.Hour)
		l.reload(func(s *engine.Setup) { s.Policies = mine })
		down.Store(false)
		pass(5 * time.Hour)
		w.wantRotated()
	})
}

func TestG8AUserThatWasInactive(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		l := w.startWith(func(s rotator.Store) rotator.Store {
			return &sleeping{Store: s, until: time.Now().Add(10 * time.Minute)}
		})
		defer l.stop()
		pass(time.Minute)
		w.wantActive("deploy")
		pass(5 * time.Hour)
		w.wantRotated()
	})
}

// sleeping says for a while that the user is inactive, as between two writes of a scan.
type sleeping struct {
	rotator.Store
	until time.Time
}

func (s *sleeping) User(ctx context.Context, provider, id string) (rotator.ServiceUser, error) {
	u, err := s.Store.User(ctx, provider, id)
	u.Active = u.Active && time.Now().After(s.until)
	return u, err
}

// TestG8WhatAWrongPolicyStoppedDoesNotStopTheRest makes fifty keys due by a wrong policy, which the cap stops, and puts
// the right one back.
func TestG8WhatAWrongPolicyStoppedDoesNotStopTheRest(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		for i := range 50 {
			w.provider.AddKey(user, fmt.Sprintf("svc-%02d", i), time.Now().Add(-40*day))
		}
		l := w.start(nil)
		defer l.stop()
		pass(3 * time.Hour)
		w.wantAmong("deploy-r0001")
		right := *w.policies[0]
		wrong := right
		wrong.MaxAge = 60 * day
		l.reload(func(s *engine.Setup) { s.Policies = []*rotator.Policy{&wrong} })
		pass(2 * time.Hour)
		wantAwaiting(t, l, 50)
		l.reload(func(s *engine.Setup) { s.Policies = []*rotator.Policy{&right} })
		pass(10 * time.Minute)
		wantAwaiting(t, l, 0)
		w.provider.AddKey(user, "late", time.Now().Add(-70*day))
		pass(3 * time.Hour)
		if n := w.provider.Mints(); n != 2 {
			t.Errorf("%d keys made, want 2", n)
		}
	})
}

func (w *world) wantAmong(name string) {
	w.t.Helper()
	for _, got := range w.provider.Active(user) {
		if got == name {
			return
		}
	}
	w.t.Errorf("active keys %v, without %s", w.provider.Active(user), name)
}

func wantAwaiting(t *testing.T, l *life, want int) {
	t.Helper()
	waiting, err := l.store.WaitingKeys(t.Context(), 1000)
	if err != nil || len(waiting) != want {
		t.Errorf("%d keys wait, want %d: %v", len(waiting), want, err)
	}
	s, err := l.store.ProviderState(t.Context(), "cc")
	if err != nil || s.AwaitingSince.IsZero() != (want == 0) {
		t.Errorf("awaiting since %s with %d keys: %v", s.AwaitingSince, want, err)
	}
}

// TestG9KeysThatWouldNotRotateDoNotCount has thirty keys that are due and held beside one that is free: the cap counts
// what would start.
func TestG9KeysThatWouldNotRotateDoNotCount(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.policies[0].MaxAge = 101 * day // due tomorrow
		held := make([]rotator.CredentialID, 30)
		for i := range held {
			held[i] = rotator.CredentialID{Provider: "cc", UserID: user, Base: fmt.Sprintf("svc-%02d", i)}
			w.provider.AddKey(user, held[i].Base, time.Now().Add(-70*day))
		}
		l := w.start(nil)
		defer l.stop()
		pass(time.Hour)
		for _, c := range held {
			if err := l.engine.Hold(t.Context(), rotator.Hold{CredentialID: c, By: "ann", Until: time.Now().Add(10 * day)}); err != nil {
				t.Fatal(err)
			}
		}
		pass(day - time.Hour + time.Minute)
		if n := w.provider.Mints(); n != 1 {
			t.Errorf("%d keys made a minute after 31 fell due, 30 of them held", n)
		}
		s, err := l.store.ProviderState(t.Context(), "cc")
		if err != nil || !s.AwaitingSince.IsZero() {
			t.Errorf("asks for an approval of what is held: %+v, %v", s, err)
		}
	})
}

func TestG9WhatAPersonAskedForDoesNotUseUpTheCap(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.policies[0].MaxAge = 100*day + time.Hour // due in an hour
		for i := range 15 {
			w.provider.AddKey(user, fmt.Sprintf("svc-%02d", i), time.Now().Add(-day))
		}
		w.setup.Scan, _ = rotator.ParseSchedule("@daily", "")
		l := w.start(nil)
		defer l.stop()
		pass(time.Minute)
		for i := range 15 {
			c := rotator.CredentialID{Provider: "cc", UserID: user, Base: fmt.Sprintf("svc-%02d", i)}
			if _, err := l.engine.Rotate(t.Context(), c, rotator.ReasonManual, "ann"); err != nil {
				t.Fatal(err)
			}
		}
		pass(2 * time.Hour)
		w.wantAmong("deploy-r0001")
	})
}

// TestG8AReleaseIsNotLost lets a hold be released between the decision that it stops a key and the write of that decision.
func TestG8AReleaseIsNotLost(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		c := rotator.CredentialID{Provider: "cc", UserID: user, Base: "deploy"}
		var l *life
		ready := make(chan struct{})
		l = w.startWith(func(s rotator.Store) rotator.Store {
			return &slowLook{Store: s, before: func() {
				<-ready
				if err := l.engine.Release(t.Context(), c, "ann"); err != nil {
					t.Error(err)
				}
			}}
		})
		defer l.stop()
		if err := l.store.PutHold(t.Context(), rotator.Hold{CredentialID: c, By: "ann", Until: time.Now().Add(1000 * day)}); err != nil {
			t.Fatal(err)
		}
		close(ready)
		pass(3 * time.Hour)
		w.wantRotated()
	})
}

// slowLook does something just before the first decision is stored.
type slowLook struct {
	rotator.Store
	before func()
	once   sync.Once
}

func (s *slowLook) SetLook(ctx context.Context, k rotator.TrackedKey, at time.Time) error {
	s.once.Do(s.before)
	return s.Store.SetLook(ctx, k, at)
}

// TestG8APolicyChangeIsNotLost merges a scan under a new policy between the decision that a key is not due and the write
// of that decision.
func TestG8APolicyChangeIsNotLost(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		right := *w.policies[0]
		w.policies[0].MaxAge = 1000 * day
		c := rotator.CredentialID{Provider: "cc", UserID: user, Base: "deploy"}
		var l *life
		l = w.startWith(func(s rotator.Store) rotator.Store {
			return &slowLook{Store: s, before: func() {
				l.reload(func(s *engine.Setup) { s.Policies = []*rotator.Policy{&right} })
				<-time.After(time.Minute)
			}}
		})
		defer l.stop()
		pass(time.Minute)
		if err := l.engine.Release(t.Context(), c, "ann"); err != nil { // asks for a look
			t.Fatal(err)
		}
		pass(3 * time.Hour)
		w.wantRotated()
	})
}

func TestASinkThatIsBackIsServedAtOnce(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.sinks["disk"].SetHook(faults("Deliver", false, 1, 1, rotator.NewFault("write", rotator.Transient, "read-only")))
		l := w.start(nil)
		defer l.stop()
		pass(time.Second)
		disk := l.setup.Sinks["disk"]
		l.reload(func(s *engine.Setup) { delete(s.Sinks, "disk") })
		pass(5 * time.Hour)
		if r := l.only(); r.Blocked != rotator.BlockSinkUnknown {
			t.Errorf("stage %s, blocked %q: %s", r.Stage, r.Blocked, r.Trouble)
		}
		l.reload(func(s *engine.Setup) { s.Sinks["disk"] = disk })
		pass(time.Minute)
		if r := l.only(); r.Stage != rotator.StageGrace {
			t.Errorf("stage %s, blocked %q: %s", r.Stage, r.Blocked, r.Trouble)
		}
	})
}
