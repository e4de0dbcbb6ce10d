package alerting

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/docs"
	"github.com/rotatord/rotatord/test/daemon"
)

var (
	selector = regexp.MustCompile(`\b(rotatord[_:][\w:]+|process_\w+|up|ALERTS)\b(?:\{([^}]*)\})?`)
	matcher  = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)\s*"`)
	grouping = regexp.MustCompile(`\b(?:by|on|group_left|without)\s*\(([^)]*)\)`)
	quoted   = regexp.MustCompile(`"[^"]*"`)
)

// stranger names what an expression is about that no daemon exports; empty for nothing. known are the labels of each metric, of
// recorded ones too.
func stranger(expr string, known map[string][]string) string {
	var all []string
	found := selector.FindAllStringSubmatch(expr, -1)
	if len(found) == 0 && !strings.Contains(expr, "label_values") {
		return "nothing of rotatord's"
	}
	for _, m := range found {
		name := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(m[1], "_bucket"), "_count"), "_sum")
		set, ok := known[name]
		if !ok {
			return "the metric " + m[1]
		}
		set = append(slices.Clone(set), "job", "instance")
		if strings.HasSuffix(m[1], "_bucket") {
			set = append(set, "le")
		}
		for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(set, l[1]) {
				return fmt.Sprintf("the label %s of %s", l[1], m[1])
			}
		}
		all = append(all, set...)
	}
	for _, g := range grouping.FindAllStringSubmatch(quoted.ReplaceAllString(expr, `""`), -1) {
		for name := range strings.SplitSeq(g[1], ",") {
			if name = strings.TrimSpace(name); !slices.Contains(all, name) {
				return "the label " + name
			}
		}
	}
	return ""
}

// knownMetrics are the labels of all that the daemons exported, and of what Prometheus adds by itself.
func knownMetrics(x *exports) map[string][]string {
	known := map[string][]string{
		"up": nil, "process_resident_memory_bytes": nil, "process_cpu_seconds_total": nil, startTime: nil,
		"ALERTS": {"alertname", "alertstate", "severity", "provider", "policy", "team"},
	}
	for _, s := range x.all() {
		name := strings.TrimSuffix(s.name, "_bucket")
		for label := range maps.Keys(s.labels) {
			if !slices.Contains(known[name], label) {
				known[name] = append(known[name], label)
			}
		}
		if known[name] == nil {
			known[name] = []string{}
		}
	}
	return known
}

func TestRulesNameWhatTheDaemonExports(t *testing.T) {
	known := knownMetrics(exported(t))
	for _, r := range rules(t) {
		if what := stranger(r.Expr, known); what != "" {
			t.Errorf("%s%s: no daemon exported %s", r.Record, r.Alert, what)
		}
		if r.Record != "" {
			known[r.Record] = []string{"provider", "policy", "reason", "stage", "team"}
		}
	}
}

// A test that cannot fail says nothing.
func TestStrangersAreFound(t *testing.T) {
	known := map[string][]string{"rotatord_keys": {"provider", "state"}}
	for expr, want := range map[string]string{
		`max by (provider) (rotatord_keys{state="managed"})`: "",
		`rotatord_key`:                            "the metric rotatord_key",
		`rotatord_keys{stat="managed"}`:           "the label stat of rotatord_keys",
		`max by (provider, sink) (rotatord_keys)`: "the label sink",
		`vector(1)`:                               "nothing of rotatord's",
	} {
		if got := stranger(expr, known); got != want {
			t.Errorf("%s: found %q, want %q", expr, got, want)
		}
	}
}

// board is a dashboard, as far as its queries go.
type board struct {
	Templating struct {
		List []struct {
			Type  string
			Query any
		}
	}
	Panels []struct {
		Title   string
		Targets []struct{ Expr string }
	}
}

func boards(t *testing.T) map[string]board {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("..", "..", "deploy", "grafana", "*.json"))
	if err != nil || len(paths) < 2 {
		t.Fatalf("there are %d dashboards: %v", len(paths), err)
	}
	all := map[string]board{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var b board
		if err := json.Unmarshal(text, &b); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all[filepath.Base(path)] = b
	}
	return all
}

