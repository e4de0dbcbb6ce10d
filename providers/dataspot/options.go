package dataspot

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/rotatord/rotatord/providers/internal/rest"
	"github.com/rotatord/rotatord/rotator"
)

// The defaults of [Options].
const (
	DefaultAccessKeyHeader = "dataspot-access-key" // as public clients send it; the specification names no security scheme
	DefaultTypeName        = "User"
	DefaultExpiryTime      = "23:59:59Z"

	// ExactExpiry, as [Options.ExpiryTime], sends the expiry to the second.
	ExactExpiry = "exact"

	exampleURL = "https://acme.dataspot.io"
)

// WriteMethod is the way in which keys are made by a call.
type WriteMethod string

// The ways to write accessKeys.
const (
	ByHand  WriteMethod = ""      // no call: a person makes keys
	ByPatch WriteMethod = "patch" // PATCH with the new key alone
	ByPut   WriteMethod = "put"   // PUT with the user as it was read and the new key
)

// Rate is a rolling window: at most Requests calls in any span of length Per.
type Rate struct {
	Requests int
	Per      time.Duration
}

// DeclaredKey is a key that the server does not list.
type DeclaredKey struct {
	// User is the id or the loginId of its service user.
	User string
	Name string
	// Created and Expires are zero where they are not known.
	Created, Expires time.Time
}

// Options configures [New]. BaseURL, Database, Tenant and Key are required.
type Options struct {
	// Name is what the provider is called in the configuration: instructions for people name it.
	Name string
	// BaseURL is the server's root with its context path, if it has one.
	BaseURL string
	// Database is the segment of paths after /rest/.
	Database string
	// Tenant is the name of the tenant.
	Tenant string
	// Key reads the daemon's own access key, which must belong to an administrator of the tenant. It is called again at each full
	// scan and when the key is refused. White space around it is ignored.
	Key func() (rotator.Secret, error)
	// Front is the authentication that stands before the server. The zero value is none.
	Front Front
	// AccessKeyHeader carries the key. Default "dataspot-access-key".
	AccessKeyHeader string
	// TenantHeader carries the tenant's name; empty sends none.
	TenantHeader string
	// ProbePath is read to prove a key, below BaseURL. Default /rest/{database}/tenants/{tenant}, as a public client does.
	ProbePath string
	// TypeName is _type of a user: "User" (the default) or "Benutzer", as the server's language has it.
	TypeName string

	// Keys are the keys that exist and that no call lists. They are not used with ListsKeys.
	Keys []DeclaredKey
	// ListsKeys takes the keys from the server, which then must show accessKeys of users. The specification says that it does not.
	ListsKeys bool

	// CreateKeys makes keys by a call, if the throw-away user shows that this is safe. Default: people make them.
	CreateKeys WriteMethod
	// ThrowawayUser is the loginId of a service user whose keys nobody needs. Required with CreateKeys.
	ThrowawayUser string
	// ClientValues makes the value of a new key here and sends it, for servers that take it from the client.
	ClientValues bool
	// ExpiryTime is the time of day at which keys expire, with its zone: default "23:59:59Z"; or [ExactExpiry].
	ExpiryTime string

	// MaxNameLength caps the names of keys, in bytes; 0 is no known cap. NameCharacters are the characters that a name may have, as
	// inside the brackets of a regular expression: "a-zA-Z0-9_-"; empty allows everything printable.
	MaxNameLength  int
	NameCharacters string
	// MaxKeysPerUser caps a user's keys; 0 is no known cap.
	MaxKeysPerUser int
	// Propagation is how long after a change the server may still act on the old state. The manual says that a key works at once.
	Propagation time.Duration
	// Rates bound the calls made with the daemon's key. None are documented; empty is no bound.
	Rates []Rate
	// Timeout bounds a call: its whole duration, or, for the list, the time to the first byte and then between two pieces. Default
	// 30 seconds.
	Timeout time.Duration
	// Transport makes the calls. Default: net/http's with proxies from the environment. Any other than an *http.Transport must send
	// each request at most once.
	Transport http.RoundTripper
	// UserAgent is sent with each call. Default "rotatord".
	UserAgent string
	// Observe is told about every request that was tried: the operation from a closed list, the HTTP status or "error", and the time
	// to the answer's first byte. May be nil. It must be quick and safe for concurrent use.
	Observe func(operation, code string, d time.Duration)
	// Clock is ours, which the service's is compared with; the zero value is the machine's.
	Clock rotator.Clock
}

