package web

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rotatord/rotatord/rotator"
)

// Key is one key of a credential.
type Key struct {
	KeyName
	Version      int       `json:"version"`
	State        string    `json:"state" enum:"active,disabled,revoked,expired,other"`
	Created      time.Time `json:"created,omitzero"`
	Expires      time.Time `json:"expires,omitzero"`
	LastUsed     time.Time `json:"last_used,omitzero"`
	MissingSince time.Time `json:"missing_since,omitzero"`
}

// CredentialDetail is all that the journal knows of one credential.
type CredentialDetail struct {
	CredentialName
	Hold      *Hold             `json:"hold,omitempty" doc:"The hold in force; absent if there is none."`
	Verified  *Verification     `json:"verified,omitempty" doc:"What the last look at its sinks and its key found; absent if there was none."`
	Current   *Credential       `json:"current,omitempty" doc:"The credential by its current key; absent if no scan saw one."`
	Keys      []Key             `json:"keys" nullable:"false" doc:"Every key, the newest first. Two that are active overlap."`
	Rotations []RotationHistory `json:"rotations" nullable:"false" doc:"The open rotation, then those that ended, the latest first; each with its sinks' evidence and its history."`
}

// HoldList is a part of the holds in force.
type HoldList struct {
	Holds []Hold `json:"holds" nullable:"false"`
	Next  string `json:"next,omitempty" doc:"The cursor of the next page; absent on the last."`
}

// detailRotations is how many rotations the detail of a credential shows.
const detailRotations = 20

func (s *Server) fleet(api huma.API) {
	huma.Register(api, operation(api, http.MethodGet, "/credentials/{provider}/{user}/{credential}", "get-credential", "All about one credential",
		"Its keys, its latest rotations with their history and evidence, and its hold. Slashes in the parts are written %2F.", http.StatusOK), s.getCredential)
	huma.Register(api, operation(api, http.MethodGet, "/holds", "list-holds", "List the holds in force",
		"By provider, user and credential.", http.StatusOK), s.listHolds)
	huma.Register(api, operation(api, http.MethodGet, "/histograms", "histograms", "Ages and remaining lives of the active keys",
		"", http.StatusOK), s.histograms)
}

type credentialPath struct {
	Provider   string `path:"provider" maxLength:"200"`
	User       string `path:"user" maxLength:"200" doc:"The provider's id of the service user."`
	Credential string `path:"credential" maxLength:"200" doc:"The base name of the credential's keys."`
}

func (s *Server) getCredential(ctx context.Context, q *credentialPath) (*answer[CredentialDetail], error) {
	id := rotator.CredentialID{Provider: q.Provider, UserID: q.User, Base: q.Credential}
	d, err := s.credentialDetail(ctx, id, time.Now().UTC())
	if err != nil {
		return nil, journalProblem(err)
	}
	if len(d.Keys)+len(d.Rotations) == 0 && d.Hold == nil {
		return nil, problem(http.StatusNotFound, "the journal knows no credential %s; GET %s/credentials lists what the last scans saw", id, apiPrefix)
	}
	return &answer[CredentialDetail]{Body: *d}, nil
}

// credentialDetail gathers what there is; of a credential that nobody knows, nothing.
func (s *Server) credentialDetail(ctx context.Context, id rotator.CredentialID, now time.Time) (*CredentialDetail, error) {
	d := &CredentialDetail{CredentialName: nameOf(id), Keys: []Key{}, Rotations: []RotationHistory{}}
	keys, err := s.o.Journal.Series(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		d.Keys = append(d.Keys, Key{KeyName: KeyName{ID: k.ID, Name: k.Name}, Version: k.Version, State: string(k.State),
			Created: k.Created, Expires: k.Expires, LastUsed: k.LastUsed, MissingSince: k.MissingSince})
	}
	d.current(keys)
	hold, err := s.o.Journal.HoldOn(ctx, id, now)
	if err != nil {
		return nil, err
	}
	d.Hold = holdOf(hold)
	if found, err := s.o.Journal.VerificationOf(ctx, id); err != nil {
		return nil, err
	} else if found != nil {
		v := verificationOf(found)
		d.Verified = &v
	}
	rotations, err := s.o.Journal.RotationsOf(ctx, id, detailRotations)
	if err != nil {
		return nil, err
	}
	for i := range rotations {
		h, err := s.historyOf(ctx, &rotations[i])
		if err != nil {
			return nil, err
		}
		d.Rotations = append(d.Rotations, h)
	}
	return d, nil
}

// current picks the newest key that works, or else the newest.
func (d *CredentialDetail) current(newestFirst []rotator.TrackedKey) {
	for i, k := range newestFirst {
		works := k.State == rotator.KeyActive && k.MissingSince.IsZero()
		if works || i == 0 {
			c := credentialOf(k)
			d.Current = &c
		}
		if works {
			return
		}
	}
}

// historyOf is a rotation with what happened to it and who was told.
func (s *Server) historyOf(ctx context.Context, r *rotator.Rotation) (RotationHistory, error) {
	entries, err := s.o.Journal.History(ctx, r.ID)
	if err != nil {
		return RotationHistory{}, err
	}
	runs, err := s.o.Journal.HookRuns(ctx, r.ID)
	if err != nil {
		return RotationHistory{}, err
	}
	out := RotationHistory{Rotation: rotationOf(r), History: []Entry{}, Hooks: hookRunsOf(runs)}
	for _, e := range entries {
		out.History = append(out.History, Entry{Seq: e.Seq, At: e.At, From: string(e.From), To: string(e.To), Note: e.Note})
	}
	return out, nil
}

