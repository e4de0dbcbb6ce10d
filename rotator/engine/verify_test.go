package engine_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/rotatortest"
)

// findings collects what a verification tells.
type findings struct {
	total int
	all   []rotator.Verification
	fail  error
}

func (f *findings) Total(n int) error { f.total = n; return nil }

func (f *findings) Verified(v rotator.Verification) error {
	f.all = append(f.all, v)
	return f.fail
}

// verify looks at everything and returns the finding about the one credential.
func (l *life) verify() rotator.Verification {
	l.w.t.Helper()
	f := &findings{}
	if err := l.engine.Verify(l.w.t.Context(), rotator.VerifyQuery{}, f); err != nil {
		l.w.t.Fatal(err)
	}
	if f.total != 1 || len(f.all) != 1 {
		l.w.t.Fatalf("%d of %d credentials, want the one: %+v", len(f.all), f.total, f.all)
	}
	v := f.all[0]
	kept, err := l.store.VerificationOf(l.w.t.Context(), v.CredentialID)
	if err != nil || kept == nil || kept.Outcome != v.Outcome || kept.Why != v.Why {
		l.w.t.Errorf("the journal keeps %+v, %v; want %+v", kept, err, v)
	}
	return v
}

func (l *life) wantFound(o rotator.VerifyOutcome, says string) {
	l.w.t.Helper()
	v := l.verify()
	if v.Outcome != o || !strings.Contains(v.Why, says) || (v.Do == "") == o.NeedsPerson() {
		l.w.t.Errorf("found %q: %q (do: %q), want %q: %q", v.Outcome, v.Why, v.Do, o, says)
	}
	if strings.Contains(v.Why+v.Do, l.w.sinks["disk"].Items()["cc/ci-build/deploy"].Secret) && len(l.w.sinks["disk"].Items()) > 0 {
		l.w.t.Error("what is said holds the secret")
	}
}

const deployed = "cc/ci-build/deploy"

// unwatched is bubble without a consumer, who would notice what a test breaks.
func unwatched(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newWorld(t)) })
}

func TestVerifyFindsEverythingInPlace(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		l := w.start(nil)
		defer l.stop()
		pass(10 * time.Minute) // in grace
		v := l.verify()
		if v.Outcome != rotator.VerifiedOK || !v.SignsIn || len(v.Sinks) != 2 || !v.Sinks[0].Matches || v.Sinks[1].Fingerprint != v.Fingerprint || v.Key.Name != "deploy-r0001" {
			t.Errorf("in grace: %+v", v)
		}
		pass(6 * time.Hour) // done
		w.wantRotated()
		before := w.provider.Mints()
		l.wantFound(rotator.VerifiedOK, "")
		if w.provider.Mints() != before || len(l.rotations()) != 1 {
			t.Error("the look changed something")
		}
	})
}

func TestVerifyTellsWhatIsWrong(t *testing.T) {
	for _, tt := range []struct {
		name    string
		spoil   func(w *world)
		outcome rotator.VerifyOutcome
		says    string
	}{
		{"a sink that lost the key", func(w *world) { w.sinks["disk"].Remove(deployed) }, rotator.VerifiedDiffers, "sink disk: nothing is at cc/ci-build/deploy"},
		{"a sink that somebody wrote to", func(w *world) { w.sinks["vault"].Put(deployed, rotatortest.Item{Secret: "other"}) }, rotator.VerifiedDiffers, "sink vault: cc/ci-build/deploy holds a secret with fingerprint"},
		{"a key that was revoked by hand", func(w *world) {
			for _, k := range w.provider.Keys() {
				if k.Name == "deploy-r0001" {
					w.provider.RemoveByHand(k.ID)
				}
			}
			w.provider.MakeByHand(user, "deploy", time.Time{}) // else nothing of it is current
		}, rotator.VerifiedRefused, "the provider, asked with the key that was read back"},
		{"a sink that does not answer", func(w *world) { w.sinks["disk"].SetHook(down("Observe")) }, rotator.VerifiedUnreachable, "sink disk: cc/ci-build/deploy cannot be read"},
		{"a provider that does not answer", func(w *world) { w.provider.SetHook(down("Check")) }, rotator.VerifiedUnreachable, "the provider, asked with"},
		{"a sink that panics", func(w *world) { w.sinks["disk"].SetHook(func(string, bool) error { panic("oops") }) }, rotator.VerifiedUnreachable, "a defect of rotatord"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			unwatched(t, func(t *testing.T, w *world) {
				l := w.start(nil)
				defer l.stop()
				pass(6 * time.Hour)
				w.wantRotated()
				tt.spoil(w)
				pass(time.Minute)
				l.wantFound(tt.outcome, tt.says)
			})
		})
	}
}

