package journaltest

import (
	"time"

	"github.com/rotatord/rotatord/rotator"
)

var operationCases = []testCase{
	{"a hold is in force until its end", func(b *bench) {
		h := b.hold(time.Hour)
		b.ok(b.PutHold(b.ctx, h))
		b.held(h.CredentialID, b.now, &h)
		b.held(h.CredentialID, h.Until.Add(-time.Millisecond), &h)
		b.held(h.CredentialID, h.Until, nil)
		b.held(credential("p", 2), b.now, nil)
	}},
	{"a hold does not end a fraction of a millisecond early", func(b *bench) {
		h := b.hold(300 * time.Microsecond)
		b.ok(b.PutHold(b.ctx, h))
		got, err := b.HoldOn(b.ctx, h.CredentialID, b.now.Add(200*time.Microsecond))
		b.ok(err)
		if got == nil {
			b.Error("the hold is over too early")
		}
	}},
	{"a hold replaces an earlier one", func(b *bench) {
		b.ok(b.PutHold(b.ctx, b.hold(time.Hour)))
		h := b.hold(time.Minute)
		h.By, h.Reason = "grace", "release week"
		b.ok(b.PutHold(b.ctx, h))
		b.held(h.CredentialID, b.now, &h)
		b.held(h.CredentialID, b.now.Add(30*time.Minute), nil)
	}},
	{"a release removes the hold and succeeds without one", func(b *bench) {
		h := b.hold(time.Hour)
		b.ok(b.Release(b.ctx, h.CredentialID, "ann"))
		b.ok(b.PutHold(b.ctx, h))
		b.ok(b.Release(b.ctx, h.CredentialID, "ann"))
		b.held(h.CredentialID, b.now, nil)
	}},
	{"after a release the credential's keys are looked at at once", func(b *bench) {
		k, never, other := b.key("p", "k1", b.now.Add(1000*time.Hour)), b.key("p", "k2", b.now), b.key("p", "k3", b.now.Add(1000*time.Hour))
		never.LookAt = time.Time{}
		other.Base = "cd"
		b.merge(k, never, other)
		b.ok(b.Release(b.ctx, k.Credential(), "ann"))
		keys, err := b.KeysToLookAt(b.ctx, "p", time.Now(), 10)
		b.ok(err)
		b.same("the keys to look at", ids(keys), []string{"k1", "k2"})
	}},
	{"a provider without a state has the zero state", func(b *bench) {
		got, err := b.ProviderState(b.ctx, "p")
		b.ok(err)
		b.same("the state", got, rotator.ProviderState{Provider: "p"})
	}},
	{"a provider's state comes back", func(b *bench) {
		s := rotator.ProviderState{
			Provider: "p", PausedUntil: b.now.Add(time.Minute), PausedWhy: "429", BreakerOpen: true, Failures: 3, LastScan: b.now,
			Users: 10, Keys: 20, Managed: 15, ScanTrouble: "truncated", AwaitingSince: b.now, Awaiting: 7,
			Approved: 5, ApprovedUntil: b.now.Add(time.Hour), ApprovedBy: "ada",
		}
		b.ok(b.SaveProviderState(b.ctx, s))
		b.state(s)
		s = rotator.ProviderState{Provider: "p", Failures: 1}
		b.ok(b.SaveProviderState(b.ctx, s))
		b.state(s)
		b.state(rotator.ProviderState{Provider: "q"})
	}},
}

func (b *bench) hold(length time.Duration) rotator.Hold {
	return rotator.Hold{CredentialID: credential("p", 1), By: "ada", Until: b.now.Add(length), Reason: "migration", At: b.now}
}

func (b *bench) held(c rotator.CredentialID, now time.Time, want *rotator.Hold) {
	b.Helper()
	got, err := b.HoldOn(b.ctx, c, now)
	b.ok(err)
	b.same("the hold", got, want)
}

func (b *bench) state(want rotator.ProviderState) {
	b.Helper()
	got, err := b.ProviderState(b.ctx, want.Provider)
	b.ok(err)
	b.same("the state", got, want)
}
