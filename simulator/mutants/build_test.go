package mutants_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/simulator/mutants"
)

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
	// Without -vet and symbols it is built in half the time.
	cmd := exec.CommandContext(t.Context(), "go", "test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay", filepath.Join(dir, "overlay.json"), "-o", binary, "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the mutant that %s: %v\n%s", m.Name, err, out)
	}
	return binary
}

// play plays worlds over the mutant, as the variable of the environment says, and returns what broke there; empty for nothing.
func play(t *testing.T, binary, variable string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, "-test.run", "^TestGuaranteesHoldInWorlds$", "-test.v")
	cmd.Env = append(os.Environ(), variable, "SIMULATE_TOLD=no")
	out, err := cmd.CombinedOutput()
	if err == nil {
		return ""
	}
	for line := range strings.Lines(string(out)) {
		if _, what, found := strings.Cut(line, " breaks "); found {
			return strings.TrimSpace(what)
		}
	}
	t.Fatalf("the mutant ended in another way than by breaking a guarantee: %v\n%s", err, out)
	return ""
}

// names reports whether what broke is the guarantee, first or along with another.
func names(broke, guarantee string) bool {
	what, also, _ := cutLast(broke, "; also ")
	first, _, _ := strings.Cut(what, " ")
	if strings.TrimSuffix(first, ":") == guarantee {
		return true
	}
	for g := range strings.SplitSeq(also, ", ") {
		if g == guarantee {
			return true
		}
	}
	return false
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
