package web

import (
	"context"
	"crypto/rand"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"go.uber.org/zap"

	"github.com/rotatord/rotatord/rotator"
)

// Incident is a leak that was reported: what was rotated for it, how that stands, and what was left out.
type Incident struct {
	IncidentBrief
	Now         time.Time            `json:"now" doc:"When it stood so."`
	Standings   map[string]int       `json:"standings" doc:"Credentials by standing."`
	Settled     bool                 `json:"settled" doc:"Whether nothing of it goes on by itself any more."`
	Confirmed   bool                 `json:"confirmed" doc:"Whether every credential is confirmed. What was left out does not count."`
	Credentials []IncidentCredential `json:"credentials" nullable:"false"`
	LeftOut     []LeftOutKey         `json:"left_out" nullable:"false" doc:"Keys that were not rotated and may be in danger all the same, as they stood when the leak was reported."`
	MoreLeftOut int                  `json:"more_left_out,omitempty" doc:"How many more there are than are listed."`
	Timeline    []Happening          `json:"timeline" nullable:"false" doc:"What happened, the oldest first."`
}

// IncidentBrief is an incident in a list.
type IncidentBrief struct {
	ID         string    `json:"id"`
	At         time.Time `json:"at" doc:"When the leak was reported."`
	By         string    `json:"by"`
	Provider   string    `json:"provider" doc:"The pattern that was given."`
	User       string    `json:"user" doc:"The pattern that was given."`
	Credential string    `json:"credential" doc:"The pattern that was given."`
	Note       string    `json:"note,omitempty" doc:"What was said about it."`
	Count      int       `json:"count" doc:"How many credentials it is about."`
	LeftOutAll int       `json:"left_out_count" doc:"How many keys were left out."`
}

// IncidentCredential is how a credential that leaked stands.
type IncidentCredential struct {
	CredentialName
	ServiceUser string        `json:"service_user,omitempty"`
	Standing    string        `json:"standing" enum:"confirmed,under_way,blocked,not_rotated,keys_left" doc:"confirmed: every sink holds the new key and every old one is refused. under_way: it goes on by itself. blocked: it waits for a person. not_rotated: no rotation was planned, or it came to nothing. keys_left: the rotation is over and an old key may still be accepted."`
	Why         string        `json:"why,omitempty" doc:"What is in the way."`
	Do          string        `json:"do,omitempty" doc:"What to do about it."`
	Rotation    *Rotation     `json:"rotation,omitempty"`
	OldKeys     []IncidentKey `json:"old_keys" nullable:"false" doc:"Its keys that worked when the leak was reported."`
}

// IncidentKey is a key that leaked.
type IncidentKey struct {
	KeyName
	Created  time.Time `json:"created,omitzero"`
	LastUsed time.Time `json:"last_used,omitzero" doc:"As of the last scan before the leak was reported."`
	Works    bool      `json:"works" doc:"Whether the provider still accepts it, as far as is known."`
	State    string    `json:"state" doc:"In words."`
}

// LeftOutKey is a key that was not rotated.
type LeftOutKey struct {
	CredentialName
	Key      KeyName   `json:"key"`
	Policy   string    `json:"policy,omitempty"`
	Created  time.Time `json:"created,omitzero"`
	Expires  time.Time `json:"expires,omitzero"`
	LastUsed time.Time `json:"last_used,omitzero"`
	Why      string    `json:"why" enum:"unmanaged,inactive,same_user,similar" doc:"unmanaged: the patterns match it and no policy selects it. inactive: they match it and it is switched off, not listed or in an unknown state. same_user: another credential of its service user leaked. similar: the patterns would match it if case did not count or more might follow."`
}

// Happening is one line of a timeline.
type Happening struct {
	At         time.Time       `json:"at"`
	Credential *CredentialName `json:"about,omitempty" doc:"What it happened to; absent for the incident as a whole."`
	Rotation   string          `json:"rotation,omitempty"`
	Stage      string          `json:"stage,omitempty"`
	What       string          `json:"what"`
}

// Incidents is a list of incidents.
type Incidents struct {
	Incidents []IncidentBrief `json:"incidents" nullable:"false"`
}

