package rotator

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// blockedFor is a rotation in a stage that was blocked for the reason.
func blockedFor(s Stage, reason BlockReason) *Rotation {
	r := inStage(s)
	r.Blocked, r.Contact = reason, "ann@example.com"
	return r
}

func TestNoticeOf(t *testing.T) {
	later := noon.Add(time.Hour)
	inUse := func(r *Rotation) Change { return r.Block(BlockOldKeyInUse, "used a minute ago", noon, later) }
	for _, tc := range []struct {
		name string
		c    Change
		want NoticeKind
		why  string
	}{
		{"a plan is nobody's business", Plan("r1", *inStage(StagePlanned), noon, "due"), "", ""},
		{"nor is a key that is made", blockedFor(StageMinting, "").Seal(Minted{KeyID: "2"}, []byte("x"), "fp", noon), "", ""},
		{"nor one that every sink holds, a moment before the grace period", blockedFor(StageDelivering, "").Confirm(nil, noon), "", ""},
		{"the old key has a date", blockedFor(StageConfirmed, "").BeginGrace(noon), NoticeReplaced, ""},
		{"there was no old key", blockedFor(StageConfirmed, "").Finish(noon, "the first key"), NoticeFirstKey, "the first key"},
		{"the old key is switched off", blockedFor(StageGrace, "").BeginDeactivate(noon), "", ""},
		{"the old key is gone", blockedFor(StageRevoking, BlockOldKeyInUse).Finish(noon, "gone"), NoticeRevoked, "gone"},
		{"the expiry was moved", blockedFor(StageExtending, "").Extended(later, noon), NoticeExtended, ""},
		{"the new key was of no use", blockedFor(StageAbandoning, "").Abandon(noon, later), NoticeAbandoned, ""},
		{"nothing had begun", blockedFor(StagePlanned, "").Supersede(noon, "not due", later), "", ""},
		{"nothing had begun, but somebody was asked for a key", blockedFor(StagePlanned, BlockAwaitingSupply).Supersede(noon, "not due", later), NoticeAbandoned, "not due"},
		{"nothing had begun anew, but somebody was told of a key", func() Change {
			r := blockedFor(StagePlanned, "")
			r.Discarded = []KeyRef{{ID: "2"}}
			return r.Supersede(noon, "not due", later)
		}(), NoticeAbandoned, "not due"},

		{"the old key turns out to be in use", inUse(blockedFor(StageRevoking, "")), NoticeOldKeyInUse, "used a minute ago"},
		{"it is in use, no longer held", inUse(blockedFor(StageRevoking, BlockHeld)), NoticeOldKeyInUse, "used a minute ago"},
		{"it goes on being in use", inUse(blockedFor(StageRevoking, BlockOldKeyInUse)), "", ""},
		{"a failure while it is in use", blockedFor(StageRevoking, BlockOldKeyInUse).Postpone(NewFault("x", Transient, "down"), later), "", ""},
		{"a person has to make a key", blockedFor(StagePlanned, "").Block(BlockAwaitingSupply, "make it", noon, later), NoticeAwaitingSupply, "make it"},
		{"a person still has to", blockedFor(StagePlanned, BlockAwaitingSupply).Block(BlockAwaitingSupply, "make it", noon, later), "", ""},
		{"a person has to remove a key", blockedFor(StageRevoking, "").Block(BlockAwaitingRemoval, "remove it", noon, later), NoticeAwaitingRemoval, "remove it"},
		{"a block for those who run the daemon", blockedFor(StageRevoking, "").Block(BlockDenied, "401", noon, later), "", ""},
		{"a block ends", blockedFor(StageGrace, BlockHeld).BeginRevoke(noon), "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n, told := NoticeOf(tc.c, "ann@example.com")
			if told != (tc.want != "") || n.Kind != tc.want {
				t.Fatalf("told %v, %q; want %q", told, n.Kind, tc.want)
			}
			if !told {
				return
			}
			if n.ID != "r1/8" || !n.At.Equal(noon) || n.To != "ann@example.com" || n.Contact != "ann@example.com" || n.Provider != "cc" {
				t.Errorf("%+v", n)
			}
			if n.Why == "" || tc.why != "" && n.Why != tc.why {
				t.Errorf("why: %q, want %q", n.Why, tc.why)
			}
			if !slices.Contains(NoticeKinds(), n.Kind) {
				t.Errorf("%s is not in the list of kinds", n.Kind)
			}
		})
	}
}

func TestNobodyIsToldWithoutAnAddress(t *testing.T) {
	if n, told := NoticeOf(blockedFor(StageConfirmed, "").BeginGrace(noon), ""); told {
		t.Errorf("%+v", n)
	}
}

// TestNoticeCannotHoldASecret holds it by the type: no field could carry one, and the sealed one is not copied.
func TestNoticeCannotHoldASecret(t *testing.T) {
	for f := range reflect.TypeFor[Notice]().Fields() {
		if f.Type == reflect.TypeFor[Secret]() || f.Type == reflect.TypeFor[[]byte]() {
			t.Errorf("the field %s of a notice could hold a secret", f.Name)
		}
	}
	r := blockedFor(StageConfirmed, "")
	r.Sealed, r.Fingerprint = []byte("sealed-secret"), "fp-of-the-secret"
	n, _ := NoticeOf(r.BeginGrace(noon), "ann@example.com")
	text, err := json.Marshal(n)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"sealed-secret", "c2VhbGVkLXNlY3JldA", "fp-of-the-secret"} {
		if strings.Contains(string(text), secret) {
			t.Errorf("the notice holds %s: %s", secret, text)
		}
	}
}

func TestNoticeTellsWhereTheKeyIs(t *testing.T) {
	r := blockedFor(StageConfirmed, "")
	r.Sinks = []SinkProgress{{Sink: "disk", Location: "/keys/ci"}, {Sink: "vault", Location: "secret/data/ci"}}
	n, _ := NoticeOf(r.BeginGrace(noon), "ann@example.com")
	if !slices.Equal(n.Places, []string{"disk: /keys/ci", "vault: secret/data/ci"}) {
		t.Errorf("%q", n.Places)
	}
}
