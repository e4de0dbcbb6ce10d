package rotator

import (
	"testing"
	"time"
)

// goodEvidence allows the old key to be revoked; each case spoils one thing.
func goodEvidence() (Rotation, Evidence) {
	r := Rotation{
		ID: "r1", Stage: StageRevoking, Reason: ReasonMaxAge, GraceUntil: noon.Add(-time.Hour),
		OldKey: KeyRef{ID: "1", Name: "ci"}, NewKey: KeyRef{ID: "2", Name: "ci-r0001"}, Terms: Terms{Idle: dayLong},
	}
	return r, Evidence{
		Now: noon, NewKeyWorks: true, ReportsLastUse: true,
		Sinks: []SinkEvidence{{Sink: "vault", Matches: true}, {Sink: "disk", Matches: true}},
		Keys: []Key{
			{ID: "1", Name: "ci", State: KeyActive, LastUsed: noon.Add(-2 * dayLong)},
			{ID: "2", Name: "ci-r0001", State: KeyActive},
		},
	}
}

func TestG3EvidenceBeforeRevoke(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(r *Rotation, ev *Evidence)
		ok    bool
		block BlockReason
	}{
		{"all is well", func(*Rotation, *Evidence) {}, true, ""},
		{"never used", func(_ *Rotation, ev *Evidence) { ev.Keys[0].LastUsed = time.Time{} }, true, ""},
		{"one sink of two differs", func(_ *Rotation, ev *Evidence) {
			ev.Sinks[1] = SinkEvidence{Sink: "disk", Block: BlockSinkMismatch}
		}, false, BlockSinkMismatch},
		{"no sink at all", func(_ *Rotation, ev *Evidence) { ev.Sinks = nil }, false, BlockSinkUnknown},
		{"new key refused", func(_ *Rotation, ev *Evidence) { ev.NewKeyWorks = false }, false, BlockNewKeyRefused},
		{"new key not listed", func(_ *Rotation, ev *Evidence) { ev.Keys = ev.Keys[:1] }, false, BlockLastKey},
		{"new key revoked", func(_ *Rotation, ev *Evidence) { ev.Keys[1].State = KeyRevoked }, false, BlockLastKey},
		{"held", func(_ *Rotation, ev *Evidence) { ev.Hold = &Hold{Until: noon.Add(1)} }, false, BlockHeld},
		{"grace not over", func(r *Rotation, _ *Evidence) { r.GraceUntil = noon.Add(1) }, false, ""},
		{"grace just over", func(r *Rotation, _ *Evidence) { r.GraceUntil = noon }, true, ""},
		{"frozen", func(_ *Rotation, ev *Evidence) { ev.Freezes = []Freeze{{From: noon, To: noon.Add(1)}} }, false, BlockFrozen},
		{"frozen, whatever the deadline", func(_ *Rotation, ev *Evidence) {
			ev.Freezes = []Freeze{{From: noon, To: noon.Add(1), UnlessExpiresWithin: 365 * dayLong}}
		}, false, BlockFrozen},
		{"window closed", func(_ *Rotation, ev *Evidence) { ev.Window = mustWindow("0 9 * * *", time.Hour) }, false, BlockOutsideWindow},
		{"old key in use", func(_ *Rotation, ev *Evidence) { ev.Keys[0].LastUsed = noon.Add(-time.Hour) }, false, BlockOldKeyInUse},
		{"old key used in the future", func(_ *Rotation, ev *Evidence) { ev.Keys[0].LastUsed = noon.Add(time.Hour) }, false, BlockOldKeyInUse},
		{"idle to the instant", func(_ *Rotation, ev *Evidence) { ev.Keys[0].LastUsed = noon.Add(-dayLong) }, true, ""},
		{"no idle time asked for", func(r *Rotation, ev *Evidence) { r.Terms.Idle = 0; ev.Keys[0].LastUsed = noon }, true, ""},
		{"provider reports no use", func(_ *Rotation, ev *Evidence) { ev.ReportsLastUse = false; ev.Keys[0].LastUsed = noon }, true, ""},
		{"old key in an unknown state", func(_ *Rotation, ev *Evidence) { ev.Keys[0].State = KeyOther }, false, BlockOldKeyUnclear},
		{"old key disabled", func(_ *Rotation, ev *Evidence) { ev.Keys[0].State = KeyDisabled }, true, ""},
		{"compromised sets use, grace, freeze and window aside", func(r *Rotation, ev *Evidence) {
			r.Reason, r.GraceUntil = ReasonCompromised, noon.Add(dayLong)
			ev.Keys[0].LastUsed = noon
			ev.Freezes, ev.Window = []Freeze{{From: noon, To: noon.Add(1)}}, mustWindow("0 9 * * *", time.Hour)
		}, true, ""},
		{"the daemon works with another key", func(_ *Rotation, ev *Evidence) { ev.OwnKey = true }, false, BlockOwnKey},
		{"the daemon works with another key, and idle time is not asked for", func(r *Rotation, ev *Evidence) {
			r.Terms.Idle, ev.OwnKey = 0, true
		}, false, BlockOwnKey},
		{"compromised, but the daemon works with another key", func(r *Rotation, ev *Evidence) {
			r.Reason, ev.OwnKey = ReasonCompromised, true
		}, false, BlockOwnKey},
		{"held, and the daemon works with another key", func(_ *Rotation, ev *Evidence) {
			ev.OwnKey, ev.Hold = true, &Hold{Until: noon.Add(1)}
		}, false, BlockHeld},
		{"the new key under the id of the old one", func(r *Rotation, _ *Evidence) { r.OldKey.ID = "2" }, false, BlockLastKey},
		{"the new key among those that were given up", func(r *Rotation, _ *Evidence) { r.Discarded = []KeyRef{{ID: "2"}} }, false, BlockLastKey},
		{"compromised, but held", func(r *Rotation, ev *Evidence) {
			r.Reason = ReasonCompromised
			ev.Hold = &Hold{Until: noon.Add(1)}
		}, false, BlockHeld},
		{"compromised, but a sink lacks the new key", func(r *Rotation, ev *Evidence) {
			r.Reason = ReasonCompromised
			ev.Sinks[0] = SinkEvidence{Block: BlockSinkMismatch}
		}, false, BlockSinkMismatch},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, ev := goodEvidence()
			tt.spoil(&r, &ev)
			v := MayRetire(&r, ev)
			if v.OK != tt.ok || v.Block != tt.block {
				t.Errorf("MayRetire = %+v, want ok %v, block %q", v, tt.ok, tt.block)
			}
			if !v.OK && (v.Why == "" || !v.LookAt.After(noon)) {
				t.Errorf("a refusal needs words and a time to look again: %+v", v)
			}
		})
	}
}

