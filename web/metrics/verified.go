package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rotatord/rotatord/rotator"
)

var (
	verifiedCredentials = gauge("verified_credentials", "Credentials by what the last verification of each found; rotatord verify names them.", zeroForEveryLabel, "provider", "outcome")
	lastVerification    = gauge("last_verification_timestamp_seconds",
		"When a credential of the provider was last verified, in seconds since 1970; kept over a restart.", "0 for a configured provider of which none ever was", "provider")
	verificationDue = gauge("verification_due_timestamp_seconds",
		"When, by the schedule, the verification begins that follows the last one by schedule, in seconds since 1970. Long past, verifications fail or do not run.",
		"absent where no schedule is configured", "provider")
)

func (m *Metrics) collectVerified(ctx context.Context, ch chan<- prometheus.Metric, providers []string) error {
	counts, err := m.o.Verified(ctx)
	if err != nil {
		return err
	}
	found, latest := map[[2]string]int{}, map[string]time.Time{}
	for _, c := range counts {
		found[[2]string{c.Provider, string(c.Outcome)}] = c.Count
		if c.Latest.After(latest[c.Provider]) {
			latest[c.Provider] = c.Latest
		}
	}
	for _, p := range providers {
		for _, o := range rotator.VerifyOutcomes() {
			send(ch, verifiedCredentials, float64(found[[2]string{p, string(o)}]), p, string(o))
		}
		send(ch, lastVerification, seconds(latest[p]), p)
	}
	return nil
}
