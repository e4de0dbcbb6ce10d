package rotator

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

var reported = time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)

func inventoried(user, base, id string, change func(*KeyFacts)) *KeyFacts {
	f := &KeyFacts{User: ServiceUser{ID: user, Name: "name-" + user}, Key: TrackedKey{Provider: "cc", Base: base, Policy: "ci",
		Key: Key{ID: id, UserID: user, Name: base, State: KeyActive, Created: reported.Add(-time.Hour)}}}
	if change != nil {
		change(f)
	}
	return f
}

// TestNothingIsLeftOutUnseen: what a pattern nearly caught is as dangerous as what it caught, if it was meant.
func TestNothingIsLeftOutUnseen(t *testing.T) {
	chosen := CredentialID{Provider: "cc", UserID: "ci-build", Base: "deploy"}
	for name, tt := range map[string]struct {
		fact *KeyFacts
		why  LeftOut
	}{
		"unmanaged":           {inventoried("ci-old", "deploy", "1", func(f *KeyFacts) { f.Key.Policy = "" }), LeftOutUnmanaged},
		"switched off":        {inventoried("ci-off", "deploy", "1", func(f *KeyFacts) { f.Key.State = KeyDisabled }), LeftOutInactive},
		"in an unknown state": {inventoried("ci-off", "deploy", "1", func(f *KeyFacts) { f.Key.State = KeyOther }), LeftOutInactive},
		"not listed":          {inventoried("ci-off", "deploy", "1", func(f *KeyFacts) { f.Key.MissingSince = reported }), LeftOutInactive},
		"of the same user":    {inventoried("ci-build", "upload", "1", nil), LeftOutSameUser},
		"in capitals":         {inventoried("CI-Shop", "Deploy", "1", nil), LeftOutSimilar},
		"with a longer name":  {inventoried("ci-shop", "deploy-2", "1", nil), LeftOutSimilar},
		"of another provider": {inventoried("ci-shop", "deploy", "1", func(f *KeyFacts) { f.Key.Provider = "cc-eu" }), LeftOutSimilar},
		"something else":      {inventoried("shop", "deploy", "1", nil), ""},
		"something unlisted":  {inventoried("ci-build", "upload", "1", func(f *KeyFacts) { f.Key.MissingSince = reported }), ""},
		"revoked":             {inventoried("ci-old", "deploy", "1", func(f *KeyFacts) { f.Key.State = KeyRevoked }), ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := NewIncident(Incident{ID: "i", At: reported, Provider: "cc", User: "ci-*", Base: "deploy"}, []CredentialID{chosen})
			s.Consider(inventoried("ci-build", "deploy", "old", nil))
			s.Consider(inventoried("ci-build", "deploy", "new", nil))
			s.Consider(inventoried("ci-build", "deploy", "gone", func(f *KeyFacts) { f.Key.State = KeyRevoked }))
			s.Consider(tt.fact)
			i := s.Incident()
			if len(i.Credentials) != 1 || len(i.Credentials[0].Keys) != 2 || i.Credentials[0].ServiceUser != "name-ci-build" {
				t.Errorf("the credentials: %+v", i.Credentials)
			}
			var why LeftOut
			if len(i.LeftOut) > 0 {
				why = i.LeftOut[0].Why
			}
			if why != tt.why || len(i.LeftOut) > 1 {
				t.Errorf("left out: %+v, want %q", i.LeftOut, tt.why)
			}
		})
	}
}

func TestWhatIsLeftOutIsCountedBeyondABound(t *testing.T) {
	s := NewIncident(Incident{Provider: "cc", User: "*", Base: "*"}, nil)
	for n := range maxLeftOut + 7 {
		s.Consider(inventoried(fmt.Sprint(n), "deploy", fmt.Sprint(n), func(f *KeyFacts) { f.Key.Policy = "" }))
	}
	if i := s.Incident(); len(i.LeftOut) != maxLeftOut || i.MoreLeftOut != 7 {
		t.Errorf("%d listed and %d more", len(i.LeftOut), i.MoreLeftOut)
	}
}

