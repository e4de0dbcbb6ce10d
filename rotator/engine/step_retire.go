package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// confirmed starts the grace period, which is counted from the moment the last sink was confirmed: stage confirmed. Its end is
// stored, so it is not begun by a clock that is known to be wrong: set right, it would find the period over, or a year long.
func (e *Engine) confirmed(a *account, r *rotator.Rotation) rotator.Change {
	now := e.clock.Now()
	if r.OldKey.ID == "" {
		return r.Finish(now, "the first key is in place")
	}
	if v := rotator.ClockAgrees(r, skewOf(a), now); !v.OK {
		return e.notYet(r, v)
	}
	return r.BeginGrace(now)
}

// graceOver commits the intent to retire the old key; the evidence is gathered by the step that does it: stage grace.
func (e *Engine) graceOver(a *account, r *rotator.Rotation) rotator.Change {
	if _, ok := a.provider().(rotator.Disabler); ok {
		return r.BeginDeactivate(e.clock.Now())
	}
	return r.BeginRevoke(e.clock.Now())
}

// deactivate switches the old key off, on evidence: stage deactivating.
func (e *Engine) deactivate(ctx context.Context, a *account, r *rotator.Rotation) (rotator.Change, error) {
	v, err := e.mayRetire(ctx, a, r)
	if err != nil || !v.OK {
		return e.notYet(r, v), err
	}
	disabler, ok := a.provider().(rotator.Disabler)
	for _, k := range v.Retire {
		if !ok {
			break
		}
		err := disabler.Disable(ctx, k)
		e.noteWrite(ctx, a, err)
		if err != nil {
			return rotator.Change{}, err
		}
	}
	return r.BeginSoak(e.clock.Now()), nil
}

// revoke revokes the old key for good, on evidence: stage revoking.
func (e *Engine) revoke(ctx context.Context, a *account, r *rotator.Rotation) (rotator.Change, error) {
	v, err := e.mayRetire(ctx, a, r)
	if err != nil || !v.OK {
		return e.notYet(r, v), err
	}
	if len(v.Retire) == 0 {
		return r.Finish(e.clock.Now(), v.Why), nil
	}
	if a.provider().Limits().RemovedByHand {
		return e.awaitRemoval(a, r, v.Retire), nil
	}
	for _, k := range v.Retire {
		if err := e.retire(ctx, a, k); err != nil {
			return rotator.Change{}, err
		}
	}
	return e.revoked(ctx, a, r, v.Retire)
}

// removalRecheck is how often the evidence is looked at while a person is to remove a key.
const removalRecheck = time.Hour

// awaitRemoval asks a person to remove what may go now. A key that expires needs nobody: it is looked at again then.
func (e *Engine) awaitRemoval(a *account, r *rotator.Rotation, retire []rotator.Key) rotator.Change {
	now := e.clock.Now()
	retire = slices.DeleteFunc(retire, func(k rotator.Key) bool { return !k.Expires.IsZero() && !k.Expires.After(now) })
	if len(retire) == 0 {
		return r.Finish(now, "the old key has expired")
	}
	lookAt := now.Add(removalRecheck)
	var how []string
	for _, k := range retire {
		how = append(how, howToRemove(a, r.UserID, r.ServiceUser, k))
		if k.Expires.After(now) && k.Expires.Before(lookAt) {
			lookAt = k.Expires.Add(time.Second)
		}
	}
	why := fmt.Sprintf("every consumer has the new key, so the old one may go. %s Then say so with: rotatord removed %s", strings.Join(how, " "), r.CredentialID)
	return r.Block(rotator.BlockAwaitingRemoval, why, now, lookAt)
}

// revoked believes a revocation once the provider no longer lists the key as active: an answer that says so is not the
// same as a key that is refused. Until then the step is repeated.
func (e *Engine) revoked(ctx context.Context, a *account, r *rotator.Rotation, retired []rotator.Key) (rotator.Change, error) {
	done := r.Finish(e.clock.Now(), fmt.Sprintf("the old key %s (id %s) is revoked", r.OldKey.Name, r.OldKey.ID))
	if a.provider().Limits().Unlisted { // there is nothing but its word
		for _, k := range retired {
			done = done.Entering(asRevoked(k))
		}
		return done, nil
	}
	keys, err := e.listKeys(ctx, a, r.UserID)
	if err != nil {
		return rotator.Change{}, err
	}
	now, propagation := e.clock.Now(), a.provider().Limits().Propagation
	for _, k := range keys {
		if k.State != rotator.KeyActive || !slices.ContainsFunc(retired, func(x rotator.Key) bool { return x.ID == k.ID }) {
			continue
		}
		why := fmt.Sprintf("the provider said that key %s (id %s) is revoked and still lists it as active", k.Name, k.ID)
		if now.Sub(r.StageAt) < 2*propagation {
			return r.Wait(why, now.Add(settleStep(propagation))), nil
		}
		return r.Block(rotator.BlockOldKeyUnclear, why+"; it is revoked again until that helps", now, now.Add(max(propagation, time.Second))), nil
	}
	e.remember(ctx, a, r, keys)
	return done, nil
}

