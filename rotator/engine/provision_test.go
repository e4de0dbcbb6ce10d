package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/engine"
	"github.com/rotatord/rotatord/rotator/rotatortest"
)

// declares makes the configuration declare a service user "robot" whose first key is "bot", at a provider that creates
// users with a key.
func (w *world) declares() {
	w.capable = rotatortest.NewCapable(w.provider)
	w.capable.WithKey = true
	w.declared = []rotator.DeclaredUser{robot("robot")}
	w.provider.SetExpiry("1", time.Now().Add(900*day)) // nothing else is due
	w.policies[0].MaxAge = 365 * day
}

func robot(name string) rotator.DeclaredUser {
	return rotator.DeclaredUser{Provider: "cc", Label: name, Credential: "bot",
		Spec: rotator.UserSpec{Kind: rotator.ServiceKind, Name: name, Email: name + "@example.com"}}
}

func (l *life) provisions() []rotator.Provision {
	l.w.t.Helper()
	ps, err := l.store.Provisions(l.w.t.Context(), "cc")
	if err != nil {
		l.w.t.Fatal(err)
	}
	return ps
}

// wantProvision returns the only declared service user, which must be in the state, with trouble that holds the words.
func (l *life) wantProvision(s rotator.ProvisionState, words string) rotator.Provision {
	l.w.t.Helper()
	ps := l.provisions()
	if len(ps) != 1 || ps[0].State != s || !strings.Contains(ps[0].Trouble, words) || (words == "") != (ps[0].Trouble == "") {
		l.w.t.Fatalf("provisions %+v, want one in state %s with words %q", ps, s, words)
	}
	return ps[0]
}

// wantRobot checks the one good end: one user, one active key, which works and is where it belongs.
func (w *world) wantRobot() {
	w.t.Helper()
	ids := w.capable.Named("robot")
	if len(ids) != 1 {
		w.t.Fatalf("%d service users were made", len(ids))
	}
	active := w.provider.Active(ids[0])
	if len(active) != 1 || !strings.HasPrefix(active[0], "bot-r") {
		w.t.Errorf("active keys %v, want one", active)
	}
	for name, sink := range w.sinks {
		item, there := sink.Items()["cc/robot/bot"]
		if owner, err := w.provider.Use(item.Secret); !there || err != nil || owner != ids[0] {
			w.t.Errorf("sink %s holds %+v: %s, %v", name, sink.Items(), owner, err)
		}
	}
}

func TestADeclaredUserIsCreatedAndItsKeyDelivered(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		how   func(w *world)
		mints int
	}{
		{"with a first key", func(*world) {}, 0},
		{"without a first key", func(w *world) { w.capable.WithKey = false }, 1},
		{"the key's id is not told", func(w *world) { w.capable.HideKeyID = true }, 0},
		{"the provider shows it late", func(w *world) { w.capable.SetShowAfter(90 * time.Second) }, 0},
		{"the key's id is not told, and shown late", func(w *world) {
			w.capable.HideKeyID = true
			w.capable.SetShowAfter(90 * time.Second)
		}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.declares()
				tt.how(w)
				l := w.start(nil)
				defer l.stop()
				pass(20 * time.Minute)
				w.wantRobot()
				if n := w.provider.Calls("Mint"); n != tt.mints {
					t.Errorf("%d keys made beside, want %d", n, tt.mints)
				}
				if r := l.only(); r.Reason != rotator.ReasonMissing || r.Stage != rotator.StageDone || r.ServiceUser != "robot" || r.Contact != "robot@example.com" {
					t.Errorf("%+v", r)
				}
				l.wantProvision(rotator.ProvisionPresent, "")
				pass(6 * time.Hour)
				if rs, n := l.rotations(), w.provider.Calls("CreateUser"); len(rs) != 1 || n != 1 {
					t.Errorf("%d rotations and %d users made in six hours", len(rs), n)
				}
			})
		})
	}
}

