// Package journaltest holds the conformance suite that every [rotator.Store] passes: one case for each sentence of the
// contract in package rotator.
package journaltest

import (
	"cmp"
	"context"
	"fmt"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rotatord/rotatord/rotator"
)

// Open makes an empty store for one case. The suite closes what it is given.
type Open func(t *testing.T) rotator.Store

// Run runs the suite.
func Run(t *testing.T, open Open) {
	groups := []struct {
		name  string
		cases []testCase
	}{
		{"Commit", commitCases},
		{"Effects", effectCases},
		{"Due", dueCases},
		{"Inventory", inventoryCases},
		{"Looks", lookCases},
		{"Operations", operationCases},
		{"Outbox", outboxCases},
		{"People", peopleCases},
		{"View", viewCases},
		{"Fleet", fleetCases},
		{"Report", reportCases},
		{"Audit", auditCases},
		{"Leases", leaseCases},
		{"Agenda", agendaCases},
		{"Freezes", freezeCases},
		{"Past", pastCases},
		{"Hooks", hookCases},
	}
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			for _, c := range g.cases {
				t.Run(c.name, func(t *testing.T) { c.run(newBench(t, open)) })
			}
		})
	}
}

type testCase struct {
	name string
	run  func(b *bench)
}

// bench is what a case works at: a store, a moment, and shorthands that end the case when something fails.
type bench struct {
	*testing.T
	rotator.Store
	ctx context.Context
	now time.Time
}

func newBench(t *testing.T, open Open) *bench {
	t.Helper()
	s := open(t)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing the store: %v", err)
		}
	})
	return &bench{T: t, Store: s, ctx: t.Context(), now: time.Now().UTC().Truncate(time.Millisecond)}
}

// credential is the n-th credential of a provider.
func credential(provider string, n int) rotator.CredentialID {
	return rotator.CredentialID{Provider: provider, UserID: fmt.Sprint("user-", n), Base: "ci"}
}

// draft is a rotation of the credential to version 2, not planned yet.
func draft(c rotator.CredentialID, now time.Time) rotator.Rotation {
	return rotator.Rotation{
		CredentialID: c, ServiceUser: "ci-bot", Policy: "ci", Reason: rotator.ReasonExpiring, Version: 2,
		OldKey: rotator.KeyRef{ID: "key-" + c.UserID, Name: "ci-r0001"}, Deadline: now.Add(30 * 24 * time.Hour),
		Terms: rotator.Terms{Lifetime: 90 * 24 * time.Hour, Grace: time.Hour, Idle: time.Hour, Soak: time.Hour},
		Sinks: []rotator.SinkProgress{
			{Sink: "vault", Location: "secret/data/" + c.String()},
			{Sink: "disk", Location: "/keys/" + c.String()},
		},
	}
}

// plan makes the change that plans a rotation of the n-th credential of provider "p".
func (b *bench) plan(n int) rotator.Change {
	return rotator.Plan(fmt.Sprint("rotation-", n), draft(credential("p", n), b.now), b.now, "planned")
}

// happy leads a rotation from stage to stage to its end.
var happy = map[rotator.Stage]func(r *rotator.Rotation, now time.Time) rotator.Change{
	rotator.StagePlanned: func(r *rotator.Rotation, now time.Time) rotator.Change { return r.BeginMint(now) },
	rotator.StageMinting: func(r *rotator.Rotation, now time.Time) rotator.Change {
		m := rotator.Minted{KeyID: "new-" + r.UserID, Expires: now.Add(90 * 24 * time.Hour)}
		return r.Seal(m, []byte("sealed:"+r.ID), "fp-0123456789abcdef0123", now)
	},
	rotator.StageMinted:     func(r *rotator.Rotation, now time.Time) rotator.Change { return r.BeginTest(now, time.Minute) },
	rotator.StageTesting:    func(r *rotator.Rotation, now time.Time) rotator.Change { return r.Proven(now) },
	rotator.StageDelivering: func(r *rotator.Rotation, now time.Time) rotator.Change { return r.Confirm(confirmed(r, now), now) },
	rotator.StageConfirmed:  func(r *rotator.Rotation, now time.Time) rotator.Change { return r.BeginGrace(now) },
	rotator.StageGrace:      func(r *rotator.Rotation, now time.Time) rotator.Change { return r.BeginDeactivate(now) },
	rotator.StageDeactivating: func(r *rotator.Rotation, now time.Time) rotator.Change {
		return r.BeginSoak(now)
	},
	rotator.StageSoaking:  func(r *rotator.Rotation, now time.Time) rotator.Change { return r.BeginRevoke(now) },
	rotator.StageRevoking: func(r *rotator.Rotation, now time.Time) rotator.Change { return r.Finish(now, "the old key is gone") },
	rotator.StageReactivating: func(r *rotator.Rotation, now time.Time) rotator.Change {
		return r.Reactivated(now)
	},
	rotator.StageExtending:  func(r *rotator.Rotation, now time.Time) rotator.Change { return r.Extended(now, now) },
	rotator.StageAbandoning: func(r *rotator.Rotation, now time.Time) rotator.Change { return r.Abandon(now, now.Add(time.Hour)) },
}

