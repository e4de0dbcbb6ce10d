package rotator

import (
	"context"
	"time"
)

// Incident is a leak that somebody reported: what was rotated for it, and what was left out.
type Incident struct {
	ID string    `json:"id"`
	At time.Time `json:"at"`
	// By is who reported it.
	By string `json:"by"`
	// Provider, User and Base are the patterns that were given.
	Provider string `json:"provider"`
	User     string `json:"user"`
	Base     string `json:"credential"`
	// Note is what was said about it.
	Note string `json:"note,omitempty"`
	// Credentials are those that were to be rotated.
	Credentials []IncidentCredential `json:"credentials"`
	// LeftOut are keys that were not, and why.
	LeftOut []IncidentKey `json:"left_out,omitempty"`
	// MoreLeftOut counts those that LeftOut has no room for.
	MoreLeftOut int `json:"more_left_out,omitempty"`
}

// IncidentCredential is one credential that leaked, as it stood then.
type IncidentCredential struct {
	CredentialID
	ServiceUser string `json:"service_user,omitempty"`
	// Keys are those of its keys that worked then, the newest first.
	Keys []IncidentKey `json:"keys"`
	// Refused says why no rotation was planned; empty if one was.
	Refused string `json:"refused,omitempty"`
}

// IncidentKey is a key as it stood when a leak was reported.
type IncidentKey struct {
	CredentialID
	Key      KeyRef    `json:"key"`
	Created  time.Time `json:"created,omitzero"`
	Expires  time.Time `json:"expires,omitzero"`
	LastUsed time.Time `json:"last_used,omitzero"`
	Policy   string    `json:"policy,omitempty"`
	// Why says why it was left out; empty for a key of a credential that was not.
	Why LeftOut `json:"why,omitempty"`
}

// LeftOut says why a key was not rotated for a leak. The list is closed.
type LeftOut string

// The reasons for leaving a key out.
const (
	LeftOutUnmanaged LeftOut = "unmanaged" // the patterns match it, and no policy selects it
	LeftOutInactive  LeftOut = "inactive"  // the patterns match it, and it is switched off, not listed any more, or in a state that nobody knows
	LeftOutSameUser  LeftOut = "same_user" // it belongs to a service user of which another credential leaked
	LeftOutSimilar   LeftOut = "similar"   // the patterns would match it if case did not count, or if more might follow
)

// LeftOuts lists every reason for leaving a key out.
func LeftOuts() []LeftOut {
	return []LeftOut{LeftOutUnmanaged, LeftOutInactive, LeftOutSameUser, LeftOutSimilar}
}

// Incidents is what is durable about leaks.
type Incidents interface {
	// PutIncident stores i in place of what stands under its id. A new one is recorded with who reported it.
	PutIncident(ctx context.Context, i Incident) error
	// Incident returns one, or a fault of kind [Gone].
	Incident(ctx context.Context, id string) (Incident, error)
	// Incidents returns up to limit of those reported before the time given (zero for all), the latest first.
	Incidents(ctx context.Context, before time.Time, limit int) ([]Incident, error)
	// PruneIncidents removes those reported before the time given, some of them at a time, but none of which a credential is still
	// being rotated. It returns how many.
	PruneIncidents(ctx context.Context, before time.Time) (int, error)
}
