package web

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

const pathIncidents = "/incidents"

const (
	// incidentsShown is how many incidents a page of the list has.
	incidentsShown = 20
	// incidentRows is how many credentials of one standing, keys that were left out, and lines of the timeline a page has. Its report has all.
	incidentRows = 200
)

func incidentLink(id string) string { return pathOf("incidents", id) }

// incidentsData is what the list of incidents is made of.
type incidentsData struct {
	frame
	Incidents []IncidentStanding
	Paged     bool
	Older     string
}

func (s *Server) showIncidents(w http.ResponseWriter, r *http.Request) {
	d := incidentsData{frame: s.frame(r, "Incidents")}
	if s.o.Incidents == nil {
		s.notFound(w, r, "This daemon keeps no incidents.")
		return
	}
	before, err := time.Parse(time.RFC3339Nano, r.URL.Query().Get("before"))
	d.Paged = err == nil
	if err := s.gatherList(r.Context(), before, &d); err != nil {
		s.showTrouble(w, d.frame, err)
		return
	}
	s.show(w, incidentsPage, http.StatusOK, d)
}

func (s *Server) gatherList(ctx context.Context, before time.Time, d *incidentsData) error {
	found, err := s.o.Incidents.Incidents(ctx, before, incidentsShown+1)
	if err != nil {
		return err
	}
	if len(found) > incidentsShown {
		found = found[:incidentsShown]
		d.Older = pathIncidents + "?" + url.Values{"before": {found[incidentsShown-1].At.UTC().Format(time.RFC3339Nano)}}.Encode()
	}
	d.Incidents, err = s.standings(ctx, found)
	return err
}

// incidentData is what the page of an incident is made of.
type incidentData struct {
	frame
	Incident *Incident
	Self     string
	// One is the only credential that it is about; nil for several.
	One     *CredentialName
	Groups  []standingGroup
	LeftOut []leftOutGroup
	// Lines are the timeline, without as many of its oldest ones as Earlier says.
	Lines   []Happening
	Earlier int
}

// standingGroup are the credentials of an incident that stand alike.
type standingGroup struct {
	Standing, Words string
	// Class says whether that is good; Alike counts them.
	Class       string
	Alike, More int
	Credentials []IncidentCredential
}

type leftOutGroup struct {
	Words string
	Keys  []LeftOutKey
}

// standingGroups are in the order in which somebody has to look at them.
func standingGroups() []standingGroup {
	return []standingGroup{
		{Standing: string(rotator.LeakNotRotated), Words: "Not rotated: the old key still works", Class: "bad"},
		{Standing: string(rotator.LeakKeysLeft), Words: "Replaced, and old keys are left", Class: "bad"},
		{Standing: string(rotator.LeakBlocked), Words: "Not confirmed, and waits for a person", Class: "bad"},
		{Standing: string(rotator.LeakMoving), Words: "Not confirmed yet, and goes on by itself", Class: "wait"},
		{Standing: string(rotator.LeakConfirmed), Words: "Confirmed: every sink holds the new key, and every old key is refused", Class: "good"},
	}
}

// incidentOf reads the incident that the path names.
func (s *Server) incidentOf(r *http.Request) (*Incident, error) {
	if s.o.Incidents == nil {
		return nil, rotator.NewFault("incident", rotator.Gone, "this daemon keeps no incidents")
	}
	i, err := s.o.Incidents.Incident(r.Context(), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return s.incident(r.Context(), &i)
}

func (s *Server) showIncident(w http.ResponseWriter, r *http.Request) {
	f := s.frame(r, "Incident "+r.PathValue("id"))
	i, err := s.incidentOf(r)
	switch {
	case rotator.KindOf(err) == rotator.Gone:
		s.notFound(w, r, "There is no incident "+r.PathValue("id")+". All that were reported are listed under Incidents.")
		return
	case err != nil:
		s.showTrouble(w, f, err)
		return
	}
	f.Said, f.Refresh = doneWords(r), !i.Settled
	f.Alarm = i.Standings[string(rotator.LeakMoving)]+i.Standings[string(rotator.LeakConfirmed)] < i.Count
	d := incidentData{frame: f, Incident: i, Self: incidentLink(i.ID), Groups: i.groups(), LeftOut: i.leftOutGroups(), Earlier: max(0, len(i.Timeline)-incidentRows)}
	d.Lines = i.Timeline[d.Earlier:]
	if i.Count == 1 {
		d.One = &i.Credentials[0].CredentialName
	}
	s.show(w, incidentPage, http.StatusOK, d)
}

// incidentReport serves an incident as Markdown.
func (s *Server) incidentReport(w http.ResponseWriter, r *http.Request) {
	i, err := s.incidentOf(r)
	if err != nil {
		p := journalProblem(err)
		refuse(w, r, p.Status, p.Detail)
		return
	}
	w.Header().Set("Content-Type", "text/markdown; charset=utf-8")
	_, _ = io.WriteString(w, i.Markdown()) //nolint:gosec // not HTML, and no browser takes it for that: every answer says nosniff
}

// groups are the credentials by how they stand, without standings that none has.
func (i *Incident) groups() []standingGroup {
	var all []standingGroup
	for _, g := range standingGroups() {
		for n := range i.Credentials {
			if i.Credentials[n].Standing != g.Standing {
				continue
			}
			if g.Alike++; g.Alike <= incidentRows {
				g.Credentials = append(g.Credentials, i.Credentials[n])
			}
		}
		if g.Alike > 0 {
			g.More = g.Alike - len(g.Credentials)
			all = append(all, g)
		}
	}
	return all
}

func (i *Incident) leftOutGroups() []leftOutGroup {
	var all []leftOutGroup
	left := incidentRows
	for _, why := range rotator.LeftOuts() {
		g := leftOutGroup{Words: leftOutWords[string(why)]}
		for _, k := range i.LeftOut {
			if k.Why == string(why) && left > 0 {
				g.Keys, left = append(g.Keys, k), left-1
			}
		}
		if len(g.Keys) > 0 {
			all = append(all, g)
		}
	}
	return all
}

// MoreLeft is how many keys that were left out the page does not list.
func (d incidentData) MoreLeft() int {
	return d.Incident.MoreLeftOut + max(0, len(d.Incident.LeftOut)-incidentRows)
}

// Worst is the standing of an incident in a list that somebody has to look at first, in words, and whether that is good.
func (i IncidentStanding) Worst() standingGroup { //nolint:revive // for templates, which do not name types
	if i.Standings == nil {
		return standingGroup{Words: "its own page says how it stands"}
	}
	for _, g := range standingGroups() {
		if g.Alike = i.Standings[g.Standing]; g.Alike > 0 {
			return g
		}
	}
	return standingGroup{Words: "about nothing", Class: "good"}
}
