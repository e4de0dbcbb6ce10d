package metrics

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rotatord/rotatord/rotator"
)

// prefix of every metric of the daemon's own.
const prefix = "rotatord_"

// Definition describes one metric: what it says, and what is exported while there is nothing to say.
type Definition struct {
	// Name is the full name.
	Name string
	// Type is gauge, counter or histogram.
	Type string
	// Labels in the order of their values.
	Labels []string
	// Help is one sentence.
	Help string
	// Unset says what is exported for a value that never was, so that alerts can be written against it.
	Unset string

	desc *prometheus.Desc
}

func define(kind, name, help, unset string, labels ...string) Definition {
	return Definition{
		Name: prefix + name, Type: kind, Labels: labels, Help: help, Unset: unset,
		desc: prometheus.NewDesc(prefix+name, help, labels, nil),
	}
}

func gauge(name, help, unset string, labels ...string) Definition {
	return define("gauge", name, help, unset, labels...)
}

func counter(name, help, unset string, labels ...string) Definition {
	return define("counter", name, help, unset, labels...)
}

// perKey are the labels of the series that exist once for each key. The key's name is left out: it is the credential
// and a version, and the id is what a provider's own logs show.
var perKey = []string{"provider", "user_id", "credential", "key_id", "policy"}

// What "unset" may mean.
const (
	zeroForConfigured  = "0 for every configured provider"
	zeroForEveryLabel  = "0 for every configured provider and every value of the other labels"
	absentWhileUnknown = "absent"
)

