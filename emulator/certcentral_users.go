package emulator

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

const (
	ccAccount       = 123654
	ccRootContainer = 5
)

type ccNamed struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

var ccAccessRoles = map[int64]string{1: "Administrator", 2: "Limited User", 3: "Finance Manager", 4: "Manager", 5: "Standard User"}

type ccContainer struct {
	ID         int64  `json:"id"`
	PublicID   string `json:"public_id"`
	Name       string `json:"name"`
	ParentID   int64  `json:"parent_id"`
	TemplateID int64  `json:"template_id"`
	EKey       string `json:"ekey"`
	HasLogo    bool   `json:"has_logo"`
	IsActive   bool   `json:"is_active"`
}

func containerOf(id int64) ccContainer {
	c := ccContainer{ID: id, PublicID: strconv.FormatInt(id, 16), Name: "Company", TemplateID: 5, EKey: "e" + strconv.FormatInt(id, 16), IsActive: true}
	if id != ccRootContainer {
		c.Name, c.ParentID = "Division "+strconv.FormatInt(id, 10), ccRootContainer
	}
	return c
}

type ccAssignment struct {
	ID       int64  `json:"id"`
	ParentID int64  `json:"parent_id"`
	Name     string `json:"name"`
	IsActive bool   `json:"is_active"`
}

// ccUserEntry is an element of a list of users.
type ccUserEntry struct {
	ID             int64          `json:"id"`
	Username       string         `json:"username"`
	AccountID      int64          `json:"account_id"`
	FirstName      string         `json:"first_name"`
	LastName       string         `json:"last_name"`
	Email          string         `json:"email"`
	JobTitle       string         `json:"job_title,omitempty"`
	Telephone      string         `json:"telephone,omitempty"`
	Status         string         `json:"status"`
	Container      ccContainer    `json:"container"`
	AccessRoles    []ccNamed      `json:"access_roles"`
	Type           string         `json:"type"`
	HasAssignments bool           `json:"has_container_assignments"`
	Assignments    []ccAssignment `json:"container_assignments,omitempty"`
}

var ccUserColumns = []string{"id", "username", "account_id", "first_name", "last_name", "email", "job_title", "telephone", "status",
	"container_id", "access_roles", "type", "has_container_assignments"}

func (e ccUserEntry) row() []string {
	var roles []string
	for _, role := range e.AccessRoles {
		roles = append(roles, role.Name)
	}
	return []string{strconv.FormatInt(e.ID, 10), e.Username, strconv.FormatInt(e.AccountID, 10), e.FirstName, e.LastName, e.Email, e.JobTitle,
		e.Telephone, e.Status, strconv.FormatInt(e.Container.ID, 10), strings.Join(roles, ";"), e.Type, strconv.FormatBool(e.HasAssignments)}
}

func (s *CertCentral) userEntry(u *ccUser) ccUserEntry {
	p := s.profileOf(u)
	e := ccUserEntry{
		ID: u.id, Username: p.username, AccountID: ccAccount, FirstName: p.first, LastName: p.last, Email: p.email, JobTitle: p.jobTitle,
		Telephone: p.telephone, Status: p.status, Container: containerOf(u.container), Type: "standard", HasAssignments: len(p.assignments) > 0,
	}
	for _, id := range p.roles {
		e.AccessRoles = append(e.AccessRoles, ccNamed{id, ccAccessRoles[id]})
	}
	for _, id := range p.assignments {
		c := containerOf(id)
		e.Assignments = append(e.Assignments, ccAssignment{c.ID, c.ParentID, c.Name, c.IsActive})
	}
	return e
}

// ccUserInfo is what one user's own page says beyond its entry in a list.
type ccUserInfo struct {
	ccUserEntry
	LastLogin     string        `json:"last_login_date,omitempty"`
	IsCertCentral bool          `json:"is_cert_central"`
	IsEnterprise  bool          `json:"is_enterprise"`
	IsSAMLOnly    bool          `json:"is_saml_sso_only"`
	Visibility    []ccContainer `json:"container_visibility"`
}

// ccLoginLayout is the documented form of last_login_date, unlike that of key dates.
const ccLoginLayout = "2006-01-02 15:04:05"

