package rotator

import (
	"fmt"
	"slices"
	"time"
)

// Facts are all that a decision about one due key is made from.
type Facts struct {
	// Key is the key that is up for a look.
	Key TrackedKey
	// Series holds every key of the credential, Key included, in any order.
	Series []TrackedKey
	// UserActive is false when the provider says that the user cannot sign in.
	UserActive bool
	// Policy selects the key; nil for none.
	Policy *Policy
	// Rotating is true while the credential has an open rotation.
	Rotating bool
	// Hold is in force on the credential, or nil.
	Hold *Hold
	// Freezes of the calendar.
	Freezes []Freeze
	// Skew is how far the provider's clock is ahead of ours; zero if it is not known.
	Skew time.Duration
	// RetryAt is when the key may be tried again after a rotation that was abandoned; zero for at once.
	RetryAt time.Time
	// Budget is how many more rotations the blast-radius cap lets the provider start now.
	Budget int
}

// Action says what to do about a key.
type Action string

// The actions.
const (
	// ActRotate: plan a rotation now.
	ActRotate Action = "rotate"
	// ActWait: look again at a time.
	ActWait Action = "wait"
	// ActIgnore: nothing about the key can become due by itself.
	ActIgnore Action = "ignore"
)

// Decision is the outcome for one key.
type Decision struct {
	Action Action
	// Reason of the rotation, for ActRotate.
	Reason Reason
	// Block says what stops a key that is due; empty when it simply is not due.
	Block BlockReason
	// LookAt is when to look again; zero for never.
	LookAt time.Time
	// Why says it in words.
	Why string
}

// check looks at one aspect and answers true if that settles the matter.
type check func(f *Facts, now time.Time) (Decision, bool)

// checks run in this order; the first that settles the matter wins, so the order is part of the contract: what makes a
// key not ours to rotate, then what makes it not due, then what stops a due one.
var checks = []check{
	unmanaged, inactive, userInactive, rotating, superseded, noDeadline, notDue, wrongClock, failedBefore, observedOnly, held, frozen, outsideWindow, overCap,
}

// Decide says what to do about one key now. It is pure.
func Decide(f Facts, now time.Time) Decision {
	for _, c := range checks {
		if d, settled := c(&f, now); settled {
			return d
		}
	}
	reason := ReasonExpiring
	if f.Key.Expires.IsZero() || f.Key.Deadline.Before(f.Key.Expires) {
		reason = ReasonMaxAge
	}
	return Decision{Action: ActRotate, Reason: reason,
		Why: fmt.Sprintf("the deadline %s is within %s", day(f.Key.Deadline), f.Policy.RenewBefore)}
}

func ignore(why string) (Decision, bool) { return Decision{Action: ActIgnore, Why: why}, true }

func wait(b BlockReason, until time.Time, why string) (Decision, bool) {
	return Decision{Action: ActWait, Block: b, LookAt: until, Why: why}, true
}

// elsewhereRecheck is when a key is looked at again that something outside of it stops, at the latest: what changes there
// changes nothing about the key, so nothing else would bring it back.
const elsewhereRecheck = time.Hour

// elsewhere waits for such a thing; for a key with little time left, less long.
func elsewhere(f *Facts, now time.Time, why string) (Decision, bool) {
	in := elsewhereRecheck
	if left := f.Key.Deadline.Sub(now); left > 0 {
		in = min(in, max(left/10, time.Second))
	}
	return wait("", now.Add(in), why)
}

// asideRecheck is how often a key is looked at whose credential has a better one, or is about to: what ends that (a rotation is over, a
// scan finds the better key gone) wakes it at once, and this is for a wake-up that was lost.
const asideRecheck = 24 * time.Hour

// aside is elsewhere for such a key. Once its time is over it is looked at as often as any other.
func aside(f *Facts, now time.Time, why string) (Decision, bool) {
	left := f.Key.Deadline.Sub(now)
	if left <= 0 {
		return elsewhere(f, now, why)
	}
	return wait("", now.Add(min(asideRecheck, max(left/10, time.Second))), why)
}

