package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/test/daemon"
)

// tenant is a fleet at a tenant of a dataspot. server, where deploy of ci-build ends in so much time. The daemon is not
// made yet.
func tenant(t *testing.T, o emulator.DataspotOptions, ends time.Duration, more string) (*fleet, *emulator.Dataspot, daemon.Service) {
	t.Helper()
	server := emulator.NewDataspot(o)
	t.Cleanup(func() {
		if n := server.CollectionDeletes(); n > 0 {
			t.Errorf("the call that deletes every user of a tenant was made %d times", n)
		}
	})
	expires := time.Now().Add(ends).Truncate(time.Second)
	declared := fmt.Sprintf("keys: [{user: ci-build, name: deploy, created: 2026-01-01, expires: %s}]", expires.Format(time.RFC3339))
	if more != "" {
		declared += ", " + more
	}
	f := newFleet(t, daemon.Serve(t, daemon.DataspotTenant(server, "ACME", declared)))
	s := seed(t, f, server, "ACME", expires)
	f.services = []daemon.Service{s}
	return f, server, s
}

// seed puts ci-build with its key into a tenant.
func seed(t *testing.T, f *fleet, server *emulator.Dataspot, tenant string, expires time.Time) daemon.Service {
	t.Helper()
	user, err := server.AddUser(emulator.DataspotUser{Tenant: tenant, LoginID: "ci-build"})
	if err != nil {
		t.Fatal(err)
	}
	id, value, err := server.AddKey(emulator.DataspotKey{UserID: user, Name: "deploy", Expires: expires})
	if err != nil {
		t.Fatal(err)
	}
	f.provider.Learn(value)
	return daemon.Service{UserID: user, KeyID: id, Name: "ci-build", Key: "deploy", Secret: value}
}

// makes is what a person does who makes a key in the page.
func (f *fleet) makes(server *emulator.Dataspot, tenant, name string, expires time.Time) string {
	f.t.Helper()
	value, err := server.MakeKeyInPage(tenant, "ci-build", name, expires)
	if err != nil {
		f.t.Fatal(err)
	}
	f.provider.Learn(value)
	return value
}

// TestWholeRotationWithASuppliedKey has people make and remove the keys, and the daemon do the rest.
func TestWholeRotationWithASuppliedKey(t *testing.T) {
	t.Parallel()
	f, server, s := tenant(t, emulator.DataspotOptions{}, 240*time.Hour, "")
	f.prepare(f.config("json", peoplePolicy))
	f.d.Start()
	consumers := f.consume(50 * time.Millisecond)
	f.awaitAsked("awaiting_supply", "rotatord supply "+f.credential(s), "deploy-r0001")

	until := time.Now().Add(89 * 24 * time.Hour).Truncate(time.Second)
	expires := []string{"--expires", until.Format(time.RFC3339)}
	for name, nonsense := range map[string]string{"no key": "hello, world", "a strange key": strings.Repeat("A", 64), "half a key": s.Secret[:40]} {
		if said := f.refused(s, nonsense, expires...); strings.Contains(said, nonsense) {
			t.Errorf("%s was handed over, and it is told back", name)
		}
	}
	key := f.makes(server, "ACME", "deploy-r0001", until)
	f.supply(s, key, until)
	f.awaitAsked("awaiting_removal", "rotatord removed "+f.credential(s))
	f.hold(s, key)
	for _, secret := range []string{s.Secret, key} {
		if err := f.provider.Use(t.Context(), secret); err != nil {
			t.Errorf("while nobody has removed the old key: %v", err)
		}
	}
	next := f.provider.Active(s.UserID)[1]
	consumers.verdict(t, 2)
	f.keepsSecrets("after a key was supplied")
	if err := server.RemoveKeyInPage("ACME", "ci-build", "deploy"); err != nil {
		t.Fatal(err)
	}
	f.removed(s)
	f.awaitDone(1)
	f.rests()
	f.hold(s, key)
	f.provesStages("planned", "minted", "testing", "delivering", "confirmed", "grace", "revoking", "done")
	if r := f.rotation(); r.NewKey.Name != next.Name || r.Reason != "expiring" {
		t.Errorf("the rotation is %+v, want one to %s because the old key expires", r, next.Name)
	}
	f.d.Stop()
}

