package rest

import (
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// DefaultLimit bounds an answer of a [Call] that names no bound, in bytes.
const DefaultLimit = 1 << 20

// maxError is how much of the body of a refusal is read, in bytes.
const maxError = 64 << 10

// Call is one operation of an API.
type Call struct {
	// Name is the operation's name for metrics, from a closed list.
	Name string
	// Method is GET or HEAD for a read; every other method is a write, which is sent once.
	Method string
	// Path is below the base URL, begins with / and is escaped as it is to go out: see [url.PathEscape] for its segments.
	Path  string
	Query url.Values
	// Body is of a write, as JSON unless Options.Authorize sets another Content-Type.
	Body []byte
	// Secret is used in place of the daemon's own key. The rates are the own key's and do not apply then.
	Secret rotator.Secret
	// Limit is the largest answer that is taken, in bytes; 0 is [DefaultLimit].
	Limit int64
	// Shows is true where the answer shows a secret that nobody knows yet: none is quoted that may come after the effect.
	Shows bool
	// Stream is true where the answer is read at a visitor's pace: the timeout bounds each read of it, not the whole.
	Stream bool
}

// Op names the operation in faults: its method and path.
func (c Call) Op() string { return c.Method + " " + c.Path }

// IsWrite reports whether the call changes something, so that it is never repeated.
func (c Call) IsWrite() bool { return c.Method != http.MethodGet && c.Method != http.MethodHead }

func (c Call) limit() int64 {
	if c.Limit == 0 {
		return DefaultLimit
	}
	return c.Limit
}

// Answer is a success: a status of 200 to 299. Its body must be closed.
type Answer struct {
	Status int
	Header http.Header
	Body   io.ReadCloser
}

// Options configures [New]. Base is required.
type Options struct {
	// Base is the API's root, from [CheckBaseURL].
	Base *url.URL
	// Key reads the daemon's own key. It is called at the first call, by [Client.RefreshKey] and when the key is refused,
	// so that a key that was itself replaced is picked up. White space around it is ignored. Nil: there is none, as with a
	// client certificate.
	Key func() (rotator.Secret, error)
	// KeyWords is how errors call that key, "the manager key" for one. Default "the provider's own key".
	KeyWords string
	// Authorize puts secret (empty without Key) on the request, and may set other headers, Accept and Content-Type among
	// them. It may itself make calls, with the request's context; nothing of the request has left then, so no fault that
	// it returns has an unknown outcome. Nil adds nothing.
	Authorize func(req *http.Request, secret rotator.Secret) error
	// Classify turns a refusal into a fault. Default [Classify].
	Classify func(Refusal) *rotator.Fault
	// Rates bound the calls made with the own key, or without any. Empty is no bound.
	Rates []Rate
	// Timeout bounds a call: its whole duration, or, for streams, the time to the first byte and then between two pieces.
	// Default 30 seconds.
	Timeout time.Duration
	// Transport makes the calls. Default: [outbound.Transport], with proxies from the environment. An *http.Transport is cloned,
	// and made to refuse TLS below 1.2 and headers without end; any other must send each request at most once.
	Transport http.RoundTripper
	// UserAgent is sent with each call. Default "rotatord".
	UserAgent string
	// Observe is told about every request that was tried: the operation's name, the HTTP status or "error", and the time
	// to the answer's first byte. May be nil. It must be quick and safe for concurrent use.
	Observe func(operation, code string, d time.Duration)
	// Clock is ours, which the Date of answers is compared with; the zero value is the machine's.
	Clock rotator.Clock
}

// The defaults of [Options].
const (
	DefaultTimeout   = 30 * time.Second
	DefaultUserAgent = "rotatord"
)

func (o Options) withDefaults() Options {
	if o.KeyWords == "" {
		o.KeyWords = "the provider's own key"
	}
	if o.Authorize == nil {
		o.Authorize = func(*http.Request, rotator.Secret) error { return nil }
	}
	if o.Classify == nil {
		o.Classify = Classify
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.UserAgent == "" {
		o.UserAgent = DefaultUserAgent
	}
	if o.Observe == nil {
		o.Observe = func(string, string, time.Duration) {}
	}
	return o
}
