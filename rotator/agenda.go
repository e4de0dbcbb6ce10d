package rotator

import (
	"context"
	"time"
)

// Agenda tells what comes up in a span of time, without an effect on any of it. Both methods read from an index, so that
// they cost by what comes up and not by the fleet. fn must not call the store.
type Agenda interface {
	// UpcomingKeys calls fn for each of the provider's keys whose LookAt is not after until, in the order of LookAt and id,
	// until fn returns an error, which it returns. Holds are those in force at now.
	UpcomingKeys(ctx context.Context, provider string, now, until time.Time, fn func(UpcomingKey) error) error
	// UpcomingRotations calls fn for each of the provider's open rotations whose NextAt is not after until, in the order of
	// NextAt and id, until fn returns an error, which it returns. One that cannot be read is left out and reported.
	UpcomingRotations(ctx context.Context, provider string, now, until time.Time, fn func(Rotation, *Hold) error) error
}

// UpcomingKey is a key that will be decided upon, with what decisions about it need.
type UpcomingKey struct {
	TrackedKey
	// Hold in force on the credential, or nil.
	Hold *Hold
	// UserActive is false when the provider says that the user cannot sign in.
	UserActive bool
	// Rotating is true while the credential has an open rotation.
	Rotating bool
	// Superseded is true where a newer key of the credential works.
	Superseded bool
	// InSeries and OfUser count the active keys of the credential and of its user.
	InSeries, OfUser int
}
