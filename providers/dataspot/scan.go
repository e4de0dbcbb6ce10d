package dataspot

import (
	"context"
	"net/http"
	"net/url"

	"github.com/rotatord/rotatord/providers/internal/rest"
	"github.com/rotatord/rotatord/rotator"
)

// maxUserList ends a list that never ends: all users come in one answer, however many there are.
const maxUserList = 1 << 30

// Scan implements [rotator.Provider]: service users as they arrive, each with its keys, in one request. With a user in scope it
// makes one request for that user.
//
// Keys come from the configuration, or, with [Options.ListsKeys], from the server. A declared key whose user is not a service user
// of the tenant is visited last, under the user that it names: it is to be seen that nobody knows it.
func (p *Provider) Scan(ctx context.Context, scope rotator.Scope, v rotator.Visitor) error {
	if scope.UserID != "" {
		return p.scanUser(ctx, scope.UserID, v)
	}
	if err := p.api.RefreshKey(); err != nil {
		return &rotator.Fault{Op: "GET " + p.at("users"), Kind: rotator.Transient, Err: err}
	}
	if p.options.ListsKeys {
		return p.scanListed(ctx, v)
	}
	return p.scanDeclared(ctx, v)
}

func (p *Provider) scanDeclared(ctx context.Context, v rotator.Visitor) error {
	now, met := p.options.Clock.Now(), map[string]bool{}
	err := p.eachUser(ctx, nil, func(u *wireUser) error {
		if !u.ServiceUser {
			return nil
		}
		if err := v.User(u.serviceUser()); err != nil {
			return err
		}
		by, err := p.declared.of(u, now, v.Key)
		for _, name := range by {
			met[name] = true
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, name := range p.declared.strangers(met) {
		for _, k := range p.declared[name] {
			if err := v.Key(k.key(name, now)); err != nil {
				return err
			}
		}
	}
	return nil
}

// scanListed reads users one by one where the list does not show their keys: after the list, which would not wait.
func (p *Provider) scanListed(ctx context.Context, v rotator.Visitor) error {
	var bare []string
	users := 0
	err := p.eachUser(ctx, nil, func(u *wireUser) error {
		if !u.ServiceUser {
			return nil
		}
		users++
		if u.AccessKeys == nil {
			bare = append(bare, u.ID)
		}
		if err := v.User(u.serviceUser()); err != nil {
			return err
		}
		return p.visitKeys(u, v)
	})
	if err != nil {
		return err
	}
	for _, id := range bare {
		u, err := p.user(ctx, id)
		if rotator.KindOf(err) == rotator.Gone && err != nil {
			continue // deleted since the list was read
		}
		if err == nil {
			err = p.visitKeys(u, v)
		}
		if err != nil {
			return err
		}
	}
	if users > 0 && !p.shows.Load() {
		return p.hidden()
	}
	return nil
}

// hidden says that the server keeps keys to itself. The daemon's own user has one, so a list without any shows none.
func (p *Provider) hidden() error {
	return rotator.NewFault("GET "+p.at("users"), rotator.Invalid, "the server does not show accessKeys of any user, so lists_keys does not work with it: "+
		"leave it out, and write the keys that exist under keys")
}

func (p *Provider) scanUser(ctx context.Context, id string, v rotator.Visitor) error {
	u, err := p.user(ctx, id)
	if err != nil {
		return err
	}
	if !p.options.ListsKeys {
		_, err = p.declared.of(u, p.options.Clock.Now(), v.Key)
		return err
	}
	if u.AccessKeys == nil && !p.shows.Load() {
		return rotator.NewFault("GET "+p.at("users", id), rotator.Transient, "the answer shows no keys, and no scan has yet seen that this server shows any")
	}
	return p.visitKeys(u, v)
}

func (p *Provider) visitKeys(u *wireUser, v rotator.Visitor) error {
	if u.AccessKeys == nil {
		return nil
	}
	p.shows.Store(true)
	if p.isThrowaway(u) {
		return nil
	}
	now := p.options.Clock.Now()
	for _, k := range *u.AccessKeys {
		key, err := k.key(u.ID, now)
		if err != nil {
			return rotator.NewFault("GET "+p.at("users", u.ID), rotator.Invalid, "%w", err)
		}
		if err := v.Key(key); err != nil {
			return err
		}
	}
	return nil
}

// isThrowaway: the keys of the throw-away user are nobody's to rotate, although they are about to expire.
func (p *Provider) isThrowaway(u *wireUser) bool {
	return p.options.CreateKeys != ByHand && u.LoginID == p.options.ThrowawayUser
}

// user reads one user, of any kind.
func (p *Provider) user(ctx context.Context, id string) (*wireUser, error) {
	c := rest.Call{Name: "get_user", Method: http.MethodGet, Path: p.at("users", id)}
	if err := checkID(c.Op(), id); err != nil {
		return nil, err
	}
	var u wireUser
	if err := p.getObject(ctx, c, &u); err != nil {
		return nil, err
	}
	if u.ID == "" {
		return nil, rotator.NewFault(c.Op(), rotator.Invalid, "%w: a user without an id", rest.ErrShape)
	}
	return &u, nil
}

// userByLogin finds a user by its loginId. The filter is known from a public client and not specified, so the list may be longer.
func (p *Provider) userByLogin(ctx context.Context, login string) (*wireUser, error) {
	var found *wireUser
	err := p.eachUser(ctx, url.Values{"loginId": {login}}, func(u *wireUser) error {
		if u.LoginID == login {
			found = new(*u)
		}
		return nil
	})
	if err == nil && found == nil {
		err = rotator.NewFault("GET "+p.at("users"), rotator.Gone, "the tenant %s has no user with the loginId %q", p.options.Tenant, login)
	}
	if err != nil {
		return nil, err
	}
	return found, nil
}

// eachUser visits the users of the tenant, of every kind. An error of the visitor is returned as it is. A list that is not as long
// as it says is an error; one that was narrowed may mean either length.
func (p *Provider) eachUser(ctx context.Context, query url.Values, visit func(*wireUser) error) error {
	c := rest.Call{Name: "list_users", Method: http.MethodGet, Path: p.at("users"), Query: query, Limit: maxUserList, Stream: true}
	total := -1
	var visitErr error
	l := &rest.List[wireUser]{
		Name: "_embedded.users", Optional: true, Beside: []rest.Member{{Name: "total", Into: &total, Optional: query != nil}},
		Visit: func(u *wireUser) error {
			if u.ID == "" {
				visitErr = rotator.NewFault(c.Op(), rotator.Invalid, "%w: a user without an id", rest.ErrShape)
			} else {
				visitErr = visit(u)
			}
			return visitErr
		},
	}
	err := p.renewed(func() error {
		if err := rest.ReadList(ctx, p.api, c, l); visitErr == nil {
			return err
		}
		return nil // the visitor's word is not about the token
	})
	switch {
	case visitErr != nil:
		return visitErr
	case err != nil:
		return err
	case query == nil && total != l.Seen:
		return rotator.NewFault(c.Op(), rotator.Transient, "the list says that it has %d users and shows %d: it is truncated, or changed while it was read", total, l.Seen)
	}
	return nil
}
