package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const tenantBase = "base_url: https://acme.dataspot.io, database: prod, tenant: ACME, access_key_file: /etc/ds.key"

// withProvider is a whole file around the options of one provider.
func withProvider(kind, options string) string {
	return `store: {seal: {key_file: /etc/seal.key}}
providers: [{name: p, type: ` + kind + `, ` + options + `}]
sinks: [{name: disk, type: file, path: "/keys/{{.ServiceUser}}"}]
policies: [{name: all, renew_before: 30d, max_age: 90d, lifetime: 90d, grace: 7d, sinks: [disk]}]
`
}

// without leaves the place in the file out of a problem: tests of places are elsewhere.
func without(problems []string) []string {
	var list []string
	for _, p := range problems {
		_, text, _ := strings.Cut(p, ": ")
		list = append(list, text)
	}
	return list
}

func TestDataspotProblems(t *testing.T) {
	for _, tc := range []struct {
		name, options, want string // want is empty where the file is accepted
	}{
		{"the least", "", ""},
		{"everything", `auth: {oauth2: {token_url: 'https://login.example/token', client_id: x, client_secret_env: S, scope: y, client_auth: form}}, access_key_header: X-Key,
  tenant_header: '', probe_path: /rest/prod/tenants/, type_name: Benutzer, create_keys: put, throwaway_user: spare, client_values: true,
  expiry_time: exact, max_keys_per_user: 5, max_keys: 3, max_name_length: 40, name_characters: 'a-z0-9-', rates: [{requests: 1, per: 1s}], propagation: 0s,
  timeout: 5s, ca_file: /etc/ca.pem, keys: [{user: ci, name: deploy, created: 2026-01-01, expires: 2026-12-31}]`, ""},
		{"basic", "auth: {basic: {user: x, password_file: /etc/pw}}", ""},
		{"two ways in front", "auth: {basic: {user: x, password_env: P}, oauth2: {token_url: 'https://login', client_id: x, client_secret_env: S}}",
			`providers[0].auth: has both basic and oauth2 (keep one of them)`},
		{"half a way in front", "auth: {basic: {user: x}}",
			`providers[0].auth.basic.password: is missing (write password_file with an absolute path, or password_env with the name of a variable)`},
		{"a token over the open network", "auth: {oauth2: {token_url: 'http://login.example', client_id: x, client_secret_env: S}}",
			`providers[0].auth.oauth2.token_url: would send secrets over the network unencrypted (write https://)`},
		{"a header with a blank", "access_key_header: a b", `providers[0].access_key_header: is not the name of a header (use a-z, A-Z, 0-9 and dash)`},
		{"a tenant header with a blank", "tenant_header: a b", `providers[0].tenant_header: is not the name of a header (use a-z, A-Z, 0-9 and dash)`},
		{"a probe elsewhere", "probe_path: tenants", `providers[0].probe_path: is not a path below base_url (write one such as /rest/prod/tenants/ACME)`},
		{"another word for users", "type_name: Person", `providers[0].type_name: is not a value that exists (write one of: User, Benutzer)`},
		{"keys from two places", "lists_keys: true, keys: [{user: a, name: b}]",
			`providers[0].keys: is not used with lists_keys: the server says which keys there are (leave one of the two out)`},
		{"a key twice", "keys: [{user: a, name: b}, {user: a, name: b}]",
			`providers[0].keys[1]: is the key "b" of "a", as providers[0].keys[0] is (keep one of them)`},
		{"a key of nobody", "keys: [{user: '', name: b}]", `providers[0].keys[0]: has an empty user or name (write both)`},
		{"a key that ends before it begins", "keys: [{user: a, name: b, created: 2026-02-01, expires: 2026-01-01}]",
			`providers[0].keys[0].expires: 2026-01-01 is not after 2026-02-01, when the key was made (write a later date or time)`},
		{"no throw-away user", "create_keys: patch",
			`providers[0].throwaway_user: is missing, and create_keys is set: a write may delete all keys of a user, so it is tried there first (write the loginId of a service user none of whose keys anybody needs)`},
		{"a throw-away user in use", "create_keys: patch, throwaway_user: ci, keys: [{user: ci, name: b}]",
			`providers[0].keys[0].user: is the throw-away user, whose keys may all be deleted (name another throwaway_user)`},
		{"another way to write", "create_keys: post, throwaway_user: x", `providers[0].create_keys: is not a value that exists (write one of: patch, put)`},
		{"values of keys that nobody makes", "client_values: true", `providers[0].client_values: is set without create_keys (set create_keys, or leave it out)`},
		{"no time of day", "expiry_time: midnight", `providers[0].expiry_time: is not a time of day with its zone (write it as in "23:59:59Z" or "18:00:00+01:00", or write exact)`},
		{"characters that are none", "name_characters: z-a", `providers[0].name_characters: is not a set of characters (write them as in a-zA-Z0-9_-)`},
		{"no room for an overlap", "max_keys_per_user: 1", `providers[0].max_keys_per_user: leaves no room for the new key beside the old one (write 2 or more, or 0 for no cap)`},
		{"a rate per nothing", "rates: [{requests: 1, per: 0s}]", `providers[0].rates[0].per: is zero (write a span of time such as 3m)`},
		{"a timeout of nothing", "timeout: 0s", `providers[0].timeout: is 0s (write one from 1s to 1h)`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			options := tenantBase
			if tc.options != "" {
				options += ", " + tc.options
			}
			var want []string
			if tc.want != "" {
				want = []string{tc.want}
			}
			if diff := cmp.Diff(want, without(errorsOf(t, withProvider("dataspot", options)))); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
	for _, tc := range []struct{ name, old, with, want string }{
		{"a database with a slash", "database: prod", "database: a/b", `providers[0].database: is not one part of a path (write it as it stands in the server's addresses, without slashes)`},
		{"an empty tenant", "tenant: ACME", "tenant: ''", `providers[0].tenant: is not one part of a path (write it as it stands in the server's addresses, without slashes)`},
		{"no encryption", "https://acme", "http://acme", `providers[0].base_url: would send secrets over the network unencrypted (write https://)`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			text := withProvider("dataspot", strings.Replace(tenantBase, tc.old, tc.with, 1))
			if diff := cmp.Diff([]string{tc.want}, without(errorsOf(t, text))); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("no lifetime", func(t *testing.T) {
		text := strings.Replace(withProvider("dataspot", tenantBase), "lifetime: 90d, ", "", 1)
		want := []string{`policies[0].lifetime: is missing, and provider "p" makes no key without an expiry (write one, as in lifetime: 90d)`}
		if diff := cmp.Diff(want, without(errorsOf(t, text))); diff != "" {
			t.Errorf("problems (-want +got):\n%s", diff)
		}
	})
}

// TestTenantsKeepApart: a key works in one tenant only, so no two tenants deliver to one place.
func TestTenantsKeepApart(t *testing.T) {
	const same = `sinks[0].path: is the same for providers "a" and "b", and a key of dataspot works in one tenant only (put {{.Provider}} in the path)`
	for _, tc := range []struct {
		name, path, policies string
		want                 []string
	}{
		{"the provider is in the path", "/keys/{{.Provider}}/{{.ServiceUser}}", "{match: {providers: ['*']}, ", nil},
		{"the provider is not in the path", "/keys/{{.ServiceUser}}", "{match: {providers: ['*']}, ", []string{same}},
		{"nor is it where ids are", "/keys/{{.UserID}}", "{", []string{same}},
		{"it makes no difference in the path", `/keys/{{if .Provider}}x{{end}}/{{.ServiceUser}}`, "{", []string{same}},
		{"the policy covers one of them", "/keys/{{.ServiceUser}}", "{match: {providers: [a]}, ", nil},
		{"nothing is delivered", "/keys/{{.ServiceUser}}", "{observe_only: true, ", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			text := `store: {seal: {key_file: /etc/seal.key}}
providers:
  - {name: a, type: dataspot, ` + tenantBase + `}
  - {name: b, type: dataspot, ` + tenantBase + `}
  - {name: c, type: certcentral, api_key_env: CC}
sinks: [{name: disk, type: file, path: "` + tc.path + `"}]
policies: [` + tc.policies + `name: all, renew_before: 30d, max_age: 90d, lifetime: 90d, grace: 7d, sinks: [disk]}]
`
			if diff := cmp.Diff(tc.want, without(errorsOf(t, text))); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}
