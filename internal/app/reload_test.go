package app

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/engine"
	"github.com/rotatord/rotatord/web"
)

const goodSeries = "rotatord_config_last_reload_successful"

func TestReloadKeepsTheOldConfigurationWhenTheNewIsBad(t *testing.T) {
	w := newWorld(t)
	if err := os.Mkdir(w.path("keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	w.user("ci-build", "deploy", time.Hour)
	r := w.run()
	await(t, "the first scan", func() error {
		p := r.status().Providers[0]
		return want(p.KeysByState["managed"] == 1 && !p.LastScan.IsZero() && p.Keys == 2, "there is %+v", p)
	})
	before := r.status()
	for _, bad := range []struct{ name, from, to, why string }{
		{"no YAML", "policies:", "policies: [", "not valid YAML"},
		{"an unknown field", "grace: 0s", "grase: 0s", `did you mean "grace"?`},
		{"a sink that nobody defined", "sinks: [disk]", "sinks: [disc]", `there is no sink "disc"`},
		{"a provider's authority that is not there", "propagation: 1s", "ca_file: /no/such.pem", "/no/such.pem"},
		{"a sink whose group is not there", "type: file,", "type: file, group: no-such-group,", "no-such-group"},
	} {
		t.Run(bad.name, func(t *testing.T) {
			w.configure(strings.Replace(usual, bad.from, bad.to, 1))
			if err := r.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), bad.why) {
				t.Fatalf("Reload says %v, and not %q", err, bad.why)
			}
			if got := r.metric(goodSeries); got != 0 {
				t.Errorf("%s is %v after a bad configuration", goodSeries, got)
			}
			if status, text := r.ask(http.MethodPost, "/-/reload"); status != http.StatusInternalServerError || !strings.Contains(text, bad.why) {
				t.Errorf("/-/reload answers %d %q", status, text)
			}
			if diff := cmp.Diff(before, r.status(), cmpopts.IgnoreFields(web.Status{}, "Now")); diff != "" {
				t.Errorf("the status is another one: %s", diff)
			}
			if page, _ := r.get("/"); page != http.StatusOK {
				t.Errorf("the page answers %d", page)
			}
		})
	}
	rotate(t, r, "ci-build")
	exists(t, w.path("keys/ci-build"))

	w.configure(usual)
	if err := r.Reload(t.Context()); err != nil {
		t.Fatalf("the good configuration is not taken: %v", err)
	}
	if got := r.metric(goodSeries); got != 1 {
		t.Errorf("%s is %v after a good configuration", goodSeries, got)
	}
}

func rotate(t *testing.T, r *running, user string) {
	t.Helper()
	a, err := r.client.Rotate(t.Context(), web.RotateRequest{
		Selection: web.Selection{Provider: "certcentral", User: user, Credential: "deploy"}, Reason: string(rotator.ReasonManual),
	})
	if err != nil || a.Planned != 1 {
		t.Fatalf("rotate: %+v, %v", a, err)
	}
}

func TestReloadPutsAPolicyInForceWithoutARestart(t *testing.T) {
	w := newWorld(t)
	w.user("ci-build", "deploy", 40*24*time.Hour) // due under the policy that comes
	w.configure(strings.Replace(usual, "keys: [deploy]", "keys: [nothing]", 1))
	r := w.run()
	await(t, "the first scan", func() error {
		return want(r.status().Providers[0].KeysByState["unmanaged"] == 2, "the keys are not there")
	})
	at := r.metric("rotatord_config_last_reload_success_timestamp_seconds")

	w.configure(strings.Replace(usual, "DIR/keys", "DIR/other", 1))
	if err := os.Mkdir(w.path("other"), 0o700); err != nil {
		t.Fatal(err)
	}
	if status, text := r.ask(http.MethodPost, "/-/reload"); status != http.StatusOK {
		t.Fatalf("/-/reload answers %d: %s", status, text)
	}
	exists(t, w.path("other/ci-build"))
	await(t, "the rotation to end", func() error {
		done := r.metric(`rotatord_rotations_total{provider="certcentral",reason="max_age",result="done"}`)
		return want(done == 1, "%v are done", done)
	})
	if now := r.metric("rotatord_config_last_reload_success_timestamp_seconds"); now <= at {
		t.Errorf("the time of the last good configuration went from %v to %v", at, now)
	}
}