// TestTheFirstKeyFallsUnderThePolicyThatItsUserWillFallUnder has a rule for the user's name before one for all, and a
// provider that chooses names itself.
func TestTheFirstKeyFallsUnderThePolicyThatItsUserWillFallUnder(t *testing.T) {
	t.Parallel()
	for _, names := range []bool{false, true} {
		bubble(t, func(t *testing.T, w *world) {
			w.declares()
			w.capable.NamesUsers = names
			w.declared[0].Spec.LoginID = "robot-login"
			w.capable.SetAttributes("u1", w.declared[0].Spec)
			robots := *w.policies[0]
			robots.Name, robots.Match.ServiceUsers, robots.Sinks = "robots", []string{"robot", "named-*"}, []string{"vault"}
			w.policies = []*rotator.Policy{&robots, w.policies[0]}
			if names {
				w.provider.AddUser("person", "somebody") // the declaration goes by its login
			}
			l := w.start(nil)
			defer l.stop()
			pass(20 * time.Minute)
			want := "cc/robot/bot"
			if names {
				want = "cc/named-u1/bot"
			}
			if r := l.only(); r.Policy != "robots" || len(r.Sinks) != 1 || r.Sinks[0].Location != want {
				t.Errorf("names %v: policy %s, sinks %+v", names, r.Policy, r.Sinks)
			}
		})
	}
}

func TestCrashMatrixOfProvisioning(t *testing.T) {
	t.Parallel()
	for _, withKey := range []bool{true, false} {
		total := provisionCrashAt(t, withKey, 0, 0)
		if total < 20 {
			t.Fatalf("only %d points: the crash is not wired in", total)
		}
		for at := 1; at <= total; at += stride {
			t.Run(fmt.Sprintf("key=%v/point=%d", withKey, at), func(t *testing.T) { provisionCrashAt(t, withKey, at, 0) })
		}
		for at := 5; at <= total; at += 6 * stride {
			for again := 2; again <= 10; again += 2 {
				t.Run(fmt.Sprintf("key=%v/point=%d/again=%d", withKey, at, again), func(t *testing.T) { provisionCrashAt(t, withKey, at, again) })
			}
		}
	}
}

// provisionCrashAt lets the daemon crash at a point, and at another in the life after it if again is set.
func provisionCrashAt(t *testing.T, withKey bool, at, again int) int {
	t.Helper()
	crash := &rotatortest.Crash{At: at}
	bubble(t, func(t *testing.T, w *world) {
		w.declares()
		w.capable.WithKey, w.look = withKey, time.Minute
		first := w.start(crash)
		pass(10 * time.Minute)
		first.stop()
		if again > 0 {
			second := w.start(&rotatortest.Crash{At: again})
			pass(time.Minute)
			second.stop()
		}
		last := w.start(nil)
		pass(time.Hour)
		defer last.stop()
		w.wantRobot()
		last.wantProvision(rotator.ProvisionPresent, "")
		if open, err := last.store.Rotations(t.Context(), false, 10); err != nil || len(open) != 0 {
			t.Errorf("crashed %s: still open: %+v, %v", crash.Where(), open, err)
		}
	})
	return crash.Points()
}

func TestG5AUserWhoseAnswerWasLostIsNotCreatedTwice(t *testing.T) {
	t.Parallel()
	for _, kind := range []rotator.Kind{rotator.UnknownOutcome, rotator.Transient} {
		for _, late := range []time.Duration{0, 90 * time.Second} {
			t.Run(fmt.Sprintf("%s/%s", kind, late), func(t *testing.T) {
				bubble(t, func(t *testing.T, w *world) {
					w.declares()
					w.capable.SetShowAfter(late)
					w.provider.SetHook(faults("CreateUser", true, 1, 1, rotator.NewFault("create user", kind, "connection reset")))
					l := w.start(nil)
					defer l.stop()
					pass(time.Second)
					l.wantProvision(rotator.ProvisionIntended, "connection reset")
					l.engine.ScanNow()
					pass(time.Minute)
					pass(time.Hour)
					w.wantRobot()
					if keys := w.provider.Active("u1"); !slices.Equal(keys, []string{"bot-r0001"}) && !slices.Equal(keys, []string{"bot-r0002"}) {
						t.Errorf("active keys %v", keys)
					}
					if n := w.provider.Calls("CreateUser"); n != 1 {
						t.Errorf("%d calls to create it", n)
					}
				})
			})
		}
	}
}

