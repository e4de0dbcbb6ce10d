package session

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/rotatord/rotatord/rotator"
)

// method is one way to log in.
type method interface {
	// login gets a token. It sends credentials, so it is called as seldom as possible.
	login(ctx context.Context, s *Session) (grant, error)
	// outdated reports, without a request, that login would now give another token than the last one.
	outdated() bool
	// String says how, for error messages.
	String() string
}

// grant is a token and what is known about it. It is never changed.
type grant struct {
	client *api.Client
	// own is true for a token that this session asked for, and may therefore revoke.
	own bool
	// ttl is what the token had to live when it was got.
	ttl time.Duration
	// expires is when it ends; zero for never. renewAt is when to see to that.
	expires, renewAt time.Time
	renewable        bool
	// role is the AppRole's name, as the server told at the login; secretEnds is when its secret id ends, zero for never or unknown.
	role       string
	secretEnds time.Time
}

// lasting sets the times of a grant that has its ttl to live from now on.
func (g grant) lasting(ttl time.Duration, now time.Time) grant {
	g.expires, g.renewAt = now.Add(ttl), now.Add(ttl*2/3)
	return g
}

func newMethod(a Auth) method {
	switch {
	case a.AppRole != nil:
		return &appRole{*a.AppRole}
	case a.Kubernetes != nil:
		return &kubernetes{*a.Kubernetes}
	default:
		return &tokenFile{path: a.TokenFile}
	}
}

type appRole struct{ AppRole }

func (a *appRole) String() string { return "auth/" + a.Mount + "/login" }
func (*appRole) outdated() bool   { return false }

func (a *appRole) login(ctx context.Context, s *Session) (grant, error) {
	secret, err := a.SecretID()
	if err != nil {
		return grant{}, rotator.NewFault(a.String(), rotator.Denied, "the secret id cannot be had: %w", err)
	}
	g, err := s.ask(ctx, a.String(), secret, map[string]any{"role_id": a.RoleID, "secret_id": string(secret.Reveal())})
	if err == nil {
		g.secretEnds = a.ends(ctx, s, &g, secret)
	}
	return g, err
}

// ends asks when the secret id ends: zero for never, and where the token may not know, which is no reason not to work with it.
func (a *appRole) ends(ctx context.Context, s *Session, g *grant, secret rotator.Secret) time.Time {
	if g.role == "" {
		return time.Time{}
	}
	path := "auth/" + a.Mount + "/role/" + g.role + "/secret-id/lookup"
	var answer *api.Secret
	err := s.timed(opLookupSecretID, func() error {
		var err error
		answer, err = g.client.Logical().WriteWithContext(ctx, path, map[string]any{"secret_id": string(secret.Reveal())})
		return Classify(path, err, secret)
	})
	if err != nil || answer == nil {
		return time.Time{}
	}
	text, _ := answer.Data["expiration_time"].(string)
	ends, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || ends.Year() <= 1 { // the zero time stands for never
		return time.Time{}
	}
	return ends
}

type kubernetes struct{ Kubernetes }

func (k *kubernetes) String() string { return "auth/" + k.Mount + "/login" }
func (*kubernetes) outdated() bool   { return false }

func (k *kubernetes) login(ctx context.Context, s *Session) (grant, error) {
	jwt, err := readSecret(k.JWTFile)
	if err != nil {
		return grant{}, rotator.NewFault(k.String(), rotator.Denied, "the service account's token cannot be had: %w", err)
	}
	return s.ask(ctx, k.String(), jwt, map[string]any{"role": k.Role, "jwt": string(jwt.Reveal())})
}

// tokenFile takes tokens that somebody else gets. Only the session's one login at a time touches seen.
type tokenFile struct {
	path string
	seen fs.FileInfo
}

func (f *tokenFile) String() string { return "token file " + f.path }

// outdated leaves a file that is just being replaced alone: the token in hand may well be good.
func (f *tokenFile) outdated() bool {
	now, err := os.Stat(f.path)
	if err != nil || f.seen == nil {
		return false
	}
	return !os.SameFile(now, f.seen) || now.ModTime() != f.seen.ModTime() || now.Size() != f.seen.Size()
}

func (f *tokenFile) login(ctx context.Context, s *Session) (grant, error) {
	before, err := os.Stat(f.path)
	if err != nil {
		return grant{}, rotator.NewFault(f.String(), rotator.Denied, "%w", err)
	}
	token, err := readSecret(f.path)
	if err != nil {
		return grant{}, rotator.NewFault(f.String(), rotator.Denied, "%w", err)
	}
	client, err := s.dial.client(string(token.Reveal()))
	if err != nil {
		return grant{}, err
	}
	g, err := s.lookup(ctx, client)
	if err != nil {
		return grant{}, err
	}
	f.seen = before
	return g, nil
}

// maxSecretFile bounds what is read of a file that holds a token, in bytes.
const maxSecretFile = 64 << 10

// readSecret reads a file and drops white space around what it holds: no token has any.
func readSecret(path string) (rotator.Secret, error) {
	f, err := os.Open(path) //nolint:gosec // the operator's choice
	if err != nil {
		return rotator.Secret{}, err
	}
	defer f.Close() //nolint:errcheck // opened for reading
	content, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	if err != nil {
		return rotator.Secret{}, err
	}
	secret := bytes.TrimSpace(content)
	switch {
	case len(content) > maxSecretFile:
		return rotator.Secret{}, fmt.Errorf("%s holds more than %d bytes, which is no token", path, maxSecretFile)
	case len(secret) == 0:
		return rotator.Secret{}, fmt.Errorf("%s is empty", path)
	}
	return rotator.NewSecret(secret), nil
}

var errNoAuth = errors.New("the server's answer to the login holds no token")
