package rotatortest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// Capable is a provider that can do what only some can: it moves expiries, knows the daemon's own key, makes users, and
// tells people how to lend a hand. Its state is that of its [Provider], and its hooks are that one's.
type Capable struct {
	*Provider
	// WithKey gives each new user a key of the name that was asked for; HideKeyID keeps that key's id to itself.
	WithKey, HideKeyID bool
	// NamesUsers makes the provider name its users itself.
	NamesUsers bool
	// ShortExtend moves an expiry no further than this from now, whatever was asked for; 0 is no limit.
	ShortExtend time.Duration

	lies  bool // guarded by Provider.mu, as is all below
	self  rotator.Secret
	owner string
	attrs map[string]rotator.UserSpec
}

// NewCapable returns a provider that can do everything, with p's users and keys.
func NewCapable(p *Provider) *Capable {
	return &Capable{Provider: p, attrs: map[string]rotator.UserSpec{}}
}

// Extend implements [rotator.Extender].
func (c *Capable) Extend(ctx context.Context, key rotator.Key, until time.Time) (time.Time, error) {
	if err := cmpErr(ctx.Err(), c.hook("Extend", false)); err != nil {
		return time.Time{}, err
	}
	if c.ShortExtend > 0 {
		until = time.Now().Add(c.ShortExtend)
	}
	until = until.Truncate(time.Second)
	got, err := c.moveExpiry(key.ID, until)
	if err != nil {
		return time.Time{}, err
	}
	return got, c.hook("Extend", true)
}

func (c *Capable) moveExpiry(id string, until time.Time) (time.Time, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.keys, func(k *fakeKey) bool { return k.ID == id })
	switch {
	case i < 0:
		return time.Time{}, rotator.NewFault("extend", rotator.Gone, "no key %s", id)
	case !c.keys[i].live():
		return time.Time{}, rotator.NewFault("extend", rotator.Invalid, "key %s has expired", id)
	case until.Before(c.keys[i].Expires):
		return c.keys[i].Expires, nil // nothing is shortened
	case !c.lies:
		c.keys[i].Expires = until
	}
	return until, nil
}

// SetLies makes Extend say that it did without doing so.
func (c *Capable) SetLies(lies bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lies = lies
}

// WorkWith makes the daemon sign in as the user with the secret.
func (c *Capable) WorkWith(userID, secret string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.owner, c.self = userID, rotator.SecretString(secret)
}

// Self implements [rotator.SelfAware].
func (c *Capable) Self(ctx context.Context) (string, rotator.Secret, error) {
	if err := cmpErr(ctx.Err(), c.hook("Self", false)); err != nil {
		return "", rotator.Secret{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.owner, c.self, nil
}

// HowToMake implements [rotator.Guide].
func (c *Capable) HowToMake(userID, _, keyName string, until time.Time) string {
	base, _ := rotator.SplitName(keyName)
	return fmt.Sprintf("Open the page of user %[1]s and make %[2]s until %[3]s; then: rotatord supply cc/%[1]s/%[4]s.", userID, keyName, until.UTC().Format(time.DateOnly), base)
}

// HowToRemove implements [rotator.Guide].
func (c *Capable) HowToRemove(userID, _ string, key rotator.Key) string {
	return fmt.Sprintf("Open the page of user %s and remove %s.", userID, key.Name)
}

// SetShowAfter says how long a new user, and its keys, are not listed.
func (c *Capable) SetShowAfter(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.showAfter = d
}

// RemoveUser deletes a user with its keys, as a person would.
func (c *Capable) RemoveUser(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.users = slices.DeleteFunc(c.users, func(u rotator.ServiceUser) bool { return u.ID == id })
	c.keys = slices.DeleteFunc(c.keys, func(k *fakeKey) bool { return k.UserID == id })
}

// SetActive says whether a user may sign in.
func (c *Capable) SetActive(id string, active bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.users {
		if c.users[i].ID == id {
			c.users[i].Active = active
		}
	}
}

// Named returns the ids of the users of that name.
func (c *Capable) Named(name string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var ids []string
	for _, u := range c.users {
		if u.Name == name {
			ids = append(ids, u.ID)
		}
	}
	return ids
}

// Users implements [rotator.Directory].
func (c *Capable) Users(ctx context.Context, _ rotator.UserQuery, visit func(rotator.UserDetails) error) error {
	if err := cmpErr(ctx.Err(), c.hook("Users", false)); err != nil {
		return err
	}
	users, _ := c.listed("")
	for _, u := range users {
		if err := visit(rotator.UserDetails{ServiceUser: u, Kind: rotator.ServiceKind}); err != nil {
			return err
		}
	}
	return c.hook("Users", true)
}

// ShowUser implements [rotator.Directory].
func (c *Capable) ShowUser(ctx context.Context, id string) (rotator.UserDetails, error) {
	if err := cmpErr(ctx.Err(), c.hook("ShowUser", false)); err != nil {
		return rotator.UserDetails{}, err
	}
	c.mu.Lock()
	i := slices.IndexFunc(c.users, func(u rotator.ServiceUser) bool { return u.ID == id && c.shows(id) })
	if i < 0 {
		c.mu.Unlock()
		return rotator.UserDetails{}, rotator.NewFault("show user", rotator.Gone, "no user %s", id)
	}
	d := rotator.UserDetails{ServiceUser: c.users[i], Kind: rotator.ServiceKind, Attributes: c.attrs[id].Attributes()}
	c.mu.Unlock()
	return d, c.hook("ShowUser", true)
}

// CheckUser implements [rotator.Directory]: a user needs a name or an address.
func (c *Capable) CheckUser(s rotator.UserSpec) []string {
	if s.Name == "" && s.Email == "" {
		return []string{"name: a user needs one"}
	}
	return nil
}

// CreateUser implements [rotator.Directory]. It makes as many users of one name as it is asked for, so that a test sees
// whether one was made twice.
func (c *Capable) CreateUser(ctx context.Context, s rotator.UserSpec) (rotator.CreatedUser, error) {
	if err := cmpErr(ctx.Err(), c.hook("CreateUser", false)); err != nil {
		return rotator.CreatedUser{}, err
	}
	c.mu.Lock()
	made := c.create(s)
	c.mu.Unlock()
	return made, c.hook("CreateUser", true)
}

func (c *Capable) create(s rotator.UserSpec) rotator.CreatedUser {
	u := rotator.ServiceUser{ID: fmt.Sprintf("u%d", len(c.madeAt)+1), Name: s.Name, Email: s.Email, Login: s.LoginID, Active: true}
	if c.NamesUsers {
		u.Name = "named-" + u.ID
	}
	c.users = append(c.users, u)
	c.madeAt[u.ID], c.attrs[u.ID] = time.Now(), s
	made := rotator.CreatedUser{UserID: u.ID}
	if c.WithKey {
		k := c.add(u.ID, s.KeyName, time.Now())
		made.HasKey = true
		made.Key = rotator.Minted{KeyID: k.ID, Secret: rotator.SecretString(k.secret), Created: k.Created}
		if c.HideKeyID {
			made.Key.KeyID = ""
		}
	}
	return made
}

// UpdateUser implements [rotator.Directory].
func (c *Capable) UpdateUser(ctx context.Context, id string, s rotator.UserSpec) error {
	if err := cmpErr(ctx.Err(), c.hook("UpdateUser", false)); err != nil {
		return err
	}
	c.SetAttributes(id, s)
	return c.hook("UpdateUser", true)
}

// SetAttributes changes a user, as a person would.
func (c *Capable) SetAttributes(id string, s rotator.UserSpec) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.attrs[id] = s
}
