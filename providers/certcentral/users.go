package certcentral

import (
	"context"
	"errors"
	"math"
	"net/http"

	"github.com/rotatord/rotatord/providers/internal/rest"
	"github.com/rotatord/rotatord/rotator"
)

// Role is an access role: of a user, or one that keys can be restricted to.
type Role struct {
	ID   int    `json:"id"`
	Name string `json:"name"`
}

// Users implements [rotator.Directory]. Service users come first, then the others. An empty container in q leaves it to
// [Options.ContainerID]. An error of visit ends it and is returned as it is.
func (p *Provider) Users(ctx context.Context, q rotator.UserQuery, visit func(rotator.UserDetails) error) error {
	l, err := p.listing(q)
	if err != nil {
		return err
	}
	w := &window{skip: q.Offset, left: q.Limit, bounded: q.Limit > 0, visit: visit}
	service := func(u *wireFullUser) error { return w.take(u.details(rotator.ServiceKind)) }
	other := func(u *wireFullUser) error { return w.take(u.details(rotator.StandardKind)) }
	switch q.Kind {
	case rotator.ServiceKind:
		// One list, so the service can skip what is to be skipped.
		l.offset, w.skip = q.Offset, 0
		err = pageServiceUsers(ctx, p, l, service)
	case rotator.StandardKind:
		err = pageAllUsers(ctx, p, l, func(*wireFullUser) error { return nil }, other)
	default:
		err = pageAllUsers(ctx, p, l, service, other)
	}
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// listing checks a query.
func (p *Provider) listing(q rotator.UserQuery) (listing, error) {
	l := p.everyone()
	switch q.Kind {
	case "", rotator.ServiceKind, rotator.StandardKind:
	default:
		return l, rotator.NewFault("GET /user", rotator.Invalid, "there are no users of the kind %q, only service and standard", q.Kind)
	}
	if q.Offset < 0 || q.Limit < 0 {
		return l, rotator.NewFault("GET /user", rotator.Invalid, "offset and limit must not be negative")
	}
	if q.Container != "" {
		id, ok := number(q.Container)
		if !ok || id > math.MaxInt32 {
			return l, rotator.NewFault("GET /user", rotator.Invalid, "%q is not the id of a CertCentral container (division), which is a number", q.Container)
		}
		l.container = int(id)
	}
	if q.Limit > 0 && q.Kind == rotator.ServiceKind {
		l.limit = min(l.limit, q.Limit)
	}
	return l, nil
}

// errEnough ends a list of which no more is wanted.
var errEnough = errors.New("no more users are wanted")

// window lets a part of a list through.
type window struct {
	skip, left int
	bounded    bool
	visit      func(rotator.UserDetails) error
}

func (w *window) take(u rotator.UserDetails) error {
	if w.skip > 0 {
		w.skip--
		return nil
	}
	if err := w.visit(u); err != nil {
		return err
	}
	if w.left--; w.bounded && w.left == 0 {
		return errEnough
	}
	return nil
}

// ShowUser implements [rotator.Directory] with GET /user/{id}, where id may be "me".
//
// The answer does not tell service users from others (the type of both is "standard"); it is taken from the names that the
// service gives its service users, which is inferred.
func (p *Provider) ShowUser(ctx context.Context, id string) (rotator.UserDetails, error) {
	u, err := p.oneUser(ctx, id)
	if err != nil {
		return rotator.UserDetails{}, err
	}
	return u.details(u.kind()), nil
}

// Self implements [rotator.SelfAware] with GET /user/me.
func (p *Provider) Self(ctx context.Context) (userID string, secret rotator.Secret, err error) {
	me, err := p.oneUser(ctx, "me")
	if err != nil {
		return "", rotator.Secret{}, err
	}
	secret, err = p.client.CurrentKey() // after the call, which may have taken up a new one
	if err != nil {
		return "", rotator.Secret{}, &rotator.Fault{Op: "GET /user/me", Kind: rotator.Transient, Err: err}
	}
	return text(me.ID), secret, nil
}

func (p *Provider) oneUser(ctx context.Context, id string) (*wireFullUser, error) {
	c := rest.Call{Name: "get_user", Method: http.MethodGet, Path: "/user/" + id}
	if id == "me" {
		c.Name = "me"
	} else if _, ok := number(id); !ok {
		return nil, rotator.NewFault("GET /user", rotator.Invalid, "%q is not the id of a CertCentral user", id)
	}
	var u wireFullUser
	if err := p.client.GetObject(ctx, c, &u); err != nil {
		return nil, err
	}
	if u.ID == 0 {
		return nil, rotator.NewFault(c.Op(), rotator.Invalid, "%w: a user without an id", rest.ErrShape)
	}
	return &u, nil
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
