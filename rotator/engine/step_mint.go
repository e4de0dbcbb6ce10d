package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/rotator"
)

// supersededRetry is when a key is looked at again whose rotation had nothing to replace.
const supersededRetry = 30 * time.Minute

// countedFailures is as far as abandoned rotations are counted: beyond, they are spaced no further.
const countedFailures = 8

// retryAbandoned is when the rotation's key is tried again once this rotation is abandoned.
func (e *Engine) retryAbandoned(ctx context.Context, r *rotator.Rotation, now time.Time) (time.Time, error) {
	n, err := e.store.Abandoned(ctx, r.CredentialID, countedFailures)
	return now.Add(rotator.RetryAbandoned(n + 1)), asJournal(err)
}

// prepare looks at the provider afresh, commits the intent to make a key, and makes it: stage planned.
func (e *Engine) prepare(ctx context.Context, a *account, r *rotator.Rotation) (rotator.Change, error) {
	now := e.clock.Now()
	if v, err := e.mayBegin(ctx, r); err != nil || !v.OK {
		return e.notYet(r, v), err
	}
	keys, err := e.listKeys(ctx, a, r.UserID)
	if err != nil {
		return rotator.Change{}, err
	}
	s := e.withoutOrphans(ctx, a, r, seriesOf(r, expecting(r, a.provider().Limits(), keys)))
	if why := s.superseded(r); why != "" {
		a.requestScan() // the inventory that the plan was made from is behind
		return r.Supersede(now, why, now.Add(supersededRetry)), nil
	}
	if why := e.notDueAnyMore(s, r, now); why != "" {
		return r.Supersede(now, why, now.Add(supersededRetry)), nil
	}
	if v := rotator.ClockAgrees(r, skewOf(a), now); !v.OK {
		return e.notYet(r, v), nil
	}
	if !r.ExtendTo.IsZero() {
		return r.BeginExtend(now), nil
	}
	if s.highest >= r.Version {
		return r.Renumber(s.highest+1, fmt.Sprintf("the provider has a key of version %d already", s.highest)), nil
	}
	limits := a.provider().Limits()
	if err := errors.Join(rotator.CheckVersion(r.Base, r.Version), rotator.CheckName(r.NewKey.Name, limits)); err != nil {
		return r.Block(rotator.BlockNameInvalid, err.Error(), now, now.Add(planRecheck)), nil
	}
	if why := s.full(a.conf.Load().MaxKeys, len(r.Discarded), limits.MaxKeysPerUser); why != "" {
		return e.makeRoom(ctx, a, r, s, why)
	}
	if limits.Supplied {
		return r.Block(rotator.BlockAwaitingSupply, howToMake(a, r), now, now.Add(planRecheck)), nil
	}
	if p, ok := a.provider().(rotator.Preparer); ok {
		if err := p.Prepare(ctx); err != nil {
			return rotator.Change{}, fmt.Errorf("before a key can be made: %w", err)
		}
		now = e.clock.Now()
	}
	if err := mayCall(ctx); err != nil {
		return rotator.Change{}, err
	}
	begin := r.BeginMint(now)
	if err := e.commit(ctx, begin); err != nil {
		return rotator.Change{}, err
	}
	*r = begin.After
	return e.mint(ctx, a, r, s.restriction(r))
}

// mayBegin asks what operators and the calendar say at this moment.
func (e *Engine) mayBegin(ctx context.Context, r *rotator.Rotation) (rotator.Verdict, error) {
	now := e.clock.Now()
	hold, err := e.store.HoldOn(ctx, r.CredentialID, now)
	if err != nil {
		return rotator.Verdict{}, journalError{err}
	}
	freezes, err := e.freezes(ctx, now)
	if err != nil {
		return rotator.Verdict{}, journalError{err}
	}
	return rotator.MayBegin(r, hold, freezes, now), nil
}

// expecting leaves out the key that a person is to make under the rotation's name: that it is there already, and not handed
// over yet, is no reason to look for another name or to think that nothing is left to do.
func expecting(r *rotator.Rotation, l rotator.Limits, keys []rotator.Key) []rotator.Key {
	if !l.Supplied {
		return keys
	}
	var others []rotator.Key
	for _, k := range keys {
		if k.Name != r.NewKey.Name {
			others = append(others, k)
		}
	}
	return others
}

