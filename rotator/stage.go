package rotator

import "slices"

// Stage is where a rotation stands. A stage that ends in "-ing" is committed before its effect, the next one after
// it, so that after a crash the stage says which one step to repeat or to ask about.
type Stage string

// The stages, in order.
const (
	// StagePlanned: decided, nothing done yet.
	StagePlanned Stage = "planned"
	// StageMinting: the provider is being asked for a key under [Rotation.NewKey]'s name; it may exist.
	StageMinting Stage = "minting"
	// StageMinted: the key exists and its secret is sealed in the journal.
	StageMinted Stage = "minted"
	// StageTesting: the key is being tried at the provider, before any sink sees it.
	StageTesting Stage = "testing"
	// StageDelivering: sinks are being written and read back, each at its own pace.
	StageDelivering Stage = "delivering"
	// StageConfirmed: every sink holds the new key; the sealed secret is erased.
	StageConfirmed Stage = "confirmed"
	// StageGrace: consumers are moving to the new key; both work.
	StageGrace Stage = "grace"
	// StageDeactivating: the old key is being switched off, reversibly.
	StageDeactivating Stage = "deactivating"
	// StageSoaking: the old key is off and can still be brought back.
	StageSoaking Stage = "soaking"
	// StageReactivating: somebody wants the old key back while it is off; it is being switched on.
	StageReactivating Stage = "reactivating"
	// StageRevoking: the old key is being revoked for good.
	StageRevoking Stage = "revoking"
	// StageDone: the old key is gone.
	StageDone Stage = "done"
	// StageExtending: the provider is being asked to move the key's expiry; no other key is made.
	StageExtending Stage = "extending"
	// StageAbandoning: the new key is being revoked because it is of no use; the old one stays.
	StageAbandoning Stage = "abandoning"
	// StageAbandoned: the new key is gone or was never made; the old one stays.
	StageAbandoned Stage = "abandoned"
)

// next holds every legal move from one stage to another. A commit that stays within a stage (progress of one sink, a
// retry, a block) is always legal except in a final stage.
var next = map[Stage][]Stage{
	StagePlanned:      {StageMinting, StageMinted, StageExtending, StageAbandoned},
	StageExtending:    {StageDone, StagePlanned},
	StageMinting:      {StageMinted, StagePlanned},
	StageMinted:       {StageTesting},
	StageTesting:      {StageDelivering, StageAbandoning},
	StageDelivering:   {StageConfirmed, StagePlanned},
	StageConfirmed:    {StageGrace, StageDone},
	StageGrace:        {StageDeactivating, StageRevoking, StagePlanned},
	StageDeactivating: {StageSoaking, StagePlanned},
	StageSoaking:      {StageRevoking, StageReactivating},
	StageReactivating: {StageGrace, StageRevoking},
	StageRevoking:     {StageDone, StagePlanned, StageReactivating},
	StageAbandoning:   {StageAbandoned, StagePlanned},
	StageDone:         {},
	StageAbandoned:    {},
}

// Stages lists every stage in order.
func Stages() []Stage {
	return []Stage{StagePlanned, StageMinting, StageMinted, StageTesting, StageDelivering, StageConfirmed, StageGrace, StageDeactivating, StageSoaking, StageReactivating, StageRevoking,
		StageExtending, StageDone, StageAbandoning, StageAbandoned}
}

// Next lists the stages that may follow s.
func (s Stage) Next() []Stage { return slices.Clone(next[s]) }

// Final reports whether nothing follows s.
func (s Stage) Final() bool { return len(next[s]) == 0 }

// CallsProvider reports whether the step taken in s needs the provider: such steps wait while the provider is paused.
func (s Stage) CallsProvider() bool {
	switch s {
	case StageMinted, StageConfirmed, StageDelivering, StageDone, StageAbandoned:
		return false
	default:
		return true
	}
}

// Reason says why a rotation was planned.
type Reason string

