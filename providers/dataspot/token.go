package dataspot

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
	"sync"
	"time"

	"github.com/rotatord/rotatord/providers/internal/rest"
	"github.com/rotatord/rotatord/rotator"
)

// OAuth2 is bearer tokens that are had by the client credentials grant (RFC 6749, section 4.4).
type OAuth2 struct {
	// TokenURL is the endpoint.
	TokenURL string
	ClientID string
	// ClientSecret is read at the first call, and again when it is refused.
	ClientSecret func() (rotator.Secret, error)
	// Scope is asked for if it is set. Entra ID wants "api://{client id}/.default".
	Scope string
	// InForm sends id and secret in the body. By default they are in the header, as section 2.3.1 prefers.
	InForm bool
}

func (o *OAuth2) check() error {
	_, err := rest.CheckBaseURL(o.TokenURL, "https://login.example.com/oauth2/token")
	if err != nil {
		err = fmt.Errorf("token URL: %w", err)
	}
	if o.ClientID == "" || o.ClientSecret == nil {
		err = errors.Join(err, errors.New("OAuth2 in front takes a client id and a client secret"))
	}
	return err
}

const (
	// lifetimeUnsaid is how long a token is used whose issuer does not say for how long it is good.
	lifetimeUnsaid = 5 * time.Minute
	// earliest is the longest time before its end at which a token is given up; at most a tenth of its lifetime.
	earliest = time.Minute
	// maxToken bounds the answer of the endpoint.
	maxToken = 64 << 10
)

// tokens holds the token in use. One caller at a time asks for another.
type tokens struct {
	options *OAuth2
	api     *rest.Client
	where   *url.URL
	gate    chan struct{}

	mu      sync.Mutex
	current rotator.Secret
	until   time.Time
}

// newTokens is called with options that were checked.
func newTokens(o Options) *tokens {
	t := &tokens{options: o.Front.OAuth2, gate: make(chan struct{}, 1)}
	t.where, _ = url.Parse(t.options.TokenURL)
	t.api = rest.New(rest.Options{
		Base: &url.URL{Scheme: t.where.Scheme, Host: t.where.Host}, Key: t.options.ClientSecret, KeyWords: "the OAuth2 client secret",
		Authorize: t.authorize, Classify: classifyToken, Timeout: o.Timeout, Transport: o.Transport, UserAgent: o.UserAgent, Observe: o.Observe,
	})
	return t
}

func (t *tokens) authorize(req *http.Request, secret rotator.Secret) error {
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if !t.options.InForm {
		req.SetBasicAuth(url.QueryEscape(t.options.ClientID), url.QueryEscape(string(secret.Reveal())))
	}
	return nil
}

func (t *tokens) inUse() rotator.Secret {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.current
}

func (t *tokens) drop(token rotator.Secret) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current.Equal(token) {
		t.current = rotator.Secret{}
	}
}

func (t *tokens) valid() (rotator.Secret, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.current, !t.current.Empty() && time.Now().Before(t.until)
}

// get returns a token that is good for a while yet.
func (t *tokens) get(ctx context.Context) (rotator.Secret, error) {
	if token, ok := t.valid(); ok {
		return token, nil
	}
	select {
	case t.gate <- struct{}{}:
		defer func() { <-t.gate }()
	case <-ctx.Done():
		return rotator.Secret{}, t.failed(ctx.Err())
	}
	if token, ok := t.valid(); ok {
		return token, nil
	}
	asked := time.Now()
	token, lifetime, err := t.fetch(ctx)
	if err != nil {
		return rotator.Secret{}, t.failed(err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.current, t.until = token, asked.Add(lifetime-min(earliest, lifetime/10))
	return token, nil
}

// failed names the endpoint. A token whose answer was lost is asked for again: it harms nobody.
func (t *tokens) failed(err error) *rotator.Fault {
	kind := rotator.KindOf(err)
	if kind == rotator.UnknownOutcome {
		kind = rotator.Transient
	}
	wait := rotator.RetryAfterOf(err)
	if inner, ok := errors.AsType[*rotator.Fault](err); ok {
		err = inner.Err // the rest of it is repeated here
	}
	return &rotator.Fault{Op: "POST " + t.where.Path, Kind: kind, RetryAfter: wait, Err: fmt.Errorf("%w: no token from %s: %w", errFront, t.where.Redacted(), err)}
}

func (t *tokens) fetch(ctx context.Context) (rotator.Secret, time.Duration, error) {
	form := url.Values{"grant_type": {"client_credentials"}}
	if t.options.Scope != "" {
		form.Set("scope", t.options.Scope)
	}
	if t.options.InForm {
		secret, err := t.api.CurrentKey()
		if err != nil {
			return rotator.Secret{}, 0, err
		}
		form.Set("client_id", t.options.ClientID)
		form.Set("client_secret", string(secret.Reveal()))
	}
	path := t.where.EscapedPath()
	if path == "" {
		path = "/"
	}
	c := rest.Call{Name: "token", Method: http.MethodPost, Path: path, Body: []byte(form.Encode()), Limit: maxToken, Shows: true}
	ans, err := t.api.Write(ctx, c)
	if err != nil {
		return rotator.Secret{}, 0, err
	}
	defer func() { _ = ans.Body.Close() }()
	return readToken(c.Op(), ans.Body)
}

// wireToken is the answer of section 5.1. Some issuers write the number as text.
type wireToken struct {
	AccessToken rest.RawSecret  `json:"access_token"`
	TokenType   string          `json:"token_type"`
	ExpiresIn   json.RawMessage `json:"expires_in"`
}

func readToken(op string, r io.Reader) (rotator.Secret, time.Duration, error) {
	body, err := io.ReadAll(r)
	defer clear(body)
	var w wireToken
	if err != nil || json.Unmarshal(body, &w) != nil || !rest.Sendable(w.AccessToken) {
		// What a decoder says is left out: it quotes what it read.
		return rotator.Secret{}, 0, rotator.NewFault(op, rotator.Transient, "the answer holds no access token")
	}
	if !strings.EqualFold(w.TokenType, "Bearer") {
		return rotator.Secret{}, 0, rotator.NewFault(op, rotator.Invalid, "the token is of the type %q, and only Bearer is understood", rest.OneLine(w.TokenType))
	}
	lifetime := lifetimeUnsaid
	if n, err := strconv.ParseInt(strings.Trim(string(w.ExpiresIn), `"`), 10, 32); err == nil && n > 0 {
		lifetime = time.Duration(n) * time.Second
	}
	return rotator.NewSecret(w.AccessToken), lifetime, nil
}

// tokenError is the answer of section 5.2.
type tokenError struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

// classifyToken reads the error codes of section 5.2. Those about the client and its rights come with status 400 as well as 401.
func classifyToken(r rest.Refusal) *rotator.Fault {
	var e tokenError
	if json.Unmarshal(r.Body, &e) == nil && e.Error != "" {
		r.Said, r.Known = e.Error, true
		if e.Description != "" {
			r.Said += ": " + e.Description
		}
	}
	switch e.Error {
	case "invalid_client", "unauthorized_client", "invalid_grant", "access_denied":
		return r.Fault(rotator.Denied, "the token endpoint refuses the client: look at client_id and client_secret")
	case "invalid_scope":
		return r.Fault(rotator.Denied, "the token endpoint refuses the scope")
	}
	return rest.Classify(r)
}
