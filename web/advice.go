package web

import (
	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/forecast"
)

// What stands against a provider as a whole, beside the reasons that rotations and keys are blocked for.
const (
	reasonBreaker    = "breaker_open"
	reasonScanFailed = "scan_failed"
	reasonJournal    = "journal_failing"
)

// needsPerson reports whether a block stays until somebody does something. The others end at a time that is known and
// that somebody chose.
func needsPerson(b rotator.BlockReason) bool {
	switch b {
	case "", rotator.BlockHeld, rotator.BlockFrozen, rotator.BlockOutsideWindow:
		return false
	default:
		return true
	}
}

// advice is what to do about a block, for somebody who was just woken up.
var advice = map[string]string{
	reasonBreaker: "See whether the provider is up and whether the daemon's own key for it still works (rotatord check-config --online). " +
		"The daemon tries again by itself at the time shown.",
	reasonScanFailed: "Keys seen before stay in force, but new ones and changes are not noticed. See whether the provider is up and answers completely.",

	reasonJournal: "The journal cannot be written, so nothing moves: most often its disk is full or read-only. Make room; the rest goes by itself.",

	reasonVerified + string(rotator.VerifiedDiffers): "Find out who else writes into the sink and stop it, then have another key made and delivered: " +
		"rotatord rotate PROVIDER/USER/CREDENTIAL. Then look again, which names every one: rotatord verify PROVIDER/'*/*'",
	reasonVerified + string(rotator.VerifiedRefused): "Consumers may be refused now. Have another key made and delivered at once: " +
		"rotatord rotate PROVIDER/USER/CREDENTIAL. Then look again, which names every one: rotatord verify PROVIDER/'*/*'",
	reasonVerified + string(rotator.VerifiedUnreachable): "See that the sink or the provider answers, then look again, which names every one: rotatord verify PROVIDER/'*/*'",

	reasonLeak: "Open the incident: it lists each key that may still be accepted, and what to do about it. The same on the command line: rotatord history --incident INCIDENT",

	rotator.ComplaintTrouble: "Look at the service user at the provider, and at what service_users says of it. The next scan looks again.",
	rotator.ComplaintDrift:   "Somebody changed the service user. Set it back there, or change its declaration; with on_drift: fix the daemon sets it back.",

	string(rotator.BlockAwaitingSupply):  "Make the key as described, then hand it over with the command that is shown there. Do it before the deadline.",
	string(rotator.BlockAwaitingRemoval): "Remove the key as described, then say so with: rotatord removed PROVIDER/USER/CREDENTIAL. A key that expires needs nobody.",
	string(rotator.BlockObserveOnly):     "Replace the key by hand, or take observe_only out of its policy.",
	string(rotator.BlockRotationFailed):  "The provider refused the key that it had made, and the old one stays. See why; it is tried again at the time shown, ever more rarely.",
	string(rotator.BlockHookFailing): "A consumer could not be told to read its new key. See why and mend it; it is told again by itself. The old key stays if the policy " +
		"requires the hook. A hook whose consumer is gone: take it out of the configuration and reload.",
	string(rotator.BlockClockSkew): "Set this machine's clock right (NTP). Nothing is decided by dates until it agrees with the provider's.",
	string(rotator.BlockOwnKey):    "Give the daemon itself the new key (its api_key_file) and reload; then the old key goes by itself.",
	string(rotator.BlockAwaitingApproval): "More rotations are due at once than limits.max_share_per_scan allows. If the clock and the policies are right, " +
		"let them through with: rotatord approve PROVIDER",
	string(rotator.BlockAtKeyCap):       "The service user has as many keys as the provider allows. Revoke one that nobody uses, at the provider.",
	string(rotator.BlockNameInvalid):    "Give the credential a base name that the provider accepts with a version behind it.",
	string(rotator.BlockLocationTaken):  "Two credentials would be delivered to the same place. Make the sink's path template tell them apart.",
	string(rotator.BlockHeld):           "Nothing, or release it with: rotatord release PROVIDER/USER/CREDENTIAL",
	string(rotator.BlockFrozen):         "Nothing: the freeze of the calendar ends at the time shown.",
	string(rotator.BlockOutsideWindow):  "Nothing: the policy's window opens at the time shown.",
	string(rotator.BlockOldKeyInUse):    "Find who still uses the old key, by its id in the provider's logs, and move them to the new one.",
	string(rotator.BlockOldKeyUnclear):  "Look at the old key at the provider. If it is not needed any more, revoke it there by hand.",
	string(rotator.BlockLastKey):        "Look at the new key at the provider: somebody may have revoked it. The old key stays.",
	string(rotator.BlockNewKeyRefused):  "The copy in a sink does not sign in. Look at the new key at the provider and at what the sink holds. The old key stays.",
	string(rotator.BlockSinkMismatch):   "Something else than the new key is in the sink. Find out who wrote it and bring the delivered version back, or make another key with: rotatord rotate --start-over PROVIDER/USER/CREDENTIAL",
	string(rotator.BlockSinkConflict):   "Something that rotatord did not write is in the sink, and it is not overwritten. Move it away, or give the sink another path.",
	string(rotator.BlockSinkUnknown):    "The sink is not in the configuration any more. Put it back, or make another key without it with: rotatord rotate --start-over PROVIDER/USER/CREDENTIAL",
	string(rotator.BlockDenied):         "The daemon's own credential is refused. Renew it, or give it the permission that the reason names.",
	string(rotator.BlockInvalid):        "The other side refuses the request for good. The reason says what it does not take; correct the configuration.",
	string(rotator.BlockSealUnreadable): "The sealed secret cannot be opened. Start the daemon with the seal key that it was sealed with.",
}

