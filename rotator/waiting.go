package rotator

import (
	"slices"
	"time"
)

// rare reports whether what happens for the nth time in a row leaves a line in the history: the first time, the second, the fourth
// and so on, because something may go on for months. What is true now is in the rotation itself.
func rare(n int) bool { return n&(n-1) == 0 }

// Postpone records a failed attempt of the present step. Failures in a row leave ever fewer lines in the history.
func (r *Rotation) Postpone(err error, nextAt time.Time) Change {
	c := r.stay("trying again: " + err.Error())
	c.After.Attempt++
	c.Repeats = r.Attempt > 0 && (r.Trouble == err.Error() || !rare(c.After.Attempt))
	c.After.NextAt, c.After.Trouble = nextAt, err.Error()
	return c
}

// Wait puts the present step off without a failure, until there is something new to see.
func (r *Rotation) Wait(note string, nextAt time.Time) Change {
	c := r.stay(note)
	c.Repeats = r.Trouble == note && r.Blocked == ""
	c.Untold = r.Stage == StageMinting && !rare(r.Attempt+1)
	c.After.NextAt, c.After.Trouble = nextAt, note
	c.After.setBlocked("", time.Time{}) // what was in the way is not any more
	return c
}

// Resume looks again now at a rotation that waits for a point in time, because what it waits for may have changed.
func (r *Rotation) Resume(note string, now time.Time) Change {
	c := r.stay(note)
	c.After.NextAt = now
	for i := range c.After.Sinks {
		if p := &c.After.Sinks[i]; !p.Confirmed() {
			p.NextAt = now
		}
	}
	c.After.GraceUntil = notBeyond(r.GraceUntil, now.Add(r.Terms.Grace))
	c.After.SoakUntil = notBeyond(r.SoakUntil, now.Add(r.Terms.Soak))
	return c
}

// notBeyond ends a period when one would that begins now: what ends later began by a clock that was ahead.
func notBeyond(end, latest time.Time) time.Time {
	if end.After(latest) {
		return latest
	}
	return end
}

// Unlisted waits because the provider does not list a key that is to be revoked: once is no proof that it is gone.
func (r *Rotation) Unlisted(why string, now, lookAt time.Time) Change {
	c := r.Wait(why, lookAt)
	if c.After.OldUnlistedSince.IsZero() {
		c.After.OldUnlistedSince = now
	}
	return c
}

// Listed notes that every key to be revoked is listed.
func (c Change) Listed() Change {
	c.After.OldUnlistedSince = time.Time{}
	return c
}

// Block says that the rotation does not go on by itself, and when to look again all the same.
func (r *Rotation) Block(reason BlockReason, why string, now, lookAt time.Time) Change {
	c := r.stay(why)
	switch {
	case r.Blocked != reason:
	case r.Trouble == why:
		c.Repeats = true
	default:
		c.After.Rechecks++
		c.Repeats = !rare(c.After.Rechecks)
	}
	c.After.NextAt, c.After.Trouble = lookAt, why
	c.After.setBlocked(reason, now)
	return c
}

// WithBlock adds to a failed attempt that a person has to look at it.
func (c Change) WithBlock(reason BlockReason, now time.Time) Change {
	c.After.setBlocked(reason, now)
	c.Repeats = c.Repeats && reason == c.WasBlocked
	return c
}

// By says in the audit record who made the change, and what they did.
func (c Change) By(act AuditKind, actor string) Change {
	c.Act, c.Actor = act, actor
	return c
}

// Entering adds keys for the ledger to the change.
func (c Change) Entering(keys ...Key) Change {
	c.Ledger = append(slices.Clone(c.Ledger), keys...)
	return c
}

// Later puts the step that follows off until at.
func (c Change) Later(at time.Time) Change {
	c.After.NextAt = at
	return c
}

// setBlocked keeps the time of a block that goes on for the same reason.
func (r *Rotation) setBlocked(reason BlockReason, now time.Time) {
	if reason == r.Blocked {
		return
	}
	r.Blocked, r.BlockedSince, r.Rechecks = reason, now, 0
	r.RemindedAt, r.Reminders = time.Time{}, 0
	if reason == "" {
		r.BlockedSince = time.Time{}
	}
}