// series is what the provider lists of one credential and its user, seen just now.
type series struct {
	keys    []rotator.TrackedKey // of the credential
	active  int                  // of these, the active ones
	user    int                  // active keys of the whole user
	highest int                  // version among all, revoked ones included
}

func seriesOf(r *rotator.Rotation, keys []rotator.Key) series {
	var s series
	for _, k := range keys {
		active := k.State == rotator.KeyActive
		if active {
			s.user++
		}
		base, version := rotator.SplitName(k.Name)
		if base != r.Base {
			continue
		}
		s.keys = append(s.keys, rotator.TrackedKey{Provider: r.Provider, Key: k, Base: base, Version: version})
		s.highest = max(s.highest, version)
		if active {
			s.active++
		}
	}
	return s
}

// superseded says why there is nothing to replace any more; empty if there is.
func (s series) superseded(r *rotator.Rotation) string {
	if r.OldKey.ID == "" || len(r.Discarded) > 0 {
		return "" // somebody started over: the keys that were given up go only once another is in place
	}
	old := s.old(r)
	if old == nil || old.State != rotator.KeyActive && old.State != rotator.KeyExpired {
		return "the key to replace is no longer active at the provider"
	}
	for _, k := range s.keys {
		if k.State == rotator.KeyActive && k.Newer(*old) {
			return fmt.Sprintf("key %s (id %s) has superseded the key to replace", k.Name, k.ID)
		}
	}
	return ""
}

// notDueAnyMore says why the key to replace need not be replaced any more; empty if it must. Somebody may have moved its
// expiry since the plan was made, or the policy. Once consumers may have a key that was given up, there is no way back.
func (e *Engine) notDueAnyMore(s series, r *rotator.Rotation, now time.Time) string {
	old, p := s.old(r), e.policy(r.Policy)
	if old == nil || p == nil || len(r.Discarded) > 0 || (r.Reason != rotator.ReasonExpiring && r.Reason != rotator.ReasonMaxAge) {
		return ""
	}
	if p.Observe {
		return "its policy only observes now"
	}
	const earliest = 1 // the draw that makes a key due the earliest
	due, expires := p.Due(old.Key, earliest)
	deadline, _ := p.Deadline(old.Key)
	const storedTo = time.Second // what the journal and the provider keep of a time
	if expires && (!due.After(now) || deadline.Sub(r.Deadline).Abs() < storedTo) {
		return ""
	}
	return "the key is not due any more: somebody changed its expiry or its policy"
}

// old returns the key that is to be replaced, or nil.
func (s series) old(r *rotator.Rotation) *rotator.TrackedKey {
	for i, k := range s.keys {
		if k.ID == r.OldKey.ID {
			return &s.keys[i]
		}
	}
	return nil
}

// restriction is what narrows the replaced key, and so its replacement.
func (s series) restriction(r *rotator.Rotation) string {
	if old := s.old(r); old != nil {
		return old.Restriction
	}
	return ""
}

// full says which cap leaves no room for one more key; empty if none does. Keys that were given up do not count against
// the credential's own cap: a person asked for another beside them. The provider's cap counts them all the same.
func (s series) full(perCredential, givenUp, perUser int) string {
	switch {
	case perCredential > 0 && s.active >= perCredential+givenUp:
		return fmt.Sprintf("the credential has %d active keys and max_keys allows %d", s.active, perCredential)
	case perUser > 0 && s.user >= perUser:
		return fmt.Sprintf("the service user has %d active keys and the provider allows %d", s.user, perUser)
	default:
		return ""
	}
}

// roomIdle is how long at least a key must have been idle that is revoked to make room: a policy without grace and idle
// time says nothing about how often consumers of an older key come by.
const roomIdle = 24 * time.Hour

