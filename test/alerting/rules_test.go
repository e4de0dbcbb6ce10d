package alerting

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"
)

// file is a file of rules, as far as these tests look into it.
type file struct {
	Groups []struct {
		Name  string
		Rules []rule
	}
}

type rule struct {
	Record, Alert, Expr, For string
	Labels, Annotations      map[string]string
}

func read(t *testing.T) (f file) {
	t.Helper()
	text, err := os.ReadFile(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

func rules(t *testing.T) (all []rule) {
	t.Helper()
	for _, g := range read(t).Groups {
		all = append(all, g.Rules...)
	}
	return all
}

// groups are the names of the groups, that of recorded rules first.
func groups(t *testing.T) (names []string) {
	t.Helper()
	for _, g := range read(t).Groups {
		names = append(names, g.Name)
	}
	return names
}

func promtool(t *testing.T, args ...string) {
	t.Helper()
	tool, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatalf("there is no promtool: %v; install it with: test/servers/install-apt", err)
	}
	cmd := exec.CommandContext(t.Context(), tool, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out.String())
	}
}

func TestRulesAreGood(t *testing.T) {
	promtool(t, "check", "rules", "--lint-fatal", rulesFile)
}

// scrape is how Prometheus labels what it gets from the daemon.
var scrape = map[string]string{"job": "rotatord", "instance": "one.example.com:9650"}

// change replaces the values of the series of that name whose labels include those given, or adds one with exactly those.
type change struct {
	metric string
	labels labels
	// values are in promtool's notation: "1x1000" stays, "0+1x1000" grows. Points in time are seconds from the moment.
	values string
}

type labels = map[string]string

func to(value float64, metric string, l labels) change {
	return change{metric, l, fmt.Sprintf("%gx1000", value)}
}

// blocked is a rotation of policy ci that has been blocked for so many seconds.
func blocked(reason string, seconds float64) change {
	return to(-seconds, "rotatord_blocked_timestamp_seconds", labels{"provider": "cc", "policy": "ci", "reason": reason})
}

// state is what the series are at first, and how they change.
type state struct {
	of      func(*exports) []series
	changes []change
	// then, if set, is what the same daemon exported after half an hour.
	then func(*exports) []series
	// at is the provider that the alert is about, where it is not cc.
	at string
}

// forced reports whether the state is as a daemon exported it, and nothing but time goes on.
func (s state) forced() bool { return len(s.changes) == 0 }

func healthy(c ...change) state {
	return state{of: func(x *exports) []series { return x.healthy }, changes: c}
}

var (
	ofCC = labels{"provider": "cc"}
	ofCI = labels{"provider": "cc", "policy": "ci"}

	moving  = state{of: func(x *exports) []series { return x.moving }}
	quiet   = state{of: func(x *exports) []series { return x.quiet }}
	down    = state{of: func(x *exports) []series { return x.down }}
	asking  = state{of: func(x *exports) []series { return x.asking }}
	stopped = state{of: func(x *exports) []series { return x.blocked }}
	faulty  = state{of: func(x *exports) []series { return x.faulty }}
	damaged = state{of: func(x *exports) []series { return x.damaged }}
	waiting = state{of: func(x *exports) []series { return x.waiting }}
	doubled = state{of: func(x *exports) []series { return x.doubled }}
	lost    = state{of: func(x *exports) []series { return x.lost }}
	frozen  = state{of: func(x *exports) []series { return x.frozen }}
	held    = state{of: func(x *exports) []series { return x.held }}
	skewed  = state{of: func(x *exports) []series { return x.skewed }}
	ending  = state{of: func(x *exports) []series { return x.ending }}
	pushing = state{of: moving.of, then: down.of}
	dropped = state{of: faulty.of, then: damaged.of}
	refused = state{of: func(x *exports) []series { return x.before }, then: func(x *exports) []series { return x.refused }}
	nothing = state{of: func(*exports) []series { return nil }}
	late    = to(0.6, "rotatord_renewal_window_used_ratio", ofCI)
)

