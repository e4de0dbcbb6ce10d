package web

import (
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// CredentialName names a credential.
type CredentialName struct {
	Provider   string `json:"provider" doc:"The provider's name in the configuration."`
	UserID     string `json:"user_id" doc:"The provider's id of the service user."`
	Credential string `json:"credential" doc:"The base name of the credential's keys."`
}

func nameOf(c rotator.CredentialID) CredentialName {
	return CredentialName{Provider: c.Provider, UserID: c.UserID, Credential: c.Base}
}

// String reads provider/user/credential.
func (c CredentialName) String() string { return c.Provider + "/" + c.UserID + "/" + c.Credential }

// KeyName names a key at the provider. Neither part is secret.
type KeyName struct {
	ID   string `json:"id,omitempty" doc:"The provider's id; empty before the key was made."`
	Name string `json:"name,omitempty"`
}

// SinkProgress is how far delivery to one sink has come.
type SinkProgress struct {
	Sink        string    `json:"sink"`
	Location    string    `json:"location" doc:"Where in the sink the secret is delivered."`
	ConfirmedAt time.Time `json:"confirmed_at,omitzero" doc:"When the sink was read back and held the new key; absent if it has not."`
	Receipt     string    `json:"receipt,omitempty" doc:"What the sink said of the delivery."`
	Attempt     int       `json:"attempt,omitempty" doc:"Failures in a row."`
	NextAt      time.Time `json:"next_at,omitzero" doc:"When it is tried again."`
	Trouble     string    `json:"trouble,omitempty" doc:"The last failure."`
	Blocked     string    `json:"blocked,omitempty"`
}

// Rotation is one replacement of one credential's key.
type Rotation struct {
	ID string `json:"id"`
	CredentialName
	ServiceUser   string         `json:"service_user,omitempty" doc:"The service user's name when the rotation was planned."`
	Policy        string         `json:"policy"`
	Reason        string         `json:"reason" enum:"expiring,max_age,manual,compromised,missing,drill"`
	Actor         string         `json:"actor,omitempty" doc:"Who asked for it; absent for the daemon itself."`
	Version       int            `json:"version"`
	Stage         string         `json:"stage" enum:"planned,minting,minted,testing,delivering,confirmed,grace,deactivating,soaking,reactivating,revoking,extending,done,abandoning,abandoned"`
	StageAt       time.Time      `json:"stage_at" doc:"Since when it is in that stage."`
	PlannedAt     time.Time      `json:"planned_at"`
	OldKey        KeyName        `json:"old_key"`
	NewKey        KeyName        `json:"new_key"`
	Deadline      time.Time      `json:"deadline,omitzero" doc:"When the old key must be gone."`
	ExtendTo      time.Time      `json:"extend_to,omitzero" doc:"Where the old key's expiry is to be moved; absent if it is replaced."`
	NewKeyExpires time.Time      `json:"new_key_expires,omitzero"`
	Fingerprint   string         `json:"fingerprint,omitempty" doc:"A keyed hash of the new secret: tells copies apart and says nothing else."`
	Sinks         []SinkProgress `json:"sinks" nullable:"false"`
	GraceUntil    time.Time      `json:"grace_until,omitzero"`
	SoakUntil     time.Time      `json:"soak_until,omitzero"`
	NextAt        time.Time      `json:"next_at,omitzero" doc:"When the daemon looks at it next."`
	Attempt       int            `json:"attempt,omitempty" doc:"Failures in a row of the present step."`
	Trouble       string         `json:"trouble,omitempty" doc:"What stands against the present step."`
	Blocked       string         `json:"blocked,omitempty" doc:"Why it does not go on by itself."`
	BlockedSince  time.Time      `json:"blocked_since,omitzero"`
	NeedsPerson   bool           `json:"needs_person,omitempty" doc:"Whether what it is blocked for needs a person, and does not end by itself."`
	Do            string         `json:"do,omitempty" doc:"What to do about it."`
	Why           string         `json:"why,omitempty" doc:"How it ended."`
}

func rotationOf(r *rotator.Rotation) Rotation {
	sinks := make([]SinkProgress, len(r.Sinks))
	for i, s := range r.Sinks {
		sinks[i] = SinkProgress{Sink: s.Sink, Location: s.Location, ConfirmedAt: s.ConfirmedAt, Receipt: s.Receipt,
			Attempt: s.Attempt, NextAt: s.NextAt, Trouble: s.Trouble, Blocked: string(s.Blocked)}
	}
	return Rotation{
		ID: r.ID, CredentialName: nameOf(r.CredentialID), ServiceUser: r.ServiceUser, Policy: r.Policy,
		Reason: string(r.Reason), Actor: r.Actor, Version: r.Version, Stage: string(r.Stage), StageAt: r.StageAt,
		PlannedAt: r.PlannedAt, OldKey: KeyName(r.OldKey), NewKey: KeyName(r.NewKey), Deadline: r.Deadline, ExtendTo: r.ExtendTo,
		NewKeyExpires: r.NewKeyExpires, Fingerprint: r.Fingerprint, Sinks: sinks, GraceUntil: r.GraceUntil,
		SoakUntil: r.SoakUntil, NextAt: r.NextAt, Attempt: r.Attempt, Trouble: r.Trouble, Blocked: string(r.Blocked),
		BlockedSince: r.BlockedSince, NeedsPerson: needsPerson(r.Blocked), Do: advice[string(r.Blocked)], Why: r.Why,
	}
}

// HookRun is one consumer that is told of the rotation's new key.
type HookRun struct {
	Hook     string    `json:"hook" doc:"The hook's name in the configuration."`
	Version  int       `json:"version" doc:"The version of the key that it tells of."`
	Required bool      `json:"required,omitempty" doc:"Whether the old key stays until it is done."`
	State    string    `json:"state" enum:"waiting,failing,done,dropped" doc:"waiting for its turn, failing and tried again, done, or dropped because the hook was taken out of the configuration."`
	At       time.Time `json:"at" doc:"When the new key was in all its places."`
	Attempt  int       `json:"attempt,omitempty" doc:"How often it was begun."`
	NextAt   time.Time `json:"next_at,omitzero" doc:"When it is tried next."`
	Trouble  string    `json:"trouble,omitempty" doc:"The last failure."`
	EndedAt  time.Time `json:"ended_at,omitzero"`
	Detail   string    `json:"detail,omitempty" doc:"What came of it."`
}

func hookRunsOf(runs []rotator.HookRun) []HookRun {
	if len(runs) == 0 {
		return nil
	}
	out := make([]HookRun, len(runs))
	for i := range runs {
		h := &runs[i]
		out[i] = HookRun{Hook: h.Hook, Version: h.Version, Required: h.Required, State: "waiting", At: h.At, Attempt: h.Attempt, NextAt: h.NextAt,
			Trouble: h.Trouble, EndedAt: h.EndedAt, Detail: h.Detail}
		switch {
		case h.Ended():
			out[i].State = string(h.Result)
		case h.Trouble != "":
			out[i].State = "failing"
		}
	}
	return out
}

// Entry is one line of a rotation's history.
type Entry struct {
	Seq  int64     `json:"seq"`
	At   time.Time `json:"at"`
	From string    `json:"from,omitempty" doc:"The stage before; absent for the first entry."`
	To   string    `json:"to"`
	Note string    `json:"note"`
}

// Credential is a credential by its newest key.
type Credential struct {
	CredentialName
	Key          KeyName   `json:"key"`
	Version      int       `json:"version" doc:"0 for a key that rotatord did not make."`
	State        string    `json:"state" enum:"active,disabled,revoked,expired,other"`
	Policy       string    `json:"policy,omitempty" doc:"The policy that selects it; absent if nobody rotates it."`
	Created      time.Time `json:"created,omitzero"`
	Expires      time.Time `json:"expires,omitzero" doc:"Absent for a key that never expires."`
	LastUsed     time.Time `json:"last_used,omitzero" doc:"Absent if it was never used, or the provider does not say."`
	Deadline     time.Time `json:"deadline,omitzero" doc:"When the key must be gone."`
	Due          time.Time `json:"due,omitzero" doc:"When its rotation starts; under a policy that only observes, when a person should begin it."`
	ObserveOnly  bool      `json:"observe_only,omitempty" doc:"Whether its policy only observes, so that nobody rotates it. Only where it is said what is due next."`
	Waiting      string    `json:"waiting,omitempty" doc:"Why it is due and not being rotated."`
	WaitingWhy   string    `json:"waiting_why,omitempty"`
	WaitingSince time.Time `json:"waiting_since,omitzero"`
	NextLook     time.Time `json:"next_look,omitzero" doc:"When the daemon decides about it next."`
	MissingSince time.Time `json:"missing_since,omitzero" doc:"When a complete scan first did not show it; absent while it is seen."`
	ServiceUser  string    `json:"service_user,omitempty" doc:"The service user's name. This and what follows is only in lists without patterns."`
	Email        string    `json:"email,omitempty"`
	Hold         *Hold     `json:"hold,omitempty" doc:"The hold in force."`
	Rotation     string    `json:"rotation,omitempty" doc:"The open rotation's id."`
	Stage        string    `json:"stage,omitempty" doc:"The open rotation's stage."`
	Blocked      string    `json:"blocked,omitempty" doc:"Why the open rotation does not go on."`
}

func credentialOf(k rotator.TrackedKey) Credential {
	return Credential{
		CredentialName: nameOf(k.Credential()), Key: KeyName{ID: k.ID, Name: k.Name}, Version: k.Version, State: string(k.State),
		Policy: k.Policy, Created: k.Created, Expires: k.Expires, LastUsed: k.LastUsed, Deadline: k.Deadline, Due: k.Due,
		Waiting: string(k.Waiting), WaitingWhy: k.WaitingWhy, WaitingSince: k.WaitingSince, NextLook: k.LookAt,
		MissingSince: k.MissingSince,
	}
}
