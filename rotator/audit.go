package rotator

import (
	"context"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// AuditKind says what an audit record tells of. The list is closed.
type AuditKind string

// The kinds of audit records.
const (
	AuditPlan       AuditKind = "plan"         // a rotation was planned, or asked for
	AuditStep       AuditKind = "step"         // a rotation reached another stage
	AuditProgress   AuditKind = "progress"     // something happened to a rotation within its stage: a delivery, a failure, a block
	AuditWait       AuditKind = "wait"         // a due key is not rotated now
	AuditHold       AuditKind = "hold"         // a hold was placed
	AuditRelease    AuditKind = "release"      // a hold was released
	AuditFreeze     AuditKind = "freeze"       // a freeze was placed
	AuditLift       AuditKind = "lift"         // a freeze was lifted
	AuditApprove    AuditKind = "approve"      // rotations beyond the blast-radius cap were let through
	AuditSupply     AuditKind = "supply"       // a person supplied a key
	AuditRemoval    AuditKind = "removal"      // a person said that a key was removed
	AuditStartOver  AuditKind = "start_over"   // a person gave up a new key, to have another made
	AuditHasten     AuditKind = "compromised"  // a person said that the old key of a rotation under way leaked
	AuditUndo       AuditKind = "undo"         // a person wants the old key back
	AuditRevoke     AuditKind = "revoke"       // a key was revoked outside of a rotation's course
	AuditUser       AuditKind = "service_user" // a declared service user was created, changed or lost
	AuditBreaker    AuditKind = "breaker"      // a provider's breaker opened or closed
	AuditScan       AuditKind = "scan"         // a person asked for a scan
	AuditVerify     AuditKind = "verify"       // a person had every sink and key looked at
	AuditIncident   AuditKind = "incident"     // a person said that credentials leaked
	AuditReload     AuditKind = "reload"       // the configuration was read anew
	AuditSeal       AuditKind = "seal"         // the seal key was changed
	AuditStart      AuditKind = "start"        // the daemon started
	AuditStop       AuditKind = "stop"         // the daemon stopped
	AuditCheckpoint AuditKind = "checkpoint"   // old audit records were removed
	AuditPrune      AuditKind = "prune"        // old rotations and their history were removed
	AuditHook       AuditKind = "hook"         // a consumer was told of a new key, or could not be
)

// AuditKinds lists every kind.
func AuditKinds() []AuditKind {
	return []AuditKind{AuditPlan, AuditStep, AuditProgress, AuditWait, AuditHold, AuditRelease, AuditFreeze, AuditLift, AuditApprove, AuditSupply, AuditRemoval,
		AuditStartOver, AuditHasten, AuditUndo, AuditRevoke, AuditUser, AuditBreaker, AuditScan, AuditVerify, AuditIncident, AuditReload, AuditSeal, AuditStart,
		AuditStop, AuditCheckpoint, AuditPrune, AuditHook}
}

// AuditOutcome says how something ended, as far as the record tells.
type AuditOutcome string

// The outcomes.
const (
	AuditDone    AuditOutcome = "done"    // it happened
	AuditBegun   AuditOutcome = "begun"   // it is about to be tried; a later record says what came of it
	AuditWaiting AuditOutcome = "waiting" // nothing happened, and nothing is wrong
	AuditFailed  AuditOutcome = "failed"  // it was tried and did not succeed
	AuditBlocked AuditOutcome = "blocked" // it does not go on by itself
	AuditRefused AuditOutcome = "refused" // somebody asked for it and it was not done
)

// AuditEvent is what an audit record tells. It never holds a secret. The JSON form is what is stored, exported and hashed;
// fields are added, never renamed.
type AuditEvent struct {
	Kind    AuditKind    `json:"kind"`
	Outcome AuditOutcome `json:"outcome"`
	// Actor is who did it; empty for the daemon itself.
	Actor       string      `json:"actor,omitempty"`
	Provider    string      `json:"provider,omitempty"`
	UserID      string      `json:"user_id,omitempty"`
	ServiceUser string      `json:"service_user,omitempty"`
	Credential  string      `json:"credential,omitempty"`
	Rotation    string      `json:"rotation,omitempty"`
	RotationSeq int64       `json:"rotation_seq,omitempty"`
	Version     int         `json:"version,omitempty"`
	Policy      string      `json:"policy,omitempty"`
	Reason      Reason      `json:"reason,omitempty"`
	From        Stage       `json:"from,omitempty"`
	To          Stage       `json:"to,omitempty"`
	Blocked     BlockReason `json:"blocked,omitempty"`
	OldKey      KeyRef      `json:"old_key,omitzero"`
	NewKey      KeyRef      `json:"new_key,omitzero"`
	Fingerprint string      `json:"fingerprint,omitempty"`
	Sinks       []AuditSink `json:"sinks,omitempty"`
	// Until is when a hold, an approval or a pause ends.
	Until time.Time `json:"until,omitzero"`
	// Count is how many things it was about.
	Count int `json:"count,omitempty"`
	// Note says it in words, errors included.
	Note string `json:"note,omitempty"`
	// Removed is set in a checkpoint alone.
	Removed *AuditRemoved `json:"removed,omitempty"`
}

// AuditSink is how far the delivery to one sink had come.
type AuditSink struct {
	Sink        string    `json:"sink"`
	Location    string    `json:"location"`
	ConfirmedAt time.Time `json:"confirmed_at,omitzero"`
}

// AuditRemoved says which records a checkpoint stands for: all up to Through, whose hash was Hash. The first record that
// is left names that hash as the one before it.
type AuditRemoved struct {
	Through int64     `json:"through"`
	Hash    AuditHash `json:"hash"`
	Count   int64     `json:"count"`
}

// About returns the event with the credential that it is about.
func (e AuditEvent) About(c CredentialID) AuditEvent {
	e.Provider, e.UserID, e.Credential = c.Provider, c.UserID, c.Base
	return e
}

// maxAuditNote bounds what an error in somebody else's words may add to a record, in bytes.
const maxAuditNote = 2000

// Bounded returns the event with its note cut to a bounded length.
func (e AuditEvent) Bounded() AuditEvent {
	if len(e.Note) <= maxAuditNote {
		return e
	}
	cut := maxAuditNote
	for cut > 0 && !utf8.RuneStart(e.Note[cut]) {
		cut--
	}
	e.Note = e.Note[:cut] + "…"
	return e
}

// Audit returns what the audit record tells of the change.
func (c *Change) Audit() AuditEvent {
	r := &c.After
	e := AuditEvent{
		Kind: c.auditKind(), Outcome: c.auditOutcome(), Actor: c.Actor, ServiceUser: r.ServiceUser, Rotation: r.ID, RotationSeq: r.Seq,
		Version: r.Version, Policy: r.Policy, Reason: r.Reason, From: c.From, To: r.Stage, Blocked: r.Blocked,
		OldKey: r.OldKey, NewKey: r.NewKey, Fingerprint: r.Fingerprint, Note: c.Note,
	}
	switch r.Stage {
	case StagePlanned, StageDelivering, StageConfirmed:
		for _, p := range r.Sinks {
			e.Sinks = append(e.Sinks, AuditSink{Sink: p.Sink, Location: p.Location, ConfirmedAt: p.ConfirmedAt})
		}
	}
	return e.About(r.CredentialID).Bounded()
}

func (c *Change) auditKind() AuditKind {
	switch {
	case c.Act != "":
		return c.Act
	case c.Seq == 0:
		return AuditPlan
	case c.After.Stage != c.From:
		return AuditStep
	default:
		return AuditProgress
	}
}

func (c *Change) auditOutcome() AuditOutcome {
	r := &c.After
	switch {
	case r.Stage != c.From && r.Stage.precedesEffect():
		return AuditBegun
	case c.Act != "":
		return AuditDone
	case r.Blocked != "":
		return AuditBlocked
	case r.Attempt > 0 && r.Trouble != "":
		return AuditFailed
	case r.Stage == c.From && r.Trouble != "":
		return AuditWaiting
	default:
		return AuditDone
	}
}

// precedesEffect reports whether s is committed before the effect that it is named after.
func (s Stage) precedesEffect() bool { return strings.HasSuffix(string(s), "ing") && s != StageSoaking }

// AuditHash is the SHA-256 sum of an audit record.
type AuditHash [32]byte

// String is the sum in hexadecimal.
func (h AuditHash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText is String.
func (h AuditHash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads what String wrote, and nothing else: no capitals, so that a sum has one form.
func (h *AuditHash) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(h)) || strings.ToLower(string(text)) != string(text) {
		return fmt.Errorf("%q is not a hash: it has 64 digits from 0-9 and a-f", text)
	}
	if _, err := hex.Decode(h[:], text); err != nil {
		return fmt.Errorf("%q is not a hash: it has 64 digits from 0-9 and a-f", text)
	}
	return nil
}

// AuditHead names a record of the chain, and with it all before it. Kept elsewhere, it is an anchor: whoever rewrites the
// chain cannot make a record that fits it.
type AuditHead struct {
	Seq  int64     `json:"seq"`
	Hash AuditHash `json:"hash"`
}

// String reads SEQ:HASH.
func (h AuditHead) String() string { return strconv.FormatInt(h.Seq, 10) + ":" + h.Hash.String() }

// ParseAuditHead undoes [AuditHead.String].
func ParseAuditHead(text string) (AuditHead, error) {
	seq, sum, ok := strings.Cut(text, ":")
	var h AuditHead
	var err error
	if h.Seq, err = strconv.ParseInt(seq, 10, 64); err != nil || !ok || h.Seq < 1 {
		return AuditHead{}, fmt.Errorf("%q is not SEQ:HASH, as audit verify and the log print it", text)
	}
	return h, h.Hash.UnmarshalText([]byte(sum))
}

// AuditRecord is one record as it is stored.
type AuditRecord struct {
	// Seq counts records from 1 without a gap, At is when it was written, to the millisecond.
	Seq int64
	At  time.Time
	// Text is the record itself, JSON on one line: seq, at, the hash of the record before as prev, and the event. Hash is the
	// SHA-256 sum of exactly these bytes. See package audit.
	Text []byte
	Hash AuditHash
}

// Audit is the durable record of what was decided and done. All methods of a store that decide or change something append
// to it, in the same transaction: [Journal.Commit] unless the change repeats the one before, [Operations] and
// [Provisions] where they change what stood there, [Inventory.SetLook] where a key begins to wait for a reason.
type Audit interface {
	// Record appends what no other method tells of.
	Record(ctx context.Context, e AuditEvent) error
	// AuditRecords calls fn for each record whose Seq is above after, in order. fn may call the store and take its time;
	// what is appended meanwhile may come or not.
	AuditRecords(ctx context.Context, after int64, fn func(AuditRecord) error) error
	// AuditHead returns what the last record was when it was appended; the zero head if there never was one.
	AuditHead(ctx context.Context) (AuditHead, error)
	// PruneAudit removes one segment of the oldest records: those from before the time, at most a thousand, no record after
	// one that is to stay. It appends a checkpoint in the same transaction. It returns how many it removed.
	PruneAudit(ctx context.Context, before time.Time) (int, error)
	// PruneHistory removes ended rotations from before the time with their histories, but none that any decision could
	// still ask for: each credential's last rotation that was done and all since, all of a credential with an open rotation,
	// those that made a key which may exist, and those that intended a key which was never sealed. It looks at a bounded
	// number of them from the cursor on (the zero cursor at first) and returns where to go on; nil at the end.
	PruneHistory(ctx context.Context, before time.Time, from PruneCursor) (removed int, next *PruneCursor, err error)
}

// PruneCursor is where [Audit.PruneHistory] goes on.
type PruneCursor struct {
	At time.Time
	ID string
}
