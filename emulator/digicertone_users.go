package emulator

import (
	"net/http"
	"net/mail"
	"slices"
	"time"
)

const (
	d1TypeService  = "service"
	d1TypeStandard = "standard"
)

func (u *d1User) kind() string {
	if u.person {
		return d1TypeStandard
	}
	return d1TypeService
}

func d1Time(nanos int64) string { return time.Unix(0, nanos).UTC().Format(time.RFC3339) }

// orNull is how an end date that is not set is shown.
func orNull(date string) any {
	if date == "" {
		return nil
	}
	return date
}

// userObject is a user as answers show it, under the default names.
func (s *DigiCertOne) userObject(u *d1User, at int64) d1Object {
	accounts := make([]string, 0, len(u.accounts))
	for _, id := range u.accounts {
		accounts = append(accounts, accountID(id))
	}
	roles := make([]d1Object, 0, len(u.roles))
	for _, id := range u.roles {
		roles = append(roles, d1Object{"id": d1Roles[id-1].ID, "name": d1Roles[id-1].Name})
	}
	applications := make([]d1Object, 0, len(u.applications))
	for _, id := range u.applications {
		applications = append(applications, d1Object{
			"id": d1Applications[id-1].ID, "name": d1Applications[id-1].Name, "permissions": u.permissions(id),
		})
	}
	return d1Object{
		"id": userID(u.id), "friendly_name": u.name, "description": u.description, "email": u.email, "status": s.options.word(u.status(at)),
		"user_type": u.kind(), "access_scope": "account", "primary_account_id": accounts[0], "created_at": d1Time(u.created),
		"created_by": userID(u.createdBy), "locale": "en_US", "end_date": orNull(endDate(u.end)), "accounts": accounts,
		"applications": applications, "roles": roles,
	}
}

// permissions are those that the user's roles give in an application.
func (u *d1User) permissions(application int) []string {
	list := []string{}
	for _, id := range u.roles {
		if d1Roles[id-1].application == application {
			list = append(list, d1Roles[id-1].Permissions...)
		}
	}
	return list
}

func (s *DigiCertOne) showUser(status int, u *d1User, at int64) d1Answer {
	return d1Answer{status: status, object: s.options.rename(d1KindUser, s.userObject(u, at))}
}

func (s *DigiCertOne) listUsers(c d1Call) (d1Answer, *d1Error) {
	if !c.view {
		return d1Answer{}, d1NoRight
	}
	kind := c.query.Get("user_type")
	if kind != "" && kind != d1TypeService && kind != d1TypeStandard {
		return d1Answer{}, d1BadRequest("user_type must be service or standard.")
	}
	l := &d1List{render: func(id int) d1Object {
		u := &s.users[id-1]
		if u.deleted {
			return nil
		}
		return s.options.rename(d1KindUser, s.userObject(u, c.at))
	}}
	for i := range s.users {
		u := &s.users[i]
		if !s.listed(&u.d1Life, c.at) || !c.reaches(u) || (kind != "" && kind != u.kind()) {
			continue
		}
		for range c.lie.times(userID(u.id), u.name) {
			l.ids = append(l.ids, u.id)
		}
	}
	return d1Answer{status: http.StatusOK, list: l}, nil
}

// me is the documented word for the caller's own id.
const me = "me"

func (s *DigiCertOne) userInfo(c d1Call) (d1Answer, *d1Error) {
	if c.id == me || c.id == userID(c.user) {
		return s.showUser(http.StatusOK, &s.users[c.user-1], c.at), nil
	}
	if !c.view {
		return d1Answer{}, d1NoRight
	}
	u := s.user(c.id)
	if u == nil || !c.reaches(u) || !s.listed(&u.d1Life, c.at) {
		return d1Answer{}, d1NotFound
	}
	return s.showUser(http.StatusOK, u, c.at), nil
}

// managed finds the user that a call is to change.
func (s *DigiCertOne) managed(c d1Call) (*d1User, *d1Error) {
	if !c.manage {
		return nil, d1NoRight
	}
	u := s.user(c.id)
	if u == nil || !c.reaches(u) {
		return nil, d1NotFound
	}
	return u, nil
}

// userRequest reads what a create or an edit call says of a user. before is the user as it is, nil for a new one.
func (s *DigiCertOne) userRequest(c d1Call, before *d1User) (u d1User, refusal *d1Error) {
	if before != nil {
		u = *before
	}
	if u.name, refusal = c.body.required("friendly_name"); refusal != nil {
		return u, refusal
	}
	if refusal = s.checkName("friendly_name", u.name); refusal != nil {
		return u, refusal
	}
	if taken := s.userNames[d1Fold(u.name)]; taken != 0 && (before == nil || taken != before.id) {
		return u, s.duplicate("friendly_name")
	}
	if u.description, refusal = c.body.text("description"); refusal != nil {
		return u, refusal
	}
	if u.email, refusal = c.body.required("email"); refusal != nil {
		return u, refusal
	}
	if parsed, err := mail.ParseAddress(u.email); err != nil || parsed.Address != u.email {
		return u, d1BadRequest("email must be an e-mail address.")
	}
	if before == nil {
		u.end, refusal = c.end()
	} else {
		u.end, refusal = c.newEnd(before.end)
	}
	if refusal != nil {
		return u, refusal
	}
	return u, s.accessRequest(c, &u)
}

