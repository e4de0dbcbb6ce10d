package alerting

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the journal's driver

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/test/daemon"
)

// broken has a daemon do its work while a sink, a hook, a user's keys and what somebody else writes into a sink stand in its way; then
// its journal is damaged.
func (x *exports) broken(t *testing.T) {
	t.Helper()
	daemon.Binary(t)
	issuer := emulator.NewCertCentral(emulator.CertCentralOptions{Rates: []emulator.Rate{}})
	instance := emulator.NewDigiCertOne(emulator.DigiCertOneOptions{Rates: []emulator.Rate{}})
	s := &scene{t: t, cc: daemon.Serve(t, daemon.CertCentral(issuer)), one: daemon.Serve(t, daemon.DigiCertOneTokens(instance))}
	config := fmt.Sprintf(`scan: {schedule: "@every 1s"}
server: {listen: "127.0.0.1:0"}
verify: {schedule: "@every 24h"}
drills: [{name: daily, match: {service_users: [nobody]}, window: {cron: "0 0 * * *", for: 1h}}]
providers:
  - {name: cc, %s, %s, max_keys: 2, labels: {team: pki}}
  - {name: one, %s, %s, labels: {team: pki}}
  - name: hand
    type: manual
    probe: {url: "http://127.0.0.1:9/", header: X-Key}
    keys: [{user: bank, name: sftp, created: %s, owner: ann@example.com}]
sinks:
  - {name: disk, type: file, path: "$DIR/keys/{{.Provider}}/{{.ServiceUser}}", root: $DIR/keys}
  - {name: vault, type: vault, address: "http://127.0.0.1:9", auth: {token_file: $DIR/token}, mount: secret, path: "{{.Provider}}/{{.ServiceUser}}", timeout: 1s}
  - {name: closed, type: vault, address: %[9]s, auth: {token_file: $DIR/token}, mount: secret, path: "{{.Provider}}/{{.ServiceUser}}", timeout: 1s}
service_users: [{provider: cc, label: made-shop, name: made-shop, email: made@example.com, credential: deploy}]
policies:
  - {name: made, match: {service_users: [made-*]}, %[6]s}
  - {name: denied, match: {service_users: [denied-*]}, %[10]s}
  - {name: own, match: {providers: [one], service_users: [rotatord]}, lifetime: 90d, %[6]s}
  - {name: hooked, match: {service_users: [hooked-*]}, %[6]s}
  - {name: stuck, match: {service_users: [stuck-*]}, %[7]s}
  - {name: full, match: {service_users: [full-*]}, %[6]s}
  - {name: mismatch, match: {service_users: [mismatch-*]}, %[8]s}
  - {name: watched, match: {service_users: [watched-*]}, observe_only: true, %[6]s}
  - {name: hand, match: {providers: [hand]}, lifetime: 90d, %[6]s}
`, s.cc.Options(s.cc.Root), many, s.one.Options(s.one.Root), many, time.Now().Add(-89*day).UTC().Format(time.DateOnly),
		rotates, strings.Replace(rotates, "[disk]", "[vault]", 1), strings.Replace(rotates, "grace: 1s", "grace: 8s", 1),
		refuses(t), strings.Replace(rotates, "[disk]", "[closed]", 1))
	told := strings.Replace(config, "{name: hooked, ", "{name: hooked, required_hooks: [app], ", 1) + `hooks: [{name: app, type: webhook, url: "http://127.0.0.1:9/", debounce: 0s, timeout: 1s}]
notifications:
  gather: 1s
  webhooks: [{name: nobody, events: [awaiting_supply], url: "http://127.0.0.1:9/", timeout: 1s}]
`
	s.d = daemon.New(t, daemon.Config{YAML: told, Files: map[string]string{"cc.key": s.cc.ManagerSecret(), "one.key": s.ownToken(instance), "token": "none"}})
	s.keys()
	s.cc.Order(emulator.Fault{Match: emulator.Match{Method: "POST", Path: "/user"}, Effect: emulator.Effect{Kind: emulator.EffectStatus, Status: 400}})
	s.cc.AddService("denied-shop", "deploy", 89*day)
	hooked := s.cc.AddService("hooked-shop", "deploy", 89*day)
	late := s.cc.AddService("stuck-late", "deploy", 89*day)
	drilled := s.cc.AddService("stuck-drill", "deploy", day)
	watched := s.cc.AddService("watched-shop", "deploy", 89*day)
	s.cc.AddService("mismatch-shop", "deploy", 89*day)
	full := s.cc.AddService("full-shop", "deploy", 89*day)
	if _, _, err := issuer.AddKey(emulator.CertCentralKey{UserID: idOf(t, full.UserID), Name: "deploy", Created: time.Now().Add(-88 * day)}); err != nil {
		t.Fatal(err)
	}
	user, _, err := instance.AddServiceUser(emulator.DigiCertOneUser{FriendlyName: "watched-expired", Email: "x@example.com", Created: time.Now().Add(-89 * day)})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := instance.AddToken(emulator.DigiCertOneToken{UserID: user, Name: "deploy", Created: time.Now().Add(-89 * day), EndDate: time.Now().Add(-2 * day).UTC().Format(time.DateOnly)}); err != nil {
		t.Fatal(err)
	}
	s.d.Start()
	daemon.Await(t, daemon.Patience, "the file of mismatch-shop", func() error {
		_, err := os.Stat(s.d.Path("keys/cc/mismatch-shop"))
		return err
	})
	s.await(1, "rotatord_rotation_stage_timestamp_seconds", `provider="cc"`, `stage="grace"`)
	s.d.WriteFile("keys/cc/mismatch-shop", "what somebody else wrote")
	s.drill(drilled)
	for policy, reason := range map[string]string{"hooked": "hook_failing", "full": "at_key_cap", "mismatch": "sink_mismatch", "watched": "observe_only", "hand": "awaiting_supply",
		"denied": "denied", "own": "own_key"} {
		s.await(1, "rotatord_blocked_timestamp_seconds", `policy="`+policy+`"`, `reason="`+reason+`"`)
	}
	s.await(1, "rotatord_service_users", `provider="cc"`, `state="failed"`)
	s.await(1, "rotatord_expired_keys", `provider="one"`)
	s.await(1, "rotatord_drill_stuck_timestamp_seconds", `policy="stuck"`)
	s.await(1, "rotatord_hook_runs_failing", `hook="app"`)
	s.await(1, "rotatord_notices_undelivered")
	for _, k := range s.cc.Active(hooked.UserID) {
		if k.ID != hooked.KeyID { // the new one, which the file holds
			if err := issuer.SetKeyStatus(idOf(t, k.ID), "inactive"); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.leak(late, watched)
	if out, errs, code := s.d.Command("verify", "cc/*/*"); code != 3 {
		t.Fatalf("verify ends with %d: %s%s", code, out, errs)
	}
	s.await(1, "rotatord_verified_credentials", `outcome="refused"`)
	s.await(1, "rotatord_verified_credentials", `outcome="differs"`)
	x.faulty = s.series()
	s.d.Stop()
	x.spoil(s, config)
}

// spoil has the daemon find its journal damaged, and a hook gone for which something has waited for two hours.
func (x *exports) spoil(s *scene, config string) {
	s.t.Helper()
	s.damage(`UPDATE audit SET at = at + 1 WHERE seq = 3`)
	s.damage(fmt.Sprintf(`UPDATE hook_runs SET at = at - 7200000, body = json_set(body, '$.at', '%s') WHERE ended_at IS NULL`, time.Now().Add(-2*time.Hour).UTC().Format(time.RFC3339)))
	s.d.Configure(config)
	s.d.Start()
	s.scrape("the audit record to be verified", "rotatord_audit_chain_ok 0")
	s.await(1, "rotatord_hook_runs_total", `hook="app"`, `result="dropped"`)
	x.damaged = s.series()
	s.write(`DROP TABLE verifications`)
	x.lost = s.scrape("a scrape for which the journal could not be read", "rotatord_journal_up 0")
	s.d.Stop()
}

const many = account + ", propagation: 1m"

// ownToken is the daemon's own credential at DigiCert ONE: it ends in two days.
func (s *scene) ownToken(instance *emulator.DigiCertOne) string {
	s.t.Helper()
	manager, _, err := instance.AddServiceUser(emulator.DigiCertOneUser{FriendlyName: "rotatord", Roles: []string{"AM_ACCOUNT_ADMIN"}})
	if err != nil {
		s.t.Fatal(err)
	}
	_, own, err := instance.AddToken(emulator.DigiCertOneToken{UserID: manager, Name: "own", EndDate: time.Now().Add(2 * day).UTC().Format(time.DateOnly)})
	if err != nil {
		s.t.Fatal(err)
	}
	s.one.Learn(own)
	return own
}

func idOf(t *testing.T, id string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// drill begins one by hand.
func (s *scene) drill(of daemon.Service) {
	s.t.Helper()
	if out, errs, code := s.d.Command("drill", "--yes", "--wait", "0s", "cc/"+of.UserID+"/"+of.Key); code != 0 && code != 3 {
		s.t.Fatalf("the drill ends with %d: %s%s", code, out, errs)
	}
}

// leak tells of two secrets that leaked: the rotation of the first goes on, and the other, which is only observed, is not rotated.
func (s *scene) leak(moves, stays daemon.Service) {
	s.t.Helper()
	for of, standing := range map[daemon.Service]string{moves: "under_way", stays: "not_rotated"} {
		if out, errs, code := s.d.Command("rotate", "--compromised", "--wait", "0s", "--note", "a test", "cc/"+of.UserID+"/"+of.Key); code == 0 || code == 2 {
			s.t.Fatalf("rotate ends with %d: %s%s", code, out, errs)
		}
		s.await(1, "rotatord_leaked_credentials", `provider="cc"`, `standing="`+standing+`"`)
	}
}

// damage changes the journal of a daemon that does not run.
func (s *scene) damage(statement string) {
	s.t.Helper()
	if n, err := s.write(statement).RowsAffected(); err != nil || n == 0 {
		s.t.Fatalf("%s changed %d rows: %v", statement, n, err)
	}
}

// write executes a statement behind the daemon's back.
func (s *scene) write(statement string) sql.Result {
	s.t.Helper()
	db, err := sql.Open("sqlite", "file:"+s.d.StorePath+"?_pragma=busy_timeout(20000)") // a running daemon writes too
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	done, err := db.ExecContext(s.t.Context(), statement)
	if err != nil {
		s.t.Fatalf("%s: %v", statement, err)
	}
	return done
}

// refusing has a provider refuse the keys that it makes, and then no longer list most of its users.
func (x *exports) refusing(t *testing.T) {
	t.Helper()
	account := emulator.NewCertCentral(emulator.CertCentralOptions{Rates: []emulator.Rate{}, NewKeyRefusedFor: time.Hour})
	s := &scene{t: t, cc: daemon.Serve(t, daemon.CertCentral(account))}
	s.d = daemon.New(t, daemon.Config{YAML: fmt.Sprintf(`scan: {schedule: "@every 1s"}
providers: [{name: cc, %s, rates: [{requests: 100000, per: 1s}], timeout: 2s, propagation: 2s, labels: {team: pki}}]
sinks: [{name: disk, type: file, path: "$DIR/keys/{{.Provider}}/{{.ServiceUser}}", root: $DIR/keys}]
policies: [{name: ci, %s}]
`, s.cc.Options(s.cc.Root), rotates), Files: map[string]string{"cc.key": s.cc.ManagerSecret()}})
	if err := os.MkdirAll(s.d.Path("keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	s.cc.AddService("ci-due", "deploy", 89*day)
	drilled := s.cc.AddService("ci-drilled", "deploy", day)
	var others []daemon.Service
	for i := range 6 {
		others = append(others, s.cc.AddService(fmt.Sprint("ci-", i), "deploy", day))
	}
	s.d.Start()
	s.await(8, "rotatord_scan_keys", `provider="cc"`)
	x.before = s.series()
	s.drill(drilled)
	s.await(1, "rotatord_blocked_timestamp_seconds", `reason="rotation_failed"`)
	s.await(1, "rotatord_rotations_total", `reason="drill"`, `result="abandoned"`)
	for _, o := range others {
		account.RemoveUser(idOf(t, o.UserID))
	}
	s.await(1, "rotatord_scans_total", `result="disbelieved"`)
	x.refused = s.series()
	s.d.Stop()
}

// sealedOut has a daemon wait for a Vault server that is to unwrap its seal key.
func (x *exports) sealedOut(t *testing.T) {
	t.Helper()
	cc := daemon.Emulate(t, emulator.CertCentralOptions{})
	s := &scene{t: t, cc: cc, d: daemon.New(t, daemon.Config{YAML: fmt.Sprintf(`store: {path: $DIR/state/rotatord.db, seal: {vault_transit: {address: "http://127.0.0.1:9", auth: {token_file: $DIR/token}, key: rotatord, timeout: 1s}}}
providers: [{name: cc, %s}]
sinks: [{name: disk, type: file, path: "$DIR/keys/{{.ServiceUser}}", root: $DIR/keys}]
policies: [{name: ci, %s}]
`, cc.Options(cc.Root), rotates), Files: map[string]string{"cc.key": cc.ManagerSecret(), "token": "none"}})}
	if err := os.MkdirAll(s.d.Path("keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	s.d.Launch()
	daemon.Await(t, daemon.Patience, "the daemon to listen", func() error {
		if s.d.URL() == "http://" {
			return errors.New("it has not said where")
		}
		return nil
	})
	x.waiting = s.series()
	s.d.Stop()
}
