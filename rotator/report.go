package rotator

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Class is the one thing that a report says of every key.
type Class string

// The classes, in the order in which they are looked for: a key is of the first that fits.
const (
	// ClassGone: the provider revoked the key, or no longer lists it.
	ClassGone Class = "gone"
	// ClassExpired: its expiry has passed. Nothing brings it back, so it is expired even where the provider also disabled it.
	ClassExpired Class = "expired"
	// ClassInactive: the provider disabled it, or gives it a state that rotatord does not know.
	ClassInactive Class = "inactive"
	// ClassOrphaned: it works and nobody has its secret, which was lost before it could be sealed.
	ClassOrphaned Class = "orphaned"
	// ClassUnmanaged: it works and no policy selects it. A hold on it changes nothing, because nothing would touch it.
	ClassUnmanaged Class = "unmanaged"
	// ClassHeld: a policy selects it, and an operator's hold is in force.
	ClassHeld Class = "held"
	// ClassManaged: a policy selects it.
	ClassManaged Class = "managed"
)

// Classes lists every class, in the order in which they are looked for.
func Classes() []Class {
	return []Class{ClassGone, ClassExpired, ClassInactive, ClassOrphaned, ClassUnmanaged, ClassHeld, ClassManaged}
}

// Works reports whether the provider accepts keys of the class.
func (c Class) Works() bool {
	return c != ClassGone && c != ClassExpired && c != ClassInactive
}

// FindingKind is what a report has to say against a key. The list is closed: it is a metric's label.
type FindingKind string

// The kinds of findings. All but [FindingNotMoving] are about keys that work.
const (
	// FindingNoExpiry: the key never expires, and no policy gives it a greatest age.
	FindingNoExpiry FindingKind = "no_expiry"
	// FindingTooOld: it is older than its policy allows, and still works.
	FindingTooOld FindingKind = "too_old"
	// FindingUnused: it was last used longer ago than the report's threshold.
	FindingUnused FindingKind = "unused"
	// FindingNeverUsed: it was never used, and is older than [freshKey].
	FindingNeverUsed FindingKind = "never_used"
	// FindingInactiveUser: its service user cannot sign in.
	FindingInactiveUser FindingKind = "inactive_user"
	// FindingUnknownUser: the last complete scan did not show its user: it belongs to a person, to another tool, or to a user
	// that was deleted.
	FindingUnknownUser FindingKind = "unknown_user"
	// FindingSuperseded: its policy has a newer key of the credential to rotate, and no rotation removes this one: somebody made the newer one,
	// or an older journal forgot that it had.
	FindingSuperseded FindingKind = "superseded"
	// FindingObserved: its policy only observes, so nothing rotates it.
	FindingObserved FindingKind = "observe_only"
	// FindingNotMoving: it is due, or its rotation has begun, and it does not go on.
	FindingNotMoving FindingKind = "not_moving"
)

// Findings lists every kind, in the order in which [Classify] returns them.
func Findings() []FindingKind {
	return []FindingKind{FindingNoExpiry, FindingTooOld, FindingUnused, FindingNeverUsed, FindingInactiveUser, FindingUnknownUser,
		FindingSuperseded, FindingObserved, FindingNotMoving}
}

// Finding is something that a report has to say against a key.
type Finding struct {
	Kind FindingKind
	// Why says it in words, with the times and names that make it so.
	Why string
}

// ReportLimits are the settings of a report.
type ReportLimits struct {
	// UnusedFor is since when a key must not have been used to count as unused; zero is [DefaultUnusedFor].
	UnusedFor time.Duration
}

// DefaultUnusedFor is how long a key may lie unused before a report says so.
const DefaultUnusedFor = 90 * 24 * time.Hour

const (
	// freshKey is how long a key may be unused after it was made before that is worth a word: its consumers have to pick it
	// up first.
	freshKey = 24 * time.Hour
	// planPatience is how long after it came due a key may have neither a rotation nor a reason for having none: it takes the
	// daemon a look to decide.
	planPatience = time.Hour
)

// KeySettings is what the configuration in force says of a key, by the names of its provider and its policy. The zero
// settings are those of a provider and a policy that are not configured.
type KeySettings struct {
	// Labels are the provider's and the policy's; the policy's win.
	Labels map[string]string
	// ReportsLastUse is the provider's [Limits.ReportsLastUse].
	ReportsLastUse bool
	// Observed is the policy's [Policy.Observe].
	Observed bool
}

