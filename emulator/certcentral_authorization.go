package emulator

import (
	"net/http"
	"slices"
)

// ccPermissions are the permission names that are known from the documents, and what a caller needs for them. The name
// of the permission that guards /key is not public.
var ccPermissions = []struct {
	name   string
	need   ccNeed
	method string
}{
	{"view_users", needUsers, http.MethodGet},
	{"create_users", needUsers, http.MethodPost},
	{"edit_users", needUsers, http.MethodPut},
	{"manage_guest_keys", needKeys, http.MethodPost},
	{"view_container", needUsers, http.MethodGet},
	{"create_containers", needUsers, http.MethodPost},
	{"edit_container", needUsers, http.MethodPut},
}

type ccAuthorization struct {
	Authorized bool   `json:"authorized"`
	Permission string `json:"permission"`
}

func (c ccCaller) authorizations() []ccAuthorization {
	list := make([]ccAuthorization, 0, len(ccPermissions))
	for _, p := range ccPermissions {
		list = append(list, ccAuthorization{c.permits(p.need, p.method), p.name})
	}
	return list
}

func (s *CertCentral) authorizations(c ccCaller, w http.ResponseWriter, _ *http.Request) *ccError {
	return writeJSON(w, http.StatusOK, map[string][]ccAuthorization{"authorizations": c.authorizations()})
}

// authorization answers for the caller, or for another user if the path names one.
func (s *CertCentral) authorization(c ccCaller, w http.ResponseWriter, r *http.Request) *ccError {
	if r.PathValue("id") != "" {
		other, refusal := s.onBehalf(c, pathID(r))
		if refusal != nil {
			return refusal
		}
		c = other
	}
	for _, a := range c.authorizations() {
		if a.Permission == r.PathValue("permission") {
			return writeJSON(w, http.StatusOK, a)
		}
	}
	return ccNotFound
}

func (s *CertCentral) onBehalf(c ccCaller, userID int64) (ccCaller, *ccError) {
	if !c.permits(needUsers, http.MethodGet) {
		return ccCaller{}, ccNoRight
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.user(userID)
	if u == nil {
		return ccCaller{}, ccNotFound
	}
	return ccCaller{userID: userID, admin: slices.Contains(s.profileOf(u).roles, ccRoleAdministrator)}, nil
}

func (s *CertCentral) authorizedContainers(c ccCaller, w http.ResponseWriter, r *http.Request) *ccError {
	containers := []ccAssignment{}
	for _, a := range c.authorizations() {
		if a.Permission == r.PathValue("permission") && a.Authorized {
			root := containerOf(ccRootContainer)
			containers = append(containers, ccAssignment{root.ID, root.ParentID, root.Name, root.IsActive})
		}
	}
	return writeJSON(w, http.StatusOK, map[string][]ccAssignment{"containers": containers})
}
