package web

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rotatord/rotatord/rotator"
)

var (
	problemGoType = reflect.TypeFor[Problem]()
	changeGoType  = reflect.TypeFor[Change]()
)

// RotateRequest asks for rotations.
type RotateRequest struct {
	Selection
	Reason    string `json:"reason,omitempty" enum:"manual,compromised" default:"manual" doc:"compromised skips the window, freezes, the grace period and the idle time; the read-back of every sink and the proof of the new key it does not skip."`
	Actor     string `json:"actor,omitempty" maxLength:"100" doc:"Who asks, where nobody is authenticated."`
	StartOver bool   `json:"start_over,omitempty" doc:"Give up the new key of a rotation that is under way and cannot go on, and make another; the key that is given up is revoked with the old one, on the same evidence."`
	DryRun    bool   `json:"dry_run,omitempty" doc:"Only list what matches, and for a leak what is left out."`
	Note      string `json:"note,omitempty" maxLength:"500" doc:"What is known of the leak, for the incident that is opened; only with the reason compromised."`
	Expect    int    `json:"expect,omitempty" minimum:"0" doc:"How many credentials are meant: if another number matches, nothing is done. Absent for whatever matches."`
}

// RotateResult is what became of the request for one credential.
type RotateResult struct {
	CredentialName
	Rotation *Rotation `json:"rotation,omitempty" doc:"The rotation that was planned."`
	Error    string    `json:"error,omitempty" doc:"Why none was."`
	Kind     string    `json:"kind,omitempty" doc:"The error's kind."`
}

// RotateAnswer lists what became of the request for each credential.
type RotateAnswer struct {
	Planned int            `json:"planned"`
	Failed  int            `json:"failed"`
	Results []RotateResult `json:"results" nullable:"false"`
	// Incident and what follows are for a leak alone.
	Incident    string       `json:"incident,omitempty" doc:"The incident that was opened, for a leak: GET /incidents/{id} says how it stands."`
	LeftOut     []LeftOutKey `json:"left_out,omitempty" doc:"For a leak: keys that are not rotated and may be in danger all the same."`
	MoreLeftOut int          `json:"more_left_out,omitempty" doc:"How many more there are than are listed."`
}

// HoldRequest places holds.
type HoldRequest struct {
	Selection
	Until  time.Time `json:"until" doc:"When the hold ends by itself."`
	Reason string    `json:"reason" minLength:"1" maxLength:"500" doc:"Printed wherever the hold stops something."`
	Actor  string    `json:"actor,omitempty" maxLength:"100" doc:"Who asks, where nobody is authenticated."`
}

// Touched lists the credentials that an action was about.
type Touched struct {
	Credentials []CredentialName `json:"credentials" nullable:"false"`
}

// ApproveRequest lets through what the blast-radius cap holds back.
type ApproveRequest struct {
	Within string `json:"within,omitempty" default:"1h" example:"30m" doc:"How long the approval lasts: units h, m and s, at most 24h."`
	Actor  string `json:"actor,omitempty" maxLength:"100" doc:"Who asks, where nobody is authenticated."`
}

// Approval is what was let through.
type Approval struct {
	Approved int       `json:"approved" doc:"How many rotations may start beyond the cap."`
	Until    time.Time `json:"until"`
	By       string    `json:"by"`
}

// Bounds of what one request may touch or grant.
const (
	selectAtMost    = 1000
	longestApproval = 24 * time.Hour
)

func (s *Server) acting(api huma.API) {
	huma.Register(api, operation(api, http.MethodPost, "/rotations", "rotate", "Rotate credentials now",
		"Plans a rotation of every credential that matches. It does not wait for the deadline, the window or the blast-radius cap; "+
			"a hold it respects. If exactly one credential matches and it cannot be rotated, the answer is that error; if more do, "+
			"the answer says for each what became of it.", http.StatusAccepted), s.rotate)
	huma.Register(api, operation(api, http.MethodPost, "/holds", "hold", "Hold credentials",
		"Stops everything about the credentials that cannot be undone, until the hold ends or is released.", http.StatusOK), s.hold)
	huma.Register(api, operation(api, http.MethodPost, "/undo", "undo", "Bring an old key back that is only switched off",
		"For a rotation whose old key is switched off and not revoked yet. The key is switched on again, and a hold keeps it on until it ends "+
			"or is released.", http.StatusAccepted), s.undo)
	huma.Register(api, operation(api, http.MethodDelete, "/holds", "release", "Release holds",
		"Ends the holds on the credentials that match. Without wildcards it succeeds for a credential that no scan saw, too.", http.StatusOK), s.release)
	huma.Register(api, operation(api, http.MethodPost, "/providers/{name}/approve", "approve", "Let rotations through that wait for approval",
		"Lets as many rotations through as wait for approval now.", http.StatusOK), s.approve)
	huma.Register(api, operation(api, http.MethodPost, "/scan", "scan", "Scan every provider now",
		"Asks for a scan and does not wait for it.", http.StatusAccepted), s.scan)
}

