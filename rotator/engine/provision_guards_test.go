package engine_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/rotatortest"
)

func TestG9ManyMissingUsersAskAPerson(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.declares()
		w.setup.Cap.AlwaysAllowed = 3
		w.declared = nil
		for i := range 8 {
			w.declared = append(w.declared, robot(fmt.Sprintf("robot-%d", i)))
		}
		l := w.start(nil)
		defer l.stop()
		pass(2 * time.Hour)
		if n := w.provider.Calls("CreateUser"); n != 0 {
			t.Fatalf("%d made without an approval", n)
		}
		for _, p := range l.provisions() {
			if p.State != rotator.ProvisionWanted || !strings.Contains(p.Trouble, "rotatord approve cc") {
				t.Errorf("%+v", p)
			}
		}
		if n, err := l.engine.Approve(t.Context(), "cc", "ann", time.Hour); err != nil || n != 8 {
			t.Errorf("approved %d, %v", n, err)
		}
		pass(20 * time.Minute)
		if n := w.provider.Calls("CreateUser"); n != 8 {
			t.Errorf("%d made after the approval", n)
		}
		if n, err := l.engine.Approve(t.Context(), "cc", "ann", time.Hour); err != nil || n != 0 {
			t.Errorf("nothing waits any more, and %d are approved, %v", n, err)
		}
	})
}

func TestMissingUsersWithinTheCapAreNotCountedAsAwaitingApproval(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.declares()
		w.provider.SetHook(faults("CreateUser", false, 1, 1<<40, rotator.NewFault("create user", rotator.Invalid, "no")))
		l := w.start(nil)
		defer l.stop()
		pass(time.Hour)
		l.wantProvision(rotator.ProvisionFailed, "no")
		if n, err := l.engine.Approve(t.Context(), "cc", "ann", time.Hour); err != nil || n != 0 {
			t.Errorf("approved %d, %v", n, err)
		}
	})
}

func TestWhatKeepsADeclaredUserFromBeingMade(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		spoil func(w *world)
		words string
		calls int
	}{
		{"a freeze", func(w *world) {
			w.setup.Freezes = []rotator.Freeze{{From: time.Now(), To: time.Now().Add(day), Reason: "year end", UnlessExpiresWithin: 72 * time.Hour}}
		}, "year end", 0},
		{"no policy", func(w *world) { w.policies[0].Match.ServiceUsers = []string{"ci-*"} }, "no policy that rotates", 0},
		{"a policy that observes", func(w *world) { w.observes() }, "no policy that rotates", 0},
		{"a specification that the provider would not take", func(w *world) { w.declared[0].Spec.Name, w.declared[0].Spec.Email = "", "" }, "a user needs one", 0},
		{"a provider that makes no users", func(w *world) {
			w.outerProvider = func(rotator.Provider) rotator.Provider { return w.provider }
		}, "cannot be created", 0},
		{"a refusal", func(w *world) {
			w.provider.SetHook(faults("CreateUser", false, 1, 1<<40, rotator.NewFault("create user", rotator.Denied, "not yours")))
		}, "not yours", 4},
		{"patience asked for", func(w *world) {
			w.provider.SetHook(faults("CreateUser", false, 1, 1<<40, rotator.NewFault("create user", rotator.Throttled, "slow down")))
		}, "slow down", 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.declares()
				tt.spoil(w)
				l := w.start(nil)
				defer l.stop()
				pass(59 * time.Minute)
				l.wantProvision(rotator.ProvisionFailed, tt.words)
				if n := w.provider.Calls("CreateUser"); n != tt.calls {
					t.Errorf("%d calls to create it, want %d", n, tt.calls)
				}
				if len(w.capable.Named("robot")) != 0 {
					t.Error("it was made")
				}
			})
		})
	}
}

func TestNoMoreUsersAreAskedOfAProviderThatAsksForPatience(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.declares()
		w.declared = append(w.declared, robot("second"), robot("third"))
		w.provider.SetHook(faults("CreateUser", false, 1, 1, rotator.NewFault("create user", rotator.Throttled, "slow down")))
		l := w.start(nil)
		defer l.stop()
		pass(time.Second)
		if n := w.provider.Calls("CreateUser"); n != 1 {
			t.Errorf("%d calls, though the first was answered with a request for patience", n)
		}
		pass(time.Hour)
		if n := w.provider.Calls("CreateUser"); n != 4 {
			t.Errorf("%d calls for three users", n)
		}
		w.wantRobot()
	})
}

