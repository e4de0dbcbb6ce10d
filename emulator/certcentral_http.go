package emulator

import (
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ccCaller is who makes a call and what it may do.
type ccCaller struct {
	keyID, userID int64
	admin         bool
	restricted    int64
}

func (s *CertCentral) callerOf(k *ccKey) ccCaller {
	roles := s.profileOf(s.user(k.user)).roles
	return ccCaller{keyID: k.id, userID: k.user, admin: slices.Contains(roles, ccRoleAdministrator), restricted: k.restricted}
}

// ccNeed is what a call asks of its caller.
type ccNeed int

const (
	needNothing ccNeed = iota // any valid key: what is about the key itself
	needUsers                 // to see or change other users
	needKeys                  // to see or change keys
)

// permits follows the vendor's glossary: a key acts with its owner's permissions, narrowed by its restriction. Where the
// glossary is silent the answer is no.
func (c ccCaller) permits(need ccNeed, method string) bool {
	if need == needNothing {
		return true
	}
	switch c.restricted {
	case ccRestrictOrders, ccRestrictOrganizations:
		return false
	case ccRestrictReadOnly:
		if method != http.MethodGet {
			return false
		}
	case ccRestrictUsers:
		if need != needUsers {
			return false
		}
	}
	// Anybody may list keys: the handlers show those who are no administrators only their own.
	return c.admin || (need == needKeys && method == http.MethodGet)
}

type ccHandler func(c ccCaller, w http.ResponseWriter, r *http.Request) *ccError

func (s *CertCentral) routes() *http.ServeMux {
	mux := http.NewServeMux()
	handle := func(pattern string, need ccNeed, h ccHandler) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			caller, refusal := s.admit(r)
			if refusal == nil && !caller.permits(need, r.Method) {
				refusal = ccNoRight
			}
			if refusal == nil {
				refusal = h(caller, w, r)
			}
			if refusal != nil {
				writeError(w, refusal)
			}
		})
	}
	handle("GET /user", needUsers, s.listUsers)
	handle("POST /user", needUsers, s.createUser)
	handle("GET "+s.options.ServiceUsersPath, needUsers, s.listServiceUsers)
	handle("GET /user/me", needNothing, s.me)
	handle("GET /user/{id}", needUsers, s.userInfo)
	handle("PUT /user/{id}", needUsers, s.editUser)
	handle("PUT /user/{id}/role", needUsers, s.setRoles)
	handle("PUT /user/{id}/container-assignments", needUsers, s.assignContainers)
	if s.options.AllowDeleteUser {
		handle("DELETE /user/{id}", needUsers, s.deleteUser)
	}
	handle("GET /key", needKeys, s.listKeys)
	handle("GET /key/api-roles", needNothing, s.apiRoles)
	handle("GET /key/{id}", needKeys, s.keyInfo)
	handle("PUT /key/{id}", needKeys, s.editKey)
	handle("POST /key/user/{id}", needKeys, s.createKey)
	handle("PUT /key/{id}/status", needKeys, s.setKeyStatus)
	handle("GET /authorization", needNothing, s.authorizations)
	handle("GET /authorization/{permission}", needNothing, s.authorization)
	handle("GET /authorization/{permission}/{id}", needNothing, s.authorization)
	handle("GET /authorization/{permission}/container", needNothing, s.authorizedContainers)
	handle("/", needNothing, func(ccCaller, http.ResponseWriter, *http.Request) *ccError { return ccNoRoute })
	return mux
}

func (e *ccError) body() []byte {
	type item struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	body, err := json.Marshal(map[string][]item{"errors": {{e.code, e.message}}})
	if err != nil {
		panic(err) // two strings
	}
	return body
}

func writeError(w http.ResponseWriter, e *ccError) {
	if e.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((e.retryAfter+time.Second-1)/time.Second)))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.status)
	_, _ = w.Write(e.body()) //nolint:gosec // JSON, served as JSON
}

func writeJSON(w http.ResponseWriter, status int, v any) *ccError {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client is gone if this fails
	return nil
}

func noContent(w http.ResponseWriter) *ccError {
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// maxRequest bounds what a client may send, in bytes.
const maxRequest = 64 << 10

// readJSON decodes a request's body, which must be declared as JSON and be one object.
func readJSON(r *http.Request, into any) *ccError {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return ccBadRequest("The Content-Type must be application/json.")
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequest))
	if err != nil || json.Unmarshal(body, into) != nil {
		return ccBadRequest("The body is not the JSON object that was expected.")
	}
	return nil
}

// pathID reads the {id} of a path; what is no number is not found.
func pathID(r *http.Request) int64 {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return 0
	}
	return id
}

// queryInt reads an optional number of the query.
func queryInt(r *http.Request, name string, otherwise int64) (int64, *ccError) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, ccBadRequest("%s must be a number and not negative.", name)
	}
	return n, nil
}

func wantsCSV(r *http.Request) bool {
	return strings.HasPrefix(strings.TrimSpace(r.Header.Get("Accept")), "text/csv")
}

func (s *CertCentral) date(nanos int64) string {
	if nanos == 0 {
		return ""
	}
	return time.Unix(0, nanos).UTC().Format(s.options.DateLayout)
}
