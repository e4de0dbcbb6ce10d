package dataspot

import (
	"context"
	"errors"
	"net/http"

	"github.com/rotatord/rotatord/providers/internal/rest"
	"github.com/rotatord/rotatord/rotator"
)

// Check implements [rotator.Provider] with GET of the probe path (the key's own tenant), sent with the secret: 200 for a good key and
// 401 for one that is invalid or expired, as a public client does it.
//
// Whose the key is cannot be told without writing something, so a key of another user of the tenant passes: Check never returns
// Conflict.
func (p *Provider) Check(ctx context.Context, userID string, secret rotator.Secret) error {
	c := p.probe()
	c.Name, c.Secret = "check", secret
	if err := checkID(c.Op(), userID); err != nil {
		return err
	}
	return p.checkSecret(ctx, c)
}

func (p *Provider) probe() rest.Call {
	return rest.Call{Name: "probe", Method: http.MethodGet, Path: p.options.ProbePath}
}

func (p *Provider) checkSecret(ctx context.Context, c rest.Call) error {
	if !rest.Sendable(c.Secret.Reveal()) {
		return rotator.NewFault(c.Op(), rotator.Invalid, "this cannot be an access key: it is empty or holds blanks or characters that no header takes")
	}
	err := p.sendProbe(ctx, c)
	if err == nil {
		return nil
	}
	return p.verdict(ctx, c, err)
}

// sendProbe makes the call. Only an answer that is the server's counts: what stands before it may say 200 too.
func (p *Provider) sendProbe(ctx context.Context, c rest.Call) error {
	var answer struct {
		TenantName string `json:"tenantName"`
	}
	if err := p.getObject(ctx, c, &answer); err != nil {
		return err
	}
	if answer.TenantName != "" && answer.TenantName != p.options.Tenant {
		return rotator.NewFault(c.Op(), rotator.Conflict, "the answer is about the tenant %q", rest.OneLine(answer.TenantName))
	}
	return nil
}

// verdict keeps what the server says about the key and makes a thing to try again of all else: no key must be given up because
// something stood in the way.
func (p *Provider) verdict(ctx context.Context, c rest.Call, err error) error {
	fault, ok := errors.AsType[*rotator.Fault](err)
	switch {
	case !ok:
		return err
	case errors.Is(err, errNotAKey) || fault.Kind == rotator.Throttled:
		return err
	case fault.Kind == rotator.Denied && !errors.Is(err, errFront):
		return p.confirm(ctx, c, err)
	}
	again := *fault
	again.Kind = rotator.Transient
	return &again
}

// confirm asks, where something stands before the server that refuses calls too, whether the daemon's own key is let through now. If
// it is not, the refusal is nobody's in particular.
func (p *Provider) confirm(ctx context.Context, c rest.Call, refusal error) error {
	if !p.front.set() {
		return refusal
	}
	if err := p.sendProbe(ctx, p.probe()); err != nil {
		return rotator.NewFault(c.Op(), rotator.Transient, "the key is refused, and so is the daemon's own, so nothing is known about it: %w", err)
	}
	return refusal
}