var (
	keyExpiration = gauge("key_expiration_timestamp_seconds",
		"When the provider stops accepting the key, in seconds since 1970.", "absent for a key that never expires", perKey...)
	keyRotationDue = gauge("key_rotation_due_timestamp_seconds",
		"When the rotation of the key starts, in seconds since 1970.", "absent for a key without a deadline", perKey...)
	keyRevokeDue = gauge("key_revoke_due_timestamp_seconds",
		"The deadline: when the key must be gone, by its expiry or its policy's max_age, in seconds since 1970.", "absent for a key without a deadline", perKey...)
	keyLastUsed = gauge("key_last_used_timestamp_seconds",
		"When the key was last used, as of the last scan, in seconds since 1970.", "absent for a key that was never used, or whose provider does not report use", perKey...)

	keys = gauge("keys", "Keys that are known, by what the daemon makes of them.", zeroForEveryLabel, "provider", "state")
	// Said twice, here and as a state of the one above, because a share of keys is asked of that and an alert of this.
	unmanagedKeys = gauge("unmanaged_keys", "Keys that no policy selects: nobody rotates them.", zeroForConfigured, "provider")
	orphanKeys    = gauge("orphan_keys", "Keys whose secret nobody has: made, and lost before it could be sealed.", zeroForConfigured, "provider")
	keyFindings   = gauge("key_findings", "Keys with something to be said against them, as of the latest scan; a key can have several findings. rotatord report names them.",
		"absent until the first scan of this process has ended", "provider", "finding")
	orphansGone = counter("orphan_keys_retired_total", "Orphan keys that the daemon revoked.", zeroForConfigured, "provider")

	rotationsTotal = counter("rotations_total", "Rotations that ended.", zeroForEveryLabel, "provider", "reason", "result")
	openRotations  = gauge("open_rotations", "Rotations under way, by the stage that they are in.", zeroForEveryLabel, "provider", "stage")
	stageSince     = gauge("rotation_stage_timestamp_seconds",
		"Since when the rotation that has been in the stage the longest is in it, in seconds since 1970.", "absent while no rotation is in the stage", "provider", "stage")
	rotationsBlocked = gauge("rotations_blocked", "Rotations and due keys that do not go on by themselves.", zeroForEveryLabel, "provider", "reason")
	awaitingApproval = gauge("awaiting_approval",
		"Rotations that the blast-radius cap holds back until a person approves, counted up to a bound.", zeroForConfigured, "provider")
	lastProven = gauge("last_proven_rotation_timestamp_seconds",
		"When a rotation last ended with its old key retired on evidence, in seconds since 1970.",
		"0 for a configured provider that never had one among the last 1000 rotations that had ended when the daemon started", "provider")

	serviceUsers = gauge("service_users", "Service users that must exist, by what is known of them; drifted ones are present and differ from their declaration.",
		zeroForEveryLabel, "provider", "state")

	sinkDeliveries = counter("sink_deliveries_total", "Attempts to deliver a key to a sink and to read it back, by how they ended.", "0 for every configured sink and every result", "sink", "result")
	sinkUp         = gauge("sink_up", "Whether the sink answered when it was last written or read: 1 or 0.", "absent until the daemon has first asked the sink for something", "sink")

	providerUp = gauge("provider_up", "Whether the latest scan was complete and the breaker is closed: 1 or 0.", "0 for a provider that was never scanned", "provider")
	lastScan   = gauge("last_scan_success_timestamp_seconds",
		"When the last complete scan began, in seconds since 1970; kept over a restart.", "0 for a provider that never was: its age is then since 1970, so an alert on a stale scan works from the start", "provider")
	scanDue = gauge("scan_due_timestamp_seconds",
		"When, by the schedule, the scan begins that follows the last complete one, in seconds since 1970. Long past, scans fail or do not run.",
		"0 for a provider that never was scanned", "provider")
	scanDuration = gauge("scan_duration_seconds", "How long the latest scan took, complete or not.", "absent until the first scan of this process has ended", "provider")
	scansTotal   = counter("scans_total", "Scans that ended.", zeroForEveryLabel, "provider", "result")
	scanKeys     = gauge("scan_keys", "Keys of any state that the last complete scan saw.", zeroForConfigured, "provider")
	clockSkew    = gauge("provider_clock_skew_seconds", "How far the provider's clock is ahead of the daemon's (behind, if negative), to the minute, where they differ by more than five minutes; else 0.",
		"0 where the provider does not tell the time", "provider")
	breakerOpen = gauge("breaker_open", "Whether repeated failures keep the daemon from calling the provider: 1 or 0.", zeroForConfigured, "provider")
	paused      = gauge("provider_paused", "Whether no step calls the provider now, because of the breaker or because it asked for patience: 1 or 0.", zeroForConfigured, "provider")
	requests    = counter("provider_requests_total", "Requests to the provider, by the operation and the answer's HTTP status code.", absentWhileUnknown, "provider", "operation", "code")
	requestTime = define("histogram", "provider_request_duration_seconds",
		"How long requests to the provider took; a native histogram, with classic buckets beside it.", absentWhileUnknown, "provider", "operation")

	holdActive   = gauge("hold_active", "Operators' holds that are in force.", "0")
	freezeActive = gauge("freeze_active", "Whether a freeze of the calendar is in force now: 1 or 0.", "0")

	leaseHeld    = gauge("lease_held", "Whether this replica acts on the provider's account: 1 or 0. Over all replicas the sum is 1; 0 for more than the time of a lease means that nobody acts.", zeroForConfigured, "provider")
	leaseChanges = counter("lease_changes_total", "How often this replica began, or ceased, to act on the provider's account.", zeroForConfigured+" and both changes", "provider", "change")
	lateWrites   = counter("late_writes_refused_total", "Writes of this replica that the journal refused because another one owns the account by now. A few after a frozen process woke up are the fence at work.", zeroForConfigured, "provider")

	journalUp     = gauge("journal_up", "Whether the journal could be read for this scrape: 1 or 0. While it is 0, everything that is counted in the journal is absent.", "never unset")
	journalErrors = counter("journal_errors_total", "Reads and commits of the journal that failed.", "0")
	ready         = gauge("ready", "Whether this process does its work: 1 or 0. It does not while it waits for its seal key, nor while it stops.", "never unset")
	configGood    = gauge("config_last_reload_successful", "Whether the configuration was good when it was last read: 1 or 0. A bad one is not in force.", "1 at start")
	configAt      = gauge("config_last_reload_success_timestamp_seconds", "When the configuration in force was read, in seconds since 1970.", "the start of the process")
	buildInfo     = gauge("build_info", "Always 1; says what is running.", "never unset", "version", "revision", "goversion")
)