func confirmed(r *rotator.Rotation, now time.Time) []rotator.SinkProgress {
	var sinks []rotator.SinkProgress
	for _, s := range r.Sinks {
		s.ConfirmedAt, s.Receipt = now, "written"
		sinks = append(sinks, s)
	}
	return sinks
}

// commit must succeed; it returns the rotation as it is then.
func (b *bench) commit(c rotator.Change) rotator.Rotation {
	b.Helper()
	if err := b.Commit(b.ctx, c); err != nil {
		b.Fatalf("committing %s to %s: %v", c.From, c.After.Stage, err)
	}
	return c.After
}

// lead takes a rotation along until it is in the stage: the failing way for the stages of abandoning.
func (b *bench) lead(r rotator.Rotation, to rotator.Stage) rotator.Rotation {
	b.Helper()
	for r.Stage != to {
		step := happy[r.Stage]
		if r.Stage == rotator.StageTesting && (to == rotator.StageAbandoning || to == rotator.StageAbandoned) {
			step = func(r *rotator.Rotation, now time.Time) rotator.Change { return r.Reject("refused", now) }
		}
		if r.Stage == rotator.StagePlanned && to == rotator.StageExtending {
			step = func(r *rotator.Rotation, now time.Time) rotator.Change { return r.BeginExtend(now) }
		}
		if r.Stage == rotator.StageSoaking && to == rotator.StageReactivating {
			step = func(r *rotator.Rotation, now time.Time) rotator.Change { return r.BeginReactivate("ann", now) }
		}
		if step == nil {
			b.Fatalf("no way leads from %s to %s", r.Stage, to)
		}
		r = b.commit(step(&r, b.now))
	}
	return r
}

// start plans a rotation of the n-th credential and leads it to the stage.
func (b *bench) start(n int, to rotator.Stage) rotator.Rotation {
	b.Helper()
	return b.lead(b.commit(b.plan(n)), to)
}

// kind fails the case unless err is a fault of the kind that says something.
func (b *bench) kind(err error, want rotator.Kind) {
	b.Helper()
	if err == nil {
		b.Fatalf("it succeeded; want a fault of kind %s", want)
	}
	if got := rotator.KindOf(err); got != want {
		b.Fatalf("got kind %s (%v), want %s", got, err, want)
	}
}

func (b *bench) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// same compares, and takes empty for nil.
func (b *bench) same(what string, got, want any) {
	b.Helper()
	if diff := gocmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateApproxTime(0)); diff != "" {
		b.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// stored compares a rotation with the one in the journal.
func (b *bench) stored(want rotator.Rotation) {
	b.Helper()
	got, err := b.Rotation(b.ctx, want.ID)
	b.ok(err)
	b.same("rotation "+want.ID, got, want)
}

// key is a stored key's row: active, managed, due at due.
func (b *bench) key(provider, id string, due time.Time) rotator.KeyRow {
	return rotator.KeyRow{Sum: 1, TrackedKey: rotator.TrackedKey{
		Provider: provider, Base: "ci", Version: 1, Policy: "ci", Deadline: due.Add(time.Hour), Due: due, LookAt: due, Draw: 0.25,
		Key: rotator.Key{ID: id, UserID: "user-1", Name: "ci-r0001", Created: b.now.Add(-time.Hour), State: rotator.KeyActive},
	}}
}

func (b *bench) merge(keys ...rotator.KeyRow) {
	b.Helper()
	b.ok(b.Merge(b.ctx, cmp.Or(keys[0].Provider, "p"), nil, keys))
}

// findKey returns the key as the store has it now.
func (b *bench) findKey(k rotator.TrackedKey) rotator.TrackedKey {
	b.Helper()
	series, err := b.Series(b.ctx, k.Credential())
	b.ok(err)
	for _, got := range series {
		if got.ID == k.ID {
			return got
		}
	}
	b.Fatalf("key %s is not in its series", k.ID)
	return rotator.TrackedKey{}
}

func ids(keys []rotator.TrackedKey) []string {
	var out []string
	for _, k := range keys {
		out = append(out, k.ID)
	}
	return out
}

func rotationIDs(rotations []rotator.Rotation) []string {
	var out []string
	for _, r := range rotations {
		out = append(out, r.ID)
	}
	return out
}
