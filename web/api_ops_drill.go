package web

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rotatord/rotatord/rotator"
)

// Prover shows that rotating works, and that what was delivered is where it belongs. An engine.Engine is one.
type Prover interface {
	// ExplainDrill says what Drill would do.
	ExplainDrill(ctx context.Context, c rotator.CredentialID) (rotator.DrillPlan, error)
	// Drill rotates a credential as a drill; keyID, if set, is the key that actor expects to be replaced.
	Drill(ctx context.Context, c rotator.CredentialID, keyID, actor string) (rotator.Rotation, error)
	// Verify reads back the sinks of the credentials that q selects and tries what it reads; one runs at a time.
	Verify(ctx context.Context, q rotator.VerifyQuery, p rotator.VerifyProgress) error
}

// DrillRequest asks for a drill of one credential.
type DrillRequest struct {
	Selection
	DryRun bool   `json:"dry_run,omitempty" doc:"Only say what it would do."`
	KeyID  string `json:"key_id,omitempty" maxLength:"200" doc:"The key that is to be replaced, as a dry run said; if it is another by now, nothing is done."`
	Actor  string `json:"actor,omitempty" maxLength:"100" doc:"Who asks, where nobody is authenticated."`
}

// Drill is what a drill does: what it would do, after a dry run, and the rotation otherwise.
type Drill struct {
	CredentialName
	ServiceUser   string      `json:"service_user,omitempty"`
	Policy        string      `json:"policy,omitempty"`
	OldKey        KeyName     `json:"old_key" doc:"The key that is replaced."`
	NewKey        KeyName     `json:"new_key" doc:"The name under which the next one is made."`
	Deadline      time.Time   `json:"deadline,omitzero" doc:"When the old key must be gone."`
	Sinks         []SinkPlace `json:"sinks" nullable:"false" doc:"Where the new key is delivered."`
	Grace         string      `json:"grace" doc:"How long both keys work."`
	Idle          string      `json:"idle" doc:"How long the old key must have been unused before it goes."`
	Soak          string      `json:"soak,omitempty" doc:"How long the old key stays switched off before it is revoked; absent where it is not."`
	Supplied      bool        `json:"supplied,omitempty" doc:"Whether a person has to make the new key."`
	RemovedByHand bool        `json:"removed_by_hand,omitempty" doc:"Whether a person has to remove the old key."`
	WindowOpens   time.Time   `json:"window_opens,omitzero" doc:"When the policy's window opens, which the old key's end waits for; absent where it is open."`
	Obstacle      string      `json:"obstacle,omitempty" doc:"Why the drill would be refused now; absent if it would not."`
	Rotation      *Rotation   `json:"rotation,omitempty" doc:"The rotation that was planned; absent after a dry run."`
}

// SinkPlace is a place in a sink.
type SinkPlace struct {
	Sink     string `json:"sink"`
	Location string `json:"location"`
}

func (s *Server) drilling(api huma.API) {
	huma.Register(api, operation(api, http.MethodPost, "/drills", "drill", "Rotate a credential to see that rotating works",
		"A drill is a rotation like those by date: with grace, idle time, soak and window, and revoking on the same evidence. It is refused where "+
			"anything speaks against it: a hold, a freeze, a rotation under way, a provider that is paused. With dry_run it only says what it would do.",
		http.StatusAccepted), s.drill)
}

func (s *Server) drill(ctx context.Context, in *request[DrillRequest]) (*answer[Drill], error) {
	if s.o.Prover == nil {
		return nil, problem(http.StatusNotFound, "this daemon makes no drills")
	}
	c, err := s.exactlyOne(ctx, in.Body.Selection)
	if err != nil {
		return nil, err
	}
	p, err := s.o.Prover.ExplainDrill(ctx, c)
	if err != nil {
		return nil, problemOf(err)
	}
	out := drillOf(&p)
	if in.Body.DryRun {
		return &answer[Drill]{Body: out}, nil
	}
	by := callerOf(ctx).actor(in.Body.Actor)
	r, err := s.o.Prover.Drill(ctx, c, in.Body.KeyID, by)
	if err := s.refused(ctx, rotator.AuditPlan, c, by, err); err != nil {
		return nil, problemOf(err)
	}
	planned := rotationOf(&r)
	out.Rotation, out.Obstacle = &planned, ""
	return &answer[Drill]{Body: out}, nil
}

func drillOf(p *rotator.DrillPlan) Drill {
	out := Drill{CredentialName: nameOf(p.CredentialID), ServiceUser: p.ServiceUser, Policy: p.Policy, OldKey: KeyName(p.OldKey), NewKey: KeyName(p.NewKey),
		Deadline: p.Deadline, Sinks: []SinkPlace{}, Grace: p.Terms.Grace.String(), Idle: p.Terms.Idle.String(), Supplied: p.Supplied,
		RemovedByHand: p.RemovedByHand, WindowOpens: p.WindowOpens, Obstacle: p.Obstacle}
	for _, place := range p.Sinks {
		out.Sinks = append(out.Sinks, SinkPlace{Sink: place.Sink, Location: place.Location})
	}
	if p.Disables {
		out.Soak = p.Terms.Soak.String()
	}
	return out
}
