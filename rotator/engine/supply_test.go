package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/engine"
	"github.com/rotatord/rotatord/rotator/rotatortest"
)

// byHand makes the provider one where people make and remove the keys, and which lists none.
func (w *world) byHand() {
	w.capable = rotatortest.NewCapable(w.provider)
	w.provider.Lim = rotator.Limits{Supplied: true, RemovedByHand: true, Unlisted: true, Expiry: true, Propagation: time.Minute}
	w.policies[0].Lifetime = 90 * day
}

// makes is what a person hands over after making a key by hand.
func (w *world) makes(name string) rotator.Supplied {
	until := time.Now().Add(90 * day)
	_, secret := w.provider.MakeByHand(user, name, until)
	return rotator.Supplied{Secret: rotator.SecretString(secret), Expires: until}
}

// supplies hands a key over that has to be taken.
func (l *life) supplies(s rotator.Supplied) rotator.Rotation {
	l.w.t.Helper()
	r, err := l.engine.Supply(l.w.t.Context(), deploy, s, "ann")
	if err != nil {
		l.w.t.Fatal(err)
	}
	return r
}

// wantBlocked returns the open rotation, which must be blocked for the reason.
func (l *life) wantBlocked(s rotator.Stage, b rotator.BlockReason) rotator.Rotation {
	l.w.t.Helper()
	r, err := l.store.OpenRotation(l.w.t.Context(), deploy)
	if err != nil {
		l.w.t.Fatal(err)
	}
	if r.Stage != s || r.Blocked != b {
		l.w.t.Fatalf("stage %s, blocked %q, want %s, %q: %s", r.Stage, r.Blocked, s, b, r.Trouble)
	}
	return r
}

// wantFault checks an error's kind and that its words hold all of these.
func wantFault(t *testing.T, err error, k rotator.Kind, words ...string) {
	t.Helper()
	if err == nil || rotator.KindOf(err) != k {
		t.Errorf("error %v, want one of kind %s", err, k)
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("error %q does not say %q", err, word)
		}
	}
}

func (l *life) history(id string) []rotator.Entry {
	l.w.t.Helper()
	h, err := l.store.History(l.w.t.Context(), id)
	if err != nil {
		l.w.t.Fatal(err)
	}
	return h
}

func TestADueKeyThatOnlyAPersonCanMakeAwaitsSupply(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.byHand()
		l := w.start(nil)
		defer l.stop()
		pass(time.Minute)
		first := len(l.history(l.wantBlocked(rotator.StagePlanned, rotator.BlockAwaitingSupply).ID))
		pass(6 * time.Hour)
		r := l.wantBlocked(rotator.StagePlanned, rotator.BlockAwaitingSupply)
		for _, want := range []string{"Open the page of user 7 and make deploy-r0001", "rotatord supply cc/7/deploy", r.Deadline.UTC().Format(time.DateOnly)} {
			if !strings.Contains(r.Trouble, want) {
				t.Errorf("the words %q do not say %q", r.Trouble, want)
			}
		}
		if n := len(l.history(r.ID)); n != first {
			t.Errorf("the history grew from %d lines to %d while nothing happened", first, n)
		}
		if n := w.provider.Calls("Mint"); n != 0 {
			t.Errorf("Mint was called %d times", n)
		}
	})
}