func down(op string) rotatortest.Hook {
	return func(called string, after bool) error {
		if called == op && !after {
			return rotator.NewFault(op, rotator.Transient, "connection refused")
		}
		return nil
	}
}

func TestVerifyOfAKeyThatWasNeverDelivered(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.policies[0].MaxAge = 900 * day
		l := w.start(nil)
		defer l.stop()
		pass(time.Minute)
		checks := w.provider.Calls("Check")
		v := l.verify()
		if v.Outcome != rotator.VerifiedUndelivered || v.Outcome.NeedsPerson() || len(v.Sinks) != 0 || w.provider.Calls("Check") != checks {
			t.Errorf("found %+v after %d checks", v, w.provider.Calls("Check")-checks)
		}
	})
}

// TestVerifyWhileAKeyIsDelivered: one sink has the next key and the other, which is down, the one before or nothing. Neither is wrong.
func TestVerifyWhileAKeyIsDelivered(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		l := w.start(nil)
		defer l.stop()
		pass(6 * time.Hour)
		w.sinks["vault"].SetHook(down("Deliver"))
		if _, err := l.engine.Rotate(t.Context(), theOne, rotator.ReasonManual, "ann"); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		l.wantFound(rotator.VerifiedMoving, "")
		w.sinks["vault"].Remove(deployed)
		l.wantFound(rotator.VerifiedDiffers, "sink vault: nothing is at")
		w.sinks["vault"].SetHook(nil)
		pass(time.Hour)
		l.wantFound(rotator.VerifiedOK, "")
	})
}

var theOne = rotator.CredentialID{Provider: "cc", UserID: user, Base: "deploy"}

func TestVerifyOfAKeyThatWasGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		l := w.start(nil)
		defer l.stop()
		pass(10 * time.Minute)
		w.provider.SetHook(down("Mint"))
		if _, err := l.engine.StartOver(t.Context(), theOne, "ann"); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		l.wantFound(rotator.VerifiedMoving, "")
	})
}

// TestVerifyIsPatientAndGivesUp: a provider that throttles is asked again when it said; what stays silent is asked a few
// times and not for each of many credentials.
func TestVerifyIsPatientAndGivesUp(t *testing.T) {
	unwatched(t, func(t *testing.T, w *world) {
		w.provider = rotatortest.NewProvider()
		w.setup.Cap = rotator.CapLimits{MaxShare: 1}
		const many = 60
		for i := range many {
			id := string(rune('A'+i/26)) + string(rune('a'+i%26))
			w.provider.AddUser(id, "user-"+id)
			w.provider.AddKey(id, "deploy", time.Now().Add(-70*day))
		}
		l := w.start(nil)
		defer l.stop()
		pass(6 * time.Hour)
		var asked atomic.Int64
		w.provider.SetHook(func(op string, after bool) error {
			if op == "Check" && !after && asked.Add(1) == 3 {
				return &rotator.Fault{Op: op, Kind: rotator.Throttled, RetryAfter: 30 * time.Second, Err: errors.New("slow down")}
			}
			return nil
		})
		f, began := &findings{}, time.Now()
		if err := l.engine.Verify(t.Context(), rotator.VerifyQuery{Provider: "c*"}, f); err != nil {
			t.Fatal(err)
		}
		for _, v := range f.all {
			if v.Outcome != rotator.VerifiedOK {
				t.Errorf("%s: %s: %s", v.CredentialID, v.Outcome, v.Why)
			}
		}
		if took := time.Since(began); len(f.all) != many || took < 30*time.Second || took > time.Minute || asked.Load() != many+1 {
			t.Errorf("%d found after %s and %d calls", len(f.all), took, asked.Load())
		}
		var read atomic.Int64
		w.sinks["disk"].SetHook(func(op string, after bool) error {
			if op == "Observe" && !after {
				read.Add(1)
				return rotator.NewFault(op, rotator.Transient, "no route to host")
			}
			return nil
		})
		f = &findings{}
		if err := l.engine.Verify(t.Context(), rotator.VerifyQuery{}, f); err != nil {
			t.Fatal(err)
		}
		if n := read.Load(); len(f.all) != many || n < 5 || n > 10 {
			t.Errorf("%d found, and a sink that is down was asked %d times", len(f.all), n)
		}
		if last := f.all[many-1]; last.Outcome != rotator.VerifiedUnreachable || !strings.Contains(last.Why, "5 times in a row") {
			t.Errorf("the last: %+v", last)
		}
	})
}

