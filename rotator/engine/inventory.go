package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// inventory streams what is in scope: what the provider lists and, where it lists no keys, what the ledger holds. What a
// person told of a key counts more than what the configuration says of it.
func (e *Engine) inventory(ctx context.Context, a *account, scope rotator.Scope, v rotator.Visitor) error {
	if !a.provider().Limits().Unlisted {
		return scanPatiently(ctx, a.provider(), scope, v)
	}
	entered, err := e.ledgerOf(ctx, a.name, scope.UserID)
	if err != nil {
		return journalError{err}
	}
	if err := scanPatiently(ctx, a.provider(), scope, overlay{Visitor: v, entered: entered}); err != nil {
		return err
	}
	for _, k := range entered {
		if err := v.Key(k); err != nil {
			return err
		}
	}
	return nil
}

// overlay leaves out the keys that the ledger knows, by their id or, where the configuration names them too, by their name.
type overlay struct {
	rotator.Visitor
	entered []rotator.Key
}

// Key implements [rotator.Visitor].
func (o overlay) Key(k rotator.Key) error {
	if slices.ContainsFunc(o.entered, func(known rotator.Key) bool {
		return known.ID == k.ID || known.UserID == k.UserID && known.Name == k.Name
	}) {
		return nil
	}
	return o.Visitor.Key(k)
}

// ledgerOf returns the keys that people told of, of one user or of all. There are as many as people made by hand. A key
// that has expired is refused by the provider, whether anybody removed it or not.
func (e *Engine) ledgerOf(ctx context.Context, provider, userID string) ([]rotator.Key, error) {
	var entered []rotator.Key
	now := e.clock.Now()
	err := e.store.LedgerKeys(ctx, provider, func(k rotator.Key) error {
		if userID != "" && k.UserID != userID {
			return nil
		}
		if k.State == rotator.KeyActive && !k.Expires.IsZero() && k.Expires.Before(now) {
			k.State = rotator.KeyExpired
		}
		entered = append(entered, k)
		return nil
	})
	return entered, err
}

// listKeys asks for one user's keys, fresh.
func (e *Engine) listKeys(ctx context.Context, a *account, userID string) ([]rotator.Key, error) {
	var l keyList
	err := e.inventory(ctx, a, rotator.Scope{UserID: userID}, &l)
	if isJournal(err) {
		return nil, err
	}
	e.note(ctx, a, err)
	if err != nil {
		return nil, fmt.Errorf("listing the keys of user %s: %w", userID, err)
	}
	return l, nil
}

// withUnlisted adds the keys that the rotation is to revoke and that are not among those known, because they were taken out
// of the configuration: where keys are not listed, that does not mean that they are gone.
func withUnlisted(r *rotator.Rotation, keys []rotator.Key) []rotator.Key {
	for _, ref := range r.Retiring() {
		if !slices.ContainsFunc(keys, func(k rotator.Key) bool { return k.ID == ref.ID }) {
			keys = append(keys, rotator.Key{ID: ref.ID, UserID: r.UserID, Name: ref.Name, State: rotator.KeyActive})
		}
	}
	return keys
}

// keyList is a visitor that keeps the keys of one user.
type keyList []rotator.Key

// User implements [rotator.Visitor].
func (*keyList) User(rotator.ServiceUser) error { return nil }

// Key implements [rotator.Visitor].
func (l *keyList) Key(k rotator.Key) error {
	if !slices.ContainsFunc(*l, func(seen rotator.Key) bool { return seen.ID == k.ID }) { // a list may show a key twice
		*l = append(*l, k)
	}
	return nil
}

// retire revokes a key for good. Where only a person can, it says so.
func (e *Engine) retire(ctx context.Context, a *account, k rotator.Key) error {
	if a.provider().Limits().RemovedByHand {
		return rotator.NewFault("revoke key "+k.Name, rotator.Invalid, "only a person can remove keys there. %s", howToRemove(a, k.UserID, "", k))
	}
	if err := mayCall(ctx); err != nil {
		return err
	}
	limited, cancel := patient(ctx)
	defer cancel()
	err := a.provider().Retire(limited, k)
	e.recordRevocation(ctx, a, k, err)
	e.noteWrite(ctx, a, err)
	return err
}

// howToMake says how a person makes the rotation's new key.
func howToMake(a *account, r *rotator.Rotation) string {
	var until time.Time
	if r.Terms.Lifetime > 0 {
		until = r.PlannedAt.Add(r.Terms.Lifetime) // the same each time it is said
	}
	how := fmt.Sprintf("Make a key named %s for service user %s, and hand it over with: rotatord supply %s", r.NewKey.Name, r.Coordinates().ServiceUser, r.CredentialID)
	if g, ok := a.provider().(rotator.Guide); ok {
		how = g.HowToMake(r.UserID, r.ServiceUser, r.NewKey.Name, until)
	}
	if !r.Deadline.IsZero() {
		how += fmt.Sprintf(" The key in use has to be gone by %s.", r.Deadline.UTC().Format("2006-01-02 15:04 MST"))
	}
	return how
}

// howToRemove says how a person removes a key.
func howToRemove(a *account, userID, userName string, k rotator.Key) string {
	if g, ok := a.provider().(rotator.Guide); ok {
		return g.HowToRemove(userID, userName, k)
	}
	return fmt.Sprintf("Remove key %s (id %s) of service user %s.", k.Name, k.ID, userID)
}
