package certcentral

import (
	"context"
	"errors"
	"net/http"

	"github.com/rotatord/rotatord/providers/internal/rest"
	"github.com/rotatord/rotatord/rotator"
)

// Check implements [rotator.Provider] with GET /user/me, sent with the secret alone: it counts against the limits of that
// key and not against the manager's.
//
// The service answers a key that may not read its own user as it answers one that is dead: with 403. Both are Denied,
// with a text that tells them apart.
func (p *Provider) Check(ctx context.Context, userID string, secret rotator.Secret) error {
	c := rest.Call{Name: "check", Method: http.MethodGet, Path: "/user/me", Secret: secret}
	want, ok := number(userID)
	if !ok {
		return rotator.NewFault(c.Op(), rotator.Invalid, "%q is not the id of a CertCentral user", userID)
	}
	if !rest.Sendable(secret.Reveal()) {
		return rotator.NewFault(c.Op(), rotator.Invalid, "this cannot be an API key: it is empty or holds blanks or characters that no header takes")
	}
	ans, err := p.client.Get(ctx, c)
	if err != nil {
		return inconclusive(err)
	}
	defer func() { _ = ans.Body.Close() }()
	var me struct {
		ID int64 `json:"id"`
	}
	if err := rest.ReadObject(ans.Body, &me); err != nil {
		return inconclusive(rest.Unreadable(c.Op(), err))
	}
	switch me.ID {
	case want:
		return nil
	case 0:
		return rotator.NewFault(c.Op(), rotator.Transient, "the service accepted the key and did not say whose it is")
	default:
		return rotator.NewFault(c.Op(), rotator.Conflict, "the key works, but it belongs to user %d and not to user %d", me.ID, want)
	}
}

// inconclusive keeps what the service says about the key, and makes a thing to try again of what is about the path or
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