func TestASuppliedKeyIsTestedDeliveredAndTheOldOneRemoved(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.byHand()
		l := w.start(nil)
		defer l.stop()
		pass(time.Minute)
		_, err := l.engine.Removed(t.Context(), deploy, "ann")
		wantFault(t, err, rotator.Conflict, "does not ask for a key to be removed")
		l.supplies(w.makes("deploy-r0001"))
		pass(30 * time.Second)
		r := l.only()
		if r.Stage != rotator.StageGrace || r.Sealed != nil || r.NewKey.ID != "7/deploy-r0001" {
			t.Fatalf("stage %s, key %+v: %s", r.Stage, r.NewKey, r.Trouble)
		}
		_, err = l.engine.Removed(t.Context(), deploy, "ann")
		wantFault(t, err, rotator.Conflict, "stage grace")
		pass(2 * time.Hour)
		r = l.wantBlocked(rotator.StageRevoking, rotator.BlockAwaitingRemoval)
		if !strings.Contains(r.Trouble, "remove deploy.") || !strings.Contains(r.Trouble, "rotatord removed cc/7/deploy") {
			t.Errorf("the words are %q", r.Trouble)
		}
		lines := len(l.history(r.ID))
		pass(day)
		if n := len(l.history(r.ID)); n != lines {
			t.Errorf("the history grew from %d lines to %d while nobody did anything", lines, n)
		}
		w.provider.RemoveByHand("1")
		if _, err := l.engine.Removed(t.Context(), deploy, "ann"); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		if r := l.only(); r.Stage != rotator.StageDone {
			t.Errorf("stage %s: %s", r.Stage, r.Trouble)
		}
		w.wantRotated()
		if n := w.provider.Calls("Retire") + w.provider.Calls("Mint"); n != 0 {
			t.Errorf("%d calls to make and revoke keys", n)
		}
		pass(3 * day)
		if rs := l.rotations(); len(rs) != 1 {
			t.Errorf("%d rotations, want none after the first", len(rs))
		}
	})
}

func TestG3NobodyIsAskedToRemoveAKeyBeforeTheEvidenceIsComplete(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.byHand()
		l := w.start(nil)
		defer l.stop()
		pass(time.Minute)
		l.supplies(w.makes("deploy-r0001"))
		pass(time.Minute)
		w.sinks["disk"].Remove("cc/ci-build/deploy")
		pass(3 * time.Hour)
		l.wantBlocked(rotator.StageRevoking, rotator.BlockSinkMismatch)
		_, err := l.engine.Removed(t.Context(), deploy, "ann")
		wantFault(t, err, rotator.Conflict)
	})
}

func TestAnOldKeyThatExpiresNeedsNobody(t *testing.T) {
	for _, unlisted := range []bool{true, false} {
		bubble(t, func(t *testing.T, w *world) {
			w.byHand()
			w.provider.Lim.Unlisted = unlisted
			w.provider.SetExpiry("1", time.Now().Add(10*time.Hour))
			l := w.start(nil)
			defer l.stop()
			pass(time.Minute)
			l.supplies(w.makes("deploy-r0001"))
			pass(3 * time.Hour)
			l.wantBlocked(rotator.StageRevoking, rotator.BlockAwaitingRemoval)
			pass(8 * time.Hour)
			if r := l.only(); r.Stage != rotator.StageDone || w.provider.Calls("Retire") != 0 {
				t.Errorf("unlisted %v: stage %s: %s", unlisted, r.Stage, r.Trouble)
			}
		})
	}
}

