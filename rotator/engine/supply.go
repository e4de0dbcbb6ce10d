package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/rotator"
)

// Supply takes a key that a person made for the credential's open rotation, which waits for it; without an open rotation it
// begins one. The key is tried at the provider first: one that does not work is refused, and nothing is recorded. When
// Supply returns without an error, the key is sealed in the journal and the rotation goes on by itself. s.Secret stays the
// caller's.
func (e *Engine) Supply(ctx context.Context, c rotator.CredentialID, s rotator.Supplied, actor string) (rotator.Rotation, error) {
	const op = "supply"
	a, ok := e.account(c.Provider)
	if !ok {
		return rotator.Rotation{}, rotator.NewFault(op, rotator.Gone, "no provider %q is configured", c.Provider)
	}
	if !a.provider().Limits().Supplied {
		return rotator.Rotation{}, rotator.NewFault(op, rotator.Invalid, "provider %s makes keys by itself; rotate with: rotatord rotate", c.Provider)
	}
	if s.Secret.Empty() {
		return rotator.Rotation{}, rotator.NewFault(op, rotator.Invalid, "the key is empty")
	}
	ctx, err := e.asOwner(ctx, a, op)
	if err != nil {
		return rotator.Rotation{}, err
	}
	r, began, err := e.awaiting(ctx, c, actor)
	if err != nil {
		return r, err
	}
	m, err := e.examine(ctx, a, &r, s)
	if err != nil {
		if began {
			e.withdraw(context.WithoutCancel(ctx), &r, err)
		}
		return r, err
	}
	return e.sealSupplied(ctx, a, &r, m, actor)
}

// withdraw ends a rotation that was begun for a key which then was refused: nobody else asked for it.
func (e *Engine) withdraw(ctx context.Context, r *rotator.Rotation, refused error) {
	for {
		now := e.clock.Now()
		err := e.commit(ctx, r.Supersede(now, "the key that was supplied was refused: "+refused.Error(), now))
		if rotator.KindOf(err) != rotator.Conflict || !e.stillAwaits(ctx, r) {
			return // at worst it goes on waiting for a key
		}
	}
}

// awaiting returns the credential's rotation that a key can be supplied to, and whether it was begun for it.
func (e *Engine) awaiting(ctx context.Context, c rotator.CredentialID, actor string) (r rotator.Rotation, began bool, err error) {
	r, err = e.store.OpenRotation(ctx, c)
	if rotator.KindOf(err) == rotator.Gone {
		r, err = e.Rotate(ctx, c, rotator.ReasonManual, actor)
		return r, err == nil, err
	}
	if err != nil {
		return r, false, err
	}
	return r, false, e.mayTakeSupply(ctx, &r)
}

// mayTakeSupply says why the rotation takes no key now.
func (e *Engine) mayTakeSupply(ctx context.Context, r *rotator.Rotation) error {
	const op = "supply"
	if r.Stage != rotator.StagePlanned || !r.ExtendTo.IsZero() {
		return rotator.NewFault(op, rotator.Conflict, "the rotation of %s is in stage %s and waits for no key", r.CredentialID, r.Stage)
	}
	v, err := e.mayBegin(ctx, r)
	if err == nil && !v.OK {
		err = rotator.NewFault(op, rotator.Conflict, "the rotation may not go on: %s", v.Why)
	}
	return err
}

