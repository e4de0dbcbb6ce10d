package manual

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rotatord/rotatord/providers/internal/rest"
	"github.com/rotatord/rotatord/rotator"
)

// Probe is a request that a key makes possible. URL is required.
type Probe struct {
	// URL is https, or http on a loopback host; it may have a query. Redirects are not followed.
	URL string
	// Method is GET, the default, or HEAD.
	Method string
	// Header carries the key, with Prefix before it. Default "Authorization".
	Header, Prefix string
	// Expect are the statuses that prove that the key works (default 200), Refuse those that prove that it does not (default 401 and
	// 403). All others prove nothing.
	Expect, Refuse []int
	// Timeout bounds the request. Default 30 seconds.
	Timeout time.Duration
}

const exampleURL = "https://api.example.com/whoami"

// prober sends the probe.
type prober struct {
	api   *rest.Client
	probe Probe
	query url.Values
	path  string
}

func newProber(o Options) (*prober, error) {
	if o.Probe == nil {
		return nil, nil //nolint:nilnil // no probe is no mistake
	}
	p := &prober{probe: o.Probe.withDefaults()}
	if err := p.probe.check(); err != nil {
		return nil, fmt.Errorf("probe: %w", err)
	}
	base, err := p.split()
	if err != nil {
		return nil, fmt.Errorf("probe: %w", err)
	}
	p.api = rest.New(rest.Options{
		Base: base, Authorize: p.authorize, Classify: p.classify, Timeout: p.probe.Timeout, Transport: o.Transport, UserAgent: o.UserAgent, Observe: o.Observe,
	})
	return p, nil
}

func (p Probe) withDefaults() Probe {
	if p.Method == "" {
		p.Method = http.MethodGet
	}
	if p.Header == "" {
		p.Header = "Authorization"
	}
	if p.Expect == nil {
		p.Expect = []int{http.StatusOK}
	}
	if p.Refuse == nil {
		p.Refuse = []int{http.StatusUnauthorized, http.StatusForbidden}
	}
	return p
}

var headerName = regexp.MustCompile(`^[A-Za-z0-9-]+$`)

func (p Probe) check() error {
	var mistakes []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			mistakes = append(mistakes, fmt.Errorf(format, args...))
		}
	}
	wrong(p.Method != http.MethodGet && p.Method != http.MethodHead, "the method %q may change something; write GET or HEAD", p.Method)
	wrong(!headerName.MatchString(p.Header), "%q is not the name of a header", p.Header)
	wrong(strings.ContainsFunc(p.Prefix, func(r rune) bool { return r < ' ' || r > '~' }), "the prefix %q holds characters that no header takes", p.Prefix)
	wrong(len(p.Expect) == 0 || len(p.Refuse) == 0, "without a status that is expected and one that is a refusal, a good key cannot be told from a bad one")
	for _, status := range slices.Concat(p.Expect, p.Refuse) {
		wrong(status < 200 || status > 599, "%d is not the status of an answer", status)
	}
	for _, status := range p.Expect {
		wrong(slices.Contains(p.Refuse, status), "the status %d cannot mean both a good key and a bad one", status)
	}
	wrong(p.Timeout < 0, "the timeout must not be negative")
	return errors.Join(mistakes...)
}

// split takes the address apart as the client wants it.
func (p *prober) split() (*url.URL, error) {
	u, err := url.Parse(p.probe.URL)
	if err != nil {
		return nil, fmt.Errorf("the address cannot be read; write one such as %s", exampleURL)
	}
	p.query, p.path = u.Query(), u.EscapedPath()
	u.RawQuery = ""
	if _, err := rest.CheckBaseURL(u.String(), exampleURL); err != nil {
		return nil, err
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}

func (p *prober) authorize(req *http.Request, secret rotator.Secret) error {
	req.Header.Set(p.probe.Header, p.probe.Prefix+string(secret.Reveal()))
	req.Header.Set("Accept", "*/*")
	return nil
}

// classify leaves the body of a refusal out of the text: what it holds is not known.
func (p *prober) classify(r rest.Refusal) *rotator.Fault {
	f := p.verdict(r)
	f.Err = statusError{f.Err, r.Status}
	return f
}

// statusError remembers the status of an answer that was no success as HTTP has it, and may be one as the probe has it.
type statusError struct {
	error
	status int
}

func (p *prober) verdict(r rest.Refusal) *rotator.Fault {
	switch {
	case slices.Contains(p.probe.Refuse, r.Status):
		return r.Fault(rotator.Denied, "the key is refused")
	case r.Status == http.StatusTooManyRequests:
		return r.Fault(rotator.Throttled, "the service asks for patience")
	case r.Status >= 300 && r.Status < 400:
		return r.Fault(rotator.Transient, "the service redirects, which is not followed with a key, so nothing is known about it; look at probe.url")
	default:
		return r.Fault(rotator.Transient, "the answer says nothing about the key; look at probe.expect and probe.refuse")
	}
}

// Check implements [rotator.Provider] with the configured request. Whose the key is it cannot tell. Without a probe nothing is proved,
// and that is Invalid.
func (p *Provider) Check(ctx context.Context, _ string, secret rotator.Secret) error {
	if p.prober == nil {
		return rotator.NewFault("check", rotator.Invalid,
			"no probe is configured for provider %s, so nobody can prove that a new key works; add providers[].probe", p.name)
	}
	return p.prober.check(ctx, secret)
}

func (p *prober) check(ctx context.Context, secret rotator.Secret) error {
	c := rest.Call{Name: "check", Method: p.probe.Method, Path: p.path, Query: p.query, Secret: secret}
	if !sendable(secret.Reveal()) {
		return rotator.NewFault(c.Op(), rotator.Invalid, "this cannot be a key: it is empty or holds characters that no header takes")
	}
	ans, err := p.api.Get(ctx, c)
	status := 0
	switch answered, ok := errors.AsType[statusError](err); {
	case err == nil:
		defer func() { _ = ans.Body.Close() }()
		if status = ans.Status; p.probe.Method == http.MethodGet {
			if _, err := io.Copy(io.Discard, ans.Body); err != nil {
				return rotator.NewFault(c.Op(), rotator.Transient, "the answer broke off: %w", err)
			}
		}
	case ok:
		status = answered.status
	}
	if slices.Contains(p.probe.Expect, status) {
		return nil
	}
	if err == nil {
		return p.classify(rest.Refusal{Op: c.Op(), Status: status, Header: ans.Header})
	}
	return err
}

// sendable is wider than for providers whose keys are known: a password may hold blanks within.
func sendable(value []byte) bool {
	text := string(value)
	return text != "" && strings.TrimSpace(text) == text && !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' })
}
