package config

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/rotator"
)

func TestParseDuration(t *testing.T) {
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"0": 0, "0s": 0, "30s": 30 * time.Second, "15m": 15 * time.Minute, "72h": 72 * time.Hour,
		"30d": 30 * day, "2w": 14 * day, "1d12h": 36 * time.Hour, "1w1d1h1m1s": 8*day + time.Hour + time.Minute + time.Second,
	} {
		if got, err := ParseDuration(text); err != nil || got.Std() != want {
			t.Errorf("%s: %v, %v; want %v", text, got.Std(), err, want)
		}
	}
}

func TestTheEndsOfAMoment(t *testing.T) {
	for text, want := range map[string][3]string{
		"2026-12-31":                {"2026-12-31T00:00:00Z", "2027-01-01T00:00:00Z", "2026-12-31T23:59:59Z"},
		"2028-02-29":                {"2028-02-29T00:00:00Z", "2028-03-01T00:00:00Z", "2028-02-29T23:59:59Z"},
		"2026-12-31T18:00:00+01:00": {"2026-12-31T17:00:00Z", "2026-12-31T17:00:00Z", "2026-12-31T17:00:00Z"},
	} {
		var m Moment
		if err := m.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		for i, at := range []time.Time{m.Start(), m.End(), m.Last()} {
			if got := at.Format(time.RFC3339); got != want[i] {
				t.Errorf("%s: got %s, want %s", text, got, want[i])
			}
		}
	}
	for _, tt := range []struct{ moment, timeOfDay, want string }{
		{"2026-12-20", "18:00:00+01:00", "2026-12-20T17:00:00Z"}, {"2026-12-20", "00:30:00+02:00", "2026-12-19T22:30:00Z"},
		{"2026-12-20", "exact", "2026-12-20T23:59:59Z"}, {"2026-12-20T09:00:00Z", "18:00:00+01:00", "2026-12-20T09:00:00Z"},
	} {
		var m Moment
		if err := m.UnmarshalText([]byte(tt.moment)); err != nil {
			t.Fatal(err)
		}
		if got := m.LastAt(tt.timeOfDay).Format(time.RFC3339); got != tt.want {
			t.Errorf("%s at %s ends at %s, want %s", tt.moment, tt.timeOfDay, got, tt.want)
		}
	}
	if m := (Moment{}); !m.LastAt("18:00:00+01:00").IsZero() {
		t.Error("no moment has an end")
	}
	if m := (Moment{}); !m.Start().IsZero() || !m.End().IsZero() || !m.Last().IsZero() {
		t.Error("a moment that was left out is one")
	}
}

func TestParseDurationRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                      "is an empty duration",
		"30":                    `"30" has no unit`,
		"1d12":                  `"1d12" has no unit`,
		"30 days":               `"30 days" has the unknown unit " days"`,
		"5ms":                   `"5ms" has the unknown unit "ms"`,
		"1y":                    `"1y" has the unknown unit "y"`,
		"-1d":                   `"-1d" is not a duration`,
		"d":                     `"d" is not a duration`,
		"1.5h":                  `"1.5h" has the unknown unit "."`,
		"99999999999999999999d": `"99999999999999999999d" is longer than any duration can be`,
		"9999999w":              `"9999999w" is longer than any duration can be`,
		"15000w15000w":          `"15000w15000w" is longer than any duration can be`,
	} {
		_, err := ParseDuration(text)
		h, ok := errors.AsType[*hint](err)
		if !ok || h.what != want || h.instead == "" {
			t.Errorf("%q: %v; want %q and what to write instead", text, err, want)
		}
	}
}

func TestDurationPrintsWhatIsReadBack(t *testing.T) {
	for _, want := range []string{"0s", "45s", "1m", "36h", "90d", "1d12h", "8d1h1m1s"} {
		d, err := ParseDuration(want)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseDuration(d.String())
		if err != nil || again != d {
			t.Errorf("%s is printed as %s, which is read as %v, %v", want, d, again.Std(), err)
		}
	}
	if got := Duration(36 * time.Hour).String(); got != "1d12h" {
		t.Errorf("36h is printed as %s", got)
	}
	if got := Duration(math.MaxInt64).String(); !strings.HasPrefix(got, "106751d") {
		t.Errorf("the longest duration is printed as %s", got)
	}
}