// KeyFacts is a key with all that belongs to it.
type KeyFacts struct {
	Key TrackedKey
	// User is the key's user as a scan showed it last; only its ID is set if none ever did. UserListed is false for a user
	// that the last complete scan did not show.
	User       ServiceUser
	UserListed bool
	// Hold in force on the credential, or nil.
	Hold *Hold
	// Orphan is true for a key under a name that the daemon intended and never sealed: see [Counts.Orphans].
	Orphan bool
	// Newer is an active key of the credential that supersedes a managed one, as [TrackedKey.Newer] has it; empty for none.
	Newer KeyRef
	// Open is the credential's open rotation, Last the one that ended last; nil for none.
	Open, Last *RotationNote
	// Evidence is where, and when, the daemon read back this very key: the confirmed sinks of the rotation that made it.
	Evidence []Confirmation
	// Settings is for the caller to fill in: the journal does not know the configuration.
	Settings KeySettings
}

// RotationNote is what a report says of a rotation.
type RotationNote struct {
	ID    string
	Stage Stage
	// At is since when it is in that stage.
	At time.Time
	// Blocked says why an open rotation does not go on by itself.
	Blocked BlockReason
	// Why says what stands against an open rotation, or how one that ended did.
	Why string
	// Retires are the ids of the keys that it revokes in the end; empty for a first key.
	Retires []string
}

// Confirmation is one sink that was read back and held a key.
type Confirmation struct {
	Sink     string
	Location string
	At       time.Time
}

// KeyQuery selects keys for a report.
type KeyQuery struct {
	// Provider and Policy are exact names; empty for any.
	Provider, Policy string
	// Classes are those wanted; empty for all.
	Classes []Class
	// After is where to go on: keys up to and including this one are left out. Its provider may be one without keys.
	After KeyCursor
	// Limit ends the list after so many keys; 0 for no end.
	Limit int
	// Brief leaves [KeyFacts.Last] and [KeyFacts.Evidence] out, which are the dearest to find and which no finding needs.
	Brief bool
}

// Wants reports whether the key is of a class that the query selects.
func (q *KeyQuery) Wants(f *KeyFacts, now time.Time) bool {
	return len(q.Classes) == 0 || slices.Contains(q.Classes, ClassOf(f, now))
}

// KeyCursor is a place in the list of all keys, which is ordered by provider and id. It stays good whatever comes and
// goes.
type KeyCursor struct {
	Provider, ID string
}

// Classify says of what class a key is and what there is to say against it. It is pure, and knows an answer for every
// key: exactly one of [Classes], and each of [Findings] at most once, in their order.
func Classify(f KeyFacts, now time.Time, l ReportLimits) (Class, []Finding) {
	class := ClassOf(&f, now)
	if l.UnusedFor <= 0 {
		l.UnusedFor = DefaultUnusedFor
	}
	var found []Finding
	note := func(kind FindingKind, why string) {
		if why != "" {
			found = append(found, Finding{Kind: kind, Why: why})
		}
	}
	if class.Works() {
		note(FindingNoExpiry, noExpiry(&f.Key))
		note(FindingTooOld, tooOld(&f.Key, now))
		note(FindingUnused, unused(&f, now, l.UnusedFor))
		note(FindingNeverUsed, neverUsed(&f, now))
		note(FindingInactiveUser, userCannotSignIn(&f))
		note(FindingUnknownUser, userUnknown(&f))
		note(FindingSuperseded, leftBehind(&f))
		note(FindingObserved, observed(&f))
	}
	note(FindingNotMoving, notMoving(&f, class, now))
	return class, found
}

// ClassOf is the first result of [Classify], which needs no settings.
func ClassOf(f *KeyFacts, now time.Time) Class {
	k := &f.Key
	switch {
	case !k.MissingSince.IsZero(), k.State == KeyRevoked:
		return ClassGone
	case k.State == KeyExpired, !k.Expires.IsZero() && !k.Expires.After(now):
		return ClassExpired
	case k.State != KeyActive:
		return ClassInactive
	case f.Orphan && k.LastUsed.IsZero():
		return ClassOrphaned
	case k.Policy == "":
		return ClassUnmanaged
	case f.Hold != nil && f.Hold.Until.After(now):
		return ClassHeld
	default:
		return ClassManaged
	}
}

func noExpiry(k *TrackedKey) string {
	switch {
	case !k.Expires.IsZero() || !k.Deadline.IsZero():
		return ""
	case k.Policy == "":
		return "it never expires, and no policy selects it"
	default:
		return "it never expires, and policy " + k.Policy + " gives it no age: set max_age"
	}
}

// tooOld leaves out keys whose deadline is their expiry: those are expired.
func tooOld(k *TrackedKey, now time.Time) string {
	if k.Deadline.IsZero() || k.Deadline.After(now) {
		return ""
	}
	return fmt.Sprintf("by policy %s it had to be gone by %s, %s ago", k.Policy, day(k.Deadline), days(now.Sub(k.Deadline)))
}

