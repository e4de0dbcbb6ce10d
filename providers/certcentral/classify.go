package certcentral

import (
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

// deadKey is the documented code of a key that the service does not accept (any more). It comes with status 403.
const deadKey = "access_denied|access_denied_invalid_key"

// routeCode is the documented code of a path that does not exist: nothing is said about what the path is about.
const routeCode = "not_found|route"

// apiError is the documented error body, {"errors":[{"code","message"}]}.
type apiError struct {
	Errors []struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"errors"`
}

// refusal is an answer that is no success, as classify sees it.
type refusal struct {
	op     string
	write  bool
	status int
	header http.Header
	body   []byte
}

// refused reads what the service says about its refusal and classifies it. The secret is taken out of the text, should the
// service repeat it; one that the service has just made cannot be, so there nothing is repeated at all.
func refused(c call, resp *http.Response, secret rotator.Secret) *rotator.Fault {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxError))
	if err != nil || c.shows && resp.StatusCode/100 != 4 {
		body = nil // the status says enough
	}
	text := strings.ReplaceAll(string(body), string(secret.Reveal()), secret.String())
	return classify(refusal{op: c.op(), write: c.write(), status: resp.StatusCode, header: resp.Header, body: []byte(text)})
}

// classify turns an answer that is no success into a fault.
func classify(r refusal) *rotator.Fault {
	code, said := r.said()
	f := &rotator.Fault{Op: r.op, RetryAfter: retryAfter(r.header.Get("Retry-After"), time.Now())}
	set := func(k rotator.Kind, why string) *rotator.Fault {
		f.Kind, f.Err = k, fmt.Errorf("%s (%s)", why, said)
		return f
	}
	switch {
	case r.status == http.StatusUnauthorized || r.status == http.StatusForbidden:
		return set(rotator.Denied, whyDenied(r.status, code))
	case r.status == http.StatusTooManyRequests:
		return set(rotator.Throttled, "the service asks for patience: too many calls with this key")
	case r.status == http.StatusNotFound || r.status == http.StatusGone:
		if code == "" || code == routeCode {
			f = set(rotator.Invalid, "the service knows no such path; look at the base URL")
		} else {
			f = set(rotator.Gone, "what the call is about does not exist (any more)")
		}
		f.Err = notFound{f.Err}
		return f
	case r.status == http.StatusConflict:
		return set(rotator.Conflict, "the service says that something else is in the way")
	case r.status >= 500 || r.status == http.StatusRequestTimeout:
		if r.write {
			return set(rotator.UnknownOutcome, "the service failed, and whether it did what was asked is not known")
		}
		return set(rotator.Transient, "the service failed")
	case r.status >= 300 && r.status < 400:
		return set(redirected(r.write), "the service redirects"+target(r.header)+", which is not followed with a key; look at the base URL")
	default:
		return set(rotator.Invalid, "the service does not accept the request")
	}
}

// errNotFound is matched by faults that come from a 404 or 410, whatever it means.
var errNotFound = errors.New("not found")

type notFound struct{ error }

// Is makes errors.Is(err, errNotFound) true.
func (notFound) Is(target error) bool { return target == errNotFound }

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

func whyDenied(status int, code string) string {
	if status == http.StatusUnauthorized || code == deadKey {
		return "the key is dead: revoked, mistyped, or its user was deleted or deactivated"
	}
	return "the key lacks a permission: it must belong to an administrator and be unrestricted"
}

// said returns the first code, and all that the service said in one short line.
func (r refusal) said() (code, text string) {
	text = "status " + strconv.Itoa(r.status)
	var e apiError
	if json.Unmarshal(r.body, &e) != nil {
		return "", text
	}
	for _, item := range e.Errors {
		if code == "" {
			code = item.Code
		}
		text += ", " + oneLine(item.Code+": "+item.Message)
	}
	return code, oneLine(text)
}

// oneLine makes foreign text fit for a log line.
func oneLine(s string) string {
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

// retryAfter reads the header's two forms, seconds and an HTTP date; zero if it is neither.
func retryAfter(value string, now time.Time) time.Duration {
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
func unsent(c call, err error) *rotator.Fault {
	if errors.Is(err, errTooLong) {
		return &rotator.Fault{Op: c.op(), Kind: rotator.Throttled, RetryAfter: pauseUnasked, Err: err}
	}
	return &rotator.Fault{Op: c.op(), Kind: rotator.Transient, Err: fmt.Errorf("stopped before anything was sent: %w", err)}
}

// lost classifies an exchange without an answer. maybeSent is false if nothing can have left.
func lost(ctx context.Context, c call, maybeSent bool, err error) *rotator.Fault {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err // which repeats the method and the address
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if c.write() && maybeSent {
		return rotator.NewFault(c.op(), rotator.UnknownOutcome, "the request was sent and its answer was lost: %w", err)
	}
	return rotator.NewFault(c.op(), rotator.Transient, "the service could not be reached: %w", err)
}

// unreadable classifies an answer to a read that began well and could not be read to its end.
func unreadable(c call, err error) *rotator.Fault {
	var syntax *json.SyntaxError
	var mistyped *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return rotator.NewFault(c.op(), rotator.Transient, "the answer is truncated: %w", io.ErrUnexpectedEOF)
	case errors.As(err, &syntax) || errors.As(err, &mistyped) || errors.Is(err, errShape) || errors.Is(err, errTooLarge):
		return rotator.NewFault(c.op(), rotator.Invalid, "the answer is not what the service documents; is there a proxy in between? %w", err)
	default:
		return rotator.NewFault(c.op(), rotator.Transient, "the answer broke off: %w", err)
	}
}
