package web

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Rotations is a list of rotations.
type Rotations struct {
	Rotations []Rotation `json:"rotations" nullable:"false"`
	Truncated bool       `json:"truncated" doc:"Whether there are more than the limit."`
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
		"Open rotations, or those that ended, the latest first.", http.StatusOK), s.listRotations)
	huma.Register(api, operation(api, http.MethodGet, "/rotations/{id}", "get-rotation", "One rotation and its history",
		"", http.StatusOK), s.getRotation)
	huma.Register(api, operation(api, http.MethodGet, "/credentials", "list-credentials", "List credentials",
		"Credentials that scans saw, managed or not, each by its current key: the newest that works, or else the newest. Filters and paging cost little in a large fleet; patterns read all of it.", http.StatusOK), s.listCredentials)
}

func (s *Server) getStatus(ctx context.Context, _ *struct{}) (*answer[Status], error) {
	st, err := s.status(ctx, time.Now().UTC())
	if err != nil {
		return nil, journalProblem(err)
	}
	return &answer[Status]{Body: *st}, nil
}

type rotationsQuery struct {
	State string `query:"state" enum:"open,ended" default:"open" doc:"Which rotations."`
	Limit int    `query:"limit" minimum:"1" maximum:"10000" default:"100" doc:"How many at most."`
}

func (s *Server) listRotations(ctx context.Context, q *rotationsQuery) (*answer[Rotations], error) {
	found, err := s.o.Journal.Rotations(ctx, q.State == "ended", q.Limit+1)
	if err != nil {
		return nil, journalProblem(err)
	}
	out := Rotations{Rotations: []Rotation{}, Truncated: len(found) > q.Limit}
	for i := range found[:min(len(found), q.Limit)] {
		out.Rotations = append(out.Rotations, rotationOf(&found[i]))
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
