package rotator

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var reportNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// sound is a key that nothing is to be said against.
func sound() KeyFacts {
	return KeyFacts{
		Key: TrackedKey{Provider: "p", Base: "ci", Version: 1, Policy: "monthly",
			Key:      Key{ID: "k1", UserID: "u1", Name: "ci-r0001", State: KeyActive, Created: reportNow.Add(-10 * dayLong), LastUsed: reportNow.Add(-time.Hour)},
			Deadline: reportNow.Add(50 * dayLong), Due: reportNow.Add(20 * dayLong), LookAt: reportNow.Add(20 * dayLong)},
		User: ServiceUser{ID: "u1", Name: "ci-build", Active: true}, UserListed: true,
		Settings: KeySettings{ReportsLastUse: true},
	}
}

func due(f *KeyFacts, ago time.Duration) { f.Key.Due = reportNow.Add(-ago) }

func blocked(f *KeyFacts, retires ...string) {
	f.Open = &RotationNote{ID: "r1", Stage: StageGrace, Blocked: BlockOldKeyInUse, Why: "used yesterday", Retires: retires}
}

func TestClassify(t *testing.T) {
	past, soon := reportNow.Add(-time.Hour), reportNow.Add(time.Hour)
	hold := &Hold{By: "ada", Until: soon, Reason: "release"}
	newer := KeyRef{ID: "k7", Name: "ci-r0007"}
	tests := []struct {
		name   string
		change func(*KeyFacts)
		class  Class
		want   []string // kind: a part of why
	}{
		{"sound", func(*KeyFacts) {}, ClassManaged, nil},

		{"missing", func(f *KeyFacts) { f.Key.MissingSince = past }, ClassGone, nil},
		{"revoked", func(f *KeyFacts) { f.Key.State = KeyRevoked }, ClassGone, nil},
		{"missing and expired", func(f *KeyFacts) { f.Key.MissingSince, f.Key.Expires = past, past }, ClassGone, nil},
		{"expired this instant", func(f *KeyFacts) { f.Key.Expires = reportNow }, ClassExpired, nil},
		{"expires in an instant", func(f *KeyFacts) { f.Key.Expires = reportNow.Add(1) }, ClassManaged, nil},
		{"expired and disabled", func(f *KeyFacts) { f.Key.Expires, f.Key.State = past, KeyDisabled }, ClassExpired, nil},
		{"disabled", func(f *KeyFacts) { f.Key.State = KeyDisabled }, ClassInactive, nil},
		{"of a state nobody knows", func(f *KeyFacts) { f.Key.State = KeyOther }, ClassInactive, nil},
		{"orphan", func(f *KeyFacts) { f.Orphan, f.Key.LastUsed, f.Key.Created = true, time.Time{}, past }, ClassOrphaned, nil},
		{"orphan that somebody used", func(f *KeyFacts) { f.Orphan = true }, ClassManaged, nil},
		{"orphan without a policy", func(f *KeyFacts) {
			f.Orphan, f.Key.Policy, f.Key.LastUsed, f.Key.Created = true, "", time.Time{}, past
		}, ClassOrphaned, nil},
		{"unmanaged", func(f *KeyFacts) { f.Key.Policy = "" }, ClassUnmanaged, nil},
		{"unmanaged and held", func(f *KeyFacts) { f.Key.Policy, f.Hold = "", hold }, ClassUnmanaged, nil},
		{"held", func(f *KeyFacts) { f.Hold = hold }, ClassHeld, nil},
		{"a hold that is over", func(f *KeyFacts) { f.Hold = &Hold{Until: reportNow} }, ClassManaged, nil},

		{"no expiry", func(f *KeyFacts) { f.Key.Deadline, f.Key.Due = time.Time{}, time.Time{} }, ClassManaged, []string{"no_expiry: set max_age"}},
		{"no expiry, unmanaged", func(f *KeyFacts) { f.Key.Deadline, f.Key.Policy = time.Time{}, "" }, ClassUnmanaged, []string{"no_expiry: no policy selects it"}},
		{"an expiry without a policy", func(f *KeyFacts) { f.Key.Deadline, f.Key.Policy, f.Key.Expires = time.Time{}, "", soon }, ClassUnmanaged, nil},
		{"no expiry, disabled", func(f *KeyFacts) { f.Key.Deadline, f.Key.State = time.Time{}, KeyDisabled }, ClassInactive, nil},

		{"too old", func(f *KeyFacts) { f.Key.Deadline = reportNow.Add(-3 * dayLong) }, ClassManaged, []string{"too_old: by policy monthly it had to be gone by 2026-02-26 12:00 UTC, 3 days ago"}},
		{"too old this instant", func(f *KeyFacts) { f.Key.Deadline = reportNow }, ClassManaged, []string{"too_old: less than a day ago"}},
		{"expired, not too old", func(f *KeyFacts) { f.Key.Deadline, f.Key.Expires = past, past }, ClassExpired, nil},

		{"unused", func(f *KeyFacts) { f.Key.LastUsed = reportNow.Add(-90 * dayLong) }, ClassManaged, []string{"unused: 90 days ago"}},
		{"nearly unused", func(f *KeyFacts) { f.Key.LastUsed = reportNow.Add(-90*dayLong + 1) }, ClassManaged, nil},
		{"unused where use is not reported", func(f *KeyFacts) {
			f.Key.LastUsed, f.Settings.ReportsLastUse = reportNow.Add(-400*dayLong), false
		}, ClassManaged, nil},
		{"never used", func(f *KeyFacts) { f.Key.LastUsed = time.Time{} }, ClassManaged, []string{"never_used: in the 10 days since it was made"}},
		{"never used, new", func(f *KeyFacts) { f.Key.LastUsed, f.Key.Created = time.Time{}, past }, ClassManaged, nil},
		{"never used, a day old", func(f *KeyFacts) { f.Key.LastUsed, f.Key.Created = time.Time{}, reportNow.Add(-dayLong) }, ClassManaged, []string{"never_used: in the 1 day"}},
		{"never used, of an unknown age", func(f *KeyFacts) { f.Key.LastUsed, f.Key.Created = time.Time{}, time.Time{} }, ClassManaged, []string{"never_used: it was never used"}},
		{"never used where use is not reported", func(f *KeyFacts) { f.Key.LastUsed, f.Settings.ReportsLastUse = time.Time{}, false }, ClassManaged, nil},

		{"inactive user", func(f *KeyFacts) { f.User.Active = false }, ClassManaged, []string{"inactive_user: cannot sign in"}},
		{"unknown user", func(f *KeyFacts) { f.User, f.UserListed = ServiceUser{ID: "u1"}, false }, ClassManaged, []string{"unknown_user: did not show user u1"}},
		{"expired key of an inactive user", func(f *KeyFacts) { f.User.Active, f.Key.Expires = false, past }, ClassExpired, nil},

		{"superseded", func(f *KeyFacts) { f.Newer = newer }, ClassManaged, []string{"superseded: key ci-r0007 (id k7) has taken its place, and no rotation removes this one"}},
		{"superseded, and about to be removed", func(f *KeyFacts) {
			f.Newer, f.Open = newer, &RotationNote{ID: "r1", Stage: StageGrace, Retires: []string{"k0", "k1"}}
		}, ClassManaged, nil},
		{"superseded, and forgotten by the rotation of its successor", func(f *KeyFacts) {
			f.Newer, f.Open = newer, &RotationNote{ID: "r1", Stage: StageGrace, Retires: []string{"k7"}}
		}, ClassManaged, []string{"superseded: k7"}},
		{"superseded, and held", func(f *KeyFacts) { f.Newer, f.Hold = newer, hold }, ClassHeld, []string{"superseded: k7"}},
		{"superseded, and unmanaged", func(f *KeyFacts) { f.Newer, f.Key.Policy = newer, "" }, ClassUnmanaged, nil},
		{"superseded, and disabled", func(f *KeyFacts) { f.Newer, f.Key.State = newer, KeyDisabled }, ClassInactive, nil},
		{"superseded, and due for long", func(f *KeyFacts) {
			due(f, 2*time.Hour)
			f.Newer = newer
		}, ClassManaged, []string{"superseded: k7", "not_moving: no rotation has started: key ci-r0007 has taken its place"}},

		{"observed", func(f *KeyFacts) { f.Settings.Observed = true }, ClassManaged, []string{"observe_only: policy monthly only observes"}},
		{"unmanaged is not observed", func(f *KeyFacts) { f.Settings.Observed, f.Key.Policy = true, "" }, ClassUnmanaged, nil},
		{"observed and due", func(f *KeyFacts) {
			due(f, time.Minute)
			f.Key.Waiting, f.Key.WaitingWhy = BlockObserveOnly, "the policy observes"
		}, ClassManaged, []string{"observe_only: only observes", "not_moving: it is due and waits (observe_only): the policy observes"}},

		{"due and held", func(f *KeyFacts) {
			due(f, time.Minute)
			f.Hold, f.Key.Waiting, f.Key.WaitingWhy = hold, BlockHeld, "held by ada"
		}, ClassHeld, []string{"not_moving: waits (held): held by ada"}},
		{"due and just so", func(f *KeyFacts) { due(f, time.Minute) }, ClassManaged, nil},
		{"due for long, and forgotten", func(f *KeyFacts) {
			due(f, 2*time.Hour)
			f.Key.LookAt = time.Time{}
		}, ClassManaged, []string{"not_moving: due since 2026-03-01 10:00 UTC and no rotation has started: nothing will look at it"}},
		{"due for long, and looked at again", func(f *KeyFacts) { due(f, 2*time.Hour) }, ClassManaged, []string{"not_moving: it is looked at again at 2026-03-21"}},
		{"due for long, of an inactive user", func(f *KeyFacts) {
			due(f, 2*time.Hour)
			f.User.Active = false
		}, ClassManaged, []string{"inactive_user: ", "not_moving: cannot sign in"}},
		{"due for long, of an unknown user", func(f *KeyFacts) {
			due(f, 2*time.Hour)
			f.UserListed = false
		}, ClassManaged, []string{"unknown_user: ", "not_moving: not listed"}},
		{"due for long, after a rotation was abandoned", func(f *KeyFacts) {
			due(f, 2*time.Hour)
			f.Last = &RotationNote{ID: "r0", Stage: StageAbandoned, Why: "refused"}
		}, ClassManaged, []string{"not_moving: the last one, r0, was abandoned: refused"}},
		{"due, expired and waiting", func(f *KeyFacts) {
			due(f, 2*time.Hour)
			f.Key.Expires, f.Key.Waiting, f.Key.WaitingWhy = past, BlockFrozen, "year end"
		}, ClassExpired, []string{"not_moving: waits (frozen): year end"}},
		{"due and gone", func(f *KeyFacts) {
			due(f, 2*time.Hour)
			f.Key.MissingSince, f.Key.Waiting = past, BlockFrozen
		}, ClassGone, nil},
		{"its rotation moves", func(f *KeyFacts) {
			due(f, 2*time.Hour)
			f.Open = &RotationNote{ID: "r1", Stage: StageDelivering, Retires: []string{"k1"}}
		}, ClassManaged, nil},
		{"its rotation is blocked", func(f *KeyFacts) { blocked(f, "k1") }, ClassManaged, []string{"not_moving: its rotation r1 is blocked in grace (old_key_in_use): used yesterday"}},
		{"its rotation is blocked, and it is switched off", func(f *KeyFacts) {
			blocked(f, "k0", "k1")
			f.Key.State = KeyDisabled
		}, ClassInactive, []string{"not_moving: blocked"}},
		{"it is the new key of a blocked rotation", func(f *KeyFacts) { blocked(f, "k0") }, ClassManaged, nil},
		{"it is a first key, of a blocked rotation", func(f *KeyFacts) { blocked(f) }, ClassManaged, []string{"not_moving: blocked"}},

		{"everything at once, in order", func(f *KeyFacts) {
			f.Key.LastUsed, f.User.Active, f.Settings.Observed = reportNow.Add(-100*dayLong), false, true
			f.Key.Deadline = past
			f.Newer = newer
			due(f, 2*time.Hour)
		}, ClassManaged, []string{"too_old: ", "unused: ", "inactive_user: ", "superseded: ", "observe_only: ", "not_moving: "}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := sound()
			tt.change(&f)
			class, found := Classify(f, reportNow, ReportLimits{})
			if class != tt.class {
				t.Errorf("class %s, want %s", class, tt.class)
			}
			if len(found) != len(tt.want) {
				t.Fatalf("got %+v, want %q", found, tt.want)
			}
			for i, want := range tt.want {
				kind, why, _ := strings.Cut(want, ": ")
				if string(found[i].Kind) != kind || !strings.Contains(found[i].Why, why) {
					t.Errorf("got %+v, want %s", found[i], want)
				}
			}
		})
	}
}