// The reasons.
const (
	ReasonExpiring    Reason = "expiring"    // the key's own expiry is near
	ReasonMaxAge      Reason = "max_age"     // the policy's maximal age is near
	ReasonManual      Reason = "manual"      // an operator asked
	ReasonCompromised Reason = "compromised" // an operator said the secret leaked: no window, freeze, grace or idle time
	ReasonMissing     Reason = "missing"     // a declared service user has no key yet
	ReasonDrill       Reason = "drill"       // somebody wants to see that rotating works; it waits for all that a rotation by date waits for
)

// Reasons lists every reason.
func Reasons() []Reason {
	return []Reason{ReasonExpiring, ReasonMaxAge, ReasonManual, ReasonCompromised, ReasonMissing, ReasonDrill}
}

// BlockReason says why something does not go on by itself. The list is closed: it is a metric's label and chooses the
// runbook.
type BlockReason string

// The reasons for a block.
const (
	BlockAwaitingApproval BlockReason = "awaiting_approval" // more rotations at once than the cap allows
	BlockAtKeyCap         BlockReason = "at_key_cap"        // no room for a new key, and nothing of ours to clear away
	BlockNameInvalid      BlockReason = "name_invalid"      // the provider cannot take the new key's name
	BlockLocationTaken    BlockReason = "location_taken"    // another credential is delivered to the same place
	BlockHeld             BlockReason = "held"              // an operator's hold
	BlockFrozen           BlockReason = "frozen"            // a freeze of the calendar
	BlockOutsideWindow    BlockReason = "outside_window"    // the policy's window is closed
	BlockOldKeyInUse      BlockReason = "old_key_in_use"    // somebody still uses the old key
	BlockOldKeyUnclear    BlockReason = "old_key_unclear"   // the provider says something of the old key that we do not know
	BlockLastKey          BlockReason = "last_key"          // the provider does not list the new key as active
	BlockNewKeyRefused    BlockReason = "new_key_refused"   // the copy read back from a sink does not authenticate
	BlockSinkMismatch     BlockReason = "sink_mismatch"     // a sink does not hold what was delivered
	BlockSinkConflict     BlockReason = "sink_conflict"     // a sink holds something we did not write
	BlockSinkUnknown      BlockReason = "sink_unknown"      // the sink is no longer in the configuration
	BlockDenied           BlockReason = "denied"            // the daemon's own credential is refused
	BlockInvalid          BlockReason = "invalid"           // the other side refuses what we ask, for good
	BlockSealUnreadable   BlockReason = "seal_unreadable"   // the sealed secret cannot be opened with the key we have
	BlockAwaitingSupply   BlockReason = "awaiting_supply"   // a person has to make the new key and supply it
	BlockAwaitingRemoval  BlockReason = "awaiting_removal"  // a person has to remove a key and say so
	BlockObserveOnly      BlockReason = "observe_only"      // the policy only observes, and the key is due
	BlockOwnKey           BlockReason = "own_key"           // the daemon itself still signs in with the old key
	BlockRotationFailed   BlockReason = "rotation_failed"   // the last rotation made a key that was of no use
	BlockHookFailing      BlockReason = "hook_failing"      // a consumer that the policy requires was not told of the new key
	BlockClockSkew        BlockReason = "clock_skew"        // our clock and the provider's differ too much to go by dates
)

// BlockReasons lists every reason for a block.
func BlockReasons() []BlockReason {
	return []BlockReason{BlockAwaitingApproval, BlockAtKeyCap, BlockNameInvalid, BlockLocationTaken, BlockHeld, BlockFrozen,
		BlockOutsideWindow, BlockOldKeyInUse, BlockOldKeyUnclear, BlockLastKey, BlockNewKeyRefused, BlockSinkMismatch,
		BlockSinkConflict, BlockSinkUnknown, BlockDenied, BlockInvalid, BlockSealUnreadable,
		BlockAwaitingSupply, BlockAwaitingRemoval, BlockObserveOnly, BlockOwnKey, BlockHookFailing, BlockClockSkew, BlockRotationFailed}
}
