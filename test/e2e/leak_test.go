package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/test/daemon"
)

// A key of dueAge is due, and its successor is not.
const (
	dueAge     = 40 * time.Minute
	leakPolicy = `scan: {schedule: "@every 2s"}
log: {level: debug}
policies:
  - {name: hour, max_age: 1h, renew_before: 30m, grace: 1s, idle: 1s, jitter: 0%, sinks: [vault, disk]}
`
)

// What somebody else has put where the daemon wants to write.
const (
	plantedInVault = "PlantedInVault-0f7b4c1c9a531b6a7e9b"
	plantedInFile  = "PlantedInFile-5a7d3c1e0f7b4c1c9a53"
	plantedInYAML  = "PlantedInYAML-c1c9a531b6a7e9b9d105a"
)

// TestNoSecretLeaks is guarantee G7. Every answer that the daemon gets goes wrong once, and says as much as servers and proxies
// say when they fail: the whole request, or what they should have kept. Then every secret is searched for wherever the daemon
// writes.
func TestNoSecretLeaks(t *testing.T) {
	f := newFleet(t, daemon.Emulate(t, emulator.CertCentralOptions{Rates: []emulator.Rate{}}))
	a := &ambushes{f: f}
	a.layAll()
	blocked := a.occupy()
	provider, vault := newFront(t, f.provider.Root), newFront(t, f.vault.Address)
	provider.set(a.provider)
	vault.set(a.vault)
	f.providerRoot, f.vaultURL = provider.URL, vault.URL
	good := f.config("json", leakPolicy)
	f.prepare(good)
	f.d.WriteFile("keys/file-taken/key", plantedInFile)
	f.d.WriteFile("tmp/.keep", "")
	l := &leaks{f: f, a: a}

	f.d.Start()
	l.badReloads(good)
	daemon.Await(t, 2*daemon.Patience, "every ambush", func() error {
		if left := a.left(); len(left) > 0 {
			return fmt.Errorf("these have not struck: %s", strings.Join(left, ", "))
		}
		return nil
	})
	f.awaitBlocked(blocked, "sink_conflict")
	sealed := l.sealedNow(blocked)
	l.online(provider, vault)
	l.search("while rotations are blocked")
	f.clear()
	f.awaitAllDone()
	l.search("after the rotations")
	l.awaitWiped(sealed)
	f.d.Stop()
	l.search("after the stop")
}

// layAll lays an ambush for each request of a rotation and each way to answer it wrongly.
func (a *ambushes) layAll() {
	for name, trap := range map[string]ambush{
		"mint-echo-500":      {request: "mint", answer: always(500, said)},
		"mint-echo-html":     {request: "mint", answer: always(502, plain)},
		"mint-echo-400":      {request: "mint", answer: always(400, said)},
		"mint-echo-403":      {request: "mint", answer: always(403, said)},
		"mint-echo-409":      {request: "mint", answer: always(409, said)},
		"mint-redirect":      {request: "mint", answer: always(307, plain)},
		"mint-blurt-500":     {request: "mint", after: true, answer: blurt(500, `{"id":7,"api_key":"%s"}`)},
		"mint-blurt-said":    {request: "mint", after: true, answer: blurt(500, `{"errors":[{"code":"audit","message":"made %s, and could not log it"}]}`)},
		"mint-blurt-id":      {request: "mint", after: true, answer: blurt(201, `{"id":"%s","api_key":"x"}`)},
		"mint-blurt-type":    {request: "mint", after: true, answer: blurt(201, `{"id":7,"api_key":["%s"]}`)},
		"mint-blurt-cut":     {request: "mint", after: true, answer: blurt(201, `{"id":7,"api_key":"%s`)},
		"mint-blurt-bare":    {request: "mint", after: true, answer: blurt(201, `%s`)},
		"check-echo-403":     {request: "check key", answer: always(403, said)},
		"check-echo-500":     {request: "check key", answer: always(500, said)},
		"check-echo-html":    {request: "check key", answer: always(503, plain)},
		"check-echo-garbage": {request: "check key", answer: always(200, plain)},
		"check-echo-id":      {request: "check key", answer: func(s seen) (int, string) { return 200, `{"id":` + quoted(s.echo) + `}` }},
		"check-redirect":     {request: "check key", answer: always(302, plain)},
		"revoke-echo-400":    {request: "revoke", answer: always(400, said)},
		"revoke-echo-500":    {request: "revoke", answer: always(500, plain)},
		"vault-write-500":    {request: "vault write", answer: always(500, vaultSaid)},
		"vault-write-400":    {request: "vault write", answer: always(400, vaultSaid)},
		"vault-write-403":    {request: "vault write", answer: always(403, vaultSaid)},
		"vault-write-html":   {request: "vault write", answer: always(502, plain)},
		"vault-write-odd":    {request: "vault write", after: true, answer: always(200, plain)},
		"vault-write-moved":  {request: "vault write", answer: always(307, plain)},
		"vault-read-500":     {request: "vault read", times: 3, answer: always(500, vaultSaid)},
		"vault-read-403":     {request: "vault read", times: 2, answer: always(403, vaultSaid)},
		"vault-read-odd":     {request: "vault read", times: 3, answer: always(200, plain)},
		"vault-meta-403":     {request: "vault metadata", times: 2, answer: always(403, vaultSaid)},
		"vault-meta-500":     {request: "vault metadata", answer: always(500, vaultSaid)},
	} {
		a.lay(name, trap)
	}
	// The first list and the first logins, which are everybody's.
	a.waiting = append(a.waiting,
		&ambush{request: "list keys", times: 1, answer: always(500, said)},
		&ambush{request: "login", times: 1, answer: always(400, vaultSaid)},
		&ambush{request: "login", times: 1, answer: always(500, plain)},
	)
}