func TestUnusedHasAThreshold(t *testing.T) {
	f := sound()
	f.Key.LastUsed = reportNow.Add(-10 * dayLong)
	for threshold, want := range map[time.Duration]int{0: 0, 10 * dayLong: 1, 10*dayLong + 1: 0, -time.Hour: 0} {
		if _, found := Classify(f, reportNow, ReportLimits{UnusedFor: threshold}); len(found) != want {
			t.Errorf("threshold %s: got %+v, want %d findings", threshold, found, want)
		}
	}
}

// TestClassifyIsTotal holds that every key is of exactly one class that is listed, that every finding is one that is listed
// and says why, and that the answer is the same when it is asked for again.
func TestClassifyIsTotal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, limits := anyFacts(t), ReportLimits{UnusedFor: time.Duration(rapid.Int64().Draw(t, "unused_for"))}
		class, found := Classify(f, reportNow, limits)
		if !slices.Contains(Classes(), class) {
			t.Fatalf("class %q is not listed", class)
		}
		next := 0
		for _, one := range found {
			i := slices.Index(Findings(), one.Kind)
			if i < next || one.Why == "" {
				t.Fatalf("%+v is not listed, out of order, said twice, or has no reason", found)
			}
			if !class.Works() && one.Kind != FindingNotMoving {
				t.Fatalf("%s is said of a key that does not work (%s)", one.Kind, class)
			}
			next = i + 1
		}
		again, same := Classify(f, reportNow, limits)
		if again != class || cmp.Diff(found, same) != "" {
			t.Fatalf("first %s %+v, then %s %+v", class, found, again, same)
		}
		if q := (KeyQuery{Classes: []Class{class}}); !q.Wants(&f, reportNow) {
			t.Fatalf("a query for %s does not want it", class)
		}
	})
}

