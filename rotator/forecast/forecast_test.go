package forecast_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/forecast"
)

var now = time.Date(2026, 3, 2, 8, 30, 0, 0, time.UTC) // a Monday

const day = 24 * time.Hour

// facts are those of one provider under one policy, for ten days.
func facts(t *testing.T) forecast.Facts {
	t.Helper()
	scan, err := rotator.ParseSchedule("*/15 * * * *", "")
	if err != nil {
		t.Fatal(err)
	}
	policy := &rotator.Policy{Name: "ci", RenewBefore: 30 * day, Lifetime: 90 * day, Grace: 2 * day, Soak: day}
	return forecast.Facts{Now: now, Until: now.Add(10 * day), Scan: scan, Cap: rotator.CapLimits{MaxShare: 0.2, AlwaysAllowed: 5}, Concurrent: 16,
		Accounts: map[string]forecast.Account{"cc": {Managed: 10}}, Policies: map[string]*rotator.Policy{"ci": policy}}
}

func key(n int, due time.Time) rotator.UpcomingKey {
	k := rotator.UpcomingKey{InSeries: 1, OfUser: 1}
	k.Provider, k.Base, k.Policy, k.Due, k.LookAt = "cc", fmt.Sprintf("ci-%02d", n), "ci", due, due
	k.Deadline = due.Add(30 * day)
	k.Key = rotator.Key{ID: fmt.Sprint("k", n), UserID: "u", Name: k.Base, State: rotator.KeyActive, Expires: k.Deadline}
	return k
}

// told is what a plan says, an action or a collision on each line.
func told(p *forecast.Plan) string {
	var out []string
	for _, a := range p.Actions {
		out = append(out, fmt.Sprintf("%s %s", a.At.Sub(now), a.Kind))
	}
	for _, c := range p.Collisions {
		until := "-"
		if !c.Until.IsZero() {
			until = c.Until.Sub(now).String()
		}
		out = append(out, fmt.Sprintf("!%s %d %s..%s", c.Obstacle, c.Count, c.From.Sub(now), until))
	}
	return strings.Join(out, "; ")
}

