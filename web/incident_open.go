package web

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// IncidentStanding is an incident in a list, with how it stands.
type IncidentStanding struct {
	IncidentBrief
	Standings map[string]int `json:"standings,omitempty" doc:"Credentials by standing; absent where an incident is about so many that only its own page says it."`
	Settled   bool           `json:"settled" doc:"Whether nothing of it goes on by itself any more."`
	Confirmed bool           `json:"confirmed" doc:"Whether every credential is confirmed."`
}

// standingsWorked is of how many credentials, in all incidents together, it is worked out for every answer about what needs a person
// how they stand.
const standingsWorked = 400

// reasonLeak says that credentials which leaked are not out of danger.
const reasonLeak = "leak_not_confirmed"

// openIncidents returns the leaks that were reported lately and of which not everything is confirmed, the latest first.
func (s *Server) openIncidents(ctx context.Context, now time.Time) ([]IncidentStanding, error) {
	found, err := s.lateIncidents(ctx, now)
	if err != nil {
		return nil, err
	}
	all, err := s.standings(ctx, found)
	return slices.DeleteFunc(all, func(i IncidentStanding) bool { return i.Confirmed }), err
}

// lateIncidents returns those that are still watched.
func (s *Server) lateIncidents(ctx context.Context, now time.Time) ([]rotator.Incident, error) {
	if s.o.Incidents == nil {
		return nil, nil
	}
	return rotator.WatchedIncidents(ctx, s.o.Incidents, now)
}

// standings says of each incident how it stands, as long as there are not too many credentials.
func (s *Server) standings(ctx context.Context, found []rotator.Incident) ([]IncidentStanding, error) {
	all, left := make([]IncidentStanding, 0, len(found)), standingsWorked
	for n := range found {
		i := IncidentStanding{IncidentBrief: briefOf(&found[n])}
		if left -= i.Count; left < 0 {
			left += i.Count
			all = append(all, i)
			continue
		}
		credentials, err := s.standingsOf(ctx, &found[n])
		if err != nil {
			return nil, err
		}
		i.Standings, i.Settled, i.Confirmed = noStandings(), true, true
		for _, c := range credentials {
			i.Standings[string(c.Standing)]++
			i.Settled = i.Settled && c.Standing != rotator.LeakMoving
			i.Confirmed = i.Confirmed && c.Standing == rotator.LeakConfirmed
		}
		all = append(all, i)
	}
	return all, nil
}

// gatherIncidents tells of leaks that are not confirmed. Where a rotation waits for a person, that is said of the rotation;
// where there is none, or it is over, nothing else says that a key which leaked may still be accepted.
func (s *Server) gatherIncidents(ctx context.Context, st *Status) error {
	var err error
	if st.Incidents, err = s.openIncidents(ctx, st.Now); err != nil {
		return err
	}
	if st.Incidents == nil {
		st.Incidents = []IncidentStanding{}
	}
	for _, i := range st.Incidents {
		not, left := i.Standings[string(rotator.LeakNotRotated)], i.Standings[string(rotator.LeakKeysLeft)]
		if not+left == 0 {
			continue
		}
		st.Attention = append(st.Attention, Item{About: "incident", What: i.ID, Reason: reasonLeak, Since: i.At, Do: strings.ReplaceAll(advice[reasonLeak], "INCIDENT", i.ID),
			Why: plural(not+left, "credential", "credentials") + " of " + i.Pattern() + ", of which " + i.By + " said that it leaked, may still have a key that is accepted and that nothing revokes"})
	}
	return nil
}

// Pattern reads provider/user/credential, as they were given.
func (i IncidentBrief) Pattern() string { return i.Provider + "/" + i.User + "/" + i.Credential }

// leaksOf returns the incidents that are still watched and that the credential is part of.
func (s *Server) leaksOf(ctx context.Context, c rotator.CredentialID) ([]IncidentBrief, error) {
	found, err := s.lateIncidents(ctx, time.Now())
	if err != nil {
		return nil, err
	}
	var of []IncidentBrief
	for n := range found {
		if slices.ContainsFunc(found[n].Credentials, func(i rotator.IncidentCredential) bool { return i.CredentialID == c }) {
			of = append(of, briefOf(&found[n]))
		}
	}
	return of, nil
}
