package dataspot

import (
	"context"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/rotatord/rotatord/providers/internal/rest"
	"github.com/rotatord/rotatord/rotator"
)

// Provider is one tenant of a dataspot. server. It implements [rotator.Provider], [rotator.Preflighter], [rotator.Directory] and
// [rotator.Guide].
type Provider struct {
	options  Options
	limits   rotator.Limits
	api      *rest.Client
	front    *front
	guard    guard
	declared declared
	expiry   expiryTime
	proof    *proof
	// shows is set once the server has shown keys: only then does a user without the property have none.
	shows atomic.Bool
}

var (
	_ rotator.Provider    = (*Provider)(nil)
	_ rotator.Preflighter = (*Provider)(nil)
	_ rotator.Preparer    = (*Provider)(nil)
	_ rotator.Directory   = (*Provider)(nil)
	_ rotator.Timekeeper  = (*Provider)(nil)
	_ rotator.Guide       = (*Provider)(nil)
)

// New returns a provider, or an error that names every option that makes no sense. It makes no call and reads no secret.
func New(o Options) (*Provider, error) {
	o = o.withDefaults()
	base, err := o.check()
	if err != nil {
		return nil, err
	}
	names, err := nameRune(o.NameCharacters)
	if err != nil {
		return nil, err
	}
	expiry, err := parseExpiryTime(o.ExpiryTime)
	if err != nil {
		return nil, err
	}
	rates := make([]rest.Rate, 0, len(o.Rates))
	for _, r := range o.Rates {
		rates = append(rates, rest.Rate(r))
	}
	p := &Provider{
		options: o, declared: declare(o.Keys), expiry: expiry, proof: newProof(),
		limits: rotator.Limits{
			MaxNameLength: o.MaxNameLength, ValidNameRune: names, MaxKeysPerUser: o.MaxKeysPerUser, Expiry: true, Propagation: o.Propagation,
			Supplied: o.CreateKeys == ByHand, RemovedByHand: true, Unlisted: !o.ListsKeys, CallsPerHour: rest.PerHour(rates),
		},
	}
	p.guard = guard{users: base.Path + "/rest/" + o.Database + "/users"}
	p.front = newFront(o)
	p.api = rest.New(rest.Options{
		Base: base, Key: o.Key, KeyWords: "the daemon's access key", Authorize: p.authorize, Classify: classify, Rates: rates, Timeout: o.Timeout,
		Transport: o.Transport, UserAgent: o.UserAgent, Observe: o.Observe, Clock: o.Clock,
	})
	return p, nil
}

// Skew implements [rotator.Timekeeper].
func (p *Provider) Skew() (time.Duration, bool) { return p.api.Skew() }

// Limits implements [rotator.Provider]. Every key has an expiry; the server does not say when it was used.
func (p *Provider) Limits() rotator.Limits { return p.limits }

// Retire implements [rotator.Provider]. It is never called, since only a person can remove a key: the specification has no call for
// it but the rewriting of all of a user's keys, which nobody can undo.
func (p *Provider) Retire(context.Context, rotator.Key) error {
	return rotator.NewFault("remove key", rotator.Invalid, "keys are removed by a person, in the page of the tenant %s", p.options.Tenant)
}

// authorize is what every request passes through before it leaves.
func (p *Provider) authorize(req *http.Request, secret rotator.Secret) error {
	if err := p.guard.check(req.Method, req.URL.Path); err != nil {
		return err
	}
	req.Header.Set(p.options.AccessKeyHeader, string(secret.Reveal()))
	if p.options.TenantHeader != "" {
		req.Header.Set(p.options.TenantHeader, p.options.Tenant)
	}
	return p.front.authorize(req)
}

// renewed runs reads. A refusal may be that of the front's token, which then is had anew, once.
func (p *Provider) renewed(read func() error) error {
	token := p.front.token()
	err := read()
	if rotator.KindOf(err) == rotator.Denied && p.front.drop(token) {
		return read()
	}
	return err
}

func (p *Provider) getObject(ctx context.Context, c rest.Call, into any) error {
	return p.renewed(func() error { return p.api.GetObject(ctx, c, into) })
}

// at is a path below the database.
func (p *Provider) at(segments ...string) string {
	path := "/rest/" + url.PathEscape(p.options.Database)
	for _, s := range segments {
		path += "/" + url.PathEscape(s)
	}
	return path
}
