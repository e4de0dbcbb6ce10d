package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// confirmed starts the grace period, which is counted from the moment the last sink was confirmed: stage confirmed.
func (e *Engine) confirmed(r *rotator.Rotation) rotator.Change {
	if r.OldKey.ID == "" {
		return r.Finish(time.Now(), "the first key is in place")
	}
	return r.BeginGrace(time.Now())
}

// graceOver commits the intent to retire the old key; the evidence is gathered by the step that does it: stage grace.
func (e *Engine) graceOver(a *account, r *rotator.Rotation) rotator.Change {
	if _, ok := a.provider().(rotator.Disabler); ok {
		return r.BeginDeactivate(time.Now())
	}
	return r.BeginRevoke(time.Now())
}

// deactivate switches the old key off, on evidence: stage deactivating.
func (e *Engine) deactivate(ctx context.Context, a *account, r *rotator.Rotation) (rotator.Change, error) {
	v, err := e.mayRetire(ctx, a, r)
	if err != nil || !v.OK {
		return e.notYet(r, v), err
	}
	disabler, ok := a.provider().(rotator.Disabler)
	if ok && !v.Gone {
		err := disabler.Disable(ctx, oldKey(r))
		e.note(ctx, a, err)
		if err != nil {
			return rotator.Change{}, err
		}
	}
	return r.BeginSoak(time.Now()), nil
}

// revoke revokes the old key for good, on evidence: stage revoking.
func (e *Engine) revoke(ctx context.Context, a *account, r *rotator.Rotation) (rotator.Change, error) {
	v, err := e.mayRetire(ctx, a, r)
	if err != nil || !v.OK {
		return e.notYet(r, v), err
	}
	if v.Gone {
		return r.Finish(time.Now(), v.Why), nil
	}
	err = a.provider().Retire(ctx, oldKey(r))
	e.note(ctx, a, err)
	if err != nil {
		return rotator.Change{}, err
	}
	return r.Finish(time.Now(), fmt.Sprintf("the old key %s (id %s) is revoked", r.OldKey.Name, r.OldKey.ID)), nil
}

func oldKey(r *rotator.Rotation) rotator.Key {
	return rotator.Key{ID: r.OldKey.ID, UserID: r.UserID, Name: r.OldKey.Name}
}

func (e *Engine) notYet(r *rotator.Rotation, v rotator.Verdict) rotator.Change {
	if v.Block == "" {
		return r.Wait(v.Why, v.LookAt)
	}
	return r.Block(v.Block, v.Why, time.Now(), v.LookAt)
}

// mayRetire gathers the evidence of guarantee G3, all of it just now, and judges it. Nothing lies between the verdict and
// the call that it allows.
func (e *Engine) mayRetire(ctx context.Context, a *account, r *rotator.Rotation) (rotator.Verdict, error) {
	ev := rotator.Evidence{ReportsLastUse: a.provider().Limits().ReportsLastUse, Freezes: e.setup.Load().Freezes}
	if p := e.policy(r.Policy); p != nil {
		ev.Window = p.Window
	}
	if err := e.readSinks(ctx, a, r, &ev); err != nil {
		return rotator.Verdict{}, err
	}
	var err error
	if ev.Keys, err = e.listKeys(ctx, a, r.UserID); err != nil {
		return rotator.Verdict{}, err
	}
	ev.Now = time.Now()
	if ev.Hold, err = e.store.HoldOn(ctx, r.CredentialID, ev.Now); err != nil {
		return rotator.Verdict{}, journalError{err}
	}
	return rotator.MayRetire(r, ev), nil
}

// readSinks reads every sink back and tries a copy that was read at the provider: not the copy that was sent.
func (e *Engine) readSinks(ctx context.Context, a *account, r *rotator.Rotation, ev *rotator.Evidence) error {
	for _, p := range r.Sinks {
		found, copied, err := e.observe(ctx, r, p)
		if err != nil {
			return err
		}
		ev.Sinks = append(ev.Sinks, found)
		if found.Matches && !ev.NewKeyWorks && ev.NewKeyTrouble == "" {
			err = a.provider().Check(ctx, r.UserID, copied)
		}
		copied.Wipe()
		switch {
		case err == nil:
			ev.NewKeyWorks = ev.NewKeyWorks || found.Matches
		case rotator.KindOf(err) == rotator.Denied, rotator.KindOf(err) == rotator.Conflict, rotator.KindOf(err) == rotator.Invalid:
			ev.NewKeyTrouble = err.Error()
		default:
			return fmt.Errorf("trying the new key at the provider: %w", err)
		}
	}
	return nil
}
