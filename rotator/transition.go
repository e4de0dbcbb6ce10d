package rotator

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Change is one transition of one rotation, made by the methods of [Rotation] alone. The journal applies it only if the
// rotation still is what it was made from.
type Change struct {
	// From and Seq are what the journal must find; Seq is 0 for a new rotation.
	From Stage
	Seq  int64
	// After is the rotation as it will be.
	After Rotation
	// Note says in words what happened, for the history.
	Note string
	// Retry is when a key that is still due is looked at again, after a rotation was abandoned.
	Retry time.Time
	// Ledger are keys to enter in the ledger with it, in place of what stands there under their ids.
	Ledger []Key
	// Repeats is true where the change says nothing that the one before did not: it leaves no line in the history.
	Repeats bool
	// Untold is true where the change is for the audit record alone: it leaves no line in the history, because it is one attempt of
	// very many.
	Untold bool
	// WasBlocked is the reason for which the rotation was blocked before it; empty if it was not.
	WasBlocked BlockReason
	// Notices are what contacts are told of it: they enter the [Outbox] together with it.
	Notices []Notice
	// At is when it is committed, as far as that matters for what is told of it.
	At time.Time
	// Hooks are the consumers that are told of it: they enter the [Hooks] together with it.
	Hooks []HookRun
	// Then is the plan of another rotation of the same credential, which begins in the same commit as this one ends; nil for none.
	Then *Change
	// Actor is who made the change, for the audit record; empty for the daemon itself. Act is what they did, where that is
	// more than a step of the rotation.
	Actor string
	Act   AuditKind
}

// ErrIllegal is wrapped by the error of a transition that the stages do not allow.
var ErrIllegal = errors.New("this transition is not allowed")

// Plan makes a new rotation. id must be unique; old may be empty for a first key.
func Plan(id string, r Rotation, now time.Time, note string) Change {
	r.ID, r.Seq, r.Stage = id, 1, StagePlanned
	r.StageAt, r.PlannedAt, r.NextAt = now, now, now
	r.NewKey = KeyRef{Name: KeyName(r.Base, r.Version)}
	return Change{After: r, Note: note, Actor: r.Actor}
}

// move makes the change to another stage; it panics on an illegal one, because each caller below is one legal
// transition and a test walks them all.
func (r *Rotation) move(to Stage, now time.Time, note string) Change {
	if !slices.Contains(next[r.Stage], to) {
		panic(fmt.Errorf("rotation %s: %s to %s: %w", r.ID, r.Stage, to, ErrIllegal))
	}
	c := r.stay(note)
	a := &c.After
	a.Stage, a.StageAt, a.NextAt = to, now, now
	a.Attempt, a.Trouble = 0, ""
	a.setBlocked("", now)
	if to.Final() {
		a.NextAt = time.Time{}
	}
	return c
}

// mustBe panics unless r is in one of the stages, where several constructors lead to the same stage from different ones.
func (r *Rotation) mustBe(stages ...Stage) {
	if !slices.Contains(stages, r.Stage) {
		panic(fmt.Errorf("rotation %s: in %s, not in %s: %w", r.ID, r.Stage, stages, ErrIllegal))
	}
}

// stay makes a change within the stage.
func (r *Rotation) stay(note string) Change {
	if r.Stage.Final() {
		panic(fmt.Errorf("rotation %s: %s is final: %w", r.ID, r.Stage, ErrIllegal))
	}
	after := *r
	after.Sinks = slices.Clone(r.Sinks)
	after.Seq++
	return Change{From: r.Stage, Seq: r.Seq, After: after, Note: note, WasBlocked: r.Blocked}
}

// BeginMint commits the intent to make the key: planned to minting. Failures go on being counted, because a key that
// could not be made leads back to planned: the two stages are one attempt.
func (r *Rotation) BeginMint(now time.Time) Change {
	c := r.move(StageMinting, now, "asking the provider for "+r.NewKey.Name)
	c.After.Attempt, c.Untold = r.Attempt, !rare(r.Attempt+1)
	return c
}

// Supersede ends a rotation before anything was made: planned to abandoned. retry is when to look at the old key again,
// zero for never.
func (r *Rotation) Supersede(now time.Time, why string, retry time.Time) Change {
	r.mustBe(StagePlanned)
	c := r.move(StageAbandoned, now, why)
	c.After.Why, c.Retry = why, retry
	return c
}