// makeRoom is guarantee G4 at the cap: it retires a key only if it is ours, superseded and idle; else it blocks.
func (e *Engine) makeRoom(ctx context.Context, a *account, r *rotator.Rotation, s series, why string) (rotator.Change, error) {
	now := e.clock.Now()
	freezes, err := e.freezes(ctx, now)
	if err != nil {
		return rotator.Change{}, journalError{err}
	}
	if v := rotator.MayClear(r, freezes, now); !v.OK {
		return e.notYet(r, v), nil
	}
	for _, k := range s.keys {
		if k.State != rotator.KeyActive || k.ID == r.OldKey.ID || !idleForRoom(a, r, k.Key, now) {
			continue
		}
		rec, err := e.store.Name(ctx, r.Provider, r.UserID, k.Name)
		if err != nil {
			if err := unlessGone(err); err != nil {
				return rotator.Change{}, journalError{err}
			}
			continue
		}
		if !rec.Sealed && !k.LastUsed.IsZero() {
			continue // its secret was never ours, and somebody has it
		}
		if err := e.retire(ctx, a, k.Key); err != nil {
			return rotator.Change{}, err
		}
		// The provider's list may be behind its own act.
		next := now.Add(settleStep(a.provider().Limits().Propagation))
		return r.Wait(fmt.Sprintf("made room: revoked key %s (id %s), which rotation %s made, which is superseded and idle", k.Name, k.ID, rec.Rotation), next), nil
	}
	return r.Block(rotator.BlockAtKeyCap, why+"; nothing was revoked to make room: revoke a key that nobody needs, or raise the cap", now, now.Add(planRecheck)), nil
}

// idleForRoom needs a provider that reports use: elsewhere nothing tells that a key is idle.
func idleForRoom(a *account, r *rotator.Rotation, k rotator.Key, now time.Time) bool {
	lastSign := k.LastUsed
	if k.Created.After(lastSign) {
		lastSign = k.Created
	}
	limits := a.provider().Limits()
	return limits.ReportsLastUse && !limits.RemovedByHand && now.Sub(lastSign) >= max(r.Terms.Idle, r.Terms.Grace, roomIdle)
}

// mint makes the key, in one call, right after its intent was committed in this process.
func (e *Engine) mint(ctx context.Context, a *account, r *rotator.Rotation, restriction string) (rotator.Change, error) {
	m, err := a.provider().Mint(ctx, rotator.MintRequest{UserID: r.UserID, Name: r.NewKey.Name, Lifetime: r.Terms.Lifetime, Replaces: r.OldKey.ID, Restriction: restriction})
	e.noteWrite(ctx, a, err)
	now := e.clock.Now()
	if err == nil {
		return e.seal(ctx, a, r, m)
	}
	if rotator.WriteKindOf(err) == rotator.UnknownOutcome {
		e.unheard.note(r)
		return r.MintUnknown(err, now, a.provider().Limits().Propagation, e.retryAt(r, "", 1, now)), nil
	}
	retryAt := e.retryAt(r, "", r.Attempt+1, now)
	if asked := now.Add(rotator.RetryAfterOf(err)); asked.After(retryAt) {
		retryAt = asked
	}
	c := r.NotMinted(err, now, retryAt)
	switch rotator.KindOf(err) {
	case rotator.Denied:
		c = c.WithBlock(rotator.BlockDenied, now)
	case rotator.Invalid, rotator.Conflict, rotator.Gone:
		c = c.WithBlock(rotator.BlockInvalid, now)
	}
	return c, nil
}

// sealPatience is how long a secret is held in memory while the journal does not take it.
const sealPatience = 30 * time.Second

// seal makes the secret durable before anything else happens. If the journal does not take it for longer than
// sealPatience, the new key is revoked at once, while its id is known: nobody else ever will know of it.
func (e *Engine) seal(ctx context.Context, a *account, r *rotator.Rotation, m rotator.Minted) (rotator.Change, error) {
	defer m.Secret.Wipe()
	m = withID(a, r, m)
	sealed, err := e.sealer.Seal(record(r), m.Secret)
	if err != nil {
		return e.unsealable(ctx, a, r, m, err)
	}
	now := e.clock.Now()
	c := r.Seal(m, sealed, e.sealer.Fingerprint(m.Secret), now)
	if limits := a.provider().Limits(); limits.Unlisted {
		c = c.Entering(ledgerKey(a, r, m, now))
	}
	if err := e.commitPatiently(ctx, a, c); err != nil {
		if e.mayBeSealed(ctx, r, err) {
			return rotator.Change{}, err
		}
		_ = e.retireUnsealed(ctx, a, r, m, err) // it logs what it could not do
		return rotator.Change{}, err
	}
	*r = c.After
	return e.minted(ctx, a, r)
}