// unmanaged tells a key that no policy selects from one whose policy is gone since the last scan: the next scan finds
// the policy that selects it now.
func unmanaged(f *Facts, now time.Time) (Decision, bool) {
	switch {
	case f.Policy != nil:
		return Decision{}, false
	case f.Key.Policy != "":
		return elsewhere(f, now, "its policy "+f.Key.Policy+" is gone; the next scan looks for another")
	default:
		return ignore("no policy selects it")
	}
}

// inactive ignores what the next scan brings back when it changes.
func inactive(f *Facts, now time.Time) (Decision, bool) {
	if !f.Key.MissingSince.IsZero() {
		return ignore("the provider has not listed it since " + day(f.Key.MissingSince))
	}
	if f.Key.State == KeyExpired || f.Key.State == KeyActive && !f.Key.Expires.IsZero() && !f.Key.Expires.After(now) {
		return expired(f, now)
	}
	if f.Key.State != KeyActive {
		return ignore("the key is " + string(f.Key.State))
	}
	return Decision{}, false
}

// expired lets a key that has just expired be replaced all the same: the daemon may have been away. One that expired longer
// ago than its policy would have begun to replace it was left to expire, by somebody or by everybody. Where that goes by our clock
// alone, which may be wrong without anybody knowing yet, the key is looked at again.
func expired(f *Facts, now time.Time) (Decision, bool) {
	if d, replaced := superseded(f, now); replaced {
		return d, true
	}
	if d, off := userInactive(f, now); off {
		return d, true
	}
	if d, wrong := wrongClock(f, now); wrong {
		return d, true
	}
	if f.Policy != nil && now.Sub(f.Key.Expires) <= f.Policy.RenewBefore {
		return Decision{}, false
	}
	why := "it expired at " + day(f.Key.Expires) + ", and nobody has needed another since; rotatord rotate makes one"
	if f.Key.State == KeyActive {
		return wait("", now.Add(asideRecheck), why)
	}
	return ignore(why)
}

func userInactive(f *Facts, now time.Time) (Decision, bool) {
	if !f.UserActive {
		return elsewhere(f, now, "its service user is inactive")
	}
	return Decision{}, false
}

func rotating(f *Facts, now time.Time) (Decision, bool) {
	if f.Rotating {
		return aside(f, now, "its rotation is under way")
	}
	return Decision{}, false
}

func superseded(f *Facts, now time.Time) (Decision, bool) {
	for _, other := range f.Series {
		if other.ID != f.Key.ID && other.State == KeyActive && other.MissingSince.IsZero() && other.Newer(f.Key) {
			if f.Key.State == KeyExpired {
				return ignore("it has expired, and key " + other.Name + " supersedes it")
			}
			return aside(f, now, "key "+other.Name+" supersedes it")
		}
	}
	return Decision{}, false
}

func noDeadline(f *Facts, _ time.Time) (Decision, bool) {
	if f.Key.Deadline.IsZero() {
		return ignore("it never expires and the policy sets no max_age")
	}
	return Decision{}, false
}

func notDue(f *Facts, now time.Time) (Decision, bool) {
	if f.Key.Due.After(now) {
		return Decision{Action: ActWait, LookAt: f.Key.Due, Why: "not due before " + day(f.Key.Due)}, true
	}
	return Decision{}, false
}

// wrongClock stops what is due by a clock that is wrong: a clock that jumped ahead makes everything due.
func wrongClock(f *Facts, now time.Time) (Decision, bool) {
	if !ClockWrong(f.Skew) {
		return Decision{}, false
	}
	return wait(BlockClockSkew, now.Add(recheckClock), "whether it is due cannot be told: "+SkewInWords(f.Skew))
}

// failedBefore spaces rotations that make keys of no use: each costs the provider a key.
func failedBefore(f *Facts, now time.Time) (Decision, bool) {
	if !f.RetryAt.After(now) {
		return Decision{}, false
	}
	return wait(BlockRotationFailed, f.RetryAt, f.Key.WaitingWhy)
}

// RetryAbandoned is how long a key is left alone after its n-th rotation in a row was abandoned: half an hour, and twice as
// long after each further one, at most twelve hours.
func RetryAbandoned(n int) time.Duration {
	const first, most = 30 * time.Minute, 12 * time.Hour
	return min(most, first<<min(max(n-1, 0), 10))
}