// Seal records the key that was made and its sealed secret: minting to minted.
func (r *Rotation) Seal(m Minted, sealed []byte, fingerprint string, now time.Time) Change {
	r.mustBe(StageMinting)
	c := r.move(StageMinted, now, fmt.Sprintf("key %s (id %s) made, fingerprint %s", r.NewKey.Name, m.KeyID, fingerprint))
	c.After.NewKey.ID, c.After.NewKeyExpires = m.KeyID, m.Expires
	c.After.Sealed, c.After.Fingerprint = sealed, fingerprint
	c.After.SettleUntil = time.Time{}
	return c
}

// Supply records a key that did not come from [Provider.Mint]: one that a person made, or one that came with a new service
// user: planned to minted. The id may be empty, to be found by the name, see [Rotation.Identify].
func (r *Rotation) Supply(m Minted, sealed []byte, fingerprint, by string, now time.Time) Change {
	r.mustBe(StagePlanned)
	c := r.move(StageMinted, now, fmt.Sprintf("%s supplied key %s (id %s), fingerprint %s", by, r.NewKey.Name, m.KeyID, fingerprint))
	c.After.NewKey.ID, c.After.NewKeyExpires = m.KeyID, m.Expires
	c.After.Sealed, c.After.Fingerprint = sealed, fingerprint
	return c.By(AuditSupply, by)
}

// Identify fills in the new key's id, which was not told when it was made: minted stays.
func (r *Rotation) Identify(k Key) Change {
	r.mustBe(StageMinted)
	c := r.stay(fmt.Sprintf("key %s has the id %s", k.Name, k.ID))
	c.After.NewKey.ID, c.After.NewKeyExpires = k.ID, k.Expires
	c.After.Attempt, c.After.Trouble = 0, ""
	c.After.setBlocked("", time.Time{})
	return c
}

// BeginExtend commits the intent to move the old key's expiry: planned to extending.
func (r *Rotation) BeginExtend(now time.Time) Change {
	return r.move(StageExtending, now, fmt.Sprintf("asking the provider to move the expiry of %s to %s", r.OldKey.Name, day(r.ExtendTo)))
}

// Extended ends a rotation that moved the old key's expiry: extending to done.
func (r *Rotation) Extended(until, now time.Time) Change {
	r.mustBe(StageExtending)
	c := r.end(now, fmt.Sprintf("the expiry of key %s (id %s) was moved to %s; its secret is the same", r.OldKey.Name, r.OldKey.ID, day(until)))
	c.After.NewKeyExpires = until
	return c
}

// ReplaceInstead gives up moving the expiry: extending to planned, to make another key after all.
func (r *Rotation) ReplaceInstead(why string, now time.Time) Change {
	r.mustBe(StageExtending)
	c := r.move(StagePlanned, now, "the key is replaced, because its expiry cannot be moved: "+why)
	c.After.ExtendTo = time.Time{}
	return c
}

// NotMinted goes back after the provider said that no key was made: minting to planned, under the same name.
func (r *Rotation) NotMinted(err error, now, retryAt time.Time) Change {
	attempt := r.Attempt + 1
	r.mustBe(StageMinting)
	c := r.move(StagePlanned, now, "no key was made: "+err.Error())
	c.After.NextAt, c.After.Attempt, c.After.Trouble, c.Untold = retryAt, attempt, err.Error(), !rare(attempt)
	return c
}

// MintUnknown stays in minting after the answer was lost: until SettleUntil the provider is asked for the name, never
// for another key.
func (r *Rotation) MintUnknown(err error, now time.Time, propagation time.Duration, lookAt time.Time) Change {
	c := r.stay("the answer was lost, asking the provider what happened: " + err.Error())
	c.After.SettleUntil, c.After.NextAt, c.After.Trouble = now.Add(propagation), lookAt, err.Error()
	c.Untold = !rare(r.Attempt + 1)
	return c
}

// Renumber takes another version before anything was made, because the provider has keys of this name or later ones.
func (r *Rotation) Renumber(version int, note string) Change {
	c := r.stay(note)
	c.After.Version, c.After.NewKey = version, KeyRef{Name: KeyName(r.Base, version)}
	return c
}

// Burn gives up the name of a key whose secret nobody has: minting to planned under the next version. It counts as a
// failed attempt; put the next one off with [Change.Later], or a provider that loses every answer is asked for keys
// without end.
func (r *Rotation) Burn(now time.Time, note string) Change {
	r.mustBe(StageMinting)
	c := r.move(StagePlanned, now, note)
	c.After.Attempt, c.After.Trouble = r.Attempt+1, note
	c.Untold = !rare(c.After.Attempt)
	c.After.Version++
	c.After.NewKey = KeyRef{Name: KeyName(r.Base, c.After.Version)}
	c.After.SettleUntil = time.Time{}
	return c
}

