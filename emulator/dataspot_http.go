package emulator

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The headers: the key, and the tenant that a call is about. Without the second it is about the key's tenant.
const (
	dsHeader       = "dataspot-access-key"
	dsTenantHeader = "dataspot-tenant"
)

// dsCaller is who makes a call.
type dsCaller struct {
	tenant int
	admin  bool
}

// dsError is a refusal: a status, and what the body says.
type dsError struct {
	status     int
	message    string
	violations []string
	retryAfter time.Duration
}

// The refusals. The statuses of a bad key and of what is not there are known from clients; 403 and 429 are inferred.
var (
	dsFrontRefused = &dsError{status: http.StatusUnauthorized, message: "The call did not pass the authentication in front of the server."}
	dsBadKey       = &dsError{status: http.StatusUnauthorized, message: "The access key is not valid."}
	dsNoRight      = &dsError{status: http.StatusForbidden, message: "The access level does not permit this."}
	dsNotFound     = &dsError{status: http.StatusNotFound, message: "There is no such resource."}
	dsGone         = &dsError{status: http.StatusGone, message: "The resource was deleted."}
	dsTooMany      = &dsError{status: http.StatusTooManyRequests, message: "There were too many calls."}
)

func dsViolation(format string, args ...any) *dsError {
	return &dsError{status: http.StatusBadRequest, message: "The request is not valid.", violations: []string{fmt.Sprintf(format, args...)}}
}

// dsMalformed is what the server makes of a key that is no Base64, nil of one that is. It fails while it decodes, so it answers
// 500 with the words of its decoder: the first are known from clients, the second are what the same decoder says.
func dsMalformed(key string) *dsError {
	message := "Last unit does not have enough valid bits"
	for _, c := range []byte(strings.TrimRight(key, "=")) {
		if !strings.ContainsRune(dsAlphabet, rune(c)) {
			message = fmt.Sprintf("Illegal base64 character %x", c)
			break
		}
	}
	if _, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(key, "=")); err == nil {
		return nil
	}
	return &dsError{status: http.StatusInternalServerError, message: message}
}

const dsAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// dsErrorFor is the refusal with a status that a fault orders.
func dsErrorFor(status int) *dsError {
	for _, known := range []*dsError{dsBadKey, dsNoRight, dsNotFound, dsGone, dsTooMany} {
		if known.status == status {
			return known
		}
	}
	return &dsError{status: status, message: http.StatusText(status)}
}

// errorBody is JSON as clients of the real server read it, or a page if the options say so.
func (s *Dataspot) errorBody(r *http.Request, e *dsError) []byte {
	if s.options.ErrorsNotJSON {
		said := html.EscapeString(strings.Join(append([]string{e.message}, e.violations...), " "))
		return fmt.Appendf(nil, "<html><body><h1>Error %d</h1><p>%s</p></body></html>", e.status, said)
	}
	type violation struct {
		Message string `json:"message"`
	}
	violations := []violation{}
	for _, v := range e.violations {
		violations = append(violations, violation{v})
	}
	body, err := json.Marshal(struct {
		Method     string      `json:"method"`
		Message    string      `json:"message"`
		Violations []violation `json:"violations"`
		Errors     []string    `json:"errors"`
	}{r.Method, e.message, violations, []string{}})
	if err != nil {
		panic(err) // strings
	}
	return body
}

func (s *Dataspot) refuse(w http.ResponseWriter, r *http.Request, e *dsError) {
	if e.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((e.retryAfter+time.Second-1)/time.Second)))
	}
	w.Header().Set("Content-Type", "application/json")
	if s.options.ErrorsNotJSON {
		w.Header().Set("Content-Type", "text/html;charset=utf-8")
	}
	w.WriteHeader(e.status)
	_, _ = w.Write(s.errorBody(r, e)) //nolint:gosec // JSON served as JSON, or a page whose text is escaped
}

