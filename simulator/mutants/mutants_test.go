package mutants_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rotatord/rotatord/simulator/mutants"
)

// TestEachGuaranteeHasAMutant holds the list complete.
func TestEachGuaranteeHasAMutant(t *testing.T) {
	for _, g := range []string{"G1", "G2", "G3", "G4", "G5", "G6", "G7", "G8", "G9"} {
		if !slices.ContainsFunc(mutants.List(), func(m mutants.Mutant) bool { return m.Guarantee == g }) {
			t.Errorf("no mutant attacks %s", g)
		}
	}
}

// TestMutantsFitTheCode fails as soon as the code has moved away from under a mutant.
func TestMutantsFitTheCode(t *testing.T) {
	for _, m := range mutants.List() {
		if len(m.Edits) == 0 {
			t.Errorf("the mutant that %s changes nothing", m.Name)
		}
		files := map[string]bool{}
		for _, e := range m.Edits {
			_, _ = mutated(t, m.Name, e)
			if files[e.File] {
				t.Errorf("the mutant that %s changes %s twice, and only the last change would be built", m.Name, e.File)
			}
			files[e.File] = true
		}
	}
}

// mutated returns the path of the file and its changed text.
func mutated(t *testing.T, name string, e mutants.Edit) (string, []byte) {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", filepath.FromSlash(e.File)))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("the mutant that %s: %v", name, err)
	}
	if n := bytes.Count(text, []byte(e.Old)); n != 1 {
		t.Errorf("the mutant that %s: its text stands %d times in %s, want once; follow the code", name, n, e.File)
	}
	return path, bytes.Replace(text, []byte(e.Old), []byte(e.New), 1)
}