// ledgerKey is a new key as it is entered in the ledger. Its age is counted by the provider's clock, as that of keys which are listed.
func ledgerKey(a *account, r *rotator.Rotation, m rotator.Minted, now time.Time) rotator.Key {
	k := rotator.Key{ID: m.KeyID, UserID: r.UserID, Name: r.NewKey.Name, Created: m.Created, Expires: m.Expires, State: rotator.KeyActive}
	if k.Created.IsZero() {
		k.Created = now.Add(skewOf(a))
	}
	return k
}

// minted begins the test of the new key; before, it finds the key's id, where the provider did not tell it: stage minted.
func (e *Engine) minted(ctx context.Context, a *account, r *rotator.Rotation) (rotator.Change, error) {
	if r.NewKey.ID != "" {
		return r.BeginTest(e.clock.Now(), a.provider().Limits().Propagation), nil
	}
	if until, paused := a.paused(e.clock.Now()); paused {
		return r.Wait("the new key's id is looked up once the provider is not paused any more", until), nil
	}
	keys, err := e.listKeys(ctx, a, r.UserID)
	if err != nil {
		return rotator.Change{}, err
	}
	for _, k := range keys {
		if k.Name == r.NewKey.Name {
			return r.Identify(k), nil
		}
	}
	now, propagation := e.clock.Now(), a.provider().Limits().Propagation
	why := fmt.Sprintf("the provider does not list the new key %s, whose id is needed", r.NewKey.Name)
	if now.Sub(r.StageAt) < 2*propagation {
		return r.Wait(why+"; it may still appear", now.Add(settleStep(propagation))), nil
	}
	return r.Block(rotator.BlockLastKey, why, now, now.Add(max(propagation, time.Minute))), nil
}

// unsealable gives up a key whose secret is none: the provider left it out of its answer, say.
func (e *Engine) unsealable(ctx context.Context, a *account, r *rotator.Rotation, m rotator.Minted, err error) (rotator.Change, error) {
	if rerr := e.retireUnsealed(ctx, a, r, m, err); rerr != nil {
		return rotator.Change{}, fmt.Errorf("revoking key %s (id %s), whose secret cannot be sealed: %w", r.NewKey.Name, m.KeyID, rerr)
	}
	note := fmt.Sprintf("key %s (id %s) was made, its secret cannot be sealed, and it is revoked again: %v", r.NewKey.Name, m.KeyID, err)
	return e.burnt(r, note).WithBlock(rotator.BlockInvalid, e.clock.Now()), nil
}

// retireUnsealed revokes a key whose secret will be lost. What it cannot revoke is found by its name.
func (e *Engine) retireUnsealed(ctx context.Context, a *account, r *rotator.Rotation, m rotator.Minted, why error) error {
	lost := *r
	lost.NewKey.ID = m.KeyID
	log := e.log.With(rotationFields(&lost)...)
	log.Error("the new key's secret cannot be sealed into the journal; revoking the key again so that it is not lost", zap.Error(why))
	err := e.retire(ctx, a, rotator.Key{ID: m.KeyID, UserID: r.UserID, Name: r.NewKey.Name})
	if err != nil {
		log.Error("revoking it failed too; it is found by its name and revoked later", zap.Error(err))
	}
	return err
}

// burnt is [rotator.Rotation.Burn], with the next attempt put off as after any failure.
func (e *Engine) burnt(r *rotator.Rotation, note string) rotator.Change {
	now := e.clock.Now()
	return r.Burn(now, note).Later(e.retryAt(r, "", r.Attempt+1, now))
}

// commitPatiently repeats a commit that the journal fails to take, not one that conflicts.
func (e *Engine) commitPatiently(ctx context.Context, a *account, c rotator.Change) error {
	return e.patiently(ctx, a, func() error { return e.commit(ctx, c) })
}