// reasonNames are the reasons in a few words.
var reasonNames = map[string]string{
	reasonBreaker:    "rotatord stopped calling it after repeated failures",
	reasonScanFailed: "the scan fails",
	reasonJournal:    "the journal cannot be written",

	reasonVerified + string(rotator.VerifiedDiffers):     "the last verification found a sink that does not hold the key",
	reasonVerified + string(rotator.VerifiedRefused):     "the last verification found that the provider refuses the key in the sinks",
	reasonVerified + string(rotator.VerifiedUnreachable): "the last verification had no answer",

	reasonLeak: "keys that leaked may still be accepted",

	forecast.Paused: "the provider is left alone for now",
	forecast.Queued: "more begin than move at the same time",
	forecast.Rate:   "more calls than the provider takes in an hour",

	rotator.ComplaintTrouble: "something is wrong with a service user",
	rotator.ComplaintDrift:   "a service user differs from its declaration",

	string(rotator.BlockAwaitingSupply):   "a person has to make the key",
	string(rotator.BlockAwaitingRemoval):  "a person has to remove the old key",
	string(rotator.BlockObserveOnly):      "due, and its policy only observes",
	string(rotator.BlockRotationFailed):   "the new key was refused",
	string(rotator.BlockHookFailing):      "a consumer could not be told of its new key",
	string(rotator.BlockClockSkew):        "the clocks disagree",
	string(rotator.BlockOwnKey):           "rotatord itself still uses the old key",
	string(rotator.BlockAwaitingApproval): "rotations wait for approval",
	string(rotator.BlockAtKeyCap):         "no room for another key",
	string(rotator.BlockNameInvalid):      "the provider does not take the key's name",
	string(rotator.BlockLocationTaken):    "its place in a sink belongs to another credential",
	string(rotator.BlockHeld):             "held",
	string(rotator.BlockFrozen):           "frozen",
	string(rotator.BlockOutsideWindow):    "outside its window",
	string(rotator.BlockOldKeyInUse):      "the old key is still used",
	string(rotator.BlockOldKeyUnclear):    "the old key's state is unclear",
	string(rotator.BlockLastKey):          "the new key is not there, so the old one is the last",
	string(rotator.BlockNewKeyRefused):    "the delivered key does not sign in",
	string(rotator.BlockSinkMismatch):     "a sink holds something else",
	string(rotator.BlockSinkConflict):     "something foreign is in the sink",
	string(rotator.BlockSinkUnknown):      "its sink is not configured any more",
	string(rotator.BlockDenied):           "rotatord's own credential is refused",
	string(rotator.BlockInvalid):          "the request is refused for good",
	string(rotator.BlockSealUnreadable):   "the sealed secret cannot be opened",
}

// reasonWords says a reason in a few words.
func reasonWords(reason string) string {
	if words, ok := reasonNames[reason]; ok {
		return words
	}
	return reason
}
