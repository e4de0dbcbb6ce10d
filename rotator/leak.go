package rotator

import (
	"fmt"
	"slices"
	"time"
)

// LeakStanding says how far a credential that leaked is out of danger. The list is closed.
type LeakStanding string

// The standings.
const (
	// LeakConfirmed: every sink holds the new key, and the provider refuses every key that there was.
	LeakConfirmed LeakStanding = "confirmed"
	// LeakMoving: its rotation goes on by itself.
	LeakMoving LeakStanding = "under_way"
	// LeakBlocked: its rotation waits for a person.
	LeakBlocked LeakStanding = "blocked"
	// LeakNotRotated: no rotation was planned, or it came to nothing.
	LeakNotRotated LeakStanding = "not_rotated"
	// LeakKeysLeft: its rotation is over, and the provider still accepts a key that there was.
	LeakKeysLeft LeakStanding = "keys_left"
)

// LeakStandings lists every standing.
func LeakStandings() []LeakStanding {
	return []LeakStanding{LeakConfirmed, LeakMoving, LeakBlocked, LeakNotRotated, LeakKeysLeft}
}

// CredentialStanding is how a credential that leaked stands now.
type CredentialStanding struct {
	IncidentCredential
	Standing LeakStanding
	// Rotation replaces its key; nil if there is none.
	Rotation *Rotation
	// Rotations are all that are about the leak, Rotation first and then the latest. There is more than one where a new key was out when
	// the leak was reported, or a rotation came to nothing.
	Rotations []Rotation
	// Old are its keys that there were, as they stand now.
	Old []KeyStanding
	// Why says what is in the way, Do what to do about it; empty if nothing is.
	Why, Do string
}

// KeyStanding is an old key as it stands now.
type KeyStanding struct {
	IncidentKey
	// Works is true while the provider accepts it, as far as anybody knows.
	Works bool
	// State is in words.
	State string
}

// StandingOf says how c stands, given its rotations, of which the open one comes first and then the latest, and its keys as the
// inventory has them. at is when the leak was reported. It is pure.
func StandingOf(c IncidentCredential, at time.Time, rotations []Rotation, series []TrackedKey) CredentialStanding {
	s := CredentialStanding{IncidentCredential: c, Rotations: replacing(at, rotations)}
	if len(s.Rotations) > 0 {
		s.Rotation = &s.Rotations[0]
	}
	s.Keys = withSuspects(c, s.Rotations)
	works := 0
	for _, k := range s.Keys {
		stands := keyStanding(k, s.Rotations, series)
		if stands.Works {
			works++
		}
		s.Old = append(s.Old, stands)
	}
	r := s.Rotation
	rotate := "rotatord rotate --compromised " + c.String()
	switch {
	case r == nil && c.Refused != "":
		s.Standing, s.Why, s.Do = LeakNotRotated, c.Refused, "clear that, and then: "+rotate
	case r == nil:
		s.Standing, s.Why, s.Do = LeakNotRotated, "no rotation of it was planned", "ask for one: "+rotate
	case r.Stage == StageAbandoned:
		s.Standing, s.Why, s.Do = LeakNotRotated, "its rotation was abandoned: "+r.Why, "ask for another: "+rotate
	case r.Stage == StageDone && works > 0:
		s.Standing, s.Why = LeakKeysLeft, fmt.Sprintf("its key was replaced, and %d of the keys that there were may still be accepted", works)
		s.Do = keysLeft(s.Old, r, rotate)
	case r.Stage == StageDone:
		s.Standing = LeakConfirmed
	case r.Blocked != "":
		s.Standing, s.Why, s.Do = LeakBlocked, string(r.Blocked)+": "+r.Trouble, "see what it waits for: rotatord status"
	default:
		s.Standing, s.Why = LeakMoving, r.Trouble
		if s.Why == "" && r.SuspectNew() {
			s.Why = "its new key " + r.NewKey.Name + " was out when the leak was reported, so that one is replaced next"
		}
	}
	return s
}

// handedOut reports whether a consumer may have the new key.
func (r *Rotation) handedOut() bool {
	switch r.Stage {
	case StageDelivering, StageConfirmed, StageGrace, StageDeactivating, StageSoaking, StageReactivating, StageRevoking:
		return true
	default:
		return false
	}
}

// SuspectNew reports whether the new key may have leaked. One that was made after the leak was reported has not.
func (r *Rotation) SuspectNew() bool { return r.Suspect.Name != "" && r.Suspect == r.NewKey }

// FollowLeak is the rotation that replaces the new key of r, which is done, by the policy. The sinks are left to the caller.
func (r *Rotation) FollowLeak(p *Policy) Rotation {
	deadline, _ := p.Deadline(Key{ID: r.NewKey.ID, Name: r.NewKey.Name, UserID: r.UserID, Created: r.PlannedAt, Expires: r.NewKeyExpires})
	return Rotation{
		CredentialID: r.CredentialID, ServiceUser: r.ServiceUser, Contact: r.Contact, Policy: p.Name, Reason: ReasonCompromised, Actor: r.Actor,
		Version: r.Version + 1, OldKey: r.NewKey, Deadline: deadline, Terms: Terms{Lifetime: p.Lifetime},
	}
}

