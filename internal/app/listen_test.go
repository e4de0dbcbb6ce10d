package app

import (
	"net/http"
	"strings"
	"testing"
)

// TestOIDCClosesTheDoor: with an issuer configured nobody is let in for being on this machine, whether the issuer answers or not.
func TestOIDCClosesTheDoor(t *testing.T) {
	w := newWorld(t)
	w.configure(strings.Replace(usual, `listen: "127.0.0.1:0"`, `listen: "127.0.0.1:0", oidc: {issuer: https://127.0.0.1:1, audience: x, operators: ['*']}`, 1))
	r := w.run()
	for token, status := range map[string]int{"": http.StatusUnauthorized, "Bearer a.b.c": http.StatusServiceUnavailable} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.Addr()+"/api/v1/status", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != status {
			t.Errorf("with %q: status %d, want %d", token, resp.StatusCode, status)
		}
	}
}

func TestOIDCWithoutItsAuthority(t *testing.T) {
	w := newWorld(t)
	w.configure(strings.Replace(usual, `listen: "127.0.0.1:0"`, `listen: "127.0.0.1:0", oidc: {issuer: https://login.example, audience: x, operators: [a], ca_file: /no/such.pem}`, 1))
	if _, err := New(t.Context(), w.options()); err == nil || !strings.Contains(err.Error(), "server.oidc.ca_file") {
		t.Errorf("got %v", err)
	}
}
