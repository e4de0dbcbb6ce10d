package digicertone

import (
	"testing"
	"time"
)

func at(t *testing.T, text string) time.Time {
	t.Helper()
	moment, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return moment
}

func TestLastEnd(t *testing.T) {
	for _, tc := range []struct{ name, until, want string }{
		{"the end of a day itself", "2026-11-22T23:59:59Z", "2026-11-22"},
		{"a second before it", "2026-11-22T23:59:58Z", "2026-11-21"},
		{"a moment before it", "2026-11-22T23:59:58.999999999Z", "2026-11-21"},
		{"within the last second", "2026-11-22T23:59:59.5Z", "2026-11-22"},
		{"midnight", "2026-11-23T00:00:00Z", "2026-11-22"},
		{"the day after a leap day", "2028-03-01T12:00:00Z", "2028-02-29"},
		{"the same day in a common year", "2027-03-01T12:00:00Z", "2027-02-28"},
		{"a leap day at its end", "2028-02-29T23:59:59Z", "2028-02-29"},
		{"a century that is no leap year", "2100-03-01T00:00:00Z", "2100-02-28"},
		{"new year", "2027-01-01T08:00:00Z", "2026-12-31"},
		{"a zone ahead, where it is tomorrow", "2026-11-23T05:00:00+09:00", "2026-11-21"},
		{"a zone behind, where it is yesterday", "2026-11-21T20:00:00-05:00", "2026-11-21"},
		{"the hour that summer time skips", "2026-03-29T03:30:00+02:00", "2026-03-28"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			until := at(t, tc.until)
			end := lastEnd(until)
			if got := endDate(end); got != tc.want || end.After(until) {
				t.Errorf("got %s (%v), want %s", got, end, tc.want)
			}
		})
	}
}

func TestEndFor(t *testing.T) {
	const day = 24 * time.Hour
	for _, tc := range []struct {
		name, now string
		lifetime  time.Duration
		want      string // "" is an error
	}{
		{"a day from noon ends today", "2026-11-22T12:00:00Z", day, "2026-11-22"},
		{"exactly to the end of today", "2026-11-22T12:00:00Z", 12*time.Hour - time.Second, "2026-11-22"},
		{"a second less does not reach it", "2026-11-22T12:00:00Z", 12*time.Hour - 2*time.Second, ""},
		{"an hour", "2026-11-22T12:00:00Z", time.Hour, ""},
		{"ninety days", "2026-11-22T12:00:00Z", 90 * day, "2027-02-19"},
		{"a year over a leap day", "2027-12-31T00:00:00Z", 366 * day, "2028-12-30"},
		{"in the last second of today", "2026-11-22T23:59:59.5Z", time.Hour, ""},
		{"a day from there", "2026-11-22T23:59:59.5Z", day, "2026-11-23"},
		{"a negative one", "2026-11-22T12:00:00Z", -day, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			now := at(t, tc.now)
			end, err := endFor(now, tc.lifetime)
			switch {
			case tc.want == "":
				if err == nil {
					t.Errorf("got %v, want an error", end)
				}
			case err != nil:
				t.Error(err)
			case endDate(end) != tc.want || end.Sub(now) > tc.lifetime:
				t.Errorf("got %v, want %s", end, tc.want)
			}
		})
	}
	if end, err := endFor(time.Now(), 0); err != nil || !end.IsZero() {
		t.Errorf("no lifetime: got %v, %v", end, err)
	}
}

func TestParseEnd(t *testing.T) {
	for text, want := range map[string]string{
		"2026-01-12":                "2026-01-12T23:59:59Z",
		"2028-02-29":                "2028-02-29T23:59:59Z",
		"2026-01-12T00:00:00Z":      "2026-01-12T23:59:59Z",
		"2026-01-12T23:59:59Z":      "2026-01-12T23:59:59Z",
		"2026-01-12T23:30:00-05:00": "2026-01-13T23:59:59Z",
		"2027-02-29":                "", "2026-1-12": "", "12.01.2026": "", " 2026-01-12": "", "soon": "", "": "",
	} {
		end, err := parseEnd(text)
		if (err != nil) != (want == "") || want != "" && !end.Equal(at(t, want)) {
			t.Errorf("%q: got %v, %v, want %q", text, end, err, want)
		}
	}
}

func FuzzLastEnd(f *testing.F) {
	f.Add(int64(1_830_000_000), int64(0), 3600)
	f.Add(int64(-62_135_596_800), int64(999_999_999), -43_200)
	f.Fuzz(func(t *testing.T, seconds, nanos int64, offset int) {
		if seconds < -60_000_000_000 || seconds > 250_000_000_000 || offset < -86_400 || offset > 86_400 {
			return // beyond the years that a date can be written for
		}
		until := time.Unix(seconds, nanos%1e9).In(time.FixedZone("", offset))
		end := lastEnd(until)
		if end.After(until) || !end.AddDate(0, 0, 1).After(until) {
			t.Fatalf("%v is not the last end of a day by %v", end, until)
		}
		if again, err := parseEnd(endDate(end)); err != nil || !again.Equal(end) {
			t.Fatalf("%v was written as %s and read as %v, %v", end, endDate(end), again, err)
		}
	})
}

func FuzzParseEnd(f *testing.F) {
	f.Add("2026-01-12")
	f.Add("2026-01-12T23:59:59+01:00")
	f.Fuzz(func(t *testing.T, text string) {
		end, err := parseEnd(text)
		if err == nil && !end.Equal(endOfDay(end)) {
			t.Fatalf("%q was read as %v, which is no end of a day", text, end)
		}
	})
}
