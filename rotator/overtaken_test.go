package rotator

import (
	"strings"
	"testing"
	"time"
)

// overtakenEvidence is what is found when a journal from before the end of a rotation meets a world in which another has ended
// since.
func overtakenEvidence() (Rotation, Evidence) {
	r, ev := goodEvidence()
	r.CredentialID, r.Version = CredentialID{Provider: "p", UserID: "u", Base: "ci"}, 1
	ev.Sinks[0] = SinkEvidence{Sink: "vault", Block: BlockSinkMismatch, Trouble: "another secret"}
	ev.NewKeyWorks, ev.Propagation = false, time.Minute
	ev.Keys = []Key{
		{ID: "1", UserID: "u", Name: "ci", State: KeyRevoked},
		{ID: "2", UserID: "u", Name: "ci-r0001", State: KeyRevoked},
		{ID: "3", UserID: "u", Name: "ci-r0002", State: KeyActive},
	}
	return r, ev
}

func TestARotationThatWasOvertakenHasNothingLeftToDo(t *testing.T) {
	r, ev := overtakenEvidence()
	v := MayRetire(&r, ev)
	if !v.OK || len(v.Retire) != 0 || !strings.Contains(v.Why, "ci-r0002") || !strings.Contains(v.Why, "older than the provider") {
		t.Errorf("got %+v", v)
	}
	ev.Keys = ev.Keys[2:]
	if v := MayRetire(&r, ev); v.OK || !v.Unlisted || !v.LookAt.Equal(noon.Add(time.Minute)) {
		t.Errorf("missing from one list: %+v", v)
	}
	r.OldUnlistedSince = noon.Add(-time.Minute)
	if v := MayRetire(&r, ev); !v.OK || len(v.Retire) != 0 {
		t.Errorf("gone from the list for the propagation time: %+v", v)
	}
}

func TestARotationIsNotOvertakenWhile(t *testing.T) {
	for name, spoil := range map[string]func(r *Rotation, ev *Evidence){
		"the old key is active":                 func(_ *Rotation, ev *Evidence) { ev.Keys[0].State = KeyActive },
		"the old key is switched off":           func(_ *Rotation, ev *Evidence) { ev.Keys[0].State = KeyDisabled },
		"the new key is active":                 func(_ *Rotation, ev *Evidence) { ev.Keys[1].State = KeyActive },
		"a key that was given up is active":     func(r *Rotation, _ *Evidence) { r.Discarded = []KeyRef{{ID: "3"}} },
		"the later key is revoked":              func(_ *Rotation, ev *Evidence) { ev.Keys[2].State = KeyRevoked },
		"the later key is another credential's": func(_ *Rotation, ev *Evidence) { ev.Keys[2].Name = "cd-r0002" },
		"the later key is another user's":       func(_ *Rotation, ev *Evidence) { ev.Keys[2].UserID = "w" },
		"no key is later":                       func(r *Rotation, _ *Evidence) { r.Version = 2 },
	} {
		r, ev := overtakenEvidence()
		spoil(&r, &ev)
		if v := MayRetire(&r, ev); v.OK || v.Block != BlockSinkMismatch {
			t.Errorf("%s: %+v", name, v)
		}
	}
}
