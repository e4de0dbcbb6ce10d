package rotator

import (
	"context"
	"time"
)

// Agenda tells what comes up in a span of time, without an effect on any of it. Both methods read from an index, so that
// they cost by what comes up and not by the fleet. fn must not call the store.
type Agenda interface {
	// UpcomingKeys calls fn for each of the provider's keys whose LookAt is not after until, in the order of LookAt and id,
	// until fn returns an error, which it returns. It leaves out keys for which nothing begins whatever the time: those of a credential that
	// has an open rotation or a newer key that works, and of a user who cannot sign in. Holds are those in force at now.
	UpcomingKeys(ctx context.Context, provider string, now, until time.Time, fn func(UpcomingKey) error) error
	// UpcomingRotations calls fn for each of the provider's open rotations whose NextAt is not after until, in the order of
	// NextAt and id, until fn returns an error, which it returns. One that cannot be read is left out and reported.
	UpcomingRotations(ctx context.Context, provider string, now, until time.Time, fn func(Rotation, *Hold) error) error
}

// UpcomingKey is a key that will be decided upon, with what decisions about it need.
type UpcomingKey struct {
	// TrackedKey without what only a series is judged by, or nothing at all: Version, Created, LastUsed, Draw and WaitingSince are zero.
	TrackedKey
	// Hold in force on the credential, or nil.
	Hold *Hold
	// InSeries and OfUser count the active keys of the credential and of its user.
	InSeries, OfUser int
}
