package engine_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// ending is a provider that lists keys as expired once they are.
type ending struct{ rotator.Provider }

func (p ending) Scan(ctx context.Context, s rotator.Scope, v rotator.Visitor) error {
	return p.Provider.Scan(ctx, s, ended{v})
}

type ended struct{ rotator.Visitor }

func (e ended) Key(k rotator.Key) error {
	if k.State == rotator.KeyActive && !k.Expires.IsZero() && !k.Expires.After(time.Now()) {
		k.State = rotator.KeyExpired
	}
	return e.Visitor.Key(k)
}

// TestALostKeyThatIsTheOnlyOneIsReplaced: the key to replace has expired, so the one whose secret was lost is all that is active. The
// process that heard no answer knows that nobody has it; one that comes after it cannot know, and says what to do.
func TestALostKeyThatIsTheOnlyOneIsReplaced(t *testing.T) {
	t.Parallel()
	for name, restart := range map[string]bool{"by the process that asked for it": false, "not by one that may have an old journal": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.outerProvider = func(p rotator.Provider) rotator.Provider { return ending{p} }
				w.provider.SetExpiry("1", time.Now().Add(-time.Hour))
				w.provider.SetListAfter(10 * time.Second)
				w.provider.SetHook(faults("Mint", true, 1, 1, rotator.NewFault("mint", rotator.UnknownOutcome, "connection reset")))
				l := w.start(nil)
				pass(5 * time.Second)
				if restart {
					l.stop()
					l = w.start(nil)
				}
				defer l.stop()
				pass(12 * time.Hour)
				if !restart {
					w.wantActive("deploy", "deploy-r0002")
					return
				}
				w.wantActive("deploy", "deploy-r0001")
				said := false
				for _, r := range l.rotations() {
					for _, h := range l.history(r.ID) {
						said = said || strings.Contains(h.Note, "deploy-r0001 (id 2) exists and is left alone: it is the only active key of the credential; if nobody has its secret, have it replaced with: rotatord rotate cc/7/deploy")
					}
				}
				if !said {
					t.Errorf("nothing says what to do: %+v", l.rotations())
				}
				if _, err := l.engine.Rotate(t.Context(), deploy, rotator.ReasonManual, "ann"); err != nil {
					t.Fatal(err)
				}
				pass(30 * day)
				if active := w.provider.Active(user); slices.Contains(active, "deploy-r0001") {
					t.Errorf("active keys %v: the lost one is still among them", active)
				}
			})
		})
	}
}
