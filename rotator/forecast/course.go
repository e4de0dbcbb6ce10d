package forecast

import (
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// maxDetours bounds how often one key is put off before the forecast gives it up as never going on.
const maxDetours = 400

// Key adds a key that is decided upon within the span.
func (f *Forecast) Key(k rotator.UpcomingKey) {
	policy := f.facts.Policies[k.Policy]
	if policy == nil {
		return // what changes that cannot be foreseen
	}
	at, reason, begins := f.begins(&k, policy)
	if !begins || !at.Before(f.facts.Until) {
		return
	}
	if f.atKeyCap(&k, at) {
		return
	}
	f.ticks[slot{f.facts.Scan.Next(at).Unix(), k.Provider}]++
	r := rotator.Rotation{CredentialID: k.Credential(), Reason: reason, Policy: k.Policy, Deadline: k.Deadline,
		OldKey: rotator.KeyRef{ID: k.ID, Name: k.Name},
		Terms:  rotator.Terms{Lifetime: policy.Lifetime, Grace: policy.Grace, Idle: policy.Idle, Soak: policy.Soak}}
	if f.extends(&k, policy, reason, at) {
		f.act(f.of(&r, Extend, at))
		return
	}
	f.course(&r, k.Hold, rotator.StagePlanned, at)
}

// begins finds when the key's rotation begins, by asking at each time for which its decision puts it off.
func (f *Forecast) begins(k *rotator.UpcomingKey, p *rotator.Policy) (time.Time, rotator.Reason, bool) {
	facts := rotator.Facts{Key: k.TrackedKey, Series: []rotator.TrackedKey{k.TrackedKey}, UserActive: true, Policy: p, Hold: k.Hold,
		Freezes: f.facts.Freezes, Budget: 1}
	at := later(f.facts.Now, k.Due)
	switch k.Waiting {
	case rotator.BlockRotationFailed:
		facts.RetryAt = k.LookAt
	case "", rotator.BlockHeld, rotator.BlockFrozen, rotator.BlockOutsideWindow, rotator.BlockObserveOnly:
	default: // a person, or something that cannot be foreseen, brings it on
		f.stopped(k, string(k.Waiting), at, time.Time{}, k.WaitingWhy)
		return at, "", false
	}
	if until := f.facts.Accounts[k.Provider].PausedUntil; until.After(at) {
		f.stopped(k, Paused, at, until, "the provider is paused until "+until.UTC().Format(time.RFC3339))
		at = until
	}
	for range maxDetours {
		if !at.Before(f.facts.Until) {
			return at, "", false
		}
		d := rotator.Decide(facts, at)
		switch {
		case d.Action == rotator.ActRotate:
			return at, d.Reason, true
		case d.Action != rotator.ActWait || !d.LookAt.After(at):
			return at, "", false
		case d.Block == rotator.BlockObserveOnly:
			f.stopped(k, string(d.Block), at, time.Time{}, "policy "+p.Name+" only observes: nobody rotates it")
			return at, "", false
		case d.Block != "":
			f.stopped(k, string(d.Block), at, d.LookAt, d.Why)
		}
		at = d.LookAt
	}
	return at, "", false
}

func (f *Forecast) stopped(k *rotator.UpcomingKey, by Obstacle, from, until time.Time, why string) {
	f.collide(Collision{Provider: k.Provider, Obstacle: by, From: from, Until: until, Count: 1, Example: k.Credential(), Why: why})
}

// atKeyCap tells of a key for whose successor there is no room.
func (f *Forecast) atKeyCap(k *rotator.UpcomingKey, at time.Time) bool {
	a := f.facts.Accounts[k.Provider]
	if (a.KeysPerCredential == 0 || k.InSeries < a.KeysPerCredential) && (a.KeysPerUser == 0 || k.OfUser < a.KeysPerUser) {
		return false
	}
	f.stopped(k, string(rotator.BlockAtKeyCap), at, time.Time{},
		"there is no room for another active key; unless one of ours that was superseded can go, it waits for a person")
	return true
}

// extends reports whether the expiry is moved in place of a replacement.
func (f *Forecast) extends(k *rotator.UpcomingKey, p *rotator.Policy, reason rotator.Reason, at time.Time) bool {
	return f.facts.Accounts[k.Provider].Extends && p.Extend && reason == rotator.ReasonExpiring && k.Expires.After(at) && at.Add(p.Lifetime).After(k.Expires)
}

// Rotation adds a rotation that is open.
func (f *Forecast) Rotation(r rotator.Rotation, hold *rotator.Hold) {
	switch r.Blocked {
	case "", rotator.BlockHeld, rotator.BlockFrozen, rotator.BlockOutsideWindow, rotator.BlockAwaitingRemoval, rotator.BlockAwaitingSupply:
	default:
		f.collide(Collision{Provider: r.Provider, Obstacle: string(r.Blocked), From: f.facts.Now, Count: 1, Example: r.CredentialID, Why: r.Trouble})
		return
	}
	at := later(r.NextAt, f.facts.Now)
	if r.Stage.CallsProvider() {
		at = later(at, f.facts.Accounts[r.Provider].PausedUntil)
	}
	if !r.ExtendTo.IsZero() && (r.Stage == rotator.StagePlanned || r.Stage == rotator.StageExtending) {
		f.act(f.of(&r, Extend, at))
		return
	}
	f.course(&r, hold, r.Stage, at)
}

// course notes what a rotation does from a stage on, the first of it at the given time.
func (f *Forecast) course(r *rotator.Rotation, hold *rotator.Hold, stage rotator.Stage, at time.Time) {
	account := f.facts.Accounts[r.Provider]
	switch stage {
	case rotator.StagePlanned, rotator.StageMinting:
		if at = f.mayBegin(r, hold, at); at.IsZero() {
			return
		}
		if account.Supplied {
			f.act(f.of(r, Supply, at))
		} else {
			f.act(f.of(r, Mint, at))
		}
		fallthrough
	case rotator.StageMinted, rotator.StageTesting, rotator.StageDelivering:
		f.act(f.of(r, Deliver, at))
		fallthrough
	case rotator.StageConfirmed:
		if r.OldKey.ID == "" {
			return
		}
		f.graceEnds(r, hold, at.Add(r.Terms.Grace))
	case rotator.StageGrace:
		f.graceEnds(r, hold, r.GraceUntil)
	case rotator.StageDeactivating:
		f.retires(r, hold, at)
	case rotator.StageSoaking:
		f.revokes(r, hold, r.SoakUntil)
	case rotator.StageRevoking:
		f.revokes(r, hold, at)
	}
}

// mayBegin is when an open rotation may make its key; zero if that is not within the span.
func (f *Forecast) mayBegin(r *rotator.Rotation, hold *rotator.Hold, at time.Time) time.Time {
	return f.putOff(r, at, func(at time.Time) rotator.Verdict { return rotator.MayBegin(r, hold, f.facts.Freezes, at) })
}

func (f *Forecast) graceEnds(r *rotator.Rotation, hold *rotator.Hold, at time.Time) {
	f.act(f.of(r, GraceEnd, at))
	f.retires(r, hold, at)
}

// retires is what follows the grace period.
func (f *Forecast) retires(r *rotator.Rotation, hold *rotator.Hold, at time.Time) {
	if !f.facts.Accounts[r.Provider].Disables {
		f.revokes(r, hold, at)
		return
	}
	if at = f.mayRetire(r, hold, at); at.IsZero() {
		return
	}
	f.act(f.of(r, SwitchOff, at))
	f.revokes(r, hold, at.Add(r.Terms.Soak))
}

func (f *Forecast) revokes(r *rotator.Rotation, hold *rotator.Hold, at time.Time) {
	if at = f.mayRetire(r, hold, at); at.IsZero() {
		return
	}
	if f.facts.Accounts[r.Provider].RemovedByHand {
		f.act(f.of(r, Remove, at))
	} else {
		f.act(f.of(r, Revoke, at))
	}
}

// mayRetire is when hold, freezes and window let the old key go; zero if that is not within the span.
func (f *Forecast) mayRetire(r *rotator.Rotation, hold *rotator.Hold, at time.Time) time.Time {
	var window *rotator.Window
	if p := f.facts.Policies[r.Policy]; p != nil {
		window = p.Window
	}
	return f.putOff(r, at, func(at time.Time) rotator.Verdict {
		return rotator.PeopleAllow(r, rotator.Evidence{Now: at, Hold: hold, Freezes: f.facts.Freezes, Window: window})
	})
}

// putOff asks at one time after the other until the answer is yes.
func (f *Forecast) putOff(r *rotator.Rotation, at time.Time, ask func(time.Time) rotator.Verdict) time.Time {
	at = later(at, f.facts.Now)
	told := ""
	for range maxDetours {
		if !at.Before(f.facts.Until) {
			return time.Time{}
		}
		v := ask(at)
		if v.OK {
			return at
		}
		if !v.LookAt.After(at) {
			return time.Time{}
		}
		if v.Block != "" {
			c := Collision{Provider: r.Provider, Obstacle: string(v.Block), From: at, Until: v.LookAt, Count: 1, Example: r.CredentialID, Why: v.Why}
			if v.Why == told {
				c.Count = 0 // the same wait, looked at again
			}
			told = v.Why
			f.collide(c)
		}
		at = v.LookAt
	}
	return time.Time{}
}

func (f *Forecast) of(r *rotator.Rotation, kind Kind, at time.Time) Action {
	key := r.OldKey.Name
	if kind == Mint || kind == Supply || kind == Deliver {
		key = r.NewKey.Name
	}
	return Action{At: at, Kind: kind, Credential: r.CredentialID, Key: key, Rotation: r.ID}
}
