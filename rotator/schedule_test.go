package rotator

import (
	"strings"
	"testing"
	"time"
)

func at(t *testing.T, s string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestParseScheduleRefusesTraps(t *testing.T) {
	tests := []struct{ name, expr, zone, want string }{
		{"bare zone panics in the library", "TZ=UTC", "", "timezone field"},
		{"short bare zone", "TZ=0", "", "timezone field"},
		{"bare cron zone", "CRON_TZ=Europe/Berlin", "", "timezone field"},
		{"zone in front", "TZ=UTC * * * * *", "", "timezone field"},
		{"a day that never comes", "0 0 30 2 *", "", "never fires"},
		{"no interval", "@every 0s", "", "at least 1s"},
		{"negative interval", "@every -5s", "", "at least 1s"},
		{"days are no interval", "@every 1d", "", "not an interval"},
		{"empty", " ", "", "empty"},
		{"six fields", "0 0 9 * * MON", "", "five fields"},
		{"minute 61", "61 * * * *", "", "cannot be read"},
		{"unknown zone", "@hourly", "Mars/Olympus", "not known"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseSchedule(tt.expr, tt.zone)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("ParseSchedule(%q, %q) = %v, want an error with %q", tt.expr, tt.zone, err, tt.want)
			}
		})
	}
}

func TestScheduleNext(t *testing.T) {
	tests := []struct{ name, expr, zone, from, want string }{
		{"quarter hour", "*/15 * * * *", "", "2026-11-22T10:01:00Z", "2026-11-22T10:15:00Z"},
		{"zone in summer", "0 9 * * MON-THU", "Europe/Zurich", "2026-07-05T00:00:00Z", "2026-07-06T07:00:00Z"},
		{"skipped hour fires all the same", "30 2 * * *", "Europe/Zurich", "2026-03-28T12:00:00Z", "2026-03-29T01:30:00Z"},
		{"the day after is ordinary again", "30 2 * * *", "Europe/Zurich", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"},
		{"spring day, other hour", "30 9 * * *", "Europe/Zurich", "2026-03-28T12:00:00Z", "2026-03-29T07:30:00Z"},
		{"hourly across spring", "0 * * * *", "Europe/Zurich", "2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z"},
		{"interval", "@every 15m", "", "2026-11-22T10:01:00Z", "2026-11-22T10:16:00Z"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := ParseSchedule(tt.expr, tt.zone)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := s.Next(at(t, tt.from)), at(t, tt.want); !got.Equal(want) {
				t.Errorf("Next(%s) = %s, want %s", tt.from, got.UTC().Format(time.RFC3339), tt.want)
			}
		})
	}
}

func TestWindow(t *testing.T) {
	opens, err := ParseSchedule("0 9 * * MON-THU", "Europe/Zurich")
	if err != nil {
		t.Fatal(err)
	}
	w := Window{Opens: opens, For: 6 * time.Hour}
	tests := []struct {
		name, at string
		open     bool
		next     string
	}{
		{"just before", "2026-11-23T07:59:59Z", false, "2026-11-23T08:00:00Z"},
		{"opening instant", "2026-11-23T08:00:00Z", true, "2026-11-23T08:00:00Z"},
		{"inside", "2026-11-23T13:59:59Z", true, "2026-11-23T13:59:59Z"},
		{"closing instant", "2026-11-23T14:00:00Z", false, "2026-11-24T08:00:00Z"},
		{"friday", "2026-11-27T10:00:00Z", false, "2026-11-30T08:00:00Z"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			now := at(t, tt.at)
			if got := w.Contains(now); got != tt.open {
				t.Errorf("Contains = %v, want %v", got, tt.open)
			}
			if got := w.NextOpen(now); !got.Equal(at(t, tt.next)) {
				t.Errorf("NextOpen = %s, want %s", got.UTC().Format(time.RFC3339), tt.next)
			}
		})
	}
}

func FuzzParseSchedule(f *testing.F) {
	for _, s := range []string{"*/15 * * * *", "TZ=0", "@every 1s", "0 0 30 2 *", "CRON_TZ=", "@every"} {
		f.Add(s, "UTC")
	}
	f.Fuzz(func(t *testing.T, expr, zone string) {
		s, err := ParseSchedule(expr, zone)
		if err != nil {
			return
		}
		now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
		if next := s.Next(now); !next.After(now) {
			t.Errorf("%q in %q: the next time %s is not after %s", expr, zone, next, now)
		}
	})
}
