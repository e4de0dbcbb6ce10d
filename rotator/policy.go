package rotator

import (
	"path"
	"slices"
	"time"
)

// Policy selects credentials and says when and how they rotate. The zero durations mean "none".
type Policy struct {
	Name  string
	Match Match
	// RenewBefore is how long before the deadline a rotation starts. Grace, Idle and Soak fit into it.
	RenewBefore time.Duration
	// MaxAge is the age at which a key must be gone; zero leaves only the key's own expiry.
	MaxAge time.Duration
	// Lifetime of a new key, for providers that set one.
	Lifetime time.Duration
	// Grace is how long the old key lives on after the last sink is confirmed.
	Grace time.Duration
	// Idle is how long the old key must have been unused, where the provider reports use.
	Idle time.Duration
	// Soak is how long the old key stays disabled before it is revoked, where the provider can disable.
	Soak time.Duration
	// Extend moves the expiry of a key that nears it, where the provider can, in place of replacing the key. The secret stays
	// the same; MaxAge still replaces it.
	Extend bool
	// Observe only tells what is due: nothing is rotated. Sinks may be empty then.
	Observe bool
	// Jitter is the largest part of RenewBefore, from 0 to 1, by which a rotation may start early.
	Jitter float64
	// Window is when the policy may plan and revoke; nil is always.
	Window *Window
	// Sinks are the names of the sinks that must all hold the new key.
	Sinks []string
	// Hooks are the names of the hooks that tell consumers of a new key; RequiredHooks those without whose success the old
	// key stays.
	Hooks, RequiredHooks []string
	// Labels go to metrics, pages and notifications.
	Labels map[string]string
}

// Match selects credentials by glob patterns (path.Match). Empty lists match everything.
type Match struct {
	Providers    []string
	ServiceUsers []string // against id, name, login and e-mail
	Keys         []string // against the credential's base name
	Exclude      []string // against all of these; wins
}

// SelectsProvider reports whether keys at the provider can fall under the policy.
func (p *Policy) SelectsProvider(provider string) bool { return matches(p.Match.Providers, provider) }

// SelectsUser reports whether keys of the user can fall under the policy.
func (p *Policy) SelectsUser(provider string, u ServiceUser) bool {
	return p.SelectsProvider(provider) &&
		matches(p.Match.ServiceUsers, u.ID, u.Name, u.Email, u.Login) &&
		!excluded(p.Match.Exclude, u.ID, u.Name, u.Email, u.Login)
}

// SelectsKey reports whether a credential of that base name falls under the policy, given a user that does.
func (p *Policy) SelectsKey(base string) bool {
	return matches(p.Match.Keys, base) && !excluded(p.Match.Exclude, base)
}

// Deadline is the one rule of time for all keys: the earlier of the key's expiry and created + MaxAge. It is false
// when the key has neither: such a key is never due.
func (p *Policy) Deadline(k Key) (time.Time, bool) {
	deadline := k.Expires
	if p.MaxAge > 0 && !k.Created.IsZero() {
		if byAge := k.Created.Add(p.MaxAge); deadline.IsZero() || byAge.Before(deadline) {
			deadline = byAge
		}
	}
	return deadline, !deadline.IsZero()
}

// Due is when a rotation of the key starts: RenewBefore ahead of its deadline, and earlier by up to Jitter of that.
// draw is the key's stored draw from [0, 1).
func (p *Policy) Due(k Key, draw float64) (time.Time, bool) {
	deadline, ok := p.Deadline(k)
	if !ok {
		return time.Time{}, false
	}
	early := time.Duration(draw * p.Jitter * float64(p.RenewBefore))
	return deadline.Add(-p.RenewBefore - early), true
}

// FirstMatch returns the first policy that selects the credential, or nil: order in the configuration decides.
func FirstMatch(policies []*Policy, provider string, u ServiceUser, base string) *Policy {
	for _, p := range policies {
		if p.SelectsUser(provider, u) && p.SelectsKey(base) {
			return p
		}
	}
	return nil
}

// matches reports whether any value fits any pattern. Patterns were checked when the configuration was read, so a
// malformed one matches nothing here.
func matches(patterns []string, values ...string) bool {
	return len(patterns) == 0 || excluded(patterns, values...)
}

func excluded(patterns []string, values ...string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		return slices.ContainsFunc(values, func(v string) bool {
			ok, err := path.Match(pattern, v)
			return ok && err == nil && v != ""
		})
	})
}
