package certcentral

import (
	"context"
	"net/http"
	"time"

	"github.com/rotatord/rotatord/providers/internal/rest"
	"github.com/rotatord/rotatord/rotator"
)

// Role is an access role: of a user, or one that keys can be restricted to.
type Role struct {
	ID   int    `json:"id"`
	Name string `json:"name"`
}

// Container is a division of the account.
type Container struct {
	ID   int    `json:"id"`
	Name string `json:"name"`
}

// User is a user of the account as the service describes it.
type User struct {
	ID        string
	Username  string
	FirstName string
	LastName  string
	Email     string
	JobTitle  string
	Telephone string
	// Status is the service's word; "active" is the only one that is documented.
	Status      string
	AccountID   int64
	Container   Container
	AccessRoles []Role
	// LastLogin is told of single users only; zero if it is not, or if the user never signed in.
	LastLogin time.Time
}

// wireFullUser is a user with all that is shown to people.
type wireFullUser struct {
	wireUser
	FirstName   string    `json:"first_name"`
	LastName    string    `json:"last_name"`
	JobTitle    string    `json:"job_title"`
	Telephone   string    `json:"telephone"`
	AccountID   int64     `json:"account_id"`
	Container   Container `json:"container"`
	AccessRoles []Role    `json:"access_roles"`
	LastLogin   string    `json:"last_login_date"`
}

// user leaves out a date of sign-in that cannot be read: nothing is decided by it.
func (u *wireFullUser) user() User {
	login, err := parseDate(u.LastLogin)
	if err != nil {
		login = time.Time{}
	}
	return User{
		ID: text(u.ID), Username: u.Username, FirstName: u.FirstName, LastName: u.LastName, Email: u.Email, JobTitle: u.JobTitle,
		Telephone: u.Telephone, Status: u.Status, AccountID: u.AccountID, Container: u.Container, AccessRoles: u.AccessRoles, LastLogin: login,
	}
}

// ListUsers calls visit for each service user, or for each user of any kind if all is set, page by page. An error of visit
// ends it and is returned as it is. [Options.ContainerID] applies.
func (p *Provider) ListUsers(ctx context.Context, all bool, visit func(User) error) error {
	each := func(u *wireFullUser) error { return visit(u.user()) }
	if all {
		return pageUsers(ctx, p, "list_users", "/user", each)
	}
	return pageServiceUsers(ctx, p, each)
}

// GetUser returns one user.
func (p *Provider) GetUser(ctx context.Context, id string) (User, error) {
	if _, ok := number(id); !ok {
		return User{}, rotator.NewFault("GET /user", rotator.Invalid, "%q is not the id of a CertCentral user", id)
	}
	return p.oneUser(ctx, "get_user", id)
}

// Me returns the user that the manager key belongs to.
func (p *Provider) Me(ctx context.Context) (User, error) { return p.oneUser(ctx, "me", "me") }

func (p *Provider) oneUser(ctx context.Context, name, id string) (User, error) {
	c := rest.Call{Name: name, Method: http.MethodGet, Path: "/user/" + id}
	var u wireFullUser
	if err := p.client.GetObject(ctx, c, &u); err != nil {
		return User{}, err
	}
	if u.ID == 0 {
		return User{}, rotator.NewFault(c.Op(), rotator.Invalid, "%w: a user without an id", rest.ErrShape)
	}
	return u.user(), nil
}

// APIRoles lists the access roles that keys can be restricted to.
func (p *Provider) APIRoles(ctx context.Context) ([]Role, error) {
	var answer struct {
		AccessRoles []Role `json:"access_roles"`
	}
	c := rest.Call{Name: "list_api_roles", Method: http.MethodGet, Path: "/key/api-roles"}
	if err := p.client.GetObject(ctx, c, &answer); err != nil {
		return nil, err
	}
	return answer.AccessRoles, nil
}

// Permission is one thing that the manager key may or may not do.
type Permission struct {
	Name       string `json:"permission"`
	Authorized bool   `json:"authorized"`
}

// Permissions lists what the service says that the manager key may and may not do.
func (p *Provider) Permissions(ctx context.Context) ([]Permission, error) {
	var answer struct {
		Authorizations []Permission `json:"authorizations"`
	}
	c := rest.Call{Name: "list_permissions", Method: http.MethodGet, Path: "/authorization"}
	if err := p.client.GetObject(ctx, c, &answer); err != nil {
		return nil, err
	}
	return answer.Authorizations, nil
}