func TestWhatIsNotTakenAsASupply(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(w *world, l *life, s *rotator.Supplied)
		kind  rotator.Kind
		words string
	}{
		{"nothing", func(_ *world, _ *life, s *rotator.Supplied) { s.Secret = rotator.Secret{} }, rotator.Invalid, "empty"},
		{"a key that never was", func(_ *world, _ *life, s *rotator.Supplied) { s.Secret = rotator.SecretString("guess") }, rotator.Denied, "nothing was recorded"},
		{"another user's", func(w *world, _ *life, s *rotator.Supplied) {
			_, secret := w.provider.MakeByHand("8", "other", time.Time{})
			s.Secret = rotator.SecretString(secret)
		}, rotator.Conflict, "user 8"},
		{"one that expired", func(_ *world, _ *life, s *rotator.Supplied) { s.Expires = time.Now().Add(-time.Second) }, rotator.Invalid, "expired"},
		{"without its expiry", func(_ *world, _ *life, s *rotator.Supplied) { s.Expires = time.Time{} }, rotator.Invalid, "--expires"},
		{"under the id of the old key", func(_ *world, _ *life, s *rotator.Supplied) { s.KeyID = "1" }, rotator.Conflict, "id 1"},
		{"throttled", func(w *world, _ *life, _ *rotator.Supplied) {
			w.provider.SetHook(faults("Check", false, 1, 1, rotator.NewFault("check", rotator.Throttled, "slow down")))
		}, rotator.Throttled, "slow down"},
		{"unreachable", func(w *world, _ *life, _ *rotator.Supplied) {
			w.provider.SetHook(faults("Check", false, 1, 1, rotator.NewFault("check", rotator.Transient, "no route")))
		}, rotator.Transient, "no route"},
		{"held", func(w *world, l *life, _ *rotator.Supplied) {
			if err := l.engine.Hold(w.t.Context(), rotator.Hold{CredentialID: deploy, By: "bob", Until: time.Now().Add(day), Reason: "audit"}); err != nil {
				w.t.Error(err)
			}
		}, rotator.Conflict, "audit"},
		{"frozen", func(_ *world, l *life, _ *rotator.Supplied) {
			l.reload(func(s *engine.Setup) {
				s.Freezes = []rotator.Freeze{{From: time.Now(), To: time.Now().Add(day), Reason: "year end"}}
			})
		}, rotator.Conflict, "year end"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.byHand()
				l := w.start(nil)
				defer l.stop()
				pass(time.Minute)
				s := w.makes("deploy-r0001")
				tt.spoil(w, l, &s)
				r, err := l.engine.Supply(t.Context(), deploy, s, "ann")
				wantFault(t, err, tt.kind, tt.words)
				pass(time.Second)
				if now := l.only(); now.Stage != rotator.StagePlanned || now.Sealed != nil || now.NewKey.ID != "" {
					t.Errorf("after the refusal: stage %s, key %+v (was %s)", now.Stage, now.NewKey, r.Stage)
				}
			})
		})
	}
}

func TestTheKeyThatConsumersHaveIsNotTakenAsItsOwnReplacement(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.byHand()
		w.slow()
		w.policies[0].Grace = 0
		l := w.start(nil)
		defer l.stop()
		pass(time.Minute)
		first := w.makes("deploy-r0001")
		l.supplies(first)
		pass(day)
		w.provider.RemoveByHand("1")
		if _, err := l.engine.Removed(t.Context(), deploy, "ann"); err != nil {
			t.Fatal(err)
		}
		pass(62 * day)
		l.wantBlocked(rotator.StagePlanned, rotator.BlockAwaitingSupply)
		_, err := l.engine.Supply(t.Context(), deploy, first, "ann")
		wantFault(t, err, rotator.Conflict, "the one to replace")
		for _, sink := range w.sinks {
			sink.Remove("cc/ci-build/deploy") // then only the journal remembers it
		}
		_, err = l.engine.Supply(t.Context(), deploy, first, "ann")
		wantFault(t, err, rotator.Conflict, "the one to replace")
	})
}

func TestASupplyIsTakenOnce(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.byHand()
		l := w.start(nil)
		defer l.stop()
		pass(time.Minute)
		s := w.makes("deploy-r0001")
		l.supplies(s)
		_, err := l.engine.Supply(t.Context(), deploy, s, "bob")
		wantFault(t, err, rotator.Conflict, "waits for no key")
		pass(time.Minute)
		_, err = l.engine.Supply(t.Context(), deploy, s, "bob")
		wantFault(t, err, rotator.Conflict, "stage grace")
	})
}

func TestASupplyAtAProviderThatMakesKeysIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		l := w.start(nil)
		defer l.stop()
		pass(time.Minute)
		_, err := l.engine.Supply(t.Context(), deploy, rotator.Supplied{Secret: rotator.SecretString("x")}, "ann")
		wantFault(t, err, rotator.Invalid, "rotatord rotate")
		_, err = l.engine.Supply(t.Context(), rotator.CredentialID{Provider: "nowhere"}, rotator.Supplied{}, "ann")
		wantFault(t, err, rotator.Gone, "nowhere")
		_, err = l.engine.Removed(t.Context(), rotator.CredentialID{Provider: "nowhere"}, "ann")
		wantFault(t, err, rotator.Gone, "nowhere")
	})
}

