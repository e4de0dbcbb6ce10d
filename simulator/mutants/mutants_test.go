package mutants_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/simulator/mutants"
)

// budget is for how long a mutant may go unnoticed: as long as the fresh worlds of one run.
const budget = 75 * time.Second

// TestMutantsAreNoticed builds the simulator's test with one guard of the daemon taken away at a time: each must break a guarantee
// within the budget. MUTANT narrows to those whose name holds it.
func TestMutantsAreNoticed(t *testing.T) {
	for _, m := range mutants.List() {
		if only := os.Getenv("MUTANT"); !strings.Contains(m.Guarantee+" "+m.Name, only) {
			continue
		}
		t.Run(m.Guarantee+" "+m.Name, func(t *testing.T) {
			binary := build(t, m)
			began := time.Now()
			out, survived := hunt(t, binary)
			if survived {
				t.Fatalf("the daemon that %s was not noticed in %s:\n%s", m.Name, budget, out)
			}
			t.Logf("noticed after %s: %s", time.Since(began).Round(100*time.Millisecond), breach(out))
		})
	}
}

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
		_, _ = mutated(t, m)
	}
}

// mutated returns the path of the file and its changed text.
func mutated(t *testing.T, m mutants.Mutant) (string, []byte) {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", filepath.FromSlash(m.File)))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("the mutant that %s: %v", m.Name, err)
	}
	if n := bytes.Count(text, []byte(m.Old)); n != 1 {
		t.Errorf("the mutant that %s: its text stands %d times in %s, want once; follow the code", m.Name, n, m.File)
	}
	return path, bytes.Replace(text, []byte(m.Old), []byte(m.New), 1)
}

// build makes a test binary of the simulator over the mutant.
func build(t *testing.T, m mutants.Mutant) string {
	t.Helper()
	dir := t.TempDir()
	path, text := mutated(t, m)
	changed := filepath.Join(dir, "changed.go")
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {path: changed}})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{changed: text, filepath.Join(dir, "overlay.json"): overlay} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	binary := filepath.Join(dir, "simulator.test")
	cmd := exec.CommandContext(t.Context(), "go", "test", "-c", "-overlay", filepath.Join(dir, "overlay.json"), "-o", binary, "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the mutant that %s: %v\n%s", m.Name, err, out)
	}
	return binary
}

// hunt runs fresh worlds over the mutant, and reports whether it survived them.
func hunt(t *testing.T, binary string) (string, bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, "-test.run", "^TestGuaranteesHoldInFreshWorlds$", "-test.v")
	cmd.Env = append(os.Environ(), "SIMULATE_FOR="+budget.String(), "SIMULATE_TOLD=no")
	out, err := cmd.CombinedOutput()
	if err != nil && !strings.Contains(string(out), " breaks ") {
		t.Fatalf("the mutant ended in another way than by breaking a guarantee: %v\n%s", err, out)
	}
	return string(out), err == nil
}

// breach is the line that says what broke.
func breach(out string) string {
	for line := range strings.Lines(out) {
		if strings.Contains(line, " breaks ") {
			return strings.TrimSpace(line)
		}
	}
	return "nothing"
}