func TestVerifySelectsAndEnds(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		l := w.start(nil)
		defer l.stop()
		pass(6 * time.Hour)
		for _, q := range []rotator.VerifyQuery{{Provider: "dd"}, {User: "nobody"}, {Base: "other"}, {Policy: "none"}} {
			f := &findings{}
			if err := l.engine.Verify(t.Context(), q, f); err != nil || f.total != 0 || len(f.all) != 0 {
				t.Errorf("%+v: %d of %d, %v", q, len(f.all), f.total, err)
			}
		}
		if err := l.engine.Verify(t.Context(), rotator.VerifyQuery{User: "["}, &findings{}); rotator.KindOf(err) != rotator.Invalid {
			t.Errorf("a malformed pattern: %v", err)
		}
		gone := &findings{fail: errors.New("the client is gone")}
		if err := l.engine.Verify(t.Context(), rotator.VerifyQuery{}, gone); !errors.Is(err, gone.fail) {
			t.Errorf("nobody reads: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := l.engine.Verify(ctx, rotator.VerifyQuery{}, &findings{}); !errors.Is(err, context.Canceled) {
			t.Errorf("given up: %v", err)
		}
		l.wantFound(rotator.VerifiedOK, "") // and the next one is not kept from running
	})
}

// unlisted is a store that nobody may list the fleet of.
type unlisted struct {
	rotator.Store
	lists atomic.Int32
}

func (u *unlisted) FleetCredentials(ctx context.Context, q rotator.FleetQuery, now time.Time) (rotator.FleetPage, error) {
	u.lists.Add(1)
	return u.Store.FleetCredentials(ctx, q, now)
}

func TestVerifyOfOneReadsNothingOfTheRest(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		store := &unlisted{}
		l := w.startWith(func(s rotator.Store) rotator.Store { store.Store = s; return store })
		defer l.stop()
		pass(6 * time.Hour)
		l.wantFound(rotator.VerifiedOK, "")
		other := rotator.Verification{CredentialID: rotator.CredentialID{Provider: "cc", UserID: "another", Base: "deploy"}, Outcome: rotator.VerifiedOK}
		if err := l.store.SaveVerifications(t.Context(), []rotator.Verification{other}); err != nil {
			t.Fatal(err)
		}
		store.lists.Store(0)
		f := &findings{}
		if err := l.engine.Verify(t.Context(), rotator.VerifyQuery{One: theOne}, f); err != nil || f.total != 1 || len(f.all) != 1 || f.all[0].CredentialID != theOne ||
			f.all[0].Outcome != rotator.VerifiedOK || f.all[0].ServiceUser == "" {
			t.Errorf("%+v of %d, %v", f.all, f.total, err)
		}
		if n := store.lists.Load(); n != 0 {
			t.Errorf("the fleet was listed %d times to look at one credential", n)
		}
		if kept, err := l.store.VerificationOf(t.Context(), other.CredentialID); err != nil || kept == nil {
			t.Errorf("a look at one credential forgot what was found of another: %v", err)
		}
		for _, c := range []rotator.CredentialID{other.CredentialID, {Provider: "dd", UserID: theOne.UserID, Base: theOne.Base}} {
			none := &findings{}
			if err := l.engine.Verify(t.Context(), rotator.VerifyQuery{One: c}, none); err != nil || none.total != 0 {
				t.Errorf("%s: %d found, %v", c, none.total, err)
			}
		}
	})
}

func TestVerifyForgetsWhatIsGone(t *testing.T) {
	unwatched(t, func(t *testing.T, w *world) {
		l := w.start(nil)
		defer l.stop()
		pass(6 * time.Hour)
		l.wantFound(rotator.VerifiedOK, "")
		for _, k := range w.provider.Keys() {
			w.provider.RemoveByHand(k.ID)
		}
		pass(time.Hour)
		f := &findings{}
		if err := l.engine.Verify(t.Context(), rotator.VerifyQuery{}, f); err != nil || f.total != 0 {
			t.Fatalf("%d found, %v", f.total, err)
		}
		if kept, err := l.store.VerificationOf(t.Context(), theOne); err != nil || kept != nil {
			t.Errorf("kept %+v, %v", kept, err)
		}
	})
}

var _ rotator.VerifyProgress = (*findings)(nil)
