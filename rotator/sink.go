package rotator

import (
	"context"
	"time"
)

// Coordinates say which credential something is about. They are what path templates see.
type Coordinates struct {
	// Provider is the configured name of the provider.
	Provider string
	// UserID and ServiceUser are the id and the name of the service user; ServiceUser is the id where the provider
	// has no name for it.
	UserID, ServiceUser string
	// Credential is the base name of the credential's keys.
	Credential string
}

// Delivery is one version of a credential on its way to a sink.
type Delivery struct {
	Coordinates
	// Location is what [Sink.Location] returned for the coordinates when the rotation was planned.
	Location string
	// Version counts the credential's keys; a higher version replaces a lower one, never the other way round.
	Version int
	// KeyID and KeyName are the provider's, for people who look into the sink.
	KeyID, KeyName string
	// Rotation is the id of the rotation that made this version.
	Rotation string
	// Fingerprint is a keyed hash of Secret, safe to store and to log.
	Fingerprint string
	// Expires is when the provider will stop accepting the key; zero for never.
	Expires time.Time
	// Secret is the value to make readable.
	Secret Secret
}

// Receipt is what a sink says about a delivery it made.
type Receipt struct {
	// Detail names what was written, for people: "secret/data/ci version 7". Never a secret.
	Detail string
}

// Observation is what a sink holds at a location now.
type Observation struct {
	// Present is false when nothing is there; all else is empty then.
	Present bool
	// Ours is false when what is there was not written by [Sink.Deliver] (no mark of ours, or changed since).
	Ours bool
	// Version, Rotation and Fingerprint are the marks that were stored with the secret; zero where a format has no place
	// for them.
	Version     int
	Rotation    string
	Fingerprint string
	// Secret is the copy that a consumer reads there, read now.
	Secret Secret
}

// Sink is a configured destination. All methods are safe for concurrent use, honour ctx, and return a [*Fault].
type Sink interface {
	// Location renders where the credential is delivered: a path that is stable for the credential and printed to
	// people. It is pure. Two credentials with the same location are a configuration error, found by the engine. A name
	// that would lead outside the sink's root is refused with kind [Invalid].
	Location(c Coordinates) (string, error)
	// Deliver makes exactly this version readable at d.Location, all or nothing: a reader sees the old version or the
	// new one. It is idempotent: the same delivery again changes nothing and succeeds, also after a crash half-way.
	// An empty secret is refused ([Invalid]). What somebody else wrote there is not overwritten ([Conflict]), and a
	// newer version of ours is not replaced by an older one ([Conflict]).
	Deliver(ctx context.Context, d Delivery) (Receipt, error)
	// Observe reads back what a consumer would read there now. Nothing there is an Observation with Present false,
	// not an error.
	Observe(ctx context.Context, c Coordinates, location string) (Observation, error)
}
