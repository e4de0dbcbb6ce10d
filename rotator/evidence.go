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
	// ReportsLastUse is [Limits.ReportsLastUse].
	ReportsLastUse bool
	// Hold on the credential in force now, or nil.
	Hold *Hold
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
	// Block and Why say what stands against it; LookAt when that may have changed.
	Block  BlockReason
	Why    string
	LookAt time.Time
}

// recheck is how often a block is looked at that nobody can say the end of.
const recheck = 5 * time.Minute

// inUseRecheck is how often the use of an old key is looked at. It cannot be idle before its idle time is over; to look
// earlier serves the page alone, and costs calls to the provider and to every sink.
const inUseRecheck = time.Hour

// MayRetire says whether the old key of r may be switched off or revoked, given evidence. It is pure, and it is asked at
// the call itself, not only when the call was planned.
//
// What the reason compromised sets aside: freeze, window, grace and idle time. What it does not: a hold, the read-back of
// every sink, and the proof that the new key works.
func MayRetire(r *Rotation, ev Evidence) Verdict {
	urgent := r.Reason == ReasonCompromised
	if v := sinksHold(ev); !v.OK {
		return v
	}
	if !ev.NewKeyWorks {
		return refuse(ev, BlockNewKeyRefused, "the new key, read back from a sink, does not authenticate: "+ev.NewKeyTrouble)
	}
	if v := newKeyListed(r, ev); !v.OK {
		return v
	}
	if ev.Hold != nil && ev.Hold.Until.After(ev.Now) {
		return Verdict{Block: BlockHeld, LookAt: ev.Hold.Until,
			Why: fmt.Sprintf("held by %s until %s: %s", ev.Hold.By, day(ev.Hold.Until), ev.Hold.Reason)}
	}
	if !urgent {
		if v := calendarAllows(r, ev); !v.OK {
			return v
		}
	}
	return oldKeysIdle(r, ev, urgent)
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
	if fr, ok := freezeAt(ev.Freezes, ev.Now); ok {
		return Verdict{Block: BlockFrozen, LookAt: fr.To, Why: fmt.Sprintf("frozen until %s: %s", day(fr.To), fr.Reason)}
	}
	if ev.Window != nil && !ev.Window.Contains(ev.Now) {
		opens := ev.Window.NextOpen(ev.Now)
		return Verdict{Block: BlockOutsideWindow, LookAt: opens, Why: "the policy's window opens " + opens.Format(time.RFC3339)}
	}
	return Verdict{OK: true}
}

func oldKeysIdle(r *Rotation, ev Evidence, urgent bool) Verdict {
	v := Verdict{OK: true, Why: "the old key is already gone"}
	for _, ref := range r.Retiring() {
		old, listed := findKey(ev.Keys, ref.ID)
		if !listed || old.State == KeyRevoked {
			continue
		}
		if refusal := oldKeyIdle(r, old, ev, urgent); !refusal.OK {
			return refusal
		}
		v.Retire, v.Why = append(v.Retire, old), ""
	}
	return v
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
