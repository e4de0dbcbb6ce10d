package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/hashicorp/vault/api"

	"github.com/rotatord/rotatord/test/daemon"
	"github.com/rotatord/rotatord/test/realserver"
)

// place is where a service's secret is below the mount.
func place(s daemon.Service) string { return "rotatord/" + s.Name }

// rights are what the daemon needs in Vault, and no more.
const rights = `path "secret/data/rotatord/*" { capabilities = ["create", "read", "update"] }
path "secret/metadata/rotatord/*" { capabilities = ["create", "update"] }`

// persistent starts a Vault server that can be sealed and restarted, with a key-value engine.
func persistent(t *testing.T) (*realserver.VaultServer, *api.Client) {
	t.Helper()
	v := realserver.Vault(t, realserver.Persistent())
	client := v.Client()
	if err := client.Sys().Mount("secret", &api.MountInput{Type: "kv", Options: map[string]string{"version": "2"}}); err != nil {
		t.Fatal(err)
	}
	// A new engine of version 2 prepares itself for a moment, in which it refuses.
	daemon.Await(t, daemon.Patience, "the engine", func() error {
		_, err := client.KVv2("secret").Put(t.Context(), "probe", map[string]any{"a": "b"})
		return err
	})
	return v, client
}

// development starts a Vault server in its development mode, which has a key-value engine.
func development(t *testing.T) (*realserver.VaultServer, *api.Client) {
	t.Helper()
	v := realserver.Vault(t)
	return v, v.Client()
}

// vaultSetting is a scene with a Vault sink, which logs in as auth says.
func vaultSetting(v *realserver.VaultServer, auth string) setting {
	return setting{
		sinks: fmt.Sprintf("  - {name: vault, type: vault, address: %q, auth: %s, path: \"rotatord/{{.ServiceUser}}\", timeout: 2s}\n", v.Address, auth),
		sink:  "vault, disk",
	}
}

// consumeVault adds consumers that read Vault. One that cannot ask a server that is down keeps what it has, as programs do.
func consumeVault(c *scene, client *api.Client) {
	for _, s := range c.services {
		last := s.Secret
		c.consume(s, func(ctx context.Context) (string, error) {
			entry, err := client.KVv2("secret").Get(ctx, place(s))
			if err != nil {
				return last, nil //nolint:nilerr // nothing there yet, or nobody to ask
			}
			secret, ok := entry.Data["api_key"].(string)
			if !ok {
				return "", errors.New("the entry in Vault holds no api_key")
			}
			last = secret
			return secret, nil
		})
	}
}

// beginVault runs the consumers and the daemon.
func beginVault(c *scene, client *api.Client) {
	c.t.Helper()
	consumeVault(c, client)
	c.begin()
}

// vaultHolds checks at the end that Vault has the active keys.
func (c *scene) vaultHolds(client *api.Client) {
	c.t.Helper()
	for _, s := range c.services {
		entry, err := client.KVv2("secret").Get(c.t.Context(), place(s))
		if err != nil {
			c.t.Errorf("%s in Vault: %v", s.Name, err)
			continue
		}
		secret, _ := entry.Data["api_key"].(string)
		if k, _ := c.e.KeyOfSecret(secret); len(c.active(s)) != 1 || k.ID != c.active(s)[0].ID {
			c.t.Errorf("Vault holds key %s of %s, active are %+v", k.ID, s.Name, c.active(s))
		}
	}
}

// token makes a token with the daemon's rights that ends after ttl and cannot be renewed.
func token(t *testing.T, client *api.Client, ttl string) string {
	t.Helper()
	if err := client.Sys().PutPolicy("rotatord", rights); err != nil {
		t.Fatal(err)
	}
	no := false
	made, err := client.Auth().Token().Create(&api.TokenCreateRequest{Policies: []string{"rotatord"}, TTL: ttl, ExplicitMaxTTL: ttl, Renewable: &no})
	if err != nil {
		t.Fatal(err)
	}
	return made.Auth.ClientToken
}