// cases are when each alert fires: after that time in that state, for whom, in which bands. Where a band says nothing it must not.
var cases = []struct {
	alert string
	state state
	after time.Duration
	team  string
	bands []string
}{
	{"RotatordRotationOverdue", healthy(to(0.3, "rotatord_renewal_window_used_ratio", ofCI)), 12 * time.Hour, "platform", nil},
	{"RotatordRotationOverdue", healthy(to(0.31, "rotatord_renewal_window_used_ratio", ofCI)), 20 * time.Minute, "platform", []string{"warning"}},
	{"RotatordRotationOverdue", healthy(to(0.61, "rotatord_renewal_window_used_ratio", ofCI)), 20 * time.Minute, "platform", []string{"critical"}},
	{"RotatordKeyExpired", healthy(to(1, "rotatord_expired_keys", ofCI)), 10 * time.Minute, "platform", []string{"critical"}},
	{"RotatordStuckInStage", moving, 50 * time.Minute, "platform", nil},
	{"RotatordStuckInStage", moving, 80 * time.Minute, "platform", []string{"warning"}},
	{"RotatordStuckInStage", moving, 7 * time.Hour, "platform", []string{"critical"}},
	{"RotatordStepsNotTaken", moving, 20 * time.Minute, "pki", nil},
	{"RotatordStepsNotTaken", moving, time.Hour, "pki", []string{"critical"}},
	{"RotatordStepsNotTaken", state{of: moving.of, changes: []change{to(1, "rotatord_provider_paused", ofCC)}}, time.Hour, "pki", nil},
	{"RotatordConsumerAtRisk", healthy(blocked("new_key_refused", 0)), 10 * time.Minute, "platform", []string{"critical"}},
	{"RotatordConsumerAtRisk", healthy(blocked("sink_mismatch", 0)), 10 * time.Minute, "platform", []string{"critical"}},
	{"RotatordConsumerAtRisk", healthy(blocked("last_key", 0)), 10 * time.Minute, "platform", []string{"critical"}},
	{"RotatordRevocationBlocked", healthy(blocked("own_key", 0)), 50 * time.Minute, "platform", nil},
	{"RotatordRevocationBlocked", healthy(blocked("own_key", 4000)), 10 * time.Minute, "platform", []string{"warning"}},
	{"RotatordRevocationBlocked", healthy(blocked("old_key_unclear", 300000)), 10 * time.Minute, "platform", []string{"critical"}},
	{"RotatordOldKeyInUse", stopped, 30 * time.Minute, "platform", nil},
	{"RotatordOldKeyInUse", stopped, 2 * time.Hour, "platform", []string{"warning"}},
	{"RotatordOldKeyInUse", stopped, 4 * day, "platform", []string{"critical"}},
	{"RotatordRotationFailed", healthy(blocked("rotation_failed", 1000)), 10 * time.Minute, "platform", []string{"warning"}},
	{"RotatordBlockedByConfiguration", stopped, time.Hour, "platform", []string{"warning"}},
	{"RotatordAtKeyCap", healthy(blocked("at_key_cap", 2000)), 10 * time.Minute, "platform", []string{"warning"}},
	{"RotatordAwaitingApproval", asking, 10 * time.Minute, "pki", nil},
	{"RotatordAwaitingApproval", asking, 20 * time.Minute, "pki", []string{"warning"}},
	{"RotatordAwaitingApproval", asking, 13 * time.Hour, "pki", []string{"warning", "critical"}},
	{"RotatordAwaitingSupply", healthy(blocked("awaiting_supply", 0)), 2 * time.Hour, "platform", []string{"warning"}},
	{"RotatordAwaitingSupply", healthy(blocked("awaiting_supply", 0), late), 2 * time.Hour, "platform", []string{"warning", "critical"}},
	{"RotatordAwaitingRemoval", healthy(blocked("awaiting_removal", 0)), 20 * time.Hour, "platform", nil},
	{"RotatordAwaitingRemoval", healthy(blocked("awaiting_removal", 90000)), 10 * time.Minute, "platform", []string{"warning"}},
	{"RotatordObservedKeyDue", healthy(blocked("observe_only", 4000)), 10 * time.Minute, "platform", []string{"warning"}},
	{"RotatordHoldTooLong", quiet, 6 * day, "pki", nil},
	{"RotatordHoldTooLong", quiet, 8 * day, "pki", []string{"warning"}},
	{"RotatordHoldTooLong", healthy(blocked("held", 0)), time.Hour, "platform", nil},
	{"RotatordHoldTooLong", healthy(blocked("held", 0), late), time.Hour, "platform", []string{"critical"}},
	{"RotatordFreezeTooLong", quiet, 13 * day, "", nil},
	{"RotatordFreezeTooLong", quiet, 15 * day, "", []string{"warning"}},
	{"RotatordFreezeTooLong", healthy(blocked("frozen", 0), late), time.Hour, "platform", []string{"critical"}},
	{"RotatordSealUnreadable", healthy(blocked("seal_unreadable", 0)), 5 * time.Minute, "platform", []string{"critical"}},

	{"RotatordRotationOverdue", faulty, 20 * time.Minute, "platform", []string{"critical"}},
	{"RotatordStuckInStage", faulty, 80 * time.Minute, "platform", []string{"warning"}},
	{"RotatordKeyExpired", state{of: faulty.of, at: "one"}, 10 * time.Minute, "platform", []string{"critical"}},
	{"RotatordConsumerAtRisk", faulty, 10 * time.Minute, "platform", []string{"critical"}},
	{"RotatordLeakNotConfirmed", faulty, 2 * time.Minute, "platform", nil},
	{"RotatordLeakNotConfirmed", faulty, 20 * time.Minute, "platform", []string{"critical"}},
	{"RotatordLeakNotConfirmed", faulty, 2 * time.Hour, "platform", []string{"warning", "critical"}},
	{"RotatordLeakNotConfirmed", healthy(to(1, "rotatord_leaked_credentials", labels{"incident": "i", "provider": "cc", "policy": "ci", "standing": "keys_left"})), time.Hour, "platform", []string{"critical"}},
	{"RotatordLeakNotConfirmed", healthy(to(1, "rotatord_leaked_credentials", labels{"incident": "i", "provider": "cc", "policy": "ci", "standing": "blocked"})), 2 * time.Hour, "platform", []string{"warning"}},
	{"RotatordRotationFailed", refused, 2 * time.Hour, "platform", []string{"warning"}},
	{"RotatordAtKeyCap", faulty, time.Hour, "platform", []string{"warning"}},
	{"RotatordAwaitingSupply", state{of: faulty.of, at: "hand"}, 2 * time.Hour, "platform", []string{"warning", "critical"}},
	{"RotatordObservedKeyDue", faulty, 2 * time.Hour, "platform", []string{"warning"}},
	{"RotatordAwaitingHook", faulty, 50 * time.Minute, "platform", nil},
	{"RotatordAwaitingHook", faulty, 2 * time.Hour, "platform", []string{"warning"}},
	{"RotatordAwaitingHook", faulty, 4 * day, "platform", []string{"critical"}},
	{"RotatordDrillFailed", refused, 2 * time.Hour, "pki", []string{"warning"}},
	{"RotatordDrillStuck", faulty, time.Hour, "platform", nil},
	{"RotatordDrillStuck", faulty, 3 * time.Hour, "platform", []string{"warning"}},
	{"RotatordDrillStuck", faulty, 4 * day, "platform", []string{"critical"}},
	{"RotatordNotProven", faulty, 12 * time.Hour, "pki", nil},
	{"RotatordNotProven", faulty, 4 * day, "pki", []string{"warning"}},
	{"RotatordNotProven", faulty, 12 * day, "pki", []string{"critical"}},
	{"RotatordInventoryDropped", refused, time.Hour, "pki", []string{"critical"}},
	{"RotatordVerificationFailed", faulty, time.Hour, "pki", []string{"warning", "critical"}},
	{"RotatordVerificationStale", faulty, 25 * time.Hour, "pki", nil},
	{"RotatordVerificationStale", faulty, 35 * time.Hour, "pki", []string{"warning"}},
	{"RotatordVerificationStale", faulty, 5 * day, "pki", []string{"critical"}},
	{"RotatordCredentialExpiring", state{of: faulty.of, at: "none"}, time.Hour, "", []string{"critical"}},
	{"RotatordNotReady", waiting, 20 * time.Minute, "", []string{"critical"}},
	{"RotatordSinkFailing", faulty, 20 * time.Minute, "", []string{"warning"}},
	{"RotatordSinkFailing", faulty, 2 * time.Hour, "", []string{"warning", "critical"}},
	{"RotatordHookFailing", faulty, 10 * time.Minute, "", nil},
	{"RotatordHookFailing", faulty, time.Hour, "", []string{"warning"}},
	{"RotatordHookFailing", faulty, 26 * time.Hour, "", []string{"warning", "critical"}},
	{"RotatordHookDropped", healthy(change{"rotatord_hook_runs_total", labels{"hook": "app", "result": "dropped"}, "0x6 1x100"}), time.Hour, "", []string{"warning"}},
	{"RotatordListenerCertificateExpiring", healthy(to(20*86400, "rotatord_own_credential_expiration_timestamp_seconds", labels{"kind": "listener", "name": "l:1"})), time.Hour, "", nil},
	{"RotatordListenerCertificateExpiring", healthy(to(10*86400, "rotatord_own_credential_expiration_timestamp_seconds", labels{"kind": "listener", "name": "l:1"})), time.Hour, "", []string{"warning"}},
	{"RotatordListenerCertificateExpiring", healthy(to(2*86400, "rotatord_own_credential_expiration_timestamp_seconds", labels{"kind": "listener", "name": "l:1"})), time.Hour, "", []string{"critical"}},
	{"RotatordRevocationBlocked", state{of: faulty.of, at: "one"}, 50 * time.Minute, "platform", nil},
	{"RotatordRevocationBlocked", state{of: faulty.of, at: "one"}, 2 * time.Hour, "platform", []string{"warning"}},
	{"RotatordRevocationBlocked", state{of: faulty.of, at: "one"}, 4 * day, "platform", []string{"critical"}},
	{"RotatordCredentialRefused", faulty, 20 * time.Minute, "platform", []string{"critical"}},
	{"RotatordServiceUserTrouble", faulty, 2 * time.Hour, "pki", []string{"warning"}},
	{"RotatordHookDropped", dropped, time.Hour, "", []string{"warning"}},
	{"RotatordJournalFailing", lost, 10 * time.Minute, "", []string{"critical"}},
	{"RotatordFreezeTooLong", frozen, time.Hour, "platform", []string{"critical"}},
	{"RotatordHoldTooLong", held, time.Hour, "platform", []string{"critical"}},
	{"RotatordListenerCertificateExpiring", ending, time.Hour, "", []string{"warning"}},
	{"RotatordListenerCertificateExpiring", ending, 8 * day, "", []string{"critical"}},
	{"RotatordLeaseDoubled", doubled, 10 * time.Minute, "", []string{"critical"}},
	{"RotatordAlertmanagerPushFailing", pushing, 40 * time.Minute, "", []string{"warning"}},
	{"RotatordAuditChainBroken", damaged, 5 * time.Minute, "", []string{"critical"}},

	{"RotatordScanStale", down, 20 * time.Minute, "pki", nil},
	{"RotatordScanStale", down, time.Hour, "pki", []string{"warning"}},
	{"RotatordScanStale", down, 7 * time.Hour, "pki", []string{"critical"}},
	{"RotatordScanStale", healthy(to(-1.7e9, "rotatord_scan_due_timestamp_seconds", ofCC)), 10 * time.Minute, "pki", []string{"critical"}},
	{"RotatordProviderBlind", down, 20 * time.Minute, "pki", nil},
	{"RotatordProviderBlind", down, time.Hour, "pki", []string{"warning"}},
	{"RotatordProviderBlind", down, 5 * time.Hour, "pki", []string{"warning", "critical"}},
	{"RotatordInventoryDropped", healthy(change{"rotatord_scan_keys", ofCC, "100x6 81x100"}), 2 * time.Hour, "pki", nil},
	{"RotatordInventoryDropped", healthy(change{"rotatord_scan_keys", ofCC, "100x6 79x100"}), 2 * time.Hour, "pki", []string{"warning"}},
	{"RotatordInventoryDropped", healthy(change{"rotatord_scans_total", labels{"provider": "cc", "result": "disbelieved"}, "0x6 1x100"}), time.Hour, "pki", []string{"critical"}},
	{"RotatordBreakerOpen", down, 20 * time.Minute, "pki", []string{"warning"}},
	{"RotatordBreakerOpen", down, 3 * time.Hour, "pki", []string{"warning", "critical"}},
	{"RotatordOrphanKeys", healthy(to(1, "rotatord_orphan_keys", ofCC)), 2 * time.Hour, "pki", []string{"warning"}},
	{"RotatordCredentialRefused", healthy(blocked("denied", 0)), 20 * time.Minute, "platform", []string{"critical"}},
	{"RotatordCredentialExpiring", healthy(to(10*86400, "rotatord_own_credential_expiration_timestamp_seconds", nil)), time.Hour, "", []string{"warning"}},
	{"RotatordCredentialExpiring", healthy(to(2*86400, "rotatord_own_credential_expiration_timestamp_seconds", nil)), time.Hour, "", []string{"critical"}},
	{"RotatordClockSkew", healthy(blocked("clock_skew", 0)), 20 * time.Minute, "pki", []string{"critical"}},
	{"RotatordClockSkew", skewed, 20 * time.Minute, "pki", []string{"critical"}},
	{"RotatordServiceUserTrouble", healthy(to(1, "rotatord_service_users", labels{"provider": "cc", "state": "vanished"})), 2 * time.Hour, "pki", []string{"warning"}},

	{"RotatordAbsent", nothing, 10 * time.Minute, "", []string{"critical"}},
	{"RotatordDown", healthy(change{"up", scrape, "1x6 0x100"}, change{"rotatord_build_info", nil, "1x6 _x100"}), time.Hour, "", []string{"warning"}},
	{"RotatordDown", healthy(change{"up", labels{"job": "other", "instance": "x"}, "0x100"}), time.Hour, "", nil},
	{"RotatordRestarting", healthy(change{startTime, nil, "0+600x100"}), time.Hour, "", []string{"warning"}},
	{"RotatordNotReady", healthy(to(0, "rotatord_ready", nil)), 20 * time.Minute, "", []string{"critical"}},
	{"RotatordSinkFailing", healthy(to(0, "rotatord_sink_up", nil)), 20 * time.Minute, "", []string{"warning"}},
	{"RotatordSinkFailing", healthy(to(0, "rotatord_sink_up", nil)), 2 * time.Hour, "", []string{"warning", "critical"}},
	{"RotatordSinkFailing", healthy(change{"rotatord_sink_deliveries_total", labels{"sink": "disk", "result": "transient"}, "0+1x100"}), 2 * time.Hour, "", []string{"warning"}},
	{"RotatordLeaseLost", healthy(to(0, "rotatord_lease_held", ofCC)), 10 * time.Minute, "", []string{"critical"}},
	{"RotatordLeaseDoubled", healthy(to(1, "rotatord_lease_held", labels{"provider": "cc", "job": "rotatord", "instance": "two"})), 10 * time.Minute, "", []string{"critical"}},
	{"RotatordLateWritesRefused", healthy(change{"rotatord_late_writes_refused_total", ofCC, "0+5x100"}), time.Hour, "", []string{"warning"}},
	{"RotatordConfigReloadFailed", quiet, 10 * time.Minute, "", []string{"warning"}},
	{"RotatordConfigReloadFailed", quiet, 26 * time.Hour, "", []string{"warning", "critical"}},
	{"RotatordAuditChainBroken", healthy(to(0, "rotatord_audit_chain_ok", nil)), 5 * time.Minute, "", []string{"critical"}},
	{"RotatordNotificationUndelivered", stopped, 30 * time.Minute, "", nil},
	{"RotatordNotificationUndelivered", stopped, 2 * time.Hour, "", []string{"warning"}},
	{"RotatordNotificationUndelivered", stopped, 26 * time.Hour, "", []string{"warning", "critical"}},
	{"RotatordNotificationDropped", healthy(change{"rotatord_notices_sent_total", labels{"result": "dropped"}, "0x6 1x100"}), time.Hour, "", []string{"warning"}},
	{"RotatordAlertmanagerPushFailing", healthy(change{"rotatord_alertmanager_pushes_total", labels{"result": "failed"}, "0+5x100"}), time.Hour, "", []string{"warning"}},
	{"RotatordAlertmanagerPushFailing", healthy(change{"rotatord_alertmanager_pushes_total", labels{"result": "failed"}, "0+5x100"},
		change{"rotatord_alertmanager_pushes_total", labels{"result": "sent"}, "0+5x100"}), time.Hour, "", nil},
	{"RotatordJournalFailing", healthy(to(0, "rotatord_journal_up", nil)), 10 * time.Minute, "", []string{"critical"}},
	{"RotatordJournalFailing", healthy(change{"rotatord_journal_errors_total", nil, "0+5x100"}), time.Hour, "", []string{"warning"}},
}

