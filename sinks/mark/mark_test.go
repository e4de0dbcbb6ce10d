package mark

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rotatord/rotatord/rotator"
)

func delivery(version int, secret string) rotator.Delivery {
	return rotator.Delivery{
		Version: version, Rotation: "r" + secret, Fingerprint: "f" + secret, KeyID: "k" + secret,
		Secret: rotator.SecretString(secret),
	}
}

func found(version int, secret string) Found {
	m := Of(delivery(version, secret))
	return Found{Present: true, Mark: &m, Secret: rotator.SecretString(secret), Where: "there", Remove: "rm there"}
}

func with(f Found, change func(*Found)) Found {
	change(&f)
	return f
}

func TestDecide(t *testing.T) {
	foreign := func(f *Found) { f.Foreign = "it was changed" }
	gone := func(f *Found) { f.Present, f.Secret = false, rotator.Secret{} }
	unmarked := Found{Present: true, Foreign: "it has no mark", Where: "there", Remove: "rm there"}
	for _, test := range []struct {
		name  string
		found Found
		adopt bool
		want  Verdict
		why   string
	}{
		{"nothing there", Found{}, false, Write, ""},
		{"older of ours", found(2, "old"), false, Write, ""},
		{"the same", found(3, "new"), false, Keep, ""},
		{"the same secret, other marks", with(found(3, "new"), func(f *Found) { f.Mark.Rotation = "x" }), false, Write, ""},
		{"same version, other secret", found(3, "other"), false, Refuse, "another secret"},
		{"same version, other secret, adopting", found(3, "other"), true, Refuse, "another secret"},
		{"newer of ours", found(4, "next"), false, Refuse, "is older"},
		{"newer of ours, adopting", found(4, "next"), true, Refuse, "is older"},
		{"newer of ours, changed, adopting", with(found(4, "next"), foreign), true, Refuse, "is older"},
		{"newer of ours, deleted", with(found(4, "next"), gone), false, Refuse, "is older"},
		{"same of ours, deleted", with(found(3, "new"), gone), false, Write, ""},
		{"unmarked", unmarked, false, Refuse, "set adopt_existing"},
		{"unmarked, adopting", unmarked, true, Write, ""},
		{"changed", with(found(3, "new"), foreign), false, Refuse, "it was changed"},
		{"changed, adopting", with(found(3, "new"), foreign), true, Write, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := Decide("put", test.found, delivery(3, "new"), test.adopt)
			if got != test.want {
				t.Errorf("verdict %v, want %v (%v)", got, test.want, err)
			}
			if test.why == "" {
				if err != nil {
					t.Errorf("error %v", err)
				}
				return
			}
			if rotator.KindOf(err) != rotator.Conflict || !strings.Contains(err.Error(), test.why) || !strings.Contains(err.Error(), "rm there") {
				t.Errorf("error %v is no conflict that says %q and how to remove it", err, test.why)
			}
		})
	}
}

func TestObservation(t *testing.T) {
	f := found(3, "new")
	want := rotator.Observation{Present: true, Ours: true, Version: 3, Rotation: "rnew", Fingerprint: "fnew"}
	if diff := cmp.Diff(want, f.Observation(), cmpopts.IgnoreFields(rotator.Observation{}, "Secret")); diff != "" {
		t.Error(diff)
	}
	f.Foreign = "changed"
	if f.Observation().Ours {
		t.Error("a changed secret is called ours")
	}
	f.Present = false
	if got := f.Observation(); got.Present || got.Version != 0 || !got.Secret.Empty() {
		t.Errorf("nothing there is observed as %+v", got)
	}
}

func TestCheckRefusesAnEmptySecret(t *testing.T) {
	if err := Check("put", delivery(1, "")); rotator.KindOf(err) != rotator.Invalid {
		t.Errorf("error %v", err)
	}
	if err := Check("put", delivery(1, "x")); err != nil {
		t.Errorf("error %v", err)
	}
}
