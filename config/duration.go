package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a span of time that is written with units up to weeks: 90d, 1d12h, 30s. It is never negative.
type Duration time.Duration

// unit is what a letter behind a number stands for. A day is 24 hours: policies are about spans, not about calendars.
type unit struct {
	letter byte
	length time.Duration
}

var units = []unit{
	{'w', 7 * 24 * time.Hour}, {'d', 24 * time.Hour}, {'h', time.Hour}, {'m', time.Minute}, {'s', time.Second},
}

const durationUnits = "units are s, m, h, d and w, as in 30s, 12h, 90d or 1d12h"

// ParseDuration reads whole numbers with a unit each, from large to small or in any other order. A bare 0 is zero.
func ParseDuration(text string) (Duration, error) {
	if text == "0" {
		return 0, nil
	}
	if text == "" {
		return 0, &hint{"is an empty duration", durationUnits}
	}
	var total time.Duration
	for rest := text; rest != ""; {
		part, tail, err := nextPart(text, rest)
		if err != nil {
			return 0, err
		}
		if total > math.MaxInt64-part {
			return 0, tooLong(text)
		}
		total, rest = total+part, tail
	}
	return Duration(total), nil
}

// nextPart reads one number and its unit from the start of rest, which is the tail of text.
func nextPart(text, rest string) (part time.Duration, tail string, err error) {
	digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
	if digits == 0 {
		return 0, "", &hint{fmt.Sprintf("%q is not a duration", text), durationUnits}
	}
	number, err := strconv.ParseInt(rest[:digits], 10, 64)
	if err != nil {
		return 0, "", tooLong(text)
	}
	word, tail := rest[digits:], ""
	if next := strings.IndexAny(word, "0123456789"); next >= 0 {
		word, tail = word[:next], word[next:]
	}
	length, err := unitLength(text, word)
	if err != nil {
		return 0, "", err
	}
	if number > math.MaxInt64/int64(length) {
		return 0, "", tooLong(text)
	}
	return time.Duration(number) * length, tail, nil
}

func unitLength(text, word string) (time.Duration, error) {
	for _, u := range units {
		if word == string(u.letter) {
			return u.length, nil
		}
	}
	if word == "" {
		return 0, &hint{fmt.Sprintf("%q has no unit", text), durationUnits}
	}
	return 0, &hint{fmt.Sprintf("%q has the unknown unit %q", text, word), durationUnits}
}

func tooLong(text string) error {
	return &hint{fmt.Sprintf("%q is longer than any duration can be", text), "the longest is about 15250w"}
}

// String prints the shortest form that ParseDuration reads back: weeks are printed as days, because people compare
// durations with each other.
func (d Duration) String() string {
	rest := time.Duration(d)
	if rest < time.Second {
		return "0s"
	}
	var b strings.Builder
	for _, u := range units[1:] {
		if n := rest / u.length; n > 0 {
			fmt.Fprintf(&b, "%d%c", n, u.letter)
			rest %= u.length
		}
	}
	return b.String()
}

// Std returns d as the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// UnmarshalText is ParseDuration.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := ParseDuration(string(text))
	*d = parsed
	return err
}

// MarshalText is String.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }
