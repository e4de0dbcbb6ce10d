package engine

import (
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/rotatortest"
)

func TestIdleForRoom(t *testing.T) {
	const day = 24 * time.Hour
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	tests := []struct {
		name    string
		key     rotator.Key
		terms   rotator.Terms
		reports bool
		want    bool
	}{
		{"idle for a day", rotator.Key{Created: ago(90 * day), LastUsed: ago(day)}, rotator.Terms{}, true, true},
		{"used within a day", rotator.Key{Created: ago(90 * day), LastUsed: ago(day - 1)}, rotator.Terms{}, true, false},
		{"used within the idle time", rotator.Key{LastUsed: ago(2 * day)}, rotator.Terms{Idle: 3 * day}, true, false},
		{"used within the grace period", rotator.Key{LastUsed: ago(2 * day)}, rotator.Terms{Grace: 3 * day}, true, false},
		{"never used", rotator.Key{Created: ago(90 * day)}, rotator.Terms{}, true, true},
		{"just made and never used", rotator.Key{Created: ago(time.Hour)}, rotator.Terms{}, true, false},
		{"nobody knows", rotator.Key{Created: ago(90 * day)}, rotator.Terms{}, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := rotatortest.NewProvider()
			p.Lim.ReportsLastUse = tt.reports
			a := newAccount("cc", rotator.ProviderState{})
			a.set(Account{Provider: p})
			if got := idleForRoom(a, &rotator.Rotation{Terms: tt.terms}, tt.key, now); got != tt.want {
				t.Errorf("idle %v, want %v", got, tt.want)
			}
		})
	}
}

func TestLastActive(t *testing.T) {
	k := rotator.Key{ID: "2", State: rotator.KeyActive}
	self := rotator.TrackedKey{Key: k}
	other := func(s rotator.KeyState, missing time.Time) rotator.TrackedKey {
		return rotator.TrackedKey{Key: rotator.Key{ID: "1", State: s}, MissingSince: missing}
	}
	for name, c := range map[string]struct {
		series []rotator.TrackedKey
		want   bool
	}{
		"alone":                  {[]rotator.TrackedKey{self}, true},
		"not even known":         {nil, true},
		"beside an active one":   {[]rotator.TrackedKey{self, other(rotator.KeyActive, time.Time{})}, false},
		"beside a revoked one":   {[]rotator.TrackedKey{self, other(rotator.KeyRevoked, time.Time{})}, true},
		"beside one that's gone": {[]rotator.TrackedKey{self, other(rotator.KeyActive, time.Now())}, true},
	} {
		if got := lastActive(c.series, k); got != c.want {
			t.Errorf("%s: last %v, want %v", name, got, c.want)
		}
	}
}