// StartOver gives up the new key of a rotation that cannot go on by itself (a sink lost it, say, while the sealed copy is
// erased) and makes another: delivering, grace, deactivating or revoking to planned. sinks are where it is delivered this time. The key
// that is given up stays as it is until the old one goes, because somebody may have it.
func (r *Rotation) StartOver(actor string, sinks []SinkProgress, now time.Time) Change {
	r.mustBe(StageDelivering, StageGrace, StageDeactivating, StageRevoking)
	c := r.move(StagePlanned, now, fmt.Sprintf("%s gave up key %s (id %s): another is made", actor, r.NewKey.Name, r.NewKey.ID))
	a := &c.After
	a.Discarded = append(slices.Clone(r.Discarded), r.NewKey)
	a.Former = slices.Clone(r.Former)
	for _, p := range r.Sinks {
		a.Former = append(a.Former, FormerPlace{Sink: p.Sink, Location: p.Location, Fingerprint: r.Fingerprint})
	}
	a.Version++
	a.NewKey = KeyRef{Name: KeyName(r.Base, a.Version)}
	a.NewKeyExpires, a.Sealed, a.Fingerprint, a.Sinks = time.Time{}, nil, "", sinks
	a.TestUntil, a.GraceUntil, a.SoakUntil = time.Time{}, time.Time{}, time.Time{}
	return c.By(AuditStartOver, actor)
}

// Hasten turns a rotation that is under way into one of a compromised key: from now on it waits for nothing but proof. The new key is
// suspect if it may have left the daemon already.
func (r *Rotation) Hasten(actor string, now time.Time) Change {
	c := r.stay("the old key is compromised, says " + actor + ": waiting for nothing but proof")
	a := &c.After
	a.Drilled = r.ByCalendar()
	a.Reason, a.Actor, a.NextAt = ReasonCompromised, actor, now
	a.Terms = a.Terms.Urgent()
	a.ExtendTo = time.Time{} // a secret that leaked is not given more time
	if r.handedOut() {
		a.Suspect = r.NewKey
	}
	return c.By(AuditHasten, actor)
}

// BeginTest starts trying the new key: minted to testing, for at most propagation.
func (r *Rotation) BeginTest(now time.Time, propagation time.Duration) Change {
	c := r.move(StageTesting, now, "trying the new key at the provider")
	c.After.TestUntil = now.Add(propagation)
	return c
}

// Proven starts delivery after the new key authenticated: testing to delivering.
func (r *Rotation) Proven(now time.Time) Change {
	return r.move(StageDelivering, now, "the new key authenticates")
}

// Reject starts revoking a new key that the provider does not accept: testing to abandoning.
func (r *Rotation) Reject(why string, now time.Time) Change {
	c := r.move(StageAbandoning, now, why)
	c.After.Why = why
	return c
}

// Delivered records the progress of sinks: delivering stays, with NextAt at the earliest sink that is still open. Failures in a row
// of a sink leave ever fewer lines in the history.
func (r *Rotation) Delivered(sinks []SinkProgress, now time.Time, note string) Change {
	c := r.stay(note)
	a := &c.After
	a.Sinks, a.NextAt = sinks, time.Time{}
	a.Attempt, a.Trouble = 0, ""
	blocked := BlockReason("")
	for _, s := range sinks {
		if s.Confirmed() {
			continue
		}
		if a.NextAt.IsZero() || s.NextAt.Before(a.NextAt) {
			a.NextAt = s.NextAt
		}
		a.Attempt = max(a.Attempt, s.Attempt)
		if s.Trouble != "" {
			a.Trouble = fmt.Sprintf("sink %s: %s", s.Sink, s.Trouble)
		}
		if s.Blocked != "" {
			blocked = s.Blocked
		}
	}
	a.setBlocked(blocked, now)
	c.Repeats = blocked == r.Blocked && !slices.ContainsFunc(sinks, func(p SinkProgress) bool { return r.news(p) })
	return c
}

