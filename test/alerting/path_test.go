package alerting

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/test/daemon"
)

// atOnce makes every alert of a file of rules fire a second after its condition holds, in place of minutes or hours. Nothing else
// is changed: expressions, thresholds and labels are those that are shipped.
func atOnce(rules string) string {
	return regexp.MustCompile(`(?m)^(\s+for: ).*$`).ReplaceAllString(rules, "${1}1s")
}

// own is the change that the README of the rules tells of: runbooks are read at the daemon.
func own(rules, base string) string {
	return regexp.MustCompile(`https://[^"]*/docs/runbooks/(\w+)\.md`).ReplaceAllString(rules, base+"/$1")
}

// TestAnAlertReachesItsOwnerAndIsResolved has a real Prometheus scrape the daemon with the shipped rules, and a real Alertmanager
// route what comes of it by the label team: a provider that is out of reach is told to the team that owns it, with a runbook that
// the daemon serves, and is resolved once it is back.
func TestAnAlertReachesItsOwnerAndIsResolved(t *testing.T) {
	s := stage(t, "  - {name: ci, "+rotates+"}", "max_share_per_scan: 100%", "abandoned")
	s.d.Start()
	s.await(1, "rotatord_provider_up", `provider="cc"`)
	shipped, err := os.ReadFile(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	box, am, prom := receive(t), address(t), address(t)
	run(t, "prometheus-alertmanager", "http://"+am+"/-/ready", "--web.listen-address="+am, "--cluster.listen-address=", "--storage.path="+t.TempDir(),
		"--config.file="+written(t, "alertmanager.yml", fmt.Sprintf(`route:
  receiver: operators
  group_by: [alertname, provider]
  group_wait: 0s
  group_interval: 1s
  routes: [{matchers: ['team="pki"'], receiver: pki}]
receivers:
  - {name: operators, webhook_configs: [{url: %[1]s/operators}]}
  - {name: pki, webhook_configs: [{url: %[1]s/pki}]}
`, box.url)))
	run(t, "prometheus", "http://"+prom+"/-/ready", "--web.listen-address="+prom, "--storage.tsdb.path="+t.TempDir(),
		"--config.file="+written(t, "prometheus.yml", fmt.Sprintf(`global: {scrape_interval: 2s, scrape_timeout: 2s, evaluation_interval: 1s}
rule_files: [%q]
alerting: {alertmanagers: [{static_configs: [{targets: [%q]}]}]}
scrape_configs: [{job_name: rotatord, static_configs: [{targets: [%q]}]}]
`, written(t, "rules.yml", own(atOnce(string(shipped)), s.d.URL()+"/runbooks")), am, strings.TrimPrefix(s.d.URL(), "http://"))))

	const alert = "RotatordProviderBlind"
	s.cc.Down()
	var firing told
	daemon.Await(t, 2*daemon.Patience, alert+" to fire", func() (err error) {
		firing, err = box.find(alert, "firing")
		return err
	})
	if firing.to != "/pki" || firing.Labels["team"] != "pki" || firing.Labels["provider"] != "cc" || firing.Labels["severity"] == "" {
		t.Errorf("%s was told to %s with the labels %v, want team and receiver pki and provider cc", alert, firing.to, firing.Labels)
	}
	if summary := firing.Annotations["summary"]; !strings.Contains(summary, "cc") {
		t.Errorf("its summary does not name the provider: %s", summary)
	}
	path, ok := strings.CutPrefix(firing.Annotations["runbook_url"], s.d.URL())
	if status, page := s.d.Get(path); !ok || status != 200 || !strings.Contains(page, "What to do") {
		t.Errorf("its runbook at %s answers %d", firing.Annotations["runbook_url"], status)
	}

	s.cc.Up()
	var over told
	daemon.Await(t, 4*daemon.Patience, alert+" to be resolved", func() (err error) {
		over, err = box.find(alert, "resolved")
		return err
	})
	if over.to != "/pki" {
		t.Errorf("that it is over was told to %s, want pki", over.to)
	}
}
