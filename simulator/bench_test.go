package simulator_test

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/simulator/world"
)

// BenchmarkCredentialYears measures how much of a fleet's life is simulated in a minute on two processors, from the processor time that
// it takes: a machine that does other things as well gives the same figure. Keys are replaced once a year.
//
// "forecast" is what rotatord simulate does; in "checked" the oracle watches everything and a consumer uses each credential once a week.
func BenchmarkCredentialYears(b *testing.B) {
	for name, quick := range map[string]bool{"forecast": true, "checked": false} {
		b.Run(name, func(b *testing.B) {
			var years float64
			began := processorTime(b)
			for b.Loop() {
				years += atATime(b, runtime.GOMAXPROCS(0), quick)
			}
			b.ReportMetric(2*years/(processorTime(b)-began).Minutes(), "credential-years/min")
		})
	}
}

// atATime plays n worlds beside each other, as a hunt does, and returns the credential-years of all.
func atATime(b *testing.B, n int, quick bool) (years float64) {
	outcomes, errs := make([]*world.Outcome, n), make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			s := yearly(1000, quick)
			s.Seed += uint64(i)
			outcomes[i], errs[i] = world.Run(b.Context(), s)
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		b.Fatal(err)
	}
	for _, o := range outcomes {
		if o.Breach != nil {
			b.Fatal(o.Breach)
		}
		years += o.CredentialYears
	}
	return years
}

// yearly is a year of n credentials at one account, whose keys are replaced a month before they are a year old.
func yearly(n int, quick bool) *world.Scenario {
	s := &world.Scenario{
		Seed: 1, Start: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), Span: 365 * day, Look: day, Scan: "7 3 * * *", Quick: quick,
		Limits: rotator.CapLimits{MaxShare: 0.2, AlwaysAllowed: 5}, HaltAfter: 5, Concurrent: 16,
		Accounts: []world.Account{{Name: "cc", System: world.CertCentral, Propagation: time.Minute}},
		Sinks:    []world.Sink{{Name: "vault"}},
		Policies: []world.Policy{{Policy: rotator.Policy{Name: "ci", Match: rotator.Match{Providers: []string{"cc"}, Keys: []string{"key*"}},
			MaxAge: 365 * day, RenewBefore: 30 * day, Grace: 7 * day, Idle: day, Sinks: []string{"vault"}}}},
	}
	for i := range n {
		c := world.Credential{User: fmt.Sprintf("ci-%d", i), Base: fmt.Sprintf("key%d", i), Age: 330 * day * time.Duration(i) / time.Duration(n)}
		if !quick {
			c.Consumers = []world.Consumer{{Every: 7 * day, Cache: time.Hour}}
		}
		s.Credentials = append(s.Credentials, c)
	}
	return s
}

// processorTime is what the process has used of all processors.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
