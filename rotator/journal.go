package rotator

import (
	"context"
	"time"
)

// Journal is what is durable about rotations. A call that returned nil survives a power cut; one that returned an error
// changed nothing. All methods are safe for concurrent use.
type Journal interface {
	// Commit applies a change if the rotation is still at c.From and c.Seq, else it returns a fault of kind [Conflict]
	// and writes nothing. In the same transaction it appends to the history and, depending on the stage reached:
	//   - planned: for a new rotation, refuses (Conflict) a second open rotation of the credential; claims every sink's
	//     location for the credential (a location that another credential has claimed is a fault of kind [Conflict] that
	//     wraps [ErrLocationTaken], unless that one has neither an open rotation nor an active key any more, nor ended a
	//     rotation in the last week whose new key no scan has shown yet); takes the old key out of the keys to look at (LookAt zero) and clears its Waiting;
	//   - planned or minting: raises the credential's highest version to the rotation's;
	//   - minting: records the new key's name as intended by this rotation;
	//   - minted: records that the name's secret was sealed (and, coming from planned, the name too);
	//   - planned, confirmed or abandoned: overwrites the sealed secret;
	//   - abandoned: puts the old key back to be looked at, at c.Retry; coming from abandoning, it waits for the reason
	//     [BlockRotationFailed] until then.
	//
	// The rotation of c.Then is planned right after, in the same commit: both are committed, or nothing is.
	//
	// Keys in c.Ledger are entered in the ledger, c.Notices in the outbox and c.Hooks among the runs of hooks, due at once. A
	// hook's run that is there already stays as it is. A change that [Change.Repeats], or that is [Change.Untold], adds nothing to
	// the history.
	Commit(ctx context.Context, c Change) error
	// Due returns up to limit rotations of the provider whose NextAt is not after now, the longest due first, from an
	// index. While the provider is paused, only those whose stage does not call it are returned, without stepping over
	// the others one by one.
	Due(ctx context.Context, provider string, now time.Time, paused bool, limit int) ([]Rotation, error)
	// NextDue returns the earliest NextAt of the provider's open rotations (of those whose stage does not call it, while it
	// is paused); zero if there is none.
	NextDue(ctx context.Context, provider string, paused bool) (time.Time, error)
	// Rotation returns one rotation, or a fault of kind [Gone].
	Rotation(ctx context.Context, id string) (Rotation, error)
	// OpenRotation returns the credential's rotation that is not in a final stage, or a fault of kind [Gone].
	OpenRotation(ctx context.Context, c CredentialID) (Rotation, error)
	// Abandoned returns how many of the credential's latest rotations in a row were abandoned, counted up to limit.
	Abandoned(ctx context.Context, c CredentialID, limit int) (int, error)
	// HighestVersion returns the highest version that was ever planned for the credential; 0 for none. Versions are
	// never used twice.
	HighestVersion(ctx context.Context, c CredentialID) (int, error)
	// Name returns what the journal knows of a key's name, or a fault of kind [Gone].
	Name(ctx context.Context, provider, userID, name string) (NameRecord, error)
}

// ErrLocationTaken says that two credentials would be delivered to the same place.
const ErrLocationTaken = sentinel("the location belongs to another credential")

// ErrInventoryDropped says that a scan lacked most of what earlier ones had seen, and is not believed.
const ErrInventoryDropped = sentinel("most of the inventory is gone")

type sentinel string

func (s sentinel) Error() string { return string(s) }

// NameRecord is what the journal knows of a name that a rotation chose for a key.
type NameRecord struct {
	Rotation string
	Version  int
	// Sealed is true once the key's secret was sealed: the key is ours. A key that is found under an intended name that
	// was never sealed is an orphan: nobody has its secret.
	Sealed bool
}

