package digicertone

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rotatord/rotatord/providers/internal/rest"
	"github.com/rotatord/rotatord/rotator"
)

// Mode says what a key is.
type Mode string

// The modes. See the package documentation.
const (
	TokenMode    Mode = "token"
	RecreateMode Mode = "recreate"
)

// UpdateStyle says what a PUT takes.
type UpdateStyle string

// The styles. The documents tell of neither.
const (
	// FullUpdate sends the whole object, as it was read a moment before, with the change in it.
	FullUpdate UpdateStyle = "full"
	// PartialUpdate sends the fields that change, and no others.
	PartialUpdate UpdateStyle = "partial"
)

// Rate is a rolling window: at most Requests calls in any span of length Per.
type Rate = rest.Rate

// The defaults of [Options].
const (
	DefaultAPIPath     = "/account/api/v1"
	DefaultPropagation = time.Minute
)

// DefaultRates is a guess: the vendor says that each key is limited, and not how.
func DefaultRates() []Rate { return []Rate{{Requests: 300, Per: time.Minute}} }

// Options configures [New]. BaseURL and a credential (Key, or a certificate) are required.
type Options struct {
	// BaseURL is the root of the instance: https://one.digicert.com, or that of a region or of an instance on premises.
	BaseURL string
	// APIPath is where Account Manager's API begins, below BaseURL. Default /account/api/v1, the documented one.
	APIPath string
	// Mode says what a key is. Default [TokenMode].
	Mode Mode
	// Key reads the token that the daemon works with. It is called again at each full scan and when the token is refused,
	// so that one that was itself rotated is picked up. White space around it is ignored.
	Key func() (rotator.Secret, error)
	// ClientCertFile and ClientKeyFile hold a client certificate and its key, in PEM. They are read again when they change.
	// With them, calls go to the host with "clientauth." before it.
	ClientCertFile, ClientKeyFile string
	// SendKeyWithCertificate sends Key along with the certificate. One page of the vendor says that the key is left out
	// then, another one that it may come along.
	SendKeyWithCertificate bool
	// UpdateStyle says what a PUT takes. Default [FullUpdate].
	UpdateStyle UpdateStyle
	// SwitchUsersByStatus disables and enables users by a status in the update call, in place of calls of their own.
	SwitchUsersByStatus bool
	// Fields, Statuses and Paths are what is inferred. Zero values are the defaults.
	Fields   Fields
	Statuses Statuses
	Paths    Paths
	// AccountID narrows everything to the users of one account: those that have it as their primary one. Empty is no filter.
	AccountID string
	// PageSize asks for lists in pages of that size, by limit and offset, and reads {total, offset, limit, items}, as
	// sibling APIs of the vendor have it. 0, the default, reads the bare arrays that are documented.
	PageSize int
	// UnicodeNames allows letters and digits beyond ASCII in names. The documents say "letters".
	UnicodeNames bool
	// MaxKeysPerUser and MaxNameLength are not documented; 0 is no known bound.
	MaxKeysPerUser, MaxNameLength int
	// Rates bound the calls made with the daemon's own credential. Nil is [DefaultRates]; empty is no bound.
	Rates []Rate
	// Propagation is how long after a change the service may still act on the old state. Default one minute.
	Propagation time.Duration
	// Timeout, Transport, UserAgent, Observe and Clock are as in rest.Options: bounds a call, makes it, names us, is told of it, tells
	// the time.
	Timeout   time.Duration
	Transport http.RoundTripper
	UserAgent string
	Observe   func(operation, code string, d time.Duration)
	Clock     rotator.Clock
}

func (o Options) withDefaults() Options {
	if o.APIPath == "" {
		o.APIPath = DefaultAPIPath
	}
	if o.Mode == "" {
		o.Mode = TokenMode
	}
	if o.UpdateStyle == "" {
		o.UpdateStyle = FullUpdate
	}
	if o.Fields == (Fields{}) {
		o.Fields = DefaultFields()
	}
	if o.Statuses == (Statuses{}) {
		o.Statuses = DefaultStatuses()
	}
	if o.Paths == (Paths{}) {
		o.Paths = DefaultPaths()
	}
	if o.Rates == nil {
		o.Rates = DefaultRates()
	}
	if o.Propagation == 0 {
		o.Propagation = DefaultPropagation
	}
	return o
}

// check returns the API's root, or an error that names every option that makes no sense. It is called after withDefaults.
func (o Options) check() (*url.URL, error) {
	base, urlErr := rest.CheckBaseURL(o.BaseURL, "https://one.digicert.com")
	mistakes := []error{urlErr, o.Fields.check(), o.Statuses.check(), o.Paths.check(), o.checkCredential()}
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			mistakes = append(mistakes, fmt.Errorf(format, args...))
		}
	}
	wrong(o.Mode != TokenMode && o.Mode != RecreateMode, "the mode %q must be token or recreate", o.Mode)
	wrong(o.UpdateStyle != FullUpdate && o.UpdateStyle != PartialUpdate, "the update style %q must be full or partial", o.UpdateStyle)
	wrong(!strings.HasPrefix(o.APIPath, "/") || strings.HasSuffix(o.APIPath, "/"), "the API's path %q must begin with / and not end with it", o.APIPath)
	wrong(o.AccountID != "" && !validID(o.AccountID), "the account %q is no id", o.AccountID)
	wrong(o.PageSize < 0, "the page size %d must not be negative", o.PageSize)
	wrong(o.MaxKeysPerUser < 0 || o.MaxNameLength < 0, "the bounds on keys and names must not be negative")
	wrong(o.Timeout < 0 || o.Propagation < 0, "the timeout and the propagation time must not be negative")
	for _, r := range o.Rates {
		mistakes = append(mistakes, r.Check())
	}
	if err := errors.Join(mistakes...); err != nil {
		return nil, fmt.Errorf("digicertone: %w", err)
	}
	return base.JoinPath(o.APIPath), nil
}

func (o Options) checkCredential() error {
	switch {
	case (o.ClientCertFile == "") != (o.ClientKeyFile == ""):
		return errors.New("a client certificate needs both a file with the certificate and one with its key")
	case o.ClientCertFile == "" && o.Key == nil:
		return errors.New("there is neither a way to read a token nor a client certificate")
	case o.SendKeyWithCertificate && (o.ClientCertFile == "" || o.Key == nil):
		return errors.New("sending the key with the certificate needs both of them")
	case o.ClientCertFile != "" && o.Key != nil && !o.SendKeyWithCertificate:
		return errors.New("there are a token and a client certificate: say whether the token is sent along, or take one of them away")
	default:
		return nil
	}
}
