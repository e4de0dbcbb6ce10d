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
		{"a required hook fails", blockedFor(StageRevoking, "").Block(BlockHookFailing, "app is down", noon, later), NoticeHookFailing, "app is down"},
		{"it is in use, no longer held", inUse(blockedFor(StageRevoking, BlockHeld)), NoticeOldKeyInUse, "used a minute ago"},
		{"it goes on being in use", inUse(blockedFor(StageRevoking, BlockOldKeyInUse)), "", ""},
		{"a failure while it is in use", blockedFor(StageRevoking, BlockOldKeyInUse).Postpone(NewFault("x", Transient, "down"), later), "", ""},
		{"a person has to make a key", blockedFor(StagePlanned, "").Block(BlockAwaitingSupply, "make it", noon, later), NoticeAwaitingSupply, "make it"},
		{"a person still has to", blockedFor(StagePlanned, BlockAwaitingSupply).Block(BlockAwaitingSupply, "make it", noon, later), "", ""},
		{"a person has to remove a key", blockedFor(StageRevoking, "").Block(BlockAwaitingRemoval, "remove it", noon, later), NoticeAwaitingRemoval, "remove it"},
		{"a block for those who run the daemon", blockedFor(StageRevoking, "").Block(BlockDenied, "401", noon, later), "", ""},
		{"a person has made the key", blockedFor(StagePlanned, BlockAwaitingSupply).Supply(Minted{KeyID: "2"}, []byte("x"), "fp", "ann", noon), NoticeResolved, "ann supplied key"},
		{"the old key is idle, and is not to go yet", blockedFor(StageRevoking, BlockOldKeyInUse).Wait("the grace period lasts", later).Reminding(0, noon), NoticeResolved, "the grace period lasts"},
		{"the old key may be in use, but a hold came", blockedFor(StageRevoking, BlockOldKeyInUse).Block(BlockHeld, "held", noon, later), "", ""},
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
			if n.Why == "" || !strings.HasPrefix(n.Why, tc.why) {
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

// TestRemindersComeEverMoreRarely until the block ends, and begin anew with another.
func TestRemindersComeEverMoreRarely(t *testing.T) {
	const day = 24 * time.Hour
	r := blockedFor(StageRevoking, "")
	c := r.Block(BlockOldKeyInUse, "used", noon, noon)
	var days []int
	for at := noon; at.Before(noon.Add(150 * day)); at = at.Add(time.Hour) {
		c = c.Reminding(day, at)
		n, told := NoticeOf(c, "ann@example.com")
		if told && at.After(noon) {
			days = append(days, int(at.Sub(noon)/day))
			if n.Kind != NoticeOldKeyInUse || n.Reminder != len(days) || !n.Since.Equal(noon) || !n.At.Equal(at) {
				t.Fatalf("%+v", n)
			}
		}
		r = &c.After
		c = r.Block(BlockOldKeyInUse, "used", at, at)
	}
	if !slices.Equal(days, []int{1, 3, 7, 15, 31, 61, 91, 121}) {
		t.Errorf("reminded on days %d", days)
	}
	if over := c.After.Wait("idle", noon).After; over.Reminders != 0 || !over.RemindedAt.IsZero() {
		t.Errorf("after its end: %+v", over)
	}
}

// TestAReminderOfAClockThatWasAhead comes once the clock is right, and not when it is there again.
func TestAReminderOfAClockThatWasAhead(t *testing.T) {
	c := blockedFor(StageRevoking, BlockOldKeyInUse)
	c.BlockedSince = noon.AddDate(0, 1, 0)
	if r := c.Block(BlockOldKeyInUse, "used", noon, noon).Reminding(24*time.Hour, noon).After; r.Reminders != 1 || !r.RemindedAt.Equal(noon) {
		t.Errorf("%d reminders, the last at %s", r.Reminders, r.RemindedAt)
	}
}

func TestNobodyIsRemindedOfWhatNobodyWasAsked(t *testing.T) {
	for name, c := range map[string]Change{
		"a block for those who run the daemon": blockedFor(StageRevoking, BlockDenied).Block(BlockDenied, "401", noon, noon),
		"a block that just began":              blockedFor(StageRevoking, "").Block(BlockOldKeyInUse, "used", noon, noon),
		"no block":                             blockedFor(StageRevoking, "").Wait("waiting", noon),
	} {
		if r := c.Reminding(time.Second, noon.Add(time.Hour)).After; r.Reminders != 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if r := blockedFor(StageRevoking, BlockOldKeyInUse).Block(BlockOldKeyInUse, "used", noon, noon).Reminding(0, noon.Add(time.Hour)).After; r.Reminders != 0 {
		t.Errorf("reminded although nobody is to be: %+v", r)
	}
}
