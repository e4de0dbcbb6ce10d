package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/rotatord/rotatord/rotator"
)

// Refusal is an answer that is no success.
type Refusal struct {
	Op     string
	Write  bool
	Status int
	Header http.Header
	// Body is the beginning of what came, with every credential of the request taken out. It is nil where the answer may
	// hold a secret that nobody knows yet.
	Body []byte

	// Said is what a provider has read from Body for people; it goes into the fault's text as one short line.
	Said string
	// Known is true once a provider has found the service's own words about what was asked for in Body. Without them a 404
	// is not believed to come from the service: it may be from a proxy, or from something else at a mistyped address.
	Known bool
}

// Fault returns a fault of the kind that says why, and in brackets what the service said. Retry-After is taken over.
func (r Refusal) Fault(kind rotator.Kind, why string) *rotator.Fault {
	said := "status " + strconv.Itoa(r.Status)
	if r.Said != "" {
		said += ", " + r.Said
	}
	return &rotator.Fault{
		Op: r.Op, Kind: kind, RetryAfter: RetryAfter(r.Header.Get("Retry-After"), time.Now()), Err: fmt.Errorf("%s (%s)", why, OneLine(said)),
	}
}

// Classify turns a refusal into a fault by its status alone, and r.Known. Providers read their service's error bodies
// first, set Said and Known, return the faults that they know better, and leave the rest to it.
func Classify(r Refusal) *rotator.Fault {
	switch {
	case r.Status == http.StatusUnauthorized:
		return r.Fault(rotator.Denied, "the service refuses the key")
	case r.Status == http.StatusForbidden:
		return r.Fault(rotator.Denied, "the service does not permit this to the key")
	case r.Status == http.StatusTooManyRequests:
		return r.Fault(rotator.Throttled, "the service asks for patience: too many calls with this key")
	case r.Status == http.StatusNotFound || r.Status == http.StatusGone:
		return r.missing()
	case r.Status == http.StatusConflict:
		return r.Fault(rotator.Conflict, "the service says that something else is in the way")
	case r.Status >= 500 || r.Status == http.StatusRequestTimeout:
		if r.Write {
			return r.Fault(rotator.UnknownOutcome, "the service failed, and whether it did what was asked is not known")
		}
		return r.Fault(rotator.Transient, "the service failed")
	case r.Status >= 300 && r.Status < 400:
		return r.Fault(redirected(r.Write), "the service redirects"+target(r.Header)+", which is not followed with a key; look at the base URL")
	default:
		return r.Fault(rotator.Invalid, "the service does not accept the request")
	}
}

// ErrNotFound is matched by the faults that [Classify] makes of a 404 or 410, whatever it means.
var ErrNotFound = errors.New("not found")

type notFound struct{ error }

// Is makes errors.Is(err, ErrNotFound) true.
func (notFound) Is(target error) bool { return target == ErrNotFound }

func (r Refusal) missing() *rotator.Fault {
	f := r.Fault(rotator.Invalid, "the service knows no such path; look at the base URL")
	if r.Known {
		f = r.Fault(rotator.Gone, "what the call is about does not exist (any more)")
	}
	f.Err = notFound{f.Err}
	return f
}

// redirected: most redirects mean that nothing was done, but some are the answer to a write that was.
func redirected(write bool) rotator.Kind {
	if write {
		return rotator.UnknownOutcome
	}
	return rotator.Invalid
}

func target(h http.Header) string {
	u, err := url.Parse(h.Get("Location"))
	if err != nil || u.Host == "" {
		return ""
	}
	return " to " + u.Host
}

// refused reads what the service says about its refusal. Credentials are taken out of the text, should the service repeat
// them; a secret that it has just made cannot be, so there nothing is repeated at all.
func refused(c Call, resp *http.Response, credentials []string) Refusal {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxError))
	if err != nil || c.Shows && resp.StatusCode/100 != 4 {
		body = nil // the status says enough
	}
	return Refusal{Op: c.Op(), Write: c.IsWrite(), Status: resp.StatusCode, Header: resp.Header, Body: redact(body, credentials)}
}

