package rotator

import (
	"fmt"
	"strings"
	"time"
)

// Evidence is what was found, just now, before an old key is switched off or revoked (guarantee G3). Nothing in it is
// remembered from before.
type Evidence struct {
	Now time.Time
	// Sinks has one entry for each sink of the rotation.
	Sinks []SinkEvidence
	// NewKeyWorks is true when the copy read back from a sink authenticated; NewKeyTrouble says why not.
	NewKeyWorks   bool
	NewKeyTrouble string
	// Keys are all keys of the service user that the provider lists.
	Keys []Key
	// OwnKey is true while the daemon itself signs in as this user with another key than the new one.
	OwnKey bool
	// Skew is how far the provider's clock is ahead of ours; zero if it is not known.
	Skew time.Duration
	// ReportsLastUse is [Limits.ReportsLastUse].
	ReportsLastUse bool
	// Propagation is [Limits.Propagation].
	Propagation time.Duration
	// Hold on the credential in force now, or nil.
	Hold *Hold
	// Hooks are the runs of hooks for the rotation.
	Hooks []HookRun
	// Freezes of the calendar.
	Freezes []Freeze
	// Window of the policy as it is configured now; nil for always.
	Window *Window
}

// SinkEvidence is what one sink holds now.
type SinkEvidence struct {
	Sink string
	// Matches is true when the secret that a consumer reads there has the rotation's fingerprint.
	Matches bool
	// Trouble says why not; Block is the reason that a person sees.
	Trouble string
	Block   BlockReason
}

// Verdict answers "may I".
type Verdict struct {
	OK bool
	// Retire are the keys that may go: the old one, and those that were given up on the way. Empty with OK means that they
	// are gone already.
	Retire []Key
	// Unlisted is true while a key that is to go is not listed, and not for long enough to take it for gone.
	Unlisted bool
	// Block and Why say what stands against it; LookAt when that may have changed.
	Block  BlockReason
	Why    string
	LookAt time.Time
}

// recheck is how often a block is looked at that nobody can say the end of.
const recheck = 5 * time.Minute

// recheckClock is the same for a clock that is wrong. That can be said to be over, and whoever sees it has everything looked at again
// at once; in between, a clock that jumped ahead makes a whole fleet due.
const recheckClock = time.Hour

// inUseRecheck is how often the use of an old key is looked at. It cannot be idle before its idle time is over; to look
// earlier serves the page alone, and costs calls to the provider and to every sink.
const inUseRecheck = time.Hour

// MayRetire says whether the old key of r may be switched off or revoked, given evidence. It is pure, and it is asked at
// the call itself, not only when the call was planned.
//
// What the reason compromised sets aside: freeze, window, grace and idle time, and hooks that the policy requires. What it does not: a hold, the read-back of
// every sink, and the proof that the new key works.
func MayRetire(r *Rotation, ev Evidence) Verdict {
	urgent := r.Reason == ReasonCompromised
	if v, is := overtaken(r, ev); is {
		return v
	}
	if v := sinksHold(ev); !v.OK {
		return v
	}
	if !ev.NewKeyWorks {
		return refuse(ev, BlockNewKeyRefused, "the new key, read back from a sink, does not authenticate: "+ev.NewKeyTrouble)
	}
	if v := newKeyListed(r, ev); !v.OK {
		return v
	}
	if v := PeopleAllow(r, ev); !v.OK {
		return v
	}
	if ev.OwnKey {
		return refuse(ev, BlockOwnKey, "the daemon itself still signs in as this service user with another key than the new one: "+
			"give it the new one (point its api_key_file at the sink's file, or replace what is in it) and reload")
	}
	if v := ClockAgrees(r, ev.Skew, ev.Now); !v.OK {
		return v
	}
	return oldKeysIdle(r, ev, urgent)
}

// maxSkew is the difference between two clocks that is still taken for theirs and not for a clock that is wrong.
const maxSkew = 5 * time.Minute

// ClockAgrees says whether a rotation may go by dates. What a person asked for goes on whatever the clock says.
func ClockAgrees(r *Rotation, skew time.Duration, now time.Time) Verdict {
	if !ClockWrong(skew) || r.Reason == ReasonCompromised || r.Reason == ReasonManual && r.Stage == StagePlanned {
		return Verdict{OK: true}
	}
	return Verdict{Block: BlockClockSkew, LookAt: now.Add(recheckClock), Why: "nothing can be told by dates: " + SkewInWords(skew)}
}

