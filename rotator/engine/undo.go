package engine

import (
	"context"
	"fmt"

	"github.com/rotatord/rotatord/rotator"
)

// Undo brings the old key of the credential's rotation back while it is only switched off, and keeps the rotation from
// switching it off again until the hold ends. The hold is placed first: the key is not to go off again in between.
func (e *Engine) Undo(ctx context.Context, h rotator.Hold) (rotator.Rotation, error) {
	const op = "undo"
	a, ok := e.account(h.Provider)
	if !ok {
		return rotator.Rotation{}, rotator.NewFault(op, rotator.Gone, "no provider %q is configured", h.Provider)
	}
	r, err := e.store.OpenRotation(ctx, h.CredentialID)
	if rotator.KindOf(err) == rotator.Gone {
		return r, rotator.NewFault(op, rotator.Gone, "no rotation of %s is under way: a key that was revoked cannot be brought back", h.CredentialID)
	}
	if err != nil {
		return r, err
	}
	if _, can := a.provider().(rotator.Disabler); !can || r.Stage != rotator.StageSoaking && r.Stage != rotator.StageRevoking {
		return r, rotator.NewFault(op, rotator.Conflict, "the rotation of %s is in stage %s, where no key is switched off; "+
			"if the old key still works, keep it with: rotatord hold", h.CredentialID, r.Stage)
	}
	if err := e.Hold(ctx, h); err != nil {
		return r, err
	}
	return e.change(ctx, a, h.CredentialID, func(r *rotator.Rotation) (rotator.Change, error) {
		if r.Stage != rotator.StageSoaking && r.Stage != rotator.StageRevoking {
			return rotator.Change{}, rotator.NewFault(op, rotator.Conflict, "the rotation of %s has just gone on to stage %s; the hold is in force", h.CredentialID, r.Stage)
		}
		return r.BeginReactivate(h.By, e.clock.Now()), nil
	})
}

// reactivate switches the old key on again, and those that were given up on the way: stage reactivating.
func (e *Engine) reactivate(ctx context.Context, a *account, r *rotator.Rotation) (rotator.Change, error) {
	keys, err := e.listKeys(ctx, a, r.UserID)
	if err != nil {
		return rotator.Change{}, err
	}
	disabler, ok := a.provider().(rotator.Disabler)
	if !ok {
		return r.TooLate("the provider cannot switch keys on", e.clock.Now()), nil
	}
	back, why := 0, "the provider does not list it any more"
	for _, ref := range r.Retiring() {
		for _, k := range keys {
			if k.ID != ref.ID || k.State.Refused() {
				continue
			}
			if k.State == rotator.KeyDisabled {
				err := disabler.Enable(ctx, k)
				e.noteWrite(ctx, a, err)
				if kind := rotator.KindOf(err); err != nil && (kind == rotator.Invalid || kind == rotator.Gone) {
					why = err.Error() // it expired while it was off, say
					continue
				}
				if err != nil {
					return rotator.Change{}, fmt.Errorf("switching key %s (id %s) on again: %w", k.Name, k.ID, err)
				}
			}
			back++
		}
	}
	if back == 0 {
		return r.TooLate(why, e.clock.Now()), nil
	}
	return r.Reactivated(e.clock.Now()), nil
}