// TestASuppliedKeysPredecessorExpires: nobody removes the old key, and nobody has to.
func TestASuppliedKeysPredecessorExpires(t *testing.T) {
	t.Parallel()
	f, server, s := tenant(t, emulator.DataspotOptions{}, 12*time.Second, "")
	f.prepare(f.config("json", peoplePolicy))
	f.d.Start()
	consumers := f.consume(50 * time.Millisecond)
	f.awaitAsked("awaiting_supply")
	until := time.Now().Add(89 * 24 * time.Hour).Truncate(time.Second)
	key := f.makes(server, "ACME", "deploy-r0001", until)
	f.supply(s, key, until)
	f.awaitAsked("awaiting_removal")
	f.awaitDone(1)
	consumers.verdict(t, 2)
	f.rests()
	f.hold(s, key)
	if k, _ := server.Key(s.KeyID); !k.Removed.IsZero() || k.Expires.After(time.Now()) {
		t.Errorf("the old key is %+v, want one that was left to expire", k)
	}
	f.d.Stop()
}

// TestKeysByPatch has the daemon make keys itself, at a server that adds them, behind bearer tokens that live for moments.
func TestKeysByPatch(t *testing.T) {
	t.Parallel()
	front := emulator.DataspotFront{ClientID: "rotatord", ClientSecret: "front-secret-of-the-test", TokenLifetime: 2 * time.Second}
	f, server, s := tenant(t, emulator.DataspotOptions{Front: front}, 240*time.Hour, "create_keys: patch, throwaway_user: proof")
	if _, err := server.AddServiceUser("ACME", "proof"); err != nil {
		t.Fatal(err)
	}
	f.settings += fmt.Sprintf(", auth: {oauth2: {token_url: %q, client_id: rotatord, client_secret_file: $DIR/front.secret}}", f.provider.Root+server.TokenPath())
	f.files["front.secret"] = front.ClientSecret
	f.prepare(f.config("json", peoplePolicy))
	f.d.Start()
	f.awaitAsked("awaiting_removal")
	next := f.provider.Active(s.UserID)
	if len(next) != 2 || next[1].Name != "deploy-r0001" {
		t.Fatalf("the keys are %+v, want the old one and deploy-r0001", next)
	}
	for sink, read := range f.readers(s) {
		secret, err := read(t.Context())
		if k, _ := f.provider.KeyOfSecret(secret); k.ID != next[1].ID || !server.Authenticates("ACME", secret) {
			t.Errorf("%s holds %+v (%v), want %s", sink, k, err, next[1].Name)
		}
	}
	if !server.Authenticates("ACME", s.Secret) {
		t.Error("the old key does not work any more")
	}
	if err := server.RemoveKeyInPage("ACME", "ci-build", "deploy"); err != nil {
		t.Fatal(err)
	}
	f.removed(s)
	f.awaitDone(1)
	f.rests()
	daemon.Await(t, daemon.Patience, "tokens to be had anew", func() error {
		if n := server.TokensIssued(); n < 3 {
			return fmt.Errorf("%d tokens were issued", n)
		}
		return nil
	})
	if lines := f.d.Logs(); strings.Contains(lines, front.ClientSecret) {
		t.Error("the secret of the client stands in the log")
	}
	f.d.Stop()
}

