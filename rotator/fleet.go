package rotator

import (
	"context"
	"time"
)

// Fleet answers the questions of a page about a large fleet. Each answer is small, and costs what it holds and not what the
// journal does, but for [Fleet.FleetAges] and a list whose filters few credentials pass.
type Fleet interface {
	// FleetCredentials returns a page of the credentials that q selects, in the order of provider, user id and base name.
	FleetCredentials(ctx context.Context, q FleetQuery, now time.Time) (FleetPage, error)
	// FleetAges counts the active keys by age and by what is left of their life at now, in the bands of [AgeBands], by provider, managed
	// or not, and band, in no order; bands that hold no key are left out.
	FleetAges(ctx context.Context, now time.Time) ([]AgeCount, error)
	// DueByHour counts the keys that are decided upon in [from, to), by provider and whole hour of Unix time, ordered by both.
	DueByHour(ctx context.Context, from, to time.Time) ([]DueCount, error)
	// DueNext returns up to limit of the provider's active managed keys that wait for nothing but their time, the nearest first. It leaves
	// out those whose place a newer one has taken.
	DueNext(ctx context.Context, provider string, limit int) ([]TrackedKey, error)
	// Holds returns up to limit of the holds in force at now on credentials after the one given, in the order of
	// provider, user id and base name.
	Holds(ctx context.Context, after CredentialID, limit int, now time.Time) ([]Hold, error)
	// RotationsOf returns up to limit of the credential's rotations: the open one, then those that ended, the latest first.
	RotationsOf(ctx context.Context, c CredentialID, limit int) ([]Rotation, error)
}

// FleetQuery selects credentials. A credential is judged by its current key: the newest that is active and still seen, or else
// the newest. The zero value of a field selects all.
type FleetQuery struct {
	// Provider and Policy are exact names.
	Provider, Policy string
	// State is one of managed, unmanaged, waiting, missing and inactive, as in [Counts.Keys].
	State string
	// Owners limits the list to these pairs; nil does not, and an empty list selects nothing. It is how a caller that knows the
	// configuration filters by an owner's label.
	Owners []Owned
	// Blocked selects credentials that do not go on: the key waits for a reason, or the open rotation is blocked.
	Blocked bool
	// Held selects credentials under a hold that is in force.
	Held bool
	// Search is text that the user's id, name or e-mail, the base name or the key's id contains, whatever the case of ASCII letters.
	Search string
	// After is where to go on: credentials up to and including this one are left out.
	After CredentialID
	// Limit is how many at most; at least 1.
	Limit int
}

// Owned is a policy at a provider. An empty policy stands for the provider's unmanaged keys.
type Owned struct{ Provider, Policy string }

// FleetPage is a part of a list.
type FleetPage struct {
	Credentials []FleetCredential
	// More is true if the list goes on after the last of them.
	More bool
}

// FleetCredential is a credential by its current key.
type FleetCredential struct {
	Key TrackedKey
	// UserName and UserEmail are empty for a user that no scan showed.
	UserName, UserEmail string
	// Hold in force, or nil.
	Hold *Hold
	// Open is the id of the open rotation, Stage and Blocked are its; empty for none.
	Open    string
	Stage   Stage
	Blocked BlockReason
}

// AgeBands are where one band of an [AgeCount] ends and the next begins, in whole days. The first begins at none, the last has no end.
func AgeBands() []int { return []int{1, 2, 3, 7, 14, 30, 60, 90, 180, 365, 730} }

// AgeCount counts active keys that are still seen in one band of days.
type AgeCount struct {
	Provider string
	Managed  bool
	// Days is where the band begins; -1 stands for all days before now. Unknown is true for the keys that have no such time: their provider
	// does not say when they were made, and they never expire.
	Days    int
	Unknown bool
	// Aged counts the keys that were made so many days ago, Left those that expire in so many.
	Aged, Left int
}

// DueCount is how many keys of a provider are decided upon within an hour.
type DueCount struct {
	Provider string
	Hour     time.Time
	Keys     int
}
