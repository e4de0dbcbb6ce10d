package emulator

import (
	"cmp"
	"crypto/sha256"
	"net/http"
	"strings"
	"sync"
	"time"
)

// DigiCertOneOptions configures [NewDigiCertOne]. The zero value is an instance of Account Manager as the vendor documents
// it, with one account, and in it one administrator who is no service user and has one token named "manager". Where the
// vendor is silent, or says two things, the default is what is harder to please.
type DigiCertOneOptions struct {
	// BasePath is where the API begins. Default "/account/api/v1".
	BasePath string
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// ManagerSecret is the administrator's token. Default: a random one, see [DigiCertOne.ManagerSecret].
	ManagerSecret string
	// Rates are the rolling windows that bound each token. Nil: 1000 in 3 minutes and 100 in 5 seconds, which CertCentral
	// documents; this API's numbers are not public. Empty: no bound.
	Rates []Rate
	// Errors is which of the two documented error bodies is sent. Default: both in turn.
	Errors DigiCertOneErrors
	// RetryAfter is which of the two documented forms of Retry-After is sent with 429 and 503. Default: both in turn.
	RetryAfter DigiCertOneRetryAfter
	// DuplicateStatus is the status with the documented code duplicate_error. Default 409: the documents do not name it.
	DuplicateStatus int
	// CreatedStatus is the status of a create call. Default 201; 200 is as possible.
	CreatedStatus int
	// Fields gives fields of requests and answers another name: "user." or "token." and the default name, with dots for
	// members of members, to a name in the same object, such as "token.end_date" to "expiry.date". The default name is then
	// neither sent nor understood. Most of the defaults are inferred, because the vendor does not publish them.
	Fields map[string]string
	// Words replaces the status words ACTIVE, DISABLED and EXPIRED, of which the documents show the first one only.
	Words map[string]string
	// Paths are those of calls that the documents do not spell out.
	Paths DigiCertOnePaths
	// SwitchUsersByStatus makes a user's status a field of the full object, as a token's is, and takes away the calls that
	// enable and disable users.
	SwitchUsersByStatus bool
	// PageLimit turns the bare arrays that the documents show into pages of at most so many items, by limit and offset, with
	// {total, offset, limit, items}, as sibling APIs send them. 0: bare arrays.
	PageLimit int
	// TokensRefusedWith makes it the older product, in which a service user is its one token: every call of
	// /api-access-token is answered with this status, 403 or 404. 0: users have tokens.
	TokensRefusedWith int
	// MaxTokens is how many tokens a user may have, whatever their state. 0: no bound.
	MaxTokens int
	// NamesPerUser lets two users have tokens of the same name. Off by default: the documents only say "unique".
	NamesPerUser bool
	// MaxNameLength bounds names, in bytes. Default 128: the documents do not name a bound.
	MaxNameLength int
	// KeyWithCertificate is what becomes of an x-api-key that comes along with a client certificate.
	KeyWithCertificate DigiCertOneKeyRule
	// ShowLastUsed adds last_used_at to tokens. Off by default: the documents show no such field.
	ShowLastUsed bool
	// LastUsedLag is the interval at which last_used_at is published; 0 publishes at once.
	LastUsedLag time.Duration
	// NewTokenRefusedFor is how long after its creation a token does not authenticate.
	NewTokenRefusedFor time.Duration
	// NewListedAfter is how long after its creation a token or a user is missing from lists and look-ups.
	NewListedAfter time.Duration
	// DisabledAcceptedFor is how long a token still authenticates after it or its user was disabled or deleted.
	DisabledAcceptedFor time.Duration
}

// DigiCertOnePaths are paths below [DigiCertOneOptions.BasePath], each with {id} for the user's id. All are inferred: the
// documents tell that users can be edited, deleted, enabled and disabled, and not how.
type DigiCertOnePaths struct {
	// UpdateUser is called by PUT, DeleteUser by DELETE. Default "/user/{id}".
	UpdateUser, DeleteUser string
	// EnableUser and DisableUser are called by PUT. Default "/user/{id}/enable" and "/user/{id}/disable".
	EnableUser, DisableUser string
}

// DigiCertOneErrors chooses an error body.
type DigiCertOneErrors string

// The error bodies: {"error":{"code","message"}} and {"errors":[{"code","message"}]}.
const (
	ErrorsInTurn  DigiCertOneErrors = ""
	ErrorsAsOne   DigiCertOneErrors = "object"
	ErrorsAsArray DigiCertOneErrors = "array"
)

// DigiCertOneRetryAfter chooses a form of Retry-After.
type DigiCertOneRetryAfter string

