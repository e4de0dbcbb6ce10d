package mutants_test

import (
	"fmt"
	"testing"

	"github.com/rotatord/rotatord/simulator"
	"github.com/rotatord/rotatord/simulator/mutants"
)

// attempts is how often a seed is replayed at most: the engine spreads its retries by chance, so that a replay can differ.
const attempts = 3

// TestMutantsAreCaught builds each mutant that has a seed and replays the seed: there it breaks the guarantee that its guard is
// there for, and the daemon as it is breaks none.
func TestMutantsAreCaught(t *testing.T) {
	clean := map[uint64]bool{}
	for _, m := range mutants.List() {
		if m.Seed == 0 {
			continue
		}
		t.Run(m.Guarantee+" "+m.Name, func(t *testing.T) {
			if !clean[m.Seed] {
				holds(t, m.Seed)
				clean[m.Seed] = true
			}
			binary := build(t, m)
			var broke string
			for range attempts {
				if broke = play(t, binary, fmt.Sprint("SIMULATE_SEED=", m.Seed)); names(broke, m.Guarantee) {
					t.Log(broke)
					return
				}
			}
			t.Errorf("the daemon that %s broke %q in the world of seed %d, want %s; find another seed with: make mutants MUTANT=%q",
				m.Name, broke, m.Seed, m.Guarantee, m.Name)
		})
	}
}

// holds plays the world over the daemon as it is.
func holds(t *testing.T, seed uint64) {
	t.Helper()
	find, _, err := simulator.Hunt(t.Context(), seed, 1)
	if err != nil {
		t.Fatal(err)
	}
	if find != nil {
		t.Fatalf("seed %d is of no use for a mutant: the daemon as it is breaks %s", seed, find.Breach)
	}
}

func TestNamesReadsWhatBroke(t *testing.T) {
	for _, c := range []struct {
		broke, guarantee string
		want             bool
	}{
		{"G1 (a/b/c): it is gone", "G1", true},
		{"G6: two at once", "G6", true},
		{"G3 (a/b/c): too early; also G1, G4", "G4", true},
		{"G3 (a/b/c): too early; also G1, G4", "G3", true},
		{"G3 (a/b/c): as G1 says", "G1", false},
		{"", "G1", false},
	} {
		if got := names(c.broke, c.guarantee); got != c.want {
			t.Errorf("%q names %s: %t, want %t", c.broke, c.guarantee, got, c.want)
		}
	}
}