func (s *Server) rotate(ctx context.Context, in *request[RotateRequest]) (*answer[RotateAnswer], error) {
	keys, err := s.find(ctx, in.Body.Selection)
	if err != nil {
		return nil, err
	}
	keys = rotatable(keys)
	if n := in.Body.Expect; n > 0 && n != len(keys) {
		return nil, problem(http.StatusConflict, "%d credentials match %s and %d were expected; nothing was done: look at them again", len(keys), in.Body.Selection, n)
	}
	actor := callerOf(ctx).actor(in.Body.Actor)
	if in.Body.Reason == string(rotator.ReasonCompromised) && s.o.Incidents != nil {
		out, err := s.rotateLeaked(ctx, &in.Body, keys, actor)
		if err != nil {
			return nil, err
		}
		return &answer[RotateAnswer]{Body: out}, nil
	}
	out := RotateAnswer{Results: []RotateResult{}}
	err = s.rotateAll(ctx, &in.Body, keys, actor, &out)
	return &answer[RotateAnswer]{Body: out}, err
}

// rotateAll rotates one credential after the other. If there is one alone and it cannot be rotated, that is the error.
func (s *Server) rotateAll(ctx context.Context, ask *RotateRequest, keys []rotator.TrackedKey, actor string, out *RotateAnswer) error {
	for _, k := range keys {
		result := RotateResult{CredentialName: nameOf(k.Credential())}
		if !ask.DryRun {
			r, err := s.act(ctx, k.Credential(), *ask, actor)
			if err != nil && len(keys) == 1 {
				return problemOf(err)
			}
			out.note(&result, &r, err)
		}
		out.Results = append(out.Results, result)
	}
	return nil
}

func (s *Server) act(ctx context.Context, c rotator.CredentialID, ask RotateRequest, actor string) (rotator.Rotation, error) {
	if ask.StartOver {
		r, err := s.o.Operator.StartOver(ctx, c, actor)
		return r, s.refused(ctx, rotator.AuditStartOver, c, actor, err)
	}
	r, err := s.o.Operator.Rotate(ctx, c, rotator.Reason(ask.Reason), actor)
	return r, s.refused(ctx, rotator.AuditPlan, c, actor, err)
}

func (a *RotateAnswer) note(result *RotateResult, r *rotator.Rotation, err error) {
	if err != nil {
		a.Failed++
		result.Error, result.Kind = err.Error(), string(rotator.KindOf(err))
		return
	}
	a.Planned++
	planned := rotationOf(r)
	result.Rotation = &planned
}

// rotatable leaves out what a pattern catches by accident: credentials that no policy selects. If nothing else matched
// they stay, so that the engine says what is wrong with them.
func rotatable(found []rotator.TrackedKey) []rotator.TrackedKey {
	var managed []rotator.TrackedKey
	for _, k := range found {
		if k.Policy != "" {
			managed = append(managed, k)
		}
	}
	if len(managed) == 0 {
		return found
	}
	return managed
}

// ahead refuses the end of a hold that is not in the future.
func ahead(until, now time.Time) error {
	if until.After(now) {
		return nil
	}
	return problem(http.StatusUnprocessableEntity, "until is %s and it is %s now; a hold has to end in the future",
		until.UTC().Format(time.RFC3339), now.Format(time.RFC3339))
}

func (s *Server) undo(ctx context.Context, in *request[HoldRequest]) (*answer[Rotation], error) {
	now := time.Now().UTC()
	if err := ahead(in.Body.Until, now); err != nil {
		return nil, err
	}
	c, err := s.exactlyOne(ctx, in.Body.Selection)
	if err != nil {
		return nil, err
	}
	by := callerOf(ctx).actor(in.Body.Actor)
	r, err := s.o.Operator.Undo(ctx, rotator.Hold{CredentialID: c, By: by, Until: in.Body.Until.UTC(), Reason: oneLine(in.Body.Reason), At: now})
	return acted(&r, s.refused(ctx, rotator.AuditUndo, c, by, err))
}