func TestPercent(t *testing.T) {
	for text, want := range map[string]Percent{"0%": 0, "20%": 0.2, "12.5%": 0.125, "100%": 1} {
		var p Percent
		if err := p.UnmarshalText([]byte(text)); err != nil || p != want || p.String() != text {
			t.Errorf("%s: %v (%s), %v", text, float64(p), p, err)
		}
	}
	for _, text := range []string{"", "%", "20", "-1%", "101%", "NaN%", "Inf%", "a%"} {
		var p Percent
		if err := p.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is read as %v", text, p)
		}
	}
}

func TestFileMode(t *testing.T) {
	for text, want := range map[string]os.FileMode{"0640": 0o640, "640": 0o640, "0o640": 0o640, "0000": 0} {
		var m FileMode
		if err := m.UnmarshalText([]byte(text)); err != nil || m.Perm() != want {
			t.Errorf("%s: %v, %v", text, m, err)
		}
	}
	for _, text := range []string{"", "0", "64", "0680", "4755", "-640"} {
		var m FileMode
		if err := m.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is read as %v", text, m)
		}
	}
}

func TestNearest(t *testing.T) {
	words := []string{"renew_before", "max_age", "grace", "idle", "soak"}
	for word, want := range map[string]string{
		"renew-before": "renew_before", "maxage": "max_age", "gracee": "grace", "garce": "grace", "sok": "soak",
		"window": "", "": "", strings.Repeat("x", 200): "",
	} {
		if got, _ := nearest(word, words); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}

func TestResolve(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Setenv("ROTATORD_TEST_SECRET", "from-env\n")
	t.Setenv("ROTATORD_TEST_EMPTY", "")
	absent := filepath.Join(dir, "absent")
	for _, tc := range []struct {
		name string
		ref  SecretRef
		want string // of the error, if it begins with a dash
	}{
		{"inline", SecretRef{Value: rotator.SecretString("inline")}, "inline"},
		{"file", SecretRef{File: file("plain", "s")}, "s"},
		{"file with a newline", SecretRef{File: file("nl", "s\n")}, "s"},
		{"file with a Windows newline", SecretRef{File: file("crlf", "s\r\n")}, "s"},
		{"file with two newlines", SecretRef{File: file("nlnl", "s\n\n")}, "s\n"},
		{"file with spaces", SecretRef{File: file("sp", " s ")}, " s "},
		{"env", SecretRef{Env: "ROTATORD_TEST_SECRET"}, "from-env"},
		{"empty file", SecretRef{File: file("empty", "\n")}, "-the secret in file " + filepath.Join(dir, "empty") + " is empty"},
		{"absent file", SecretRef{File: absent}, "-read secret: open " + absent + ": no such file or directory"},
		{"a folder", SecretRef{File: dir}, "-read secret: read " + dir + ": is a directory"},
		{"a file that is no secret", SecretRef{File: file("big", strings.Repeat("x", maxSecret+1))},
			"-read secret: " + filepath.Join(dir, "big") + " holds more than 65536 bytes, which is no secret"},
		{"empty env", SecretRef{Env: "ROTATORD_TEST_EMPTY"}, "-the secret in environment variable ROTATORD_TEST_EMPTY is empty"},
		{"absent env", SecretRef{Env: "ROTATORD_TEST_ABSENT"},
			"-environment variable ROTATORD_TEST_ABSENT is not set, and a secret is expected there"},
		{"nothing", SecretRef{}, "-the secret in nowhere is empty"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			secret, err := tc.ref.Resolve()
			got := string(secret.Reveal())
			if err != nil {
				got = "-" + err.Error()
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestResolveReadsAReplacedFile(t *testing.T) {
	ref := SecretRef{File: filepath.Join(t.TempDir(), "key")}
	for _, want := range []string{"first", "second"} {
		if err := os.WriteFile(ref.File, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := ref.Resolve(); err != nil || string(got.Reveal()) != want {
			t.Errorf("got %q, %v; want %q", got.Reveal(), err, want)
		}
	}
}

func TestResolveGivesACopyThatCanBeWiped(t *testing.T) {
	ref := SecretRef{Value: rotator.SecretString("inline")}
	first, err := ref.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	first.Wipe()
	if second, _ := ref.Resolve(); string(second.Reveal()) != "inline" {
		t.Errorf("wiping what was resolved changed the configuration to %q", second.Reveal())
	}
}

func TestSecretRefPrintsNoSecret(t *testing.T) {
	ref := SecretRef{Value: rotator.SecretString("S3cr3t")}
	printed := fmt.Sprintf("%v %+v %#v %s %q", ref, ref, ref, ref, ref)
	if strings.Contains(printed, "S3cr3t") {
		t.Errorf("printed: %s", printed)
	}
}