// accessRequest reads accounts, manager access and roles: at least one account, one manager and one role of each manager.
func (s *DigiCertOne) accessRequest(c d1Call, u *d1User) (refusal *d1Error) {
	if u.accounts, refusal = c.body.ids("accounts", s.findAccount); refusal != nil {
		return refusal
	}
	for _, id := range u.accounts {
		if !slices.Contains(c.accounts, id) {
			return d1NoRight
		}
	}
	if u.applications, refusal = c.body.ids("applications", findNamed(d1Applications)); refusal != nil {
		return refusal
	}
	if u.roles, refusal = c.body.ids("roles", findNamed(d1Roles)); refusal != nil {
		return refusal
	}
	for _, id := range u.applications {
		if !slices.ContainsFunc(u.roles, func(role int) bool { return d1Roles[role-1].application == id }) {
			return d1BadRequest("roles must have one for %s.", d1Applications[id-1].Name)
		}
	}
	for _, id := range u.roles {
		if !slices.Contains(u.applications, d1Roles[id-1].application) {
			return d1BadRequest("roles has %s, whose manager is not among the applications.", d1Roles[id-1].Name)
		}
	}
	return nil
}

func (s *DigiCertOne) duplicate(field string) *d1Error {
	return &d1Error{status: s.options.DuplicateStatus, code: "duplicate_error", message: field + " is already in use."}
}

// end reads the end date of a request for something new, 0 for none. It may be today: the day is not over yet.
func (c d1Call) end() (int64, *d1Error) {
	text, refusal := c.body.text("end_date")
	if refusal != nil {
		return 0, refusal
	}
	end, err := endOf(text)
	if err != nil || (text == "" && c.body["end_date"] != nil) { // no date is null, or no field
		return 0, d1BadRequest("end_date must be a day such as 2026-01-31.")
	}
	if (&d1Life{end: end}).expired(c.at) {
		return 0, d1BadRequest("end_date is over.")
	}
	return end, nil
}

// newEnd reads the end date of an edit. That it can be moved on and taken away is documented, before it is reached; that it
// can be brought forward, or set where there was none, is not.
func (c d1Call) newEnd(before int64) (int64, *d1Error) {
	end, refusal := c.end()
	if refusal != nil {
		return 0, refusal
	}
	if end != 0 && (before == 0 || end < before) {
		return 0, d1BadRequest("end_date can be extended or removed, and nothing else.")
	}
	return end, nil
}

// createUser makes a service user and its first token. What a standard user's request looks like is not public.
func (s *DigiCertOne) createUser(c d1Call) (d1Answer, *d1Error) {
	if !c.manage {
		return d1Answer{}, d1NoRight
	}
	if kind, refusal := c.body.text("user_type"); refusal != nil || kind != d1TypeService {
		return d1Answer{}, d1BadRequest("user_type must be service.")
	}
	u, refusal := s.userRequest(c, nil)
	if refusal != nil {
		return d1Answer{}, refusal
	}
	if s.tokenNames[s.tokenName(len(s.users)+1, u.name)] != 0 {
		return d1Answer{}, s.duplicate("friendly_name")
	}
	u.created, u.minted, u.createdBy = c.at, c.at, c.user
	added := s.newUser(u)
	secret := newSecret()
	t := s.newToken(d1Token{user: added.id, ofUser: true, name: added.name, d1Life: d1Life{created: c.at, minted: c.at}}, secret)
	o := s.userObject(added, c.at)
	o["api_token"] = d1Object{"id": tokenID(t.id), "name": t.name, "end_date": orNull(s.tokenEnd(t)), "token": secret}
	return d1Answer{status: s.options.CreatedStatus, object: s.options.rename(d1KindUser, o)}, nil
}

// editUser takes the full object: what is left out is cleared, if it may be empty.
func (s *DigiCertOne) editUser(c d1Call) (d1Answer, *d1Error) {
	u, refusal := s.managed(c)
	if refusal != nil {
		return d1Answer{}, refusal
	}
	if u.expired(c.at) {
		return d1Answer{}, d1BadRequest("The user has expired.")
	}
	if refusal = c.fixed(map[string]string{"id": userID(u.id), "user_type": u.kind()}); refusal != nil {
		return d1Answer{}, refusal
	}
	disabled, refusal := s.userStatusRequest(c, u)
	if refusal != nil {
		return d1Answer{}, refusal
	}
	changed, refusal := s.userRequest(c, u)
	if refusal != nil {
		return d1Answer{}, refusal
	}
	delete(s.userNames, d1Fold(u.name))
	s.userNames[d1Fold(changed.name)] = u.id
	*u = changed
	u.setDisabled(disabled, c.at)
	return s.showUser(http.StatusOK, u, c.at), nil
}

// userStatusRequest reads whether the user is to be disabled. Unless the options want it the status is no way to change that.
func (s *DigiCertOne) userStatusRequest(c d1Call, u *d1User) (bool, *d1Error) {
	if s.options.SwitchUsersByStatus {
		return s.disabledRequest(c)
	}
	return u.stopped != 0, c.fixed(map[string]string{"status": s.options.word(u.status(c.at))})
}

func (s *DigiCertOne) deleteUser(c d1Call) (d1Answer, *d1Error) {
	u, refusal := s.managed(c)
	if refusal != nil {
		return d1Answer{}, refusal
	}
	s.removeUser(u, c.at)
	return d1NoContent, nil
}

func (s *DigiCertOne) enableUser(c d1Call) (d1Answer, *d1Error)  { return s.switchUser(c, false) }
func (s *DigiCertOne) disableUser(c d1Call) (d1Answer, *d1Error) { return s.switchUser(c, true) }

func (s *DigiCertOne) switchUser(c d1Call, disabled bool) (d1Answer, *d1Error) {
	u, refusal := s.managed(c)
	if refusal != nil {
		return d1Answer{}, refusal
	}
	if u.expired(c.at) {
		return d1Answer{}, d1BadRequest("The user has expired.")
	}
	u.setDisabled(disabled, c.at)
	return d1NoContent, nil
}