// patiently repeats what the journal fails to take, as long as a secret may be held in memory for that; not what conflicts.
func (e *Engine) patiently(ctx context.Context, a *account, do func() error) error {
	give := time.Now().Add(sealPatience)
	for {
		err := do()
		if err == nil || !isJournal(err) || rotator.KindOf(err) == rotator.Conflict || ctx.Err() != nil || time.Now().After(give) {
			return err
		}
		e.journalTrouble(ctx, a, err)
	}
}

// reconcile asks the provider what became of a create call whose answer is not known, instead of repeating it
// (guarantee G5): stage minting, at a start or after a lost answer.
func (e *Engine) reconcile(ctx context.Context, a *account, r *rotator.Rotation) (rotator.Change, error) {
	keys, err := e.listKeys(ctx, a, r.UserID)
	if err != nil {
		return rotator.Change{}, err
	}
	now := e.clock.Now()
	for _, k := range keys {
		if k.Name == r.NewKey.Name {
			return e.burn(ctx, a, r, k, keys)
		}
	}
	limits := a.provider().Limits()
	if limits.Unlisted {
		return r.Block(rotator.BlockAwaitingRemoval, lostUnlisted(a, r), now, now.Add(calendarDay)), nil
	}
	propagation := limits.Propagation
	if r.SettleUntil.IsZero() {
		lost := rotator.NewFault("mint", rotator.UnknownOutcome, "the daemon stopped before the answer was recorded")
		return r.MintUnknown(lost, now, propagation, now.Add(settleStep(propagation))), nil
	}
	if now.Before(r.SettleUntil) {
		next := now.Add(settleStep(propagation))
		return r.Wait(fmt.Sprintf("the provider does not list %s; it may still appear until %s", r.NewKey.Name, r.SettleUntil.UTC().Format(time.RFC3339)), next), nil
	}
	return e.burnt(r, fmt.Sprintf("the provider does not list %s: it was never made; the name is not used again", r.NewKey.Name)), nil
}

// calendarDay is how often something is looked at that only a person can change.
const calendarDay = 24 * time.Hour

// lostUnlisted asks a person what became of a create call whose answer was lost, where the provider lists no keys.
func lostUnlisted(a *account, r *rotator.Rotation) string {
	return fmt.Sprintf("the answer to making key %s was lost, and the provider lists no keys. Look whether it exists; nobody has its secret, so it is of no use. %s "+
		"When it is certain that it is not there, say so with: rotatord removed %s", r.NewKey.Name,
		howToRemove(a, r.UserID, r.ServiceUser, rotator.Key{UserID: r.UserID, Name: r.NewKey.Name}), r.CredentialID)
}

// settleStep is how often a lost key is looked for.
func settleStep(propagation time.Duration) time.Duration {
	return max(propagation/4, 10*time.Millisecond)
}

// burn revokes a key that was made while its secret was lost, and takes the next name.
func (e *Engine) burn(ctx context.Context, a *account, r *rotator.Rotation, k rotator.Key, all []rotator.Key) (rotator.Change, error) {
	if k.State == rotator.KeyActive || k.State == rotator.KeyDisabled {
		owner, err := e.ownerOf(ctx, r, r.Version, k, seriesOf(r, all).keys)
		if err != nil {
			return rotator.Change{}, err
		}
		if owner != "" {
			return e.burnt(r, fmt.Sprintf("key %s (id %s) exists and is left alone: %s", k.Name, k.ID, owner)), nil
		}
		if a.provider().Limits().RemovedByHand {
			return e.burnt(r, fmt.Sprintf("key %s (id %s) was made and its secret was lost; another is made. %s", k.Name, k.ID,
				howToRemove(a, r.UserID, r.ServiceUser, k))), nil
		}
		if err := e.retire(ctx, a, k); err != nil {
			return rotator.Change{}, fmt.Errorf("revoking key %s (id %s), whose secret was lost: %w", k.Name, k.ID, err)
		}
		e.obs.OrphanRetired(a.name, k)
	}
	return e.burnt(r, fmt.Sprintf("key %s (id %s) was made but its secret was lost; another is made", k.Name, k.ID)), nil
}