func TestARefusedSupplyLeavesNoRotationBehind(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.byHand()
		w.provider.AddKey(user, "fresh", time.Now().Add(-59*day))
		w.slow()
		l := w.start(nil)
		defer l.stop()
		pass(time.Minute)
		fresh := deploy
		fresh.Base = "fresh"
		_, err := l.engine.Supply(t.Context(), fresh, rotator.Supplied{Secret: rotator.SecretString("typo"), Expires: time.Now().Add(day)}, "ann")
		wantFault(t, err, rotator.Denied, "nothing was recorded")
		if r, err := l.store.OpenRotation(t.Context(), fresh); rotator.KindOf(err) != rotator.Gone {
			t.Errorf("open: %+v, %v", r, err)
		}
		pass(2 * day) // it becomes due all the same
		if r, err := l.store.OpenRotation(t.Context(), fresh); err != nil || r.Blocked != rotator.BlockAwaitingSupply {
			t.Errorf("when it is due: blocked %q, %v", r.Blocked, err)
		}
	})
}

// TestASupplyThatTakesLong has the rotation looked at while the key is being tried.
func TestASupplyThatTakesLong(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.byHand()
		w.provider.AddKey(user, "fresh", time.Now())
		w.provider.SetHook(func(op string, after bool) error {
			if op == "Check" && !after {
				time.Sleep(25 * time.Minute)
			}
			return nil
		})
		l := w.start(nil)
		defer l.stop()
		pass(time.Minute)
		l.supplies(w.makes("deploy-r0001"))
		fresh := deploy
		fresh.Base = "fresh" // nothing is due: the supply itself begins the rotation
		r, err := l.engine.Supply(t.Context(), fresh, w.makes("fresh-r0001"), "ann")
		if err != nil || r.Stage != rotator.StageMinted || r.Reason != rotator.ReasonManual || r.Actor != "ann" {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

func TestASuppliedKeyThatTurnsOutNotToWorkIsGivenUpAndAskedForAgain(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.byHand()
		w.provider.SetHook(faults("Check", false, 2, 10, rotator.NewFault("check", rotator.Denied, "no")))
		l := w.start(nil)
		defer l.stop()
		pass(time.Minute)
		s := w.makes("deploy-r0001")
		l.supplies(s)
		pass(2 * time.Hour)
		r := l.wantBlocked(rotator.StagePlanned, rotator.BlockAwaitingSupply)
		if r.NewKey.Name != "deploy-r0002" {
			t.Errorf("asks for %s", r.NewKey.Name)
		}
		rs := l.rotations()
		if last := rs[len(rs)-1]; last.Stage != rotator.StageAbandoned || !strings.Contains(last.Why, "remove deploy-r0001") {
			t.Errorf("the first ended in %s: %s", last.Stage, last.Why)
		}
		w.provider.SetHook(nil)
		l.supplies(w.makes("deploy-r0002"))
		pass(time.Minute)
		if r := l.rotations()[0]; r.Stage != rotator.StageGrace {
			t.Errorf("stage %s: %s", r.Stage, r.Trouble)
		}
	})
}

func TestASuppliedKeyIsFoundWhereTheProviderListsKeys(t *testing.T) {
	tests := []struct {
		name, made string
		byID       bool
		later      time.Duration // between making the key and handing it over, while scans and looks see it
		words      string
	}{
		{"by its name", "deploy-r0001", false, 0, ""},
		{"by its name, long after it was made", "deploy-r0001", false, 5 * time.Hour, ""},
		{"by its id", "whatever", true, 0, ""},
		{"not under another name", "whatever", false, 0, "--key-id"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.byHand()
				w.provider.Lim.Unlisted = false
				l := w.start(nil)
				defer l.stop()
				pass(time.Minute)
				id, secret := w.provider.MakeByHand(user, tt.made, time.Now().Add(50*day))
				expires := time.Now().Add(50 * day)
				pass(tt.later)
				s := rotator.Supplied{Secret: rotator.SecretString(secret)}
				if tt.byID {
					s.KeyID = id
				}
				r, err := l.engine.Supply(t.Context(), deploy, s, "ann")
				if tt.words != "" {
					wantFault(t, err, rotator.Invalid, tt.words)
					return
				}
				if err != nil || r.NewKey.ID != id || !r.NewKeyExpires.Equal(expires) {
					t.Fatalf("%+v, %v", r, err)
				}
				pass(3 * time.Hour)
				l.wantBlocked(rotator.StageRevoking, rotator.BlockAwaitingRemoval)
				if _, err := l.engine.Removed(t.Context(), deploy, "ann"); err != nil {
					t.Fatal(err)
				}
				pass(time.Minute) // it was said and is not so
				l.wantBlocked(rotator.StageRevoking, rotator.BlockAwaitingRemoval)
				w.provider.RemoveByHand("1")
				pass(2 * time.Hour)
				if r := l.rotations()[0]; r.Stage != rotator.StageDone {
					t.Errorf("stage %s: %s", r.Stage, r.Trouble)
				}
			})
		})
	}
}

