package web

import (
	"bytes"
	"context"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rotatord/rotatord/rotator"
)

// RemovalRequest says that a person removed a key.
type RemovalRequest struct {
	Selection
	Actor string `json:"actor,omitempty" maxLength:"100" doc:"Who says so, where nobody is authenticated."`
}

// UserRequest asks for a service user.
type UserRequest struct {
	Provider   string           `json:"provider" minLength:"1" maxLength:"200" doc:"The provider's name in the configuration."`
	Label      string           `json:"label" minLength:"1" maxLength:"200" doc:"What the service user is known by; unique within the provider."`
	Credential string           `json:"credential" minLength:"1" maxLength:"200" doc:"The base name of its first key."`
	Spec       rotator.UserSpec `json:"spec"`
	Actor      string           `json:"actor,omitempty" maxLength:"100" doc:"Who asks, where nobody is authenticated."`
}

// ServiceUser is a service user that must exist, and where it stands.
type ServiceUser struct {
	Provider   string               `json:"provider"`
	Label      string               `json:"label" doc:"What the declaration is known by."`
	State      string               `json:"state" enum:"wanted,intended,present,vanished,failed"`
	UserID     string               `json:"user_id,omitempty" doc:"The provider's id, once it was seen."`
	Credential string               `json:"credential" doc:"The base name of its first key."`
	Since      time.Time            `json:"since" doc:"When the state was reached."`
	Actor      string               `json:"actor,omitempty" doc:"Who asked for it; absent for the configuration."`
	Trouble    string               `json:"trouble,omitempty" doc:"What is wrong."`
	Drift      []rotator.Difference `json:"drift,omitempty" doc:"What differs from the declaration."`
}

// ServiceUsers is the list of the service users that must exist.
type ServiceUsers struct {
	ServiceUsers []ServiceUser `json:"service_users" nullable:"false"`
}

func serviceUserOf(p rotator.Provision) ServiceUser {
	return ServiceUser{Provider: p.Provider, Label: p.Label, State: string(p.State), UserID: p.UserID, Credential: p.Credential,
		Since: p.At, Actor: p.Actor, Trouble: p.Trouble, Drift: p.Drift}
}

// longestKey bounds a key that is supplied, in bytes.
const longestKey = 16 << 10

func (s *Server) people(api huma.API) {
	supply := operation(api, http.MethodPost, "/supplies", "supply", "Supply a key that a person made",
		"The body is the key and nothing else; white space around it is ignored. The key is tried at the provider and, if it works, sealed "+
			"in the journal; the rotation that waits for it goes on. A key that does not work is refused, and nothing is recorded.", http.StatusAccepted)
	supply.MaxBodyBytes = longestKey
	huma.Register(api, supply, s.supply)
	huma.Register(api, operation(api, http.MethodPost, "/removals", "removed", "Say that a key was removed by hand",
		"For a rotation that asks a person to remove a key. It is refused while the rotation does not ask: then the key may still be needed.",
		http.StatusAccepted), s.removed)
	huma.Register(api, operation(api, http.MethodGet, "/service-users", "list-service-users", "List the service users that must exist",
		"Those that the configuration declares and those that somebody asked for.", http.StatusOK), s.listServiceUsers)
	huma.Register(api, operation(api, http.MethodPost, "/service-users", "create-service-user", "Ask for a service user",
		"The scan that begins now creates it, unless it is there, and delivers its first key to the sinks of the policy that selects it. "+
			"The key is shown to nobody.", http.StatusAccepted), s.createServiceUser)
}

type supplyInput struct {
	Provider   string    `query:"provider" required:"true" maxLength:"200" doc:"The provider's name."`
	User       string    `query:"user" required:"true" maxLength:"200" doc:"The service user's id, name or e-mail."`
	Credential string    `query:"credential" required:"true" maxLength:"200" doc:"The base name of the credential's keys."`
	KeyID      string    `query:"key_id" maxLength:"200" doc:"The provider's id of the key, where it has one and it is known."`
	Expires    time.Time `query:"expires" doc:"When the key ends; needed where the provider cannot be asked."`
	Actor      string    `query:"actor" maxLength:"100" doc:"Who supplies it, where nobody is authenticated."`
	Type       string    `header:"Content-Type" hidden:"true"`
	RawBody    []byte    `contentType:"text/plain"`
}