func TestReloadAddsAndRemovesProviders(t *testing.T) {
	w := newWorld(t)
	r := w.run()
	await(t, "the first scan", func() error { return want(!r.status().Providers[0].LastScan.IsZero(), "there was none") })
	w.configure(strings.Replace(usual, "sinks:\n", "  - {name: second, type: certcentral, base_url: \"BASE\", api_key_file: DIR/manager.key}\nsinks:\n", 1))
	if err := r.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	await(t, "the new provider to be scanned", func() error {
		p := r.status().Providers
		return want(len(p) == 2 && !p[1].LastScan.IsZero(), "there is %+v", p)
	})
	w.configure(usual)
	if err := r.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p := r.status().Providers; len(p) != 1 || p[0].Name != "certcentral" {
		t.Errorf("after its removal there is %+v", p)
	}
}

func TestReloadSaysWhatWantsARestart(t *testing.T) {
	for _, tc := range []struct{ field, from, to string }{
		{"store.path", "rotatord.db", "other.db"},
		{"server.listen", "127.0.0.1:0", "127.0.0.1:9650"},
		{"server.oidc", `listen: "127.0.0.1:0"`, `listen: "127.0.0.1:0", oidc: {issuer: https://login.example, audience: x, viewers: [staff]}`},
		{"log.format", "scan:", "log: {format: console}\nscan:"},
	} {
		t.Run(tc.field, func(t *testing.T) {
			w := newWorld(t)
			r := w.run()
			w.configure(strings.Replace(usual, tc.from, tc.to, 1))
			if err := r.Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
			said := w.logs.FilterMessageSnippet("takes effect at the next start only").All()
			if len(said) != 1 || said[0].ContextMap()["field"] != tc.field {
				t.Errorf("the log says %v", said)
			}
			missing(t, w.path("state/other.db"))
		})
	}
}

func TestReloadChangesTheLogLevel(t *testing.T) {
	w := newWorld(t)
	o := w.options()
	o.Log = nil
	a, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	w.configure(usual + "log: {level: error}\n")
	if err := a.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := a.level.String(); got != "error" {
		t.Errorf("the level is %s", got)
	}
}

