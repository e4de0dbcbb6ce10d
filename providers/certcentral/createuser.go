package certcentral

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/rotatord/rotatord/providers/internal/rest"
	"github.com/rotatord/rotatord/rotator"
)

// wireID is how requests name what has an id.
type wireID struct {
	ID int64 `json:"id"`
}

// wireCreateUser is the request of POST /user: of a standard user, or of a service user if APIOnly is set.
type wireCreateUser struct {
	APIOnly      bool     `json:"is_api_only,omitempty"`
	APIName      string   `json:"api_name,omitempty"`
	RestrictedTo *int     `json:"restricted_to_role_id,omitempty"`
	Username     string   `json:"username,omitempty"`
	FirstName    string   `json:"first_name,omitempty"`
	LastName     string   `json:"last_name,omitempty"`
	Email        string   `json:"email"`
	JobTitle     string   `json:"job_title,omitempty"`
	Telephone    string   `json:"telephone,omitempty"`
	Container    *wireID  `json:"container,omitempty"`
	AccessRoles  []wireID `json:"access_roles,omitempty"`
	Containers   []int64  `json:"container_id_assignments,omitempty"`
	SAMLOnly     bool     `json:"is_saml_sso_only,omitempty"`
}

// CreateUser implements [rotator.Directory] with POST /user, in one request.
//
// A service user comes with a key, whose value is in this answer alone and whose id is not in it: that is looked up
// afterwards by its name, and left empty if this fails, because the user and the key are there.
func (p *Provider) CreateUser(ctx context.Context, s rotator.UserSpec) (rotator.CreatedUser, error) {
	service := s.Kind == rotator.ServiceKind
	c, err := p.createCall(s)
	if err != nil {
		return rotator.CreatedUser{}, err
	}
	ans, err := p.client.Write(ctx, c)
	if err != nil {
		return rotator.CreatedUser{}, err
	}
	defer func() { _ = ans.Body.Close() }()
	made, err := readCreatedUser(c.Op(), ans.Body, service)
	if err == nil && service {
		p.findKey(ctx, &made, s.KeyName)
	}
	return made, err
}

// PreviewUser implements [rotator.UserPreviewer].
func (p *Provider) PreviewUser(s rotator.UserSpec) (rotator.UserRequest, error) {
	c, err := p.createCall(s)
	return rotator.UserRequest{Method: c.Method, Path: c.Path, Body: c.Body}, err
}

// createCall is the request of [Provider.CreateUser].
func (p *Provider) createCall(s rotator.UserSpec) (rest.Call, error) {
	c := rest.Call{Name: "create_user", Method: http.MethodPost, Path: "/user", Shows: s.Kind == rotator.ServiceKind}
	if wrong := p.CheckUser(s); len(wrong) > 0 {
		return c, refusedUser(c.Op(), wrong)
	}
	var err error
	if c.Body, err = json.Marshal(p.createRequest(s)); err != nil {
		return c, rotator.NewFault(c.Op(), rotator.Invalid, "the request cannot be written: %w", err)
	}
	return c, nil
}

// refusedUser is the fault of a specification with mistakes.
func refusedUser(op string, wrong []string) *rotator.Fault {
	return rotator.NewFault(op, rotator.Invalid, "CertCentral would not take this user: %s", strings.Join(wrong, " "))
}

// createRequest writes a specification that has passed [Provider.CheckUser]. A service user's key is restricted as every
// key that is made here, unless the specification says otherwise.
func (p *Provider) createRequest(s rotator.UserSpec) wireCreateUser {
	q := wireCreateUser{Email: s.Email, Containers: numbers(s.Containers)}
	if s.Kind == rotator.ServiceKind {
		q.APIOnly, q.APIName, q.RestrictedTo = true, s.KeyName, p.options.RestrictedToRoleID
		if role, err := strconv.Atoi(s.RestrictedToRole); err == nil {
			q.RestrictedTo = &role
		}
		return q
	}
	q.Username, q.FirstName, q.LastName = s.Username, s.FirstName, s.LastName
	q.JobTitle, q.Telephone, q.SAMLOnly = s.JobTitle, s.Telephone, s.SSOOnly
	q.AccessRoles = wireIDs(s.Roles)
	if id, ok := number(s.Container); ok {
		q.Container = &wireID{id}
	}
	return q
}

// numbers reads ids that were checked before.
func numbers(ids []string) []int64 {
	found := make([]int64, 0, len(ids))
	for _, id := range ids {
		if n, ok := number(id); ok {
			found = append(found, n)
		}
	}
	return found
}

func wireIDs(ids []string) []wireID {
	found := make([]wireID, 0, len(ids))
	for _, n := range numbers(ids) {
		found = append(found, wireID{n})
	}
	return found
}

// errNoUser is the cause of an unknown outcome after an answer that said success. Like errNoKey it wraps no decoder's words.
var errNoUser = errors.New("the service said that it made the user, and its answer could not be read")

func readCreatedUser(op string, r io.Reader, service bool) (rotator.CreatedUser, error) {
	body, err := io.ReadAll(r)
	defer clear(body)
	var made wireCreated
	unknown := func(err error) (rotator.CreatedUser, error) {
		clear(made.APIKey)
		return rotator.CreatedUser{}, &rotator.Fault{Op: op, Kind: rotator.UnknownOutcome, Err: err}
	}
	if err != nil || json.Unmarshal(body, &made) != nil || made.ID <= 0 {
		return unknown(errNoUser)
	}
	if !service {
		clear(made.APIKey)
		return rotator.CreatedUser{UserID: text(made.ID)}, nil
	}
	if !rest.Sendable(made.APIKey) {
		return unknown(fmt.Errorf("the service made user %d and its answer does not show the key; revoke that key and make another", made.ID))
	}
	return rotator.CreatedUser{UserID: text(made.ID), HasKey: true, Key: rotator.Minted{Secret: rotator.NewSecret(made.APIKey)}}, nil
}

// findKey looks for the id of the key that a new service user came with: the one active key of that name.
func (p *Provider) findKey(ctx context.Context, made *rotator.CreatedUser, name string) {
	c := rest.Call{Name: "list_keys", Method: http.MethodGet, Path: "/key", Query: url.Values{"user_id": {made.UserID}}, Limit: maxUserPage, Stream: true}
	var found []rotator.Key
	err := rest.ReadList(ctx, p.client, c, &rest.List[wireKey]{Name: "api_keys", Visit: func(k *wireKey) error {
		key, err := k.key()
		if err == nil && key.Name == name && key.UserID == made.UserID && key.State == rotator.KeyActive {
			found = append(found, key)
		}
		return err
	}})
	if err == nil && len(found) == 1 {
		made.Key.KeyID, made.Key.Created = found[0].ID, found[0].Created
	}
}
