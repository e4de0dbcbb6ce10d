// Package providertest holds the suite that every provider must pass against an emulator of its system.
//
// It tests the contract of rotator.Provider: complete or an error, one request for one key, no guess about a lost answer,
// no secret in anything that can be printed. What is particular to a system is tested in its provider's own package.
package providertest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// Op is a kind of request that a provider makes.
type Op string

// The operations.
const (
	OpScan   Op = "scan" // any request of a scan of everything
	OpMint   Op = "mint"
	OpCheck  Op = "check"
	OpRetire Op = "retire"
)

// Disturbance is what an emulated system does wrong.
type Disturbance string

// The disturbances.
const (
	LostBefore  Disturbance = "answer lost before the effect"
	LostAfter   Disturbance = "answer lost after the effect"
	ResetBefore Disturbance = "connection reset before the effect"
	ResetAfter  Disturbance = "connection reset after the effect"
	FailBefore  Disturbance = "502 before the effect"
	FailAfter   Disturbance = "502 after the effect"
	Throttled   Disturbance = "429 with Retry-After: 60"
	Refused     Disturbance = "the credential is refused"
	Garbage     Disturbance = "garbage after the effect"
	Truncated   Disturbance = "truncated after the effect"
	Cut         Disturbance = "connection closed amid the answer"
	RepeatPage  Disturbance = "the page before is shown again"
	Stalled     Disturbance = "no answer for an hour"
)

// Harness is a provider and the emulated system behind it. Every test gets a new one.
type Harness struct {
	Provider rotator.Provider
	// AddUser makes a service user and returns its id.
	AddUser func(t *testing.T) string
	// AddKey makes an active key that has authenticated for long.
	AddKey func(t *testing.T, userID, name string) (keyID string, secret rotator.Secret)
	// Keys is the truth about a user's keys, whatever the API says.
	Keys func(t *testing.T, userID string) []rotator.Key
	// Disturb orders one disturbance of the nth request of the operation, counted from 1.
	Disturb func(t *testing.T, op Op, nth int, d Disturbance)
	// Requests counts what reached the system for an operation.
	Requests func(op Op) int
	// PageSize is how many users the provider asks for at a time. It should be small.
	PageSize int
	// Secrets are the provider's own credentials.
	Secrets []string
	// Anonymous is true where the system does not tell whose a key is, so that a check cannot find out either.
	Anonymous bool
}

// test is one part of the suite and what a provider must be capable of for it.
type test struct {
	name  string
	run   func(*testing.T, Harness)
	needs func(rotator.Limits) bool
}

func always(rotator.Limits) bool    { return true }
func mints(l rotator.Limits) bool   { return !l.Supplied }
func retires(l rotator.Limits) bool { return !l.RemovedByHand }
func (h Harness) mints() bool       { return mints(h.Provider.Limits()) }
func (h Harness) retires() bool     { return retires(h.Provider.Limits()) }
func (h Harness) lists() bool       { return !h.Provider.Limits().Unlisted }

// request asks for a key that lives for a season, where keys have an expiry.
func (h Harness) request(userID, name string) rotator.MintRequest {
	req := rotator.MintRequest{UserID: userID, Name: name}
	if h.Provider.Limits().Expiry {
		req.Lifetime = 90 * 24 * time.Hour
	}
	return req
}

// Run runs the parts of the suite that the provider's limits leave to it: where people make or remove keys, Mint or Retire are never
// called. start makes a harness and registers its end with t.Cleanup.
func Run(t *testing.T, start func(t *testing.T) Harness) {
	t.Helper()
	limits := start(t).Provider.Limits()
	for _, c := range []test{
		{"a scan sees everything", testScanComplete, always},
		{"a scan of one user sees that user's keys", testScanScope, always},
		{"a scan stops with the visitor's own error", testScanVisitor, always},
		{"a mint makes one key that works", testMint, mints},
		{"a mint under a name or for a user that cannot be is invalid", testMintInvalid, mints},
		{"a check knows good, dead, foreign and impossible secrets", testCheck, always},
		{"a retired key is refused and retiring is idempotent", testRetire, retires},
		{"a cancelled context ends every call", testCancelled, always},
		{"calls can be concurrent", testConcurrent, always},
		{"nothing printable holds a secret", testFormatted, always},
	} {
		if c.needs(limits) {
			t.Run(c.name, func(t *testing.T) { c.run(t, start(t)) })
		}
	}
	t.Run("a disturbed scan is complete or an error", func(t *testing.T) { runDisturbedScan(t, start) })
	if mints(limits) {
		t.Run("a disturbed mint makes no promise it cannot keep", func(t *testing.T) { runDisturbedMint(t, start) })
	}
	t.Run("a disturbed check gives up no key", func(t *testing.T) { runDisturbedCheck(t, start) })
	if retires(limits) {
		t.Run("a disturbed retire can be repeated", func(t *testing.T) { runDisturbedRetire(t, start) })
	}
}

// inventory is a visitor that keeps everything.
type inventory struct {
	users map[string]rotator.ServiceUser
	keys  map[string]rotator.Key
	// early counts keys that came before their user.
	early int
}

func scan(ctx context.Context, p rotator.Provider, s rotator.Scope) (*inventory, error) {
	inv := &inventory{users: map[string]rotator.ServiceUser{}, keys: map[string]rotator.Key{}}
	err := p.Scan(ctx, s, inv)
	return inv, err
}

// User implements rotator.Visitor.
func (i *inventory) User(u rotator.ServiceUser) error {
	i.users[u.ID] = u
	for _, k := range i.keys {
		if k.UserID == u.ID {
			i.early++
		}
	}
	return nil
}

// Key implements rotator.Visitor.
func (i *inventory) Key(k rotator.Key) error {
	i.keys[k.ID] = k
	return nil
}

// fleet makes n users with one key each, and returns what a scan must see of them.
func fleet(t *testing.T, h Harness, n int) (users, keys []string) {
	t.Helper()
	for range n {
		u := h.AddUser(t)
		k, _ := h.AddKey(t, u, "fleet")
		users = append(users, u)
		if h.lists() {
			keys = append(keys, k)
		}
	}
	return users, keys
}

func (i *inventory) missing(users, keys []string) (list []string) {
	for _, u := range users {
		if _, ok := i.users[u]; !ok {
			list = append(list, "user "+u)
		}
	}
	for _, k := range keys {
		if _, ok := i.keys[k]; !ok {
			list = append(list, "key "+k)
		}
	}
	return list
}

// wantKind fails unless err is a fault of one of the kinds.
func wantKind(t *testing.T, what string, err error, kinds ...rotator.Kind) {
	t.Helper()
	fault, ok := errors.AsType[*rotator.Fault](err)
	if !ok {
		t.Errorf("%s: got %v, want a fault of kind %v", what, err, kinds)
		return
	}
	for _, k := range kinds {
		if fault.Kind == k {
			return
		}
	}
	t.Errorf("%s: got %v, want kind %v", what, err, kinds)
}

func active(keys []rotator.Key, name string) (n int) {
	for _, k := range keys {
		if k.Name == name && k.State == rotator.KeyActive {
			n++
		}
	}
	return n
}