// TestPanelsNameWhatTheDaemonExports also has promtool parse every query, as the expression of a rule.
func TestPanelsNameWhatTheDaemonExports(t *testing.T) {
	known := knownMetrics(exported(t))
	var parsed strings.Builder
	parsed.WriteString("groups:\n  - name: panels\n    rules:\n")
	n := 0
	for name, b := range boards(t) {
		for _, p := range b.Panels {
			for _, q := range p.Targets {
				if what := stranger(q.Expr, known); what != "" {
					t.Errorf("%s, panel %q: no daemon exported %s", name, p.Title, what)
				}
				n++
				fmt.Fprintf(&parsed, "      - {record: 'panel:%d', expr: '%s'}\n", n, q.Expr)
			}
		}
		for _, v := range b.Templating.List {
			asked, ok := v.Query.(map[string]any)
			if !ok {
				continue
			}
			text, _ := asked["query"].(string)
			if what := stranger(text, known); what != "" {
				t.Errorf("%s, variable %s: no daemon exported %s", name, text, what)
			}
		}
	}
	if n < 40 {
		t.Errorf("only %d queries were found", n)
	}
	promtool(t, "check", "rules", written(t, "panels.yml", parsed.String()))
}

func TestEveryRuleHasARunbookAndEveryRunbookARule(t *testing.T) {
	alerts := map[string]bool{}
	for _, r := range rules(t) {
		if r.Alert == "" {
			continue
		}
		alerts[r.Alert] = true
		if _, ok := docs.Runbook(r.Alert); !ok {
			t.Errorf("%s has no runbook", r.Alert)
		}
		if want := "https://github.com/rotatord/rotatord/blob/main/docs/runbooks/" + r.Alert + ".md"; r.Annotations["runbook_url"] != want {
			t.Errorf("the runbook of %s is said to be at %s, want %s", r.Alert, r.Annotations["runbook_url"], want)
		}
		if r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
			t.Errorf("%s has no summary or no description", r.Alert)
		}
		if s := r.Labels["severity"]; s != "warning" && s != "critical" {
			t.Errorf("%s has the severity %q", r.Alert, s)
		}
	}
	for _, name := range docs.Alerts() {
		if !alerts[name] {
			t.Errorf("the runbook %s is about no alert", name)
		}
	}
}

var (
	inCode = regexp.MustCompile("`(rotatord [^`]+)`")
	aFlag  = regexp.MustCompile(`(--[a-z-]+)`)
)

// TestCommandsInRunbooksExist asks the real binary for the help of each command that a runbook names, and looks for its flags there.
func TestCommandsInRunbooksExist(t *testing.T) {
	help := map[string]string{}
	seen := 0
	for _, name := range docs.Alerts() {
		text, _ := docs.Runbook(name)
		for _, m := range inCode.FindAllStringSubmatch(strings.Join(strings.Fields(text), " "), -1) {
			seen++
			words := commandOf(m[1])
			if _, asked := help[words]; !asked {
				help[words] = helpFor(t, words)
			}
			if help[words] == "" {
				t.Errorf("the runbook of %s: there is no command %q", name, words)
				continue
			}
			for _, f := range aFlag.FindAllString(m[1], -1) {
				if !strings.Contains(help[words], f+" ") {
					t.Errorf("the runbook of %s: %q has no flag %s", name, words, f)
				}
			}
		}
	}
	if seen < 30 {
		t.Errorf("only %d commands were found in the runbooks", seen)
	}
}

// commandOf is what of a command line names the command: the words before the first argument or flag.
func commandOf(line string) string {
	words := strings.Fields(line)[1:]
	end := slices.IndexFunc(words, func(w string) bool {
		return w != strings.ToLower(w) || strings.HasPrefix(w, "-") || strings.ContainsAny(w, "'/\"")
	})
	if end >= 0 {
		words = words[:end]
	}
	return strings.Join(words, " ")
}

// helpFor is the help of exactly that command; empty if there is none. Cobra answers for a command that it does not know with
// the help of the one above it.
func helpFor(t *testing.T, words string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), daemon.Binary(t), append(strings.Fields(words), "--help")...).Output()
	if err != nil || !strings.Contains(string(out), "\n  rotatord "+words) {
		return ""
	}
	return string(out)
}