type holdsQuery struct {
	Cursor string `query:"cursor" maxLength:"2000" doc:"Where to go on: next of the page before."`
	Limit  int    `query:"limit" minimum:"1" maximum:"10000" default:"100" doc:"How many at most."`
}

func (s *Server) listHolds(ctx context.Context, q *holdsQuery) (*answer[HoldList], error) {
	after, err := placeOf(q.Cursor)
	if err != nil {
		return nil, err
	}
	found, err := s.o.Journal.Holds(ctx, after, q.Limit+1, time.Now().UTC())
	if err != nil {
		return nil, journalProblem(err)
	}
	out := HoldList{Holds: []Hold{}}
	if len(found) > q.Limit {
		found = found[:q.Limit]
		out.Next = cursorAt(found[q.Limit-1].CredentialID)
	}
	for i := range found {
		out.Holds = append(out.Holds, *holdOf(&found[i]))
	}
	return &answer[HoldList]{Body: out}, nil
}

type histogramsQuery struct {
	Provider string `query:"provider" maxLength:"200" doc:"Only keys of this provider."`
}

func (s *Server) histograms(ctx context.Context, q *histogramsQuery) (*answer[Histograms], error) {
	counts, err := s.o.Journal.FleetAges(ctx, time.Now().UTC())
	if err != nil {
		return nil, journalProblem(err)
	}
	return &answer[Histograms]{Body: histogramsOf(counts, q.Provider)}, nil
}

type credentialsQuery struct {
	Provider   string `query:"provider" default:"*" maxLength:"200" doc:"The provider's name, or a pattern for it."`
	User       string `query:"user" default:"*" maxLength:"200" doc:"A pattern for the service user's id, name or e-mail."`
	Credential string `query:"credential" default:"*" maxLength:"200" doc:"A pattern for the base name of the credential's keys."`
	Policy     string `query:"policy" maxLength:"200" doc:"The name of the policy that selects the key."`
	State      string `query:"state" enum:"managed,unmanaged,waiting,missing,inactive" doc:"What the key counts as."`
	Label      string `query:"label" maxLength:"400" example:"team=pki" doc:"An owner's label of the provider or the policy, as name=value."`
	Blocked    bool   `query:"blocked" doc:"Only credentials that do not go on."`
	Held       bool   `query:"held" doc:"Only credentials under a hold."`
	Search     string `query:"search" maxLength:"200" doc:"Text in the user's id, name or e-mail, the base name or the key's id."`
	Cursor     string `query:"cursor" maxLength:"2000" doc:"Where to go on: next of the page before, with the same filters."`
	Limit      int    `query:"limit" minimum:"1" maximum:"10000" default:"100" doc:"How many at most."`
}

// patterns reports whether the query needs every credential to be matched against a pattern, which the database cannot.
func (q *credentialsQuery) patterns() bool {
	return q.User != "*" || q.Credential != "*" || q.Provider != "*" && strings.ContainsAny(q.Provider, `*?[\`)
}

func (q *credentialsQuery) filters() bool {
	return q.Policy != "" || q.State != "" || q.Label != "" || q.Blocked || q.Held || q.Search != "" || q.Cursor != ""
}

func (s *Server) listCredentials(ctx context.Context, q *credentialsQuery) (*answer[Credentials], error) {
	switch {
	case q.patterns() && q.filters():
		return nil, problem(http.StatusUnprocessableEntity, "patterns for provider, user or credential do not go together with filters or a cursor; use search instead of a pattern")
	case q.patterns():
		return s.matchCredentials(ctx, q)
	}
	f, err := s.fleetQuery(q)
	if err != nil {
		return nil, err
	}
	page, err := s.o.Journal.FleetCredentials(ctx, f, time.Now().UTC())
	if err != nil {
		return nil, journalProblem(err)
	}
	out := Credentials{Credentials: []Credential{}, Truncated: page.More}
	for i := range page.Credentials {
		out.Credentials = append(out.Credentials, fleetCredentialOf(&page.Credentials[i]))
	}
	if page.More {
		out.Next = cursorAt(page.Credentials[len(page.Credentials)-1].Key.Credential())
	}
	return &answer[Credentials]{Body: out}, nil
}

func (s *Server) fleetQuery(q *credentialsQuery) (rotator.FleetQuery, error) {
	f := rotator.FleetQuery{Policy: q.Policy, State: q.State, Blocked: q.Blocked, Held: q.Held, Search: strings.ReplaceAll(q.Search, "\x00", ""), Limit: q.Limit}
	if q.Provider != "*" {
		f.Provider = q.Provider
	}
	var err error
	if f.After, err = placeOf(q.Cursor); err != nil || q.Label == "" {
		return f, err
	}
	f.Owners, err = s.owners(q.Label)
	return f, err
}

func (s *Server) matchCredentials(ctx context.Context, q *credentialsQuery) (*answer[Credentials], error) {
	sel := Selection{Provider: q.Provider, User: q.User, Credential: q.Credential}
	if err := sel.check(); err != nil {
		return nil, err
	}
	found, err := s.o.Journal.FindCredentials(ctx, sel.Provider, sel.User, sel.Credential, q.Limit+1)
	if err != nil {
		return nil, journalProblem(err)
	}
	out := Credentials{Credentials: []Credential{}, Truncated: len(found) > q.Limit}
	for _, k := range found[:min(len(found), q.Limit)] {
		out.Credentials = append(out.Credentials, credentialOf(k))
	}
	return &answer[Credentials]{Body: out}, nil
}
