package emulator

import (
	"crypto/sha256"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"
)

// DataspotOptions configures [NewDataspot]. The zero value is a server with the database "prod" and the tenant "ACME", which
// has one administrator with a key named "manager". What its documents leave open is answered by the zero value in the way that
// they make most likely, and by an option in the other.
type DataspotOptions struct {
	// Database is the segment of the path after /rest/. Default "prod".
	Database string
	// ContextPath is what stands before /rest on servers that are not at the root: "/dataspot". Default none.
	ContextPath string
	// Tenants are the names of the tenants. Default "ACME".
	Tenants []string
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// ManagerSecret is the key of the first tenant's administrator: 64 characters of URL-safe Base64. Default: a random one, see
	// [Dataspot.ManagerSecret].
	ManagerSecret string

	// Replace makes a write of accessKeys leave exactly the keys that it names; by default it adds. An entry with the id of a
	// key keeps it, one without makes a key, and a PUT that leaves accessKeys out leaves no key.
	Replace bool
	// OmitValue leaves the value of a new key out of the answer, so that nobody ever learns a value that the server made.
	OmitValue bool
	// ValueFromClient takes a new key's value from the request, which must have one. By default the server makes it.
	ValueFromClient bool
	// ShowKeys lists a user's keys, without their values, wherever the user is shown. By default the property can only be written,
	// as the specification says, and an answer shows only the keys that the call made.
	ShowKeys bool
	// EpochDates shows dates as milliseconds since 1970, and takes such. By default they are RFC 3339.
	EpochDates bool
	// NameTakenIsViolation answers a key name that the user has already with 400 and a violation; by default with 409.
	NameTakenIsViolation bool
	// GoneIs410 answers for users that were deleted with 410; by default with 404.
	GoneIs410 bool
	// ErrorsNotJSON answers errors with a page of HTML.
	ErrorsNotJSON bool
	// IgnoreLoginFilter lists all users whatever ?loginId= says: the specification declares no such parameter.
	IgnoreLoginFilter bool
	// UserType is the word that _type says, and must say in requests. Default "User"; the other one that is known is "Benutzer".
	UserType string

	// NewKeyRefusedFor is how long after its creation a key does not authenticate.
	NewKeyRefusedFor time.Duration
	// NewKeyListedAfter is how long after its creation a key is missing where keys are shown.
	NewKeyListedAfter time.Duration
	// RemovedKeyAcceptedFor is how long a key that was removed still authenticates.
	RemovedKeyAcceptedFor time.Duration

	// Rates are the rolling windows that bound each key. None are documented, and there are none by default.
	Rates []Rate
	// SendRetryAfter adds a Retry-After header to 429.
	SendRetryAfter bool

	// Front is the authentication that stands before the server. The zero value is none.
	Front DataspotFront
}

func (o DataspotOptions) withDefaults() DataspotOptions {
	def := func(s *string, value string) {
		if *s == "" {
			*s = value
		}
	}
	def(&o.Database, "prod")
	def(&o.UserType, "User")
	if o.ContextPath = strings.Trim(o.ContextPath, "/"); o.ContextPath != "" {
		o.ContextPath = "/" + o.ContextPath
	}
	if len(o.Tenants) == 0 {
		o.Tenants = []string{"ACME"}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Front = o.Front.withDefaults()
	return o
}

// Dataspot is one emulated dataspot. server with its tenants. It is an http.Handler for the REST API and for the token endpoint
// of its front, and has methods to fill it, to look into it, to do what a person does in its pages, and to order faults. All
// methods are safe for concurrent use.
type Dataspot struct {
	// Faults are the orders to misbehave. A fault's path is the one below the context path: "/rest/*/users/*", "/oauth2/token".
	Faults Faults

	options DataspotOptions
	front   front
	mux     *http.ServeMux

	mu                sync.Mutex
	tenants           []dsTenant
	users             []dsUser
	keys              []dsKey
	secrets           map[[sha256.Size]byte]int64
	windows           map[int64]*windows
	usage             map[int64]*Usage
	strangers         Usage
	collectionDeletes int
}

// NewDataspot returns a server whose tenants have an administrator with its key, and nothing else.
func NewDataspot(o DataspotOptions) *Dataspot {
	o = o.withDefaults()
	s := &Dataspot{
		options: o, front: front{options: o.Front, now: o.Now}, secrets: map[[sha256.Size]byte]int64{}, windows: map[int64]*windows{},
		usage: map[int64]*Usage{},
	}
	for i, name := range o.Tenants {
		secret := dsSecret()
		if i == 0 && o.ManagerSecret != "" {
			secret = o.ManagerSecret
		}
		s.addTenant(name, secret)
	}
	s.mux = s.routes()
	return s
}

// BasePath is the context path: append it to the address at which the handler is served. "/rest/{database}/" follows it.
func (s *Dataspot) BasePath() string { return s.options.ContextPath }

// Database is the segment of the path after /rest/.
func (s *Dataspot) Database() string { return s.options.Database }

// ManagerSecret is the key of a tenant's administrator, "" if there is no such tenant.
func (s *Dataspot) ManagerSecret(tenant string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tenantNamed(tenant); t >= 0 {
		return s.tenants[t].manager
	}
	return ""
}

// CollectionDeletes is how often the call was made that deletes every user of a tenant, whether or not it was let in or disturbed.
// A client of this project must leave it at 0.
func (s *Dataspot) CollectionDeletes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.collectionDeletes
}

// ServeHTTP implements http.Handler: the API and the token endpoint, faults included.
func (s *Dataspot) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	below, ok := strings.CutPrefix(r.URL.Path, s.options.ContextPath)
	if r.URL.Path == dsTokenPath {
		below, ok = dsTokenPath, true
	}
	if !ok {
		s.refuse(w, r, dsNotFound)
		return
	}
	s.watch(r.Method, below)
	id, name := s.caller(r)
	effect, hit := s.Faults.pick(r.Method, below, name)
	if !hit {
		s.serve(w, r)
		return
	}
	s.count(id, func(u *Usage) { u.Disturbed++ })
	if effect.Kind == EffectStatus && effect.Body == "" {
		effect.Body = string(s.errorBody(r, dsErrorFor(effect.Status)))
	}
	effect.apply(w, r, http.HandlerFunc(s.serve))
}

func (s *Dataspot) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == dsTokenPath {
		s.front.token(w, r)
		return
	}
	if !s.front.admits(r) {
		s.front.challenge(w)
		s.refuse(w, r, dsFrontRefused)
		return
	}
	http.StripPrefix(s.options.ContextPath, s.mux).ServeHTTP(w, r)
}

// watch counts the one call that must never be made, before anything can keep it from arriving.
func (s *Dataspot) watch(method, below string) {
	if ok, _ := path.Match("/rest/*/users", path.Clean(below)); !ok || method != http.MethodDelete {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.collectionDeletes++
}

// caller names the key that a request carries: "" for none that exists.
func (s *Dataspot) caller(r *http.Request) (id int64, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := s.bySecret(r.Header.Get(dsHeader)); k != nil {
		return k.number, k.name
	}
	return 0, ""
}