func (s *Server) incidents(api huma.API) {
	huma.Register(api, operation(api, http.MethodGet, "/incidents", "list-incidents", "List the leaks that were reported",
		"The latest first. One is opened by rotating with the reason compromised.", http.StatusOK), s.listIncidents)
	huma.Register(api, operation(api, http.MethodGet, "/incidents/{id}", "get-incident", "How a leak stands, and its timeline",
		"What is confirmed and what is not, worked out now, for each credential; what was left out; and what happened.", http.StatusOK), s.getIncident)
}

type incidentsQuery struct {
	Before time.Time `query:"before" doc:"Only those reported before: at of the last one of the page before."`
	Limit  int       `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many at most."`
}

var errNoIncidents = problem(http.StatusNotFound, "this daemon keeps no incidents")

func (s *Server) listIncidents(ctx context.Context, q *incidentsQuery) (*answer[Incidents], error) {
	if s.o.Incidents == nil {
		return nil, errNoIncidents
	}
	found, err := s.o.Incidents.Incidents(ctx, q.Before, q.Limit)
	if err != nil {
		return nil, journalProblem(err)
	}
	out := Incidents{Incidents: []IncidentBrief{}}
	for i := range found {
		out.Incidents = append(out.Incidents, briefOf(&found[i]))
	}
	return &answer[Incidents]{Body: out}, nil
}

func briefOf(i *rotator.Incident) IncidentBrief {
	return IncidentBrief{ID: i.ID, At: i.At.UTC(), By: i.By, Provider: i.Provider, User: i.User, Credential: i.Base, Note: i.Note,
		Count: len(i.Credentials), LeftOutAll: len(i.LeftOut) + i.MoreLeftOut}
}

type incidentPath struct {
	ID string `path:"id" maxLength:"100" example:"incident-20260301-k3j5h2"`
}

func (s *Server) getIncident(ctx context.Context, q *incidentPath) (*answer[Incident], error) {
	if s.o.Incidents == nil {
		return nil, errNoIncidents
	}
	i, err := s.o.Incidents.Incident(ctx, q.ID)
	if err != nil {
		return nil, journalProblem(err)
	}
	out, err := s.incident(ctx, &i)
	if err != nil {
		return nil, journalProblem(err)
	}
	return &answer[Incident]{Body: *out}, nil
}

// incident works out how i stands, and its timeline.
func (s *Server) incident(ctx context.Context, i *rotator.Incident) (*Incident, error) {
	all, err := s.standingsOf(ctx, i)
	if err != nil {
		return nil, err
	}
	out := &Incident{IncidentBrief: briefOf(i), Now: time.Now().UTC(), Standings: noStandings(), Settled: true, Confirmed: true,
		Credentials: []IncidentCredential{}, LeftOut: leftOutOf(i), MoreLeftOut: i.MoreLeftOut, Timeline: []Happening{}}
	entries := map[string][]rotator.Entry{}
	for n := range all {
		for _, r := range all[n].Rotations {
			if entries[r.ID], err = s.o.Journal.History(ctx, r.ID); err != nil {
				return nil, err
			}
		}
		out.add(&all[n])
	}
	for _, h := range i.Timeline(all, entries) {
		out.Timeline = append(out.Timeline, happeningOf(&h))
	}
	return out, nil
}

// standingsOf works out how each credential of i stands.
func (s *Server) standingsOf(ctx context.Context, i *rotator.Incident) ([]rotator.CredentialStanding, error) {
	all := make([]rotator.CredentialStanding, 0, len(i.Credentials))
	for _, c := range i.Credentials {
		standing, err := rotator.LookUpStanding(ctx, s.o.Journal, c, i.At)
		if err != nil {
			return nil, err
		}
		all = append(all, standing)
	}
	return all, nil
}

func noStandings() map[string]int {
	none := map[string]int{}
	for _, standing := range rotator.LeakStandings() {
		none[string(standing)] = 0
	}
	return none
}

