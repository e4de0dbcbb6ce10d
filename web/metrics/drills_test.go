package metrics_test

import (
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/web/internal/viewtest"
	"github.com/rotatord/rotatord/web/metrics"
)

func TestDrillsThatStandStillAreExported(t *testing.T) {
	drill := func(policy string, stage rotator.Stage, blocked rotator.BlockReason, since time.Time) rotator.Rotation {
		return rotator.Rotation{ID: policy + string(stage) + string(blocked), CredentialID: rotator.CredentialID{Provider: "cc"}, Policy: policy,
			Reason: rotator.ReasonDrill, Stage: stage, StageAt: since, Blocked: blocked, BlockedSince: since}
	}
	j := &viewtest.Journal{Open: []rotator.Rotation{
		drill("ci", rotator.StageRevoking, rotator.BlockOldKeyInUse, noon.Add(time.Hour)),
		drill("ci", rotator.StageDelivering, "", noon),
		drill("waits", rotator.StageGrace, "", noon),
		drill("waits", rotator.StageSoaking, "", noon),
		drill("waits", rotator.StageRevoking, rotator.BlockOutsideWindow, noon),
		{ID: "x", CredentialID: rotator.CredentialID{Provider: "cc"}, Policy: "date", Reason: rotator.ReasonMaxAge, Stage: rotator.StageDelivering, StageAt: noon},
	}}
	f := setUp(j, nil)
	f.want(t, "drill_stuck_timestamp_seconds", labels{"provider": "cc", "policy": "ci"}, float64(noon.Unix()))
	for _, policy := range []string{"waits", "date"} {
		f.absent(t, "drill_stuck_timestamp_seconds", labels{"provider": "cc", "policy": policy})
	}
}

// What the calendar is asked about is the last proof, and the last verification by schedule.
func TestWhatTheCalendarWantsNextIsExported(t *testing.T) {
	j := &viewtest.Journal{
		Ended:     []rotator.Rotation{{CredentialID: rotator.CredentialID{Provider: "cc"}, Stage: rotator.StageDone, StageAt: noon}},
		Providers: map[string]rotator.ProviderState{"cc": {VerifiedAt: noon}},
	}
	f := setUp(j, func(o *metrics.Options) { o.ProofDue, o.NextVerification = nil, nil })
	f.absent(t, "proof_due_timestamp_seconds", labels{})
	f.absent(t, "verification_due_timestamp_seconds", labels{})
	f = setUp(j, func(o *metrics.Options) {
		o.ProofDue = func(provider string, last time.Time) time.Time { return last.Add(2 * time.Hour) }
		o.NextVerification = func(last time.Time) time.Time { return last.Add(time.Hour) }
	})
	f.want(t, "proof_due_timestamp_seconds", labels{"provider": "cc"}, float64(noon.Add(2*time.Hour).Unix()))
	f.want(t, "verification_due_timestamp_seconds", labels{"provider": "cc"}, float64(noon.Add(time.Hour).Unix()))
	f = setUp(j, func(o *metrics.Options) {
		o.ProofDue = func(string, time.Time) time.Time { return time.Time{} }
		o.NextVerification = func(time.Time) time.Time { return time.Time{} }
	})
	f.absent(t, "proof_due_timestamp_seconds", labels{})
	f.absent(t, "verification_due_timestamp_seconds", labels{})
}

// Of several credentials for the same place the first to end counts, and there is one series.
func TestTheFirstOfSeveralOwnCredentialsCounts(t *testing.T) {
	f := setUp(&viewtest.Journal{}, func(o *metrics.Options) {
		o.SinkTokens = func() map[string]time.Time { return map[string]time.Time{"vault": noon.Add(time.Hour)} }
		o.Certificates = func() []metrics.Certificate {
			return []metrics.Certificate{{Kind: "sink", Name: "vault", Ends: noon}, {Kind: "provider", Name: "cc", Ends: noon.Add(2 * time.Hour)}, {Kind: "listener", Name: "[::]:9650", Ends: noon}}
		}
	})
	f.OwnCredential("cc", noon.Add(3*time.Hour))
	for _, c := range []struct {
		kind, name string
		ends       time.Time
	}{{"sink", "vault", noon}, {"provider", "cc", noon.Add(2 * time.Hour)}, {"listener", "[::]:9650", noon}} {
		f.want(t, "own_credential_expiration_timestamp_seconds", labels{"kind": c.kind, "name": c.name}, float64(c.ends.Unix()))
	}
}
