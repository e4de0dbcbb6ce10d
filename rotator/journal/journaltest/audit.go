package journaltest

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"sync"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/audit"
)

// auditCases are about the audit record, and about removing what is old.
var auditCases = []testCase{
	{"a store without records has a whole chain", func(b *bench) {
		b.records()
		head, err := b.AuditHead(b.ctx)
		b.ok(err)
		b.same("the head", head, rotator.AuditHead{})
	}},
	{"every change of a rotation is recorded with who, what and why", func(b *bench) {
		c := b.plan(1)
		c.Actor = "ann"
		r := b.lead(b.commit(c), rotator.StageMinted)
		got := b.records("plan done", "step begun", "step done")
		planned, minted := got[0], got[2]
		if planned.Actor != "ann" || planned.Rotation != r.ID || planned.Reason != r.Reason || planned.OldKey != r.OldKey || len(planned.Sinks) != 2 {
			b.Errorf("the plan is recorded as %+v", planned.AuditEvent)
		}
		if minted.From != rotator.StageMinting || minted.To != rotator.StageMinted || minted.NewKey != r.NewKey || minted.Fingerprint != r.Fingerprint || minted.Actor != "" {
			b.Errorf("the new key is recorded as %+v", minted.AuditEvent)
		}
	}},
	{"what people do to a rotation is recorded as theirs", func(b *bench) {
		r := b.commit(b.plan(1))
		r = b.commit(r.Supply(rotator.Minted{KeyID: "k2"}, []byte("sealed"), "fp", "ann", b.now))
		b.commit(r.Hasten("bob", b.now))
		got := b.records("plan done", "supply done", "compromised done")
		b.same("the actors", []string{got[1].Actor, got[2].Actor}, []string{"ann", "bob"})
	}},
	{"a change that conflicts, or repeats the one before, is not recorded", func(b *bench) {
		r := b.commit(b.plan(1))
		b.kind(b.Commit(b.ctx, b.plan(1)), rotator.Conflict)
		r = b.commit(r.Block(rotator.BlockAwaitingSupply, "make a key", b.now, b.now.Add(time.Hour)))
		b.commit(r.Block(rotator.BlockAwaitingSupply, "make a key", b.now, b.now.Add(time.Hour)))
		b.records("plan done", "progress blocked")
	}},
	{"holds and releases are recorded", func(b *bench) {
		h := b.hold(time.Hour)
		b.ok(b.PutHold(b.ctx, h))
		b.ok(b.Release(b.ctx, h.CredentialID, "ann"))
		got := b.records("hold done", "release done")
		if got[0].Actor != h.By || got[0].Note != h.Reason || got[1].Actor != "ann" || got[1].Count != 1 || got[1].UserID != h.UserID {
			b.Errorf("got %+v and %+v", got[0].AuditEvent, got[1].AuditEvent)
		}
	}},
	{"approvals and breakers are recorded, and other news of a provider are not", func(b *bench) {
		s := rotator.ProviderState{Provider: "p", BreakerOpen: true, Failures: 5, PausedWhy: "503", PausedUntil: b.now.Add(time.Minute)}
		b.ok(b.SaveProviderState(b.ctx, s))
		s.Keys = 10
		b.ok(b.SaveProviderState(b.ctx, s))
		s.BreakerOpen = false
		s.Approved, s.ApprovedBy, s.ApprovedUntil = 4, "ann", b.now.Add(time.Hour)
		b.ok(b.SaveProviderState(b.ctx, s))
		s.Approved = 3
		b.ok(b.SaveProviderState(b.ctx, s))
		got := b.records("breaker blocked", "breaker done", "approve done")
		if got[2].Actor != "ann" || got[2].Count != 4 {
			b.Errorf("the approval is recorded as %+v", got[2].AuditEvent)
		}
	}},
	{"service users are recorded when they come further", func(b *bench) {
		p := b.declared("p", "x")
		p.Trouble = ""
		b.ok(b.SaveProvision(b.ctx, p))
		b.ok(b.SaveProvision(b.ctx, p))
		p.State, p.UserID = rotator.ProvisionPresent, "7"
		b.ok(b.SaveProvision(b.ctx, p))
		b.ok(b.ForgetProvision(b.ctx, "p", "x"))
		b.ok(b.ForgetProvision(b.ctx, "p", "x"))
		b.records("service_user begun", "service_user done", "service_user done")
	}},
	{"a key that begins to wait is recorded once for each reason", func(b *bench) {
		k := b.key("p", "k1", b.now)
		b.merge(k)
		for _, reason := range []rotator.BlockReason{rotator.BlockHeld, rotator.BlockHeld, rotator.BlockFrozen, ""} {
			k.Waiting, k.WaitingWhy = reason, "because"
			b.ok(b.SetLook(b.ctx, k.TrackedKey, b.now))
		}
		got := b.records("wait waiting", "wait waiting")
		b.same("the reasons", []rotator.BlockReason{got[0].Blocked, got[1].Blocked}, []rotator.BlockReason{rotator.BlockHeld, rotator.BlockFrozen})
	}},
	{"no secret is recorded, sealed or not", func(b *bench) {
		r := b.start(1, rotator.StageDone)
		b.ok(b.AuditRecords(b.ctx, 0, func(rec rotator.AuditRecord) error {
			for _, secret := range []string{"sealed:" + r.ID, base64.StdEncoding.EncodeToString([]byte("sealed:" + r.ID))} {
				if bytes.Contains(rec.Text, []byte(secret)) {
					b.Errorf("a sealed secret is in %s", rec.Text)
				}
			}
			return nil
		}))
	}},
	{"old audit records go a segment at a time, and the chain stays verifiable", func(b *bench) {
		const all = 2300
		var wg sync.WaitGroup
		for range 23 {
			wg.Go(func() {
				for i := range all / 23 {
					if err := b.Record(b.ctx, rotator.AuditEvent{Kind: rotator.AuditHold, Outcome: rotator.AuditDone, Count: i + 1}); err != nil {
						b.Error(err)
					}
				}
			})
		}
		wg.Wait()
		n, err := b.PruneAudit(b.ctx, time.Now().Add(-time.Hour))
		b.ok(err)
		b.same("removed of what is young", n, 0)
		var removed []int
		for range 3 {
			n, err := b.PruneAudit(b.ctx, time.Now().Add(time.Hour))
			b.ok(err)
			removed = append(removed, n)
		}
		b.same("removed", removed, []int{1000, 1000, 302})
		result := b.verified()
		if result.Removed != all+2 || result.Records != 1 || result.Head.Seq != all+3 {
			b.Errorf("got %+v", result)
		}
		b.ok(b.Record(b.ctx, rotator.AuditEvent{Kind: rotator.AuditStop, Outcome: rotator.AuditDone}))
		b.records("checkpoint done", "stop done")
	}},
	{"old rotations go with their histories when a later one was done", func(b *bench) {
		first := b.ended("first", rotator.StageDone)
		second := b.ended("second", rotator.StageDone)
		b.pruned(1)
		_, err := b.Rotation(b.ctx, first.ID)
		b.kind(err, rotator.Gone)
		history, err := b.History(b.ctx, first.ID)
		b.ok(err)
		b.same("lines of its history", len(history), 0)
		_, err = b.Name(b.ctx, "p", first.UserID, first.NewKey.Name)
		b.kind(err, rotator.Gone)
		b.stored(second)
		highest, err := b.HighestVersion(b.ctx, second.CredentialID)
		b.ok(err)
		b.same("the highest version", highest, second.Version)
		b.pruned(0)
	}},
	{"a rotation stays whose key may exist", func(b *bench) {
		first := b.ended("first", rotator.StageDone)
		b.ended("second", rotator.StageDone)
		k := b.key("p", "k1", b.now)
		k.UserID, k.Name = first.UserID, first.NewKey.Name
		b.merge(k)
		b.pruned(0)
		b.stored(first)
		k.State, k.Sum = rotator.KeyRevoked, 2
		b.merge(k)
		b.pruned(1)
	}},
	{"a rotation stays while another of its credential is open, or none was done since", func(b *bench) {
		b.ended("first", rotator.StageDone)
		b.ended("second", rotator.StageAbandoned)
		b.pruned(0)
		third := b.ended("third", rotator.StageGrace)
		b.pruned(0)
		third = b.lead(third, rotator.StageDone)
		b.pruned(2)
		b.stored(third)
	}},
	{"a rotation stays that intended a key which was never sealed", func(b *bench) {
		r := b.commit(b.plan(1))
		r = b.commit(r.BeginMint(b.now))
		r = b.commit(r.Burn(b.now, "nobody has its secret"))
		r = b.lead(r, rotator.StageDone)
		b.ended("second", rotator.StageDone)
		b.pruned(0)
		b.stored(r)
	}},
}

