package engine

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/rotator"
)

// Rotate plans a rotation of the credential now because actor asks for it: reason is manual or compromised. It does not
// wait for the deadline, the window or the blast-radius cap; a hold it respects.
func (e *Engine) Rotate(ctx context.Context, c rotator.CredentialID, reason rotator.Reason, actor string) (r rotator.Rotation, err error) {
	for range outruns {
		r, err = e.rotate(ctx, c, reason, actor)
		if err == nil || reason != rotator.ReasonCompromised || !outrun(err) {
			return r, err
		}
		// A rotation has just begun or ended by itself: that somebody told of a leak must not be lost to that.
	}
	return r, err
}

func (e *Engine) rotate(ctx context.Context, c rotator.CredentialID, reason rotator.Reason, actor string) (rotator.Rotation, error) {
	const op = "rotate"
	now := e.clock.Now()
	a, f, err := e.known(ctx, op, c, now, rotator.KeyActive, rotator.KeyExpired)
	if err != nil {
		return rotator.Rotation{}, err
	}
	switch {
	case f.Rotating && reason == rotator.ReasonCompromised: // what was begun under a policy is ended without it, too
		r, err := e.change(ctx, a, c, func(r *rotator.Rotation) (rotator.Change, error) { return r.Hasten(actor, now), nil })
		if rotator.KindOf(err) == rotator.Gone {
			err = rotator.NewFault(op, rotator.Conflict, "the rotation of %s has just ended; ask again for its new key", c)
		}
		return r, err
	case f.Policy == nil: // said below
	case f.Rotating:
		return rotator.Rotation{}, rotator.NewFault(op, rotator.Conflict, "a rotation of %s is under way already; if it cannot go on, give up its new key with: rotatord rotate --start-over", c)
	}
	if err := rotates(op, &f); err != nil {
		return rotator.Rotation{}, err
	}
	r, err := e.plan(ctx, a, f, reason, actor, "asked for by "+actor)
	if err == nil {
		a.requestLook()
	}
	return r, err
}

// known returns the facts about the credential's newest key that is in the first of the states in which there is one.
func (e *Engine) known(ctx context.Context, op string, c rotator.CredentialID, now time.Time, states ...rotator.KeyState) (*account, rotator.Facts, error) {
	a, ok := e.account(c.Provider)
	if !ok {
		return nil, rotator.Facts{}, rotator.NewFault(op, rotator.Gone, "no provider %q is configured", c.Provider)
	}
	series, err := e.store.Series(ctx, c)
	if err != nil {
		return a, rotator.Facts{}, err
	}
	for _, s := range states {
		current, ok := newestOf(series, s)
		for ok && e.isNobodys(ctx, a, current.Key) { // what people mean is the key that consumers have
			series = slices.DeleteFunc(series, func(k rotator.TrackedKey) bool { return k.ID == current.ID })
			current, ok = newestOf(series, s)
		}
		if ok {
			f, err := e.facts(ctx, current, now)
			return a, f, err
		}
	}
	return a, rotator.Facts{}, rotator.NewFault(op, rotator.Gone, "no active key of %s is known; see what the last scan saw with: rotatord status", c)
}

// StartOver gives up the new key of the credential's open rotation and makes another, delivered to the sinks that the
// policy names now. It is for a rotation that cannot go on by itself.
func (e *Engine) StartOver(ctx context.Context, c rotator.CredentialID, actor string) (rotator.Rotation, error) {
	const op = "start over"
	a, ok := e.account(c.Provider)
	if !ok {
		return rotator.Rotation{}, rotator.NewFault(op, rotator.Gone, "no provider %q is configured", c.Provider)
	}
	var seen rotator.Stage
	return e.change(ctx, a, c, func(r *rotator.Rotation) (rotator.Change, error) {
		if seen == rotator.StageDelivering && r.Stage != seen {
			return rotator.Change{}, rotator.NewFault(op, rotator.Conflict,
				"the new key of %s has just reached its last sink (stage %s), and nothing was given up; ask again if it is to be", c, r.Stage)
		}
		seen = r.Stage
		switch r.Stage {
		case rotator.StageDelivering, rotator.StageGrace, rotator.StageDeactivating, rotator.StageRevoking:
		default:
			return rotator.Change{}, rotator.NewFault(op, rotator.Conflict,
				"the rotation of %s is in stage %s, where there is no delivered key to give up", c, r.Stage)
		}
		policy := e.policy(r.Policy)
		if policy == nil {
			return rotator.Change{}, rotator.NewFault(op, rotator.Invalid, "policy %s is no longer in the configuration", r.Policy)
		}
		now := e.clock.Now()
		sinks, err := e.locate(r, policy)
		if err != nil {
			return rotator.Change{}, err
		}
		return r.StartOver(actor, sinks, now), nil
	})
}

