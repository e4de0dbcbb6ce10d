package app

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/internal/client"
	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/web"
)

// owned is a provider and policies whose keys are somebody's.
const owned = `
server: {listen: "127.0.0.1:0"}
store: {path: DIR/state/rotatord.db, seal: {key_file: DIR/seal.key}}
scan: {schedule: "@every 1h"}
providers:
  - {name: certcentral, type: certcentral, base_url: "BASE", api_key_file: DIR/manager.key, propagation: 1s, rates: [{requests: 100000, per: 1s}], labels: {team: pki, cost: "42"}}
sinks:
  - {name: disk, type: file, path: "DIR/keys/{{.ServiceUser}}"}
policies:
  - {name: monthly, match: {keys: [deploy]}, max_age: 60d, renew_before: 30d, grace: 0s, idle: 0s, sinks: [disk], labels: {team: platform}}
  - {name: watched, match: {keys: [watch]}, max_age: 60d, renew_before: 30d, grace: 0s, observe_only: true}
`

func TestSettingsOfKeys(t *testing.T) {
	w := newWorld(t)
	w.configure(owned)
	a := w.run()
	both := map[string]string{"team": "pki", "cost": "42"}
	for _, tc := range []struct {
		name, provider, policy string
		want                   rotator.KeySettings
	}{
		{"the policy's label wins", "certcentral", "monthly", rotator.KeySettings{Labels: map[string]string{"team": "platform", "cost": "42"}, ReportsLastUse: true}},
		{"observed", "certcentral", "watched", rotator.KeySettings{Labels: both, ReportsLastUse: true, Observed: true}},
		{"unmanaged", "certcentral", "", rotator.KeySettings{Labels: both, ReportsLastUse: true}},
		{"not configured any more", "entrust", "gone", rotator.KeySettings{Labels: map[string]string{}}},
	} {
		if diff := cmp.Diff(tc.want, a.keySettings(tc.provider, tc.policy)); diff != "" {
			t.Errorf("%s: %s", tc.name, diff)
		}
	}
}

// TestReport holds that a report tells of every key after a scan, with its owner, and that the findings are counted too.
func TestReport(t *testing.T) {
	w := newWorld(t)
	w.configure(owned)
	w.user("ci-build", "deploy", 48*time.Hour)
	w.user("watcher", "watch", 70*24*time.Hour)
	w.user("clerk", "own", 48*time.Hour)
	a := w.run()
	got := map[string]*web.ReportedKey{}
	await(t, "every key to be in the report", func() error {
		clear(got)
		_, err := a.client.Report(t.Context(), client.ReportQuery{}, func(k *web.ReportedKey) error {
			got[k.Credential] = k
			return nil
		})
		if err != nil {
			return err
		}
		return want(len(got) == 4, "%d keys", len(got)) // the daemon's own is one
	})
	for credential, class := range map[string]string{"deploy": "managed", "watch": "managed", "own": "unmanaged"} {
		k := got[credential]
		if k == nil || k.Class != class || !k.ReportsUse || k.Labels["cost"] != "42" {
			t.Errorf("%s: got %+v, want class %s", credential, k, class)
		}
	}
	await(t, "the findings to be counted", func() error {
		_, text := a.get("/metrics")
		for _, series := range []string{
			`rotatord_key_findings{finding="observe_only",provider="certcentral"} 1`,
			`rotatord_key_findings{finding="too_old",provider="certcentral"} 1`,
			`rotatord_key_findings{finding="no_expiry",provider="certcentral"} 2`,
			`rotatord_key_findings{finding="inactive_user",provider="certcentral"} 0`,
		} {
			if err := want(strings.Contains(text, series), "no %s", series); err != nil {
				return err
			}
		}
		return nil
	})
}
