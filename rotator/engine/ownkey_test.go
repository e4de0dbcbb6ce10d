package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/engine"
	"github.com/rotatord/rotatord/rotator/rotatortest"
)

// worksWithItsOwn makes the daemon sign in with the key that it is to replace, under a policy that waits for nothing.
func (w *world) worksWithItsOwn() {
	w.capable = rotatortest.NewCapable(w.provider)
	w.capable.WorkWith(user, w.provider.SecretOf("1"))
	w.policies[0].Idle, w.policies[0].Grace = 0, 0
}

// switching is a capable provider that can disable keys too.
type switching struct{ *rotatortest.Capable }

func (s switching) Disable(ctx context.Context, k rotator.Key) error {
	return rotatortest.Disabling{Provider: s.Provider}.Disable(ctx, k)
}

func (s switching) Enable(ctx context.Context, k rotator.Key) error {
	return rotatortest.Disabling{Provider: s.Provider}.Enable(ctx, k)
}

func TestTheDaemonsOwnKeyStaysUntilItWorksWithTheNewOne(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		stage    rotator.Stage
		disables bool
		urgent   bool
	}{
		{"revoking", rotator.StageRevoking, false, false},
		{"switching off", rotator.StageDeactivating, true, false},
		{"compromised", rotator.StageRevoking, false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.worksWithItsOwn()
				if tt.disables {
					w.outerProvider = func(rotator.Provider) rotator.Provider { return switching{w.capable} }
				}
				l := w.start(nil)
				defer l.stop()
				pass(time.Minute)
				if tt.urgent {
					if _, err := l.engine.Rotate(t.Context(), deploy, rotator.ReasonCompromised, "ann"); err != nil {
						t.Fatal(err)
					}
				}
				pass(6 * time.Hour)
				l.wantBlocked(tt.stage, rotator.BlockOwnKey)
				w.wantActive("deploy", "deploy-r0001")
				if n := w.provider.Calls("Retire") + w.provider.Calls("Disable"); n != 0 {
					t.Errorf("%d calls to revoke the daemon's own key", n)
				}
				w.capable.WorkWith(user, w.provider.SecretOf("2"))
				l.reload(func(*engine.Setup) {})
				pass(10 * time.Second)
				if tt.urgent { // the new key was out when the leak was reported, and the daemon works with it now
					l.wantBlocked(tt.stage, rotator.BlockOwnKey)
					w.wantActive("deploy-r0001", "deploy-r0002")
					w.capable.WorkWith(user, w.provider.SecretOf("3"))
					l.reload(func(*engine.Setup) {})
					pass(10 * time.Second)
					l.wantFollowed()
					return
				}
				w.wantActive("deploy-r0001")
				pass(2 * time.Hour)
				if r := l.only(); r.Stage != rotator.StageDone {
					t.Errorf("stage %s: %s", r.Stage, r.Trouble)
				}
			})
		})
	}
}

func TestWhereTheDaemonDoesNotNeedTheKey(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name          string
		owner, secret string
	}{
		{"it is another user", "8", "something else"},
		{"it signs in with a certificate", user, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.worksWithItsOwn()
				w.capable.WorkWith(tt.owner, tt.secret)
				l := w.start(nil)
				defer l.stop()
				pass(time.Minute)
				w.wantActive("deploy-r0001")
			})
		})
	}
}

func TestNothingIsRevokedWhileTheProviderDoesNotSayWhoWeAre(t *testing.T) {
	t.Parallel()
	for _, k := range []rotator.Kind{rotator.Transient, rotator.Throttled, rotator.Denied, rotator.Invalid} {
		t.Run(string(k), func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.worksWithItsOwn()
				w.capable.WorkWith("8", "something else")
				w.provider.SetHook(faults("Self", false, 1, 3, rotator.NewFault("self", k, "no answer")))
				l := w.start(nil)
				defer l.stop()
				pass(time.Second)
				w.wantActive("deploy", "deploy-r0001")
				pass(time.Hour)
				w.wantActive("deploy-r0001")
				if n := w.provider.Calls("Self"); n != 4 {
					t.Errorf("asked %d times", n)
				}
			})
		})
	}
}