// watched keeps the secret of each user that it creates.
type watched struct {
	*rotatortest.Capable
	secret *rotator.Secret
}

func (s watched) CreateUser(ctx context.Context, spec rotator.UserSpec) (rotator.CreatedUser, error) {
	made, err := s.Capable.CreateUser(ctx, spec)
	*s.secret = made.Key.Secret
	return made, err
}

func TestG7TheSecretOfAFirstKeyIsWiped(t *testing.T) {
	t.Parallel()
	for _, served := range []bool{true, false} {
		bubble(t, func(t *testing.T, w *world) {
			w.declares()
			var secret rotator.Secret
			w.outerProvider = func(rotator.Provider) rotator.Provider { return watched{w.capable, &secret} }
			if !served {
				w.outerSink = func(_ string, s rotator.Sink) rotator.Sink { return lost{s} }
			}
			l := w.start(nil)
			defer l.stop()
			pass(time.Minute)
			if secret.Empty() || strings.Trim(string(secret.Reveal()), "\x00") != "" {
				t.Errorf("served %v: the secret is still in memory, or there was none", served)
			}
		})
	}
}

// TestAKeyWhoseIdIsNeverToldIsShown: the provider does not tell the id of a new key and does not list it either.
func TestAKeyWhoseIdIsNeverToldIsShown(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.declares()
		w.capable.HideKeyID = true
		w.capable.SetShowAfter(1000 * time.Hour)
		l := w.start(nil)
		defer l.stop()
		pass(time.Minute)
		if r := l.only(); r.Stage != rotator.StageMinted || r.Blocked != "" {
			t.Errorf("stage %s, blocked %q within the propagation time", r.Stage, r.Blocked)
		}
		pass(10 * time.Minute)
		if r := l.only(); r.Blocked != rotator.BlockLastKey || !strings.Contains(r.Trouble, "bot-r0001") {
			t.Errorf("stage %s, blocked %q: %s", r.Stage, r.Blocked, r.Trouble)
		}
		w.capable.SetShowAfter(0)
		pass(10 * time.Minute)
		w.wantRobot()
	})
}

// TestAPausedProviderIsNotAskedForTheIdOfAKey pauses it right after the user was made.
func TestAPausedProviderIsNotAskedForTheIdOfAKey(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.declares()
		w.capable.HideKeyID = true
		w.provider.SetHook(faults("List", false, 1, 1, &rotator.Fault{Op: "list", Kind: rotator.Throttled, RetryAfter: 20 * time.Minute}))
		l := w.start(nil)
		defer l.stop()
		pass(19 * time.Minute)
		if n := w.provider.Calls("List"); n != 1 {
			t.Errorf("%d lists while the provider asks for patience", n)
		}
		pass(30 * time.Minute)
		w.wantRobot()
	})
}

// TestG9OneDeclaredUserThatCannotBeServedStopsNoOther has two whose first keys would go to one place.
func TestG9OneDeclaredUserThatCannotBeServedStopsNoOther(t *testing.T) {
	t.Parallel()
	for _, there := range []bool{true, false} {
		bubble(t, func(t *testing.T, w *world) {
			w.declares()
			w.declared = []rotator.DeclaredUser{robot("a"), robot("b"), robot("c")}
			if there {
				for _, d := range w.declared {
					w.provider.AddUser("id-"+d.Label, d.Label)
					w.capable.SetAttributes("id-"+d.Label, d.Spec)
				}
			}
			for _, sink := range w.sinks {
				sink.Where = func(c rotator.Coordinates) string { return strings.ReplaceAll(c.ServiceUser, "b", "a") }
			}
			l := w.start(nil)
			defer l.stop()
			pass(time.Hour)
			ps := l.provisions()
			if ps[0].Trouble != "" || !strings.Contains(ps[1].Trouble, "location") || ps[2].Trouble != "" {
				t.Errorf("there %v: %+v", there, ps)
			}
			s, err := l.store.ProviderState(t.Context(), "cc")
			if err != nil || s.ScanTrouble != "" {
				t.Errorf("there %v: the scan is said to have failed: %q, %v", there, s.ScanTrouble, err)
			}
		})
	}
}

