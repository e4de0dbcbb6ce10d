package emulator

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// dsTokenPath is where the front's tokens are issued. A real one stands on a host of its own, so no context path precedes it.
const dsTokenPath = "/oauth2/token" //nolint:gosec // a path, no credential

// DataspotFront is the authentication that stands before a server: a proxy's, which knows nothing of access keys. The zero value
// lets everything through. With both kinds configured either will do.
type DataspotFront struct {
	// BasicUser and BasicPassword are asked for by HTTP basic authentication if a user is set.
	BasicUser, BasicPassword string
	// ClientID and ClientSecret obtain bearer tokens at [Dataspot.TokenPath] by the client credentials grant (RFC 6749, section
	// 4.4), in the header or in the form, if an id is set.
	ClientID, ClientSecret string
	// Scope must be asked for by name. Empty: any will do, or none.
	Scope string
	// TokenLifetime is how long a token is good for, told in whole seconds. Default one hour.
	TokenLifetime time.Duration
}

func (o DataspotFront) withDefaults() DataspotFront {
	if o.TokenLifetime <= 0 {
		o.TokenLifetime = time.Hour
	}
	return o
}

// front admits calls, and issues tokens.
type front struct {
	options DataspotFront
	now     func() time.Time

	mu     sync.Mutex
	tokens map[string]time.Time // until when each is good
	issued int
}

// TokenPath is where the front issues bearer tokens, from the root of the host.
func (s *Dataspot) TokenPath() string { return dsTokenPath }

// TokensIssued is how many bearer tokens the front has issued.
func (s *Dataspot) TokensIssued() int {
	s.front.mu.Lock()
	defer s.front.mu.Unlock()
	return s.front.issued
}

// RevokeTokens makes every bearer token that was issued invalid at once, long before it was to expire.
func (s *Dataspot) RevokeTokens() {
	s.front.mu.Lock()
	defer s.front.mu.Unlock()
	s.front.tokens = nil
}

func (f *front) admits(r *http.Request) bool {
	if f.options.BasicUser == "" && f.options.ClientID == "" {
		return true
	}
	if user, password, ok := r.BasicAuth(); ok && f.options.BasicUser != "" {
		return same(user, f.options.BasicUser) && same(password, f.options.BasicPassword)
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if f.options.ClientID == "" || !strings.EqualFold(scheme, "Bearer") {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now().Before(f.tokens[token])
}

func same(got, want string) bool { return subtle.ConstantTimeCompare([]byte(got), []byte(want)) == 1 }

// challenge says what the front would have let in.
func (f *front) challenge(w http.ResponseWriter) {
	if f.options.BasicUser != "" {
		w.Header().Add("WWW-Authenticate", `Basic realm="front"`)
	}
	if f.options.ClientID != "" {
		w.Header().Add("WWW-Authenticate", `Bearer realm="front", error="invalid_token"`)
	}
}

type dsToken struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int    `json:"expires_in"`
}

// token is the endpoint of RFC 6749, with the error codes of its section 5.2.
func (f *front) token(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
	if err := r.ParseForm(); err != nil || r.Method != http.MethodPost {
		tokenError(w, http.StatusBadRequest, "invalid_request")
		return
	}
	switch {
	case f.options.ClientID == "":
		tokenError(w, http.StatusBadRequest, "unauthorized_client")
	case !f.knows(r):
		w.Header().Set("WWW-Authenticate", `Basic realm="tokens"`)
		tokenError(w, http.StatusUnauthorized, "invalid_client")
	case r.PostForm.Get("grant_type") != "client_credentials":
		tokenError(w, http.StatusBadRequest, "unsupported_grant_type")
	case f.options.Scope != "" && !slices.Contains(strings.Fields(r.PostForm.Get("scope")), f.options.Scope):
		tokenError(w, http.StatusBadRequest, "invalid_scope")
	default:
		send(w, http.StatusOK, f.issue())
	}
}

// knows checks the client, which may say who it is in the header or in the form.
func (f *front) knows(r *http.Request) bool {
	id, secret, ok := r.BasicAuth()
	if !ok {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	} else if i, s, err := unescape(id, secret); err == nil {
		id, secret = i, s // section 2.3.1 has them escaped as in a form before they are put into the header
	}
	return same(id, f.options.ClientID) && same(secret, f.options.ClientSecret)
}

func unescape(id, secret string) (string, string, error) {
	i, wrongID := url.QueryUnescape(id)
	s, wrongSecret := url.QueryUnescape(secret)
	return i, s, errors.Join(wrongID, wrongSecret)
}

func (f *front) issue() dsToken {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.tokens == nil {
		f.tokens = map[string]time.Time{}
	}
	maps.DeleteFunc(f.tokens, func(_ string, until time.Time) bool { return !f.now().Before(until) })
	t := dsToken{AccessToken: dsSecret(), TokenType: "Bearer", ExpiresIn: int(f.options.TokenLifetime / time.Second)}
	f.tokens[t.AccessToken] = f.now().Add(f.options.TokenLifetime)
	f.issued++
	return t
}

func tokenError(w http.ResponseWriter, status int, code string) {
	send(w, status, map[string]string{"error": code})
}

// send answers with JSON.
func send(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client is gone if this fails
}
