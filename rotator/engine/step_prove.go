package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// prove tries the new key at the provider before any sink sees it: stage testing. A refusal counts only once it can no
// longer be explained by propagation; then the new key is revoked and the old one stays.
func (e *Engine) prove(ctx context.Context, a *account, r *rotator.Rotation) (rotator.Change, error) {
	now := e.clock.Now()
	secret, err := e.sealer.Open(record(r), r.Sealed)
	if err != nil {
		return r.Block(rotator.BlockSealUnreadable, err.Error(), now, now.Add(planRecheck)), nil
	}
	defer secret.Wipe()
	err = a.provider().Check(ctx, r.UserID, secret)
	now = e.clock.Now()
	if err == nil {
		return r.Proven(now), nil
	}
	switch rotator.KindOf(err) {
	case rotator.Denied:
		if now.Before(r.TestUntil) {
			next := now.Add(settleStep(a.provider().Limits().Propagation))
			return r.Wait("the provider does not accept the new key yet: "+err.Error(), next), nil
		}
		return r.Reject(fmt.Sprintf("the provider refuses the new key %s since it was made: %v", r.NewKey.ID, err), now), nil
	case rotator.Conflict, rotator.Invalid:
		return r.Reject(fmt.Sprintf("the new key %s is of no use: %v", r.NewKey.ID, err), now), nil
	default:
		return rotator.Change{}, err
	}
}

// abandon revokes a new key that is of no use: stage abandoning.
func (e *Engine) abandon(ctx context.Context, a *account, r *rotator.Rotation) (rotator.Change, error) {
	key := rotator.Key{ID: r.NewKey.ID, UserID: r.UserID, Name: r.NewKey.Name, Expires: r.NewKeyExpires}
	limits := a.provider().Limits()
	if limits.RemovedByHand {
		return e.abandonByHand(ctx, a, r, key)
	}
	if err := e.retire(ctx, a, key); err != nil {
		return rotator.Change{}, err
	}
	now := e.clock.Now()
	retry, err := e.retryAbandoned(ctx, r, now)
	if err != nil {
		return rotator.Change{}, err
	}
	c := abandoned(r, now, retry)
	if limits.Unlisted {
		key.Created = now
		c = c.Entering(asRevoked(key))
	}
	return c, nil
}

// abandonByHand asks a person to remove the key. Where keys are listed it waits for that: the key would else pass for the
// newest, and the one that works would not be replaced any more.
func (e *Engine) abandonByHand(ctx context.Context, a *account, r *rotator.Rotation, key rotator.Key) (rotator.Change, error) {
	how := howToRemove(a, r.UserID, r.ServiceUser, key)
	retry, err := e.retryAbandoned(ctx, r, e.clock.Now())
	if err != nil {
		return rotator.Change{}, err
	}
	if a.provider().Limits().Unlisted {
		now := e.clock.Now()
		why := *r
		why.Why += ". " + how // also where another key is made: its note has it
		c := abandoned(&why, now, retry)
		key.Created, key.State = now, rotator.KeyOther
		return c.Entering(key), nil
	}
	keys, err := e.listKeys(ctx, a, r.UserID)
	if err != nil {
		return rotator.Change{}, err
	}
	now := e.clock.Now()
	if slices.ContainsFunc(keys, func(k rotator.Key) bool { return k.ID == key.ID && k.State == rotator.KeyActive }) {
		why := fmt.Sprintf("the new key is of no use: %s. %s Then say so with: rotatord removed %s", r.Why, how, r.CredentialID)
		return r.Block(rotator.BlockAwaitingRemoval, why, now, now.Add(removalRecheck)), nil
	}
	return abandoned(r, now, retry), nil
}

// abandoned ends the rotation, unless keys were given up in it before: to end it would forget them, and the old key with
// them.
func abandoned(r *rotator.Rotation, now, retry time.Time) rotator.Change {
	if len(r.Discarded) > 0 {
		return r.TryAnother(now, retry)
	}
	return r.Abandon(now, retry)
}