func TestStandingOf(t *testing.T) {
	old, older := KeyRef{ID: "old", Name: "deploy-r0001"}, KeyRef{ID: "older", Name: "deploy"}
	id := CredentialID{Provider: "cc", UserID: "7", Base: "deploy"}
	tracked := func(ref KeyRef, s KeyState) TrackedKey {
		return TrackedKey{Provider: "cc", Base: "deploy", Key: Key{ID: ref.ID, Name: ref.Name, UserID: "7", State: s}}
	}
	rotation := func(stage Stage, change func(*Rotation)) []Rotation {
		r := Rotation{ID: "r", CredentialID: id, Reason: ReasonCompromised, Stage: stage, StageAt: reported.Add(time.Minute), OldKey: old}
		if change != nil {
			change(&r)
		}
		return []Rotation{r}
	}
	both := []TrackedKey{tracked(old, KeyActive), tracked(older, KeyActive)}
	current := KeyRef{ID: "new", Name: "deploy-r0002"}
	handedOut := func(suspect KeyRef) func(r *Rotation) {
		return func(r *Rotation) { r.NewKey, r.Discarded, r.Suspect = current, []KeyRef{older}, suspect }
	}
	followed := func(stage Stage) []Rotation {
		r := Rotation{ID: "r2", CredentialID: id, Reason: ReasonCompromised, Stage: stage, StageAt: reported.Add(time.Hour), OldKey: current, NewKey: KeyRef{ID: "newer"}}
		return append([]Rotation{r}, rotation(StageDone, handedOut(current))...)
	}
	for name, tt := range map[string]struct {
		refused   string
		rotations []Rotation
		series    []TrackedKey
		want      LeakStanding
		says      string
	}{
		"done by a key that was out already":           {"", rotation(StageDone, handedOut(current)), append(both, tracked(current, KeyActive)), LeakKeysLeft, "1 of the keys"},
		"done by one that was out and not listed":      {"", rotation(StageDone, handedOut(current)), both, LeakKeysLeft, "1 of the keys"},
		"done by one that was out and is revoked":      {"", rotation(StageDone, handedOut(current)), append(both, tracked(current, KeyRevoked)), LeakConfirmed, ""},
		"done by one that was handed out after it all": {"", rotation(StageDone, handedOut(KeyRef{})), append(both, tracked(current, KeyActive)), LeakConfirmed, ""},
		"under way by one that was out":                {"", rotation(StageRevoking, handedOut(current)), append(both, tracked(current, KeyActive)), LeakMoving, "replaced next"},
		"followed by another that is under way":        {"", followed(StageTesting), append(both, tracked(current, KeyActive)), LeakMoving, ""},
		"followed by another that is done":             {"", followed(StageDone), append(both, tracked(current, KeyActive)), LeakConfirmed, ""},
		"followed by another that came to nothing":     {"", followed(StageAbandoned), append(both, tracked(current, KeyActive)), LeakNotRotated, "abandoned"},
		"refused":              {"held by bob", nil, both, LeakNotRotated, "held by bob"},
		"forgotten":            {"", nil, both, LeakNotRotated, "no rotation of it was planned"},
		"of another reason":    {"", rotation(StageGrace, func(r *Rotation) { r.Reason = ReasonMaxAge }), both, LeakNotRotated, "no rotation"},
		"from before":          {"", rotation(StageDone, func(r *Rotation) { r.StageAt = reported.Add(-time.Hour) }), both, LeakNotRotated, "no rotation"},
		"under way":            {"", rotation(StageDelivering, nil), both, LeakMoving, ""},
		"hastened":             {"", rotation(StageDelivering, func(r *Rotation) { r.StageAt = reported.Add(-time.Hour) }), both, LeakMoving, ""},
		"blocked":              {"", rotation(StageRevoking, func(r *Rotation) { r.Blocked, r.Trouble = BlockHeld, "held by bob" }), both, LeakBlocked, "held by bob"},
		"abandoned":            {"", rotation(StageAbandoned, func(r *Rotation) { r.Why = "the key is of no use" }), both, LeakNotRotated, "of no use"},
		"done":                 {"", rotation(StageDone, nil), []TrackedKey{tracked(old, KeyActive), tracked(older, KeyRevoked)}, LeakConfirmed, ""},
		"done, and gone":       {"", rotation(StageDone, nil), nil, LeakConfirmed, ""},
		"done, and both":       {"", rotation(StageDone, func(r *Rotation) { r.Discarded = []KeyRef{older} }), both, LeakConfirmed, ""},
		"done, but not of all": {"", rotation(StageDone, nil), both, LeakKeysLeft, "1 of the keys"},
		"in a state unknown":   {"", rotation(StageDone, nil), []TrackedKey{tracked(older, KeyOther)}, LeakKeysLeft, "1 of the keys"},
	} {
		t.Run(name, func(t *testing.T) {
			c := IncidentCredential{CredentialID: id, Refused: tt.refused, Keys: []IncidentKey{{CredentialID: id, Key: old}, {CredentialID: id, Key: older}}}
			s := StandingOf(c, reported, tt.rotations, tt.series)
			if s.Standing != tt.want || !strings.Contains(s.Why, tt.says) || (s.Do == "") != (tt.want == LeakConfirmed || tt.want == LeakMoving) {
				t.Errorf("got %s: %q (do: %q), want %s: %q", s.Standing, s.Why, s.Do, tt.want, tt.says)
			}
			if strings.HasPrefix(name, "followed") {
				for n, ref := range []KeyRef{old, older, current} {
					works := ref == current && tt.want != LeakConfirmed
					if s.Old[n].Key != ref || s.Old[n].Works != works {
						t.Errorf("key %s is said to work: %v, want %v (%s)", s.Old[n].Key.Name, s.Old[n].Works, works, s.Old[n].State)
					}
				}
			}
			if out := strings.HasPrefix(name, "done by"); out && tt.want == LeakKeysLeft != strings.HasPrefix(s.Do, "do not revoke key deploy-r0002 by hand") {
				t.Errorf("what to do: %q", s.Do)
			}
		})
	}
}

