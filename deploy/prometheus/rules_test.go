package prometheus

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestShippedRulesComeAsTheyAre(t *testing.T) {
	for _, labels := range [][]string{nil, {"team"}} {
		if got, err := Rules(labels, ""); err != nil || got != shipped {
			t.Errorf("%v: %d bytes, %v", labels, len(got), err)
		}
	}
}

// TestEveryRuleThatHasAnOwnerJoinsTheLabels also has promtool read the file.
func TestEveryRuleThatHasAnOwnerJoinsTheLabels(t *testing.T) {
	got, err := Rules([]string{"service", "cost_centre"}, "https://rotatord.example.com/runbooks/")
	if err != nil {
		t.Fatal(err)
	}
	var rest []string
	for line := range strings.Lines(got) {
		if !strings.HasPrefix(line, "#") && strings.Contains(line, "team") {
			rest = append(rest, line)
		}
	}
	if len(rest) > 0 {
		t.Errorf("these still name team: %q", rest)
	}
	if n, want := strings.Count(got, "group_left (service, cost_centre)"), strings.Count(shipped, "group_left"); n != want || n < 40 {
		t.Errorf("%d rules join the labels, want %d", n, want)
	}
	if strings.Contains(got, "github.com/rotatord/rotatord/blob") || !strings.Contains(got, `runbook_url: "https://rotatord.example.com/runbooks/RotatordKeyExpired"`) {
		t.Error("the runbooks are still read elsewhere")
	}
	path := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "promtool", "check", "rules", path).CombinedOutput(); err != nil {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}

func TestLabelsThatCannotBeJoinedAreRefused(t *testing.T) {
	for label, want := range map[string]string{
		"severity": "already", "reason": "already", "__name": "already", "a-b": "no name", "1st": "no name", "": "no name", `x) or vector(1`: "no name",
	} {
		if _, err := Rules([]string{"team", label}, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", label, err, want)
		}
	}
	if _, err := Rules([]string{"team", "team"}, ""); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("twice: %v", err)
	}
	if _, err := Rules(nil, `https://x"y`); err == nil {
		t.Error("an address with a quote is taken")
	}
}
