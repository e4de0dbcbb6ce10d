package digicertone

import (
	"errors"
	"fmt"
	"time"
)

// endOfDay is the moment at which a key with that end date ends: 23:59:59 UTC (the vendor's page on service users).
func endOfDay(day time.Time) time.Time {
	y, m, d := day.UTC().Date()
	return time.Date(y, m, d, 23, 59, 59, 0, time.UTC)
}

// lastEnd is the latest end of a day that is not after until, in any time zone.
func lastEnd(until time.Time) time.Time {
	end := endOfDay(until)
	if end.After(until) {
		return endOfDay(until.UTC().AddDate(0, 0, -1))
	}
	return end
}

// endDate writes the day that end is in, as requests have it.
func endDate(end time.Time) string { return end.UTC().Format(time.DateOnly) }

// endFor is the end of a key that is to live for lifetime, and never longer: zero for a lifetime of zero, which is none.
func endFor(now time.Time, lifetime time.Duration) (time.Time, error) {
	if lifetime == 0 {
		return time.Time{}, nil
	}
	end := lastEnd(now.Add(lifetime))
	if !end.After(now) {
		return time.Time{}, fmt.Errorf("a lifetime of %v does not reach the end of today: DigiCert ONE ends keys at 23:59:59 UTC of a day, "+
			"so ask for a day more", lifetime)
	}
	return end, nil
}

// parseEnd reads an end date: a day, or a time, of which the day in UTC counts.
func parseEnd(text string) (time.Time, error) {
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return endOfDay(day), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, errors.New("it is no day such as 2026-01-31")
	}
	return endOfDay(at), nil
}