func TestAUserThatIsCreatedLongAfterTheScanBegan(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.declares()
		w.capable.SetShowAfter(90 * time.Second)
		slow := true
		lost := faults("CreateUser", true, 1, 1, rotator.NewFault("create user", rotator.UnknownOutcome, "connection reset"))
		w.provider.SetHook(func(op string, after bool) error {
			if op == "Scan" && after && slow {
				slow = false
				time.Sleep(20 * time.Minute)
			}
			return lost(op, after)
		})
		l := w.start(nil)
		defer l.stop()
		pass(2 * time.Hour)
		w.wantRobot()
		if n := w.provider.Calls("CreateUser"); n != 1 {
			t.Errorf("%d calls to create it", n)
		}
	})
}

func TestAStopDoesNotLoseTheKeyOfAUserThatIsBeingCreated(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.declares()
		w.provider.SetHook(func(op string, after bool) error {
			if op == "CreateUser" && after {
				time.Sleep(500 * time.Millisecond)
			}
			return nil
		})
		l := w.start(nil)
		pass(100 * time.Millisecond)
		l.stop()
		l = w.start(nil)
		defer l.stop()
		pass(time.Hour)
		w.wantRobot()
		if n := w.provider.Calls("Retire") + w.provider.Calls("Mint"); n != 0 {
			t.Errorf("%d calls to make another key", n)
		}
	})
}

func TestAUserThatVanishedIsNotMadeAgainByItself(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.declares()
		l := w.start(nil)
		defer l.stop()
		pass(20 * time.Minute)
		for _, sink := range w.sinks { // the consumer is gone with it
			sink.Remove("cc/robot/bot")
		}
		w.capable.RemoveUser("u1")
		pass(2 * time.Hour)
		l.wantProvision(rotator.ProvisionVanished, "not made again by itself")
		if n := w.provider.Calls("CreateUser"); n != 1 {
			t.Fatalf("created %d times", n)
		}
		if _, err := l.engine.Provision(t.Context(), w.declared[0], "ann"); err != nil {
			t.Fatal(err)
		}
		pass(20 * time.Minute)
		w.wantRobot()
		l.wantProvision(rotator.ProvisionPresent, "")
	})
}

func TestAUserThatVanishedAndWasMadeByHandIsTheOne(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.declares()
		l := w.start(nil)
		defer l.stop()
		pass(20 * time.Minute)
		for _, sink := range w.sinks {
			sink.Remove("cc/robot/bot")
		}
		w.capable.RemoveUser("u1")
		pass(time.Hour)
		w.provider.AddUser("hand-made", "robot")
		w.capable.SetAttributes("hand-made", w.declared[0].Spec)
		pass(time.Hour)
		w.wantRobot()
		if p := l.wantProvision(rotator.ProvisionPresent, ""); p.UserID != "hand-made" {
			t.Errorf("known as %s", p.UserID)
		}
	})
}

func TestTwoUsersThatCouldBeTheOne(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.declares()
		w.provider.AddUser("8", "robot")
		w.provider.AddUser("9", "robot")
		l := w.start(nil)
		defer l.stop()
		pass(time.Hour)
		l.wantProvision(rotator.ProvisionWanted, "8, 9 could all be it")
		if n := w.provider.Calls("CreateUser") + w.provider.Calls("Mint"); n != 0 {
			t.Errorf("%d users and keys made", n)
		}
	})
}