// TestEveryAlertFires has promtool evaluate the rules on what real daemons exported, at the moment as it was and as the time
// goes on from there. Points in time are put so that the moment is at 0, which is when promtool begins.
func TestEveryAlertFires(t *testing.T) {
	x := exported(t)
	tested := map[string][]string{}
	for _, c := range cases {
		tested[c.alert] = append(tested[c.alert], c.bands...)
	}
	for _, r := range rules(t) {
		if r.Alert != "" && !slices.Contains(tested[r.Alert], r.Labels["severity"]) {
			t.Errorf("%s is not tested to fire as %q", r.Alert, r.Labels["severity"])
		}
	}
	files := map[time.Duration]*strings.Builder{}
	for _, c := range cases {
		step := 5 * time.Minute
		if c.after > day {
			step = time.Hour
		}
		if files[step] == nil {
			files[step] = head(t, step)
		}
		writeCase(t, files[step], step, x, c.state, fmt.Sprintf("%s as %v after %s", c.alert, c.bands, c.after), c.after,
			fmt.Sprintf(`group by (alertname, severity, team) (ALERTS{alertstate="firing", alertname=%q, provider=~"%s|"})`, c.alert, cmp.Or(c.state.at, "cc")))
		for _, band := range c.bands {
			l := labels{"alertname": c.alert, "severity": band}
			if c.team != "" {
				l["team"] = c.team
			}
			fmt.Fprintf(files[step], "          - {labels: '%s', value: 1}\n", text("", l))
		}
	}
	runTests(t, files)
}

