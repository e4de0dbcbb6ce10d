package simulator_test

import (
	"testing"
	"time"

	"github.com/rotatord/rotatord/simulator"
	"github.com/rotatord/rotatord/simulator/world"
)

func TestTry(t *testing.T) {
	start := time.Now()
	years := 0.0
	for seed := range uint64(4) {
		o, err := world.Run(simulator.Draw(seed))
		if err != nil {
			t.Fatal(seed, err)
		}
		years += o.CredentialYears
		if o.Breach != nil {
			n := len(o.Story)
			t.Errorf("seed %d: %s", seed, o.Breach)
			for _, l := range o.Story[max(0, n-12):] {
				t.Log(l)
			}
		}
	}
	t.Logf("%.1f credential-years in %s", years, time.Since(start))
}