// observedOnly tells of a due key whose policy rotates nothing.
func observedOnly(f *Facts, now time.Time) (Decision, bool) {
	if !f.Policy.Observe {
		return Decision{}, false
	}
	return wait(BlockObserveOnly, now.Add(elsewhereRecheck), fmt.Sprintf("it is due since %s, for its deadline %s, and policy %s only observes: replace it by hand, "+
		"or let the policy rotate it", day(f.Key.Due), day(f.Key.Deadline), f.Policy.Name))
}

func held(f *Facts, now time.Time) (Decision, bool) {
	if f.Hold != nil && f.Hold.Until.After(now) {
		return wait(BlockHeld, f.Hold.Until, fmt.Sprintf("held by %s until %s: %s", f.Hold.By, day(f.Hold.Until), f.Hold.Reason))
	}
	return Decision{}, false
}

func frozen(f *Facts, now time.Time) (Decision, bool) {
	fr, ok := freezeAt(f.Freezes, now)
	if !ok || fr.lets(f.Key.Deadline, now) {
		return Decision{}, false
	}
	until := fr.To
	if fr.UnlessExpiresWithin > 0 {
		until = earlier(until, f.Key.Deadline.Add(-fr.UnlessExpiresWithin))
	}
	return wait(BlockFrozen, until, fmt.Sprintf("frozen until %s: %s", day(fr.To), fr.Reason))
}

// outsideWindow lets a key go ahead whose deadline would pass before the window opens again: a window says when it is
// convenient, not that a key may expire.
func outsideWindow(f *Facts, now time.Time) (Decision, bool) {
	if f.Policy.Window == nil || f.Policy.Window.Contains(now) {
		return Decision{}, false
	}
	opens := f.Policy.Window.NextOpen(now)
	if !opens.Before(f.Key.Deadline) {
		return Decision{}, false
	}
	return wait(BlockOutsideWindow, opens, "the policy's window opens "+opens.Format(time.RFC3339))
}

// capRecheck is how often a key that waits for approval is looked at; an approval itself looks at once.
const capRecheck = time.Hour

func overCap(f *Facts, now time.Time) (Decision, bool) {
	if f.Budget > 0 {
		return Decision{}, false
	}
	return wait(BlockAwaitingApproval, now.Add(capRecheck),
		"more rotations are due at once than max_share_per_scan allows; approve them with: rotatord approve "+f.Key.Provider)
}

// Budget is the blast-radius cap: how many rotations a provider may start now. due counts the keys that are up for a
// look, started those begun since the last scan began. When more are due than the share allows, none starts until a
// person approves: a wrong clock or a wrong policy shows itself in numbers.
func Budget(l CapLimits, s ProviderState, due, started int, now time.Time) int {
	if Spare(l, s, due, started) >= 0 {
		return due
	}
	if now.Before(s.ApprovedUntil) {
		return s.Approved
	}
	return 0
}

// Spare is how many rotations may start beside those that are due before the blast-radius cap asks a person; negative once it does.
func Spare(l CapLimits, s ProviderState, due, started int) int {
	return max(l.AlwaysAllowed, int(l.MaxShare*float64(s.Managed))) - due - started
}

// CapLimits are the settings of the blast-radius cap.
type CapLimits struct {
	// MaxShare is the part of the managed keys, from 0 to 1, that may start rotating in the time between two scans.
	MaxShare float64
	// AlwaysAllowed is the number that never needs an approval, so that small fleets are not asked about every key.
	AlwaysAllowed int
}

// FrozenAt returns the freeze that now lies in, if any.
func FrozenAt(freezes []Freeze, now time.Time) (Freeze, bool) { return freezeAt(freezes, now) }

func freezeAt(freezes []Freeze, now time.Time) (Freeze, bool) {
	i := slices.IndexFunc(freezes, func(f Freeze) bool { return f.Contains(now) })
	if i < 0 {
		return Freeze{}, false
	}
	return freezes[i], true
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// day prints a time for people: minutes are enough, and always UTC.
func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }
