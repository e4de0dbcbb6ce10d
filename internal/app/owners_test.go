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