// TestNothingFiresOnAHealthyDaemon lets half a day go by in which scans go on and nothing else happens.
func TestNothingFiresOnAHealthyDaemon(t *testing.T) {
	x := exported(t)
	const step = 5 * time.Minute
	var goesOn []change
	for _, metric := range []string{"rotatord_scan_due_timestamp_seconds", "rotatord_last_scan_success_timestamp_seconds"} {
		goesOn = append(goesOn, change{metric, nil, "0+300x1000"})
	}
	f := head(t, step)
	for _, after := range []time.Duration{5 * time.Minute, time.Hour, 12 * time.Hour} {
		writeCase(t, f, step, x, healthy(goesOn...), "nothing fires", after, `count by (alertname, severity, provider) (ALERTS{alertstate="firing"})`)
	}
	runTests(t, map[time.Duration]*strings.Builder{step: f})
}

// head begins a file of tests. Left to itself, promtool evaluates the groups in an order drawn anew each time, and a group that comes before
// the one that records finds what that recorded a step ago, or, where a step is longer than Prometheus looks back, nothing.
func head(t *testing.T, step time.Duration) *strings.Builder {
	t.Helper()
	path, err := filepath.Abs(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	f := &strings.Builder{}
	fmt.Fprintf(f, "rule_files: [%q]\nevaluation_interval: %s\ngroup_eval_order: [%s]\ntests:\n", path, step, strings.Join(groups(t), ", "))
	return f
}

func runTests(t *testing.T, files map[time.Duration]*strings.Builder) {
	t.Helper()
	for step, f := range files {
		path := filepath.Join(t.TempDir(), fmt.Sprintf("every-%s.yml", step))
		if err := os.WriteFile(path, []byte(f.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		promtool(t, "test", "rules", path)
	}
}

// writeCase writes a test of one expression, up to the list of what it has to be.
func writeCase(t *testing.T, f *strings.Builder, step time.Duration, x *exports, s state, name string, after time.Duration, expr string) {
	t.Helper()
	fmt.Fprintf(f, "  - name: %q\n    interval: %s\n    input_series:\n", name, step)
	for _, in := range s.input(t, x) {
		fmt.Fprintf(f, "      - {series: '%s', values: '%s'}\n", text(in.metric, in.labels), in.values)
	}
	fmt.Fprintf(f, "    promql_expr_test:\n      - expr: '%s'\n        eval_time: %s\n        exp_samples:\n", expr, after)
}

// input are the series of the state in the form of changes. A change of what no daemon exports fails the test.
func (s state) input(t *testing.T, x *exports) []change {
	t.Helper()
	var all []change
	known := shapes(x)
	changed := make([]bool, len(s.changes))
	for _, e := range s.of(x) {
		if strings.HasPrefix(e.name, "rotatord_key_") || strings.HasPrefix(e.name, "rotatord_provider_request") {
			continue // no alert is made of them
		}
		in := to(e.value, e.name, merged(scrape, e.labels))
		if s.then != nil {
			in.values = s.later(x, e)
		}
		for i, c := range s.changes {
			if c.metric == e.name && includes(in.labels, c.labels) {
				in.values, changed[i] = c.values, true
			}
		}
		all = append(all, in)
	}
	if s.then != nil {
		for _, e := range s.then(x) {
			if !slices.ContainsFunc(s.of(x), func(o series) bool { return o.name == e.name && maps.Equal(o.labels, e.labels) }) {
				all = append(all, change{e.name, merged(scrape, e.labels), fmt.Sprintf("_x6 %gx1000", e.value)})
			}
		}
	}
	for i, c := range s.changes {
		if changed[i] {
			continue
		}
		if got := names(c.labels); c.metric != "up" && !slices.Contains(known[c.metric], got) {
			t.Errorf("no daemon exported %s with the labels %s, but with %v", c.metric, got, known[c.metric])
		}
		all = append(all, change{c.metric, merged(scrape, c.labels), c.values})
	}
	return all
}

// later are the values of a series that the daemon exported at two moments.
func (s state) later(x *exports, first series) string {
	for _, e := range s.then(x) {
		if e.name == first.name && maps.Equal(e.labels, first.labels) {
			return fmt.Sprintf("%gx6 %gx1000", first.value, e.value)
		}
	}
	return fmt.Sprintf("%gx6 _x1000", first.value)
}

// shapes are the sets of labels that each metric was exported with.
func shapes(x *exports) map[string][]string {
	found := map[string][]string{}
	for _, s := range x.all() {
		if set := names(s.labels); !slices.Contains(found[s.name], set) {
			found[s.name] = append(found[s.name], set)
		}
	}
	return found
}

// names are the labels' names without those that Prometheus adds.
func names(l labels) string {
	all := slices.Sorted(maps.Keys(l))
	return strings.Join(slices.DeleteFunc(all, func(n string) bool { return n == "job" || n == "instance" }), ",")
}

func merged(a, b labels) labels {
	all := maps.Clone(a)
	if all == nil {
		all = labels{}
	}
	maps.Copy(all, b)
	return all
}

func includes(all, some labels) bool {
	for name, value := range some {
		if all[name] != value {
			return false
		}
	}
	return true
}

func text(metric string, l labels) string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(l)) {
		if l[name] != "" {
			pairs = append(pairs, fmt.Sprintf("%s=%q", name, l[name]))
		}
	}
	return metric + "{" + strings.Join(pairs, ", ") + "}"
}