// admit lets a call in or says why not: the key must be alive, in the tenant that the call names, and within its rates. It records
// the use.
func (s *Dataspot) admit(r *http.Request) (dsCaller, *dsError) {
	key := r.Header.Get(dsHeader)
	malformed := dsMalformed(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.options.Now()
	k := s.bySecret(key)
	switch {
	case malformed != nil:
		s.strangers.refuse(now, r)
		return dsCaller{}, malformed
	case k == nil:
		s.strangers.refuse(now, r)
		return dsCaller{}, dsBadKey
	}
	usage := s.usageOf(k.number)
	if !s.accepts(k, now) || !s.isAbout(r, s.user(k.user).tenant) {
		usage.refuse(now, r)
		return dsCaller{}, dsBadKey
	}
	if wait := s.windowsOf(k.number).enter(now); wait > 0 {
		usage.Throttled++
		refusal := *dsTooMany
		if s.options.SendRetryAfter {
			refusal.retryAfter = wait
		}
		return dsCaller{}, &refusal
	}
	usage.accept(now)
	u := s.user(k.user)
	return dsCaller{tenant: u.tenant, admin: s.profileOf(u).level == dsAdministrator}, nil
}

// isAbout reports whether a call is about that tenant.
func (s *Dataspot) isAbout(r *http.Request, tenant int) bool {
	named := r.Header.Values(dsTenantHeader)
	return len(named) == 0 || slices.Equal(named, []string{s.tenants[tenant].name})
}

func (s *Dataspot) windowsOf(number int64) *windows {
	if s.windows[number] == nil {
		s.windows[number] = newWindows(s.options.Rates)
	}
	return s.windows[number]
}

type dsHandler func(c dsCaller, w http.ResponseWriter, r *http.Request) *dsError

// routes serves reading to every access level and writing to administrators, as the manual says of users and their keys.
func (s *Dataspot) routes() *http.ServeMux {
	mux := http.NewServeMux()
	handle := func(pattern string, h dsHandler) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			caller, refusal := s.admit(r)
			switch {
			case refusal != nil:
			case r.PathValue("db") != s.options.Database:
				refusal = dsNotFound
			case r.Method != http.MethodGet && !caller.admin:
				refusal = dsNoRight
			default:
				refusal = h(caller, w, r)
			}
			if refusal != nil {
				s.refuse(w, r, refusal)
			}
		})
	}
	handle("GET /rest/{db}/users", s.listUsers)
	handle("POST /rest/{db}/users", s.createUser)
	handle("DELETE /rest/{db}/users", s.deleteUsers)
	handle("DELETE /rest/{db}/users/{$}", s.deleteUsers) // what becomes of a deletion whose id is empty
	handle("GET /rest/{db}/users/{id}", s.showUser)
	handle("PUT /rest/{db}/users/{id}", s.putUser)
	handle("PATCH /rest/{db}/users/{id}", s.patchUser)
	handle("DELETE /rest/{db}/users/{id}", s.deleteUser)
	handle("GET /rest/{db}/tenants", s.listTenants)
	handle("GET /rest/{db}/tenants/{$}", s.listTenants)
	handle("GET /rest/{db}/tenants/{name}", s.showTenant)
	mux.HandleFunc("GET /specification/openapi.json", serveSpecification)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { s.refuse(w, r, dsNotFound) })
	return mux
}

// readBody decodes a request's body, which must be declared as JSON and be one object.
func readBody(r *http.Request, into any) *dsError {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return &dsError{status: http.StatusUnsupportedMediaType, message: "The body must be application/json."}
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequest))
	if err != nil || json.Unmarshal(body, into) != nil {
		return &dsError{status: http.StatusBadRequest, message: "The body is not the JSON object that was expected."}
	}
	return nil
}

// date shows a time as the options say: a string, or a number.
func (s *Dataspot) date(nanos int64) any {
	if s.options.EpochDates {
		return nanos / int64(time.Millisecond)
	}
	return moment(nanos).Format("2006-01-02T15:04:05.000Z07:00")
}

// href is the address of a resource below the database, from the root of the host.
func (s *Dataspot) href(below string) dsLinks {
	return dsLinks{Self: dsLink{s.options.ContextPath + "/rest/" + s.options.Database + below}}
}

type dsLink struct {
	Href string `json:"href"`
}

type dsLinks struct {
	Self dsLink `json:"self"`
}