// withSuspects adds the new keys that were out when the leak was reported and that no scan had shown then.
func withSuspects(c IncidentCredential, rotations []Rotation) []IncidentKey {
	keys := slices.Clip(c.Keys)
	for i := range rotations {
		suspect := rotations[i].Suspect
		if suspect.Name != "" && !slices.ContainsFunc(keys, func(k IncidentKey) bool { return k.Key == suspect }) {
			keys = append(keys, IncidentKey{CredentialID: c.CredentialID, Key: suspect})
		}
	}
	return keys
}

// keysLeft says what to do about the old keys that still work once r is done. The key that consumers have now may be one of them, where
// r was under way when the leak was reported: whoever revoked that one by hand would cut them off.
func keysLeft(old []KeyStanding, r *Rotation, rotate string) string {
	inUse, others := false, false
	for _, k := range old {
		if k.Works && k.Key.ID == r.NewKey.ID {
			inUse = true
		} else if k.Works {
			others = true
		}
	}
	byHand := "revoke them at the provider by hand; the next scan shows that they are gone"
	switch {
	case inUse && others:
		return "key " + r.NewKey.Name + " is the one that consumers have: replace it with: " + rotate + "; of the others: " + byHand
	case inUse:
		return "do not revoke key " + r.NewKey.Name + " by hand: consumers have it, since before the leak was reported; replace it with: " + rotate
	default:
		return byHand
	}
}

// replacing are the rotations that are about the leak: those that were planned or hastened for it, or for a later one.
func replacing(at time.Time, rotations []Rotation) (about []Rotation) {
	for i := range rotations {
		if r := &rotations[i]; r.Reason == ReasonCompromised && (!r.Stage.Final() || !r.StageAt.Before(at)) {
			about = append(about, *r)
		}
	}
	return about
}

// retires reports whether the rotation revokes that key in the end, or has.
func (r *Rotation) retires(id string) bool {
	return slices.ContainsFunc(r.Retiring(), func(ref KeyRef) bool { return ref.ID == id })
}

// keyStanding is told by the rotations that are about the leak, of which the first is the latest, and by the inventory.
func keyStanding(k IncidentKey, rotations []Rotation, series []TrackedKey) KeyStanding {
	s := KeyStanding{IncidentKey: k, Works: true, State: "still accepted"}
	for n := range rotations {
		if o := &rotations[n]; o.Stage == StageDone && o.retires(k.Key.ID) {
			s.Works, s.State = false, "revoked "+day(o.StageAt)
			return s
		}
	}
	var r *Rotation
	if len(rotations) > 0 {
		r = &rotations[0]
	}
	i := slices.IndexFunc(series, func(t TrackedKey) bool { return t.ID == k.Key.ID })
	switch {
	case i < 0 && (r == nil || k.Key.ID != r.NewKey.ID):
		s.Works, s.State = false, "not known any more"
	case i >= 0 && !series[i].MissingSince.IsZero():
		s.Works, s.State = false, "not listed since "+day(series[i].MissingSince)
	case i >= 0 && series[i].State.Refused():
		s.Works, s.State = false, string(series[i].State)
	case i >= 0 && series[i].State == KeyDisabled:
		s.Works, s.State = false, "switched off; it can be switched on again"
	case i >= 0 && series[i].State == KeyOther:
		s.State = "in a state that rotatord does not know"
	case r != nil && k.Key.ID == r.NewKey.ID:
		s.State = "still accepted, and the one that consumers have now"
	case r == nil || !r.retires(k.Key.ID):
		s.State = "still accepted, and no rotation revokes it"
	}
	return s
}

// Happening is one line of an incident's timeline.
type Happening struct {
	At time.Time `json:"at"`
	// CredentialID is what it happened to; zero for the incident as a whole.
	CredentialID
	Rotation string `json:"rotation,omitempty"`
	Stage    Stage  `json:"stage,omitempty"`
	What     string `json:"what"`
}

// Timeline tells what happened in order of time, from what is known of the keys before the leak was reported to the last step
// that was taken. entries are the histories of the rotations, by their ids.
func (i *Incident) Timeline(now []CredentialStanding, entries map[string][]Entry) []Happening {
	all := []Happening{{At: i.At, What: fmt.Sprintf("%s said that %s/%s/%s leaked: %s", i.By, i.Provider, i.User, i.Base, i.Note)}}
	for n := range now {
		s := &now[n]
		for _, k := range s.Old {
			all = append(all, keyPast(k)...)
		}
		if s.Rotation == nil {
			if s.Refused != "" {
				all = append(all, Happening{At: i.At, CredentialID: s.CredentialID, What: "no rotation was planned: " + s.Refused})
			}
			continue
		}
		for m := range s.Rotations {
			for _, e := range entries[s.Rotations[m].ID] {
				all = append(all, Happening{At: e.At, CredentialID: s.CredentialID, Rotation: e.Rotation, Stage: e.To, What: e.Note})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Happening) int { return a.At.Compare(b.At) })
	return all
}

// keyPast is what is known of a key from before.
func keyPast(k KeyStanding) []Happening {
	var past []Happening
	name := fmt.Sprintf("key %s (id %s)", k.Key.Name, k.Key.ID)
	if !k.Created.IsZero() {
		past = append(past, Happening{At: k.Created, CredentialID: k.CredentialID, What: name + " was made"})
	}
	if !k.LastUsed.IsZero() {
		past = append(past, Happening{At: k.LastUsed, CredentialID: k.CredentialID, What: name + " was used, the last time that a scan had seen when the leak was reported"})
	}
	return past
}