// news reports whether the progress of a sink is worth a line: it took the key, failed otherwise than before, or failed for a number
// of times that is told.
func (r *Rotation) news(p SinkProgress) bool {
	for _, was := range r.Sinks {
		if was.Sink == p.Sink && was.Location == p.Location {
			return p.Confirmed() != was.Confirmed() || p.Blocked != was.Blocked || p.Attempt != was.Attempt && rare(p.Attempt)
		}
	}
	return true
}

// Confirm erases the sealed secret once every sink holds the key: delivering to confirmed.
func (r *Rotation) Confirm(sinks []SinkProgress, now time.Time) Change {
	c := r.move(StageConfirmed, now, "every sink was read back and holds the new key; the sealed copy is erased")
	c.After.Sinks, c.After.Sealed = sinks, nil
	return c
}

// BeginGrace starts the countdown: confirmed to grace.
func (r *Rotation) BeginGrace(now time.Time) Change {
	r.mustBe(StageConfirmed)
	from := r.StageAt
	if r.Blocked == BlockClockSkew {
		from = now // the stage began by a clock that was wrong
	}
	until := from.Add(r.Terms.Grace)
	c := r.move(StageGrace, now, "the old key stays until "+until.UTC().Format(time.RFC3339))
	c.After.GraceUntil, c.After.NextAt = until, until
	return c
}

// Finish ends the rotation: from revoking, or from confirmed where there was no old key.
func (r *Rotation) Finish(now time.Time, why string) Change {
	r.mustBe(StageConfirmed, StageRevoking)
	return r.end(now, why)
}

func (r *Rotation) end(now time.Time, why string) Change {
	c := r.move(StageDone, now, why)
	c.After.Why = why
	return c
}

// BeginDeactivate commits the intent to switch the old key off: grace to deactivating.
func (r *Rotation) BeginDeactivate(now time.Time) Change {
	return r.move(StageDeactivating, now, "switching the old key off")
}

// BeginSoak records that the old key is off: deactivating to soaking.
func (r *Rotation) BeginSoak(now time.Time) Change {
	until := now.Add(r.Terms.Soak)
	c := r.move(StageSoaking, now, "the old key is off and can be brought back until "+until.UTC().Format(time.RFC3339))
	c.After.SoakUntil, c.After.NextAt = until, until
	return c
}

// BeginReactivate commits the intent to switch the old key on again: soaking or revoking to reactivating.
func (r *Rotation) BeginReactivate(actor string, now time.Time) Change {
	return r.move(StageReactivating, now, actor+" wants the old key back").By(AuditUndo, actor)
}

// Reactivated starts the grace period anew, once the old key works again: reactivating to grace.
func (r *Rotation) Reactivated(now time.Time) Change {
	r.mustBe(StageReactivating)
	until := now.Add(r.Terms.Grace)
	c := r.move(StageGrace, now, "the old key is on again; it stays until "+until.UTC().Format(time.RFC3339)+" at least")
	c.After.GraceUntil, c.After.SoakUntil, c.After.NextAt = until, time.Time{}, until
	return c
}

// TooLate goes on with the revocation, because the old key cannot be brought back: reactivating to revoking.
func (r *Rotation) TooLate(why string, now time.Time) Change {
	r.mustBe(StageReactivating)
	return r.move(StageRevoking, now, "the old key cannot be brought back: "+why)
}

// BeginRevoke commits the intent to revoke the old key: grace or soaking to revoking.
func (r *Rotation) BeginRevoke(now time.Time) Change {
	r.mustBe(StageGrace, StageSoaking)
	return r.move(StageRevoking, now, "revoking the old key")
}

// TryAnother makes another key after one that was of no use was revoked, because the rotation still has keys to revoke that
// were given up before: abandoning to planned, at the given time.
func (r *Rotation) TryAnother(now, at time.Time) Change {
	r.mustBe(StageAbandoning)
	c := r.move(StagePlanned, now, "the new key was revoked and another is made: "+r.Why)
	a := &c.After
	a.Version++
	a.NewKey = KeyRef{Name: KeyName(r.Base, a.Version)}
	a.NewKeyExpires, a.Sealed, a.Fingerprint, a.TestUntil, a.Why = time.Time{}, nil, "", time.Time{}, ""
	a.NextAt = at
	return c
}

// Abandon ends the rotation after the new key was revoked: abandoning to abandoned.
func (r *Rotation) Abandon(now, retry time.Time) Change {
	r.mustBe(StageAbandoning)
	c := r.move(StageAbandoned, now, "the new key was revoked; the old one stays: "+r.Why)
	c.After.Sealed, c.Retry = nil, retry
	return c
}