// Section is a group of metrics on the reference page.
type Section struct {
	Title   string
	Intro   string
	Metrics []Definition
}

// Sections lists every metric of the daemon's own, in the order of the reference page.
func Sections() []Section {
	return []Section{
		{"Keys", "The first four exist once for each managed, active key and can be turned off with `metrics.per_key: false`. While a\n" +
			"credential rotates it has two keys, and the old one's times have passed: ask for the newest with\n" +
			"`max by (provider, user_id, credential) (rotatord_key_rotation_due_timestamp_seconds)`.",
			[]Definition{keyExpiration, keyRotationDue, keyRevokeDue, keyLastUsed, keys, unmanagedKeys, orphanKeys, orphansGone, keyFindings}},
		{"Rotations", "", []Definition{rotationsTotal, openRotations, stageSince, stepSince, nextStep, rotationsBlocked, blockedSince, awaitingApproval, lastProven, proofDue, drillStuck}},
		{"What is late, and whose it is", "What alerts are made of: each exists once for each provider and policy, however many keys there are.",
			[]Definition{dueKeys, windowUsed, expiredKeys, leakedCredentials, ownerInfo}},
		{"Service users", "", []Definition{serviceUsers}},
		{"Sinks", "", []Definition{sinkDeliveries, sinkUp, verifiedCredentials, lastVerification, verificationDue}},
		{"Providers and scans", "", []Definition{providerUp, lastScan, scanDue, scanDuration, scansTotal, scanKeys, clockSkew, breakerOpen, paused, requests, requestTime}},
		{"Notices", "What the contacts of credentials are told; see the page on notifications.",
			[]Definition{noticesPending, noticesFailed, noticesOldest, noticesTried, alertsPushed}},
		{"Hooks", "What tells consumers that a new key is in its places; see the page on hooks. A hook that was taken out of the configuration is shown while something waits for it.",
			[]Definition{hookRuns, hookPending, hookFailing, hookOldest}},
		{"Replicas", "", []Definition{leaseHeld, leaseChanges, lateWrites}},
		{"Operators and the calendar", "", []Definition{holdActive, holdSince, freezeActive, freezeSince}},
		{"The daemon", "The usual `go_` and `process_` metrics are exported too.",
			[]Definition{ready, ownExpiration, journalUp, journalErrors, auditRecords, auditChain, configGood, configAt, buildInfo}},
	}
}

// keyStates are the states of [rotator.Counts].
func keyStates() []string { return []string{"managed", "unmanaged", "waiting", "missing", "inactive"} }

// userStates are the states of service users that must exist.
func userStates() []string {
	states := []string{drifted}
	for _, s := range rotator.ProvisionStates() {
		states = append(states, string(s))
	}
	return states
}

// drifted is the state of a service user that is present and is not what its declaration says.
const drifted = "drifted"

// openStages are those that a rotation can be found in.
func openStages() []rotator.Stage {
	return slices.DeleteFunc(rotator.Stages(), rotator.Stage.Final)
}

// results are the stages in which a rotation ends.
func results() []rotator.Stage {
	return []rotator.Stage{rotator.StageDone, rotator.StageAbandoned}
}

// What became of a delivery, beside the kinds of fault.
const (
	deliveryConfirmed = "confirmed"
	deliveryOther     = "other"
)

func deliveryResults() []string {
	all := []string{deliveryConfirmed}
	for _, k := range rotator.Kinds() {
		all = append(all, string(k))
	}
	return append(all, deliveryOther)
}

// What became of a scan.
const (
	scanComplete    = "complete"
	scanFailed      = "failed"
	scanDisbelieved = "disbelieved"
)

func scanResults() []string { return []string{scanComplete, scanFailed, scanDisbelieved} }

// noCode is the code of a request that no usable status code answered.
const noCode = "none"