func TestAnOldKeyThatIsGoneNeedsNoRevocation(t *testing.T) {
	r, ev := goodEvidence()
	ev.Keys, ev.Propagation = ev.Keys[1:], time.Minute
	if v := MayRetire(&r, ev); v.OK || !v.Unlisted || !v.LookAt.Equal(noon.Add(time.Minute)) {
		t.Errorf("missing from one list: %+v", v)
	}
	r.OldUnlistedSince = noon.Add(-time.Minute)
	if v := MayRetire(&r, ev); !v.OK || len(v.Retire) != 0 {
		t.Errorf("gone from the list for the propagation time: %+v", v)
	}
	r, ev = goodEvidence()
	ev.Keys[0].State = KeyRevoked
	if v := MayRetire(&r, ev); !v.OK || len(v.Retire) != 0 {
		t.Errorf("revoked by somebody else: %+v", v)
	}
}

func TestAnOldKeyInUseIsLookedAtWhenItCouldBeIdle(t *testing.T) {
	for used, want := range map[time.Duration]time.Duration{time.Minute: time.Hour, dayLong - time.Minute: time.Minute} {
		r, ev := goodEvidence()
		ev.Keys[0].LastUsed = noon.Add(-used)
		if v := MayRetire(&r, ev); !v.LookAt.Equal(noon.Add(want)) {
			t.Errorf("used %s ago: looked at again at %s, want in %s", used, v.LookAt, want)
		}
	}
}

func TestKeysThatWereGivenUpGoWithTheOldOne(t *testing.T) {
	r, ev := goodEvidence()
	r.Discarded = []KeyRef{{ID: "3", Name: "ci-r0002"}}
	ev.Keys = append(ev.Keys, Key{ID: "3", Name: "ci-r0002", State: KeyActive, LastUsed: noon.Add(-time.Hour)})
	if v := MayRetire(&r, ev); v.OK || v.Block != BlockOldKeyInUse {
		t.Errorf("while somebody uses the key that was given up: %+v", v)
	}
	ev.Keys[2].LastUsed = noon.Add(-2 * dayLong)
	if v := MayRetire(&r, ev); !v.OK || len(v.Retire) != 2 {
		t.Errorf("once it is idle: %+v", v)
	}
}