func (i *Incident) add(c *rotator.CredentialStanding) {
	shown := IncidentCredential{CredentialName: nameOf(c.CredentialID), ServiceUser: c.ServiceUser, Standing: string(c.Standing), Why: c.Why, Do: c.Do, OldKeys: []IncidentKey{}}
	if c.Rotation != nil {
		r := rotationOf(c.Rotation)
		shown.Rotation = &r
	}
	for _, k := range c.Old {
		shown.OldKeys = append(shown.OldKeys, IncidentKey{KeyName: KeyName(k.Key), Created: k.Created, LastUsed: k.LastUsed, Works: k.Works, State: k.State})
	}
	i.Credentials = append(i.Credentials, shown)
	i.Standings[shown.Standing]++
	i.Settled = i.Settled && c.Standing != rotator.LeakMoving
	i.Confirmed = i.Confirmed && c.Standing == rotator.LeakConfirmed
}

func leftOutOf(i *rotator.Incident) []LeftOutKey {
	out := make([]LeftOutKey, 0, len(i.LeftOut))
	for _, k := range i.LeftOut {
		out = append(out, LeftOutKey{CredentialName: nameOf(k.CredentialID), Key: KeyName(k.Key), Policy: k.Policy, Created: k.Created,
			Expires: k.Expires, LastUsed: k.LastUsed, Why: string(k.Why)})
	}
	return out
}

func happeningOf(h *rotator.Happening) Happening {
	out := Happening{At: h.At.UTC(), Rotation: h.Rotation, Stage: string(h.Stage), What: h.What}
	if h.CredentialID != (rotator.CredentialID{}) {
		name := nameOf(h.CredentialID)
		out.Credential = &name
	}
	return out
}

// openIncident works out what a leak is about: every key that works of the credentials chosen, and what is near them. It reads
// the whole inventory once.
func (s *Server) openIncident(ctx context.Context, ask *RotateRequest, chosen []rotator.TrackedKey, by string) (rotator.Incident, error) {
	now := time.Now().UTC()
	i := rotator.Incident{ID: "incident-" + now.Format("20060102-") + strings.ToLower(rand.Text()[:6]), At: now, By: by,
		Provider: ask.Provider, User: ask.User, Base: ask.Selection.Credential, Note: oneLine(ask.Note)}
	ids := make([]rotator.CredentialID, len(chosen))
	for n, k := range chosen {
		ids[n] = k.Credential()
	}
	scope := rotator.NewIncident(i, ids)
	err := s.o.Journal.ReportKeys(ctx, rotator.KeyQuery{Brief: true}, now, func(f rotator.KeyFacts) error {
		scope.Consider(&f)
		return nil
	})
	return scope.Incident(), err
}

// rotateLeaked rotates for a leak. The incident is durable before the first rotation is planned, so that whatever stops it half-way
// leaves behind what was to be done. With an error, too, the answer names the incident if one was opened.
func (s *Server) rotateLeaked(ctx context.Context, ask *RotateRequest, keys []rotator.TrackedKey, actor string) (RotateAnswer, error) {
	out := RotateAnswer{Results: []RotateResult{}}
	i, err := s.openIncident(ctx, ask, keys, actor)
	if err != nil {
		return out, journalProblem(err)
	}
	out.LeftOut, out.MoreLeftOut = leftOutOf(&i), i.MoreLeftOut
	if !ask.DryRun {
		if err := s.o.Incidents.PutIncident(ctx, i); err != nil {
			return out, journalProblem(err)
		}
		out.Incident = i.ID
	}
	if err := s.rotateAll(ctx, ask, keys, actor, &out); err != nil {
		i.Credentials[0].Refused = err.Error()
		s.noteRefused(ctx, i)
		return out, err
	}
	for n := range out.Results {
		i.Credentials[n].Refused = out.Results[n].Error
	}
	if out.Failed > 0 {
		s.noteRefused(ctx, i)
	}
	return out, nil
}

// noteRefused stores why credentials were not rotated. Where that fails, who asked knows it from the answer, and the incident says
// that no rotation of them was planned.
func (s *Server) noteRefused(ctx context.Context, i rotator.Incident) {
	if err := s.o.Incidents.PutIncident(context.WithoutCancel(ctx), i); err != nil {
		s.log.Error("why credentials that leaked were not rotated cannot be stored", zap.String("incident", i.ID), zap.Error(err))
	}
}