func TestDriftIsReportedAndSetBackIfToldTo(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.declares()
		l := w.start(nil)
		defer l.stop()
		pass(20 * time.Minute)
		changed := w.declared[0].Spec
		changed.Email = "somebody@example.com"
		w.capable.SetAttributes("u1", changed)
		pass(time.Hour)
		p := l.wantProvision(rotator.ProvisionPresent, "")
		if len(p.Drift) != 1 || p.Drift[0].Attribute != "email" || w.provider.Calls("UpdateUser") != 0 {
			t.Fatalf("drift %+v, %d updates", p.Drift, w.provider.Calls("UpdateUser"))
		}
		w.provider.SetHook(faults("UpdateUser", false, 1, 1, rotator.NewFault("update user", rotator.Denied, "not allowed")))
		l.reload(func(s *engine.Setup) {
			s.Accounts = slices.Clone(s.Accounts)
			s.Accounts[0].Declared = []rotator.DeclaredUser{w.declared[0]}
			s.Accounts[0].Declared[0].FixDrift = true
		})
		pass(time.Minute)
		if p := l.wantProvision(rotator.ProvisionPresent, "not allowed"); len(p.Drift) != 1 || !p.FixDrift {
			t.Errorf("after an update that failed: %+v", p)
		}
		pass(time.Hour)
		if p := l.wantProvision(rotator.ProvisionPresent, ""); len(p.Drift) != 0 || w.provider.Calls("UpdateUser") != 2 {
			t.Errorf("drift %+v after %d updates", p.Drift, w.provider.Calls("UpdateUser"))
		}
		w.provider.SetHook(faults("ShowUser", false, 1, 1, rotator.NewFault("show user", rotator.Transient, "no answer")))
		l.engine.ScanNow()
		pass(time.Minute)
		l.wantProvision(rotator.ProvisionPresent, "no answer")
		pass(time.Hour)
		l.wantProvision(rotator.ProvisionPresent, "")
	})
}

func TestADeclarationThatIsTakenBack(t *testing.T) {
	t.Parallel()
	withdraw := func(l *life) {
		l.reload(func(s *engine.Setup) {
			s.Accounts = slices.Clone(s.Accounts)
			s.Accounts[0].Declared = nil
		})
	}
	bubble(t, func(t *testing.T, w *world) {
		w.declares()
		l := w.start(nil)
		defer l.stop()
		pass(20 * time.Minute)
		withdraw(l)
		pass(20 * time.Minute)
		if ps := l.provisions(); len(ps) != 0 {
			t.Errorf("still known: %+v", ps)
		}
		w.wantRobot() // nobody takes away what is there
	})
	for _, created := range []bool{true, false} {
		bubble(t, func(t *testing.T, w *world) { // the answer was lost, and then the declaration was taken back
			w.declares()
			w.capable.SetShowAfter(90 * time.Second)
			w.provider.SetHook(faults("CreateUser", created, 1, 1, rotator.NewFault("create user", rotator.UnknownOutcome, "connection reset")))
			l := w.start(nil)
			defer l.stop()
			pass(time.Second)
			withdraw(l)
			pass(time.Hour)
			if ps := l.provisions(); len(ps) != 0 || w.provider.Calls("CreateUser") != 1 {
				t.Errorf("still known: %+v after %d calls", ps, w.provider.Calls("CreateUser"))
			}
			if keys := w.provider.Active("u1"); len(keys) != 0 {
				t.Errorf("keys %v are left whose secret nobody has", keys)
			}
		})
	}
}

func TestADeclaredUserOfAProviderWherePeopleMakeKeys(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.byHand()
		w.declared = []rotator.DeclaredUser{robot("robot")}
		w.provider.SetExpiry("1", time.Now().Add(900*day))
		w.policies[0].MaxAge = 365 * day
		w.provider.AddUser("8", "robot")
		w.capable.SetAttributes("8", w.declared[0].Spec)
		l := w.start(nil)
		defer l.stop()
		pass(time.Hour)
		r := l.only()
		if r.Blocked != rotator.BlockAwaitingSupply || r.Reason != rotator.ReasonMissing || !strings.Contains(r.Trouble, "bot-r0001") {
			t.Fatalf("stage %s, blocked %q, reason %s: %s", r.Stage, r.Blocked, r.Reason, r.Trouble)
		}
		_, secret := w.provider.MakeByHand("8", "bot-r0001", time.Now().Add(90*day))
		s := rotator.Supplied{Secret: rotator.SecretString(secret), Expires: time.Now().Add(90 * day)}
		if _, err := l.engine.Supply(t.Context(), r.CredentialID, s, "ann"); err != nil {
			t.Fatal(err)
		}
		pass(time.Hour)
		w.wantRobot()
		if r := l.only(); r.Stage != rotator.StageDone {
			t.Errorf("stage %s: %s", r.Stage, r.Trouble)
		}
		pass(day)
		if rs := l.rotations(); len(rs) != 1 {
			t.Errorf("%d rotations", len(rs))
		}
	})
}