// TestAListedSuppliedKeyThatIsOfNoUseIsRemovedFirst: while it is listed as active it would pass for the current key.
func TestAListedSuppliedKeyThatIsOfNoUseIsRemovedFirst(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.byHand()
		w.provider.Lim.Unlisted = false
		w.provider.SetHook(faults("Check", false, 2, 10, rotator.NewFault("check", rotator.Denied, "no")))
		l := w.start(nil)
		defer l.stop()
		pass(time.Minute)
		r := l.supplies(w.makes("deploy-r0001"))
		pass(2 * time.Hour)
		l.wantBlocked(rotator.StageAbandoning, rotator.BlockAwaitingRemoval)
		w.provider.RemoveByHand(r.NewKey.ID)
		if _, err := l.engine.Removed(t.Context(), deploy, "ann"); err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Hour)
		if r := l.wantBlocked(rotator.StagePlanned, rotator.BlockAwaitingSupply); r.NewKey.Name != "deploy-r0002" {
			t.Errorf("asks for %s", r.NewKey.Name)
		}
	})
}

func TestG5ALostAnswerWhereNothingIsListedWaitsForAPerson(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.byHand()
		w.provider.Lim.Supplied, w.provider.Lim.RemovedByHand = false, false
		w.provider.SetHook(faults("Mint", true, 1, 1, rotator.NewFault("mint", rotator.UnknownOutcome, "connection reset")))
		l := w.start(nil)
		pass(time.Hour)
		l.stop()
		l = w.start(nil)
		defer l.stop()
		pass(3 * day)
		r := l.wantBlocked(rotator.StageMinting, rotator.BlockAwaitingRemoval)
		if n := w.provider.Calls("Mint"); n != 1 {
			t.Fatalf("%d calls to make a key, though the answer to the first was lost", n)
		}
		if !strings.Contains(r.Trouble, "remove deploy-r0001") {
			t.Errorf("the words are %q", r.Trouble)
		}
		w.provider.RemoveByHand("2")
		if _, err := l.engine.Removed(t.Context(), deploy, "ann"); err != nil {
			t.Fatal(err)
		}
		pass(3 * time.Hour)
		if r := l.only(); r.Stage != rotator.StageDone || r.NewKey.Name != "deploy-r0002" {
			t.Errorf("stage %s, key %s: %s", r.Stage, r.NewKey.Name, r.Trouble)
		}
		w.wantRotated()
	})
}

// TestAnOldKeyThatLeavesTheConfigurationIsNotTakenForGone: where keys are not listed, to be missing proves nothing.
func TestAnOldKeyThatLeavesTheConfigurationIsNotTakenForGone(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.byHand()
		f := &forgetful{id: "1"}
		w.outerProvider = func(p rotator.Provider) rotator.Provider { f.Provider = p; return f }
		l := w.start(nil)
		defer l.stop()
		pass(time.Minute)
		l.supplies(w.makes("deploy-r0001"))
		pass(time.Minute)
		f.times.Store(1 << 20)
		pass(3 * time.Hour)
		l.wantBlocked(rotator.StageRevoking, rotator.BlockAwaitingRemoval)
		if _, err := l.engine.Removed(t.Context(), deploy, "ann"); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		if r := l.only(); r.Stage != rotator.StageDone {
			t.Errorf("stage %s: %s", r.Stage, r.Trouble)
		}
	})
}
