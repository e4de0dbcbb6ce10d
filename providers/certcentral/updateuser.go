package certcentral

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/rotatord/rotatord/providers/internal/rest"
	"github.com/rotatord/rotatord/rotator"
)

// wireProfile is the request of PUT /user/{id} for a standard user. It is sent whole: what it leaves out is cleared.
type wireProfile struct {
	FirstName string `json:"first_name"`
	LastName  string `json:"last_name"`
	Email     string `json:"email"`
	JobTitle  string `json:"job_title,omitempty"`
	Telephone string `json:"telephone,omitempty"`
}

// wireEmail is the same for a service user, of which nothing else can be changed there.
type wireEmail struct {
	Email string `json:"email"`
}

type wireRoles struct {
	AccessRoles []wireID `json:"access_roles"`
}

// wireAssignments has its ids as text, as in the sample of the page "Update container assignments".
type wireAssignments struct {
	Containers []string `json:"container_id_assignments"`
}

// UpdateUser implements [rotator.Directory]. It reads the user and sends what differs: the profile with PUT /user/{id}, the
// containers with PUT /user/{id}/container-assignments, and the roles last, so that no right is given before it is confined,
// with PUT /user/{id}/role.
//
// To the service an empty list of containers means that the user may work in all of them. It is sent only for a
// specification whose list is there and empty; one without a list leaves the containers alone.
func (p *Provider) UpdateUser(ctx context.Context, id string, s rotator.UserSpec) error {
	op := "PUT /user/" + id
	if _, ok := number(id); !ok {
		return rotator.NewFault("PUT /user", rotator.Invalid, "%q is not the id of a CertCentral user", id)
	}
	if s.Kind == rotator.ServiceKind {
		s.KeyName, s.RestrictedToRole = "", "" // of the key that a service user is made with, not of the user
	}
	if wrong := (&userCheck{spec: s}).values(p.limits); len(wrong) > 0 {
		return refusedUser(op, wrong)
	}
	have, err := p.oneUser(ctx, id)
	if err != nil {
		return err
	}
	if wrong := fixed(s, have); len(wrong) > 0 {
		return refusedUser(op, wrong)
	}
	for _, change := range changes(s, have) {
		if err := p.put(ctx, change.name, "/user/"+id+change.path, change.body); err != nil {
			return err
		}
	}
	return nil
}

// fixed names what is to change and cannot, as far as the service documents it, and what a profile written back would lose.
func fixed(s rotator.UserSpec, have *wireFullUser) []string {
	c := &userCheck{}
	if s.Kind == rotator.ServiceKind {
		return nil
	}
	if s.Username != "" && s.Username != have.Username {
		c.say("username", "is %q and cannot be changed", have.Username)
	}
	if s.Container != "" && s.Container != text(have.Container.ID) {
		c.say("container", "is %d and cannot be changed", have.Container.ID)
	}
	if s.SSOOnly && (have.IsSAMLOnly == nil || !*have.IsSAMLOnly) {
		c.say("sso_only", "is not set and cannot be changed")
	}
	want := merged(s, have)
	c.need("first_name", want.FirstName)
	c.need("last_name", want.LastName)
	c.need("email", want.Email)
	return c.wrong
}

// merged is the profile as it shall be: what the specification leaves out stays as it is.
func merged(s rotator.UserSpec, have *wireFullUser) wireProfile {
	return wireProfile{
		FirstName: cmp.Or(s.FirstName, have.FirstName), LastName: cmp.Or(s.LastName, have.LastName), Email: cmp.Or(s.Email, have.Email),
		JobTitle: cmp.Or(s.JobTitle, have.JobTitle), Telephone: cmp.Or(s.Telephone, have.Telephone),
	}
}

// change is one request: its name for metrics, its path below the user, and its body.
type change struct {
	name, path string
	body       any
}

func changes(s rotator.UserSpec, have *wireFullUser) (list []change) {
	if s.Kind == rotator.ServiceKind {
		if s.Email != "" && s.Email != have.Email {
			list = append(list, change{"edit_user", "", wireEmail{s.Email}})
		}
	} else if want := merged(s, have); want != merged(rotator.UserSpec{}, have) {
		list = append(list, change{"edit_user", "", want})
	}
	if s.Containers != nil && !confinedTo(s.Containers, have) {
		list = append(list, change{"assign_containers", "/container-assignments", wireAssignments{s.Containers}})
	}
	if len(s.Roles) > 0 && !sameIDs(s.Roles, have.roles()) {
		list = append(list, change{"set_user_role", "/role", wireRoles{wireIDs(s.Roles)}})
	}
	return list
}

// confinedTo reports whether a user has these containers assigned, and no others; or none at all.
func confinedTo(containers []string, have *wireFullUser) bool {
	if len(containers) == 0 {
		return !have.HasAssignments
	}
	return sameIDs(containers, have.assigned())
}

func sameIDs(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}

// put makes a write whose answer is empty.
func (p *Provider) put(ctx context.Context, name, path string, request any) error {
	c := rest.Call{Name: name, Method: http.MethodPut, Path: path}
	body, err := json.Marshal(request)
	if err != nil {
		return rotator.NewFault(c.Op(), rotator.Invalid, "the request cannot be written: %w", err)
	}
	c.Body = body
	ans, err := p.client.Write(ctx, c)
	if err != nil {
		return err
	}
	_ = ans.Body.Close() // 204: there is nothing in it
	return nil
}
