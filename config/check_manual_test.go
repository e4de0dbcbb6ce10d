package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestManualProblems(t *testing.T) {
	const keys = "keys: [{user: bank, name: sftp}]"
	const probe = keys + ", probe: {url: 'https://api.example/who'"
	for _, tc := range []struct{ name, options, want string }{
		{"the least", keys, ""},
		{"everything", `keys: [{user: bank, name: sftp, created: 2026-01-01, expires: 2026-12-31, owner: ann@example.com}, {user: bank, name: api}],
  make: 'Ask for {{.KeyName}} of {{.User}}{{if .Until}} until {{.Until}}{{end}}, then {{.Supply}}', remove: 'Remove {{.KeyName}}', max_keys: 3,
  probe: {url: 'https://api.example/who?am=i', method: HEAD, header: X-Key, prefix: 'Bearer ', expect: [200, 204], refuse: [400], timeout: 5s, ca_file: /etc/ca.pem}`, ""},
		{"no keys", "keys: []", `providers[0].keys: is an empty list; at least one entry is needed`},
		{"a key twice", "keys: [{user: a, name: b}, {user: a, name: b}]", `providers[0].keys[1]: is the key "b" of "a", as providers[0].keys[0] is (keep one of them)`},
		{"two owners", "keys: [{user: a, name: b, owner: x}, {user: a, name: c, owner: y}]",
			`providers[0].keys[1].owner: is not "x", as another key of "a" says (give all keys of a user the same owner)`},
		{"a key that ends before it begins", "keys: [{user: a, name: b, created: 2026-02-01, expires: 2026-01-01}]",
			`providers[0].keys[0].expires: 2026-01-01 is not after 2026-02-01, when the key was made (write a later date or time)`},
		{"a field that no text has", keys + ", make: '{{.Key}}'", `providers[0].make: there is no field .Key (write one of: .KeyName, .Supply, .Until, .User)`},
		{"a loop in a text", keys + ", remove: '{{range .User}}{{end}}'", `providers[0].remove: holds more than text, fields, functions and if (write fields as in {{.KeyName}})`},
		{"a text that does not close", keys + ", remove: '{{.User'", `providers[0].remove: is not a template: unclosed action (write fields as in {{.KeyName}})`},
		{"a probe over the open network", keys + ", probe: {url: 'http://api.example/?x=y'}", `providers[0].probe.url: would send secrets over the network unencrypted (write https://)`},
		{"a write", probe + ", method: POST}", `providers[0].probe.method: is not a value that exists (write one of: GET, HEAD)`},
		{"a header with a blank", probe + ", header: a b}", `providers[0].probe.header: is not the name of a header (use a-z, A-Z, 0-9 and dash)`},
		{"a prefix of two lines", probe + `, prefix: "a\nb"}`, `providers[0].probe.prefix: holds characters that no header takes (write one such as "Bearer ")`},
		{"a status that is both", probe + ", refuse: [401, 200]}", `providers[0].probe.refuse[1]: 200 is expected of a good key too (keep it in one of the two)`},
		{"a status that is none", probe + ", expect: [99]}", `providers[0].probe.expect[0]: is 99; the smallest allowed is 200`},
		{"nothing to expect", probe + ", expect: []}", `providers[0].probe: could not tell a good key from a bad one (write at least one status in each of expect and refuse)`},
		{"a timeout of nothing", probe + ", timeout: 0s}", `providers[0].probe.timeout: is 0s (write one from 1s to 1h)`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var want []string
			if tc.want != "" {
				want = []string{tc.want}
			}
			if diff := cmp.Diff(want, without(errorsOf(t, withProvider("manual", tc.options)))); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestManualWarnsWithoutAProbe(t *testing.T) {
	got := without(lines(mustParse(t, withProvider("manual", "keys: [{user: bank, name: sftp}]")).Warnings))
	want := []string{"providers[0]: has no probe, so nobody can prove that a new key works: its keys are tracked, and none is taken (add probe)"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

// TestManualKeysWithoutAnEndNeedAnAge: a key that never ends and never ages would never be due.
func TestManualKeysWithoutAnEndNeedAnAge(t *testing.T) {
	for keys, want := range map[string]int{"keys: [{user: a, name: b, expires: 2026-12-31}]": 0, "keys: [{user: a, name: b}]": 1} {
		text := strings.Replace(withProvider("manual", keys), "max_age: 90d, ", "", 1)
		if got := errorsOf(t, text); len(got) != want {
			t.Errorf("%s has the problems %q, want %d", keys, got, want)
		}
	}
}
