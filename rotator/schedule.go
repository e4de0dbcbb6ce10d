package rotator

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Schedule is a cron schedule in a time zone: the five standard fields, or @hourly, @daily, @every 15m and so on.
type Schedule struct {
	expr string
	loc  *time.Location
	cron cron.Schedule
}

// ParseSchedule reads a schedule. timezone is an IANA name; empty is UTC. It refuses what robfig/cron/v3 accepts but
// does not do what it says: a zone in front of the fields (a bare one makes its parser panic), a day that never comes
// (its next time is the zero time), and intervals under a second (silently made one second).
func ParseSchedule(expr, timezone string) (Schedule, error) {
	loc := time.UTC
	if timezone != "" {
		var err error
		if loc, err = time.LoadLocation(timezone); err != nil {
			return Schedule{}, fmt.Errorf("time zone %q is not known; write an IANA name such as Europe/Zurich or UTC", timezone)
		}
	}
	expr = strings.TrimSpace(expr)
	if expr == "" {
		return Schedule{}, errors.New(`the schedule is empty; write five fields such as "*/15 * * * *", or "@every 15m"`)
	}
	if strings.HasPrefix(expr, "TZ=") || strings.HasPrefix(expr, "CRON_TZ=") {
		return Schedule{}, fmt.Errorf("schedule %q names a time zone; write the zone in the timezone field instead", expr)
	}
	if every, ok := strings.CutPrefix(expr, "@every "); ok {
		d, err := time.ParseDuration(strings.TrimSpace(every))
		if err != nil {
			return Schedule{}, fmt.Errorf("schedule %q: %q is not an interval; write one such as 15m or 1h30m", expr, every)
		}
		if d < time.Second {
			return Schedule{}, fmt.Errorf("schedule %q: the interval must be at least 1s", expr)
		}
	}
	parsed, err := cron.ParseStandard(expr)
	if err != nil {
		return Schedule{}, fmt.Errorf(`schedule %q cannot be read: %w; write five fields (minute hour day month weekday), or "@every 15m"`, expr, err)
	}
	s := Schedule{expr: expr, loc: loc, cron: parsed}
	if parsed.Next(time.Now()).IsZero() {
		return Schedule{}, fmt.Errorf("schedule %q never fires: its day does not exist in any of the next five years", expr)
	}
	return s, nil
}

// IsZero reports whether s was never parsed.
func (s Schedule) IsZero() bool { return s.cron == nil }

// String returns the expression as it was written.
func (s Schedule) String() string { return s.expr }

// Next returns the first time after t at which the schedule fires.
//
// A local time that the spring change of the clocks skips is not lost for that day, as it is in robfig/cron/v3
// (its issue 541): it fires where it would have been had the clocks not changed.
func (s Schedule) Next(t time.Time) time.Time {
	local := t.In(s.loc)
	next := s.cron.Next(local)
	_, before := local.Zone()
	_, after := next.Zone()
	if after > before {
		unchanged := s.cron.Next(local.In(time.FixedZone("", before)))
		if unchanged.Before(next) {
			return unchanged.In(s.loc)
		}
	}
	return next
}

// Window is a recurring span of time in which a policy may act.
type Window struct {
	// Opens says when it opens.
	Opens Schedule
	// For is how long it stays open.
	For time.Duration
}

// Contains reports whether the window is open at t.
func (w Window) Contains(t time.Time) bool {
	_, open := w.Opened(t)
	return open
}

// NextOpen returns t if the window is open at t, else when it opens next.
func (w Window) NextOpen(t time.Time) time.Time {
	if w.Contains(t) {
		return t
	}
	return w.Opens.Next(t)
}

// Opened returns when the window opened that is open at t, and whether one is. Where its openings overlap it is the earliest.
func (w Window) Opened(t time.Time) (time.Time, bool) {
	opened := w.Opens.Next(t.Add(-w.For))
	return opened, !opened.After(t)
}

// Freeze is a calendar span in which nothing rotates and nothing is revoked.
type Freeze struct {
	// From is the first instant of the freeze, To the first instant after it.
	From, To time.Time
	// Reason is printed wherever the freeze stops something.
	Reason string
	// UnlessExpiresWithin lets a rotation start all the same if its key's deadline is nearer than this; zero never does.
	UnlessExpiresWithin time.Duration
}

// Contains reports whether t lies in the freeze.
func (f Freeze) Contains(t time.Time) bool { return !t.Before(f.From) && t.Before(f.To) }

// lets reports whether a key with that deadline may be replaced in spite of the freeze.
func (f Freeze) lets(deadline, now time.Time) bool {
	return f.UnlessExpiresWithin > 0 && !deadline.IsZero() && deadline.Sub(now) <= f.UnlessExpiresWithin
}
