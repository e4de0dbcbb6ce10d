package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// base is the smallest file that is accepted without a warning. The tests put lines of their own in the place of some.
const base = `store: {seal: {key_file: /etc/seal.key}}
providers:
  - name: cc
    type: certcentral
    api_key_file: /etc/cc.key
sinks:
  - name: disk
    type: file
    path: "/keys/{{.ServiceUser}}"
policies:
  - name: all
    renew_before: 30d
    max_age: 90d
    grace: 7d
    sinks: [disk]
`

// edited returns base with each old replaced by the new behind it; every old must be there.
func edited(t *testing.T, pairs ...string) string {
	t.Helper()
	text := base
	for i := 0; i < len(pairs); i += 2 {
		if strings.Count(text, pairs[i]) != 1 {
			t.Fatalf("the base does not hold %q once", pairs[i])
		}
		text = strings.Replace(text, pairs[i], pairs[i+1], 1)
	}
	return text
}

func lines(p Problems) []string {
	var out []string
	for _, problem := range p {
		out = append(out, problem.String())
	}
	return out
}

// errorsOf returns the problems as they are printed; none when the text is accepted.
func errorsOf(t *testing.T, text string) []string {
	t.Helper()
	_, err := Parse("r.yaml", []byte(text))
	problems, ok := errors.AsType[Problems](err)
	if err != nil && !ok {
		t.Fatalf("error of type %T, want Problems", err)
	}
	return lines(problems)
}

func mustParse(t *testing.T, text string) *Config {
	t.Helper()
	cfg, err := Parse("r.yaml", []byte(text))
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	return cfg
}

func TestBaseHasNoWarnings(t *testing.T) {
	if w := mustParse(t, base).Warnings; len(w) > 0 {
		t.Errorf("warnings:\n%v", w)
	}
}

