package kubernetes

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/rotatord/rotatord/deploy/prometheus"
)

// TestRulesInTheChartAreTheShippedOnes holds the chart's copy to deploy/prometheus, and what comes out of the chart to promtool.
func TestRulesInTheChartAreTheShippedOnes(t *testing.T) {
	const folder = "../../deploy/prometheus"
	shipped, err := filepath.Glob(filepath.Join(folder, "*.rules.yml"))
	if err != nil || len(shipped) == 0 {
		t.Fatalf("no rules in %s: %v", folder, err)
	}
	copies, _ := filepath.Glob(filepath.Join(chart, "rules", "*")) // the pattern is good
	if len(copies) != len(shipped) {
		t.Errorf("the chart has the rules %v, shipped are %v; copy them: cp deploy/prometheus/*.rules.yml deploy/kubernetes/rotatord/rules/", copies, shipped)
	}
	for _, path := range shipped {
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join(chart, "rules", filepath.Base(path))); err != nil || !bytes.Equal(got, want) {
			t.Errorf("the chart's copy of %s is not fresh (%v); copy it: cp deploy/prometheus/*.rules.yml deploy/kubernetes/rotatord/rules/", path, err)
		}
	}
	spec, err := yaml.Marshal(only(t, rendered(t, "replicas"), "PrometheusRule")["spec"])
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(file, spec, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "promtool", "check", "rules", file).CombinedOutput(); err != nil {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}

// TestOwnerLabelsInTheChart holds the chart's rules with other labels to what the binary prints with them.
func TestOwnerLabelsInTheChart(t *testing.T) {
	labels := []string{"team", "cost_centre"}
	out, err := render(t, "--values", values("replicas"), "--set", "prometheusRule.ownerLabels={"+strings.Join(labels, ",")+"}")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text, err := prometheus.Rules(labels, "")
	if err != nil {
		t.Fatal(err)
	}
	var want any
	if err := yaml.Unmarshal([]byte(text), &want); err != nil {
		t.Fatal(err)
	}
	for document := range strings.SplitSeq(out, "\n---") {
		var got struct {
			Kind string
			Spec any
		}
		if err := yaml.Unmarshal([]byte(document), &got); err == nil && got.Kind == "PrometheusRule" {
			if !reflect.DeepEqual(got.Spec, want) {
				t.Errorf("the chart's rules are not those that rotatord alerts --labels %s prints", strings.Join(labels, ","))
			}
			return
		}
	}
	t.Error("the chart made no PrometheusRule")
}
