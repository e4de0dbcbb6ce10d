package e2e

import (
	"fmt"
	"testing"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/test/daemon"
)

// TestSealedSecretsAreWipedAfterADeath kills the daemon when it has erased a sealed secret and has not yet truncated the
// write-ahead log, in which copies remain. The next process must do it, although the rotation has nothing to do for days.
func TestSealedSecretsAreWipedAfterADeath(t *testing.T) {
	f := newFleet(t, daemon.Emulate(t, emulator.CertCentralOptions{Rates: []emulator.Rate{}}))
	s := f.provider.AddService("file-taken", "key", dueAge)
	f.services = []daemon.Service{s}
	f.prepare(f.config("json", `scan: {schedule: "@every 1h"}
policies:
  - {name: hour, max_age: 1h, renew_before: 30m, grace: 20m, idle: 1m, jitter: 0%, sinks: [disk]}
`))
	f.d.WriteFile("keys/file-taken/key", plantedInFile)
	f.d.Start()
	f.awaitBlocked(f.services, "sink_conflict")
	l := &leaks{f: f}
	sealed := l.sealedNow(f.services)
	f.d.Remove("keys/file-taken/key")
	daemon.Await(t, daemon.Patience, "the grace period", func() error {
		if open, _ := f.d.Rotations(); len(open) != 1 || open[0].Stage != "grace" {
			return fmt.Errorf("the open rotations are %+v", open)
		}
		return nil
	})
	f.d.Kill()
	if err := l.wiped(sealed); err == nil {
		t.Fatal("nothing was left of the sealed secret at the death: this test sees nothing")
	}
	f.d.Start()
	l.awaitWiped(sealed)
	f.d.Stop()
}