// examine looks at a supplied key as closely as can be done without changing anything.
func (e *Engine) examine(ctx context.Context, a *account, r *rotator.Rotation, s rotator.Supplied) (rotator.Minted, error) {
	const op = "supply"
	m := rotator.Minted{KeyID: s.KeyID, Secret: s.Secret, Expires: s.Expires}
	limits, now := a.provider().Limits(), e.clock.Now()
	if limits.Unlisted && m.Expires.IsZero() && limits.Expiry {
		return m, rotator.NewFault(op, rotator.Invalid, "keys of provider %s expire, and it cannot be asked when: say it with --expires", r.Provider)
	}
	if err := e.findSupplied(ctx, a, r, &m); err != nil {
		return m, err
	}
	if !m.Expires.IsZero() && !m.Expires.After(now) {
		return m, rotator.NewFault(op, rotator.Invalid, "the key expired at %s", m.Expires.UTC().Format(time.RFC3339))
	}
	if err := e.notInPlace(ctx, r, s.Secret); err != nil {
		return m, err
	}
	limited, cancel := patient(ctx)
	defer cancel()
	if err := a.provider().Check(limited, r.UserID, s.Secret); err != nil {
		return m, fmt.Errorf("the key was tried and does not work, so nothing was recorded: %w", err)
	}
	return m, nil
}

// findSupplied completes what is known of the key by what the provider lists. A key under the id of one that is to go would
// be revoked with it.
func (e *Engine) findSupplied(ctx context.Context, a *account, r *rotator.Rotation, m *rotator.Minted) error {
	keys, err := e.listKeys(ctx, a, r.UserID)
	if err != nil {
		return err
	}
	known := func(k rotator.Key) bool { return k.ID == m.KeyID }
	retiring := func(ref rotator.KeyRef) bool { return ref.ID == m.KeyID }
	unlisted := a.provider().Limits().Unlisted
	if m.KeyID != "" && (slices.ContainsFunc(r.Retiring(), retiring) || unlisted && slices.ContainsFunc(keys, known)) {
		return rotator.NewFault("supply", rotator.Conflict, "a key with the id %s is known already, so it is not the new one", m.KeyID)
	}
	if unlisted {
		*m = withID(a, r, *m)
		return nil
	}
	i := slices.IndexFunc(keys, func(k rotator.Key) bool {
		return k.State == rotator.KeyActive && k.ID != r.OldKey.ID && (known(k) || m.KeyID == "" && k.Name == r.NewKey.Name)
	})
	if i < 0 {
		return rotator.NewFault("supply", rotator.Invalid, "the provider lists no other active key named %s; if it was made under another name, say its id with --key-id", r.NewKey.Name)
	}
	m.KeyID, m.Created, m.Expires = keys[i].ID, keys[i].Created, keys[i].Expires
	return nil
}

// withID gives a key of a provider without lists an id, where it has none: unique, since versions are never used twice.
func withID(a *account, r *rotator.Rotation, m rotator.Minted) rotator.Minted {
	if m.KeyID == "" && a.provider().Limits().Unlisted {
		m.KeyID = r.UserID + "/" + r.NewKey.Name
	}
	return m
}

// notInPlace refuses the key that consumers have already: it is the one that is to be replaced.
func (e *Engine) notInPlace(ctx context.Context, r *rotator.Rotation, secret rotator.Secret) error {
	fingerprint := e.sealer.Fingerprint(secret)
	before, err := e.madeBy(ctx, r.Provider, r.UserID, r.OldKey)
	if err != nil {
		return err
	}
	if before != nil && before.Fingerprint == fingerprint {
		return rotator.NewFault("supply", rotator.Conflict, "this is key %s itself, the one to replace; make another", r.OldKey.Name)
	}
	for _, p := range r.Sinks {
		sink, ok := e.setup.Load().Sinks[p.Sink]
		if !ok {
			continue
		}
		limited, cancel := context.WithTimeout(ctx, sinkPatience)
		seen, err := sink.Observe(limited, r.Coordinates(), p.Location)
		cancel()
		same := err == nil && seen.Present && e.fingerprint(seen) == fingerprint
		seen.Secret.Wipe()
		if same {
			return rotator.NewFault("supply", rotator.Conflict, "sink %s holds this very key at %s: it is the one to replace; make another", p.Sink, p.Location)
		}
	}
	return nil
}