func anyFacts(t *rapid.T) KeyFacts {
	when := func(name string) time.Time {
		if rapid.Bool().Draw(t, name+" is set") {
			return reportNow.Add(time.Duration(rapid.Int64Range(-int64(400*dayLong), int64(400*dayLong)).Draw(t, name)))
		}
		return time.Time{}
	}
	flag := func(name string) bool { return rapid.Bool().Draw(t, name) }
	f := KeyFacts{Orphan: flag("orphan"), UserListed: flag("listed"), User: ServiceUser{ID: "u1", Active: flag("active")},
		Settings: KeySettings{ReportsLastUse: flag("reports use"), Observed: flag("observed")}}
	f.Key = TrackedKey{Deadline: when("deadline"), Due: when("due"), LookAt: when("look at"), MissingSince: when("missing since"),
		Policy:  rapid.SampledFrom([]string{"", "monthly"}).Draw(t, "policy"),
		Waiting: rapid.SampledFrom(append(BlockReasons(), "")).Draw(t, "waiting"),
		Key: Key{ID: "k1", UserID: "u1", Created: when("created"), Expires: when("expires"), LastUsed: when("last used"),
			State: rapid.SampledFrom([]KeyState{KeyActive, KeyDisabled, KeyRevoked, KeyOther, "new"}).Draw(t, "state")}}
	if flag("held") {
		f.Hold = &Hold{Until: when("until")}
	}
	if flag("superseded") {
		f.Newer = KeyRef{ID: "k7", Name: "ci-r0007"}
	}
	if flag("rotating") {
		f.Open = &RotationNote{ID: "r1", Stage: rapid.SampledFrom(Stages()).Draw(t, "stage"), Retires: rapid.SampledFrom([][]string{nil, {"k1"}, {"k0"}}).Draw(t, "retires"),
			Blocked: rapid.SampledFrom(append(BlockReasons(), "")).Draw(t, "blocked")}
	}
	if flag("rotated") {
		f.Last = &RotationNote{ID: "r0", Stage: rapid.SampledFrom([]Stage{StageDone, StageAbandoned}).Draw(t, "last")}
	}
	return f
}
