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
	History []Entry `json:"history" nullable:"false" doc:"The oldest entry first."`
}

// Credentials is a list of credentials.
type Credentials struct {
	Credentials []Credential `json:"credentials" nullable:"false"`
	Truncated   bool         `json:"truncated" doc:"Whether there are more than the limit."`
}

func (s *Server) reading(api huma.API) {
	huma.Register(api, operation(api, http.MethodGet, "/status", "status", "What needs a person, what is in motion, what is due next",
		"The state of everything, from the journal.", http.StatusOK), s.getStatus)
	huma.Register(api, operation(api, http.MethodGet, "/rotations", "list-rotations", "List rotations",
		"Open rotations, or those that ended, the latest first.", http.StatusOK), s.listRotations)
	huma.Register(api, operation(api, http.MethodGet, "/rotations/{id}", "get-rotation", "One rotation and its history",
		"", http.StatusOK), s.getRotation)
	huma.Register(api, operation(api, http.MethodGet, "/credentials", "list-credentials", "List credentials",
		"Credentials that scans saw, managed or not, each with its newest key.", http.StatusOK), s.listCredentials)
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
	entries, err := s.o.Journal.History(ctx, q.ID)
	if err != nil {
		return nil, journalProblem(err)
	}
	out := RotationHistory{Rotation: rotationOf(&r), History: []Entry{}}
	for _, e := range entries {
		out.History = append(out.History, Entry{Seq: e.Seq, At: e.At, From: string(e.From), To: string(e.To), Note: e.Note})
	}
	return &answer[RotationHistory]{Body: out}, nil
}

type credentialsQuery struct {
	Provider   string `query:"provider" default:"*" maxLength:"200" doc:"A pattern for the provider's name."`
	User       string `query:"user" default:"*" maxLength:"200" doc:"A pattern for the service user's id, name or e-mail."`
	Credential string `query:"credential" default:"*" maxLength:"200" doc:"A pattern for the base name of the credential's keys."`
	Limit      int    `query:"limit" minimum:"1" maximum:"10000" default:"100" doc:"How many at most."`
}

func (s *Server) listCredentials(ctx context.Context, q *credentialsQuery) (*answer[Credentials], error) {
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
