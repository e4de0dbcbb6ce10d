package web

import (
	"fmt"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// proof is one of the things that have to be true before an old key is revoked, as far as the journal knows.
type proof struct {
	Holds bool
	// What has to be true, Now how it is; At is the time that goes with it.
	What, Now string
	At        *moment
}

// proofsOf lists what stands for and against the end of the rotation's old key; nothing for a rotation that ends none. The
// engine asks the sinks and the provider again when it comes to it: this is what it found last.
func proofsOf(r *rotator.Rotation, series []rotator.TrackedKey, hold *rotator.Hold, now time.Time) []proof {
	if r.OldKey.ID == "" || !r.ExtendTo.IsZero() || r.Stage == rotator.StageAbandoning || r.Stage == rotator.StageReactivating {
		return nil
	}
	return []proof{signsIn(r), inSinks(r), graceOver(r, now), idle(r, series, now), notHeld(hold, now)}
}

// reached reports whether the rotation is at the stage or beyond it.
func reached(r *rotator.Rotation, stage rotator.Stage) bool {
	for _, s := range rotator.Stages() {
		switch s {
		case stage:
			return true
		case r.Stage:
			return false
		}
	}
	return false
}

func signsIn(r *rotator.Rotation) proof {
	p := proof{What: "The new key signs in at the provider", Holds: reached(r, rotator.StageDelivering) && r.Blocked != rotator.BlockNewKeyRefused}
	if !p.Holds {
		p.Now = r.Trouble
	}
	return p
}

func inSinks(r *rotator.Rotation) proof {
	p, confirmed := proof{What: "Every sink was read back and holds the new key"}, 0
	for _, s := range r.Sinks {
		if s.Confirmed() {
			confirmed++
		}
	}
	p.Now = fmt.Sprintf("%d of %d", confirmed, len(r.Sinks))
	p.Holds = confirmed == len(r.Sinks) && reached(r, rotator.StageConfirmed) && r.Blocked != rotator.BlockSinkMismatch
	return p
}

func graceOver(r *rotator.Rotation, now time.Time) proof {
	p := proof{What: "The grace period is over", At: at(r.GraceUntil, now), Holds: !r.GraceUntil.IsZero() && !now.Before(r.GraceUntil)}
	switch {
	case r.Reason == rotator.ReasonCompromised:
		return proof{What: "No grace period: the secret leaked", Holds: true}
	case r.GraceUntil.IsZero():
		p.Now = "it begins when the last sink is confirmed"
	case p.Holds:
		p.Now = "since"
	default:
		p.Now = "it ends"
	}
	return p
}

func idle(r *rotator.Rotation, series []rotator.TrackedKey, now time.Time) proof {
	p := proof{What: "Nobody uses the old key any more", Holds: r.Blocked != rotator.BlockOldKeyInUse && r.Blocked != rotator.BlockOldKeyUnclear}
	if r.Terms.Idle > 0 {
		p.What = "The old key was not used for " + span(r.Terms.Idle)
	}
	for i := range series {
		k := &series[i]
		if k.ID != r.OldKey.ID {
			continue
		}
		if k.LastUsed.IsZero() {
			p.Now = "the provider tells of no use"
			continue
		}
		p.Now, p.At = "last used", at(k.LastUsed, now)
		p.Holds = p.Holds && now.Sub(k.LastUsed) >= r.Terms.Idle
	}
	return p
}

func notHeld(hold *rotator.Hold, now time.Time) proof {
	if hold == nil {
		return proof{What: "No hold is in force", Holds: true}
	}
	return proof{What: "No hold is in force", Now: "held by " + hold.By + " until", At: at(hold.Until, now)}
}