// remember stores how the credential's keys stand at the end of its rotation, without waiting for the next scan: whoever
// asks for another rotation now is to find the new key, and one that fell due meanwhile is looked at. What it cannot store
// the next scan does.
func (e *Engine) remember(ctx context.Context, a *account, r *rotator.Rotation, keys []rotator.Key) {
	p := e.policy(r.Policy)
	if p == nil {
		return
	}
	var rows []rotator.KeyRow
	for _, k := range keys {
		t := rotator.TrackedKey{Provider: a.name, Key: k, Policy: p.Name, Draw: drawOf(a.name, k)}
		if t.Base, t.Version = rotator.SplitName(k.Name); t.Base != r.Base {
			continue
		}
		t.Deadline, _ = p.Deadline(k)
		t.Due, _ = p.Due(k, t.Draw)
		if k.State == rotator.KeyActive || k.State == rotator.KeyExpired {
			t.LookAt = t.Due
		}
		rows = append(rows, rotator.KeyRow{TrackedKey: t}) // without a sum: the next scan stores it again
	}
	if err := e.store.Merge(ctx, a.name, nil, rows); err != nil {
		e.obs.JournalFailed(err)
	}
}

func (e *Engine) notYet(r *rotator.Rotation, v rotator.Verdict) rotator.Change {
	switch {
	case v.Unlisted:
		return r.Unlisted(v.Why, e.clock.Now(), v.LookAt)
	case v.Block == "":
		return r.Wait(v.Why, v.LookAt).Listed()
	default:
		return r.Block(v.Block, v.Why, e.clock.Now(), v.LookAt).Listed()
	}
}

// mayRetire gathers the evidence of guarantee G3, all of it just now, and judges it. Nothing lies between the verdict and
// the call that it allows.
func (e *Engine) mayRetire(ctx context.Context, a *account, r *rotator.Rotation) (rotator.Verdict, error) {
	limits := a.provider().Limits()
	ev := rotator.Evidence{ReportsLastUse: limits.ReportsLastUse, Propagation: limits.Propagation}
	if err := e.askPeople(ctx, r, &ev); err != nil {
		return rotator.Verdict{}, err
	}
	if v := rotator.PeopleAllow(r, ev); !v.OK {
		return v, nil
	}
	err := e.readSinks(ctx, a, r, &ev)
	if err == nil && r.Reason != rotator.ReasonCompromised {
		err = e.readFormerPlaces(ctx, r, &ev)
	}
	if err != nil {
		return rotator.Verdict{}, err
	}
	if ev.Keys, err = e.listKeys(ctx, a, r.UserID); err != nil {
		return rotator.Verdict{}, err
	}
	if limits.Unlisted {
		ev.Keys = withUnlisted(r, ev.Keys)
	}
	if ev.OwnKey, err = e.signsInWithOld(ctx, a, r); err != nil {
		return rotator.Verdict{}, err
	}
	ev.Skew = skewOf(a)
	if err := e.askPeople(ctx, r, &ev); err != nil { // once more: the calls above take their time
		return rotator.Verdict{}, err
	}
	return rotator.MayRetire(r, ev), nil
}

// signsInWithOld reports whether the daemon itself signs in as the rotation's user with another key than the new one: then
// what is to be revoked may be what it needs to go on.
func (e *Engine) signsInWithOld(ctx context.Context, a *account, r *rotator.Rotation) (bool, error) {
	aware, ok := a.provider().(rotator.SelfAware)
	if !ok {
		return false, nil
	}
	user, secret, err := aware.Self(ctx)
	if err != nil {
		e.note(ctx, a, err)
		return false, fmt.Errorf("asking the provider whose key the daemon works with: %w", err)
	}
	return user == r.UserID && !secret.Empty() && e.sealer.Fingerprint(secret) != r.Fingerprint, nil
}

