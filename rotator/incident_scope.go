package rotator

import (
	"path"
	"slices"
	"strings"
)

// maxLeftOut bounds the keys that an incident lists as left out; beyond it they are counted.
const maxLeftOut = 1000

// NewIncident begins an incident about the credentials chosen, of what the patterns match. What else there is, and why it is
// not rotated, is told with [Incident.Consider].
func NewIncident(i Incident, chosen []CredentialID) *IncidentScope {
	s := &IncidentScope{i: i, at: map[CredentialID]int{}, users: map[[2]string]bool{}}
	for _, c := range chosen {
		s.at[c] = len(s.i.Credentials)
		s.users[[2]string{c.Provider, c.UserID}] = true
		s.i.Credentials = append(s.i.Credentials, IncidentCredential{CredentialID: c, Keys: []IncidentKey{}})
	}
	return s
}

// IncidentScope works out what a leak is about.
type IncidentScope struct {
	i     Incident
	at    map[CredentialID]int
	users map[[2]string]bool
}

// Consider takes a key of the inventory into account. Keys that the provider refuses for good are no danger.
func (s *IncidentScope) Consider(f *KeyFacts) {
	k := &f.Key
	if k.State.Refused() {
		return
	}
	key := IncidentKey{CredentialID: k.Credential(), Key: KeyRef{ID: k.ID, Name: k.Name}, Created: k.Created, Expires: k.Expires, LastUsed: k.LastUsed, Policy: k.Policy}
	if n, chosen := s.at[k.Credential()]; chosen {
		c := &s.i.Credentials[n]
		c.ServiceUser, c.Keys = f.User.Name, append(c.Keys, key)
		return
	}
	if key.Why = s.why(f); key.Why == "" {
		return
	}
	if len(s.i.LeftOut) == maxLeftOut {
		s.i.MoreLeftOut++
		return
	}
	s.i.LeftOut = append(s.i.LeftOut, key)
}

// Incident returns what there is, once all keys were considered.
func (s *IncidentScope) Incident() Incident { return s.i }

// why says why a key that was not chosen is worth a look; empty if it is not.
func (s *IncidentScope) why(f *KeyFacts) LeftOut {
	k := &f.Key
	matched := s.matches(f, exactly)
	switch {
	case matched && (k.State != KeyActive || !k.MissingSince.IsZero()):
		return LeftOutInactive
	case matched:
		return LeftOutUnmanaged
	case !k.MissingSince.IsZero():
		return ""
	case s.users[[2]string{k.Provider, k.UserID}]:
		return LeftOutSameUser
	case s.matches(f, nearly):
		return LeftOutSimilar
	default:
		return ""
	}
}

// matches reports whether the patterns match the key.
func (s *IncidentScope) matches(f *KeyFacts, by func(pattern, value string) bool) bool {
	for _, part := range []struct {
		pattern string
		values  []string
	}{{s.i.Provider, []string{f.Key.Provider}}, {s.i.User, []string{f.Key.UserID, f.User.Name, f.User.Email}}, {s.i.Base, []string{f.Key.Base}}} {
		if !slices.ContainsFunc(part.values, func(v string) bool { return v != "" && by(part.pattern, v) }) {
			return false
		}
	}
	return true
}

func exactly(pattern, value string) bool {
	ok, err := path.Match(pattern, value)
	return ok && err == nil
}

// nearly does not mind the case of letters, nor what follows.
func nearly(pattern, value string) bool {
	return exactly(strings.ToLower(pattern)+"*", strings.ToLower(value))
}