// The forms of Retry-After: whole seconds, and an HTTP date.
const (
	RetryAfterInTurn  DigiCertOneRetryAfter = ""
	RetryAfterSeconds DigiCertOneRetryAfter = "seconds"
	RetryAfterDate    DigiCertOneRetryAfter = "date"
)

// DigiCertOneKeyRule says what becomes of a key that comes along with a client certificate. One vendor page says that the
// key is left out, another one that the certificate may accompany it.
type DigiCertOneKeyRule string

// The rules. A key that is allowed or required must be valid and belong to the certificate's user.
const (
	KeyRefused  DigiCertOneKeyRule = ""
	KeyAllowed  DigiCertOneKeyRule = "allowed"
	KeyRequired DigiCertOneKeyRule = "required"
)

func (o DigiCertOneOptions) withDefaults() DigiCertOneOptions {
	o.DuplicateStatus = cmp.Or(o.DuplicateStatus, http.StatusConflict)
	o.CreatedStatus = cmp.Or(o.CreatedStatus, http.StatusCreated)
	o.MaxNameLength = cmp.Or(o.MaxNameLength, 128)
	o.BasePath = cmp.Or(o.BasePath, "/account/api/v1")
	o.Paths.UpdateUser = cmp.Or(o.Paths.UpdateUser, "/user/{id}")
	o.Paths.DeleteUser = cmp.Or(o.Paths.DeleteUser, "/user/{id}")
	o.Paths.EnableUser = cmp.Or(o.Paths.EnableUser, "/user/{id}/enable")
	o.Paths.DisableUser = cmp.Or(o.Paths.DisableUser, "/user/{id}/disable")
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

// DigiCertOne is one emulated instance of DigiCert ONE Account Manager. It is an http.Handler for the API, and has methods
// to fill its accounts, to look into them and to order faults. All methods are safe for concurrent use.
type DigiCertOne struct {
	// Faults are the orders to misbehave.
	Faults Faults

	options DigiCertOneOptions
	mux     *http.ServeMux

	mu           sync.Mutex
	accounts     []d1Account
	users        []d1User
	tokens       []d1Token
	secrets      map[[sha256.Size]byte]int
	certificates map[[sha256.Size]byte]int
	userNames    map[string]int
	tokenNames   map[string]int
	windows      map[string]*windows
	usage        map[string]*Usage
	maintenance  time.Time
	refusals     int // counts error bodies, which come in two forms in turn
	waits        int // counts Retry-After headers, likewise
}

// NewDigiCertOne returns an instance with one account, an administrator and its token, and nothing else.
func NewDigiCertOne(o DigiCertOneOptions) *DigiCertOne {
	s := &DigiCertOne{
		options: o.withDefaults(), secrets: map[[sha256.Size]byte]int{}, certificates: map[[sha256.Size]byte]int{},
		userNames: map[string]int{}, tokenNames: map[string]int{}, windows: map[string]*windows{}, usage: map[string]*Usage{},
	}
	s.AddAccount("Example")
	admin := s.newUser(d1User{
		d1Life: d1Life{created: s.options.Now().UnixNano()}, person: true, name: "Rotation Manager", email: "rotation.manager@example.com",
		accounts: []int{1}, applications: []int{d1AccountManager}, roles: []int{d1AccountAdmin}, createdBy: 1,
	})
	s.newToken(d1Token{user: admin.id, name: "manager", d1Life: admin.d1Life}, s.options.ManagerSecret)
	s.mux = s.routes()
	return s
}

// BasePath is where the API begins: append it to the address at which the handler is served.
func (s *DigiCertOne) BasePath() string { return s.options.BasePath }

// ManagerSecret is the administrator's token.
func (s *DigiCertOne) ManagerSecret() string { return s.options.ManagerSecret }

// Maintain puts the whole instance into maintenance until then: every call is answered with 503 and a Retry-After.
func (s *DigiCertOne) Maintain(until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.maintenance = until
}

// ServeHTTP implements http.Handler: the API, faults included.
func (s *DigiCertOne) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	below, ok := strings.CutPrefix(r.URL.Path, s.options.BasePath)
	if !ok {
		s.refuse(w, d1NotFound)
		return
	}
	id, name := s.whose(r)
	effect, hit := s.Faults.pick(r.Method, below, name)
	if !hit {
		s.serve(w, r)
		return
	}
	s.count(id, func(u *Usage) { u.Disturbed++ })
	if effect.Kind == EffectStatus && effect.Body == "" {
		effect.Body = string(s.errorBody(d1ErrorFor(effect.Status)))
	}
	effect.apply(w, r, http.HandlerFunc(s.serve))
}

func (s *DigiCertOne) serve(w http.ResponseWriter, r *http.Request) {
	http.StripPrefix(s.options.BasePath, s.mux).ServeHTTP(w, r)
}
