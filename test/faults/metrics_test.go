package faults

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// exposition is what a daemon exports that has rotated keys, has one that never was used, and one that nobody rotates.
func exposition(t *testing.T) string {
	t.Helper()
	c := prepare(t, setting{sinks: "hooks: [{name: reload, type: command, command: [/bin/true]}]\nverify: {schedule: \"@daily\"}\n" +
		"drills: [{name: never, match: {service_users: [nobody]}, window: {cron: \"0 0 1 1 *\", for: 1m}}]\n", timing: due + ", hooks: [reload]"})
	c.e.AddService("clerk", "by-hand", time.Hour)
	c.begin()
	c.goodEnd(1)
	status, text := c.d.Get("/metrics")
	if status != http.StatusOK {
		t.Fatalf("/metrics answers %d: %s", status, text)
	}
	return text
}

// TestMetrics pipes the real exposition through promtool's linter, and compares it with its documentation in both directions.
func TestMetrics(t *testing.T) {
	t.Parallel()
	text := exposition(t)
	t.Run("promtool finds nothing", func(t *testing.T) {
		promtool, err := exec.LookPath("promtool")
		if err != nil {
			t.Fatalf("there is no promtool: %v; install it with: test/servers/install-apt", err)
		}
		cmd := exec.CommandContext(t.Context(), promtool, "check", "metrics")
		cmd.Stdin = strings.NewReader(text)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Run(); err != nil || out.Len() > 0 {
			t.Errorf("promtool check metrics: %v\n%s", err, out.String())
		}
	})
	exported := map[string]bool{}
	for _, found := range regexp.MustCompile(`(?m)^# TYPE (rotatord_\w+) `).FindAllStringSubmatch(text, -1) {
		exported[found[1]] = true
	}
	documented := documentedMetrics(t)
	t.Run("what is documented is exported", func(t *testing.T) {
		for name, unset := range documented {
			if !exported[name] && !strings.HasPrefix(unset, "absent") {
				t.Errorf("%s is not exported, and its documentation says that while unset it is %q", name, unset)
			}
		}
		// The same daemon has shown nearly all that may be absent. Here no key has an expiry, nothing is in motion or blocked,
		// nothing leaked, and nobody is told anything.
		for name := range documented {
			if !exported[name] && !slices.Contains([]string{"rotatord_key_expiration_timestamp_seconds", "rotatord_rotation_stage_timestamp_seconds",
				"rotatord_rotation_step_timestamp_seconds", "rotatord_next_step_timestamp_seconds", "rotatord_blocked_timestamp_seconds",
				"rotatord_hold_timestamp_seconds", "rotatord_freeze_timestamp_seconds", "rotatord_own_credential_expiration_timestamp_seconds",
				"rotatord_notices_oldest_timestamp_seconds", "rotatord_drill_stuck_timestamp_seconds", "rotatord_hook_oldest_timestamp_seconds", "rotatord_leaked_credentials"}, name) {
				t.Errorf("%s is not exported by a daemon that has rotated keys", name)
			}
		}
	})
	t.Run("what is exported is documented", func(t *testing.T) {
		for name := range exported {
			if _, ok := documented[name]; !ok {
				t.Errorf("%s is not in docs/reference/metrics.md", name)
			}
		}
	})
	t.Run("the usual ones are there", func(t *testing.T) {
		for _, name := range []string{"go_goroutines", "process_resident_memory_bytes", "process_start_time_seconds", "process_open_fds"} {
			if !strings.Contains(text, "\n"+name+" ") {
				t.Errorf("%s is not exported", name)
			}
		}
	})
}

// documentedMetrics are the metrics of the reference and what each exports while unset.
func documentedMetrics(t *testing.T) map[string]string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "reference", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	metrics := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(rotatord_\\w+)` \\|.*\\| ([^|]*) \\|$").FindAllStringSubmatch(string(page), -1) {
		metrics[row[1]] = row[2]
	}
	if len(metrics) < 30 {
		t.Fatalf("the reference has %d metrics: its form is another one", len(metrics))
	}
	return metrics
}
