package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// prove tries the new key at the provider before any sink sees it: stage testing. A refusal counts only once it can no
// longer be explained by propagation; then the new key is revoked and the old one stays.
func (e *Engine) prove(ctx context.Context, a *account, r *rotator.Rotation) (rotator.Change, error) {
	now := time.Now()
	secret, err := e.sealer.Open(record(r), r.Sealed)
	if err != nil {
		return r.Block(rotator.BlockSealUnreadable, err.Error(), now, now.Add(planRecheck)), nil
	}
	defer secret.Wipe()
	err = a.provider().Check(ctx, r.UserID, secret)
	now = time.Now()
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
	key := rotator.Key{ID: r.NewKey.ID, UserID: r.UserID, Name: r.NewKey.Name}
	if limits := a.provider().Limits(); limits.RemovedByHand {
		now := time.Now()
		key.Created, key.Expires, key.State = now, r.NewKeyExpires, rotator.KeyOther
		c := r.Abandon(now, now.Add(abandonedRetry))
		c.After.Why += ". " + howToRemove(a, r.UserID, r.ServiceUser, key)
		if limits.Unlisted {
			c = c.Entering(key)
		}
		return c, nil
	}
	if err := e.retire(ctx, a, key); err != nil {
		return rotator.Change{}, err
	}
	now := time.Now()
	return r.Abandon(now, now.Add(abandonedRetry)), nil
}
