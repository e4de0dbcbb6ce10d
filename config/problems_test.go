package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// vaultSink is a sink that stands in front of the base's.
func vaultSink(options string) []string {
	return []string{"sinks:\n", "sinks:\n  - {name: v, type: vault, " + options + "}\n", "[disk]", "[disk, v]"}
}

// fileTemplate gives the base's sink a template for the text of its files.
func fileTemplate(text string) []string {
	return []string{"type: file", "type: file\n    format: template\n    template: '" + text + "'"}
}

func TestProblems(t *testing.T) {
	const listen = "store: {seal"
	for _, tc := range []struct {
		name  string
		edits []string
		want  string
	}{
		{"unknown field at the top", []string{listen, "limit: {always_allowed: 1}\nstore: {seal"},
			`r.yaml:1:1: unknown field "limit" (did you mean "limits"?)`},
		{"two places for the journal", []string{"store: {seal", "store: {path: /var/lib/r.db, postgres: {dsn_file: /run/dsn}, seal"},
			`r.yaml:1:40: store.postgres: has the journal in two places (write either path, for one process, or postgres, for several replicas)`},
		{"a lease that is shorter than two calls", []string{"store: {seal", "store: {postgres: {dsn_file: /run/dsn, lease: 10s}, seal"},
			`r.yaml:1:47: store.postgres.lease: 10s is less than twice the longest timeout of a provider, 30s: a call could outlast the lease that it was begun under (write a longer one, or shorter timeouts)`},
		{"a database without a connection string", []string{"store: {seal", "store: {postgres: {}, seal"},
			`r.yaml:1:19: store.postgres.dsn: is missing (write dsn_file with an absolute path, or dsn_env with the name of a variable)`},
		{"field of another type", []string{"type: file", "type: file\n    mount: secret"},
			`r.yaml:9:5: sinks[0]: unknown field "mount" (write one of: name, type, path, root, mode, owner, group, dir_mode, format, template, field, keep_previous, adopt_existing)`},
		{"a key without a value", []string{"    grace: 7d", "    grace:"},
			`r.yaml:14:11: policies[0].grace: has no value (write a value, or leave the field out)`},
		{"a key twice", []string{"    grace: 7d", "    grace: 7d\n    grace: 8d"},
			`r.yaml:15:5: policies[0]: a field stands here twice (keep one of them)`},
		{"a tag", []string{"name: all", "name: !!binary YWxs"},
			`r.yaml:11:11: policies[0].name: YAML tags (a word with ! in front) are not understood here (leave the tag out)`},
		{"a list for a mapping", []string{"store: {seal: {key_file: /etc/seal.key}}", "store: [seal]"},
			`r.yaml:1:8: store: is a list; fields are expected here`},
		{"a value for a list", []string{"[disk]", "disk"},
			`r.yaml:15:12: policies[0].sinks: is a single value; a list is expected here (write it as a list: [a, b])`},
		{"a mapping for a value", []string{"name: all", "name: {a: b}"},
			`r.yaml:11:11: policies[0].name: is a mapping of fields; a single value is expected here`},
		{"a list for labels", []string{"name: all", "name: all\n    labels: [a]"},
			`r.yaml:12:13: policies[0].labels: is a list; names with values are expected here (write it as {name: value})`},
		{"an empty list", []string{"[disk]", "[]"},
			`r.yaml:15:12: policies[0].sinks: is empty, so a new key would go nowhere (name the sinks that must hold the new key, or write observe_only: true)`},
		{"a word for a switch", []string{listen, "metrics: {per_key: yes}\nstore: {seal"},
			`r.yaml:1:20: metrics.per_key: is neither true nor false (write true or false)`},
		{"a number too small", []string{listen, "limits: {concurrent_rotations: 0}\nstore: {seal"},
			`r.yaml:1:32: limits.concurrent_rotations: is 0; the smallest allowed is 1`},
		{"a number too large", []string{"type: certcentral", "type: certcentral\n    page_size: 5000"},
			`r.yaml:5:16: providers[0].page_size: is 5000; the largest allowed is 1000`},
		{"a value outside its list", []string{listen, "log: {level: inof}\nstore: {seal"},
			`r.yaml:1:14: log.level: is not a value that exists (did you mean "info"?)`},
		{"a percentage without its sign", []string{listen, "limits: {max_share_per_scan: 20}\nstore: {seal"},
			`r.yaml:1:30: limits.max_share_per_scan: "20" is not a percentage (write one with its sign, as in 20%)`},
		{"an unknown type", []string{"type: certcentral", "type: cercentral"},
			`r.yaml:4:11: providers[0].type: is not a type that exists (did you mean "certcentral"?)`},
		{"no type", []string{"    type: file\n", ""},
			`r.yaml:7:5: sinks[0].type: is missing (write one of: vault, file)`},

		{"no secret", []string{"    api_key_file: /etc/cc.key\n", ""},
			`r.yaml:3:5: providers[0].api_key: is missing (write api_key_file with an absolute path, or api_key_env with the name of a variable)`},
		{"a secret twice", []string{"    api_key_file: /etc/cc.key\n", "    api_key_file: /etc/cc.key\n    api_key_env: CC\n"},
			`r.yaml:6:5: providers[0].api_key: api_key_file and api_key_env are both set (keep one of them)`},
		{"a secret in the place of its file", []string{"/etc/cc.key", "N0tAFile"},
			`r.yaml:5:19: providers[0].api_key_file: is not the absolute path of a file (write a path that begins with /)`},
		{"a secret in the place of its variable", []string{"api_key_file: /etc/cc.key", "api_key_env: N0tAVariable"},
			`r.yaml:5:18: providers[0].api_key_env: is not the name of an environment variable (write a name such as CERTCENTRAL_API_KEY)`},
		{"an empty secret", []string{"api_key_file: /etc/cc.key", `api_key: ""`},
			`r.yaml:5:14: providers[0].api_key: is empty`},

		{"a name with a space", []string{"name: cc", "name: c c"},
			`r.yaml:3:11: providers[0].name: is not a name that can be used in metrics and paths (use a-z, 0-9, dash, underscore and dot, at most 63, and begin with a letter or a digit)`},
		{"a name twice", []string{"providers:\n", "providers:\n  - {name: cc, type: certcentral, api_key_env: CC}\n"},
			`r.yaml:4:11: providers[1].name: "cc" is the name of providers[0] already (give each a name of its own)`},
		{"a label that metrics have", []string{"name: all", "name: all\n    labels: {policy: pki}"},
			`r.yaml:12:22: policies[0].labels.policy: "policy" is a label that metrics and alerts have already (choose another name, such as team)`},
		{"a label no metric can have", []string{"name: all", "name: all\n    labels: {on-call: pki}"},
			`r.yaml:12:23: policies[0].labels.on-call: "on-call" is not a name that a metric's label can have (use a-z, A-Z, 0-9 and underscore, and do not begin with a digit)`},

		{"listen without a port", []string{listen, "server: {listen: localhost}\nstore: {seal"},
			`r.yaml:1:18: server.listen: is not an address to listen on (write host:port, as in 127.0.0.1:9650)`},
		{"listen with a bad port", []string{listen, "server: {listen: 'localhost:http'}\nstore: {seal"},
			`r.yaml:1:18: server.listen: has no valid port (write a number from 1 to 65535 behind the colon)`},
		{"users that cannot sign in", []string{listen, "server: {allow: {act: [ann]}}\nstore: {seal"},
			`r.yaml:1:17: server.allow: names users, and nobody can sign in without a web_config_file (set server.web_config_file, or leave server.allow out)`},

		{"a zone in front of the schedule", []string{listen, "scan: {schedule: 'TZ=UTC'}\nstore: {seal"},
			`r.yaml:1:18: scan.schedule: schedule "TZ=UTC" names a time zone (write the zone in the timezone field instead)`},
		{"a schedule that never fires", []string{listen, "scan: {schedule: '0 0 30 2 *'}\nstore: {seal"},
			`r.yaml:1:18: scan.schedule: schedule "0 0 30 2 *" never fires: its day does not exist in any of the next five years`},
		{"an interval that is too short", []string{listen, "scan: {schedule: '@every 0s'}\nstore: {seal"},
			`r.yaml:1:18: scan.schedule: schedule "@every 0s": the interval must be at least 1s`},
		{"an unknown zone", []string{listen, "scan: {timezone: Europe/Zurch}\nstore: {seal"},
			`r.yaml:1:18: scan.timezone: time zone "Europe/Zurch" is not known (write an IANA name such as Europe/Zurich or UTC)`},

		{"http over the network", []string{"type: certcentral", "type: certcentral\n    base_url: http://proxy.example/v2"},
			`r.yaml:5:15: providers[0].base_url: would send secrets over the network unencrypted (write https://)`},
		{"a cloud's metadata service", []string{"type: certcentral", "type: certcentral\n    base_url: https://169.254.169.254/v2"},
			`r.yaml:5:15: providers[0].base_url: is an address that nothing is sent to: link-local, a cloud's metadata service, or no single server (write the address of the system itself)`},
		{"a password in the address", []string{"type: certcentral", "type: certcentral\n    base_url: https://u:pw@host"},
			`r.yaml:5:15: providers[0].base_url: holds a user name or a password (take them out of the address)`},
		{"no address", []string{"type: certcentral", "type: certcentral\n    base_url: www.example.com"},
			`r.yaml:5:15: providers[0].base_url: is not the address of a server (write it as https://host, with a port or a path where it needs one)`},
		{"an address with a query", []string{"type: certcentral", "type: certcentral\n    base_url: https://host/v2?x=y"},
			`r.yaml:5:15: providers[0].base_url: has a query or a fragment (end it behind the path)`},
		{"a timeout of nothing", []string{"type: certcentral", "type: certcentral\n    timeout: 0s"},
			`r.yaml:5:14: providers[0].timeout: is 0s (write one from 1s to 1h)`},
		{"a relative path", []string{"type: certcentral", "type: certcentral\n    service_users_path: user"},
			`r.yaml:5:25: providers[0].service_users_path: is not a path below base_url (write one such as /user/api-only)`},
		{"a rate per nothing", []string{"type: certcentral", "type: certcentral\n    rates: [{requests: 1, per: 0s}]"},
			`r.yaml:5:32: providers[0].rates[0].per: is zero (write a span of time such as 3m)`},
		{"no room for an overlap", []string{"type: certcentral", "type: certcentral\n    max_keys_per_user: 1"},
			`r.yaml:5:24: providers[0].max_keys_per_user: leaves no room for the new key beside the old one (write 2 or more, or 0 for no cap)`},
		{"a relative CA file", []string{"type: certcentral", "type: certcentral\n    ca_file: ca.pem"},
			`r.yaml:5:14: providers[0].ca_file: is not the absolute path of a file (write a path that begins with /)`},

		{"no way to log in", vaultSink("address: 'https://v', path: x"),
			`r.yaml:7:5: sinks[0].auth: has 0 ways to log in (write exactly one of token_file, approle and kubernetes)`},
		{"two ways to log in", vaultSink("address: 'https://v', path: x, auth: {token_file: /t, kubernetes: {role: r}}"),
			`r.yaml:7:65: sinks[0].auth: has 2 ways to log in (write exactly one of token_file, approle and kubernetes)`},
		{"half a client certificate", vaultSink("address: 'https://v', path: x, auth: {token_file: /t}, cert_file: /c"),
			`r.yaml:7:5: sinks[0]: cert_file and key_file belong together (set both or neither)`},
		{"a version of the engine", vaultSink("address: 'https://v', path: x, auth: {token_file: /t}, kv_version: 3"),
			`r.yaml:7:95: sinks[0].kv_version: is not a value that exists (did you mean "1"?)`},
		{"an empty mount", vaultSink("address: 'https://v', path: x, auth: {token_file: /t}, mount: /"),
			`r.yaml:7:90: sinks[0].mount: is empty`},

		{"a field that no path has", []string{"{{.ServiceUser}}", "{{.ServiceUsr}}"},
			`r.yaml:9:11: sinks[0].path: there is no field .ServiceUsr (there are .Provider, .UserID, .ServiceUser, .Credential)`},
		{"a template that does not close", []string{"{{.ServiceUser}}", "{{.ServiceUser}"},
			`r.yaml:9:11: sinks[0].path: is not a template: bad character U+007D '}' (write fields as in {{.Provider}}/{{.ServiceUser}})`},
		{"a loop in a path", []string{"{{.ServiceUser}}", "{{range .Provider}}{{end}}"},
			`r.yaml:9:11: sinks[0].path: {{range .Provider}}{{end}} is not understood here: only text, fields, functions and if are (write fields as in {{.Provider}}/{{.ServiceUser}})`},
		{"a path that is not absolute", []string{"/keys/", "keys/"},
			`r.yaml:9:11: sinks[0].path: is not the absolute path of a file (write a path that begins with /)`},
		{"a path without a folder", []string{"/keys/", "/"},
			`r.yaml:9:11: sinks[0].path: would let the name of a service user choose any folder of the machine (begin it with a folder, or set root)`},
		{"a path outside its root", []string{"type: file", "type: file\n    root: /srv"},
			`r.yaml:10:11: sinks[0].path: leads out of root (begin it with /srv)`},
		{"a root of everything", []string{"type: file", "type: file\n    root: /"},
			`r.yaml:9:11: sinks[0].root: is not the absolute path of a folder below / (write a folder such as /var/lib/keys)`},
		{"a mode that is not octal", []string{"type: file", "type: file\n    mode: rw-r-----"},
			`r.yaml:9:11: sinks[0].mode: "rw-r-----" is not a file mode (write it in octal and in quotes, as in "0640")`},
		{"a mode the daemon cannot read", []string{"type: file", "type: file\n    mode: '0040'"},
			`r.yaml:9:11: sinks[0].mode: 0040 would keep the daemon from reading back what it delivered (write "0600" or "0640")`},
		{"a folder the daemon cannot enter", []string{"type: file", "type: file\n    dir_mode: '0600'"},
			`r.yaml:9:15: sinks[0].dir_mode: 0600 would keep the daemon out of the folder (write "0750" or "0700")`},
		{"a template that is missing", []string{"type: file", "type: file\n    format: template"},
			`r.yaml:7:5: sinks[0].template: is missing, and format is template (write the text of the file, with {{.Secret}} where the secret goes)`},
		{"a template that is not used", []string{"type: file", "type: file\n    template: x"},
			`r.yaml:7:5: sinks[0].format: is raw, so template is not used (write "template", or leave template out)`},

		{"a field that no file has", fileTemplate("{{.Secrt}}"),
			`r.yaml:10:15: sinks[0].template: there is no field .Secrt (did you mean ".Secret"?)`},
		{"a field in a branch that is not taken", fileTemplate("{{if false}}{{.Foo}}{{end}}"),
			`r.yaml:10:15: sinks[0].template: there is no field .Foo (write one of: .Credential, .Expires, .Fingerprint, .KeyID, .KeyName, .Provider, .Rotation, .Secret, .ServiceUser, .UserID, .Version)`},
		{"a loop in a file", fileTemplate("{{range .Secret}}{{end}}"),
			`r.yaml:10:15: sinks[0].template: holds more than text, fields, functions and if (write fields as in {{.Secret}})`},
		{"a variable in a file", fileTemplate("{{$x := .Secret}}"),
			`r.yaml:10:15: sinks[0].template: declares a variable (write fields as in {{.Secret}})`},
		{"a file's template that does not close", fileTemplate("{{.Secret"),
			`r.yaml:10:15: sinks[0].template: is not a template: unclosed action (write fields as in {{.Secret}})`},
		{"a function that does not fit", fileTemplate("{{slice .Secret 99}}"),
			`r.yaml:10:15: sinks[0].template: cannot be rendered: <slice .Secret 99>: error calling slice: index out of range: 99 (write fields as in {{.Secret}})`},

		{"a template that calls", fileTemplate("{{.Secret}}{{call .Secret}}"),
			`r.yaml:10:15: sinks[0].template: uses the function call, which is not permitted (write fields as in {{.Secret}})`},
		{"a template that asks a time for more", fileTemplate("{{.Secret}}{{.Expires.Zone}}"),
			`r.yaml:10:15: sinks[0].template: there is nothing behind the field in .Expires.Zone (write fields as in {{.Secret}})`},
		{"a template that grows", fileTemplate("{{.Secret}}{{print .KeyID | .Expires.Format}}"),
			`r.yaml:10:15: sinks[0].template: calls a method with more than text (write fields as in {{.Secret}})`},
		{"a template that changes the secret", fileTemplate("{{.Secret | upper}}"),
			`r.yaml:10:15: sinks[0].template: does not hold the secret unchanged, so it could not be read back (write {{.Secret}} without a function)`},
		{"a field that is no variable", []string{"type: file", "type: file\n    field: api-key"},
			`r.yaml:9:12: sinks[0].field: is not a name that a variable can have (use a-z, A-Z, 0-9 and underscore, and do not begin with a digit)`},

		{"a provider that nobody defined", []string{"name: all", "name: all\n    match: {providers: [ccc]}"},
			`r.yaml:12:25: policies[0].match.providers[0]: there is no provider "ccc" (did you mean "cc"?)`},
		{"a pattern that does not close", []string{"name: all", "name: all\n    match: {keys: ['a[']}"},
			`r.yaml:12:20: policies[0].match.keys[0]: "a[" is not a pattern (write * for any text, ? for one character, [a-z] for a range, and \ before any of them that is meant as such)`},
		{"keys that never expire", []string{"    max_age: 90d\n", ""},
			`r.yaml:11:5: policies[0].max_age: is missing, and keys of provider "cc" have no expiry: without it they would never be due (write one, as in max_age: 90d)`},
		{"grace that does not fit", []string{"grace: 7d", "grace: 28d\n    soak: 3d"},
			`r.yaml:14:12: policies[0].grace: grace 28d and soak 3d do not fit into renew_before 30d (renew_before must be at least 31d for that)`},
		{"idle that does not fit, by default", []string{"renew_before: 30d", "renew_before: 12h", "grace: 7d", "grace: 1h"},
			`r.yaml:11:5: policies[0].idle: idle 1d (the default) and soak 0s do not fit into renew_before 12h (renew_before must be at least 1d for that)`},
		{"a key that is due at once", []string{"max_age: 90d", "max_age: 33d"},
			`r.yaml:13:14: policies[0].max_age: max_age 33d is not longer than renew_before with its jitter (33d), so a new key would be due at once (make it longer than 33d)`},
		{"no time to renew", []string{"renew_before: 30d", "renew_before: 0"},
			`r.yaml:12:19: policies[0].renew_before: is zero, so a rotation would start when the key is already dead (write a span of time such as 30d)`},
		{"a max_age of nothing", []string{"max_age: 90d", "max_age: 0d"},
			`r.yaml:13:14: policies[0].max_age: is zero (write a span of time such as 90d, or leave it out)`},
		{"a sink twice", []string{"[disk]", "[disk, disk]"},
			`r.yaml:15:19: policies[0].sinks[1]: sink "disk" is in the list twice (keep one of them)`},
		{"a window that never opens", []string{"name: all", "name: all\n    window: {cron: '0 9 * * *', for: 0s}"},
			`r.yaml:12:38: policies[0].window.for: is zero, so the window would never be open (write a span of time such as 6h)`},
		{"a window that cannot be read", []string{"name: all", "name: all\n    window: {cron: 'CRON_TZ=UTC 0 9 * * *', for: 1h}"},
			`r.yaml:12:20: policies[0].window.cron: schedule "CRON_TZ=UTC 0 9 * * *" names a time zone (write the zone in the timezone field instead)`},

		{"a freeze that ends before it begins", []string{listen, "freezes: [{from: 2026-12-20, to: 2026-12-19, reason: x}]\nstore: {seal"},
			`r.yaml:1:34: freezes[0].to: 2026-12-19 is not after 2026-12-20, when the freeze begins (write a later date or time)`},
		{"a date that is none", []string{listen, "freezes: [{from: 20.12.2026, to: 2026-12-19, reason: x}]\nstore: {seal"},
			`r.yaml:1:18: freezes[0].from: "20.12.2026" is neither a date nor a time (write a date such as 2026-12-20, or a time such as 2026-12-20T18:00:00+01:00)`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Parse("r.yaml", []byte(edited(t, tc.edits...)))
			if err == nil {
				t.Fatal("accepted")
			}
			if diff := cmp.Diff(tc.want, err.Error()); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	const first = "store: {seal"
	for _, tc := range []struct {
		name  string
		edits []string
		want  string
	}{
		{"a secret in the file", []string{"api_key_file: /etc/cc.key", "api_key: S3cr3t"},
			`r.yaml:5:14: providers[0].api_key: the secret itself stands in the configuration file, where whoever reads the file sees it (write api_key_file or api_key_env instead)`},
		{"on the network without authentication", []string{first, "server: {listen: ':9650'}\nstore: {seal"},
			`r.yaml:1:18: server.listen: listens on the network without authentication: everybody can read, and acting is refused (set server.web_config_file, or listen on 127.0.0.1)`},
		{"a sink that nobody uses", []string{"sinks:\n", "sinks:\n  - {name: spare, type: file, path: '/spare/{{.UserID}}'}\n"},
			`r.yaml:7:5: sinks[0]: no policy delivers to sink "spare" (name it in the sinks of a policy, or remove it)`},
		{"a provider that no policy covers", []string{"providers:\n", "providers:\n  - {name: eu, type: certcentral, api_key_env: EU}\n",
			"name: all", "name: all\n    match: {providers: [cc]}"},
			`r.yaml:3:5: providers[0]: no policy covers provider "eu" (its keys will be listed as unmanaged)`},
		{"a pattern that no provider fits", []string{"name: all", "name: all\n    match: {providers: [cc, 'd*']}"},
			`r.yaml:12:29: policies[0].match.providers[1]: no provider has a name like "d*"`},
		{"a lifetime that cannot be set", []string{"grace: 7d", "grace: 7d\n    lifetime: 90d"},
			`r.yaml:15:15: policies[0].lifetime: provider "cc" cannot give keys a lifetime (max_age alone decides there)`},
		{"a policy that never applies", []string{"policies:\n", "policies:\n  - {name: wide, renew_before: 30d, max_age: 90d, grace: 7d, sinks: [disk]}\n"},
			`r.yaml:12:5: policies[1]: never applies, since policies[0] ("wide") matches all that it matches (the first policy that matches applies: put the narrower one first)`},
		{"a file that everybody can read", []string{"type: file", "type: file\n    mode: '0644'"},
			`r.yaml:9:11: sinks[0].mode: 0644 lets every user of this machine reach the secret (write "0640" and set group, or "0600")`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := mustParse(t, edited(t, tc.edits...))
			if diff := cmp.Diff([]string{tc.want}, lines(cfg.Warnings)); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFilesThatAreNoConfiguration(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"empty", " \n", `r.yaml:1:1: the file is empty (the documentation has an example to start from)`},
		{"a list", "- a\n", `r.yaml:1:1: the file holds no fields (the documentation has an example to start from)`},
		{"only a comment", "# nothing\n", `r.yaml:1:1: is not valid YAML: no documents in stream (check the indentation, and put values with special characters in quotes)`},
		{"broken", "a: [\n", `r.yaml:2:1: is not valid YAML: did not find expected node content, while parsing a flow node (check the indentation, and put values with special characters in quotes)`},
		{"two documents", "a: b\n---\nc: d\n", `r.yaml:1:1: is not valid YAML: expected single document, found multiple (check the indentation, and put values with special characters in quotes)`},
		{"a secret that looks like an alias", "a: *S3cr3t\n", `r.yaml:1:4: is not valid YAML: unknown anchor referenced (check the indentation, and put values with special characters in quotes)`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff([]string{tc.want}, errorsOf(t, tc.text)); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAliasesCannotBlowUpAFile(t *testing.T) {
	text := "policies:\n  - {match: {keys: &k [" + strings.Repeat("a, ", 5000) + "a]}}\n" +
		strings.Repeat("  - {match: {keys: *k}}\n", 500)
	got := errorsOf(t, text)
	want := []string{`r.yaml:1:1: the file expands to too many values (use fewer aliases)`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}
