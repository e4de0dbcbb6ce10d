package config

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"
)

// Percent is a share from 0 to 1 that is written as 20%.
type Percent float64

// UnmarshalText reads a number from 0 to 100 with a percent sign.
func (p *Percent) UnmarshalText(text []byte) error {
	number, signed := strings.CutSuffix(string(text), "%")
	if !signed {
		return &hint{fmt.Sprintf("%q is not a percentage", text), "write one with its sign, as in 20%"}
	}
	value, err := strconv.ParseFloat(number, 64)
	if err != nil || !(value >= 0 && value <= 100) {
		return &hint{fmt.Sprintf("%q is not a percentage", text), "write a number from 0% to 100%"}
	}
	*p = Percent(value / 100)
	return nil
}

// LastAt is Last for what ends at a time of day that is written with its zone, as in 18:00:00+01:00: a date is that time of it. Of any other
// text, and of none, it is Last.
func (m Moment) LastAt(timeOfDay string) time.Time {
	at, err := time.Parse("15:04:05Z07:00", timeOfDay)
	if err != nil || !m.date {
		return m.Last()
	}
	return time.Date(m.at.Year(), m.at.Month(), m.at.Day(), at.Hour(), at.Minute(), at.Second(), 0, at.Location()).UTC()
}

// String prints the form that UnmarshalText reads.
func (p Percent) String() string {
	return strconv.FormatFloat(float64(p)*100, 'g', 10, 64) + "%"
}

// MarshalText is String.
func (p Percent) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// FileMode is Unix permissions that are written in octal, as in "0640".
type FileMode fs.FileMode

// UnmarshalText reads three octal digits, with or without a 0 in front. The bits beyond permissions are refused.
func (m *FileMode) UnmarshalText(text []byte) error {
	digits := strings.TrimPrefix(strings.TrimPrefix(string(text), "0o"), "0")
	value, err := strconv.ParseUint(digits, 8, 32)
	if err != nil || len(digits) != 3 {
		return &hint{fmt.Sprintf("%q is not a file mode", text), `write it in octal and in quotes, as in "0640"`}
	}
	*m = FileMode(value)
	return nil
}

// String prints four octal digits.
func (m FileMode) String() string { return fmt.Sprintf("%04o", uint32(m)) }

// MarshalText is String.
func (m FileMode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// Perm returns m as the standard library's type.
func (m FileMode) Perm() fs.FileMode { return fs.FileMode(m).Perm() }

// Moment is a date or an instant.
type Moment struct {
	at   time.Time
	date bool
}

// UnmarshalText reads an RFC 3339 time or a date.
func (m *Moment) UnmarshalText(text []byte) error {
	if at, err := time.Parse(time.DateOnly, string(text)); err == nil {
		*m = Moment{at: at, date: true}
		return nil
	}
	at, err := time.Parse(time.RFC3339, string(text))
	if err != nil {
		return &hint{fmt.Sprintf("%q is neither a date nor a time", text),
			"write a date such as 2026-12-20, or a time such as 2026-12-20T18:00:00+01:00"}
	}
	*m = Moment{at: at}
	return nil
}

// Start returns the instant, or the first instant of the date, in UTC.
func (m Moment) Start() time.Time { return m.at.UTC() }

// End returns the instant, or the first instant after the date, in UTC.
func (m Moment) End() time.Time {
	if m.date {
		return m.at.AddDate(0, 0, 1)
	}
	return m.at.UTC()
}

// Last returns the instant, or the last second of the date, in UTC: what is said to end on a day is shown under that day.
func (m Moment) Last() time.Time {
	if m.date {
		return m.End().Add(-time.Second)
	}
	return m.End()
}

// String prints the form that UnmarshalText reads.
func (m Moment) String() string {
	if m.date {
		return m.at.Format(time.DateOnly)
	}
	return m.at.Format(time.RFC3339)
}

// MarshalText is String.
func (m Moment) MarshalText() ([]byte, error) { return []byte(m.String()), nil }