func TestAnInactiveDeclaredUserGetsNoKey(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.declares()
		w.provider.AddUser("8", "robot")
		w.capable.SetAttributes("8", w.declared[0].Spec)
		w.capable.SetActive("8", false)
		l := w.start(nil)
		defer l.stop()
		pass(time.Hour)
		l.wantProvision(rotator.ProvisionPresent, "inactive")
		w.capable.SetActive("8", true)
		pass(time.Hour)
		w.wantRobot()
	})
}

func TestAFirstKeyWaitsForTheEndOfAFreeze(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.declares()
		w.provider.AddUser("8", "robot")
		w.capable.SetAttributes("8", w.declared[0].Spec)
		w.setup.Freezes = []rotator.Freeze{{From: time.Now(), To: time.Now().Add(day), Reason: "year end", UnlessExpiresWithin: 72 * time.Hour}}
		l := w.start(nil)
		defer l.stop()
		pass(2 * time.Hour)
		if r := l.only(); r.Blocked != rotator.BlockFrozen {
			t.Errorf("stage %s, blocked %q", r.Stage, r.Blocked)
		}
		pass(day)
		w.wantRobot()
	})
}

func TestAnOperatorAsksForAUser(t *testing.T) {
	t.Parallel()
	for _, withKey := range []bool{true, false} {
		bubble(t, func(t *testing.T, w *world) {
			w.declares()
			w.declared, w.capable.WithKey = nil, withKey
			w.capable.SetShowAfter(90 * time.Second)
			l := w.start(nil)
			defer l.stop()
			pass(time.Minute)
			p, err := l.engine.Provision(t.Context(), robot("robot"), "ann")
			if err != nil || p.State != rotator.ProvisionWanted || p.Actor != "ann" {
				t.Fatalf("%+v, %v", p, err)
			}
			_, err = l.engine.Provision(t.Context(), robot("robot"), "bob")
			wantFault(t, err, rotator.Conflict, `"robot"`)
			pass(time.Hour)
			w.wantRobot()
			if r := l.only(); r.Actor != "ann" || r.Reason != rotator.ReasonMissing {
				t.Errorf("actor %q, reason %s", r.Actor, r.Reason)
			}
			l.wantProvision(rotator.ProvisionPresent, "") // for whoever looks what became of it
		})
	}
}

func TestWhatAnOperatorCannotAskFor(t *testing.T) {
	t.Parallel()
	nameless, elsewhere, unserved := robot(""), robot("x"), robot("x")
	nameless.Label, nameless.Spec.Email = "x", ""
	elsewhere.Provider = "nowhere"
	unserved.Credential = "other"
	tests := []struct {
		name  string
		user  rotator.DeclaredUser
		spoil func(w *world)
		kind  rotator.Kind
		words string
	}{
		{"an unknown provider", elsewhere, func(*world) {}, rotator.Gone, "nowhere"},
		{"a bad specification", nameless, func(*world) {}, rotator.Invalid, "a user needs one"},
		{"no policy", unserved, func(w *world) { w.policies[0].Match.Keys = []string{"bot", "deploy"} }, rotator.Invalid, "no policy that rotates"},
		{"a policy that observes", robot("x"), func(w *world) { w.observes() }, rotator.Invalid, "no policy that rotates"},
		{"a provider that makes no users", robot("x"), func(w *world) {
			w.outerProvider = func(rotator.Provider) rotator.Provider { return w.provider }
		}, rotator.Invalid, "cannot be created"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.declares()
				w.declared = nil
				tt.spoil(w)
				l := w.start(nil)
				defer l.stop()
				pass(time.Minute)
				_, err := l.engine.Provision(t.Context(), tt.user, "ann")
				wantFault(t, err, tt.kind, tt.words)
				pass(time.Hour)
				if ps := l.provisions(); len(ps) != 0 || w.provider.Calls("CreateUser") != 0 {
					t.Errorf("%+v, %d users made", ps, w.provider.Calls("CreateUser"))
				}
			})
		})
	}
}

func TestAnOperatorPutsRightWhatFailed(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.declares()
		w.declared = nil
		w.provider.SetHook(faults("CreateUser", false, 1, 1, rotator.NewFault("create user", rotator.Invalid, "no such role")))
		l := w.start(nil)
		defer l.stop()
		pass(time.Minute)
		for range 2 {
			if _, err := l.engine.Provision(t.Context(), robot("robot"), "ann"); err != nil {
				t.Fatal(err)
			}
			pass(time.Minute)
		}
		w.wantRobot()
	})
}