// outruns is how often a rotation may move by itself between the look at it and the change that somebody asked for.
const outruns = 5

// change moves the credential's open rotation as somebody asked. One that moves by itself meanwhile is looked at anew: what was
// asked for may still be done, or no longer, and as says which.
func (e *Engine) change(ctx context.Context, a *account, c rotator.CredentialID, as func(*rotator.Rotation) (rotator.Change, error)) (r rotator.Rotation, err error) {
	for range outruns {
		if r, err = e.store.OpenRotation(ctx, c); err != nil {
			return r, err
		}
		ch, refused := as(&r)
		if refused != nil {
			return r, refused
		}
		err = e.commit(ctx, ch)
		if err == nil {
			a.requestLook()
			return ch.After, nil
		}
		if !outrun(err) {
			return r, err
		}
	}
	return r, err
}

// outrun reports whether a change was refused because the rotation had moved meanwhile.
func outrun(err error) bool {
	return rotator.KindOf(err) == rotator.Conflict && !errors.Is(err, rotator.ErrLeaseLost)
}

func newestActive(series []rotator.TrackedKey) (rotator.TrackedKey, bool) {
	return newestOf(series, rotator.KeyActive)
}

// newestOf returns the newest key of the series that is in the state and was listed in the last scan.
func newestOf(series []rotator.TrackedKey, s rotator.KeyState) (rotator.TrackedKey, bool) {
	var newest rotator.TrackedKey
	found := false
	for _, k := range series {
		if k.State == s && k.MissingSince.IsZero() && (!found || k.Newer(newest)) {
			newest, found = k, true
		}
	}
	return newest, found
}

// Hold stops everything about the credential that cannot be undone, until the hold ends or is released.
func (e *Engine) Hold(ctx context.Context, h rotator.Hold) error {
	if err := e.store.PutHold(ctx, h); err != nil {
		return err
	}
	e.log.Info("hold placed", zap.String("credential", h.CredentialID.String()), zap.String("by", h.By), zap.Time("until", h.Until), zap.String("why", h.Reason))
	return nil
}

// Release ends a hold.
func (e *Engine) Release(ctx context.Context, c rotator.CredentialID, actor string) error {
	if err := e.store.Release(ctx, c, actor); err != nil {
		return err
	}
	e.log.Info("hold released", zap.String("credential", c.String()), zap.String("by", actor))
	a, running := e.account(c.Provider)
	if running {
		defer a.requestLook()
	}
	r, err := e.store.OpenRotation(ctx, c)
	if err != nil || r.Blocked != rotator.BlockHeld {
		return unlessGone(err)
	}
	return e.resumeOne(ctx, &r, "hold released by "+actor)
}

// HookDone looks again at the rotation that waited for the run of a hook which has succeeded. Where another replica acts on the account,
// that one looks by itself, within minutes.
func (e *Engine) HookDone(ctx context.Context, h *rotator.HookRun) error {
	a, ok := e.account(h.Provider)
	if !ok || !e.owns(a) {
		return nil
	}
	ctx, err := e.asOwner(ctx, a, "look again after hook "+h.Hook)
	if err != nil {
		return err
	}
	r, err := e.store.OpenRotation(ctx, h.CredentialID)
	if err != nil || r.ID != h.Rotation || r.Blocked != rotator.BlockHookFailing {
		return unlessGone(err)
	}
	defer a.requestLook()
	return e.resumeOne(ctx, &r, "hook "+h.Hook+" has told its consumers")
}

// resumeOne looks again at a rotation, whatever it was waiting for.
func (e *Engine) resumeOne(ctx context.Context, r *rotator.Rotation, note string) error {
	err := e.commit(ctx, r.Resume(note, e.clock.Now()))
	if err != nil && outrun(err) {
		return nil // it is moving already
	}
	return err
}

// resumeThose looks again at the open rotations that are wanted.
func (e *Engine) resumeThose(ctx context.Context, note string, wanted func(*rotator.Rotation) bool) error {
	open, err := e.store.Rotations(ctx, false, maxOpen)
	if err != nil {
		return err
	}
	for i := range open {
		if r := &open[i]; wanted(r) {
			if err := e.resumeOne(ctx, r, note); err != nil {
				return err
			}
		}
	}
	return nil
}

