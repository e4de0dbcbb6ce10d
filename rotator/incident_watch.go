package rotator

import (
	"context"
	"slices"
	"time"
)

// Where the looks at incidents end that are made again and again, for pages and metrics.
const (
	// IncidentsWatched is for how long after its report a leak that is not confirmed is told of.
	IncidentsWatched = 90 * 24 * time.Hour
	// IncidentsLookedAt is how many of them, the latest first.
	IncidentsLookedAt = 20
)

// WatchedIncidents returns the incidents that are still told of, the latest first.
func WatchedIncidents(ctx context.Context, from Incidents, now time.Time) ([]Incident, error) {
	found, err := from.Incidents(ctx, time.Time{}, IncidentsLookedAt)
	return slices.DeleteFunc(found, func(i Incident) bool { return now.Sub(i.At) > IncidentsWatched }), err
}

// LeakFacts is what is known of a credential that leaked; see [Fleet] and [Inventory].
type LeakFacts interface {
	RotationsOf(ctx context.Context, c CredentialID, limit int) ([]Rotation, error)
	Series(ctx context.Context, c CredentialID) ([]TrackedKey, error)
}

// rotationsOfLeak is how many rotations of a credential are looked through for the one that is about a leak.
const rotationsOfLeak = 20

// LookUpStanding works out how c stands, of a leak that was reported at that time.
func LookUpStanding(ctx context.Context, in LeakFacts, c IncidentCredential, at time.Time) (CredentialStanding, error) {
	rotations, err := in.RotationsOf(ctx, c.CredentialID, rotationsOfLeak)
	if err != nil {
		return CredentialStanding{}, err
	}
	series, err := in.Series(ctx, c.CredentialID)
	if err != nil {
		return CredentialStanding{}, err
	}
	return StandingOf(c, at, rotations, series), nil
}

// Policy is the one that selected the newest of its keys that had one when the leak was reported; empty if none did.
func (c *IncidentCredential) Policy() string {
	for _, k := range c.Keys {
		if k.Policy != "" {
			return k.Policy
		}
	}
	return ""
}
