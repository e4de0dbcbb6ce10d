package web

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rotatord/rotatord/rotator"
)

// Rotations is a list of rotations.
type Rotations struct {
	Rotations []Rotation `json:"rotations" nullable:"false"`
	Truncated bool       `json:"truncated" doc:"Whether there are more than the limit."`
	Next      string     `json:"next,omitempty" doc:"The cursor of the next page; absent on the last."`
}

// RotationHistory is a rotation and what happened to it.
type RotationHistory struct {
	Rotation
	History []Entry   `json:"history" nullable:"false" doc:"The oldest entry first."`
	Hooks   []HookRun `json:"hooks,omitempty" doc:"The consumers that are told of the new key, the oldest first."`
}

// Credentials is a list of credentials.
type Credentials struct {
	Credentials []Credential `json:"credentials" nullable:"false"`
	Truncated   bool         `json:"truncated" doc:"Whether there are more than the limit."`
	Next        string       `json:"next,omitempty" doc:"The cursor of the next page; absent on the last, and where patterns were given."`
}

func (s *Server) reading(api huma.API) {
	huma.Register(api, operation(api, http.MethodGet, "/status", "status", "What needs a person, what is in motion, what is due next",
		"The state of everything, from the journal.", http.StatusOK), s.getStatus)
	huma.Register(api, operation(api, http.MethodGet, "/rotations", "list-rotations", "List rotations",
		"Open rotations, those that have stood in their stage the longest first, then those that ended, the latest first.", http.StatusOK), s.listRotations)
	huma.Register(api, operation(api, http.MethodGet, "/rotations/{id}", "get-rotation", "One rotation and its history",
		"", http.StatusOK), s.getRotation)
	huma.Register(api, operation(api, http.MethodGet, "/policies", "list-policies", "List the policies that are configured",
		"Their names, in the order in which they apply.", http.StatusOK), s.listPolicies)
	huma.Register(api, operation(api, http.MethodGet, "/credentials", "list-credentials", "List credentials",
		"Credentials that scans saw, managed or not, each by its current key: the newest that works, or else the newest. Filters and paging cost little in a large fleet; patterns read all of it.", http.StatusOK), s.listCredentials)
}

// Policies are the policies that are configured now.
type Policies struct {
	Policies []string `json:"policies" nullable:"false"`
}

func (s *Server) listPolicies(context.Context, *struct{}) (*answer[Policies], error) {
	out := Policies{Policies: []string{}}
	if s.o.Policies != nil {
		out.Policies = append(out.Policies, s.o.Policies()...)
	}
	return &answer[Policies]{Body: out}, nil
}

func (s *Server) getStatus(ctx context.Context, _ *struct{}) (*answer[Status], error) {
	st, err := s.status(ctx, time.Now().UTC())
	if err != nil {
		return nil, journalProblem(err)
	}
	return &answer[Status]{Body: *st}, nil
}

type rotationsQuery struct {
	State      string    `query:"state" enum:"open,ended,all" default:"open" doc:"Which rotations."`
	Provider   string    `query:"provider" maxLength:"200" doc:"A pattern for the provider's name."`
	User       string    `query:"user" maxLength:"200" doc:"A pattern for the service user's id, name or e-mail."`
	Credential string    `query:"credential" maxLength:"200" doc:"A pattern for the base name of the credential's keys."`
	Policy     string    `query:"policy" maxLength:"200" doc:"The name of the policy."`
	Reason     string    `query:"reason" enum:"expiring,max_age,manual,compromised,missing,drill" doc:"Why it was planned."`
	Since      time.Time `query:"since" doc:"Only those that reached the stage that they are in from then on."`
	Until      time.Time `query:"until" doc:"Only those that reached it before."`
	Cursor     string    `query:"cursor" maxLength:"2000" doc:"Where to go on: next of the page before, with the same filters."`
	Limit      int       `query:"limit" minimum:"1" maximum:"10000" default:"100" doc:"How many at most."`
}

func (q *rotationsQuery) selected() (rotator.RotationQuery, error) {
	sel := rotator.RotationQuery{Provider: q.Provider, User: q.User, Base: q.Credential, Policy: q.Policy, Reason: rotator.Reason(q.Reason),
		State: q.State, Since: q.Since, Until: q.Until, Limit: q.Limit}
	if q.State == "all" {
		sel.State = ""
	}
	if err := (Selection{Provider: q.Provider, User: q.User, Credential: q.Credential}).check(); err != nil {
		return sel, err
	}
	if q.Cursor == "" {
		return sel, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(q.Cursor)
	if err == nil {
		err = json.Unmarshal(text, &sel.After)
	}
	if err != nil || sel.After.ID == "" {
		return sel, problem(http.StatusUnprocessableEntity, "the cursor is not one that this daemon gave out; begin again without it")
	}
	return sel, nil
}

func (s *Server) listRotations(ctx context.Context, q *rotationsQuery) (*answer[Rotations], error) {
	sel, err := q.selected()
	if err != nil {
		return nil, err
	}
	page, err := s.o.Journal.FindRotations(ctx, sel)
	if err != nil {
		return nil, journalProblem(err)
	}
	out := Rotations{Rotations: []Rotation{}, Truncated: page.Next != nil}
	for i := range page.Rotations {
		out.Rotations = append(out.Rotations, rotationOf(&page.Rotations[i]))
	}
	if page.Next != nil {
		place, _ := json.Marshal(page.Next) //nolint:errchkjson // a time and texts are always JSON
		out.Next = base64.RawURLEncoding.EncodeToString(place)
	}
	return &answer[Rotations]{Body: out}, nil
}

type rotationPath struct {
	ID string `path:"id" maxLength:"100" example:"20260301-k3j5h2g8d1"`
}

func (s *Server) getRotation(ctx context.Context, q *rotationPath) (*answer[RotationHistory], error) {
	r, err := s.o.Journal.Rotation(ctx, q.ID)
	if err != nil {
		return nil, journalProblem(err)
	}
	h, err := s.historyOf(ctx, &r)
	if err != nil {
		return nil, journalProblem(err)
	}
	return &answer[RotationHistory]{Body: h}, nil
}