// occupy puts something of somebody else's where two services' secrets belong. Their rotations stay blocked until it is gone.
func (a *ambushes) occupy() []daemon.Service {
	f := a.f
	var all []daemon.Service
	for _, name := range []string{"vault-taken", "file-taken"} {
		all = append(all, f.provider.AddService(name, "key", dueAge))
	}
	f.services = append(f.services, all...)
	f.write("secret/data/"+f.vaultPath(all[0]), map[string]any{"data": map[string]any{"api_key": plantedInVault}})
	return all
}

// clear takes away what occupy and the test have put there.
func (f *fleet) clear() {
	f.t.Helper()
	if _, err := f.client.Logical().Delete("secret/metadata/rotatord/vault-taken/key"); err != nil {
		f.t.Fatal(err)
	}
	f.d.Remove("keys/file-taken/key")
}

func (f *fleet) awaitBlocked(services []daemon.Service, reason string) {
	f.t.Helper()
	daemon.Await(f.t, 2*daemon.Patience, "the blocks", func() error {
		blocked := map[string]string{}
		open, _ := f.d.Rotations()
		for _, r := range open {
			blocked[r.ServiceUser] = r.Blocked
		}
		for _, s := range services {
			if blocked[s.Name] != reason {
				return fmt.Errorf("%s is blocked by %q, want %q", s.Name, blocked[s.Name], reason)
			}
		}
		return nil
	})
}

func (f *fleet) awaitAllDone() {
	f.t.Helper()
	daemon.Await(f.t, 4*daemon.Patience, "the end of all rotations", func() error {
		open, ended := f.d.Rotations()
		if len(open) > 0 || len(ended) < len(f.services) {
			return fmt.Errorf("%d rotations are open, the first of them %+v, and %d of %d have ended", len(open), open[:min(1, len(open))],
				len(ended), len(f.services))
		}
		return nil
	})
}

// badReloads hands the daemon files in which a secret stands in the wrong place or beside a mistake, in both ways.
func (l *leaks) badReloads(good string) {
	f := l.f
	f.t.Helper()
	inline := "api_key: " + plantedInYAML
	for name, change := range map[string]string{
		"unknown field beside it": inline + ", api_kee: x",
		"under a wrong name":      "api_kee: " + plantedInYAML,
		"wrong kind":              "api_key: {value: " + plantedInYAML + "}",
		"list":                    "api_key: [" + plantedInYAML + "]",
		"broken quotes":           `api_key: "` + plantedInYAML,
		"twice":                   inline + ", " + inline,
		"with a file":             inline + ", api_key_file: $DIR/cc.key",
		"as a path":               "api_key_file: " + plantedInYAML,
		"as a variable":           "api_key_env: " + plantedInYAML,
		"bad tag":                 "api_key: !!int " + plantedInYAML,
	} {
		bad := strings.Replace(good, "api_key_file: $DIR/cc.key", change, 1)
		if bad == good {
			f.t.Fatal("the configuration has no api_key_file to replace")
		}
		f.d.Configure(bad)
		status, body := f.d.Send(http.MethodPost, "/-/reload", nil)
		if status == http.StatusOK {
			f.t.Errorf("a configuration with a secret %s was taken over", name)
		}
		l.note("the answer to a reload with a secret "+name, body)
		out, errs, code := f.d.Command("check-config", "-c", f.d.ConfigPath)
		if code == 0 {
			f.t.Errorf("check-config finds nothing wrong with a secret %s", name)
		}
		l.note("check-config with a secret "+name, out+errs)
	}
	const refused = "the configuration was not taken"
	before := strings.Count(f.d.Logs(), refused)
	f.d.Signal(syscall.SIGHUP)
	daemon.Await(f.t, daemon.Patience, "the reload by a signal", func() error {
		if n := strings.Count(f.d.Logs(), refused); n != before+1 {
			return fmt.Errorf("the log tells of %d refused reloads, want %d", n, before+1)
		}
		return nil
	})
	f.d.Configure(good)
	if status, body := f.d.Send(http.MethodPost, "/-/reload", nil); status != http.StatusOK {
		f.t.Fatalf("the good configuration was not taken over: %s", body)
	}
}

// online asks everything while providers and sinks answer with echoes only.
func (l *leaks) online(provider, vault *front) {
	l.f.t.Helper()
	for _, form := range []func(string) string{said, vaultSaid, plain} {
		for _, status := range []int{400, 403, 500} {
			echo := func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
				relay(w, record(r, forward, &ambush{answer: always(status, form)}))
			}
			provider.set(echo)
			vault.set(echo)
			out, errs, code := l.f.d.Command("check-config", "--online", "-c", l.f.d.ConfigPath)
			if code == 0 {
				l.f.t.Errorf("check-config --online finds nothing wrong where everything answers %d", status)
			}
			l.note(fmt.Sprintf("check-config --online where everything answers %d", status), out+errs)
		}
	}
	provider.set(l.a.provider)
	vault.set(l.a.vault)
}
