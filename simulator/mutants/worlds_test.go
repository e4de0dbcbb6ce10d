package mutants

import (
	"testing"

	"github.com/rotatord/rotatord/simulator/world"
)

// TestStalledReplicasWriteAndCallLate makes sure that the world of replicas that stand still is one in which something comes too late:
// writes, which the journal refuses, and a call that makes a key, which becomes an orphan.
func TestStalledReplicasWriteAndCallLate(t *testing.T) {
	s := with(stalled)()
	o, err := world.Run(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if o.Breach != nil {
		t.Errorf("it breaks %s", o.Breach)
	}
	for _, what := range []string{"stall", "takeover", "late_write_refused", "late_create"} {
		if o.Happened[what] == 0 {
			t.Errorf("%s never happened: %v", what, o.Happened)
		}
	}
	if t.Failed() {
		for _, l := range o.Story {
			t.Log(l)
		}
	}
}
