package certcentral

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rotatord/rotatord/providers/internal/rest"
	"github.com/rotatord/rotatord/rotator"
)

// The defaults of [Options].
const (
	DefaultServiceUsersPath = "/user/api-only"
	DefaultPageSize         = 1000
	DefaultPropagation      = time.Minute
	DefaultTimeout          = rest.DefaultTimeout
	DefaultUserAgent        = rest.DefaultUserAgent

	// fallbackServiceUsersPath is where an older edition of the vendor's documents lists service users.
	fallbackServiceUsersPath = "/service-user"
)

// The bounds on lists, in bytes. A list of keys is one answer however many there are, so its bound is only there to end an
// answer that never ends.
const (
	maxUserPage = 64 << 20
	maxKeyList  = 1 << 30
)

// Rate is a rolling window: at most Requests calls in any span of length Per.
type Rate = rest.Rate

// DefaultRates are the documented rolling windows per key: 1000 calls in 3 minutes and 100 in 5 seconds.
func DefaultRates() []Rate {
	return []Rate{{Requests: 1000, Per: 3 * time.Minute}, {Requests: 100, Per: 5 * time.Second}}
}

// Options configures [New]. BaseURL and Key are required.
type Options struct {
	// BaseURL is the API's root: https://www.digicert.com/services/v2, or https://certcentral.digicert.eu/services/v2 in Europe.
	BaseURL string
	// Key reads the manager key, which must belong to an administrator and be unrestricted. It is called again at each
	// full scan and when the key is refused, so that a key that was itself rotated is picked up. White space around it is
	// ignored.
	Key func() (rotator.Secret, error)
	// ServiceUsersPath is where service users are listed. Default /user/api-only; where the server has no such path,
	// /service-user is tried. A path that is set here is the only one tried.
	ServiceUsersPath string
	// ContainerID narrows the listed users to one container (division). 0 is no filter. Keys are listed all the same.
	ContainerID int
	// AllUsers lists ordinary users as well as service users.
	AllUsers bool
	// RestrictedToRoleID is the API access role that created keys are restricted to: 100 to 103, or 0 for none. Nil sends
	// nothing, which is the vendor's default: no restriction.
	RestrictedToRoleID *int
	// PageSize is how many users are asked for at a time. Default, and the usual maximum: 1000.
	PageSize int
	// Rates bound the calls made with the manager key. Nil is [DefaultRates]; empty is no bound.
	Rates []Rate
	// MaxKeysPerUser and MaxNameLength are not documented; 0 is no known bound.
	MaxKeysPerUser, MaxNameLength int
	// Propagation is how long after a change the service may still act on the old state. Default one minute.
	Propagation time.Duration
	// Timeout bounds a call: its whole duration, or, for lists, the time to the first byte and then between two pieces.
	// Default 30 seconds.
	Timeout time.Duration
	// Transport makes the calls. Default: net/http's with proxies from the environment. An *http.Transport is cloned, and
	// made to refuse TLS below 1.2; any other must send each request at most once.
	Transport http.RoundTripper
	// UserAgent is sent with each call. Default "rotatord".
	UserAgent string
	// Observe is told about every request that was tried: the operation from a closed list, the HTTP status or "error",
	// and the time to the answer's first byte. May be nil. It must be quick and safe for concurrent use.
	Observe func(operation, code string, d time.Duration)
	// Clock is ours, which the service's is compared with; the zero value is the machine's.
	Clock rotator.Clock
}

// Provider is one CertCentral account. It implements [rotator.Provider], [rotator.Preflighter],
// [rotator.Directory] and [rotator.SelfAware].
type Provider struct {
	client    *rest.Client
	options   Options
	limits    rotator.Limits
	usersPath atomic.Pointer[string] // where service users were found
}

var (
	_ rotator.Provider    = (*Provider)(nil)
	_ rotator.Preflighter = (*Provider)(nil)
	_ rotator.Directory   = (*Provider)(nil)
	_ rotator.Timekeeper  = (*Provider)(nil)
	_ rotator.SelfAware   = (*Provider)(nil)
)

// New returns a provider, or an error that names every option that makes no sense. It makes no call and does not read
// the key.
func New(o Options) (*Provider, error) {
	base, err := o.check()
	if err != nil {
		return nil, err
	}
	o = o.withDefaults()
	p := &Provider{
		client: newClient(base, o), options: o,
		limits: rotator.Limits{
			MaxNameLength: o.MaxNameLength, MaxKeysPerUser: o.MaxKeysPerUser, ReportsLastUse: true, Propagation: o.Propagation, CallsPerHour: rest.PerHour(o.Rates),
		},
	}
	p.usersPath.Store(&p.options.ServiceUsersPath)
	if o.ServiceUsersPath == "" {
		path := DefaultServiceUsersPath
		p.usersPath.Store(&path)
	}
	return p, nil
}

func newClient(base *url.URL, o Options) *rest.Client {
	return rest.New(rest.Options{
		Base: base, Key: o.Key, KeyWords: "the manager key", Classify: classify, Rates: o.Rates, Timeout: o.Timeout,
		Transport: o.Transport, UserAgent: o.UserAgent, Observe: o.Observe, Clock: o.Clock,
		Authorize: func(req *http.Request, secret rotator.Secret) error {
			req.Header.Set("X-DC-DEVKEY", string(secret.Reveal()))
			return nil
		},
	})
}

// Skew implements [rotator.Timekeeper].
func (p *Provider) Skew() (time.Duration, bool) { return p.client.Skew() }

// Limits implements [rotator.Provider]. CertCentral keeps last_used_date and has no key expiry; what names may hold is not
// documented.
func (p *Provider) Limits() rotator.Limits { return p.limits }

func (o Options) withDefaults() Options {
	if o.PageSize == 0 {
		o.PageSize = DefaultPageSize
	}
	if o.Rates == nil {
		o.Rates = DefaultRates()
	}
	if o.Propagation == 0 {
		o.Propagation = DefaultPropagation
	}
	return o
}

func (o Options) check() (*url.URL, error) {
	base, urlErr := rest.CheckBaseURL(o.BaseURL, "https://www.digicert.com/services/v2")
	mistakes := []error{urlErr}
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			mistakes = append(mistakes, fmt.Errorf(format, args...))
		}
	}
	wrong(o.Key == nil, "there is no way to read the manager key")
	wrong(o.ServiceUsersPath != "" && !strings.HasPrefix(o.ServiceUsersPath, "/"),
		"the path of service users %q must begin with /, as in %s", o.ServiceUsersPath, DefaultServiceUsersPath)
	wrong(o.PageSize < 0, "the page size %d must not be negative", o.PageSize)
	wrong(o.ContainerID < 0, "the container id %d must not be negative", o.ContainerID)
	wrong(o.MaxKeysPerUser < 0 || o.MaxNameLength < 0, "the bounds on keys and names must not be negative")
	wrong(o.Timeout < 0 || o.Propagation < 0, "the timeout and the propagation time must not be negative")
	for _, r := range o.Rates {
		mistakes = append(mistakes, r.Check())
	}
	if err := errors.Join(mistakes...); err != nil {
		return nil, fmt.Errorf("certcentral: %w", err)
	}
	return base, nil
}