func TestMayBegin(t *testing.T) {
	freeze := []Freeze{{From: noon, To: noon.Add(dayLong), Reason: "year end"}}
	lifted := []Freeze{{From: noon, To: noon.Add(dayLong), UnlessExpiresWithin: 3 * dayLong}}
	held := &Hold{By: "ann", Until: noon.Add(time.Hour)}
	tests := []struct {
		name    string
		reason  Reason
		left    time.Duration
		hold    *Hold
		freezes []Freeze
		block   BlockReason
		lookIn  time.Duration
	}{
		{"free", ReasonMaxAge, 10 * dayLong, nil, nil, "", 0},
		{"held", ReasonMaxAge, 10 * dayLong, held, nil, BlockHeld, time.Hour},
		{"held, though compromised", ReasonCompromised, 10 * dayLong, held, nil, BlockHeld, time.Hour},
		{"held for a year", ReasonMaxAge, 10 * dayLong, &Hold{Until: noon.Add(365 * dayLong)}, nil, BlockHeld, dayLong},
		{"a hold that is over", ReasonMaxAge, 10 * dayLong, &Hold{Until: noon}, nil, "", 0},
		{"frozen", ReasonExpiring, 10 * dayLong, nil, freeze, BlockFrozen, dayLong},
		{"asked for in a freeze", ReasonManual, 10 * dayLong, nil, freeze, "", 0},
		{"compromised in a freeze", ReasonCompromised, 10 * dayLong, nil, freeze, "", 0},
		{"frozen, and there is no deadline", ReasonMissing, 0, nil, lifted, BlockFrozen, dayLong},
		{"frozen with little time left", ReasonMaxAge, 3 * dayLong, nil, lifted, "", 0},
		{"frozen with time left", ReasonMaxAge, 3*dayLong + 1, nil, lifted, BlockFrozen, dayLong},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := Rotation{Reason: tt.reason}
			if tt.left != 0 {
				r.Deadline = noon.Add(tt.left)
			}
			v := MayBegin(&r, tt.hold, tt.freezes, noon)
			if v.OK != (tt.block == "") || v.Block != tt.block || (!v.OK && !v.LookAt.Equal(noon.Add(tt.lookIn))) {
				t.Errorf("MayBegin = %+v", v)
			}
		})
	}
}

func TestNoRoomIsMadeInAFreeze(t *testing.T) {
	freeze := []Freeze{{From: noon, To: noon.Add(dayLong), UnlessExpiresWithin: 365 * dayLong}}
	for reason, ok := range map[Reason]bool{ReasonMaxAge: false, ReasonManual: false, ReasonCompromised: true} {
		if v := MayClear(&Rotation{Reason: reason, Deadline: noon}, freeze, noon); v.OK != ok {
			t.Errorf("%s: %+v", reason, v)
		}
		if v := MayClear(&Rotation{Reason: reason}, freeze, noon.Add(dayLong)); !v.OK {
			t.Errorf("%s after the freeze: %+v", reason, v)
		}
	}
}

// TestARotationLooksForItsHookSoonAtFirst and ever more rarely: another replica may make the call.
func TestARotationLooksForItsHookSoonAtFirst(t *testing.T) {
	for waited, want := range map[time.Duration]time.Duration{
		0: time.Second, 3 * time.Second: time.Second, time.Minute: 15 * time.Second, time.Hour: recheck, -time.Minute: 15 * time.Second, -9000 * time.Hour: recheck,
	} {
		r, ev := goodEvidence()
		ev.Hooks = []HookRun{{Hook: "app", Required: true, Version: r.Version, At: ev.Now.Add(-waited)}}
		if v := MayRetire(&r, ev); v.Block != BlockHookFailing || !v.LookAt.Equal(ev.Now.Add(want)) {
			t.Errorf("after %s: blocked %q, looks again in %s, want %s", waited, v.Block, v.LookAt.Sub(ev.Now), want)
		}
	}
}