func TestKey(t *testing.T) {
	friday := now.Add(4 * day)
	for _, tt := range []struct {
		name   string
		change func(*forecast.Facts, *rotator.UpcomingKey)
		want   string
	}{
		{"its whole course", nil, "1h0m0s mint; 1h0m0s deliver; 49h0m0s grace_end; 49h0m0s revoke"},
		{"overdue: at once", func(_ *forecast.Facts, k *rotator.UpcomingKey) { k.Due = now.Add(-day) }, "0s mint; 0s deliver; 48h0m0s grace_end; 48h0m0s revoke"},
		{"a provider that switches off first", func(f *forecast.Facts, _ *rotator.UpcomingKey) {
			f.Accounts["cc"] = forecast.Account{Disables: true}
		}, "1h0m0s mint; 1h0m0s deliver; 49h0m0s grace_end; 49h0m0s switch_off; 73h0m0s revoke"},
		{"a provider where people make and remove keys", func(f *forecast.Facts, _ *rotator.UpcomingKey) {
			f.Accounts["cc"] = forecast.Account{Supplied: true, RemovedByHand: true}
		}, "1h0m0s supply; 1h0m0s deliver; 49h0m0s grace_end; 49h0m0s remove"},
		{"an expiry that is moved", func(f *forecast.Facts, _ *rotator.UpcomingKey) {
			f.Policies["ci"].Extend = true
			f.Accounts["cc"] = forecast.Account{Extends: true}
		}, "1h0m0s extend"},
		{"the end of the span cuts off what follows", func(f *forecast.Facts, _ *rotator.UpcomingKey) { f.Until = now.Add(2 * time.Hour) }, "1h0m0s mint; 1h0m0s deliver"},
		{"not within the span", func(_ *forecast.Facts, k *rotator.UpcomingKey) { k.Due = now.Add(10 * day) }, ""},
		{"a freeze puts off the beginning", func(f *forecast.Facts, _ *rotator.UpcomingKey) {
			f.Freezes = []rotator.Freeze{{From: now, To: now.Add(3 * day), Reason: "release"}}
		}, "72h0m0s mint; 72h0m0s deliver; 120h0m0s grace_end; 120h0m0s revoke; !frozen 1 1h0m0s..72h0m0s"},
		{"a freeze puts off the revocation alone", func(f *forecast.Facts, _ *rotator.UpcomingKey) {
			f.Freezes = []rotator.Freeze{{From: now.Add(day), To: now.Add(5 * day), Reason: "release"}}
		}, "1h0m0s mint; 1h0m0s deliver; 49h0m0s grace_end; 120h0m0s revoke; !frozen 1 49h0m0s..120h0m0s"},
		{"a freeze that makes room for keys near their deadline", func(f *forecast.Facts, _ *rotator.UpcomingKey) {
			f.Freezes = []rotator.Freeze{{From: now, To: now.Add(2 * day), Reason: "release", UnlessExpiresWithin: 60 * day}}
		}, "1h0m0s mint; 1h0m0s deliver; 49h0m0s grace_end; 49h0m0s revoke"},
		{"a hold", func(_ *forecast.Facts, k *rotator.UpcomingKey) {
			k.Hold = &rotator.Hold{By: "ada", Until: now.Add(2 * day), Reason: "migration"}
		}, "48h0m0s mint; 48h0m0s deliver; 96h0m0s grace_end; 96h0m0s revoke; !held 1 1h0m0s..48h0m0s"},
		{"a window that opens on Fridays", func(f *forecast.Facts, _ *rotator.UpcomingKey) {
			f.Policies["ci"].Window = window(t, "30 8 * * FRI", time.Hour)
			f.Until = friday.Add(3 * day)
		}, "96h0m0s mint; 96h0m0s deliver; 144h0m0s grace_end; !outside_window 1 1h0m0s..96h0m0s; !outside_window 1 144h0m0s..168h0m0s"},
		{"a paused provider", func(f *forecast.Facts, _ *rotator.UpcomingKey) {
			f.Accounts["cc"] = forecast.Account{PausedUntil: now.Add(3 * time.Hour)}
		}, "3h0m0s mint; 3h0m0s deliver; 51h0m0s grace_end; 51h0m0s revoke; !paused 1 1h0m0s..3h0m0s"},
		{"no room for another key of the credential", func(f *forecast.Facts, _ *rotator.UpcomingKey) {
			f.Accounts["cc"] = forecast.Account{KeysPerCredential: 1}
		}, "!at_key_cap 1 1h0m0s..-"},
		{"no room for another key of the user", func(f *forecast.Facts, k *rotator.UpcomingKey) {
			f.Accounts["cc"] = forecast.Account{KeysPerUser: 2}
			k.OfUser = 2
		}, "!at_key_cap 1 1h0m0s..-"},
		{"waiting for approval", func(_ *forecast.Facts, k *rotator.UpcomingKey) {
			k.Waiting, k.WaitingWhy = rotator.BlockAwaitingApproval, "approve it"
		}, "!awaiting_approval 1 1h0m0s..-"},
		{"after a rotation that failed", func(_ *forecast.Facts, k *rotator.UpcomingKey) {
			k.Due, k.Waiting, k.LookAt = now.Add(-day), rotator.BlockRotationFailed, now.Add(30*time.Minute)
		}, "30m0s mint; 30m0s deliver; 48h30m0s grace_end; 48h30m0s revoke; !rotation_failed 1 0s..30m0s"},
		{"observed only", func(f *forecast.Facts, _ *rotator.UpcomingKey) { f.Policies["ci"].Observe = true }, "!observe_only 1 1h0m0s..-"},
		{"of a policy that is gone", func(_ *forecast.Facts, k *rotator.UpcomingKey) { k.Policy = "gone" }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, k := facts(t), key(1, now.Add(time.Hour))
			if tt.change != nil {
				tt.change(&f, &k)
			}
			made := forecast.New(f, 100)
			made.Key(k)
			if got := told(made.Plan()); got != tt.want {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

func window(t *testing.T, cron string, length time.Duration) *rotator.Window {
	t.Helper()
	opens, err := rotator.ParseSchedule(cron, "")
	if err != nil {
		t.Fatal(err)
	}
	return &rotator.Window{Opens: opens, For: length}
}

func TestRotation(t *testing.T) {
	for _, tt := range []struct {
		name   string
		stage  rotator.Stage
		change func(*forecast.Facts, *rotator.Rotation)
		want   string
	}{
		{"planned", rotator.StagePlanned, nil, "1h0m0s mint; 1h0m0s deliver; 25h0m0s grace_end; 25h0m0s revoke"},
		{"delivering", rotator.StageDelivering, nil, "1h0m0s deliver; 25h0m0s grace_end; 25h0m0s revoke"},
		{"a first key", rotator.StageDelivering, func(_ *forecast.Facts, r *rotator.Rotation) { r.OldKey = rotator.KeyRef{} }, "1h0m0s deliver"},
		{"in its grace period", rotator.StageGrace, nil, "3h0m0s grace_end; 3h0m0s revoke"},
		{"soaking", rotator.StageSoaking, nil, "5h0m0s revoke"},
		{"revoking", rotator.StageRevoking, func(_ *forecast.Facts, r *rotator.Rotation) { r.GraceUntil = time.Time{} }, "1h0m0s revoke"},
		{"extending", rotator.StageExtending, func(_ *forecast.Facts, r *rotator.Rotation) { r.ExtendTo = now.Add(90 * day) }, "1h0m0s extend"},
		{"stopped by what a person has to clear", rotator.StageGrace, func(_ *forecast.Facts, r *rotator.Rotation) {
			r.Blocked, r.Trouble = rotator.BlockOldKeyInUse, "used a minute ago"
		}, "!old_key_in_use 1 0s..-"},
		{"frozen for days: counted once", rotator.StageGrace, func(f *forecast.Facts, _ *rotator.Rotation) {
			f.Freezes = []rotator.Freeze{{From: now, To: now.Add(4 * day), Reason: "release"}}
		}, "3h0m0s grace_end; 96h0m0s revoke; !frozen 1 3h0m0s..96h0m0s"},
		{"compromised: no freeze", rotator.StageGrace, func(f *forecast.Facts, r *rotator.Rotation) {
			r.Reason = rotator.ReasonCompromised
			f.Freezes = []rotator.Freeze{{From: now, To: now.Add(4 * day), Reason: "release"}}
		}, "3h0m0s grace_end; 3h0m0s revoke"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := facts(t)
			r := rotator.Rotation{ID: "r1", CredentialID: rotator.CredentialID{Provider: "cc", UserID: "u", Base: "ci"}, Policy: "ci", Reason: rotator.ReasonExpiring,
				Stage: tt.stage, OldKey: rotator.KeyRef{ID: "old", Name: "ci"}, NewKey: rotator.KeyRef{Name: "ci-r0001"}, NextAt: now.Add(time.Hour),
				Terms: rotator.Terms{Grace: day}, GraceUntil: now.Add(3 * time.Hour), SoakUntil: now.Add(5 * time.Hour)}
			if tt.stage == rotator.StagePlanned || tt.stage == rotator.StageDelivering {
				r.GraceUntil = time.Time{}
			}
			if tt.change != nil {
				tt.change(&f, &r)
			}
			made := forecast.New(f, 100)
			made.Rotation(r, nil)
			if got := told(made.Plan()); got != tt.want {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestManyAtOnceCollideWithTheCapAndGoInTurns(t *testing.T) {
	f := facts(t)
	f.Concurrent = 4
	made := forecast.New(f, 3)
	for n := range 8 {
		made.Key(key(n, now.Add(time.Hour)))
	}
	p := made.Plan()
	if !p.Truncated || len(p.Actions) != 3 || p.Totals[forecast.Mint] != 8 || p.Totals[forecast.Revoke] != 8 {
		t.Errorf("%d actions, truncated %v, totals %v; want the first three, and all counted", len(p.Actions), p.Truncated, p.Totals)
	}
	if len(p.Peaks) != 1 || p.Peaks[0].Begin() != 8 || !p.Peaks[0].At.Equal(now.Add(time.Hour).Truncate(time.Hour)) {
		t.Errorf("peaks %+v; want eight in the hour from 09:00", p.Peaks)
	}
	got := map[string]int{}
	for _, c := range p.Collisions {
		got[c.Obstacle] = c.Count
	}
	if got["awaiting_approval"] != 3 || got[forecast.Queued] != 4 || len(got) != 2 {
		t.Errorf("collisions %v; want three beyond the cap of five, four beyond the four that move at once", got)
	}
}

func TestTheSoonestActionsAreKept(t *testing.T) {
	made := forecast.New(facts(t), 2)
	for _, hours := range []int{5, 2, 9, 1} {
		made.Key(key(hours, now.Add(time.Duration(hours)*time.Hour)))
	}
	if got, want := told(made.Plan()), "1h0m0s mint; 1h0m0s deliver"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestCollisionsAreBounded(t *testing.T) {
	made := forecast.New(facts(t), 0)
	for n := range 300 {
		k := key(n, now.Add(time.Hour))
		k.Waiting, k.WaitingWhy = rotator.BlockInvalid, fmt.Sprint("trouble ", n)
		made.Key(k)
	}
	if p := made.Plan(); len(p.Collisions) != 200 || p.MoreCollisions != 100 {
		t.Errorf("%d collisions and %d more, want 200 and 100", len(p.Collisions), p.MoreCollisions)
	}
}

func TestFreezesAndWindowsOfTheSpan(t *testing.T) {
	f := facts(t)
	f.Freezes = []rotator.Freeze{{From: now.Add(-day), To: now, Reason: "over"}, {From: now.Add(day), To: now.Add(2 * day), Reason: "touches"},
		{From: f.Until, To: f.Until.Add(day), Reason: "later"}}
	f.Policies["ci"].Window = window(t, "0 8 * * *", time.Hour)
	p := forecast.New(f, 0).Plan()
	if len(p.Freezes) != 1 || p.Freezes[0].Reason != "touches" {
		t.Errorf("freezes %+v, want the one that touches the span", p.Freezes)
	}
	if len(p.Windows) != 11 || !p.Windows[0].From.Equal(now) || !p.Windows[0].To.Equal(now.Add(30*time.Minute)) ||
		!p.Windows[1].From.Equal(now.Add(23*time.Hour+30*time.Minute)) || p.Windows[1].To.Sub(p.Windows[1].From) != time.Hour {
		t.Errorf("%d windows, the first %+v; want the rest of the open one, then each morning's", len(p.Windows), p.Windows[:2])
	}
}

func TestDrillsOfTheCalendar(t *testing.T) {
	f := facts(t)
	f.Until = now.Add(2 * day)
	f.Freezes = []rotator.Freeze{{From: now.Add(12 * time.Hour), To: now.Add(36 * time.Hour), Reason: "release"}}
	quarterly := rotator.DrillSchedule{Name: "quarterly", Window: *window(t, "0 8 * * *", time.Hour), Limit: 3}
	f.Drills = []forecast.Drill{{DrillSchedule: quarterly, Provider: "cc", Begun: 1}, {DrillSchedule: quarterly, Provider: "done", Begun: 3}}
	p := forecast.New(f, 0).Plan()
	var got []string
	for _, d := range p.Drills {
		got = append(got, fmt.Sprintf("%s %s %s..%s %d %s", d.Provider, d.Drill, d.From.Sub(now), d.To.Sub(now), d.Limit, d.Frozen))
	}
	want := []string{"cc quarterly 0s..30m0s 2 ", "cc quarterly 23h30m0s..24h30m0s 3 release", "done quarterly 23h30m0s..24h30m0s 3 release",
		"cc quarterly 47h30m0s..48h30m0s 3 ", "done quarterly 47h30m0s..48h30m0s 3 "}
	if !slices.Equal(got, want) {
		t.Errorf("drills are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if len(p.Hours) != 0 || len(p.Totals) != 0 {
		t.Errorf("hours %+v and totals %v count drills", p.Hours, p.Totals)
	}
}

func TestTheFullestHourIsHeldAgainstTheRates(t *testing.T) {
	f := facts(t)
	f.Accounts = map[string]forecast.Account{"cc": {Managed: 1000, CallsPerHour: 50}, "unbounded": {Managed: 1000}}
	made := forecast.New(f, 0)
	for i := range 40 {
		made.Key(key(i, now.Add(5*time.Hour)))
	}
	made.Key(key(99, now.Add(time.Hour)))
	p := made.Plan()
	hour := now.Add(5 * time.Hour).Truncate(time.Hour)
	// Forty new keys take two calls each then, and the ends of the old ones three each two days later.
	want := forecast.Quota{Provider: "cc", At: hour.Add(48 * time.Hour), Calls: 120, PerHour: 50}
	if len(p.Quotas) != 1 || p.Quotas[0] != want {
		t.Errorf("quotas are %+v, want %+v", p.Quotas, want)
	}
	var rates []string
	for _, c := range p.Collisions {
		if c.Obstacle == forecast.Rate {
			rates = append(rates, fmt.Sprintf("%s for %s: %s", c.From.Sub(hour), c.Until.Sub(c.From), c.Why))
		}
	}
	if got := strings.Join(rates, "\n"); !strings.Contains(got, "0s for 1h36m0s: the hour from 2026-03-02 13:00 UTC needs about 80 calls, and the rates let 50 through") || len(rates) != 2 {
		t.Errorf("collisions with the rates:\n%s", got)
	}
}