func (s *Server) hold(ctx context.Context, in *request[HoldRequest]) (*answer[Touched], error) {
	now := time.Now().UTC()
	if err := ahead(in.Body.Until, now); err != nil {
		return nil, err
	}
	keys, err := s.find(ctx, in.Body.Selection)
	if err != nil {
		return nil, err
	}
	by := callerOf(ctx).actor(in.Body.Actor)
	return touch(keys, func(c rotator.CredentialID) error {
		err := s.o.Operator.Hold(ctx, rotator.Hold{CredentialID: c, By: by, Until: in.Body.Until.UTC(), Reason: oneLine(in.Body.Reason), At: now})
		return s.refused(ctx, rotator.AuditHold, c, by, err)
	})
}

// touch does something to one credential after the other and stops at the first that fails.
func touch(keys []rotator.TrackedKey, do func(rotator.CredentialID) error) (*answer[Touched], error) {
	out := Touched{Credentials: []CredentialName{}}
	for _, k := range keys {
		if err := do(k.Credential()); err != nil {
			p := problemOf(err)
			p.Detail = fmt.Sprintf("%s: %s (%d of %d were done before it)", k.Credential(), p.Detail, len(out.Credentials), len(keys))
			return nil, p
		}
		out.Credentials = append(out.Credentials, nameOf(k.Credential()))
	}
	return &answer[Touched]{Body: out}, nil
}

type releaseQuery struct {
	Provider   string `query:"provider" required:"true" maxLength:"200" doc:"A pattern for the provider's name."`
	User       string `query:"user" required:"true" maxLength:"200" doc:"A pattern for the service user's id, name or e-mail; the id, if no scan saw it."`
	Credential string `query:"credential" required:"true" maxLength:"200" doc:"A pattern for the base name of the credential's keys."`
	Actor      string `query:"actor" maxLength:"100" doc:"Who asks, where nobody is authenticated."`
}

func (s *Server) release(ctx context.Context, q *releaseQuery) (*answer[Touched], error) {
	sel := Selection{Provider: q.Provider, User: q.User, Credential: q.Credential}
	keys, err := s.find(ctx, sel)
	if p, ok := err.(*Problem); ok && p.Status == http.StatusNotFound && !strings.ContainsAny(sel.String(), `*?[\`) { //nolint:errorlint // made by find
		// A hold may outlive the keys that it was about.
		keys, err = []rotator.TrackedKey{{Provider: sel.Provider, Base: sel.Credential, Key: rotator.Key{UserID: sel.User}}}, nil
	}
	if err != nil {
		return nil, err
	}
	by := callerOf(ctx).actor(q.Actor)
	return touch(keys, func(c rotator.CredentialID) error {
		return s.refused(ctx, rotator.AuditRelease, c, by, s.o.Operator.Release(ctx, c, by))
	})
}

type approveInput struct {
	Name string `path:"name" maxLength:"200" doc:"The provider's name in the configuration."`
	Body *ApproveRequest
}

func (s *Server) approve(ctx context.Context, in *approveInput) (*answer[Approval], error) {
	ask := ApproveRequest{Within: "1h"}
	if in.Body != nil {
		ask = *in.Body
	}
	within, err := time.ParseDuration(ask.Within)
	if err != nil || within <= 0 || within > longestApproval {
		return nil, problem(http.StatusUnprocessableEntity, "within is %q; write a time such as 30m or 2h, at most %s", ask.Within, "24h")
	}
	by := callerOf(ctx).actor(ask.Actor)
	n, err := s.o.Operator.Approve(ctx, in.Name, by, within)
	if err != nil {
		return nil, problemOf(s.refused(ctx, rotator.AuditApprove, rotator.CredentialID{Provider: in.Name}, by, err))
	}
	return &answer[Approval]{Body: Approval{Approved: n, Until: time.Now().UTC().Add(within), By: by}}, nil
}

func (s *Server) scan(ctx context.Context, _ *struct{}) (*struct{}, error) {
	s.record(ctx, rotator.AuditEvent{Kind: rotator.AuditScan, Outcome: rotator.AuditBegun, Actor: callerOf(ctx).actor("")})
	s.o.Operator.ScanNow()
	return nil, nil
}
