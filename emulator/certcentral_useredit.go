package emulator

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

type ccUserRequest struct {
	Username  string `json:"username"`
	FirstName string `json:"first_name"`
	LastName  string `json:"last_name"`
	Email     string `json:"email"`
	JobTitle  string `json:"job_title"`
	Telephone string `json:"telephone"`
	Container struct {
		ID int64 `json:"id"`
	} `json:"container"`
	AccessRoles []ccRoleID `json:"access_roles"`
	Assignments []int64    `json:"container_id_assignments"`
	SAMLOnly    bool       `json:"is_saml_sso_only"`
	APIOnly     bool       `json:"is_api_only"`
	APIName     string     `json:"api_name"`
	Restricted  int64      `json:"restricted_to_role_id"`
}

type ccRoleID struct {
	ID int64 `json:"id"`
}

func checkRoles(roles []ccRoleID) *ccError {
	if len(roles) == 0 || slices.ContainsFunc(roles, func(r ccRoleID) bool { return ccAccessRoles[r.ID] == "" }) {
		return ccBadRequest("access_roles must name access roles.")
	}
	return nil
}

func roleIDs(roles []ccRoleID) []int64 {
	ids := make([]int64, 0, len(roles))
	for _, r := range roles {
		ids = append(ids, r.ID)
	}
	return ids
}

var ccUsername = regexp.MustCompile(`^[a-zA-Z0-9@\-_+.]+$`)

func checkEmail(email string) *ccError {
	if at := strings.IndexByte(email, '@'); at < 1 || at == len(email)-1 || utf8.RuneCountInString(email) > 255 {
		return ccBadRequest("email must be a valid address of at most 255 characters.")
	}
	return nil
}

// check holds the field rules that the documents state.
func (q ccUserRequest) check() *ccError {
	switch {
	case q.APIOnly && q.APIName == "":
		return ccBadRequest("api_name is required for a service user.")
	case q.APIOnly && !knownRestriction(q.Restricted):
		return ccBadRequest("restricted_to_role_id is not an API access role.")
	case q.APIOnly:
		return checkEmail(q.Email)
	case !ccUsername.MatchString(q.Username):
		return ccBadRequest("username is required and takes a-z A-Z 0-9 @ - _ + .")
	}
	if refusal := checkRoles(q.AccessRoles); refusal != nil {
		return refusal
	}
	return q.checkProfile()
}

func (q ccUserRequest) checkProfile() *ccError {
	switch {
	case q.FirstName == "" || utf8.RuneCountInString(q.FirstName) > 128 || q.LastName == "" || utf8.RuneCountInString(q.LastName) > 128:
		return ccBadRequest("first_name and last_name are required and have at most 128 characters.")
	case utf8.RuneCountInString(q.JobTitle) > 64 || utf8.RuneCountInString(q.Telephone) > 64:
		return ccBadRequest("job_title and telephone have at most 64 characters.")
	}
	return checkEmail(q.Email)
}

func (s *CertCentral) createUser(c ccCaller, w http.ResponseWriter, r *http.Request) *ccError {
	var q ccUserRequest
	if refusal := readJSON(r, &q); refusal != nil {
		return refusal
	}
	if refusal := q.check(); refusal != nil {
		return refusal
	}
	if q.APIOnly {
		return s.createServiceUser(q, w)
	}
	s.mu.Lock()
	if s.taken(q.Username) {
		s.mu.Unlock()
		return ccBadRequest("username is taken.")
	}
	u := ccUser{container: q.Container.ID, profile: &ccProfile{
		username: q.Username, first: q.FirstName, last: q.LastName, email: q.Email, jobTitle: q.JobTitle, telephone: q.Telephone,
		status: ccActive, assignments: q.Assignments, samlOnly: q.SAMLOnly, roles: roleIDs(q.AccessRoles),
	}}
	if u.container == 0 {
		u.container = s.user(c.userID).container // by default a user is made where the caller is
	}
	id := s.newUser(u).id
	s.mu.Unlock()
	return writeJSON(w, http.StatusCreated, map[string]int64{"id": id})
}

func (s *CertCentral) taken(username string) bool {
	for i := range s.users {
		if !s.users[i].deleted && s.profileOf(&s.users[i]).username == username {
			return true
		}
	}
	return false
}

func (s *CertCentral) createServiceUser(q ccUserRequest, w http.ResponseWriter) *ccError {
	secret := newSecret()
	s.mu.Lock()
	u := s.newServiceUser(q.Email)
	u.profile.assignments = q.Assignments
	id := u.id
	s.mint(ccKey{user: id, name: q.APIName, restricted: q.Restricted}, secret)
	s.mu.Unlock()
	return writeJSON(w, http.StatusCreated, ccCreated{ID: id, APIKey: secret})
}

func (s *CertCentral) editUser(_ ccCaller, w http.ResponseWriter, r *http.Request) *ccError {
	var q ccUserRequest
	if refusal := readJSON(r, &q); refusal != nil {
		return refusal
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.user(pathID(r))
	if u == nil {
		return ccNotFound
	}
	if u.service {
		// Of a service user the documents allow nothing but the e-mail address to be changed.
		if refusal := checkEmail(q.Email); refusal != nil {
			return refusal
		}
		s.ownProfile(u).email = q.Email
		return noContent(w)
	}
	if refusal := q.checkProfile(); refusal != nil {
		return refusal
	}
	p := u.profile
	p.first, p.last, p.email, p.jobTitle, p.telephone = q.FirstName, q.LastName, q.Email, q.JobTitle, q.Telephone
	return noContent(w)
}

// ownProfile is a user's profile to be changed: one that follows from the id becomes the user's own.
func (s *CertCentral) ownProfile(u *ccUser) *ccProfile {
	p := *s.profileOf(u)
	u.profile = &p
	return &p
}

func (s *CertCentral) setRoles(_ ccCaller, w http.ResponseWriter, r *http.Request) *ccError {
	var q struct {
		AccessRoles []ccRoleID `json:"access_roles"`
	}
	if refusal := readJSON(r, &q); refusal != nil {
		return refusal
	}
	if refusal := checkRoles(q.AccessRoles); refusal != nil {
		return refusal
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.user(pathID(r))
	if u == nil {
		return ccNotFound
	}
	s.ownProfile(u).roles = roleIDs(q.AccessRoles)
	return noContent(w)
}

// assignContainers replaces the containers of a user; none means that it may work in all. The ids may be numbers or, as in
// the vendor's sample, text.
func (s *CertCentral) assignContainers(_ ccCaller, w http.ResponseWriter, r *http.Request) *ccError {
	var q struct {
		Containers *[]json.RawMessage `json:"container_id_assignments"`
	}
	if refusal := readJSON(r, &q); refusal != nil {
		return refusal
	}
	if q.Containers == nil {
		return ccBadRequest("container_id_assignments is required.")
	}
	ids := make([]int64, 0, len(*q.Containers))
	for _, raw := range *q.Containers {
		id, err := strconv.ParseInt(strings.Trim(string(raw), `"`), 10, 64)
		if err != nil || id <= 0 {
			return ccBadRequest("container_id_assignments must be ids.")
		}
		ids = append(ids, id)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.user(pathID(r))
	if u == nil {
		return ccNotFound
	}
	s.ownProfile(u).assignments = ids
	return noContent(w)
}

func (s *CertCentral) deleteUser(_ ccCaller, w http.ResponseWriter, r *http.Request) *ccError {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.user(pathID(r))
	if u == nil {
		return ccNotFound
	}
	u.deleted = true
	return noContent(w)
}