func (s *CertCentral) writeUser(w http.ResponseWriter, id int64) *ccError {
	s.mu.Lock()
	u := s.user(id)
	if u == nil {
		s.mu.Unlock()
		return ccNotFound
	}
	p := s.profileOf(u)
	info := ccUserInfo{ccUserEntry: s.userEntry(u), IsCertCentral: true, IsEnterprise: true, IsSAMLOnly: p.samlOnly, Visibility: []ccContainer{containerOf(u.container)}}
	if !p.lastLogin.IsZero() {
		info.LastLogin = p.lastLogin.UTC().Format(ccLoginLayout)
	}
	s.mu.Unlock()
	return writeJSON(w, http.StatusOK, info)
}

func (s *CertCentral) me(c ccCaller, w http.ResponseWriter, _ *http.Request) *ccError {
	return s.writeUser(w, c.userID)
}

func (s *CertCentral) userInfo(_ ccCaller, w http.ResponseWriter, r *http.Request) *ccError {
	return s.writeUser(w, pathID(r))
}

func (s *CertCentral) listUsers(_ ccCaller, w http.ResponseWriter, r *http.Request) *ccError {
	return s.pageUsers(w, r, func(*ccUser) bool { return true })
}

func (s *CertCentral) listServiceUsers(_ ccCaller, w http.ResponseWriter, r *http.Request) *ccError {
	status := r.URL.Query().Get("filters[status]")
	return s.pageUsers(w, r, func(u *ccUser) bool {
		return u.service && (status == "" || s.profileOf(u).status == status)
	})
}

// pageUsers sends one page of the users that are wanted.
func (s *CertCentral) pageUsers(w http.ResponseWriter, r *http.Request, wanted func(*ccUser) bool) *ccError {
	page, refusal := readPage(r)
	if refusal != nil {
		return refusal
	}
	container, refusal := queryInt(r, "container_id", 0)
	if refusal != nil {
		return refusal
	}
	lie := viewOf(r)
	from := page.Offset
	if lie.repeat {
		from = max(0, from-page.Limit)
	}
	entries := s.collect(from, &page, lie, func(u *ccUser) bool {
		return !u.deleted && (container == 0 || u.container == container) && wanted(u)
	})
	list := startList(w, r, "users", ccUserColumns)
	for _, e := range entries {
		list.add(e)
	}
	return list.end(&page)
}

// collect gathers the page that begins at from and sets the page's total.
func (s *CertCentral) collect(from int64, page *ccPage, lie view, wanted func(*ccUser) bool) []ccUserEntry {
	s.mu.Lock()
	defer s.mu.Unlock()
	entries := make([]ccUserEntry, 0, page.Limit)
	for i := range s.users {
		u := &s.users[i]
		if lie.empty || !wanted(u) {
			continue
		}
		if page.Total >= from && page.Total < from+page.Limit {
			p := s.profileOf(u)
			for range lie.times(strconv.FormatInt(u.id, 10), p.username) {
				entries = append(entries, s.userEntry(u))
			}
		}
		page.Total++
	}
	return entries
}

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
	AccessRoles []struct {
		ID int64 `json:"id"`
	} `json:"access_roles"`
	Assignments []int64 `json:"container_id_assignments"`
	SAMLOnly    bool    `json:"is_saml_sso_only"`
	APIOnly     bool    `json:"is_api_only"`
	APIName     string  `json:"api_name"`
	Restricted  int64   `json:"restricted_to_role_id"`
}

var ccUsername = regexp.MustCompile(`^[a-zA-Z0-9@\-_+.]+$`)

func checkEmail(email string) *ccError {
	if at := strings.IndexByte(email, '@'); at < 1 || at == len(email)-1 || len(email) > 255 {
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
	case len(q.AccessRoles) == 0 || ccAccessRoles[q.AccessRoles[0].ID] == "":
		return ccBadRequest("access_roles must name an access role.")
	}
	return q.checkProfile()
}

func (q ccUserRequest) checkProfile() *ccError {
	switch {
	case q.FirstName == "" || len(q.FirstName) > 128 || q.LastName == "" || len(q.LastName) > 128:
		return ccBadRequest("first_name and last_name are required and have at most 128 characters.")
	case len(q.JobTitle) > 64 || len(q.Telephone) > 64:
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
		status: ccActive, assignments: q.Assignments, samlOnly: q.SAMLOnly,
	}}
	for _, role := range q.AccessRoles {
		u.profile.roles = append(u.profile.roles, role.ID)
	}
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
		p := *s.profileOf(u)
		p.email = q.Email
		u.profile = &p
		return noContent(w)
	}
	if refusal := q.checkProfile(); refusal != nil {
		return refusal
	}
	p := u.profile
	p.first, p.last, p.email, p.jobTitle, p.telephone = q.FirstName, q.LastName, q.Email, q.JobTitle, q.Telephone
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
