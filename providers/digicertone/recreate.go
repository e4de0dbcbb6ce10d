package digicertone

import (
	"context"
	"net/http"
	"time"

	"github.com/rotatord/rotatord/providers/internal/rest"
	"github.com/rotatord/rotatord/rotator"
)

// mintUser makes the successor of a service user: under the new name, with the new end date, and else as the predecessor is
// at this moment.
func (p *Provider) mintUser(ctx context.Context, req rotator.MintRequest) (rotator.Minted, error) {
	const op = "POST /user"
	if base, _ := rotator.SplitName(req.Name); req.UserID == "" || base != req.UserID {
		return rotator.Minted{}, rotator.NewFault(op, rotator.Invalid, "the name %q is none for a successor of %q", req.Name, req.UserID)
	}
	end, err := p.checkMint(op, req)
	if err != nil {
		return rotator.Minted{}, err
	}
	if req.Replaces == "" {
		return rotator.Minted{}, rotator.NewFault(op, rotator.Invalid, "there is no service user named %q to copy accounts, manager access "+
			"and roles from; create one, by hand or as a declared service user", req.UserID)
	}
	was, err := p.predecessor(ctx, req.Replaces)
	if err != nil {
		return rotator.Minted{}, err
	}
	return p.createUser(ctx, was, req.Name, end)
}

// predecessor reads the user that is replaced, and makes sure that everything is there that the successor needs.
func (p *Provider) predecessor(ctx context.Context, id string) (user, error) {
	was, o, err := p.getUser(ctx, id)
	if rotator.KindOf(err) == rotator.Gone {
		return user{}, rotator.NewFault("GET /user/"+id, rotator.Invalid, "the service user to copy accounts, manager access and roles from "+
			"does not exist any more, so no successor is made: %w", err)
	}
	if err != nil {
		return user{}, err
	}
	f := p.options.Fields
	r := &reader{o: o, op: "GET /user/" + id}
	r.needIDs(f.userAccounts())
	r.needIDs(f.userManagers())
	r.needIDs(f.userRoles())
	r.neededText(f.userEmail())
	return was, r.err
}

// createUser makes a service user like another one.
func (p *Provider) createUser(ctx context.Context, like user, name string, end time.Time) (rotator.Minted, error) {
	f := p.options.Fields
	c := rest.Call{Name: "create_user", Method: http.MethodPost, Path: "/user", Shows: true}
	var err error
	if c.Body, err = p.userBody(c.Op(), like, name, end); err != nil {
		return rotator.Minted{}, err
	}
	made, err := p.create(ctx, c, creation{id: f.userID(), value: f.createdToken(), end: f.userEndDate(), created: f.userCreated()})
	if err != nil {
		return rotator.Minted{}, err
	}
	return p.asAsked(ctx, made, end, f.userEndDate(), &like)
}

// userBody writes the request for a new service user.
func (p *Provider) userBody(op string, u user, name string, end time.Time) ([]byte, error) {
	f := p.options.Fields
	settings := []setting{
		{f.UserType, typeService}, {f.UserName, name}, {f.UserEmail, u.email}, endSetting(f.UserEndDate, end),
		{f.UserAccounts, u.accounts}, {f.UserManagers, u.managers}, {f.UserRoles, u.roles},
	}
	if u.description != "" {
		settings = append(settings, setting{f.UserDescription, u.description})
	}
	return body(op, settings...)
}