// credentials lists what must not be repeated of a request: the key, and what stands in its Authorization header, which may
// be a token that was had for the key.
func credentials(req *http.Request, secret rotator.Secret) []string {
	found := []string{string(secret.Reveal())}
	for _, value := range req.Header.Values("Authorization") {
		_, token, _ := strings.Cut(value, " ")
		found = append(found, token)
	}
	if _, password, ok := req.BasicAuth(); ok {
		found = append(found, password)
	}
	return found
}

// redact takes values out of a body, also in the two forms in which JSON may write them.
func redact(body []byte, values []string) []byte {
	mask := []byte(rotator.Secret{}.String())
	for _, value := range values {
		if value == "" {
			continue
		}
		quoted, err := json.Marshal(value)
		if err != nil {
			return nil
		}
		for _, form := range [][]byte{[]byte(value), quoted[1 : len(quoted)-1], []byte(strings.ReplaceAll(value, "/", `\/`))} {
			body = bytes.ReplaceAll(body, form, mask)
		}
	}
	return body
}

// OneLine makes foreign text fit for a log line: printable, and of at most 300 characters.
func OneLine(s string) string {
	const longest = 300
	runes := []rune(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s))
	if len(runes) > longest {
		return string(runes[:longest]) + "…"
	}
	return string(runes)
}

// RetryAfter reads the header's two forms, seconds and an HTTP date; zero if it is neither. It is never negative, and in
// seconds at most a day.
func RetryAfter(value string, now time.Time) time.Duration {
	if value == "" {
		return 0
	}
	if seconds, err := strconv.ParseInt(value, 10, 64); err == nil {
		const most = int64(24 * time.Hour / time.Second)
		return time.Duration(min(max(seconds, 0), most)) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// unsent is the fault of a call that never left.
func unsent(c Call, err error) *rotator.Fault {
	if errors.Is(err, errTooLong) {
		return &rotator.Fault{Op: c.Op(), Kind: rotator.Throttled, RetryAfter: pauseUnasked, Err: err}
	}
	return &rotator.Fault{Op: c.Op(), Kind: rotator.Transient, Err: fmt.Errorf("stopped before anything was sent: %w", err)}
}

// unauthorized is the fault of a call that never left because it could not be authorized. An unknown outcome is that of
// another call then, a token asked for, and harmless.
func unauthorized(ctx context.Context, c Call, err error) *rotator.Fault {
	if cause := context.Cause(ctx); cause != nil {
		return unsent(c, cause)
	}
	f := rotator.NewFault(c.Op(), rotator.KindOf(err), "the call cannot be authorized: %w", err)
	f.RetryAfter = rotator.RetryAfterOf(err)
	if f.Kind == rotator.UnknownOutcome {
		f.Kind = rotator.Transient
	}
	return f
}

// lost classifies an exchange without an answer. maybeSent is false if nothing can have left.
func lost(ctx context.Context, c Call, maybeSent bool, err error) *rotator.Fault {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err // which repeats the method and the address
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if c.IsWrite() && maybeSent {
		return rotator.NewFault(c.Op(), rotator.UnknownOutcome, "the request was sent and its answer was lost: %w", err)
	}
	return rotator.NewFault(c.Op(), rotator.Transient, "the service could not be reached: %w", err)
}

// Unreadable classifies an answer to a read that began well and could not be read to its end.
func Unreadable(op string, err error) *rotator.Fault {
	var syntax *json.SyntaxError
	var mistyped *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return rotator.NewFault(op, rotator.Transient, "the answer is truncated: %w", io.ErrUnexpectedEOF)
	case errors.As(err, &syntax) || errors.As(err, &mistyped) || errors.Is(err, ErrShape) || errors.Is(err, errTooLarge):
		return rotator.NewFault(op, rotator.Invalid, "the answer is not what the service documents; is there a proxy in between? %w", err)
	default:
		return rotator.NewFault(op, rotator.Transient, "the answer broke off: %w", err)
	}
}
