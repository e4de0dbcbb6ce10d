package app

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/rotator"
)

// TestDigiCertOneIsBuiltAsConfigured configures what an instance may call otherwise, and has the provider do a rotation's work.
func TestDigiCertOneIsBuiltAsConfigured(t *testing.T) {
	one := emulator.NewDigiCertOne(emulator.DigiCertOneOptions{
		BasePath: "/am/api/v1", Fields: map[string]string{"user.end_date": "life.until", "user.api_token.token": "secret"},
		Words: map[string]string{"DISABLED": "OFF"}, PageLimit: 2,
	})
	server := httptest.NewServer(one)
	defer server.Close()
	old, _, err := one.AddServiceUser(emulator.DigiCertOneUser{FriendlyName: "ci"})
	if err != nil {
		t.Fatal(err)
	}
	keyFile := filepath.Join(t.TempDir(), "one.key")
	if err := os.WriteFile(keyFile, []byte(one.ManagerSecret()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Parse("r.yaml", fmt.Appendf(nil, `store: {seal: {key_file: /etc/seal.key}}
providers:
  - name: one
    type: digicert_one
    base_url: %s
    api_path: /am/api/v1
    mode: recreate
    api_key_file: %s
    page_size: 2
    max_name_length: 40
    propagation: 2s
    fields: {user_end_date: life.until, created_token: secret}
    statuses: {disabled: "OFF"}
sinks: [{name: disk, type: file, path: "/keys/{{.ServiceUser}}"}]
policies: [{name: all, renew_before: 30d, lifetime: 90d, grace: 7d, sinks: [disk]}]
`, server.URL, keyFile))
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string]int{}
	b := newBuilder("test", DefaultRetry, func(provider, operation, code string, _ time.Duration) { calls[provider+" "+operation+" "+code]++ })
	p, err := b.provider(c.Providers[0])
	if err != nil {
		t.Fatal(err)
	}
	if l := p.Limits(); l.MaxNameLength != 40 || l.Propagation != 2*time.Second || !l.Expiry {
		t.Errorf("the limits are %+v", l)
	}
	m, err := p.Mint(t.Context(), rotator.MintRequest{UserID: "ci", Name: "ci-r0001", Lifetime: 90 * 24 * time.Hour, Replaces: old})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Check(t.Context(), "ci", m.Secret); err != nil {
		t.Error(err)
	}
	disabler, ok := p.(rotator.Disabler)
	if !ok {
		t.Fatal("the provider cannot disable")
	}
	for range 2 {
		if err := disabler.Disable(t.Context(), rotator.Key{ID: old, UserID: "ci"}); err != nil {
			t.Error(err)
		}
	}
	if got := calls["one create_user 201"]; got != 1 {
		t.Errorf("%d creations were observed, want 1: %v", got, calls)
	}
	if calls["one disable_user 204"] != 1 {
		t.Errorf("the word for disabled was not known: %v", calls)
	}
}
