//go:build !race

package mutants_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/simulator/mutants"
)

// build makes a test binary of the package in that folder, over the mutant.
func build(t *testing.T, m mutants.Mutant, of string) string {
	t.Helper()
	dir := t.TempDir()
	replace := map[string]string{}
	for i, e := range m.Edits {
		path, text := mutated(t, m.Name, e)
		changed := filepath.Join(dir, fmt.Sprintf("changed%d.go", i))
		write(t, changed, text)
		replace[path] = changed
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "overlay.json"), overlay)
	binary := filepath.Join(dir, "mutant.test")
	// Without symbols it is linked in half the time.
	cmd := exec.CommandContext(t.Context(), "go", "test", "-c", "-ldflags=-s -w", "-overlay", filepath.Join(dir, "overlay.json"), "-o", binary, of)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the mutant that %s: %v\n%s", m.Name, err, out)
	}
	return binary
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// run runs one test of the mutant, and returns what broke there; empty for nothing.
func run(t *testing.T, binary, test string, env ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, "-test.run", test, "-test.v")
	cmd.Env = append(os.Environ(), env...)
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
	var also string
	if i := strings.LastIndex(broke, "; also "); i >= 0 {
		also = broke[i+len("; also "):]
	}
	first, _, _ := strings.Cut(broke, " ")
	return strings.TrimSuffix(first, ":") == guarantee || slices.Contains(strings.Split(also, ", "), guarantee)
}
