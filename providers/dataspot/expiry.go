package dataspot

import (
	"fmt"
	"time"
)

// expiryTime is the time of day at which keys expire.
type expiryTime struct {
	exact  bool
	offset time.Duration // from midnight in zone
	zone   *time.Location
}

// parseExpiryTime reads a time of day with its zone, as in 23:59:59Z or 18:00:00+01:00.
func parseExpiryTime(text string) (expiryTime, error) {
	if text == ExactExpiry {
		return expiryTime{exact: true}, nil
	}
	at, err := time.Parse("15:04:05Z07:00", text)
	if err != nil {
		return expiryTime{}, fmt.Errorf("the expiry time %q is not a time of day with a zone; write it as in %s, or %s", text, DefaultExpiryTime, ExactExpiry)
	}
	_, seconds := at.Zone()
	return expiryTime{
		offset: time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute + time.Duration(at.Second())*time.Second,
		zone:   time.FixedZone("", seconds),
	}, nil
}

// after returns the expiry of a key that is made now: the last such time of day within the lifetime. Where there is none, it is the
// first one after it, since a key must live.
func (e expiryTime) after(now time.Time, lifetime time.Duration) time.Time {
	end := now.Add(lifetime)
	if e.exact {
		return end.UTC().Truncate(time.Second)
	}
	day := end.In(e.zone)
	at := time.Date(day.Year(), day.Month(), day.Day(), 0, 0, 0, 0, e.zone).Add(e.offset)
	if at.After(end) {
		at = at.AddDate(0, 0, -1)
	}
	if !at.After(now) {
		at = at.AddDate(0, 0, 1)
	}
	return at.UTC()
}