// askPeople notes what operators and the configuration say at this moment.
func (e *Engine) askPeople(ctx context.Context, r *rotator.Rotation, ev *rotator.Evidence) error {
	ev.Now = e.clock.Now()
	var err error
	if ev.Freezes, err = e.freezes(ctx, ev.Now); err != nil {
		return asJournal(err)
	}
	p, err := e.policyNow(ctx, r)
	if err != nil {
		return asJournal(err)
	}
	ev.Window = nil
	if p != nil {
		ev.Window = p.Window
	}
	if ev.Hooks, err = e.store.HookRuns(ctx, r.ID); err != nil {
		return asJournal(err)
	}
	ev.Hold, err = e.store.HoldOn(ctx, r.CredentialID, ev.Now)
	return asJournal(err)
}

// policyNow returns the rotation's policy or, if that is no longer configured, the one that selects the credential now;
// nil for none: what was begun under a policy is finished without it.
func (e *Engine) policyNow(ctx context.Context, r *rotator.Rotation) (*rotator.Policy, error) {
	if p := e.policy(r.Policy); p != nil {
		return p, nil
	}
	keys, err := e.store.Series(ctx, r.CredentialID)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		if p := e.policy(k.Policy); p != nil {
			return p, nil
		}
	}
	return nil, nil //nolint:nilnil // no policy is an answer
}

// readSinks reads every sink back and tries a copy that was read at the provider: not the copy that was sent. One copy is
// enough, because all that match are the same secret.
func (e *Engine) readSinks(ctx context.Context, a *account, r *rotator.Rotation, ev *rotator.Evidence) error {
	tried := false
	for _, p := range r.Sinks {
		found, copied, err := e.observe(ctx, r, p)
		if err != nil {
			return err
		}
		ev.Sinks = append(ev.Sinks, found)
		if found.Matches && !tried {
			tried = true
			err = e.tryCopy(ctx, a, r, copied, ev)
		}
		copied.Wipe()
		if err != nil {
			return err
		}
	}
	return nil
}

// tryCopy returns an error where the provider gave no answer about the key.
func (e *Engine) tryCopy(ctx context.Context, a *account, r *rotator.Rotation, copied rotator.Secret, ev *rotator.Evidence) error {
	err := a.provider().Check(ctx, r.UserID, copied)
	if err == nil {
		ev.NewKeyWorks = true
		return nil
	}
	switch rotator.KindOf(err) {
	case rotator.Denied, rotator.Conflict, rotator.Invalid:
		ev.NewKeyTrouble = err.Error()
		return nil
	default:
		return fmt.Errorf("trying the new key at the provider: %w", err)
	}
}

// readFormerPlaces looks at where the old key was delivered and the new one was not, because the service user was renamed
// or the sink's path or the policy was changed: whoever still reads there must not lose the key (guarantee G1). A sink
// that is no longer configured cannot be asked.
func (e *Engine) readFormerPlaces(ctx context.Context, r *rotator.Rotation, ev *rotator.Evidence) error {
	before, err := e.madeBy(ctx, r.Provider, r.UserID, r.OldKey)
	if err != nil {
		return err
	}
	former := slices.Clone(r.Former)
	if before != nil {
		for _, p := range before.Sinks {
			former = append(former, rotator.FormerPlace{Sink: p.Sink, Location: p.Location, Fingerprint: before.Fingerprint})
		}
	}
	for _, p := range former {
		if r.DeliversTo(p.Sink, p.Location) {
			continue
		}
		then := *r
		then.Fingerprint = p.Fingerprint
		found, copied, err := e.observe(ctx, &then, rotator.SinkProgress{Sink: p.Sink, Location: p.Location})
		copied.Wipe()
		if err != nil {
			return err
		}
		if found.Matches {
			ev.Sinks = append(ev.Sinks, rotator.SinkEvidence{Sink: p.Sink, Block: rotator.BlockSinkMismatch, Trouble: fmt.Sprintf(
				"%s still holds a key that is to go, and the new one is delivered elsewhere; move who reads there and remove it", p.Location)})
		}
	}
	return nil
}

// madeBy returns the rotation that made a key, or nil for a key that is not ours.
func (e *Engine) madeBy(ctx context.Context, provider, userID string, k rotator.KeyRef) (*rotator.Rotation, error) {
	rec, err := e.store.Name(ctx, provider, userID, k.Name)
	if err != nil {
		return nil, asJournal(unlessGone(err))
	}
	r, err := e.store.Rotation(ctx, rec.Rotation)
	if err != nil {
		return nil, asJournal(unlessGone(err))
	}
	if r.NewKey.ID != k.ID {
		return nil, nil //nolint:nilnil // somebody else's key is an answer
	}
	return &r, nil
}