// Inventory is what is durable about the keys that scans saw.
type Inventory interface {
	// Digests calls fn for each user and key of the provider that is stored, with the digest it was merged with, so
	// that a scan can tell what changed without writing what did not.
	Digests(ctx context.Context, provider string, fn func(d Digest) error) error
	// Merge stores what a scan saw, new or changed, in one transaction: everything of the rows but Waiting, WaitingWhy and
	// WaitingSince, which only SetLook and Commit change. MissingSince is cleared. Where a key comes that is not
	// active, the LookAt of its credential's other active keys, if it is to come, becomes now: they may have waited for that.
	Merge(ctx context.Context, provider string, users []UserRow, keys []KeyRow) error
	// MarkMissing notes that a complete scan did not show these keys: MissingSince becomes at, unless it is set already, and
	// the stored digest 0, so that a key that comes back is merged. The credential's other active keys are woken as by Merge, at at.
	MarkMissing(ctx context.Context, provider string, keyIDs []string, at time.Time) error
	// KeysToLookAt returns up to limit of the provider's keys whose LookAt is not after now, the longest due first, from
	// an index.
	KeysToLookAt(ctx context.Context, provider string, now time.Time, limit int) ([]TrackedKey, error)
	// CountDue counts the provider's keys that are up for a look at now (LookAt not after now), and those that wait for
	// approval whatever their LookAt, together up to limit.
	CountDue(ctx context.Context, provider string, now time.Time, limit int) (int, error)
	// LookAgain sets LookAt to at for the provider's keys that wait for the reason.
	LookAgain(ctx context.Context, provider string, reason BlockReason, at time.Time) error
	// LookEarlier sets LookAt to at for the provider's keys that are to be looked at after both that and their time: what put them off so
	// went by a clock that was ahead.
	LookEarlier(ctx context.Context, provider string, at time.Time) error
	// NextLook returns the provider's earliest LookAt; zero if there is none.
	NextLook(ctx context.Context, provider string) (time.Time, error)
	// SetLook stores a decision not to rotate a key now: its LookAt (zero for never), Waiting and WaitingWhy. WaitingSince
	// is set by the store: to at when Waiting begins or changes, kept while it stays the same, cleared when it is empty.
	SetLook(ctx context.Context, k TrackedKey, at time.Time) error
	// Series returns every key of the credential, the newest first.
	Series(ctx context.Context, c CredentialID) ([]TrackedKey, error)
	// User returns a service user, or a fault of kind [Gone].
	User(ctx context.Context, provider, userID string) (ServiceUser, error)
}

// Digest tells whether a stored user or key is what a scan sees now.
type Digest struct {
	// ID is the user's or the key's.
	ID string
	// Key is true for a key.
	Key bool
	// Sum is a hash of everything that was stored, the policies in force included.
	Sum uint64
}

// UserRow is a service user to store.
type UserRow struct {
	ServiceUser
	Sum uint64
}

// KeyRow is a key to store.
type KeyRow struct {
	TrackedKey
	Sum uint64
}

// Ledger is what is durable about keys that their provider does not list. [Journal.Commit] enters them.
type Ledger interface {
	// LedgerKeys calls fn for each of the provider's keys that were entered, in the order of their ids.
	LedgerKeys(ctx context.Context, provider string, fn func(Key) error) error
}

// Provisions is what is durable about declared service users.
type Provisions interface {
	// SaveProvision stores p in place of what stands under its provider and label.
	SaveProvision(ctx context.Context, p Provision) error
	// Provisions returns those of the provider, or of all if it is empty, by provider and label.
	Provisions(ctx context.Context, provider string) ([]Provision, error)
	// ForgetProvision removes one; it succeeds if there is none.
	ForgetProvision(ctx context.Context, provider, label string) error
}

// Operations is what is durable about operators' wishes and the state of providers.
type Operations interface {
	// PutHold places a hold on its credential, replacing an earlier one.
	PutHold(ctx context.Context, h Hold) error
	// Release removes the hold for actor; it succeeds if there is none. The credential's keys are looked at again at once.
	Release(ctx context.Context, c CredentialID, actor string) error
	// HoldOn returns the hold that is in force at now, or nil.
	HoldOn(ctx context.Context, c CredentialID, now time.Time) (*Hold, error)
	// ProviderState returns what is stored of a provider; the zero state if nothing is.
	ProviderState(ctx context.Context, provider string) (ProviderState, error)
	// SaveProviderState stores it.
	SaveProviderState(ctx context.Context, s ProviderState) error
}