// TestBuilderKeepsWhatDidNotChange: a provider that is made anew begins with a full rate limit, a sink without a login.
func TestBuilderKeepsWhatDidNotChange(t *testing.T) {
	w := newWorld(t)
	b := newBuilder("test", engine.Backoff{}, func(string, string, string, time.Duration) {})
	setup := func(yaml string) (rotator.Provider, rotator.Sink, error) {
		w.configure(yaml)
		c, err := config.Load(w.path("rotatord.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		s, err := b.setup(c)
		if err != nil {
			return nil, nil, err
		}
		return s.Accounts[0].Provider, s.Sinks["disk"], nil
	}
	must := func(yaml string) (rotator.Provider, rotator.Sink) {
		t.Helper()
		p, s, err := setup(yaml)
		if err != nil {
			t.Fatal(err)
		}
		return p, s
	}
	provider, sink := must(usual)
	if p, s := must(strings.Replace(usual, "renew_before: 30d", "renew_before: 20d", 1)); p != provider || s != sink {
		t.Error("another policy made a new provider or sink")
	}
	if p, s := must(strings.Replace(usual, "requests: 100000", "requests: 7", 1)); p == provider || s != sink {
		t.Error("another rate did not make a new provider, or made a new sink")
	}
	provider, sink = must(usual)
	bad := strings.NewReplacer("requests: 100000", "requests: 7", "type: file,", "type: file, group: no-such-group,").Replace(usual)
	if _, _, err := setup(bad); err == nil {
		t.Fatal("a group that is not there is accepted")
	}
	if p, s := must(usual); p != provider || s != sink {
		t.Error("a configuration that was refused made the builder forget what is in force")
	}
	without := strings.NewReplacer("name: certcentral", "name: other").Replace(usual)
	must(without)
	if p, _ := must(usual); p == provider {
		t.Error("a provider that was removed is remembered for ever")
	}
}

func TestSetupHoldsEverythingThatWasConfigured(t *testing.T) {
	w := newWorld(t)
	w.configure(`
store: {seal: {key_file: DIR/seal.key}}
scan: {schedule: "30 4 * * *", timezone: Europe/Zurich}
providers:
  - {name: certcentral, type: certcentral, base_url: "BASE", api_key_file: DIR/manager.key, max_keys: 3}
sinks:
  - {name: disk, type: file, path: "DIR/keys/{{.ServiceUser}}"}
  - {name: vault, type: vault, address: "https://vault.example", auth: {token_file: DIR/token}, path: "{{.Credential}}"}
policies:
  - name: ci
    match: {providers: [cert*], service_users: ["ci-*"], keys: [deploy], exclude: [ci-legacy]}
    max_age: 90d
    renew_before: 30d
    grace: 7d
    idle: 24h
    soak: 3d
    jitter: 5%
    window: {cron: "0 9 * * MON-THU", for: 6h, timezone: Europe/Zurich}
    sinks: [vault, disk]
    labels: {team: platform}
freezes:
  - {from: 2026-12-20, to: 2027-01-03, reason: year end, unless_expires_within: 72h}
limits: {concurrent_rotations: 3, halt_after_failures: 4, max_share_per_scan: 25%, always_allowed: 6}
`)
	c, err := config.Load(w.path("rotatord.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	retry := engine.Backoff{Base: time.Second, Max: time.Minute}
	s, err := newBuilder("test", retry, nil).setup(c)
	if err != nil {
		t.Fatal(err)
	}
	if s.Accounts[0].Name != "certcentral" || s.Accounts[0].MaxKeys != 3 || len(s.Sinks) != 2 || s.Sinks["vault"] == nil {
		t.Errorf("accounts %+v, sinks %+v", s.Accounts, s.Sinks)
	}
	if s.Concurrent != 3 || s.HaltAfter != 4 || s.Cap != (rotator.CapLimits{MaxShare: 0.25, AlwaysAllowed: 6}) || s.Retry != retry {
		t.Errorf("limits %d, %d, %+v, %+v", s.Concurrent, s.HaltAfter, s.Cap, s.Retry)
	}
	const day = 24 * time.Hour
	wanted := &rotator.Policy{
		Name:        "ci",
		Match:       rotator.Match{Providers: []string{"cert*"}, ServiceUsers: []string{"ci-*"}, Keys: []string{"deploy"}, Exclude: []string{"ci-legacy"}},
		RenewBefore: 30 * day, MaxAge: 90 * day, Grace: 7 * day, Idle: day, Soak: 3 * day, Jitter: 0.05,
		Sinks: []string{"vault", "disk"}, Labels: map[string]string{"team": "platform"},
	}
	window := s.Policies[0].Window
	if diff := cmp.Diff(wanted, s.Policies[0], cmpopts.IgnoreFields(rotator.Policy{}, "Window")); diff != "" {
		t.Errorf("the policy: %s", diff)
	}
	monday := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC) // nine o'clock in Zurich
	if window.For != 6*time.Hour || !window.Contains(monday) || window.Contains(monday.Add(-time.Minute)) {
		t.Errorf("the window %+v does not open at nine in Zurich", window)
	}
	if next := s.Scan.Next(monday); !next.Equal(time.Date(2026, 11, 24, 3, 30, 0, 0, time.UTC)) {
		t.Errorf("the next scan is at %s", next)
	}
	freeze := rotator.Freeze{From: time.Date(2026, 12, 20, 0, 0, 0, 0, time.UTC), To: time.Date(2027, 1, 4, 0, 0, 0, 0, time.UTC),
		Reason: "year end", UnlessExpiresWithin: 72 * time.Hour}
	if diff := cmp.Diff([]rotator.Freeze{freeze}, s.Freezes); diff != "" {
		t.Errorf("the freezes: %s", diff)
	}
	missing(t, filepath.Join(w.dir, "keys"))
}