// ClockWrong reports whether the provider's clock is so far ahead of ours, or behind it, that nothing can be told by dates.
func ClockWrong(skew time.Duration) bool { return skew.Abs() > maxSkew }

// SkewInWords says of a skew what is wrong and what to do.
func SkewInWords(skew time.Duration) string {
	way := "behind"
	if skew < 0 {
		way = "ahead of"
	}
	return fmt.Sprintf("this machine's clock is %s %s the provider's; set it right (is NTP running?)", skew.Abs().Round(time.Second), way)
}

// PeopleAllow is the part of [MayRetire] that needs no call: hold, grace, required hooks, freeze and window. Asked beforehand, it spares
// the provider and the sinks a question whose answer would not matter.
func PeopleAllow(r *Rotation, ev Evidence) Verdict {
	if v := notHeld(ev.Hold, ev.Now); !v.OK || r.Reason == ReasonCompromised {
		return v
	}
	return calendarAllows(r, ev)
}

// MayBegin says whether a rotation that was planned may make its key now: a hold or a freeze may have come since. What a
// person asked for heeds no freeze, and a freeze may make room for keys near their deadline.
func MayBegin(r *Rotation, hold *Hold, freezes []Freeze, now time.Time) Verdict {
	if v := notHeld(hold, now); !v.OK {
		return v
	}
	fr, ok := freezeAt(freezes, now)
	asked := r.Reason == ReasonManual || r.Reason == ReasonCompromised
	if !ok || asked || fr.lets(r.Deadline, now) {
		return Verdict{OK: true}
	}
	return frozenUntil(fr, now)
}

// MayClear says whether a key may be revoked now to make room for the rotation's new one.
func MayClear(r *Rotation, freezes []Freeze, now time.Time) Verdict {
	if fr, ok := freezeAt(freezes, now); ok && r.Reason != ReasonCompromised {
		return frozenUntil(fr, now)
	}
	return Verdict{OK: true}
}

// calendarRecheck is when a rotation is looked at that waits for a date, at the latest: an operator may have moved the
// date in the very moment that the old one was noted.
const calendarRecheck = 24 * time.Hour

func notHeld(h *Hold, now time.Time) Verdict {
	if h == nil || !h.Until.After(now) {
		return Verdict{OK: true}
	}
	return Verdict{Block: BlockHeld, LookAt: earlier(h.Until, now.Add(calendarRecheck)),
		Why: fmt.Sprintf("held by %s until %s: %s", h.By, day(h.Until), h.Reason)}
}

func frozenUntil(fr Freeze, now time.Time) Verdict {
	return Verdict{Block: BlockFrozen, LookAt: earlier(fr.To, now.Add(calendarRecheck)), Why: fmt.Sprintf("frozen until %s: %s", day(fr.To), fr.Reason)}
}

func refuse(ev Evidence, b BlockReason, why string) Verdict {
	return Verdict{Block: b, Why: why, LookAt: ev.Now.Add(recheck)}
}

func sinksHold(ev Evidence) Verdict {
	if len(ev.Sinks) == 0 {
		return refuse(ev, BlockSinkUnknown, "the rotation has no sink: nobody could have the new key")
	}
	for _, s := range ev.Sinks {
		if !s.Matches {
			return refuse(ev, s.Block, "sink "+s.Sink+": "+s.Trouble)
		}
	}
	return Verdict{OK: true}
}

// newKeyListed is guarantee G4: the old key is never the last one.
func newKeyListed(r *Rotation, ev Evidence) Verdict {
	for _, k := range ev.Keys {
		if k.ID == r.NewKey.ID && k.State == KeyActive {
			return Verdict{OK: true}
		}
	}
	return refuse(ev, BlockLastKey, fmt.Sprintf("the provider does not list the new key %s (id %s) as active", r.NewKey.Name, r.NewKey.ID))
}