// sealSupplied makes the key durable. Until then the person has it, so that a failure loses nothing.
func (e *Engine) sealSupplied(ctx context.Context, a *account, r *rotator.Rotation, m rotator.Minted, by string) (rotator.Rotation, error) {
	sealed, err := e.sealer.Seal(record(r), m.Secret)
	if err != nil {
		return *r, rotator.NewFault("supply", rotator.Invalid, "the key cannot be sealed: %w", err)
	}
	for {
		now := e.clock.Now()
		c := r.Supply(m, sealed, e.sealer.Fingerprint(m.Secret), by, now)
		if a.provider().Limits().Unlisted {
			c = c.Entering(ledgerKey(a, r, m, now))
		}
		err := e.commit(ctx, c)
		if err == nil {
			a.requestLook()
			return c.After, nil
		}
		if rotator.KindOf(err) != rotator.Conflict || !e.stillAwaits(ctx, r) {
			return *r, fmt.Errorf("the key was not recorded; supply it again: %w", err)
		}
	}
}

// stillAwaits reads the rotation anew, which was looked at while the key was tried, and reports whether it waits for this
// very key all the same.
func (e *Engine) stillAwaits(ctx context.Context, r *rotator.Rotation) bool {
	now, err := e.store.Rotation(ctx, r.ID)
	same := err == nil && now.Stage == rotator.StagePlanned && now.NewKey == r.NewKey && now.Seq != r.Seq
	if same {
		*r = now
	}
	return same
}

// Removed notes that a person removed what the credential's rotation asked to be removed. It is refused while the rotation
// does not ask for it: then the key may still be needed.
func (e *Engine) Removed(ctx context.Context, c rotator.CredentialID, actor string) (rotator.Rotation, error) {
	const op = "removed"
	a, ok := e.account(c.Provider)
	if !ok {
		return rotator.Rotation{}, rotator.NewFault(op, rotator.Gone, "no provider %q is configured", c.Provider)
	}
	return e.change(ctx, a, c, func(r *rotator.Rotation) (rotator.Change, error) {
		switch {
		case r.Blocked != rotator.BlockAwaitingRemoval:
			return rotator.Change{}, rotator.NewFault(op, rotator.Conflict,
				"the rotation of %s does not ask for a key to be removed (stage %s); if you removed one already, look at once whether its consumers still work", c, r.Stage)
		case r.Stage == rotator.StageMinting:
			return e.burnt(r, fmt.Sprintf("%s looked: key %s does not exist (any more); another is made", actor, r.NewKey.Name)).By(rotator.AuditRemoval, actor), nil
		default:
			return e.removed(ctx, a, r, actor)
		}
	})
}

// removed enters the keys that are gone in the ledger, where there is one; where the provider lists keys, it is asked.
func (e *Engine) removed(ctx context.Context, a *account, r *rotator.Rotation, actor string) (rotator.Change, error) {
	ch := r.Resume(actor+" says that it was removed", e.clock.Now()).By(rotator.AuditRemoval, actor)
	if !a.provider().Limits().Unlisted {
		return ch, nil
	}
	keys, err := e.listKeys(ctx, a, r.UserID)
	if err != nil {
		return ch, err
	}
	for _, k := range withUnlisted(r, keys) {
		if slices.ContainsFunc(r.Retiring(), func(ref rotator.KeyRef) bool { return ref.ID == k.ID }) {
			ch = ch.Entering(asRevoked(k))
		}
	}
	return ch, nil
}

// asRevoked is how a key is entered in the ledger that is gone.
func asRevoked(k rotator.Key) rotator.Key {
	k.State = rotator.KeyRevoked
	return k
}

// errNoDirectory says that a provider has no service users that could be made.
var errNoDirectory = errors.New("service users cannot be created there")

func provisionFields(p rotator.Provision) []zap.Field {
	return []zap.Field{zap.String("provider", p.Provider), zap.String("label", p.Label), zap.String("user_id", p.UserID), zap.String("credential", p.Credential)}
}