func (o Options) withDefaults() Options {
	def := func(s *string, value string) {
		if *s == "" {
			*s = value
		}
	}
	def(&o.AccessKeyHeader, DefaultAccessKeyHeader)
	def(&o.TypeName, DefaultTypeName)
	def(&o.ExpiryTime, DefaultExpiryTime)
	def(&o.ProbePath, "/rest/"+url.PathEscape(o.Database)+"/tenants/"+url.PathEscape(o.Tenant))
	def(&o.Name, "dataspot")
	return o
}

// check says everything that is wrong. It is asked after withDefaults.
func (o Options) check() (*url.URL, error) {
	base, urlErr := rest.CheckBaseURL(o.BaseURL, exampleURL)
	mistakes := []error{urlErr}
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			mistakes = append(mistakes, fmt.Errorf(format, args...))
		}
	}
	wrong(o.Key == nil, "there is no way to read the daemon's access key")
	wrong(!segment(o.Database), "the database %q is not one segment of a path", o.Database)
	wrong(!segment(o.Tenant), "the tenant %q is not one segment of a path", o.Tenant)
	wrong(!header(o.AccessKeyHeader) || o.TenantHeader != "" && !header(o.TenantHeader), "a header's name must be letters, digits and dashes")
	wrong(strings.EqualFold(o.AccessKeyHeader, "Authorization") && o.Front.set(), "the front's authorization and the access key cannot share a header")
	wrong(!strings.HasPrefix(o.ProbePath, "/") || strings.ContainsAny(o.ProbePath, "?#"), "the probe path %q must begin with / and have no query", o.ProbePath)
	wrong(o.CreateKeys != ByHand && o.CreateKeys != ByPatch && o.CreateKeys != ByPut, "keys cannot be created by %q; write patch or put", o.CreateKeys)
	wrong(o.CreateKeys != ByHand && o.ThrowawayUser == "", "keys are created only after a throw-away service user has shown what a write does: name one")
	wrong(o.ListsKeys && len(o.Keys) > 0, "keys are either listed by the server or declared, not both")
	wrong(o.MaxKeysPerUser < 0 || o.MaxNameLength < 0, "the bounds on keys and names must not be negative")
	wrong(o.Timeout < 0 || o.Propagation < 0, "the timeout and the propagation time must not be negative")
	_, err := parseExpiryTime(o.ExpiryTime)
	mistakes = append(mistakes, err, o.Front.check())
	_, err = nameRune(o.NameCharacters)
	mistakes = append(mistakes, err, checkDeclared(o.Keys))
	for _, r := range o.Rates {
		mistakes = append(mistakes, rest.Rate(r).Check())
	}
	if err := errors.Join(mistakes...); err != nil {
		return nil, fmt.Errorf("dataspot: %w", err)
	}
	return base, nil
}

// segment reports whether s can stand between two slashes of a path and mean itself.
func segment(s string) bool {
	return s != "" && s != "." && s != ".." && !strings.ContainsAny(s, "/\\") && strings.TrimSpace(s) == s
}

var headerName = regexp.MustCompile(`^[A-Za-z0-9-]+$`)

func header(name string) bool { return headerName.MatchString(name) }

// nameRune reads a class of characters; nil for all.
func nameRune(class string) (func(rune) bool, error) {
	if class == "" {
		return nil, nil //nolint:nilnil // nil is the contract's word for all
	}
	pattern, err := regexp.Compile("^[" + class + "]$")
	if err != nil || strings.HasPrefix(class, "^") {
		return nil, fmt.Errorf("the characters of names %q cannot be read; write them as in a-zA-Z0-9_-", class)
	}
	return func(r rune) bool { return pattern.MatchString(string(r)) }, nil
}
