package app

import (
	"fmt"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/rotator"
)

// declaresOne is a configuration with a service user of DigiCert ONE that does not exist yet.
func declaresOne(w *world, mode, base string) string {
	return fmt.Sprintf(`
server: {listen: "127.0.0.1:0"}
store: {path: DIR/state/rotatord.db, seal: {key_file: DIR/seal.key}}
scan: {schedule: "@every 1s"}
providers:
  - {name: one, type: digicert_one, mode: %s, base_url: %q, api_key_file: %s, propagation: 1s, rates: [{requests: 100000, per: 1s}]}
sinks: [{name: disk, type: file, path: "DIR/keys/{{.Credential}}"}]
policies: [{name: all, match: {keys: [ci]}, renew_before: 30d, lifetime: 90d, grace: 0s, sinks: [disk]}]
service_users:
  - {provider: one, label: ci, name: ci, credential: ci, email: ops@example.com,
     accounts: [acc04400-0000-4000-8000-000000000001], managers: [a9900000-0000-4000-8000-000000000001], roles: [401e0000-0000-4000-8000-000000000001]}
`, mode, base, w.path("one.key"))
}

// TestTheFirstKeyOfADigiCertOneUser: whatever becomes of the answer to its creation, a declared service user ends with one
// active key, which is managed and in its sink. The service names the token that comes with a user, so its name proves nothing.
func TestTheFirstKeyOfADigiCertOneUser(t *testing.T) {
	create := emulator.Match{Method: "POST", Path: "/user"}
	answers := map[string]emulator.Effect{
		"as it should be": {},
		"lost":            {Kind: emulator.EffectLost, AfterEffect: true},
		"a server fault":  {Kind: emulator.EffectStatus, Status: 502, AfterEffect: true},
		"garbage":         {Kind: emulator.EffectGarbage},
		"cut":             {Kind: emulator.EffectCut},
	}
	for _, mode := range []string{"token", "recreate"} {
		for answer, effect := range answers {
			t.Run(mode+"/"+answer, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				one := emulator.NewDigiCertOne(emulator.DigiCertOneOptions{Rates: []emulator.Rate{}})
				server := httptest.NewServer(one)
				t.Cleanup(server.Close)
				if effect.Kind != "" {
					if err := one.Faults.Add(emulator.Fault{Match: create, Count: 1, Effect: effect}); err != nil {
						t.Fatal(err)
					}
				}
				w.write("one.key", one.ManagerSecret())
				w.configure(declaresOne(w, mode, server.URL))
				r := w.run()
				await(t, "one key to be in place", func() error { return oneKey(r, one, w.path("keys/ci")) })
				before := len(one.Users())
				scans := r.metric(`rotatord_scans_total{provider="one",result="complete"}`)
				await(t, "three more scans", func() error {
					return want(r.metric(`rotatord_scans_total{provider="one",result="complete"}`) >= scans+3, "not yet")
				})
				if err := oneKey(r, one, w.path("keys/ci")); err != nil || len(one.Users()) != before {
					t.Errorf("three scans later: %v", err)
				}
			})
		}
	}
}

// oneKey says why there is not exactly one token, of one user, which is delivered and managed.
func oneKey(r *running, one *emulator.DigiCertOne, path string) error {
	delivered, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	token, ok := one.TokenOfSecret(strings.TrimSpace(string(delivered)))
	if !ok || token.Disabled {
		return fmt.Errorf("what was delivered is no active token: %+v", token)
	}
	users := 0
	for _, u := range one.Users() {
		if base, _ := rotator.SplitName(u.FriendlyName); base == "ci" {
			users++
		}
	}
	if n := len(one.Tokens(token.UserID)); users != 1 || n != 1 {
		return fmt.Errorf("%d users with %d tokens", users, n)
	}
	rs, err := r.Store().Rotations(r.t.Context(), true, 10)
	if err != nil {
		return err
	}
	if len(rs) == 0 || rs[0].Stage != rotator.StageDone {
		return fmt.Errorf("rotations that ended: %d", len(rs))
	}
	series, err := r.store.Series(r.t.Context(), rs[0].CredentialID)
	if err != nil {
		return err
	}
	managed := 0
	for _, k := range series {
		if k.State == rotator.KeyActive && k.MissingSince.IsZero() && k.Policy == "all" && k.Expires.After(time.Now()) {
			managed++
		}
	}
	return want(managed == 1, "%d managed keys with an end in %+v", managed, series)
}
