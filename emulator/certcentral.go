package emulator

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// CertCentralOptions configures [NewCertCentral]. The zero value is an account as the vendor documents it, with one
// administrator and one unrestricted key named "manager".
type CertCentralOptions struct {
	// BasePath is where the API begins. Default "/services/v2".
	BasePath string
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// ManagerSecret is the administrator's key. Default: a random one, see [CertCentral.ManagerSecret].
	ManagerSecret string
	// Rates are the rolling windows that bound each key. Nil: the documented 1000 in 3 minutes and 100 in 5 seconds.
	// Empty: no bound.
	Rates []Rate
	// SendRetryAfter adds a Retry-After header to 429. Off by default: the vendor does not document one.
	SendRetryAfter bool
	// NewKeyRefusedFor is how long after its creation a key does not authenticate.
	NewKeyRefusedFor time.Duration
	// NewKeyListedAfter is how long after its creation a key is missing from lists and look-ups.
	NewKeyListedAfter time.Duration
	// RevokedKeyAcceptedFor is how long a revoked key still authenticates.
	RevokedKeyAcceptedFor time.Duration
	// LastUsedLag is the interval at which last_used_date is published; 0 publishes at once.
	LastUsedLag time.Duration
	// ServiceUsersPath is where service users are listed. Default "/user/api-only"; one edition of the documents says
	// "/service-user".
	ServiceUsersPath string
	// AllowDeleteUser serves DELETE /user/{id}, which clients send but no vendor page documents. Off by default.
	AllowDeleteUser bool
	// DateLayout is the layout of key dates, in UTC. Default "2006-01-02T15:04:05+00:00", which is ISO 8601 as recorded.
	DateLayout string
}

func (o CertCentralOptions) withDefaults() CertCentralOptions {
	def := func(s *string, value string) {
		if *s == "" {
			*s = value
		}
	}
	def(&o.BasePath, "/services/v2")
	def(&o.ServiceUsersPath, "/user/api-only")
	def(&o.DateLayout, "2006-01-02T15:04:05+00:00")
	if o.ManagerSecret == "" {
		o.ManagerSecret = newSecret()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rates == nil {
		o.Rates = []Rate{{Requests: 1000, Per: 3 * time.Minute}, {Requests: 100, Per: 5 * time.Second}}
	}
	return o
}

// CertCentral is one emulated CertCentral account. It is an http.Handler for the API, and has methods to fill the account,
// to look into it and to order faults. All methods are safe for concurrent use.
type CertCentral struct {
	// Faults are the orders to misbehave.
	Faults Faults

	options CertCentralOptions
	mux     *http.ServeMux

	mu           sync.Mutex
	users        []ccUser
	keys         []ccKey
	secrets      map[[sha256.Size]byte]int64
	serviceUsers int
	windows      map[int64]*windows
	usage        map[int64]*Usage
	strangers    Usage
}

// NewCertCentral returns an account with an administrator and its key, and nothing else.
func NewCertCentral(o CertCentralOptions) *CertCentral {
	s := &CertCentral{
		options: o.withDefaults(), secrets: map[[sha256.Size]byte]int64{}, windows: map[int64]*windows{}, usage: map[int64]*Usage{},
	}
	admin := s.newUser(ccUser{profile: &ccProfile{
		username: "rotation.manager", first: "Rotation", last: "Manager", email: "rotation.manager@example.com",
		status: ccActive, roles: []int64{ccRoleAdministrator},
	}})
	s.newKey(ccKey{user: admin.id, name: "manager", status: ccActive, created: s.options.Now().UnixNano()}, s.options.ManagerSecret)
	s.mux = s.routes()
	return s
}

// BasePath is where the API begins: append it to the address at which the handler is served.
func (s *CertCentral) BasePath() string { return s.options.BasePath }

// ManagerSecret is the administrator's key.
func (s *CertCentral) ManagerSecret() string { return s.options.ManagerSecret }

// ServeHTTP implements http.Handler: the API, faults included.
func (s *CertCentral) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	below, ok := strings.CutPrefix(r.URL.Path, s.options.BasePath)
	if !ok {
		writeError(w, ccNoRoute)
		return
	}
	id, name := s.caller(r)
	effect, hit := s.Faults.pick(r.Method, below, name)
	if !hit {
		s.serve(w, r)
		return
	}
	s.count(id, func(u *Usage) { u.Disturbed++ })
	if effect.Kind == EffectStatus && effect.Body == "" {
		effect.Body = string(ccErrorFor(effect.Status).body())
	}
	effect.apply(w, r, http.HandlerFunc(s.serve))
}

func (s *CertCentral) serve(w http.ResponseWriter, r *http.Request) {
	http.StripPrefix(s.options.BasePath, s.mux).ServeHTTP(w, r)
}

// caller names the key that a request carries: "" for none that exists.
func (s *CertCentral) caller(r *http.Request) (id int64, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := s.bySecret(r.Header.Get(ccHeader)); k != nil {
		return k.id, k.name
	}
	return 0, ""
}

// ccHeader carries the key.
const ccHeader = "X-DC-DEVKEY"

// admit lets a call in or says why not: the key must be alive and within its rates. It records the use.
func (s *CertCentral) admit(r *http.Request) (ccCaller, *ccError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.options.Now()
	k := s.bySecret(r.Header.Get(ccHeader))
	if k == nil {
		s.strangers.refuse(now, r)
		return ccCaller{}, ccBadKey
	}
	usage := s.usageOf(k.id)
	if !s.accepts(k, now) {
		usage.refuse(now, r)
		return ccCaller{}, ccBadKey
	}
	if wait := s.windowsOf(k.id).enter(now); wait > 0 {
		usage.Throttled++
		refusal := *ccTooMany
		if s.options.SendRetryAfter {
			refusal.retryAfter = wait
		}
		return ccCaller{}, &refusal
	}
	usage.accept(now)
	s.use(k, now)
	return s.callerOf(k), nil
}

func (s *CertCentral) windowsOf(id int64) *windows {
	if s.windows[id] == nil {
		s.windows[id] = newWindows(s.options.Rates)
	}
	return s.windows[id]
}

// ccError is a refusal as documented: a status and {"errors":[{"code","message"}]}.
type ccError struct {
	status        int
	code, message string
	retryAfter    time.Duration
}

// The refusals. The code of a bad key is recorded from the real service, the others are in its documents.
var (
	ccBadKey   = &ccError{status: http.StatusForbidden, code: "access_denied|access_denied_invalid_key", message: "Access denied, invalid API key."}
	ccNoRight  = &ccError{status: http.StatusForbidden, code: "access_denied|missing_permission", message: "Access denied, missing a permission."}
	ccNotFound = &ccError{status: http.StatusNotFound, code: "not_found", message: "The specified resource does not exist."}
	ccNoRoute  = &ccError{status: http.StatusNotFound, code: "not_found|route", message: "The specified route does not exist."}
	ccTooMany  = &ccError{status: http.StatusTooManyRequests, code: "request_limit_exceeded", message: "Service unavailable, please limit request volume."}
)

func ccBadRequest(format string, args ...any) *ccError {
	return &ccError{status: http.StatusBadRequest, code: "bad_request_format", message: fmt.Sprintf(format, args...)}
}

// ccErrorFor is the body for a status that a fault orders.
func ccErrorFor(status int) *ccError {
	for _, known := range []*ccError{ccBadKey, ccNotFound, ccTooMany, ccBadRequest("The request could not be read.")} {
		if known.status == status {
			return known
		}
	}
	return &ccError{status: status, code: "fault", message: http.StatusText(status)}
}