func TestExampleIsAccepted(t *testing.T) {
	cfg, err := Load(filepath.Join("..", "deploy", "rotatord.example.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Warnings) > 0 {
		t.Errorf("warnings:\n%v", cfg.Warnings)
	}
	if got := len(cfg.Policies); got != 2 {
		t.Errorf("%d policies, want 2", got)
	}
}

func TestDefaults(t *testing.T) {
	cfg := mustParse(t, base)
	cc := cfg.Providers[0].CertCentral
	got := map[string]any{
		"listen": cfg.Server.Listen, "act": cfg.Server.Allow.Act, "store": cfg.Store.Path, "schedule": cfg.Scan.Schedule,
		"timezone": cfg.Scan.Timezone, "level": cfg.Log.Level, "format": cfg.Log.Format, "per_key": cfg.Metrics.PerKey,
		"limits": cfg.Limits, "base_url": cc.BaseURL, "max_keys": cc.MaxKeys, "rates": cc.Rates,
		"propagation": cc.Propagation.Std(), "root": cfg.Sinks[0].File.Root, "mode": cfg.Sinks[0].File.Mode.String(),
		"idle": cfg.Policies[0].Idle.Std(), "jitter": cfg.Policies[0].Jitter, "match": cfg.Policies[0].Match.Keys,
		"window": cfg.Policies[0].Window == nil,
	}
	want := map[string]any{
		"listen": "127.0.0.1:9650", "act": []string{"*"}, "store": "/var/lib/rotatord/rotatord.db", "schedule": "*/15 * * * *",
		"timezone": "UTC", "level": "info", "format": "json", "per_key": true,
		"limits":   Limits{ConcurrentRotations: 16, HaltAfterFailures: 5, MaxSharePerScan: 0.2, AlwaysAllowed: 10},
		"base_url": "https://www.digicert.com/services/v2", "max_keys": 2,
		"rates":       []Rate{{1000, Duration(3 * time.Minute)}, {100, Duration(5 * time.Second)}},
		"propagation": time.Minute, "root": "/keys", "mode": "0600",
		"idle": 24 * time.Hour, "jitter": Percent(0.1), "match": []string{"*"},
		"window": true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
}

func TestVaultSinkIsRead(t *testing.T) {
	text := edited(t, "sinks:\n", `sinks:
  - name: vault
    type: vault
    address: https://vault.example:8200
    namespace: team-a
    auth: {approle: {role_id: r, secret_id_env: VAULT_SECRET_ID}}
    path: "{{.Provider}}/{{.ServiceUser}}"
`, "[disk]", "[disk, vault]")
	got := mustParse(t, text).Sinks[0].Vault
	want := &Vault{
		Address: "https://vault.example:8200", Namespace: "team-a", Mount: "secret", KVVersion: 2, Field: "api_key",
		Path: "{{.Provider}}/{{.ServiceUser}}", Timeout: Duration(30 * time.Second),
		Auth: VaultAuth{AppRole: &VaultAppRole{Mount: "approle", RoleID: "r", SecretID: SecretRef{Env: "VAULT_SECRET_ID"}}},
	}
	opaque := cmp.Comparer(func(a, b SecretRef) bool { return a.String() == b.String() })
	if diff := cmp.Diff(want, got, opaque); diff != "" {
		t.Errorf("vault (-want +got):\n%s", diff)
	}
}

func TestAnchorsAndMergeKeysWork(t *testing.T) {
	text := edited(t, "  - name: all\n", "  - &times\n    name: all\n    match: {keys: [a]}\n") +
		"  - <<: *times\n    name: second\n    match: {keys: [b]}\n    grace: 8d\n"
	cfg := mustParse(t, text)
	second := cfg.Policies[1]
	if second.Name != "second" || second.Grace.String() != "8d" || second.MaxAge.String() != "90d" {
		t.Errorf("merged policy: name %s, grace %s, max_age %s", second.Name, second.Grace, second.MaxAge)
	}
}

func TestFreezeIncludesItsLastDay(t *testing.T) {
	cfg := mustParse(t, base+`freezes:
  - {from: 2026-12-20, to: 2027-01-03, reason: year end}
  - {from: 2026-12-20T18:00:00+01:00, to: 2026-12-20T19:00:00+01:00, reason: move}
`)
	days, hours := cfg.Freezes[0], cfg.Freezes[1]
	for name, pair := range map[string][2]string{
		"from date": {"2026-12-20T00:00:00Z", days.From.Start().Format(time.RFC3339)},
		"to date":   {"2027-01-04T00:00:00Z", days.To.End().Format(time.RFC3339)},
		"from time": {"2026-12-20T17:00:00Z", hours.From.Start().Format(time.RFC3339)},
		"to time":   {"2026-12-20T18:00:00Z", hours.To.End().Format(time.RFC3339)},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: %s, want %s", name, pair[1], pair[0])
		}
	}
}

func TestAllProblemsAreReportedAtOnce(t *testing.T) {
	got := errorsOf(t, edited(t, "max_age: 90d", "max_age: 90x", "grace: 7d", "gracee: 7d", "[disk]", "[dsik]",
		"type: certcentral", "type: certcentral\n    page_size: many"))
	want := []string{
		`r.yaml:5:16: providers[0].page_size: is not a whole number (write digits only)`,
		`r.yaml:12:5: policies[0].grace: is missing`,
		`r.yaml:14:14: policies[0].max_age: "90x" has the unknown unit "x" (units are s, m, h, d and w, as in 30s, 12h, 90d or 1d12h)`,
		`r.yaml:15:5: policies[0]: unknown field "gracee" (did you mean "grace"?)`,
		`r.yaml:16:13: policies[0].sinks[0]: there is no sink "dsik" (did you mean "disk"?)`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestLoadSaysWhichFileIsMissing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "absent.yaml")
	_, err := Load(path)
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v, want one that names %s", err, path)
	}
}

func TestLoadRefusesAHugeFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "huge.yaml")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, maxFile+1); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "larger than 16 MiB") {
		t.Errorf("error %v, want one about the size", err)
	}
}

func TestLoadWarnsOfASecretThatEverybodyCanRead(t *testing.T) {
	dir := t.TempDir()
	key, file := filepath.Join(dir, "cc.key"), filepath.Join(dir, "r.yaml")
	for path, text := range map[string]string{key: "k", file: edited(t, "/etc/cc.key", key)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	cfg, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{file + ":5:19: providers[0].api_key_file: every user of this machine can read " + key +
		", which holds a secret (chmod o-r, or use a systemd credential)"}
	if diff := cmp.Diff(want, lines(cfg.Warnings)); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}
