package config

import (
	"strings"
	"testing"
)

const transit = `vault_transit: {address: "https://vault.example:8200", key: rotatord, auth: {approle: {role_id: r, secret_id_file: /run/sid}}}`

func TestSealByVaultTransit(t *testing.T) {
	c, err := Parse("r.yaml", []byte(edited(t, "key_file: /etc/seal.key", transit)))
	if err != nil {
		t.Fatal(err)
	}
	o := c.Store.Seal.VaultTransit
	if o == nil || o.Key != "rotatord" || o.Mount != "transit" || o.Auth.AppRole.SecretID.File != "/run/sid" || !c.Store.Seal.Key.IsZero() {
		t.Errorf("got %+v", o)
	}
}

func TestSealProblems(t *testing.T) {
	for name, tc := range map[string]struct{ from, to, want string }{
		"no key":         {"key_file: /etc/seal.key", "", "store.seal: has no key"},
		"two keys":       {"key_file: /etc/seal.key", "key_file: /etc/seal.key, " + transit, "store.seal: has two keys"},
		"two ways in":    {"key_file: /etc/seal.key", strings.Replace(transit, "auth: {", "auth: {token_file: /t, ", 1), "vault_transit.auth: has 2 ways to log in"},
		"unencrypted":    {"key_file: /etc/seal.key", strings.Replace(transit, "https", "http", 1), "would send secrets over the network unencrypted"},
		"a path as key":  {"key_file: /etc/seal.key", strings.Replace(transit, "key: rotatord", "key: transit/rotatord", 1), "vault_transit.key: has a slash"},
		"no name of key": {"key_file: /etc/seal.key", strings.Replace(transit, "key: rotatord, ", "", 1), "vault_transit.key: is missing"},
		"half a pair":    {"key_file: /etc/seal.key", strings.Replace(transit, "key: rotatord", "key: rotatord, cert_file: /c", 1), "cert_file and key_file belong together"},
		"no mount":       {"key_file: /etc/seal.key", strings.Replace(transit, "key: rotatord", `key: rotatord, mount: "/"`, 1), "vault_transit.mount: is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("r.yaml", []byte(edited(t, tc.from, tc.to)))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}