// TestVaultTokenExpires: the token in the file ends while a rotation waits for its grace period, and in the next one it is
// refused. Replacing the file is all that has to be done.
func TestVaultTokenExpires(t *testing.T) {
	t.Parallel()
	v, client := development(t)
	s := vaultSetting(v, "{token_file: $DIR/vault.token}")
	s.files = map[string]string{"vault.token": token(t, client, "6s")}
	s.timing = "max_age: 1h, renew_before: 50m, grace: 7s, idle: 0s"
	c := prepare(t, s)
	beginVault(c, client)
	for _, s := range c.services {
		c.delivered(s)
	}
	c.metric(is(0), "rotatord_sink_up", `sink="vault"`)
	c.attention("denied")
	c.logs("the token is no longer valid")
	for _, s := range c.services {
		c.untouched(s)
	}
	c.ready()
	// As an agent replaces it: another file under the same name.
	fresh := token(t, client, "10m")
	c.d.WriteFile("vault.token.new", fresh)
	if err := os.Rename(c.d.Path("vault.token.new"), c.d.Path("vault.token")); err != nil {
		t.Fatal(err)
	}
	c.goodEnd(1)
	c.metric(is(1), "rotatord_sink_up", `sink="vault"`)
	c.vaultHolds(client)
	for _, secret := range append(c.e.Secrets(), fresh) {
		if strings.Contains(c.d.Logs(), secret) {
			t.Error("a secret stands in the log")
		}
	}
}

// TestVaultAppRoleLogsInAgain has tokens that live for two seconds: each is renewed or replaced without anybody's help.
func TestVaultAppRoleLogsInAgain(t *testing.T) {
	t.Parallel()
	v, client := development(t)
	role, secret := approle(t, client, map[string]any{"token_policies": "rotatord", "token_ttl": "2s", "token_max_ttl": "4s"})
	s := vaultSetting(v, fmt.Sprintf("{approle: {role_id: %q, secret_id_file: $DIR/secret-id}}", role))
	s.files = map[string]string{"secret-id": secret}
	s.timing = "max_age: 1h, renew_before: 50m, grace: 6s, idle: 0s"
	c := prepare(t, s)
	beginVault(c, client)
	c.goodEndOf(1)
	c.rotate()
	c.await("the second rotation of each", func() error {
		done, _ := c.d.Metric("rotatord_rotations_total", `provider="cc"`, `result="done"`)
		return want(done == 4, "%v are done", done)
	})
	if failed, _ := c.d.Metric("rotatord_sink_deliveries_total", `sink="vault"`, `result="denied"`); failed != 0 {
		t.Errorf("%v deliveries were denied", failed)
	}
	c.unharmed()
	c.vaultHolds(client)
}

// TestVaultSecretIDDestroyed: the login itself is refused, until a new secret id is put into the file.
func TestVaultSecretIDDestroyed(t *testing.T) {
	t.Parallel()
	v, client := development(t)
	role, secret := approle(t, client, map[string]any{"token_policies": "rotatord", "token_ttl": "10m"})
	s := vaultSetting(v, fmt.Sprintf("{approle: {role_id: %q, secret_id_file: $DIR/secret-id}}", role))
	s.files = map[string]string{"secret-id": secret}
	c := prepare(t, s)
	if _, err := client.Logical().Write("auth/approle/role/rotatord/secret-id/destroy", map[string]any{"secret_id": secret}); err != nil {
		t.Fatal(err)
	}
	beginVault(c, client)
	c.attention("denied")
	c.logs("make a new one")
	for _, s := range c.services {
		c.untouched(s)
	}
	c.d.WriteFile("secret-id", newSecretID(t, client))
	c.goodEnd(1)
	c.vaultHolds(client)
}

func approle(t *testing.T, client *api.Client, role map[string]any) (roleID, secretID string) {
	t.Helper()
	if err := client.Sys().EnableAuthWithOptions("approle", &api.EnableAuthOptions{Type: "approle"}); err != nil {
		t.Fatal(err)
	}
	if err := client.Sys().PutPolicy("rotatord", rights); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Logical().Write("auth/approle/role/rotatord", role); err != nil {
		t.Fatal(err)
	}
	id, err := client.Logical().Read("auth/approle/role/rotatord/role-id")
	if err != nil {
		t.Fatal(err)
	}
	roleID, _ = id.Data["role_id"].(string)
	return roleID, newSecretID(t, client)
}

