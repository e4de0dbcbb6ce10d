package digicertone

import (
	"context"
	"errors"
	"net/http"

	"github.com/rotatord/rotatord/providers/internal/rest"
	"github.com/rotatord/rotatord/rotator"
)

// Check implements [rotator.Provider] with GET /user/me, sent with the secret alone: without the daemon's certificate, to the
// host for tokens, and without counting against the daemon's limits.
//
// In [RecreateMode] userID is a base name, and the friendly name of whoever answers must be one of its series.
func (p *Provider) Check(ctx context.Context, userID string, secret rotator.Secret) error {
	c := rest.Call{Name: "check", Method: http.MethodGet, Path: "/user/me", Secret: secret}
	if !rest.Sendable(secret.Reveal()) {
		return rotator.NewFault(c.Op(), rotator.Invalid, "this cannot be a token: it is empty or holds blanks or characters that no header takes")
	}
	var o object
	if err := p.probes.GetObject(ctx, c, &o); err != nil {
		return inconclusive(err)
	}
	whose, err := p.whose(c.Op(), o)
	if err != nil {
		return inconclusive(err)
	}
	if whose != userID {
		return rotator.NewFault(c.Op(), rotator.Conflict, "the token works, but it belongs to %q and not to %q", whose, userID)
	}
	return nil
}

// whose is the service user, as the rest of the daemon knows it, that an answer describes.
func (p *Provider) whose(op string, o object) (string, error) {
	r := &reader{o: o, op: op}
	if p.options.Mode == TokenMode {
		return r.neededText(p.options.Fields.userID()), r.err
	}
	base, _ := rotator.SplitName(r.neededText(p.options.Fields.userName()))
	return base, r.err
}

// inconclusive keeps what the service says about the token, and makes a thing to try again of what is about the path or
// the answer: no key must be given up because a proxy was in the way.
func inconclusive(err error) error {
	fault, ok := errors.AsType[*rotator.Fault](err)
	if !ok || fault.Kind == rotator.Denied || fault.Kind == rotator.Throttled {
		return err
	}
	again := *fault
	again.Kind = rotator.Transient
	return &again
}

// Self implements [rotator.SelfAware] with GET /user/me. The secret is empty where a certificate signs in alone.
func (p *Provider) Self(ctx context.Context) (string, rotator.Secret, error) {
	u, _, err := p.getUser(ctx, me)
	if err != nil {
		return "", rotator.Secret{}, err
	}
	id := u.id
	if p.options.Mode == RecreateMode && u.service() {
		id, _ = rotator.SplitName(u.name)
	}
	secret, err := p.own.CurrentKey()
	if err != nil {
		return "", rotator.Secret{}, &rotator.Fault{Op: "GET /user/me", Kind: rotator.Transient, Err: err}
	}
	return id, secret, nil
}