func TestTimelineIsInOrder(t *testing.T) {
	id := CredentialID{Provider: "cc", UserID: "7", Base: "deploy"}
	i := Incident{At: reported, By: "ann", Provider: "cc", User: "7", Base: "*", Note: "a laptop was stolen"}
	key := IncidentKey{CredentialID: id, Key: KeyRef{ID: "old", Name: "deploy"}, Created: reported.Add(-time.Hour), LastUsed: reported.Add(-time.Minute)}
	standing := []CredentialStanding{
		{IncidentCredential: IncidentCredential{CredentialID: id}, Rotation: &Rotation{ID: "r"}, Rotations: []Rotation{{ID: "r"}}, Old: []KeyStanding{{IncidentKey: key}}},
		{IncidentCredential: IncidentCredential{CredentialID: id, Refused: "held by bob"}},
	}
	lines := i.Timeline(standing, map[string][]Entry{"r": {{Rotation: "r", At: reported.Add(time.Second), To: StagePlanned, Note: "planned"},
		{Rotation: "r", At: reported.Add(time.Minute), To: StageDone, Note: "revoked"}}})
	var got []string
	for _, h := range lines {
		got = append(got, h.What)
	}
	want := []string{"key deploy (id old) was made", "key deploy (id old) was used", "ann said that cc/7/* leaked: a laptop was stolen", "no rotation was planned: held by bob", "planned", "revoked"}
	if len(got) != len(want) {
		t.Fatalf("got %q", got)
	}
	for n := range want {
		if !strings.HasPrefix(got[n], want[n]) {
			t.Errorf("line %d is %q, want %q", n, got[n], want[n])
		}
	}
}