func newSecretID(t *testing.T, client *api.Client) string {
	t.Helper()
	id, err := client.Logical().Write("auth/approle/role/rotatord/secret-id", nil)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := id.Data["secret_id"].(string)
	return text
}

// TestVaultSealed: a sealed server answers, and takes nothing, until somebody unseals it.
func TestVaultSealed(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		begun bool
	}{{"before anything began", false}, {"in the grace period", true}} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			v, client := persistent(t)
			s := vaultSetting(v, "{token_file: $DIR/vault.token}")
			s.files = map[string]string{"vault.token": token(t, client, "1h")}
			s.timing = "max_age: 1h, renew_before: 50m, grace: 5s, idle: 0s"
			c := prepare(t, s)
			if !tc.begun {
				v.Seal()
			}
			beginVault(c, client)
			for _, s := range c.services {
				c.delivered(s) // to the other sink
			}
			if tc.begun {
				c.metric(is(2), "rotatord_open_rotations", `provider="cc"`, `stage="grace"`)
				v.Seal()
			}
			c.trouble("sealed")
			c.logs("unseal it")
			c.metric(is(0), "rotatord_sink_up", `sink="vault"`)
			for _, s := range c.services {
				c.untouched(s)
			}
			c.ready()
			v.Unseal()
			c.goodEnd(1)
			c.vaultHolds(client)
		})
	}
}

// TestVaultRestarted: the server is away for a while, and comes back as it was.
func TestVaultRestarted(t *testing.T) {
	t.Parallel()
	v, client := persistent(t)
	role, secret := approle(t, client, map[string]any{"token_policies": "rotatord", "token_ttl": "10m"})
	s := vaultSetting(v, fmt.Sprintf("{approle: {role_id: %q, secret_id_file: $DIR/secret-id}}", role))
	s.files = map[string]string{"secret-id": secret}
	s.timing = "max_age: 1h, renew_before: 50m, grace: 5s, idle: 0s"
	c := prepare(t, s)
	beginVault(c, client)
	c.metric(is(2), "rotatord_open_rotations", `provider="cc"`, `stage="grace"`)
	v.Stop()
	c.trouble("refused")
	c.metric(is(0), "rotatord_sink_up", `sink="vault"`)
	for _, s := range c.services {
		c.untouched(s)
	}
	c.ready()
	v.Start()
	v.Unseal()
	c.goodEnd(1)
	c.rotate()
	c.await("the second rotation of each", func() error {
		done, _ := c.d.Metric("rotatord_rotations_total", `provider="cc"`, `result="done"`)
		return want(done == 4, "%v are done", done)
	})
	c.vaultHolds(client)
}

// TestVaultDownForOneKey: the policy forbids one entry. The others go on.
func TestVaultDownForOneKey(t *testing.T) {
	t.Parallel()
	v, client := development(t)
	s := vaultSetting(v, "{token_file: $DIR/vault.token}")
	s.services = []string{"one", "two", "three"}
	s.files = map[string]string{"vault.token": token(t, client, "1h")}
	forbid := rights + "\npath \"secret/data/rotatord/one\" { capabilities = [\"deny\"] }"
	if err := client.Sys().PutPolicy("rotatord", forbid); err != nil {
		t.Fatal(err)
	}
	c := prepare(t, s)
	beginVault(c, client)
	c.ended(c.services[1])
	c.ended(c.services[2])
	c.attention("denied")
	c.metric(is(1), "rotatord_rotations_blocked", `provider="cc"`, `reason="denied"`)
	c.metric(atLeast(1), "rotatord_sink_deliveries_total", `sink="vault"`, `result="denied"`)
	c.untouched(c.services[0])
	if err := client.Sys().PutPolicy("rotatord", rights); err != nil {
		t.Fatal(err)
	}
	c.goodEnd(1)
	c.vaultHolds(client)
}
