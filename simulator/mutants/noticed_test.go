//go:build mutants

package mutants_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
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
	cmd := exec.CommandContext(t.Context(), binary, "-test.run", "^TestGuaranteesHoldInWorlds$", "-test.v")
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
