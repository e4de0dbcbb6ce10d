package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOIDCProblems(t *testing.T) {
	const least = "issuer: https://login.example/realms/a, audience: rotatord"
	for _, tc := range []struct{ name, server, want string }{
		{"the least", "oidc: {" + least + ", viewers: [staff]}", ""},
		{"everything", "oidc: {" + least + ", groups_claim: realm_access.roles, viewers: ['*'], operators: [oncall], ca_file: /etc/ca.pem}", ""},
		{"nobody", "oidc: {" + least + "}", "server.oidc: lets nobody in (list groups in viewers or operators)"},
		{"no audience", "oidc: {issuer: https://login.example, viewers: [staff]}", "server.oidc.audience: is missing"},
		{"in the clear", "oidc: {issuer: http://login.example, audience: x, viewers: [staff]}",
			"server.oidc.issuer: would send secrets over the network unencrypted (write https://)"},
		{"no address", "oidc: {issuer: login.example, audience: x, viewers: [staff]}",
			"server.oidc.issuer: is not the address of a server (write it as https://host, with a port or a path where it needs one)"},
		{"a file beside nothing", "oidc: {" + least + ", viewers: [staff], ca_file: ca.pem}",
			"server.oidc.ca_file: is not the absolute path of a file (write a path that begins with /)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var want []string
			if tc.want != "" {
				want = []string{tc.want}
			}
			if diff := cmp.Diff(want, without(errorsOf(t, edited(t, "store: {seal", "server: {"+tc.server+"}\nstore: {seal")))); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOIDCWarnings(t *testing.T) {
	const issuer = "issuer: https://login.example, audience: rotatord"
	for _, tc := range []struct{ name, server, want string }{
		{"everybody acts", "oidc: {" + issuer + ", operators: ['*']}",
			"server.oidc.operators: lets everybody act whom the issuer gives a token (name the groups)"},
		{"tokens in the clear", "listen: ':9650', oidc: {" + issuer + ", operators: [oncall]}",
			"server.listen: listens on the network without TLS: whoever listens in can take a token and act with it " +
				"(set server.web_config_file with a certificate, or listen on 127.0.0.1 behind a proxy that ends TLS)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := without(lines(mustParse(t, edited(t, "store: {seal", "server: {"+tc.server+"}\nstore: {seal")).Warnings))
			if diff := cmp.Diff([]string{tc.want}, got); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}
