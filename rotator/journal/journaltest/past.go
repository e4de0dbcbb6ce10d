package journaltest

import (
	"fmt"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/audit"
)

var pastCases = []testCase{
	{"rotations come a page at a time, each once, whatever moves meanwhile", func(b *bench) {
		want := b.pastOfSeven()
		for _, size := range []int{1, 2, 3, 7, 100} {
			b.same(fmt.Sprint("the pages of ", size), b.past(rotator.RotationQuery{Limit: size}), want)
		}
	}},
	{"rotations are found by what they are", func(b *bench) {
		all := b.pastOfSeven()
		for _, c := range []struct {
			name string
			q    rotator.RotationQuery
			want []string
		}{
			{"open ones", rotator.RotationQuery{State: "open"}, all[:3]},
			{"ended ones", rotator.RotationQuery{State: "ended"}, all[3:]},
			{"of a provider", rotator.RotationQuery{Provider: "nobody"}, nil},
			{"of a credential", rotator.RotationQuery{Provider: "p", Base: credential("p", 1).Base, User: credential("p", 1).UserID}, []string{"rotation-1"}},
			{"by a pattern", rotator.RotationQuery{Provider: "?", Base: "*", User: "*"}, all},
			{"by a reason that none has", rotator.RotationQuery{Reason: rotator.ReasonDrill}, nil},
			{"by a policy that none has", rotator.RotationQuery{Policy: "none"}, nil},
			{"since", rotator.RotationQuery{State: "ended", Since: b.now.Add(6 * time.Hour)}, all[3:5]},
			{"until", rotator.RotationQuery{State: "ended", Until: b.now.Add(6 * time.Hour)}, all[5:]},
		} {
			c.q.Limit = 2
			b.same(c.name, b.past(c.q), c.want)
		}
	}},
	{"a malformed pattern and no limit are refused", func(b *bench) {
		_, err := b.FindRotations(b.ctx, rotator.RotationQuery{User: "[", Limit: 1})
		b.kind(err, rotator.Invalid)
		_, err = b.FindRotations(b.ctx, rotator.RotationQuery{})
		b.kind(err, rotator.Invalid)
	}},
	{"the sealed secret stays where it is", func(b *bench) {
		b.start(1, rotator.StageMinted)
		page, err := b.FindRotations(b.ctx, rotator.RotationQuery{Limit: 1})
		b.ok(err)
		b.same("what is sealed", page.Rotations[0].Sealed, []byte(nil))
	}},
	{"incidents are kept, changed and listed, the latest first", func(b *bench) {
		first, second := b.incident("i1", 0), b.incident("i2", time.Hour)
		b.ok(b.PutIncident(b.ctx, first))
		b.ok(b.PutIncident(b.ctx, second))
		first.Credentials[0].Refused = "held"
		b.ok(b.PutIncident(b.ctx, first))
		got, err := b.Incident(b.ctx, "i1")
		b.ok(err)
		b.same("the incident", got, first)
		list, err := b.Incidents(b.ctx, time.Time{}, 10)
		b.ok(err)
		b.same("the list", list, []rotator.Incident{second, first})
		list, err = b.Incidents(b.ctx, second.At, 10)
		b.ok(err)
		b.same("the rest of the list", list, []rotator.Incident{first})
		_, err = b.Incident(b.ctx, "i3")
		b.kind(err, rotator.Gone)
		told := b.records("incident begun", "incident begun")
		b.same("who reported it", told[0].Actor, "ada")
	}},
	{"old incidents are removed, but none that goes on", func(b *bench) {
		first, second, third := b.incident("i1", 0), b.incident("i2", time.Hour), b.incident("i3", 3*time.Hour)
		open := b.start(7, rotator.StageMinted)
		second.Credentials[0].CredentialID = open.CredentialID
		for _, i := range []rotator.Incident{first, second, third} {
			b.ok(b.PutIncident(b.ctx, i))
		}
		n, err := b.PruneIncidents(b.ctx, third.At)
		b.ok(err)
		b.same("how many were removed", n, 1)
		n, err = b.PruneIncidents(b.ctx, third.At)
		b.ok(err)
		b.same("how many were removed by the next look", n, 0)
		list, err := b.Incidents(b.ctx, time.Time{}, 10)
		b.ok(err)
		b.same("what is left", list, []rotator.Incident{third, second})
		var last rotator.AuditRecord
		b.ok(b.AuditRecords(b.ctx, 0, func(r rotator.AuditRecord) error { last = r; return nil }))
		c, err := audit.Decode(last.Text)
		b.ok(err)
		b.same("the last record", c.Kind, rotator.AuditPrune)
	}},
	{"the last verification of each credential is kept, and counted", func(b *bench) {
		ok, bad := b.found(1, rotator.VerifiedOK), b.found(2, rotator.VerifiedRefused)
		b.ok(b.SaveVerifications(b.ctx, []rotator.Verification{ok, bad}))
		late := bad
		late.At, late.Outcome = b.now.Add(-time.Hour), rotator.VerifiedOK
		b.ok(b.SaveVerifications(b.ctx, []rotator.Verification{late})) // one that began before and ended after
		got, err := b.VerificationOf(b.ctx, bad.CredentialID)
		b.ok(err)
		b.same("the verification", got, &bad)
		counts, err := b.CountVerifications(b.ctx)
		b.ok(err)
		b.same("the counts", counts, []rotator.VerifyCount{
			{Provider: "p", Outcome: rotator.VerifiedOK, Count: 1, Oldest: b.now, Latest: b.now},
			{Provider: "p", Outcome: rotator.VerifiedRefused, Count: 1, Oldest: b.now, Latest: b.now},
		})
		findings, err := b.VerifyFindings(b.ctx, "p")
		b.ok(err)
		b.same("what needs a person", findings, []rotator.VerifyFinding{{Outcome: rotator.VerifiedRefused, Count: 1, First: bad}})
		findings, err = b.VerifyFindings(b.ctx, "q")
		b.ok(err)
		b.same("what needs a person where nothing was verified", len(findings), 0)
		b.ok(b.ForgetVerifications(b.ctx, "q", b.now.Add(time.Hour)))
		b.ok(b.ForgetVerifications(b.ctx, "p", b.now))
		counts, err = b.CountVerifications(b.ctx)
		b.ok(err)
		b.same("how many are left", len(counts), 2)
		b.ok(b.ForgetVerifications(b.ctx, "p", b.now.Add(time.Hour)))
		got, err = b.VerificationOf(b.ctx, bad.CredentialID)
		b.ok(err)
		b.same("one that was forgotten", got, (*rotator.Verification)(nil))
	}},
}

