package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/engine"
)

func TestStartOverGivesUpAKeyThatASinkLost(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		l := w.start(nil)
		defer l.stop()
		pass(10 * time.Minute)
		w.sinks["vault"].Remove("cc/ci-build/deploy")
		pass(3 * time.Hour)
		if r := l.only(); r.Blocked != rotator.BlockSinkMismatch {
			t.Fatalf("blocked %q: %s", r.Blocked, r.Trouble)
		}
		c := rotator.CredentialID{Provider: "cc", UserID: user, Base: "deploy"}
		if _, err := l.engine.Rotate(t.Context(), c, rotator.ReasonManual, "ann"); rotator.KindOf(err) != rotator.Conflict || !strings.Contains(err.Error(), "--start-over") {
			t.Errorf("rotating beside it: %v", err)
		}
		r, err := l.engine.StartOver(t.Context(), c, "ann")
		if err != nil || r.Version != 2 || len(r.Discarded) != 1 {
			t.Fatalf("start over: %+v, %v", r, err)
		}
		pass(3 * time.Hour)
		w.wantActive("deploy-r0002")
		w.wantRotated()
		if _, err := l.engine.StartOver(t.Context(), c, "ann"); rotator.KindOf(err) != rotator.Gone {
			t.Errorf("starting over what has ended: %v", err)
		}
	})
}

func TestAKeyThatWasGivenUpIsNotRevokedWhileItIsUsed(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		l := w.start(nil)
		defer l.stop()
		pass(10 * time.Minute)
		given := w.sinks["disk"].Items()["cc/ci-build/deploy"].Secret
		if _, err := l.engine.StartOver(t.Context(), rotator.CredentialID{Provider: "cc", UserID: user, Base: "deploy"}, "ann"); err != nil {
			t.Fatal(err)
		}
		for range 40 {
			pass(5 * time.Minute)
			if _, err := w.provider.Use(given); err != nil {
				t.Fatal("the key that was given up was revoked while somebody used it")
			}
		}
		w.wantActive("deploy", "deploy-r0001", "deploy-r0002")
		pass(30 * time.Minute)
		w.wantActive("deploy-r0002")
	})
}

func TestCompromisedHastensARotationThatIsUnderWay(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		l := w.start(nil)
		defer l.stop()
		pass(10 * time.Minute)
		w.wantActive("deploy", "deploy-r0001")
		c := rotator.CredentialID{Provider: "cc", UserID: user, Base: "deploy"}
		if _, err := l.engine.Rotate(t.Context(), c, rotator.ReasonCompromised, "ann"); err != nil {
			t.Fatal(err)
		}
		if _, err := w.provider.Use(w.provider.SecretOf("1")); err != nil {
			t.Fatalf("the old key goes on evidence alone: %v", err)
		}
		pass(time.Minute)
		if w.provider.Accepts(w.provider.SecretOf("1")) {
			t.Error("the old key is still accepted")
		}
		w.wantRotated()
	})
}

// TestG1StartOverElsewhereKeepsWhatTheFormerPlaceHolds: the policy's sinks change while a rotation starts over. Whoever reads
// the former place still has the key that was given up, so that key stays until the place is cleared.
func TestG1StartOverElsewhereKeepsWhatTheFormerPlaceHolds(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		l := w.start(nil)
		defer l.stop()
		pass(10 * time.Minute)
		const place = "cc/ci-build/deploy"
		given := w.sinks["disk"].Items()[place].Secret
		l.reload(func(s *engine.Setup) {
			moved := *s.Policies[0]
			moved.Sinks = []string{"vault"}
			s.Policies = []*rotator.Policy{&moved}
		})
		if _, err := l.engine.StartOver(t.Context(), deploy, "ann"); err != nil {
			t.Fatal(err)
		}
		pass(6 * time.Hour)
		if r := l.only(); r.Blocked != rotator.BlockSinkMismatch || !strings.Contains(r.Trouble, place) {
			t.Errorf("stage %s, blocked %q: %s", r.Stage, r.Blocked, r.Trouble)
		}
		if !w.provider.Accepts(given) {
			t.Error("the key that the former place holds was revoked")
		}
		w.sinks["disk"].Remove(place)
		pass(time.Hour)
		w.wantActive("deploy-r0002")
	})
}

// TestG4StartOverAfterTheOldKeyWasSwitchedOff: the old key is off and the copy in a sink is lost. Another key is made all the
// same, and in the end none is left but that one.
func TestG4StartOverAfterTheOldKeyWasSwitchedOff(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.disables = true
		l := w.start(nil)
		defer l.stop()
		pass(90 * time.Minute)
		w.wantActive("deploy-r0001")
		w.sinks["disk"].Remove("cc/ci-build/deploy")
		pass(time.Hour)
		if r := l.only(); r.Stage != rotator.StageRevoking || r.Blocked != rotator.BlockSinkMismatch {
			t.Fatalf("stage %s, blocked %q: %s", r.Stage, r.Blocked, r.Trouble)
		}
		if _, err := l.engine.StartOver(t.Context(), deploy, "ann"); err != nil {
			t.Fatal(err)
		}
		pass(6 * time.Hour)
		w.wantRotated()
		for _, k := range w.provider.Keys() {
			if k.Name != "deploy-r0002" && k.State != rotator.KeyRevoked {
				t.Errorf("key %s is left %s", k.Name, k.State)
			}
		}
	})
}

// TestStartOverWhoseKeyIsOfNoUse: the key that is made in place of one that was given up is refused. What was given up, and
// the old key, are not forgotten.
func TestStartOverWhoseKeyIsOfNoUse(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		l := w.start(nil)
		defer l.stop()
		pass(10 * time.Minute)
		w.provider.SetHook(func(op string, after bool) error {
			if op == "Check" && !after {
				return rotator.NewFault("check", rotator.Denied, "the key is refused")
			}
			return nil
		})
		if _, err := l.engine.StartOver(t.Context(), deploy, "ann"); err != nil {
			t.Fatal(err)
		}
		pass(20 * time.Minute)
		w.provider.SetHook(nil)
		pass(6 * time.Hour)
		w.wantRotated()
		if r := l.only(); r.Stage != rotator.StageDone || len(r.Discarded) != 1 {
			t.Errorf("stage %s, given up %v: %s", r.Stage, r.Discarded, r.Trouble)
		}
	})
}
