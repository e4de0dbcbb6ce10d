package certcentral

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/rotatord/rotatord/providers/internal/rest"
	"github.com/rotatord/rotatord/rotator"
)

// neededPermissions are those of which the service's glossary says that they are about users. The name of the permission
// that guards keys is not public, so that one is tried instead.
var neededPermissions = []string{"view_users", "edit_users"}

// administrator is the access role without which other users' keys cannot be managed.
const administrator = 1

// Preflight implements [rotator.Preflighter]. It asks whose the manager key is, what it may do, and whether service users
// and keys can be listed.
func (p *Provider) Preflight(ctx context.Context) ([]string, error) {
	var problems []string
	for _, look := range []func(context.Context) ([]string, error){p.lookAtManager, p.lookAtPermissions, p.lookAtServiceUsers, p.lookAtRestriction} {
		found, err := look(ctx)
		if rotator.KindOf(err) == rotator.Denied {
			return append(problems, "The manager key is refused: "+err.Error()+"."), nil // and so it would be everywhere
		}
		if err != nil {
			return nil, err
		}
		problems = append(problems, found...)
	}
	return problems, nil
}

func (p *Provider) lookAtManager(ctx context.Context) ([]string, error) {
	me, err := p.oneUser(ctx, "me")
	if err != nil {
		return nil, err
	}
	var problems []string
	if !slices.ContainsFunc(me.AccessRoles, func(r Role) bool { return r.ID == administrator }) {
		problems = append(problems, fmt.Sprintf("The manager key belongs to user %d (%s), who is not an administrator, so the keys of other users are out of its reach.", me.ID, me.Username))
	}
	return append(problems, p.lookAtManagersKeys(ctx, me)...), nil
}

// lookAtManagersKeys finds the manager key's own restriction, which the service tells only by key id: if every active key of
// its user is restricted, so is this one.
func (p *Provider) lookAtManagersKeys(ctx context.Context, me *wireFullUser) []string {
	active, restricted := 0, 0
	c := rest.Call{Name: "list_keys", Method: http.MethodGet, Path: "/key", Query: url.Values{"user_id": {text(me.ID)}}, Limit: maxUserPage, Stream: true}
	err := rest.ReadList(ctx, p.client, c, &rest.List[wireRestriction]{Name: "api_keys", Visit: func(k *wireRestriction) error {
		if k.Status == "active" {
			active++
		}
		if k.Status == "active" && k.RestrictedTo != 0 {
			restricted++
		}
		return nil
	}})
	switch {
	case rotator.KindOf(err) == rotator.Denied:
		return []string{"The manager key may not list keys: " + err.Error() + "."}
	case err != nil:
		return []string{"Keys cannot be listed: " + err.Error() + "."}
	case active > 0 && active == restricted:
		return []string{"The manager key is restricted to an API access role; make one without a restriction, or it cannot create and revoke keys."}
	default:
		return nil
	}
}

type wireRestriction struct {
	Status       string `json:"status"`
	RestrictedTo int    `json:"restricted_to_role_id"`
}

func (p *Provider) lookAtPermissions(ctx context.Context) ([]string, error) {
	permissions, err := p.Permissions(ctx)
	if err != nil {
		return nil, err
	}
	var problems []string
	for _, has := range permissions {
		if slices.Contains(neededPermissions, has.Name) && !has.Authorized {
			problems = append(problems, fmt.Sprintf("The manager key lacks the permission %q.", has.Name))
		}
	}
	return problems, nil
}

// lookAtServiceUsers asks for one service user and leaves the rest.
func (p *Provider) lookAtServiceUsers(ctx context.Context) ([]string, error) {
	path := *p.usersPath.Load()
	c := rest.Call{Name: "list_service_users", Method: http.MethodGet, Path: path, Query: url.Values{"offset": {"0"}, "limit": {"1"}}, Limit: maxUserPage, Stream: true}
	ignore := func(*wireUser) error { return nil }
	err := rest.ReadList(ctx, p.client, c, userList(&wirePage{}, ignore))
	if errors.Is(err, rest.ErrNotFound) && p.options.ServiceUsersPath == "" {
		c.Path = fallbackServiceUsersPath
		err = rest.ReadList(ctx, p.client, c, userList(&wirePage{}, ignore))
	}
	if errors.Is(err, rest.ErrNotFound) {
		return []string{"Service users cannot be listed at " + c.Path + ": " + err.Error() + "."}, nil
	}
	return nil, err
}

func (p *Provider) lookAtRestriction(ctx context.Context) ([]string, error) {
	want := p.options.RestrictedToRoleID
	if want == nil || *want == 0 {
		return nil, nil
	}
	roles, err := p.APIRoles(ctx)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(roles, func(r Role) bool { return r.ID == *want }) {
		return nil, nil
	}
	return []string{fmt.Sprintf("New keys are to be restricted to the API access role %d, which the service does not have.", *want)}, nil
}
