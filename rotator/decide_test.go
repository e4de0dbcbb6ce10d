package rotator

import (
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// dueFacts are those of a key that is due and that nothing stops; each case spoils one thing.
func dueFacts() Facts {
	k := TrackedKey{Provider: "cc", Base: "ci", Key: Key{ID: "1", UserID: "7", Name: "ci", State: KeyActive, Created: noon.Add(-70 * dayLong)}}
	k.Deadline, k.Due = noon.Add(20*dayLong), noon.Add(-10*dayLong)
	return Facts{Key: k, Series: []TrackedKey{k}, UserActive: true, Budget: 1,
		Policy: &Policy{Name: "p", RenewBefore: 30 * dayLong, MaxAge: 90 * dayLong}}
}

func mustWindow(expr string, d time.Duration) *Window {
	s, err := ParseSchedule(expr, "")
	if err != nil {
		panic(err)
	}
	return &Window{Opens: s, For: d}
}

func TestDecide(t *testing.T) {
	tests := []struct {
		name   string
		spoil  func(f *Facts)
		action Action
		block  BlockReason
		lookAt time.Time
	}{
		{"due and free", func(*Facts) {}, ActRotate, "", time.Time{}},
		{"no policy", func(f *Facts) { f.Policy = nil }, ActIgnore, "", time.Time{}},
		{"the policy is gone since the last scan", func(f *Facts) { f.Policy, f.Key.Policy = nil, "p" }, ActWait, "", noon.Add(elsewhereRecheck)},
		{"rotation open", func(f *Facts) { f.Rotating = true }, ActWait, "", noon.Add(asideRecheck)},
		{"rotation open and little time left", func(f *Facts) {
			f.Rotating, f.Key.Deadline = true, noon.Add(10*time.Minute)
		}, ActWait, "", noon.Add(time.Minute)},
		{"rotation open beyond the deadline", func(f *Facts) {
			f.Rotating, f.Key.Deadline = true, noon
		}, ActWait, "", noon.Add(elsewhereRecheck)},
		{"missing", func(f *Facts) { f.Key.MissingSince = noon }, ActIgnore, "", time.Time{}},
		{"revoked", func(f *Facts) { f.Key.State = KeyRevoked }, ActIgnore, "", time.Time{}},
		{"expired yesterday", func(f *Facts) { f.Key.State, f.Key.Expires = KeyExpired, noon.Add(-dayLong) }, ActRotate, "", time.Time{}},
		{"expired yesterday and listed as active", func(f *Facts) { f.Key.Expires = noon.Add(-dayLong) }, ActRotate, "", time.Time{}},
		{"expired before a rotation would have begun", func(f *Facts) {
			f.Key.State, f.Key.Expires = KeyExpired, noon.Add(-f.Policy.RenewBefore-time.Second)
		}, ActIgnore, "", time.Time{}},
		{"expired before a rotation would have begun, and listed as active", func(f *Facts) {
			f.Key.Expires = noon.Add(-f.Policy.RenewBefore - time.Second)
		}, ActWait, "", noon.Add(asideRecheck)},
		{"expired by a clock that is wrong", func(f *Facts) {
			f.Key.Expires, f.Skew = noon.Add(-f.Policy.RenewBefore-time.Second), -time.Hour
		}, ActWait, BlockClockSkew, noon.Add(recheckClock)},
		{"expired by a clock that is wrong, as the provider says too", func(f *Facts) {
			f.Key.State, f.Key.Expires, f.Skew = KeyExpired, noon.Add(-dayLong), -time.Hour
		}, ActWait, BlockClockSkew, noon.Add(recheckClock)},
		{"expired and superseded", func(f *Facts) {
			f.Key.State, f.Key.Expires = KeyExpired, noon.Add(-dayLong)
			f.Series = append(f.Series, newer("2", KeyActive, time.Time{}))
		}, ActIgnore, "", time.Time{}},
		{"a state we do not know", func(f *Facts) { f.Key.State = KeyOther }, ActIgnore, "", time.Time{}},
		{"user inactive", func(f *Facts) { f.UserActive = false }, ActWait, "", noon.Add(elsewhereRecheck)},
		{"superseded", func(f *Facts) { f.Series = append(f.Series, newer("2", KeyActive, time.Time{})) }, ActWait, "", noon.Add(asideRecheck)},
		{"superseded and past the deadline", func(f *Facts) {
			f.Key.Deadline = noon
			f.Series = append(f.Series, newer("2", KeyActive, time.Time{}))
		}, ActWait, "", noon.Add(elsewhereRecheck)},
		{"a revoked successor does not supersede", func(f *Facts) { f.Series = append(f.Series, newer("2", KeyRevoked, time.Time{})) }, ActRotate, "", time.Time{}},
		{"a missing successor does not supersede", func(f *Facts) { f.Series = append(f.Series, newer("2", KeyActive, noon)) }, ActRotate, "", time.Time{}},
		{"no deadline", func(f *Facts) { f.Key.Deadline = time.Time{} }, ActIgnore, "", time.Time{}},
		{"not due", func(f *Facts) { f.Key.Due = noon.Add(time.Hour) }, ActWait, "", noon.Add(time.Hour)},
		{"held", func(f *Facts) { f.Hold = &Hold{By: "ann", Until: noon.Add(time.Hour)} }, ActWait, BlockHeld, noon.Add(time.Hour)},
		{"a hold that is over", func(f *Facts) { f.Hold = &Hold{By: "ann", Until: noon} }, ActRotate, "", time.Time{}},
		{"frozen", func(f *Facts) { f.Freezes = []Freeze{{From: noon, To: noon.Add(dayLong)}} }, ActWait, BlockFrozen, noon.Add(dayLong)},
		{"freeze is over", func(f *Facts) { f.Freezes = []Freeze{{From: noon.Add(-dayLong), To: noon}} }, ActRotate, "", time.Time{}},
		{"frozen but near its deadline", func(f *Facts) {
			f.Freezes = []Freeze{{From: noon, To: noon.Add(dayLong), UnlessExpiresWithin: 20 * dayLong}}
		}, ActRotate, "", time.Time{}},
		{"frozen until near its deadline", func(f *Facts) {
			f.Freezes = []Freeze{{From: noon, To: noon.Add(30 * dayLong), UnlessExpiresWithin: 3 * dayLong}}
		}, ActWait, BlockFrozen, noon.Add(17 * dayLong)},
		{"window closed", func(f *Facts) { f.Policy.Window = mustWindow("0 9 * * *", time.Hour) }, ActWait, BlockOutsideWindow, noon.Add(21 * time.Hour)},
		{"window open", func(f *Facts) { f.Policy.Window = mustWindow("0 9 * * *", 6*time.Hour) }, ActRotate, "", time.Time{}},
		{"window opens after the deadline", func(f *Facts) {
			f.Policy.Window = mustWindow("0 9 1 1 *", time.Hour)
		}, ActRotate, "", time.Time{}},
		{"observed only", func(f *Facts) { f.Policy.Observe = true }, ActWait, BlockObserveOnly, noon.Add(elsewhereRecheck)},
		{"observed only and not due", func(f *Facts) { f.Policy.Observe, f.Key.Due = true, noon.Add(time.Hour) }, ActWait, "", noon.Add(time.Hour)},
		{"observed only and superseded", func(f *Facts) {
			f.Policy.Observe = true
			f.Series = append(f.Series, newer("2", KeyActive, time.Time{}))
		}, ActWait, "", noon.Add(asideRecheck)},
		{"observed only is named before hold, freeze and cap", func(f *Facts) {
			f.Policy.Observe, f.Budget, f.Hold = true, 0, &Hold{Until: noon.Add(time.Hour)}
			f.Freezes = []Freeze{{From: noon, To: noon.Add(dayLong)}}
		}, ActWait, BlockObserveOnly, noon.Add(elsewhereRecheck)},
		{"over the cap", func(f *Facts) { f.Budget = 0 }, ActWait, BlockAwaitingApproval, noon.Add(capRecheck)},
		{"a hold is named before the cap", func(f *Facts) { f.Budget = 0; f.Hold = &Hold{Until: noon.Add(time.Hour)} }, ActWait, BlockHeld, noon.Add(time.Hour)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := dueFacts()
			tt.spoil(&f)
			d := Decide(f, noon)
			if d.Action != tt.action || d.Block != tt.block || !d.LookAt.Equal(tt.lookAt) {
				t.Errorf("Decide = %+v, want %s, block %q, look at %s", d, tt.action, tt.block, tt.lookAt)
			}
			if d.Why == "" {
				t.Error("a decision without a reason in words")
			}
		})
	}
}

