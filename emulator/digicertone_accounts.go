package emulator

import (
	"net/http"
	"slices"
	"time"
)

// d1Account is an account as kept. Ids count from 1.
type d1Account struct {
	id      int
	name    string
	created time.Time
}

// d1Named is an application or a role: what is documented of it is an id, a name and permissions.
type d1Named struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Permissions []string `json:"permissions"`
	application int
}

// The permissions that matter here. The documents call the one that changes users "Manage users".
const (
	d1ViewUsers   = "VIEW_USERS"
	d1ManageUsers = "MANAGE_USERS"
)

// The first of d1Applications, and the last of d1Roles's for it. Ids count from 1.
const (
	d1AccountManager = 1
	d1DefaultUser    = 1
	d1AccountAdmin   = 4
)

// d1Applications are the managers that a user can be given access to.
var d1Applications = []d1Named{
	{ID: "a9900000-0000-4000-8000-000000000001", Name: "Account Manager"},
	{ID: "a9900000-0000-4000-8000-000000000002", Name: "Software Trust Manager"},
}

var d1ApplicationCodes = []string{"account_manager", "software_trust_manager"}

// d1Roles are the documented ones of Account Manager, and one of another manager. Which of them include "Manage users" is not
// documented, except that the account's administrator can create service users.
var d1Roles = []d1Named{
	{ID: "401e0000-0000-4000-8000-000000000001", Name: "AM_DEFAULT_USER", Permissions: []string{}, application: d1AccountManager},
	{ID: "401e0000-0000-4000-8000-000000000002", Name: "AM_ACCOUNT_USER", Permissions: []string{}, application: d1AccountManager},
	{ID: "401e0000-0000-4000-8000-000000000003", Name: "AM_ACCOUNT_MANAGER", Permissions: []string{d1ViewUsers}, application: d1AccountManager},
	{ID: "401e0000-0000-4000-8000-000000000004", Name: "AM_ACCOUNT_ADMIN", Permissions: []string{d1ViewUsers, d1ManageUsers}, application: d1AccountManager},
	{ID: "401e0000-0000-4000-8000-000000000005", Name: "STM_SIGNER", Permissions: []string{"SIGN"}, application: 2},
}

func findNamed(list []d1Named) func(id string) int {
	return func(id string) int { return 1 + slices.IndexFunc(list, func(n d1Named) bool { return n.ID == id }) }
}

func (s *DigiCertOne) findAccount(id string) int {
	return d1Index(d1AccountPrefix, id, len(s.accounts))
}

func (s *DigiCertOne) accountObject(id int) d1Object {
	a := s.accounts[id-1]
	admin := s.users[0]
	return d1Object{
		"id": accountID(id), "name": a.name, "active": true, "locale": "en_US", "friendly_identifier": accountID(id)[24:],
		"service_period":  d1Object{"from": a.created.UTC().Format(time.DateOnly), "to": a.created.UTC().AddDate(10, 0, 0).Format(time.DateOnly)},
		"admins":          []d1Object{{"id": userID(admin.id), "name": admin.name, "email": admin.email}},
		"sign_in_methods": []d1Object{{"signInMethod": "STANDARD", "status": "ENABLED", "mfaStatus": "ENABLED", "clientAuthCertLoginEnabled": true}},
	}
}

func (s *DigiCertOne) listAccounts(c d1Call) (d1Answer, *d1Error) {
	return d1Answer{status: http.StatusOK, list: &d1List{ids: c.accounts, render: s.accountObject}}, nil
}

func (s *DigiCertOne) accountInfo(c d1Call) (d1Answer, *d1Error) {
	id := s.findAccount(c.id)
	if !slices.Contains(c.accounts, id) {
		return d1Answer{}, d1NotFound
	}
	return d1Answer{status: http.StatusOK, object: s.accountObject(id)}, nil
}

// listRoles asks for an application, because the documents show no call without one.
func (s *DigiCertOne) listRoles(c d1Call) (d1Answer, *d1Error) {
	application := 1 + slices.Index(d1ApplicationCodes, c.query.Get("application_code"))
	if application == 0 {
		return d1Answer{}, d1BadRequest("application_code must name an application.")
	}
	l := &d1List{render: func(id int) d1Object {
		r := d1Roles[id-1]
		return d1Object{"id": r.ID, "name": r.Name, "permissions": r.Permissions}
	}}
	for i, r := range d1Roles {
		if r.application == application {
			l.ids = append(l.ids, i+1)
		}
	}
	return d1Answer{status: http.StatusOK, list: l}, nil
}