func calendarAllows(r *Rotation, ev Evidence) Verdict {
	if ev.Now.Before(r.GraceUntil) {
		return Verdict{Why: "the grace period lasts until " + day(r.GraceUntil), LookAt: r.GraceUntil}
	}
	if v := hooksDone(r, ev); !v.OK {
		return v
	}
	if fr, ok := freezeAt(ev.Freezes, ev.Now); ok {
		return frozenUntil(fr, ev.Now)
	}
	if ev.Window != nil && !ev.Window.Contains(ev.Now) {
		opens := ev.Window.NextOpen(ev.Now)
		return Verdict{Block: BlockOutsideWindow, LookAt: earlier(opens, ev.Now.Add(calendarRecheck)), Why: "the policy's window opens " + opens.Format(time.RFC3339)}
	}
	return Verdict{OK: true}
}

// hooksDone says whether every consumer that the policy requires was told of the new key.
func hooksDone(r *Rotation, ev Evidence) Verdict {
	for i := range ev.Hooks {
		h := &ev.Hooks[i]
		if !h.Required || h.Ended() || h.Version != r.Version {
			continue
		}
		why := "hook " + h.Hook + " has not told its consumers of the new key yet"
		if h.Trouble != "" {
			why = "hook " + h.Hook + " could not tell its consumers of the new key: " + h.Trouble
		}
		return Verdict{Block: BlockHookFailing, Why: why, LookAt: ev.Now.Add(hookRecheck(ev.Now.Sub(h.At)))}
	}
	return Verdict{OK: true}
}

// hookRecheck is when a rotation looks again that has waited for a hook for so long. Where another replica makes the call, nothing wakes
// the rotation when it has succeeded: so soon at first, and ever more rarely.
func hookRecheck(waited time.Duration) time.Duration {
	return min(recheck, max(time.Second, waited.Abs()/4))
}

func oldKeysIdle(r *Rotation, ev Evidence, urgent bool) Verdict {
	v := Verdict{OK: true, Why: "the old key is already gone"}
	for _, ref := range r.Retiring() {
		if ref.ID == r.NewKey.ID {
			return refuse(ev, BlockLastKey, fmt.Sprintf("key %s (id %s) is to be revoked and is the new key itself", ref.Name, ref.ID))
		}
		old, listed := findKey(ev.Keys, ref.ID)
		if !listed && !r.unlistedForGood(ev) {
			return Verdict{Unlisted: true, LookAt: ev.Now.Add(max(ev.Propagation, time.Second)), Why: fmt.Sprintf(
				"the provider does not list the old key %s (id %s); if it still does not after %s it is taken for gone", ref.Name, ref.ID, ev.Propagation)}
		}
		if !listed || old.State.Refused() {
			continue
		}
		if refusal := oldKeyIdle(r, old, ev, urgent); !refusal.OK {
			return refusal
		}
		v.Retire, v.Why = append(v.Retire, old), ""
	}
	return v
}

// unlistedForGood reports whether a key that is not listed has been so for the provider's propagation time: a list that
// leaves a key out for a moment is no proof that it is gone.
func (r *Rotation) unlistedForGood(ev Evidence) bool {
	return !r.OldUnlistedSince.IsZero() && ev.Now.Sub(r.OldUnlistedSince) >= ev.Propagation
}

func oldKeyIdle(r *Rotation, old Key, ev Evidence, urgent bool) Verdict {
	if old.State == KeyOther {
		return refuse(ev, BlockOldKeyUnclear, "the provider gives the old key a state that rotatord does not know; revoke it by hand if that is right")
	}
	if urgent || !ev.ReportsLastUse || old.LastUsed.IsZero() || r.Terms.Idle == 0 {
		return Verdict{OK: true}
	}
	if idleAt := old.LastUsed.Add(r.Terms.Idle); idleAt.After(ev.Now) {
		v := refuse(ev, BlockOldKeyInUse, fmt.Sprintf("the old key %s was used at %s and must be idle for %s; move its consumers to the new key",
			strings.TrimSpace(old.Name+" (id "+old.ID+")"), day(old.LastUsed), r.Terms.Idle))
		v.LookAt = earlier(ev.Now.Add(inUseRecheck), idleAt)
		return v
	}
	return Verdict{OK: true}
}

func findKey(keys []Key, id string) (Key, bool) {
	for _, k := range keys {
		if k.ID == id {
			return k, true
		}
	}
	return Key{}, false
}
