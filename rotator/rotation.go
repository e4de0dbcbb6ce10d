package rotator

import (
	"slices"
	"time"
)

// KeyRef names a key at the provider. The name is known before the key exists, the id after.
type KeyRef struct {
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
}

// Terms are the parts of a policy that a rotation keeps for its whole life, so that editing the policy does not move the
// ground under a rotation in flight.
type Terms struct {
	Lifetime time.Duration `json:"lifetime,omitempty"`
	Grace    time.Duration `json:"grace,omitempty"`
	Idle     time.Duration `json:"idle,omitempty"`
	Soak     time.Duration `json:"soak,omitempty"`
}

// Urgent are the terms for a key that leaked: they wait for nothing but proof.
func (t Terms) Urgent() Terms { return Terms{Lifetime: t.Lifetime} }

// SinkProgress is how far delivery to one sink has come.
type SinkProgress struct {
	Sink        string    `json:"sink"`
	Location    string    `json:"location"`
	ConfirmedAt time.Time `json:"confirmed_at,omitzero"`
	// Receipt is what the sink said of the delivery, for people.
	Receipt string `json:"receipt,omitempty"`
	// Attempt counts failures in a row; NextAt is when to try again. Both are zero before the first try, and once confirmed.
	Attempt int       `json:"attempt,omitempty"`
	NextAt  time.Time `json:"next_at,omitzero"`
	// Trouble is the last failure in words.
	Trouble string `json:"trouble,omitempty"`
	// Blocked is set when a person has to look; it is tried again all the same, rarely.
	Blocked BlockReason `json:"blocked,omitempty"`
}

// Confirmed reports whether the sink was read back and holds the new key.
func (p SinkProgress) Confirmed() bool { return !p.ConfirmedAt.IsZero() }

// FormerPlace is where a key was delivered that was given up since.
type FormerPlace struct {
	Sink        string `json:"sink"`
	Location    string `json:"location"`
	Fingerprint string `json:"fingerprint"`
}

// Rotation is one replacement of one credential's key. It is a value: it changes only by a [Change] that one of its
// methods makes and [Journal.Commit] accepts.
//
// The JSON form is what the journal stores (the sealed secret apart, in a column of its own); fields are added, never
// renamed.
type Rotation struct {
	ID string `json:"id"`
	// Seq counts commits. A commit names the one it builds upon.
	Seq int64 `json:"seq"`
	CredentialID
	// ServiceUser is the user's name for people and path templates, as it was when the rotation was planned.
	ServiceUser string `json:"service_user"`
	// Contact is the e-mail address that the provider kept for the user then; empty for none.
	Contact string `json:"contact,omitempty"`
	Policy  string `json:"policy"`
	Reason  Reason `json:"reason"`
	// Actor is who asked for it; empty for the daemon itself.
	Actor string `json:"actor,omitempty"`
	// Version is the new key's. It grows when a planned name turns out to be spent.
	Version   int       `json:"version"`
	Stage     Stage     `json:"stage"`
	StageAt   time.Time `json:"stage_at"`
	PlannedAt time.Time `json:"planned_at"`
	OldKey    KeyRef    `json:"old_key"`
	NewKey    KeyRef    `json:"new_key"`
	// Discarded are keys that this rotation made and somebody gave up when it could not go on. Their consumers, if any, are
	// treated like the old key's: they are revoked with it, on the same evidence.
	Discarded []KeyRef `json:"discarded,omitempty"`
	// Former are the places that hold, or held, a key that was given up.
	Former []FormerPlace `json:"former,omitempty"`
	// Drilled is true for a drill of the calendar that somebody hastened because its old key leaked: it counts as one all the same.
	Drilled bool `json:"drilled,omitempty"`
	// Suspect is the new key if somebody reported a leak when consumers may have had it already: it may have leaked too, and is replaced
	// as soon as the rotation is done.
	Suspect KeyRef `json:"suspect,omitzero"`
	// Deadline of the old key.
	Deadline time.Time `json:"deadline,omitzero"`
	Terms    Terms     `json:"terms"`
	// ExtendTo is set where the old key's expiry is to be moved there and no other key is made.
	ExtendTo time.Time `json:"extend_to,omitzero"`
	// NewKeyExpires is the new key's own expiry; zero for none.
	NewKeyExpires time.Time `json:"new_key_expires,omitzero"`
	// Sealed is the encrypted secret: present from [StageMinted] until the last sink is confirmed.
	Sealed []byte `json:"-"`
	// Fingerprint of the new secret.
	Fingerprint string         `json:"fingerprint,omitempty"`
	Sinks       []SinkProgress `json:"sinks"`
	// TestUntil is when a refused new key is no longer explained by propagation.
	TestUntil time.Time `json:"test_until,omitzero"`
	// SettleUntil is when a key that is not listed under a planned name can be taken as never made.
	SettleUntil time.Time `json:"settle_until,omitzero"`
	GraceUntil  time.Time `json:"grace_until,omitzero"`
	// OldUnlistedSince is since when the provider has not listed a key that is to be revoked; zero while it does.
	OldUnlistedSince time.Time `json:"old_unlisted_since,omitzero"`
	SoakUntil        time.Time `json:"soak_until,omitzero"`
	// NextAt is when the next step is due: stored, absolute. In a final stage it is zero.
	NextAt time.Time `json:"next_at,omitzero"`
	// Attempt counts failures in a row of the present step.
	Attempt int `json:"attempt,omitempty"`
	// Trouble is the last failure of the present step in words.
	Trouble string `json:"trouble,omitempty"`
	// Blocked says why a person has to look; empty if the rotation goes on by itself.
	Blocked      BlockReason `json:"blocked,omitempty"`
	BlockedSince time.Time   `json:"blocked_since,omitzero"`
	// RemindedAt is when people were last asked again to do what it is blocked for, and Reminders how often.
	RemindedAt time.Time `json:"reminded_at,omitzero"`
	Reminders  int       `json:"reminders,omitempty"`
	// Rechecks counts how often in a row it was found blocked for the same reason in other words.
	Rechecks int `json:"rechecks,omitempty"`
	// Why says how the rotation ended, once it has.
	Why string `json:"why,omitempty"`
}

// Coordinates returns what sinks need to know to find the credential's place.
func (r *Rotation) Coordinates() Coordinates {
	user := r.ServiceUser
	if user == "" {
		user = r.UserID
	}
	return Coordinates{Provider: r.Provider, UserID: r.UserID, ServiceUser: user, Credential: r.Base}
}

// DeliversTo reports whether the rotation delivers to that place.
func (r *Rotation) DeliversTo(sink, location string) bool {
	return slices.ContainsFunc(r.Sinks, func(p SinkProgress) bool { return p.Sink == sink && p.Location == location })
}

// Retiring lists the keys that the rotation revokes in the end: the old one and those that were given up on the way.
func (r *Rotation) Retiring() []KeyRef {
	if r.OldKey.ID == "" {
		return r.Discarded
	}
	return append([]KeyRef{r.OldKey}, r.Discarded...)
}

// Unconfirmed lists the indexes of the sinks that do not hold the new key yet.
func (r *Rotation) Unconfirmed() []int {
	var open []int
	for i, s := range r.Sinks {
		if !s.Confirmed() {
			open = append(open, i)
		}
	}
	return open
}
