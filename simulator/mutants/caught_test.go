//go:build !race

package mutants_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/simulator/mutants"
	"github.com/rotatord/rotatord/simulator/world"
)

// These worlds are not played under the race detector, which would take minutes for what it sees in package simulator already.

// TestWorldsOfMutantsAreSound plays the world of each mutant over the daemon as it is, which breaks nothing there. Built over a
// mutant, it is what notices it.
func TestWorldsOfMutantsAreSound(t *testing.T) {
	for _, m := range mutants.List() {
		t.Run(m.Name, func(t *testing.T) {
			o, err := world.Run(t.Context(), m.World())
			if err != nil {
				t.Fatal(err)
			}
			if o.Breach == nil {
				return
			}
			for _, l := range o.Story[max(0, len(o.Story)-told):] {
				t.Log(l)
			}
			t.Errorf("it breaks %s", o.Breach)
		})
	}
}

// told is how many lines of a story are shown.
const told = 40

// TestMutantsAreCaught builds each mutant and plays its world: there it breaks the guarantee that its guard is there for. That the
// daemon as it is does not, TestWorldsOfMutantsAreSound shows.
func TestMutantsAreCaught(t *testing.T) {
	for _, m := range mutants.List() {
		t.Run(m.Guarantee+" "+m.Name, func(t *testing.T) {
			t.Parallel()
			world := regexp.QuoteMeta(strings.ReplaceAll(m.Name, " ", "_")) // as subtests are named
			broke := run(t, build(t, m, "."), "^TestWorldsOfMutantsAreSound$/^"+world+"$")
			if !names(broke, m.Guarantee) {
				t.Fatalf("the daemon that %s broke %q in its world, want %s", m.Name, broke, m.Guarantee)
			}
			t.Log(broke)
		})
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
