package emulator

import "net/http"

// dsUserRequest is what may be written of a user. What is absent is nil.
type dsUserRequest struct {
	Type        *string         `json:"_type"`
	LoginID     *string         `json:"loginId"`
	Name        *string         `json:"name"`
	AccessLevel *string         `json:"accessLevel"`
	ServiceUser *bool           `json:"serviceUser"`
	IsPerson    *string         `json:"isPerson"`
	Password    *string         `json:"password"`
	AccessKeys  *[]dsKeyRequest `json:"accessKeys"`
}

// onto writes the request over a profile and returns what is wrong with the result.
func (q dsUserRequest) onto(p *dsProfile) (violations []string) {
	set(&p.login, q.LoginID)
	set(&p.name, q.Name)
	set(&p.level, q.AccessLevel)
	set(&p.service, q.ServiceUser)
	set(&p.person, q.IsPerson)
	need := func(ok bool, otherwise string) {
		if !ok {
			violations = append(violations, otherwise)
		}
	}
	need(p.login != "", "loginId is required.")
	need(p.name != "" || !p.service, "name is required.")
	need(knownLevel(p.level), "accessLevel must be READ_ONLY, EDITOR or ADMINISTRATOR.")
	need(p.person == "" || !p.service, "A service user cannot be assigned to a person.")
	need(q.Password == nil || !p.service, "A service user has no password.")
	need(q.Password == nil || len(*q.Password) >= 8, "password must have at least 8 characters.")
	need(q.AccessKeys == nil || len(*q.AccessKeys) == 0 || p.service, "Only a service user has access keys.")
	return violations
}

func set[T any](field *T, value *T) {
	if value != nil {
		*field = *value
	}
}

// checkType holds that a request says what it is about in the server's word for it. A PATCH may leave it out.
func (s *Dataspot) checkType(q dsUserRequest, optional bool) *dsError {
	if q.Type == nil && optional {
		return nil
	}
	if q.Type == nil || *q.Type != s.options.UserType {
		return dsViolation("_type must be %s.", s.options.UserType)
	}
	return nil
}

// checkProfile holds the rules that are about a new profile for u among the others of its tenant.
func (s *Dataspot) checkProfile(q dsUserRequest, p *dsProfile, u *dsUser) *dsError {
	if violations := q.onto(p); len(violations) > 0 {
		return &dsError{status: http.StatusBadRequest, message: "The request is not valid.", violations: violations}
	}
	for i := range s.users {
		other := &s.users[i]
		if other.number != u.number && !other.deleted && other.tenant == u.tenant && s.profileOf(other).login == p.login {
			return &dsError{status: http.StatusConflict, message: "loginId is taken."}
		}
	}
	return nil
}

func (s *Dataspot) createUser(c dsCaller, w http.ResponseWriter, r *http.Request) *dsError {
	var q dsUserRequest
	if refusal := readBody(r, &q); refusal != nil {
		return refusal
	}
	if refusal := s.checkType(q, false); refusal != nil {
		return refusal
	}
	s.mu.Lock()
	u := &dsUser{tenant: c.tenant}
	plan, refusal := s.planWrite(q, u, &dsProfile{level: dsReadOnly})
	if refusal != nil {
		s.mu.Unlock()
		return refusal
	}
	u = s.newUser(*u)
	e := s.userEntry(u, s.carryOut(plan, u))
	s.mu.Unlock()
	send(w, http.StatusCreated, e)
	return nil
}

// planWrite checks everything that a write asks for before anything of it is done.
func (s *Dataspot) planWrite(q dsUserRequest, u *dsUser, p *dsProfile) (dsPlan, *dsError) {
	if refusal := s.checkProfile(q, p, u); refusal != nil {
		return dsPlan{}, refusal
	}
	plan, refusal := s.planKeys(q.AccessKeys, u)
	if refusal != nil {
		return dsPlan{}, refusal
	}
	u.profile = p
	return plan, nil
}

// putUser takes the request for the whole user: what it leaves out is cleared, and refused if it is required.
func (s *Dataspot) putUser(c dsCaller, w http.ResponseWriter, r *http.Request) *dsError {
	return s.editUser(c, w, r, true)
}

// patchUser changes what the request has.
func (s *Dataspot) patchUser(c dsCaller, w http.ResponseWriter, r *http.Request) *dsError {
	return s.editUser(c, w, r, false)
}

func (s *Dataspot) editUser(c dsCaller, w http.ResponseWriter, r *http.Request, whole bool) *dsError {
	var q dsUserRequest
	if refusal := readBody(r, &q); refusal != nil {
		return refusal
	}
	if refusal := s.checkType(q, !whole); refusal != nil {
		return refusal
	}
	s.mu.Lock()
	e, refusal := s.edit(c, r, q, whole)
	s.mu.Unlock()
	if refusal != nil {
		return refusal
	}
	send(w, http.StatusOK, e)
	return nil
}

func (s *Dataspot) edit(c dsCaller, r *http.Request, q dsUserRequest, whole bool) (dsUserEntry, *dsError) {
	u, refusal := s.visible(c, r)
	if refusal != nil {
		return dsUserEntry{}, refusal
	}
	p := *s.profileOf(u)
	if q.ServiceUser != nil && *q.ServiceUser != p.service {
		return dsUserEntry{}, dsViolation("serviceUser cannot be changed.")
	}
	if whole {
		p = dsProfile{level: dsReadOnly, service: p.service}
	}
	if whole && q.AccessKeys == nil {
		q.AccessKeys = &[]dsKeyRequest{}
	}
	plan, refusal := s.planWrite(q, u, &p)
	if refusal != nil {
		return dsUserEntry{}, refusal
	}
	u.modified = nanos(s.options.Now())
	u.version++
	return s.userEntry(u, s.carryOut(plan, u)), nil
}
