//go:build mutants && !race

package mutants_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/simulator/mutants"
)

// budget is for how long a mutant may go unnoticed.
const budget = 75 * time.Second

// TestMutantsAreNoticed hunts with worlds that nobody has seen: each mutant must break the guarantee that its guard is there for
// within the budget. MUTANT narrows to those whose name holds it.
func TestMutantsAreNoticed(t *testing.T) {
	for _, m := range mutants.List() {
		if only := os.Getenv("MUTANT"); !strings.Contains(m.Guarantee+" "+m.Name, only) {
			continue
		}
		t.Run(m.Guarantee+" "+m.Name, func(t *testing.T) {
			binary := build(t, m, "..")
			began := time.Now()
			for time.Since(began) < budget {
				broke := run(t, binary, "^TestGuaranteesHoldInFreshWorlds$", "SIMULATE_TOLD=no", "SIMULATE_FOR="+(budget-time.Since(began)).String())
				t.Logf("after %s: %s", time.Since(began).Round(100*time.Millisecond), broke)
				if names(broke, m.Guarantee) {
					return
				}
			}
			t.Fatalf("the daemon that %s broke no %s in %s", m.Name, m.Guarantee, budget)
		})
	}
}