// verified verifies the chain, which must be whole.
func (b *bench) verified() audit.Result {
	b.Helper()
	result, err := audit.VerifyChain(b.ctx, b, nil)
	b.ok(err)
	if result.Wrong != 0 {
		b.Fatalf("the chain is not whole: %v", result.Findings)
	}
	return result
}

// records returns what the records tell, which must be of these kinds and outcomes.
func (b *bench) records(want ...string) []audit.Content {
	b.Helper()
	b.verified()
	var all []audit.Content
	var got []string
	b.ok(b.AuditRecords(b.ctx, 0, func(r rotator.AuditRecord) error {
		c, err := audit.Decode(r.Text)
		all = append(all, c)
		got = append(got, fmt.Sprint(c.Kind, " ", c.Outcome))
		return err
	}))
	b.same("the records", got, want)
	if b.Failed() {
		b.FailNow()
	}
	return all
}

// ended plans the next rotation of the first credential and leads it to the stage.
func (b *bench) ended(id string, to rotator.Stage) rotator.Rotation {
	b.Helper()
	r := draft(credential("p", 1), b.now)
	highest, err := b.HighestVersion(b.ctx, r.CredentialID)
	b.ok(err)
	r.Version = highest + 1
	b.now = b.now.Add(time.Second)
	return b.lead(b.commit(rotator.Plan(id, r, b.now, "planned")), to)
}

// pruned removes everything that may go, and compares how many rotations that were.
func (b *bench) pruned(want int) {
	b.Helper()
	total := 0
	for from := new(rotator.PruneCursor); from != nil; {
		n, next, err := b.PruneHistory(b.ctx, b.now.Add(time.Hour), *from)
		b.ok(err)
		total, from = total+n, next
	}
	b.same("removed", total, want)
	b.verified()
}
