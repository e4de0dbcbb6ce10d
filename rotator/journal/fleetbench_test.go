package journal

import (
	"context"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// BenchmarkFleet measures what pages ask of a fleet of 100,000 credentials.
func BenchmarkFleet(b *testing.B) {
	s := openTemp(b)
	fillForReport(b, s)
	ctx, now := context.Background(), epoch
	list := func(q rotator.FleetQuery) func() error {
		q.Limit = 100
		return func() error {
			_, err := s.FleetCredentials(ctx, q, now)
			return err
		}
	}
	for _, c := range []struct {
		name string
		ask  func() error
	}{
		{"first page", list(rotator.FleetQuery{})},
		{"late page", list(rotator.FleetQuery{After: rotator.CredentialID{Provider: "p", UserID: "u99"}})},
		{"by state", list(rotator.FleetQuery{State: "unmanaged"})},
		{"by policy that selects none", list(rotator.FleetQuery{Provider: "p", Policy: "none"})},
		{"blocked", list(rotator.FleetQuery{Blocked: true})},
		{"held", list(rotator.FleetQuery{Held: true})},
		{"search that finds few", list(rotator.FleetQuery{Search: "ci-99999"})},
		{"search that finds none", list(rotator.FleetQuery{Search: "nobody"})},
		{"search that finds all", list(rotator.FleetQuery{Search: "u"})},
		{"ages", func() error { _, err := s.FleetAges(ctx, now); return err }},
		{"due by hour", func() error { _, err := s.DueByHour(ctx, now.AddDate(-1, 0, 0), now.AddDate(1, 0, 0)); return err }},
		{"due next", func() error { _, err := s.DueNext(ctx, "p", 20); return err }},
		{"counts", func() error { _, err := s.Counts(ctx, now); return err }},
		{"find by id", func() error { _, err := s.FindCredentials(ctx, "p", "u99999", "ci", 9); return err }},
		{"find by name", func() error { _, err := s.FindCredentials(ctx, "*", "ci-99999", "*", 9); return err }},
		{"rotations of one", func() error {
			_, err := s.RotationsOf(ctx, rotator.CredentialID{Provider: "p", UserID: "u10", Base: "ci"}, 20)
			return err
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if err := c.ask(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(time.Millisecond), "ms/answer")
		})
	}
}
