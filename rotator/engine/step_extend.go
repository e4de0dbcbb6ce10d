package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// extendTo is where the policy wants the key's expiry moved, or zero where the key is to be replaced: because the policy
// says so, because it is too old or compromised, because it has expired, or because the provider cannot.
func extendTo(a *account, f rotator.Facts, reason rotator.Reason, now time.Time) time.Time {
	_, can := a.provider().(rotator.Extender)
	to := now.Add(f.Policy.Lifetime)
	if !can || !f.Policy.Extend || reason != rotator.ReasonExpiring || !f.Key.Expires.After(now) || !to.After(f.Key.Expires) {
		return time.Time{}
	}
	return to
}

// extend moves the expiry of the old key, and believes it once the provider lists it: stage extending. It may be repeated
// as often as it takes, because it names a date and not a span.
func (e *Engine) extend(ctx context.Context, a *account, r *rotator.Rotation) (rotator.Change, error) {
	keys, err := e.listKeys(ctx, a, r.UserID)
	if err != nil {
		return rotator.Change{}, err
	}
	v, err := e.mayBegin(ctx, r)
	if err != nil || !v.OK {
		return e.notYet(r, v), err
	}
	now := e.clock.Now()
	old := seriesOf(r, keys).old(r)
	extender, ok := a.provider().(rotator.Extender)
	switch {
	case r.ExtendTo.IsZero():
		return r.ReplaceInstead("it is compromised", now), nil
	case old == nil || old.State != rotator.KeyActive:
		return r.ReplaceInstead("the provider does not list it as active any more", now), nil
	case !old.Expires.After(now) && !old.Expires.IsZero():
		return r.ReplaceInstead("it expired at "+old.Expires.UTC().Format(time.RFC3339), now), nil
	case !ok:
		return r.ReplaceInstead("the provider cannot move expiries", now), nil
	}
	got, err := extender.Extend(ctx, old.Key, r.ExtendTo)
	e.noteWrite(ctx, a, err)
	if err != nil {
		if rotator.KindOf(err) == rotator.Invalid {
			return r.ReplaceInstead(err.Error(), now), nil
		}
		return rotator.Change{}, err
	}
	if !got.After(r.Deadline) { // of a key that is not due for its age, that is the expiry it had
		return r.ReplaceInstead(fmt.Sprintf("the provider moves it no further than %s", got.UTC().Format(time.RFC3339)), now), nil
	}
	return e.extended(ctx, a, r, got)
}

// extended believes what the provider lists, not what it answered.
func (e *Engine) extended(ctx context.Context, a *account, r *rotator.Rotation, until time.Time) (rotator.Change, error) {
	keys, err := e.listKeys(ctx, a, r.UserID)
	if err != nil {
		return rotator.Change{}, err
	}
	now := e.clock.Now()
	old := seriesOf(r, keys).old(r)
	if old != nil && (old.Expires.IsZero() || !old.Expires.Before(until)) {
		a.requestScan() // the inventory still has the date before
		return r.Extended(until, now), nil
	}
	why := fmt.Sprintf("the provider said that key %s (id %s) expires at %s and does not list it so", r.OldKey.Name, r.OldKey.ID, until.UTC().Format(time.RFC3339))
	propagation := a.provider().Limits().Propagation
	if now.Sub(r.StageAt) < 2*propagation {
		return r.Wait(why, now.Add(settleStep(propagation))), nil
	}
	return r.Block(rotator.BlockOldKeyUnclear, why+"; it is asked again until that helps", now, now.Add(max(propagation, time.Minute))), nil
}
