package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// digicertone gives the base's provider another type and these lines.
func digicertone(t *testing.T, options string) string {
	t.Helper()
	return edited(t, "    type: certcentral\n    api_key_file: /etc/cc.key\n", "    type: digicert_one\n"+options)
}

func TestDigiCertOneProblems(t *testing.T) {
	const key = "    api_key_file: /etc/one.key\n"
	const pair = "    client_cert_file: /etc/one.pem\n    client_key_file: /etc/one-key.pem\n"
	for _, tc := range []struct{ name, options, want string }{
		{"neither token nor certificate", "    mode: token\n",
			`r.yaml:3:5: providers[0].api_key: is missing, and so is a client certificate (write api_key_file with an absolute path, or client_cert_file and client_key_file)`},
		{"a certificate without its key", "    client_cert_file: /etc/one.pem\n",
			`r.yaml:3:5: providers[0].client_key_file: is missing beside client_cert_file (name the file of its private key)`},
		{"a key without its certificate", "    client_key_file: /etc/one.pem\n",
			`r.yaml:3:5: providers[0].client_cert_file: is missing beside client_key_file (name the file of the certificate)`},
		{"a relative certificate", "    client_cert_file: one.pem\n    client_key_file: /etc/one.pem\n",
			`r.yaml:5:23: providers[0].client_cert_file: is not the absolute path of a file (write a path that begins with /)`},
		{"a token and a certificate", key + pair,
			`r.yaml:3:5: providers[0].send_key_with_certificate: is false, and there are a token and a client certificate (set it to true, or leave out one of the two)`},
		{"a token to send along with nothing", key + "    send_key_with_certificate: true\n",
			`r.yaml:6:32: providers[0].send_key_with_certificate: needs a token and a client certificate (leave it out, or give both)`},
		{"another mode", key + "    mode: tokens\n",
			`r.yaml:6:11: providers[0].mode: is not a value that exists (did you mean "token"?)`},
		{"a field that does not exist", key + "    fields: {token_lastused: x}\n",
			`r.yaml:6:14: providers[0].fields: unknown field "token_lastused" (did you mean "token_last_used"?)`},
		{"a field that is needed", key + "    fields: {token_id: \"\"}\n",
			`r.yaml:6:24: providers[0].fields.token_id: is empty, and nothing works without that field (write the name that the instance uses)`},
		{"a field with a dot too many", key + "    fields: {token_value: .token}\n",
			`r.yaml:6:27: providers[0].fields.token_value: ".token" has a dot without a name beside it (write names with dots between them, as in api_token.token)`},
		{"one word for two states", key + "    statuses: {disabled: EXPIRED}\n",
			`r.yaml:6:15: providers[0].statuses.expired: is the word for disabled already (give each state a word of its own)`},
		{"no word", key + "    statuses: {disabled: \"\"}\n",
			`r.yaml:6:26: providers[0].statuses.disabled: is empty (write the word that the instance uses)`},
		{"a path without an id", key + "    paths: {delete_user: /user}\n",
			`r.yaml:6:26: providers[0].paths.delete_user: is not a path with {id} in it, once (write one such as /user/{id})`},
		{"the API's path in the address too", key + "    base_url: https://one.digicert.com/account/api/v1/\n",
			`r.yaml:6:15: providers[0].base_url: ends with /account/api/v1 (leave that out, it is api_path: write https://one.digicert.com)`},
		{"the API's path with a slash at its end", key + "    api_path: /account/api/v1/\n",
			`r.yaml:6:15: providers[0].api_path: is not a path below base_url (write one such as /account/api/v1)`},
		{"room for one key", key + "    max_keys_per_user: 1\n",
			`r.yaml:6:24: providers[0].max_keys_per_user: leaves no room for the new key beside the old one (write 2 or more, or 0 for no cap)`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Parse("r.yaml", []byte(digicertone(t, tc.options)))
			problems, ok := err.(Problems) //nolint:errorlint // Parse returns it bare
			if !ok {
				t.Fatalf("got %v", err)
			}
			if diff := cmp.Diff([]string{tc.want}, lines(problems)); diff != "" {
				t.Errorf("the problems differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDigiCertOneDefaultsAndOverrides(t *testing.T) {
	text := digicertone(t, "    api_key_file: /etc/one.key\n    fields: {token_end_date: expiry.date, token_created: \"\"}\n")
	o := mustParse(t, text).Providers[0].DigiCertOne
	if o.BaseURL != "https://one.digicert.com" || o.Mode != "token" || o.UpdateStyle != "full" || o.Statuses.Active != "ACTIVE" || o.Paths.DeleteUser != "/user/{id}" {
		t.Errorf("the defaults came as %+v", o)
	}
	if o.Fields.TokenEndDate != "expiry.date" || o.Fields.TokenCreated != "" || o.Fields.TokenID != "id" || o.Fields.TokenLastUsed != "" {
		t.Errorf("the fields came as %+v", o.Fields)
	}
	want := Traits{KeysExpire: true, SetsLifetime: true, Extends: true, MaxKeys: 2, CreatesUsers: true}
	if got := o.traits(); got != want {
		t.Errorf("the traits are %+v, want %+v", got, want)
	}
	if err := validate(t, compiled(t), text); err != nil {
		t.Errorf("the schema refuses it: %v", err)
	}
}
