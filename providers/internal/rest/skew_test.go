package rest

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

func TestSkew(t *testing.T) {
	sent := time.Date(2026, 3, 1, 12, 0, 0, 500_000_000, time.UTC)
	got := sent.Add(2 * time.Second)
	for name, c := range map[string]struct {
		date  string
		want  time.Duration
		known bool
	}{
		"the same second":   {"Sun, 01 Mar 2026 12:00:00 GMT", 0, true},
		"while under way":   {"Sun, 01 Mar 2026 12:00:02 GMT", 0, true},
		"an hour ahead":     {"Sun, 01 Mar 2026 13:00:03 GMT", time.Hour - 500*time.Millisecond, true},
		"a day behind":      {"Sat, 28 Feb 2026 11:59:59 GMT", -24*time.Hour - 500*time.Millisecond, true},
		"no date":           {"", 0, false},
		"something else":    {"yesterday", 0, false},
		"another time zone": {"Sunday, 01-Mar-26 12:00:01 GMT", 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var c2 Client
				c2.options.Clock = rotator.NewClock(func() time.Duration { return time.Until(got) })
				c2.skew.note(http.Header{"Date": {c.date}}, sent, c2.options.Clock.Read())
				if ahead, known := c2.Skew(); ahead != c.want || known != c.known {
					t.Errorf("got %s, %v, want %s, %v", ahead, known, c.want, c.known)
				}
			})
		})
	}
}

// TestSkewOfAClockThatWasSetSince has our clock set after the answer: the difference is another one by as much.
func TestSkewOfAClockThatWasSetSince(t *testing.T) {
	ahead := time.Duration(0)
	var c Client
	c.options.Clock = rotator.NewClock(func() time.Duration { return ahead })
	c.skew.note(http.Header{"Date": {time.Now().UTC().Format(http.TimeFormat)}}, time.Now(), c.options.Clock.Read())
	for _, set := range []time.Duration{time.Hour, -48 * time.Hour, 0} {
		ahead = set
		if got, known := c.Skew(); !known || (got+set).Abs() > time.Second {
			t.Errorf("set by %s: the other side is ahead by %s, %v", set, got, known)
		}
	}
}
