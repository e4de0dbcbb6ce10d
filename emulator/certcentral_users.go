package emulator

import (
	"net/http"
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

// ccUserInfo is what one user's own page says beyond its entry in a list, of which it leaves out one thing.
type ccUserInfo struct {
	ccUserEntry
	LastLogin     string      `json:"last_login_date,omitempty"`
	IsCertCentral bool        `json:"is_cert_central"`
	IsEnterprise  bool        `json:"is_enterprise"`
	IsSAMLOnly    bool        `json:"is_saml_sso_only"`
	Visibility    []ccVisible `json:"container_visibility"`
	NoAssignments *struct{}   `json:"container_assignments,omitempty"` // nil: it hides the entry's, which only lists show
}

// ccVisible is a container that a user sees. Those below the root have a domain and an organization of their own.
type ccVisible struct {
	ccContainer
	Domains       []string  `json:"allowed_domain_names,omitempty"`
	Organizations []ccNamed `json:"organization_assignments,omitempty"`
}

func visibleOf(id int64) ccVisible {
	v := ccVisible{ccContainer: containerOf(id)}
	if id != ccRootContainer {
		v.Domains = []string{"division-" + strconv.FormatInt(id, 10) + ".example.com"}
		v.Organizations = []ccNamed{{ID: id, Name: "Organization " + strconv.FormatInt(id, 10)}}
	}
	return v
}

// visibility is what a user sees: the containers assigned to it, or else its own.
func (s *CertCentral) visibility(u *ccUser) []ccVisible {
	assigned := s.profileOf(u).assignments
	if len(assigned) == 0 {
		return []ccVisible{visibleOf(u.container)}
	}
	list := make([]ccVisible, 0, len(assigned))
	for _, id := range assigned {
		list = append(list, visibleOf(id))
	}
	return list
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
	info := ccUserInfo{ccUserEntry: s.userEntry(u), IsCertCentral: true, IsEnterprise: true, IsSAMLOnly: p.samlOnly, Visibility: s.visibility(u)}
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
