package rotator

import (
	"slices"
	"time"
)

// Standing is what alerts are made of, whatever the size of the fleet: what is late, what stands still and since when, by provider
// and policy, so that it reaches those whose keys they are. Finding it costs what is due and in motion, not what there is.
type Standing struct {
	// Renewals are about keys that are due and not replaced yet.
	Renewals []Renewal
	// Blocks are about rotations and due keys that do not go on by themselves.
	Blocks []Blockage
	// Steps are about rotations that nothing blocks, but for those whose time has to pass ([StageGrace] and [StageSoaking]).
	Steps []Pace
	// Holds are about the holds in force.
	Holds []HoldAge
}

// Renewal is about the keys of one policy at one provider that are due, and whose successor is not in every sink yet.
type Renewal struct {
	Provider, Policy string
	// Due counts them, Expired those among them that the provider accepts no more.
	Due, Expired int
	// Used is the largest part of its renewal window that one of them has used up: of the time from due to deadline, 1 and
	// more for a deadline that has passed.
	Used float64
}

// Blockage is a reason for which something of one policy at one provider does not go on.
type Blockage struct {
	Provider, Policy string
	Reason           BlockReason
	Count            int
	// Since is when the one began that has lasted the longest.
	Since time.Time
}

// Pace is a stage in which something of one policy at one provider is at work.
type Pace struct {
	Provider, Policy string
	Stage            Stage
	Count            int
	// Since is when the one came into the stage that has been there the longest.
	Since time.Time
}

// HoldAge is about the holds in force at one provider.
type HoldAge struct {
	Provider string
	Count    int
	// Since is when the oldest of them was placed; zero if none says so.
	Since time.Time
}

// Replaced reports whether, in that stage, every sink has the successor of the old key.
func (s Stage) Replaced() bool {
	switch s {
	case StageConfirmed, StageGrace, StageDeactivating, StageSoaking, StageReactivating, StageRevoking, StageDone:
		return true
	default:
		return false
	}
}

// AddDue counts a key of that policy and provider if it is due at now.
func (s *Standing) AddDue(provider, policy string, due, deadline, expires, now time.Time) {
	if policy == "" || due.IsZero() || deadline.IsZero() || now.Before(due) {
		return
	}
	i := slices.IndexFunc(s.Renewals, func(r Renewal) bool { return r.Provider == provider && r.Policy == policy })
	if i < 0 {
		i = len(s.Renewals)
		s.Renewals = append(s.Renewals, Renewal{Provider: provider, Policy: policy})
	}
	r := &s.Renewals[i]
	r.Due++
	r.Used = max(r.Used, usedUp(due, deadline, now))
	if !expires.IsZero() && !expires.After(now) {
		r.Expired++
	}
}

// usedUp is the part of a renewal window that is over at now. A window of no length is used up as it begins.
func usedUp(due, deadline, now time.Time) float64 {
	if !deadline.After(due) {
		return 1
	}
	return float64(now.Sub(due)) / float64(deadline.Sub(due))
}

// AddBlock counts something that does not go on.
func (s *Standing) AddBlock(provider, policy string, reason BlockReason, since time.Time) {
	i := slices.IndexFunc(s.Blocks, func(b Blockage) bool { return b.Provider == provider && b.Policy == policy && b.Reason == reason })
	if i < 0 {
		i = len(s.Blocks)
		s.Blocks = append(s.Blocks, Blockage{Provider: provider, Policy: policy, Reason: reason})
	}
	s.Blocks[i].Count++
	s.Blocks[i].Since = oldest(s.Blocks[i].Since, since)
}

// AddStep counts a rotation at work.
func (s *Standing) AddStep(provider, policy string, stage Stage, since time.Time) {
	i := slices.IndexFunc(s.Steps, func(p Pace) bool { return p.Provider == provider && p.Policy == policy && p.Stage == stage })
	if i < 0 {
		i = len(s.Steps)
		s.Steps = append(s.Steps, Pace{Provider: provider, Policy: policy, Stage: stage})
	}
	s.Steps[i].Count++
	s.Steps[i].Since = oldest(s.Steps[i].Since, since)
}

// oldest is the earlier of two times; a zero time says nothing.
func oldest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