// maxOpen bounds a list of open rotations that is gone through one by one.
const maxOpen = 1 << 20

// configured are the blocks that an edit of the configuration may end.
var configured = []rotator.BlockReason{rotator.BlockFrozen, rotator.BlockOutsideWindow, rotator.BlockSinkUnknown,
	rotator.BlockLocationTaken, rotator.BlockAtKeyCap, rotator.BlockNameInvalid,
	rotator.BlockInvalid, rotator.BlockDenied, rotator.BlockObserveOnly, rotator.BlockOwnKey, rotator.BlockHookFailing}

// resumeOwned looks again, after a reload, at whatever the old configuration stopped, where this replica acts.
func (e *Engine) resumeOwned(ctx context.Context, s *Setup) error {
	for _, conf := range s.Accounts {
		a, ok := e.account(conf.Name)
		if !ok || !e.owns(a) {
			continue // it does so when it takes over
		}
		as, err := e.asOwner(ctx, a, "read the configuration anew")
		if err == nil {
			err = e.resumeConfigured(as, a.name)
		}
		if err != nil && !errors.Is(err, rotator.ErrLeaseLost) && !errors.Is(err, rotator.ErrLeaseHeld) {
			return err
		}
		a.requestLook()
	}
	return nil
}

// resumeConfigured looks again at whatever another configuration stopped at the provider.
func (e *Engine) resumeConfigured(ctx context.Context, provider string) error {
	for _, b := range configured {
		if err := e.store.LookAgain(ctx, provider, b, e.clock.Now()); err != nil {
			return err
		}
	}
	return e.resumeThose(ctx, "the configuration was read anew", func(r *rotator.Rotation) bool {
		return r.Provider == provider && slices.Contains(configured, r.Blocked)
	})
}

// keyBlocks are the reasons for which a key waits, as against a rotation.
var keyBlocks = []rotator.BlockReason{rotator.BlockAwaitingApproval, rotator.BlockHeld, rotator.BlockFrozen,
	rotator.BlockOutsideWindow, rotator.BlockLocationTaken, rotator.BlockSinkUnknown, rotator.BlockInvalid,
	rotator.BlockObserveOnly, rotator.BlockClockSkew, rotator.BlockRotationFailed}

// lookAtWaiting looks again at every key that waits, after a scan changed something: a key that was revoked, or that is
// not due any more, must not go on being counted and shown as waiting.
func (e *Engine) lookAtWaiting(ctx context.Context, a *account) error {
	for _, b := range keyBlocks {
		if err := e.store.LookAgain(ctx, a.name, b, e.clock.Now()); err != nil {
			return err
		}
	}
	return nil
}

// Approve lets as many rotations through as wait for approval now, within the time given.
func (e *Engine) Approve(ctx context.Context, provider, actor string, within time.Duration) (int, error) {
	a, ok := e.account(provider)
	if !ok {
		return 0, rotator.NewFault("approve", rotator.Gone, "no provider %q is configured", provider)
	}
	ctx, err := e.asOwner(ctx, a, "approve")
	if err != nil {
		return 0, err
	}
	now := e.clock.Now()
	const everything = 1 << 30
	due, err := e.store.CountDue(ctx, provider, now, everything)
	if err != nil {
		return 0, err
	}
	missing := int(a.missingUsers.Load())
	due += missing
	if missing > 0 {
		defer a.requestScan()
	}
	err = e.update(ctx, a, func(s *rotator.ProviderState) {
		s.Approved, s.ApprovedUntil, s.ApprovedBy = due, now.Add(within), actor
		s.AwaitingSince, s.Awaiting = time.Time{}, 0
	})
	if err != nil {
		return 0, err
	}
	e.log.Info("rotations approved", zap.String("provider", provider), zap.Int("count", due), zap.String("by", actor))
	if err := e.store.LookAgain(ctx, provider, rotator.BlockAwaitingApproval, now); err != nil { // what is approved is approved
		e.log.Warn("the journal does not let what was approved begin at once; it begins within the hour", zap.String("provider", provider), zap.Error(err))
	}
	a.requestLook()
	return due, nil
}

// ScanNow asks for a scan of every provider.
func (e *Engine) ScanNow() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, a := range e.accounts {
		a.requestScan()
	}
}
