package web

import (
	"context"
	"crypto/rand"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rotatord/rotatord/rotator"
)

// Freezer places and lifts freezes. An engine.Engine is one.
type Freezer interface {
	// Freeze places a freeze under a new name.
	Freeze(ctx context.Context, f rotator.PlacedFreeze) error
	// Lift ends one that an operator placed; it fails with [rotator.Gone] if there is none of that name.
	Lift(ctx context.Context, id, actor string) error
	// Freezes returns those that are not over, the configuration's included.
	Freezes(ctx context.Context) ([]rotator.PlacedFreeze, error)
}

// Freeze is a span in which nothing rotates and nothing is revoked.
type Freeze struct {
	ID                  string    `json:"id,omitempty" doc:"What to lift it by; absent for a freeze of the configuration."`
	From                time.Time `json:"from"`
	To                  time.Time `json:"to"`
	Reason              string    `json:"reason"`
	UnlessExpiresWithin string    `json:"unless_expires_within,omitempty" doc:"Keys whose deadline is nearer than this are replaced all the same; absent for none."`
	By                  string    `json:"by,omitempty" doc:"Who placed it; absent for a freeze of the configuration."`
	InForce             bool      `json:"in_force" doc:"Whether it stops anything now."`
}

// FreezeRequest places a freeze.
type FreezeRequest struct {
	From                time.Time `json:"from,omitzero" doc:"When it begins; now, if it is absent."`
	To                  time.Time `json:"to" doc:"When it ends by itself."`
	Reason              string    `json:"reason" minLength:"1" maxLength:"500" doc:"Printed wherever the freeze stops something."`
	UnlessExpiresWithin string    `json:"unless_expires_within,omitempty" example:"72h" doc:"Replace keys whose deadline is nearer than this all the same: units h, m and s."`
	Actor               string    `json:"actor,omitempty" maxLength:"100" doc:"Who asks, where nobody is authenticated."`
}

// Freezes is the list of the freezes that are not over.
type Freezes struct {
	Freezes []Freeze `json:"freezes" nullable:"false"`
}

// longestFreeze bounds a freeze that an operator places: what is to last longer belongs into the configuration.
const longestFreeze = 366 * 24 * time.Hour

func (s *Server) freezing(api huma.API) {
	huma.Register(api, operation(api, http.MethodGet, "/freezes", "list-freezes", "List freezes",
		"Those that are in force or still to come: the configuration's and those that operators placed.", http.StatusOK), s.listFreezes)
	huma.Register(api, operation(api, http.MethodPost, "/freezes", "freeze", "Freeze everything for a time",
		"Nothing is rotated and no old key is revoked from then on until its end, but for what an operator asks for, and for keys near their deadline if it says so.",
		http.StatusOK), s.freeze)
	huma.Register(api, operation(api, http.MethodDelete, "/freezes/{id}", "lift", "Lift a freeze",
		"Ends a freeze that an operator placed. What waited for its end is looked at again at once.", http.StatusNoContent), s.lift)
}

func (s *Server) listFreezes(ctx context.Context, _ *struct{}) (*answer[Freezes], error) {
	found, err := s.freezes(ctx, time.Now().UTC())
	if err != nil {
		return nil, journalProblem(err)
	}
	return &answer[Freezes]{Body: Freezes{Freezes: found}}, nil
}

func (s *Server) freezes(ctx context.Context, now time.Time) ([]Freeze, error) {
	shown := []Freeze{}
	if s.o.Freezer == nil {
		return shown, nil
	}
	found, err := s.o.Freezer.Freezes(ctx)
	for _, f := range found {
		shown = append(shown, freezeOf(f, now))
	}
	return shown, err
}

func freezeOf(f rotator.PlacedFreeze, now time.Time) Freeze {
	shown := Freeze{ID: f.ID, From: f.From.UTC(), To: f.To.UTC(), Reason: f.Reason, By: f.By, InForce: f.Contains(now)}
	if f.UnlessExpiresWithin > 0 {
		shown.UnlessExpiresWithin = f.UnlessExpiresWithin.String()
	}
	return shown
}

func (s *Server) gatherFreezes(ctx context.Context, st *Status) (err error) {
	st.Freezes, err = s.freezes(ctx, st.Now)
	return err
}

func (s *Server) freeze(ctx context.Context, in *request[FreezeRequest]) (*answer[Freeze], error) {
	if s.o.Freezer == nil {
		return nil, problem(http.StatusNotFound, "this daemon places no freezes")
	}
	now := time.Now().UTC()
	f, err := in.Body.placed(now)
	if err != nil {
		return nil, err
	}
	f.ID = "freeze-" + strings.ToLower(rand.Text()[:6])
	f.By = callerOf(ctx).actor(in.Body.Actor)
	if err := s.o.Freezer.Freeze(ctx, f); err != nil {
		return nil, problemOf(s.refused(ctx, rotator.AuditFreeze, rotator.CredentialID{}, f.By, err))
	}
	return &answer[Freeze]{Body: freezeOf(f, now)}, nil
}

// placed reads the request.
func (r *FreezeRequest) placed(now time.Time) (rotator.PlacedFreeze, error) {
	f := rotator.PlacedFreeze{Freeze: rotator.Freeze{From: r.From.UTC(), To: r.To.UTC(), Reason: oneLine(r.Reason)}, At: now}
	if r.From.IsZero() {
		f.From = now
	}
	switch {
	case !f.To.After(now) || !f.To.After(f.From):
		return f, problem(http.StatusUnprocessableEntity, "the freeze would end at %s; it has to end in the future, and after it begins", f.To.Format(time.RFC3339))
	case f.To.Sub(f.From) > longestFreeze:
		return f, problem(http.StatusUnprocessableEntity, "the freeze would last %s; what is to last longer than a year belongs into the configuration", f.To.Sub(f.From).Round(time.Hour))
	case r.UnlessExpiresWithin == "":
		return f, nil
	}
	d, err := time.ParseDuration(r.UnlessExpiresWithin)
	if err != nil || d <= 0 {
		return f, problem(http.StatusUnprocessableEntity, "unless_expires_within is %q; write a span such as 72h", r.UnlessExpiresWithin)
	}
	f.UnlessExpiresWithin = d
	return f, nil
}

type liftInput struct {
	ID    string `path:"id" maxLength:"100" doc:"The freeze's id."`
	Actor string `query:"actor" maxLength:"100" doc:"Who asks, where nobody is authenticated."`
}

func (s *Server) lift(ctx context.Context, in *liftInput) (*struct{}, error) {
	if s.o.Freezer == nil {
		return nil, problem(http.StatusNotFound, "this daemon places no freezes")
	}
	by := callerOf(ctx).actor(in.Actor)
	if err := s.o.Freezer.Lift(ctx, in.ID, by); err != nil {
		return nil, problemOf(s.refused(ctx, rotator.AuditLift, rotator.CredentialID{}, by, err))
	}
	return nil, nil //nolint:nilnil // an answer without a body
}
