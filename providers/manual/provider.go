package manual

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"text/template"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// Key is a key that exists.
type Key struct {
	// User is what the key belongs to; it is the id of the service user.
	User string
	Name string
	// Created and Expires are zero where they are not known.
	Created, Expires time.Time
	// Owner is whom to ask; it becomes the user's e-mail. All keys of a user have the same, or none.
	Owner string
}

// Options configures [New]. Keys is required.
type Options struct {
	// Name is what the provider is called in the configuration: instructions for people name it.
	Name string
	Keys []Key
	// Probe says how to prove that a key works. Nil: nobody can, and no new key is taken.
	Probe *Probe
	// Make and Remove are templates (text/template) of what a person is to do, over .User, .KeyName and .Until, the day on which the
	// key ends as text, empty for any; Make has .Supply too, the command that takes the key. Empty: a text for everything.
	Make, Remove string
	// Transport makes the probe's calls. Default: net/http's with proxies from the environment.
	Transport http.RoundTripper
	// UserAgent is sent with each call. Default "rotatord".
	UserAgent string
	// Observe is told about every request that was tried: the operation, the HTTP status or "error", and the time to the answer's
	// first byte. May be nil. It must be quick and safe for concurrent use.
	Observe func(operation, code string, d time.Duration)
}

// Provider holds the keys of a configuration. It implements [rotator.Provider] and [rotator.Guide].
type Provider struct {
	name   string
	users  []user
	limits rotator.Limits
	prober *prober // nil: there is no way to prove a key
	make   *template.Template
	remove *template.Template
}

var (
	_ rotator.Provider = (*Provider)(nil)
	_ rotator.Guide    = (*Provider)(nil)
)

// user is a service user and its keys, in the order of the configuration.
type user struct {
	rotator.ServiceUser
	keys []Key
}

// New returns a provider, or an error that names every option that makes no sense. It makes no call.
func New(o Options) (*Provider, error) {
	if o.Name == "" {
		o.Name = "manual"
	}
	p := &Provider{name: o.Name, limits: rotator.Limits{Supplied: true, RemovedByHand: true, Unlisted: true}}
	var keysErr, probeErr, makeErr, removeErr error
	p.users, keysErr = usersOf(o.Keys)
	p.prober, probeErr = newProber(o)
	p.make, makeErr = instructions("make", o.Make, defaultMake)
	p.remove, removeErr = instructions("remove", o.Remove, defaultRemove)
	if err := errors.Join(keysErr, probeErr, makeErr, removeErr); err != nil {
		return nil, fmt.Errorf("manual: %w", err)
	}
	for _, k := range o.Keys {
		p.limits.Expiry = p.limits.Expiry || !k.Expires.IsZero()
	}
	return p, nil
}

// usersOf gathers the keys of each user.
func usersOf(keys []Key) ([]user, error) {
	if len(keys) == 0 {
		return nil, errors.New("there is no key to keep track of")
	}
	var users []user
	var mistakes []error
	at, seen := map[string]int{}, map[[2]string]bool{}
	for _, k := range keys {
		id := [2]string{k.User, k.Name}
		switch {
		case k.User == "" || k.Name == "":
			mistakes = append(mistakes, errors.New("a key needs its user and its name"))
			continue
		case seen[id]:
			mistakes = append(mistakes, fmt.Errorf("the key %q of %q stands in the list twice", k.Name, k.User))
			continue
		}
		seen[id] = true
		i, known := at[k.User]
		if !known {
			i = len(users)
			at[k.User] = i
			users = append(users, user{ServiceUser: rotator.ServiceUser{ID: k.User, Name: k.User, Active: true}})
		}
		u := &users[i]
		if k.Owner != "" && u.Email != "" && u.Email != k.Owner {
			mistakes = append(mistakes, fmt.Errorf("the keys of %q have two owners, %q and %q", k.User, u.Email, k.Owner))
		}
		if k.Owner != "" {
			u.Email = k.Owner
		}
		u.keys = append(u.keys, k)
	}
	return users, errors.Join(mistakes...)
}

// Limits implements [rotator.Provider]: a person does everything. Keys have an expiry if any of them is known to have one.
func (p *Provider) Limits() rotator.Limits { return p.limits }

// Scan implements [rotator.Provider] from the configuration, without a call. A key that has expired counts as revoked.
func (p *Provider) Scan(ctx context.Context, scope rotator.Scope, v rotator.Visitor) error {
	now := time.Now()
	for _, u := range p.users {
		if ctx.Err() != nil {
			return &rotator.Fault{Op: "list keys", Kind: rotator.Transient, Err: ctx.Err()}
		}
		if scope.UserID != "" && scope.UserID != u.ID {
			continue
		}
		if err := v.User(u.ServiceUser); err != nil {
			return err
		}
		for _, k := range u.keys {
			if err := v.Key(k.tracked(now)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (k Key) tracked(now time.Time) rotator.Key {
	key := rotator.Key{ID: "declared:" + k.User + "/" + k.Name, UserID: k.User, Name: k.Name, Created: k.Created, Expires: k.Expires, State: rotator.KeyActive}
	if !k.Expires.IsZero() && !now.Before(k.Expires) {
		key.State = rotator.KeyExpired
	}
	return key
}

// Mint implements [rotator.Provider]. It is never called: only a person makes keys.
func (p *Provider) Mint(context.Context, rotator.MintRequest) (rotator.Minted, error) {
	return rotator.Minted{}, rotator.NewFault("make key", rotator.Invalid, "keys of provider %s are made by a person", p.name)
}

// Retire implements [rotator.Provider]. It is never called: only a person removes keys.
func (p *Provider) Retire(context.Context, rotator.Key) error {
	return rotator.NewFault("remove key", rotator.Invalid, "keys of provider %s are removed by a person", p.name)
}
