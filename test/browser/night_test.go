package browser

import (
	"fmt"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/engine"
	"github.com/rotatord/rotatord/rotator/journal"
	"github.com/rotatord/rotatord/rotator/rotatortest"
)

// The credentials of a busy night, by what became of them.
const (
	soaking    = "/credentials/cc/u000001/ci"
	delivering = "/credentials/cc/u000002/ci"
	inUse      = "/credentials/cc/u000003/ci"
	replaced   = "/credentials/cc/u000004/ci"
	waiting    = "/credentials/cc/u000009/ci"
	ready      = "/credentials/cc/u000020/ci" // nothing stands against a drill of it
	told       = "/credentials/cc/u000005/ci"
	leaked     = "/incidents/incident-20261122-k3j5h2"
)

// night adds to a seeded journal what somebody who is called at night may find: rotations in several stages, one of them
// stuck, a hold, a provider that is left alone, and a past.
func night(t *testing.T, store *journal.Store) {
	t.Helper()
	n := teller{t: t, store: store, now: time.Now().UTC()}
	n.rotation(1, rotator.StageSoaking, func(r *rotator.Rotation) {
		r.Terms.Soak, r.SoakUntil = 3*day, n.now.Add(2*day)
	})
	n.rotation(2, rotator.StageDelivering, func(r *rotator.Rotation) {
		r.GraceUntil, r.Sinks[1].ConfirmedAt, r.Sinks[1].Receipt = time.Time{}, time.Time{}, ""
		r.Sinks[1].Attempt, r.Sinks[1].NextAt, r.Sinks[1].Trouble = 3, n.now.Add(4*time.Minute), "writing /var/lib/keys/cc/u000002/ci.json: no space left on device"
		r.Attempt, r.Trouble = 3, "disk: "+r.Sinks[1].Trouble
	})
	n.rotation(3, rotator.StageGrace, func(r *rotator.Rotation) {
		r.GraceUntil = n.now.Add(-9 * time.Hour)
		r.Blocked, r.BlockedSince = rotator.BlockOldKeyInUse, r.GraceUntil
		r.Trouble = "the old key 700003 was last used " + n.now.Add(-20*time.Minute).Format("2006-01-02 15:04 MST") + ", and has to be idle for 24h"
	})
	n.leak()
	n.rotation(4, rotator.StageDone, func(r *rotator.Rotation) {
		r.GraceUntil, r.Why = n.now.Add(-20*time.Hour), "the old key was revoked"
	})
	hold := rotator.Hold{CredentialID: credential(1), By: "ada", Reason: "the release is being rolled back", At: n.now.Add(-time.Hour), Until: n.now.Add(23 * time.Hour)}
	if err := store.PutHold(t.Context(), hold); err != nil {
		t.Fatal(err)
	}
	series, err := store.Series(t.Context(), credential(9))
	if err != nil {
		t.Fatal(err)
	}
	series[0].Waiting, series[0].WaitingWhy, series[0].LookAt = rotator.BlockAwaitingApproval, "3 rotations are due at once", n.now.Add(time.Hour)
	if err := store.SetLook(t.Context(), series[0], n.now.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	down := rotator.ProviderState{Provider: "digicert-one", LastScan: n.now.Add(-50 * time.Minute), Users: 12, Keys: 14, Managed: 12, BreakerOpen: true, Failures: 5,
		PausedUntil: n.now.Add(12 * time.Minute), PausedWhy: "5 calls in a row failed, the last one: GET /api-keys: HTTP 503"}
	if err := store.SaveProviderState(t.Context(), down); err != nil {
		t.Fatal(err)
	}
}

// leak adds what came of four credentials that leaked: one is confirmed, one under way, one waits for a person, and one could not be
// rotated. Of the first, the sinks were looked at since, one consumer was told of the new key and another could not be.
func (n *teller) leak() {
	n.t.Helper()
	compromised := func(r *rotator.Rotation) {
		r.Reason, r.Actor, r.Terms = rotator.ReasonCompromised, "ada", rotator.Terms{}
	}
	n.rotation(5, rotator.StageDone, func(r *rotator.Rotation) { compromised(r); r.Why = "the old key was revoked" })
	n.rotation(6, rotator.StageDelivering, func(r *rotator.Rotation) { compromised(r); r.Sinks[1].ConfirmedAt = time.Time{} })
	n.rotation(7, rotator.StageConfirmed, func(r *rotator.Rotation) {
		compromised(r)
		r.Blocked, r.BlockedSince, r.Trouble = rotator.BlockSinkMismatch, n.now.Add(-20*time.Minute), "vault holds fp-77d0a4, which rotatord did not write"
	})
	i := rotator.Incident{ID: "incident-20261122-k3j5h2", At: n.now.Add(-2 * day), By: "ada", Provider: "cc", User: "u00000[5-8]", Base: "ci", Note: "the build server's disk was sold"}
	for c := 5; c < 9; c++ {
		key := rotator.IncidentKey{CredentialID: credential(c), Key: rotator.KeyRef{ID: keyID(c), Name: "ci-r0001"}, Created: n.now.Add(-70 * day), LastUsed: n.now.Add(-2*day - time.Hour), Policy: "ci"}
		i.Credentials = append(i.Credentials, rotator.IncidentCredential{CredentialID: credential(c), ServiceUser: "Build " + credential(c).UserID, Keys: []rotator.IncidentKey{key}})
	}
	i.Credentials[3].Refused = "rotate: cc/u000008/ci is held by bob until 2026-11-30T12:00:00Z: the release is being rolled back; release it first (conflict)"
	for c, why := range map[int]rotator.LeftOut{10: rotator.LeftOutUnmanaged, 11: rotator.LeftOutSimilar} {
		i.LeftOut = append(i.LeftOut, rotator.IncidentKey{CredentialID: credential(c), Key: rotator.KeyRef{ID: keyID(c), Name: "ci-r0001"}, Created: n.now.Add(-10 * day), Why: why})
	}
	if err := n.store.PutIncident(n.t.Context(), i); err != nil {
		n.t.Fatal(err)
	}
	seen := rotator.Verification{CredentialID: credential(5), Policy: "ci", Key: rotator.KeyRef{ID: "8" + keyID(5), Name: "ci-r0002"}, At: n.now.Add(-3 * time.Hour),
		Outcome: rotator.VerifiedDiffers, Fingerprint: "fp-4e7ad919021f3278a7cd", Why: "disk does not hold the key", Do: "find out who wrote there, then have another key made: rotatord rotate",
		Sinks: []rotator.VerifySink{{Sink: "vault", Location: "secret/cc/u000005/ci", Matches: true, Fingerprint: "fp-4e7ad919021f3278a7cd"},
			{Sink: "disk", Location: "/var/lib/keys/cc/u000005/ci.json", Fingerprint: "fp-00c1b2"}}}
	if err := n.store.SaveVerifications(n.t.Context(), []rotator.Verification{seen}); err != nil {
		n.t.Fatal(err)
	}
}

// told are the runs of hooks of the rotation: one that is done and one that fails.
func (n *teller) told(r *rotator.Rotation) []rotator.HookRun {
	run := func(hook string) rotator.HookRun {
		return rotator.HookRun{ID: fmt.Sprintf("%s/%d/%s", r.ID, r.Version, hook), Hook: hook, At: r.StageAt, Rotation: r.ID, CredentialID: r.CredentialID, Policy: r.Policy,
			Reason: r.Reason, Version: r.Version, NewKey: r.NewKey, Fingerprint: r.Fingerprint, NextAt: r.StageAt}
	}
	ci := run("tell-ci")
	ci.Required = true
	return []rotator.HookRun{run("reload-web"), ci}
}

// answered says how the runs of the rotation's hooks went.
func (n *teller) answered(runs []rotator.HookRun) {
	n.t.Helper()
	begun := []string{runs[0].ID}
	for range 4 {
		if err := n.store.BeginHookRuns(n.t.Context(), "call", []string{runs[1].ID}); err != nil {
			n.t.Fatal(err)
		}
		if err := n.store.FailHookRuns(n.t.Context(), []string{runs[1].ID}, "POST https://ci.example/hooks/rotated: HTTP 503: the build queue is closed", false, n.now.Add(9*time.Minute)); err != nil {
			n.t.Fatal(err)
		}
	}
	if err := n.store.BeginHookRuns(n.t.Context(), "other", begun); err != nil {
		n.t.Fatal(err)
	}
	if err := n.store.EndHookRuns(n.t.Context(), begun, rotator.HookDone, "web.service was reloaded", n.now.Add(-6*day)); err != nil {
		n.t.Fatal(err)
	}
}

const day = 24 * time.Hour

// teller writes what happened into a journal.
type teller struct {
	t     *testing.T
	store *journal.Store
	now   time.Time
}

// rotation takes credential i to the stage, with a note at each one before it.
func (n *teller) rotation(i int, to rotator.Stage, change func(*rotator.Rotation)) {
	n.t.Helper()
	c, began := credential(i), n.now.Add(-7*day)
	old := rotator.KeyRef{ID: keyID(i), Name: "ci-r0001"}
	r := rotator.Rotation{CredentialID: c, ServiceUser: "Build " + c.UserID, Policy: "ci", Reason: rotator.ReasonExpiring, Version: 2, OldKey: old,
		Deadline: n.now.Add(20 * day), Terms: rotator.Terms{Grace: 6 * day, Idle: day},
		Sinks: []rotator.SinkProgress{{Sink: "vault", Location: "secret/cc/" + c.UserID + "/ci"}, {Sink: "disk", Location: "/var/lib/keys/cc/" + c.UserID + "/ci.json"}}}
	plan := rotator.Plan("20261122-"+c.UserID, r, began, "its key expires; the policy ci renews it 30 days ahead")
	n.commit(plan)
	r = plan.After
	words := map[rotator.Stage]string{rotator.StageMinting: "the provider is asked for a key named ci-r0002", rotator.StageMinted: "key ci-r0002 is sealed into the journal",
		rotator.StageTesting: "the new key is tried at the provider", rotator.StageDelivering: "the new key authenticates", rotator.StageConfirmed: "every sink was read back",
		rotator.StageGrace: "both keys work for 6 days", rotator.StageDeactivating: "grace is over and the old key is idle", rotator.StageSoaking: "the old key is switched off",
		rotator.StageRevoking: "the soak is over", rotator.StageDone: "the old key is revoked"}
	minute := 0
	for _, stage := range rotator.Stages()[1:] {
		if stage == rotator.StageReactivating || stage == rotator.StageExtending {
			continue
		}
		from := r.Stage
		minute += 3
		r.Stage, r.StageAt, r.Seq = stage, began.Add(time.Duration(minute)*time.Minute), r.Seq+1
		switch stage {
		case rotator.StageMinted:
			r.NewKey, r.Fingerprint, r.Sealed = rotator.KeyRef{ID: "8" + keyID(i), Name: "ci-r0002"}, "fp-4e7ad919021f3278a7cd", []byte("sealed")
			n.keys(i, r.StageAt, to)
		case rotator.StageConfirmed:
			r.Sealed = nil
		case rotator.StageGrace:
			r.GraceUntil = n.now.Add(-day)
		case rotator.StageDeactivating:
			r.StageAt = n.now.Add(-day)
		case rotator.StageSoaking, rotator.StageRevoking, rotator.StageDone:
			r.StageAt = n.now.Add(-day + time.Minute)
		}
		if stage == rotator.StageDelivering {
			for s := range r.Sinks {
				r.Sinks[s].ConfirmedAt, r.Sinks[s].Receipt = r.StageAt.Add(time.Duration(s+1)*time.Hour), "version 2"
			}
		}
		r.NextAt = n.now.Add(3 * time.Hour)
		if stage.Final() {
			r.NextAt = time.Time{}
		}
		if stage == to {
			change(&r)
		}
		done := rotator.Change{From: from, Seq: r.Seq - 1, After: r, Note: words[stage]}
		if stage == rotator.StageConfirmed && i == 5 {
			done.Hooks = n.told(&r)
		}
		n.commit(done)
		if len(done.Hooks) > 0 {
			n.answered(done.Hooks)
		}
		if stage == to {
			return
		}
	}
}

func (n *teller) commit(c rotator.Change) {
	n.t.Helper()
	if err := n.store.Commit(n.t.Context(), c); err != nil {
		n.t.Fatal(err)
	}
}

// keys lists the old key of credential i, in the state that belongs to the stage, and the new one.
func (n *teller) keys(i int, made time.Time, stage rotator.Stage) {
	n.t.Helper()
	c, state := credential(i), rotator.KeyActive
	switch stage {
	case rotator.StageSoaking:
		state = rotator.KeyDisabled
	case rotator.StageDone:
		state = rotator.KeyRevoked
	}
	row := func(id, name string, version int, state rotator.KeyState, created, used time.Time) rotator.KeyRow {
		return rotator.KeyRow{Sum: uint64(version) + 7, TrackedKey: rotator.TrackedKey{Provider: c.Provider, Base: c.Base, Version: version, Policy: "ci",
			Deadline: created.Add(90 * day), Key: rotator.Key{ID: id, UserID: c.UserID, Name: name, State: state, Created: created, Expires: created.Add(90 * day), LastUsed: used}}}
	}
	rows := []rotator.KeyRow{row(keyID(i), "ci-r0001", 1, state, n.now.Add(-70*day), n.now.Add(-30*time.Hour)),
		row("8"+keyID(i), "ci-r0002", 2, rotator.KeyActive, made, n.now.Add(-4*time.Minute))}
	if err := n.store.Merge(n.t.Context(), c.Provider, nil, rows); err != nil {
		n.t.Fatal(err)
	}
}

// forecaster is an engine that never runs: it is asked what it would do. Policy ci has a window on most mornings, and a
// freeze lies ahead.
func forecaster(t *testing.T, store *journal.Store) *engine.Engine {
	t.Helper()
	scan, err := rotator.ParseSchedule("*/15 * * * *", "")
	if err != nil {
		t.Fatal(err)
	}
	opens, err := rotator.ParseSchedule("0 9 * * MON-THU", "Europe/Zurich")
	if err != nil {
		t.Fatal(err)
	}
	midnight := time.Now().UTC().Truncate(day)
	return engine.New(engine.Options{Store: store}, &engine.Setup{
		Accounts: []engine.Account{{Name: "cc", Provider: rotatortest.NewProvider()}},
		Sinks:    map[string]rotator.Sink{"vault": rotatortest.NewSink(), "disk": rotatortest.NewSink()},
		Policies: []*rotator.Policy{{Name: "ci", RenewBefore: 30 * day, MaxAge: 90 * day, Grace: 6 * day, Idle: day, Window: &rotator.Window{Opens: opens, For: 6 * time.Hour},
			Sinks: []string{"vault", "disk"}}},
		Freezes: []rotator.Freeze{{From: midnight.Add(2 * day), To: midnight.Add(4 * day), Reason: "quarter end", UnlessExpiresWithin: 72 * time.Hour}},
		Scan:    scan, Cap: rotator.CapLimits{AlwaysAllowed: 5}, Concurrent: 16, HaltAfter: 5,
	})
}