func (s *Server) supply(ctx context.Context, in *supplyInput) (*answer[Rotation], error) {
	defer clear(in.RawBody)
	if kind, _, err := mime.ParseMediaType(in.Type); err != nil || kind != "text/plain" {
		return nil, problem(http.StatusUnsupportedMediaType, "the body must be the key and nothing else, sent as text/plain")
	}
	c, err := s.exactlyOne(ctx, Selection{Provider: in.Provider, User: in.User, Credential: in.Credential})
	if err != nil {
		return nil, err
	}
	secret := rotator.NewSecret(bytes.Clone(bytes.TrimSpace(in.RawBody)))
	defer secret.Wipe()
	by := callerOf(ctx).actor(in.Actor)
	r, err := s.o.Operator.Supply(ctx, c, rotator.Supplied{Secret: secret, KeyID: in.KeyID, Expires: in.Expires}, by)
	return acted(&r, s.refused(ctx, rotator.AuditSupply, c, by, err))
}

func (s *Server) removed(ctx context.Context, in *request[RemovalRequest]) (*answer[Rotation], error) {
	c, err := s.exactlyOne(ctx, in.Body.Selection)
	if err != nil {
		return nil, err
	}
	by := callerOf(ctx).actor(in.Body.Actor)
	r, err := s.o.Operator.Removed(ctx, c, by)
	return acted(&r, s.refused(ctx, rotator.AuditRemoval, c, by, err))
}

func acted(r *rotator.Rotation, err error) (*answer[Rotation], error) {
	if err != nil {
		return nil, problemOf(err)
	}
	return &answer[Rotation]{Body: rotationOf(r)}, nil
}

// exactlyOne returns the one credential that matches. One that no scan saw yet is taken by its word: a new service user's
// first key is supplied too.
func (s *Server) exactlyOne(ctx context.Context, sel Selection) (rotator.CredentialID, error) {
	keys, err := s.find(ctx, sel)
	if p, ok := err.(*Problem); ok && p.Status == http.StatusNotFound && !strings.ContainsAny(sel.String(), `*?[\`) { //nolint:errorlint // made by find
		return rotator.CredentialID{Provider: sel.Provider, UserID: sel.User, Base: sel.Credential}, nil
	}
	if err != nil {
		return rotator.CredentialID{}, err
	}
	if len(keys) > 1 {
		return rotator.CredentialID{}, problem(http.StatusUnprocessableEntity, "%d credentials match %s, and this is about one: name it by the service user's id", len(keys), sel)
	}
	return keys[0].Credential(), nil
}

func (s *Server) listServiceUsers(ctx context.Context, _ *struct{}) (*answer[ServiceUsers], error) {
	all, err := s.o.Journal.Provisions(ctx, "")
	if err != nil {
		return nil, journalProblem(err)
	}
	out := ServiceUsers{ServiceUsers: []ServiceUser{}}
	for _, p := range all {
		out.ServiceUsers = append(out.ServiceUsers, serviceUserOf(p))
	}
	return &answer[ServiceUsers]{Body: out}, nil
}

func (s *Server) createServiceUser(ctx context.Context, in *request[UserRequest]) (*answer[ServiceUser], error) {
	d := rotator.DeclaredUser{Provider: in.Body.Provider, Label: in.Body.Label, Credential: in.Body.Credential, Spec: in.Body.Spec}
	d.Spec.Kind = rotator.ServiceKind
	by := callerOf(ctx).actor(in.Body.Actor)
	p, err := s.o.Operator.Provision(ctx, d, by)
	if err != nil {
		c := rotator.CredentialID{Provider: d.Provider, Base: d.Credential}
		return nil, problemOf(s.refused(ctx, rotator.AuditUser, c, by, err))
	}
	return &answer[ServiceUser]{Body: serviceUserOf(p)}, nil
}

// gatherServiceUsers lists the declared service users that are not as they should be.
func (s *Server) gatherServiceUsers(ctx context.Context, st *Status) error {
	all, err := s.o.Journal.Provisions(ctx, "")
	if err != nil {
		return err
	}
	for _, p := range all {
		reason, why := p.Complaint()
		if reason == "" {
			continue
		}
		st.NeedsPerson = true
		st.Attention = append(st.Attention, Item{About: "service_user", What: p.Provider + "/" + p.Label, Reason: reason, Why: why, Do: advice[reason], Since: p.At})
	}
	return nil
}