func unused(f *KeyFacts, now time.Time, threshold time.Duration) string {
	if !f.Settings.ReportsLastUse || f.Key.LastUsed.IsZero() {
		return ""
	}
	idle := now.Sub(f.Key.LastUsed)
	if idle < threshold {
		return ""
	}
	return fmt.Sprintf("it was last used %s, %s ago", day(f.Key.LastUsed), days(idle))
}

func neverUsed(f *KeyFacts, now time.Time) string {
	switch k := &f.Key; {
	case !f.Settings.ReportsLastUse || !k.LastUsed.IsZero():
		return ""
	case k.Created.IsZero():
		return "it was never used"
	case now.Sub(k.Created) < freshKey:
		return ""
	default:
		return "it was never used in the " + days(now.Sub(k.Created)) + " since it was made"
	}
}

func userCannotSignIn(f *KeyFacts) string {
	if !f.UserListed || f.User.Active {
		return ""
	}
	return "the provider says that its service user cannot sign in"
}

func userUnknown(f *KeyFacts) string {
	if f.UserListed {
		return ""
	}
	return "the last complete scan did not show user " + f.Key.UserID
}

// leftBehind leaves out keys that a rotation is about to remove.
func leftBehind(f *KeyFacts) string {
	if f.Newer.ID == "" || f.Key.Policy == "" || f.Open != nil && f.Open.concerns(f.Key.ID) {
		return ""
	}
	return fmt.Sprintf("key %s (id %s) has taken its place, and no rotation removes this one: if nobody uses it, revoke it at the provider", f.Newer.Name, f.Newer.ID)
}

func observed(f *KeyFacts) string {
	if f.Key.Policy == "" || !f.Settings.Observed && f.Key.Waiting != BlockObserveOnly {
		return ""
	}
	return "policy " + f.Key.Policy + " only observes: nobody rotates it"
}

// notMoving says why a key that has to go stays. What stops its rotation says more than what stopped the key before.
func notMoving(f *KeyFacts, class Class, now time.Time) string {
	k := &f.Key
	if o := f.Open; o != nil && o.concerns(k.ID) {
		if o.Blocked == "" {
			return ""
		}
		return fmt.Sprintf("its rotation %s is blocked in %s (%s): %s", o.ID, o.Stage, o.Blocked, o.Why)
	}
	switch due := !k.Due.IsZero() && !k.Due.After(now); {
	case class == ClassGone || class == ClassInactive || k.Policy == "":
		return ""
	case k.Waiting != "":
		return fmt.Sprintf("it is due and waits (%s): %s", k.Waiting, k.WaitingWhy)
	case !due || f.Open != nil || k.Due.Add(planPatience).After(now):
		return ""
	default:
		return "it has been due since " + day(k.Due) + " and no rotation has started: " + noRotation(f)
	}
}

// noRotation says what is known of why a due key has neither a rotation nor a reason for having none.
func noRotation(f *KeyFacts) string {
	switch {
	case !f.UserListed:
		return "its user is not listed"
	case !f.User.Active:
		return "its service user cannot sign in"
	case f.Last != nil && f.Last.Stage == StageAbandoned:
		return "the last one, " + f.Last.ID + ", was abandoned: " + f.Last.Why
	case f.Newer.ID != "":
		return "key " + f.Newer.Name + " has taken its place"
	case f.Key.LookAt.IsZero():
		return "nothing will look at it before something about it changes"
	default:
		return "it is looked at again at " + day(f.Key.LookAt)
	}
}

// concerns reports whether the rotation has to end for the key to be right: it revokes the key, or it makes a first one.
func (n *RotationNote) concerns(keyID string) bool {
	return len(n.Retires) == 0 || slices.Contains(n.Retires, keyID)
}

// days prints a span for people who count in days.
func days(d time.Duration) string {
	switch n := int(d / (24 * time.Hour)); n {
	case 0:
		return "less than a day"
	case 1:
		return "1 day"
	default:
		return fmt.Sprintf("%d days", n)
	}
}

// Report says of a journal's keys what they are, with what the configuration in force adds.
type Report struct {
	View View
	// Settings returns what the configuration says of keys of that provider and that policy; nil is nothing.
	Settings func(provider, policy string) KeySettings
	Limits   ReportLimits
}

// Keys calls fn for each key that q selects until it returns an error, which it returns. It holds no more keys at a time
// than the journal does.
func (r Report) Keys(ctx context.Context, q KeyQuery, now time.Time, fn func(KeyFacts, Class, []Finding) error) error {
	known := map[[2]string]KeySettings{}
	return r.View.ReportKeys(ctx, q, now, func(f KeyFacts) error {
		names := [2]string{f.Key.Provider, f.Key.Policy}
		settings, asked := known[names]
		if !asked && r.Settings != nil {
			settings = r.Settings(f.Key.Provider, f.Key.Policy)
			known[names] = settings
		}
		f.Settings = settings
		class, found := Classify(f, now, r.Limits)
		return fn(f, class, found)
	})
}