func newer(id string, s KeyState, missing time.Time) TrackedKey {
	return TrackedKey{Provider: "cc", Base: "ci", Version: 2, Key: Key{ID: id, UserID: "7", Name: "ci-r0002", State: s}, MissingSince: missing}
}

func TestDecideSaysWhichReason(t *testing.T) {
	f := dueFacts()
	if d := Decide(f, noon); d.Reason != ReasonMaxAge {
		t.Errorf("a key without expiry: reason %s", d.Reason)
	}
	f.Key.Expires = f.Key.Deadline
	if d := Decide(f, noon); d.Reason != ReasonExpiring {
		t.Errorf("a key whose expiry is the deadline: reason %s", d.Reason)
	}
	f.Key.Expires = f.Key.Deadline.Add(time.Hour)
	if d := Decide(f, noon); d.Reason != ReasonMaxAge {
		t.Errorf("a key whose age comes first: reason %s", d.Reason)
	}
}

func TestBudget(t *testing.T) {
	limits := CapLimits{MaxShare: 0.2, AlwaysAllowed: 10}
	tests := []struct {
		name    string
		state   ProviderState
		due     int
		started int
		want    int
	}{
		{"small fleets are not asked", ProviderState{Managed: 3}, 3, 0, 3},
		{"a fifth of a large one", ProviderState{Managed: 1000}, 200, 0, 200},
		{"one more: nothing starts", ProviderState{Managed: 1000}, 201, 0, 0},
		{"what started since the scan counts", ProviderState{Managed: 1000}, 51, 150, 0},
		{"approved", ProviderState{Managed: 1000, Approved: 500, ApprovedUntil: noon.Add(time.Hour)}, 900, 0, 500},
		{"an approval that is over", ProviderState{Managed: 1000, Approved: 500, ApprovedUntil: noon}, 900, 0, 0},
		{"never scanned", ProviderState{}, 11, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Budget(limits, tt.state, tt.due, tt.started, noon); got != tt.want {
				t.Errorf("Budget = %d, want %d", got, tt.want)
			}
		})
	}
}
