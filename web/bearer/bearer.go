// Package bearer tells who a caller is by an OpenID Connect token, and what the caller's groups may do. It verifies tokens
// only: signing people in is the issuer's part.
package bearer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// Settings say whose tokens count and what for.
type Settings struct {
	// Issuer is the issuer's address, as its tokens name it.
	Issuer string
	// Audience must be among those that a token is for.
	Audience string
	// GroupsClaim names the claim that lists groups; a dot leads into an object, unless a claim has the whole name.
	GroupsClaim string
	// Viewers are the groups that may read, Operators those that may read and act. "*" is everybody with a good token.
	Viewers, Operators []string
	// Transport reaches the issuer; it keeps the rules of package outbound.
	Transport http.RoundTripper
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Caller is who a token was made for.
type Caller struct {
	// Name is what a record keeps: the verified e-mail address and the subject, or the subject alone.
	Name string
	// Reads and Acts are what the caller's groups allow.
	Reads, Acts bool
}

// ErrUnavailable says that the issuer could not be asked for its keys, so nothing is known about the token.
var ErrUnavailable = errors.New("the issuer cannot be reached or does not answer as it should")

const (
	// skew is how far the issuer's clock may be from this one where a token ends.
	skew = time.Minute
	// longestToken bounds what is looked at at all.
	longestToken = 16 << 10
)

// Verifier verifies tokens. It is safe for concurrent use. Make one with [New].
type Verifier struct {
	s      Settings
	client *http.Client

	mu       sync.Mutex
	verifier *oidc.IDTokenVerifier // nil until the issuer has said where its keys are
}

// New makes a verifier. It asks the issuer for nothing before the first token comes, so that the daemon starts without it.
func New(s Settings) *Verifier {
	if s.Now == nil {
		s.Now = time.Now
	}
	return &Verifier{s: s, client: newClient(s.Transport, s.Now)}
}

// Verify says who the token is from, with a fault that wraps [ErrUnavailable] if the issuer's keys are out of reach. No error
// holds the token.
func (v *Verifier) Verify(ctx context.Context, token string) (Caller, error) {
	if len(token) > longestToken {
		return Caller{}, fmt.Errorf("the token is longer than %d bytes", longestToken)
	}
	verifier, err := v.discovered(ctx)
	if err != nil {
		return Caller{}, err
	}
	var unavailable error
	verified, err := verifier.Verify(context.WithValue(ctx, unavailableKey{}, &unavailable), token)
	switch {
	case unavailable != nil:
		return Caller{}, unavailable
	case err != nil:
		return Caller{}, inWords(err)
	case verified.Subject == "":
		return Caller{}, errors.New("the token names no subject")
	}
	return v.caller(verified)
}

// inWords says what is wrong with a token, without repeating parts of it.
func inWords(err error) error {
	if expired, ok := errors.AsType[*oidc.TokenExpiredError](err); ok {
		return fmt.Errorf("the token ended at %s", expired.Expiry.UTC().Format(time.RFC3339))
	}
	for part, words := range map[string]string{
		"expected audience":             "the token is for another audience",
		"issued by a different":         "the token is of another issuer",
		"before the nbf":                "the token is not valid yet",
		"failed to verify signature":    "the token's signature was not made with one of the issuer's keys",
		"failed to verify id token sig": "the token's signature was not made with one of the issuer's keys",
	} {
		if strings.Contains(err.Error(), part) {
			return errors.New(words)
		}
	}
	return errors.New("the token is malformed, or signed in a way that is not accepted")
}

// discovered returns the verifier, asking the issuer once where its keys are.
func (v *Verifier) discovered(ctx context.Context) (*oidc.IDTokenVerifier, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.verifier != nil {
		return v.verifier, nil
	}
	provider, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), v.client), v.s.Issuer) // for all who wait
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrUnavailable, discoveryTrouble(err))
	}
	var where struct {
		Keys string `json:"jwks_uri"`
	}
	if err := provider.Claims(&where); err != nil || where.Keys == "" {
		return nil, fmt.Errorf("%w: its configuration names no jwks_uri", ErrUnavailable)
	}
	keys := knownKeys{oidc.NewRemoteKeySet(oidc.ClientContext(context.Background(), v.client), where.Keys)}
	v.verifier = oidc.NewVerifier(v.s.Issuer, keys, &oidc.Config{
		ClientID: v.s.Audience, SupportedSigningAlgs: algorithms(), Now: func() time.Time { return v.s.Now().Add(-skew) },
	})
	return v.verifier, nil
}

// discoveryTrouble keeps what the issuer answered out of an error that anybody may see.
func discoveryTrouble(err error) string {
	if strings.Contains(err.Error(), "did not match the issuer") {
		return "it calls itself by another name than server.oidc.issuer"
	}
	return "its configuration could not be read"
}

// algorithms are the signatures that only the issuer can make.
func algorithms() []string {
	return []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA}
}

// caller reads the claims of a token that was verified.
func (v *Verifier) caller(token *oidc.IDToken) (Caller, error) {
	var claims map[string]json.RawMessage
	if err := token.Claims(&claims); err != nil {
		return Caller{}, errors.New("the token's claims are malformed")
	}
	groups := groupsOf(claims, v.s.GroupsClaim)
	c := Caller{Name: nameOf(claims, token.Subject), Acts: member(v.s.Operators, groups)}
	c.Reads = c.Acts || member(v.s.Viewers, groups)
	return c, nil
}

// nameOf marks where the name comes from, so that it is never mistaken for a user of the web config file. An address that the
// issuer has not verified is anybody's claim.
func nameOf(claims map[string]json.RawMessage, subject string) string {
	var mail string
	var verified bool
	if json.Unmarshal(claims["email"], &mail) == nil && json.Unmarshal(claims["email_verified"], &verified) == nil && verified && mail != "" {
		return "oidc:" + mail + " (" + subject + ")"
	}
	return "oidc:" + subject
}

// groupsOf are the texts in the claim: a list or a single one. Anything else is none.
func groupsOf(claims map[string]json.RawMessage, name string) []string {
	raw, ok := claims[name]
	if !ok {
		if first, rest, nested := strings.Cut(name, "."); nested {
			var inner map[string]json.RawMessage
			if json.Unmarshal(claims[first], &inner) == nil {
				return groupsOf(inner, rest)
			}
		}
		return nil
	}
	var list []string
	if json.Unmarshal(raw, &list) == nil {
		return list
	}
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return []string{one}
	}
	return nil
}

func member(allowed, groups []string) bool {
	return slices.ContainsFunc(allowed, func(a string) bool { return a == "*" || slices.Contains(groups, a) })
}