// pastOfSeven makes three open rotations and four that ended, and returns their ids in the order of the list.
func (b *bench) pastOfSeven() []string {
	var open, ended []string
	for n := 1; n <= 3; n++ {
		r := b.start(n, rotator.StagePlanned)
		open = append(open, b.commit(r.BeginMint(b.now.Add(time.Duration(n)*time.Minute))).ID)
	}
	for n := 4; n <= 7; n++ {
		r := b.commit(b.plan(n))
		ended = append([]string{b.commit(r.Supersede(b.now.Add(time.Duration(n)*time.Hour), "not needed", time.Time{})).ID}, ended...)
	}
	return append(open, ended...)
}

// past walks all pages.
func (b *bench) past(q rotator.RotationQuery) []string {
	var ids []string
	for {
		page, err := b.FindRotations(b.ctx, q)
		b.ok(err)
		if len(page.Rotations) > q.Limit {
			b.Fatalf("a page of %d, the limit is %d", len(page.Rotations), q.Limit)
		}
		for _, r := range page.Rotations {
			ids = append(ids, r.ID)
		}
		if page.Next == nil {
			return ids
		}
		q.After = *page.Next
	}
}

func (b *bench) incident(id string, after time.Duration) rotator.Incident {
	c := credential("p", 1)
	key := rotator.IncidentKey{CredentialID: c, Key: rotator.KeyRef{ID: "k1", Name: "deploy"}, Created: b.now.Add(-time.Hour)}
	left := key
	left.Why = rotator.LeftOutUnmanaged
	return rotator.Incident{ID: id, At: b.now.Add(after), By: "ada", Provider: "p", User: "*", Base: "*", Note: "a laptop was stolen",
		Credentials: []rotator.IncidentCredential{{CredentialID: c, Keys: []rotator.IncidentKey{key}}}, LeftOut: []rotator.IncidentKey{left}}
}

func (b *bench) found(n int, o rotator.VerifyOutcome) rotator.Verification {
	return rotator.Verification{CredentialID: credential("p", n), At: b.now, Outcome: o, Policy: "ci", Key: rotator.KeyRef{ID: "k", Name: "deploy"},
		Sinks: []rotator.VerifySink{{Sink: "vault", Location: "secret/ci", Matches: true, Fingerprint: "fp-1"}}, SignsIn: true}
}
