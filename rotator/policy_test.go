package rotator

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

const dayLong = 24 * time.Hour

func TestDeadlineIsTheEarlierOfExpiryAndAge(t *testing.T) {
	created := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	tests := []struct {
		name   string
		key    Key
		maxAge time.Duration
		want   time.Time
		ok     bool
	}{
		{"age only", Key{Created: created}, 90 * dayLong, created.Add(90 * dayLong), true},
		{"expiry only", Key{Created: created, Expires: created.Add(dayLong)}, 0, created.Add(dayLong), true},
		{"expiry sooner", Key{Created: created, Expires: created.Add(dayLong)}, 90 * dayLong, created.Add(dayLong), true},
		{"age sooner", Key{Created: created, Expires: created.Add(365 * dayLong)}, 90 * dayLong, created.Add(90 * dayLong), true},
		{"neither", Key{Created: created}, 0, time.Time{}, false},
		{"age without a creation date", Key{}, 90 * dayLong, time.Time{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := Policy{MaxAge: tt.maxAge}
			got, ok := p.Deadline(tt.key)
			if ok != tt.ok || !got.Equal(tt.want) {
				t.Errorf("Deadline = %v, %v, want %v, %v", got, ok, tt.want, tt.ok)
			}
		})
	}
}

func TestJitterOnlyEverStartsEarlier(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Policy{
			MaxAge: 90 * dayLong, RenewBefore: time.Duration(rapid.Int64Range(1, int64(60*dayLong)).Draw(t, "renew_before")),
			Jitter: rapid.Float64Range(0, 1).Draw(t, "jitter"),
		}
		k := Key{Created: time.Unix(1_700_000_000, 0)}
		due, ok := p.Due(k, rapid.Float64Range(0, 0.999).Draw(t, "draw"))
		latest := k.Created.Add(p.MaxAge - p.RenewBefore)
		if !ok || due.After(latest) || due.Before(latest.Add(-p.RenewBefore)) {
			t.Fatalf("due %s is not within one renew_before ahead of %s", due, latest)
		}
	})
}

func TestFirstMatch(t *testing.T) {
	policies := []*Policy{
		{Name: "ci", Match: Match{Providers: []string{"certcentral"}, ServiceUsers: []string{"ci-*"}, Exclude: []string{"ci-legacy", "keep-*"}}},
		{Name: "rest", Match: Match{Keys: []string{"deploy*"}}},
	}
	tests := []struct {
		name, provider string
		user           ServiceUser
		base, want     string
	}{
		{"by user name", "certcentral", ServiceUser{ID: "1", Name: "ci-build"}, "k", "ci"},
		{"by e-mail", "certcentral", ServiceUser{ID: "1", Email: "ci-x@example.com"}, "k", "ci"},
		{"other provider", "dataspot", ServiceUser{ID: "1", Name: "ci-build"}, "k", ""},
		{"excluded user falls to the next policy", "certcentral", ServiceUser{ID: "1", Name: "ci-legacy"}, "deploy-a", "rest"},
		{"excluded key", "certcentral", ServiceUser{ID: "1", Name: "ci-build"}, "keep-me", ""},
		{"no name is no match for a pattern", "certcentral", ServiceUser{ID: "1"}, "k", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if p := FirstMatch(policies, tt.provider, tt.user, tt.base); p != nil {
				got = p.Name
			}
			if got != tt.want {
				t.Errorf("policy %q, want %q", got, tt.want)
			}
		})
	}
}

func TestNamesRoundTrip(t *testing.T) {
	tests := []struct {
		name, key, base string
		version         int
	}{
		{"a person's name", "ci-deploy", "ci-deploy", 0},
		{"ours", "ci-deploy-r0002", "ci-deploy", 2},
		{"beyond four digits", "ci-r12345", "ci", 12345},
		{"too few digits", "ci-r2", "ci-r2", 0},
		{"padded too far", "ci-r00002", "ci-r00002", 0},
		{"version zero", "ci-r0000", "ci-r0000", 0},
		{"nothing in front", "-r0001", "-r0001", 0},
		{"letters", "ci-r00a1", "ci-r00a1", 0},
		{"twice", "ci-r0001-r0002", "ci-r0001", 2},
		{"a moment is no version", "ci-r20260301120000", "ci-r20260301120000", 0},
		{"too large", "ci-r99999999999999999999", "ci-r99999999999999999999", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if base, v := SplitName(tt.key); base != tt.base || v != tt.version {
				t.Errorf("SplitName(%q) = %q, %d, want %q, %d", tt.key, base, v, tt.base, tt.version)
			}
		})
	}
	rapid.Check(t, func(t *rapid.T) {
		base := rapid.StringN(1, 40, -1).Draw(t, "base")
		v := rapid.IntRange(1, 999_999_999).Draw(t, "version")
		if gotBase, gotV := SplitName(KeyName(base, v)); gotBase != base || gotV != v {
			t.Fatalf("SplitName(KeyName(%q, %d)) = %q, %d", base, v, gotBase, gotV)
		}
	})
}

func TestCheckVersion(t *testing.T) {
	for v, ok := range map[int]bool{1: true, 999_999_999: true, 1_000_000_000: false, 0: false, -1: false} {
		if err := CheckVersion("ci", v); (err == nil) != ok {
			t.Errorf("CheckVersion(%d) = %v, want ok %v", v, err, ok)
		}
	}
}

func TestCheckName(t *testing.T) {
	ascii := func(r rune) bool { return r == '-' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9' }
	l := Limits{MaxNameLength: 10, ValidNameRune: ascii}
	for name, ok := range map[string]bool{"ci-r0001": true, "service-r0001": false, "c.i-r0001": false} {
		if err := CheckName(name, l); (err == nil) != ok {
			t.Errorf("CheckName(%q) = %v, want ok %v", name, err, ok)
		}
	}
}