// TestKeysByAWriteThatReplaces: where a write would delete the keys that are in use, none is made, and none is lost.
func TestKeysByAWriteThatReplaces(t *testing.T) {
	for _, method := range []string{"patch", "put"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			f, server, s := tenant(t, emulator.DataspotOptions{Replace: true}, 240*time.Hour, "create_keys: "+method+", throwaway_user: proof")
			if _, err := server.AddServiceUser("ACME", "proof"); err != nil {
				t.Fatal(err)
			}
			f.prepare(f.config("json", peoplePolicy))
			f.d.Start()
			consumers := f.consume(50 * time.Millisecond)
			f.awaitAsked("invalid", "a write replaces keys", "create_keys")
			f.d.Restart()
			f.awaitAsked("invalid", "a write replaces keys")
			if keys := f.provider.Keys(s.UserID); len(keys) != 1 || keys[0].ID != s.KeyID {
				t.Errorf("the service user's keys are %+v, want the one that it had", keys)
			}
			consumers.verdict(t, 1)
			f.d.Stop()
		})
	}
}

// TestTwoTenants has two tenants with service users and keys of the same names share a Vault and a disk. Neither overwrites
// the other's, and a configuration in which one would is refused.
func TestTwoTenants(t *testing.T) {
	t.Parallel()
	server := emulator.NewDataspot(emulator.DataspotOptions{Tenants: []string{"ACME", "GLOBEX"}})
	expires := time.Now().Add(240 * time.Hour).Truncate(time.Second)
	declared := fmt.Sprintf("keys: [{user: ci-build, name: deploy, expires: %s}]", expires.Format(time.RFC3339))
	acme := newFleet(t, daemon.Serve(t, daemon.DataspotTenant(server, "ACME", declared)))
	globex := acme.join(daemon.Serve(t, daemon.DataspotTenant(server, "GLOBEX", declared)))
	acme.prepare(acme.config("json", peoplePolicy))
	if out, errs, code := acme.d.Command("check-config", "-c", acme.d.ConfigPath); code != 2 && code != 1 || !strings.Contains(out+errs, "{{.Provider}}") {
		t.Errorf("check-config ends with %d for two tenants with one path and says: %s%s", code, out, errs)
	}
	acme.place, globex.place = "{{.Provider}}/{{.ServiceUser}}/{{.Credential}}", "{{.Provider}}/{{.ServiceUser}}/{{.Credential}}"
	acme.d.Configure(acme.config("json", peoplePolicy))
	tenants := map[string]*fleet{"ACME": acme, "GLOBEX": globex}
	services := map[string]daemon.Service{}
	for name, f := range tenants {
		services[name] = seed(t, f, server, name, expires)
	}
	acme.d.Start()
	until := time.Now().Add(89 * 24 * time.Hour).Truncate(time.Second)
	keys := map[string]string{}
	for name, f := range tenants {
		daemon.Await(t, daemon.Patience, name+" to ask for a key", func() error {
			if open, _ := acme.d.Rotations(); !slices.ContainsFunc(open, f.waits("awaiting_supply")) {
				return fmt.Errorf("the open rotations are %+v", open)
			}
			return nil
		})
		keys[name] = f.makes(server, name, "deploy-r0001", until)
	}
	if said := acme.refused(services["ACME"], keys["GLOBEX"], "--expires", until.Format(time.RFC3339)); strings.Contains(said, keys["GLOBEX"]) {
		t.Error("another tenant's key is told back")
	}
	for name, f := range tenants {
		f.supply(services[name], keys[name], until)
		if err := server.RemoveKeyInPage(name, "ci-build", "deploy"); err != nil {
			t.Fatal(err)
		}
	}
	for name, f := range tenants {
		daemon.Await(t, daemon.Patience, name+" to ask for a removal", func() error {
			if open, _ := acme.d.Rotations(); !slices.ContainsFunc(open, f.waits("awaiting_removal")) {
				return fmt.Errorf("the open rotations are %+v", open)
			}
			return nil
		})
		f.removed(services[name])
	}
	acme.awaitDone(2)
	for name, f := range tenants {
		f.hold(services[name], keys[name])
	}
	if n := server.CollectionDeletes(); n > 0 {
		t.Errorf("the call that deletes every user of a tenant was made %d times", n)
	}
	acme.d.Stop()
}
