package model

import (
	"os/exec"
	"strings"
	"testing"
)

// TestModel checks every scope of the model and refutes every mutant. Without spin it fails: a model that nobody checked
// says nothing.
func TestModel(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "./run").CombinedOutput()
	t.Logf("test/model/run:\n%s", out)
	if err != nil {
		t.Fatalf("the model does not hold, or was not checked: %v", err)
	}
	for _, result := range []string{"ok ", "refuted "} {
		if !strings.Contains(string(out), "\n"+result) && !strings.HasPrefix(string(out), result) {
			t.Errorf("the checks report no line that begins with %q: they checked nothing", result)
		}
	}
}
