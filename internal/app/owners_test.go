package app

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/engine"
	"github.com/rotatord/rotatord/rotator/journal"
)

func TestPoliciesAtAProvider(t *testing.T) {
	setup := &engine.Setup{Policies: []*rotator.Policy{
		{Name: "all"}, {Name: "cc", Match: rotator.Match{Providers: []string{"c*"}}}, {Name: "other", Match: rotator.Match{Providers: []string{"d1"}}},
	}}
	if diff := cmp.Diff([]string{"all", "cc"}, policiesAt(setup, "cc")); diff != "" {
		t.Error(diff)
	}
}

// self is a provider that says as whom the daemon signs in.
type self struct{ user string }

func (s self) Self(context.Context) (string, rotator.Secret, error) {
	return s.user, rotator.Secret{}, nil
}

func TestTheDaemonsOwnKeyEndsWithTheFirstOfItsUsers(t *testing.T) {
	s, err := journal.Open(t.Context(), filepath.Join(t.TempDir(), "rotatord.db"), journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	soon, later := time.Now().Add(time.Hour).Truncate(time.Second).UTC(), time.Now().Add(48*time.Hour)
	key := func(id, user, base string, expires time.Time, state rotator.KeyState) rotator.KeyRow {
		return rotator.KeyRow{Sum: 1, TrackedKey: rotator.TrackedKey{Provider: "d1", Base: base,
			Key: rotator.Key{ID: id, UserID: user, Name: base, Expires: expires, State: state}}}
	}
	err = s.Merge(t.Context(), "d1", nil, []rotator.KeyRow{
		key("1", "me", "first", soon, rotator.KeyActive), key("2", "me", "second", later, rotator.KeyActive),
		key("3", "me", "off", time.Now(), rotator.KeyDisabled), key("4", "other", "first", time.Now(), rotator.KeyActive),
		key("5", "me", "forever", time.Time{}, rotator.KeyActive),
	})
	if err != nil {
		t.Fatal(err)
	}
	a := &App{store: s}
	for user, want := range map[string]time.Time{"me": soon, "nobody": {}} {
		if got, err := a.ownEnd(t.Context(), "d1", self{user}); err != nil || !got.Equal(want) {
			t.Errorf("the key of %s ends at %s (%v), want %s", user, got, err, want)
		}
	}
}

// provider is one whose keys people make, or not.
type provider struct {
	rotator.Provider
	limits rotator.Limits
}

func (p provider) Limits() rotator.Limits { return p.limits }

func TestAProofIsDueAtTheEndOfTheNextWindowAndOfARotation(t *testing.T) {
	opens, err := rotator.ParseSchedule("0 10 * * *", "")
	if err != nil {
		t.Fatal(err)
	}
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	a := &App{began: noon}
	a.setup.Store(&engine.Setup{
		Accounts: []engine.Account{{Name: "cc", Provider: provider{}}, {Name: "ds", Provider: provider{limits: rotator.Limits{RemovedByHand: true}}}, {Name: "idle", Provider: provider{}}},
		Policies: []*rotator.Policy{
			{Name: "short", Grace: time.Hour, Idle: 2 * time.Hour, Soak: time.Hour},
			{Name: "long", Match: rotator.Match{Providers: []string{"cc"}}, Grace: 24 * time.Hour, Soak: time.Hour},
			{Name: "watched", Grace: 1000 * time.Hour, Observe: true},
		},
		Drills: []rotator.DrillSchedule{{Name: "daily", Match: rotator.Match{Providers: []string{"cc", "ds"}}, Window: rotator.Window{Opens: opens, For: 4 * time.Hour}, Limit: 1}},
	})
	tomorrow := time.Date(2026, 3, 2, 14, 0, 0, 0, time.UTC).Add(25 * time.Hour)
	for _, c := range []struct {
		provider   string
		last, want time.Time
	}{
		{"cc", time.Time{}, tomorrow},               // from the start on
		{"cc", noon.Add(-48 * time.Hour), tomorrow}, // what was before the start may have had another calendar
		{"cc", noon.Add(24 * time.Hour), tomorrow.Add(24 * time.Hour)},
		{"ds", time.Time{}, time.Time{}},
		{"idle", time.Time{}, time.Time{}},
		{"gone", time.Time{}, time.Time{}},
	} {
		if got := a.proofDue(c.provider, c.last); !got.Equal(c.want) {
			t.Errorf("%s after %s: due %s, want %s", c.provider, c.last, got, c.want)
		}
	}
}