// ProviderState is what survives a restart about one provider.
type ProviderState struct {
	Provider string `json:"provider"`
	// PausedUntil stops every step that calls the provider; zero if it is not paused.
	PausedUntil time.Time `json:"paused_until,omitzero"`
	// PausedWhy says why in words.
	PausedWhy string `json:"paused_why,omitempty"`
	// BreakerOpen is true while the pause comes from repeated failures, not from throttling.
	BreakerOpen bool `json:"breaker_open,omitempty"`
	// Failures counts failed calls in a row.
	Failures int `json:"failures,omitempty"`
	// WriteFailedAt is when a call that changes something failed last; zero once one has succeeded. While it is recent,
	// a read that succeeds says nothing about whether the provider works.
	WriteFailedAt time.Time `json:"write_failed_at,omitzero"`
	// LastScan is when the last complete scan began; Users, Keys and Managed are what it saw.
	LastScan time.Time `json:"last_scan,omitzero"`
	Users    int       `json:"users,omitempty"`
	Keys     int       `json:"keys,omitempty"`
	Managed  int       `json:"managed,omitempty"`
	// ScanTrouble is why the latest scan failed; empty if it did not.
	ScanTrouble string `json:"scan_trouble,omitempty"`
	// AwaitingSince is when the cap first stopped rotations that nobody has approved; zero if it does not.
	AwaitingSince time.Time `json:"awaiting_since,omitzero"`
	// Awaiting is how many rotations wait for approval, counted up to a bound.
	Awaiting int `json:"awaiting,omitempty"`
	// Approved is how many rotations beyond the cap a person has let through, until ApprovedUntil.
	Approved      int       `json:"approved,omitempty"`
	ApprovedUntil time.Time `json:"approved_until,omitzero"`
	ApprovedBy    string    `json:"approved_by,omitempty"`
	// Skew is how far the provider's clock is ahead of ours (behind, if negative), to the minute, where [ClockWrong] says that nothing can
	// be told by dates; else zero.
	Skew time.Duration `json:"skew,omitempty"`
	// SavedAt is when this was saved, by the clock as it was then: if that is still to come, the clock has been set back.
	SavedAt time.Time `json:"saved_at,omitzero"`
	// VerifiedAt is when the last verification by schedule began, or since when there is a schedule; zero for none.
	VerifiedAt time.Time `json:"verified_at,omitzero"`
}

// Entry is one line of a rotation's history.
type Entry struct {
	Rotation string    `json:"rotation"`
	Seq      int64     `json:"seq"`
	At       time.Time `json:"at"`
	From     Stage     `json:"from,omitempty"`
	To       Stage     `json:"to"`
	Note     string    `json:"note"`
}

// Counts are the aggregates that metrics and the status page show, whatever the size of the fleet.
type Counts struct {
	// Keys by provider and state; state is one of managed, unmanaged, waiting, missing, inactive.
	Keys map[string]map[string]int
	// Stages counts open rotations by provider and stage, with the time the longest has been there.
	Stages []StageCount
	// Blocked counts what a person has to look at, by provider and reason: rotations and keys together.
	Blocked map[string]map[BlockReason]int
	// Orphans counts keys by provider that stand under a name we intended and never sealed, in no open rotation.
	Orphans map[string]int
	// Holds counts the holds in force.
	Holds int
}

// StageCount is how many rotations of a provider are in a stage.
type StageCount struct {
	Provider string
	Stage    Stage
	Count    int
	Oldest   time.Time
}

// View answers the questions of people and dashboards. It never changes anything.
type View interface {
	Fleet
	Counts(ctx context.Context, now time.Time) (Counts, error)
	// Standing returns what is late and what stands still, of these providers.
	Standing(ctx context.Context, providers []string, now time.Time) (Standing, error)
	// ManagedKeys calls fn for each managed key that is active, in the order of deadlines.
	ManagedKeys(ctx context.Context, fn func(TrackedKey) error) error
	// Rotations returns open rotations (or, with final, the ended ones, latest first), up to limit.
	Rotations(ctx context.Context, final bool, limit int) ([]Rotation, error)
	// WaitingKeys returns keys that are due and not being rotated, the longest waiting first, up to limit.
	WaitingKeys(ctx context.Context, limit int) ([]TrackedKey, error)
	// History returns a rotation's entries, oldest first.
	History(ctx context.Context, rotation string) ([]Entry, error)
	// FindRotations returns a page of the rotations that q selects: the open ones, those that have stood in their stage the
	// longest first, then those that ended, the latest first.
	FindRotations(ctx context.Context, q RotationQuery) (RotationPage, error)
	// FindCredentials returns the credentials whose provider, user (id, name or e-mail) and base name match the glob patterns;
	// an empty pattern matches all; up to limit.
	FindCredentials(ctx context.Context, provider, user, base string, limit int) ([]TrackedKey, error)
	// HookRuns is that of [Hooks].
	HookRuns(ctx context.Context, rotation string) ([]HookRun, error)
	// FailingHookRuns is that of [Hooks].
	FailingHookRuns(ctx context.Context, limit int) ([]HookRun, error)
	// ReportKeys calls fn for each key that q selects, with what belongs to it as of now, in the order of provider and id,
	// until fn returns an error, which it returns. fn may call the store and take its time.
	ReportKeys(ctx context.Context, q KeyQuery, now time.Time, fn func(KeyFacts) error) error
}

// Store is everything the daemon keeps.
type Store interface {
	Journal
	Inventory
	Ledger
	Provisions
	Operations
	Outbox
	Audit
	View
	Leases
	Agenda
	Freezes
	Incidents
	Verifications
	Hooks
	Close() error
}
