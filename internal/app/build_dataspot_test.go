package app

import (
	"context"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/providers/dataspot"
	"github.com/rotatord/rotatord/providers/manual"
	"github.com/rotatord/rotatord/rotator"
)

// builtFrom makes the first provider of a configuration, whose options may name the files and addresses given.
func builtFrom(t *testing.T, kind, options string) rotator.Provider {
	t.Helper()
	c, err := config.Parse("r.yaml", []byte(`store: {seal: {key_env: SEAL}}
providers: [{name: p, type: `+kind+`, `+options+`}]
sinks: [{name: disk, type: file, path: "/keys/{{.ServiceUser}}"}]
policies: [{name: all, renew_before: 30d, max_age: 90d, lifetime: 90d, grace: 7d, sinks: [disk]}]
`))
	if err != nil {
		t.Fatal(err)
	}
	b := newBuilder("test", DefaultRetry, func(string, string, string, time.Duration) {})
	p, err := b.provider(c.Providers[0])
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// seen is what a scan shows.
type seen struct{ keys []rotator.Key }

func (*seen) User(rotator.ServiceUser) error { return nil }

func (s *seen) Key(k rotator.Key) error {
	s.keys = append(s.keys, k)
	return nil
}

func scanKeys(t *testing.T, p rotator.Provider) []rotator.Key {
	t.Helper()
	var s seen
	if err := p.Scan(t.Context(), rotator.Scope{}, &s); err != nil {
		t.Fatal(err)
	}
	return s.keys
}

// TestDataspotIsWired drives a provider that was made from a configuration against an emulated server behind a front.
func TestDataspotIsWired(t *testing.T) {
	s := emulator.NewDataspot(emulator.DataspotOptions{
		ContextPath: "/ctx", UserType: "Benutzer", ValueFromClient: true, Front: emulator.DataspotFront{ClientID: "id", ClientSecret: "the-client-secret", Scope: "s"},
	})
	web := httptest.NewServer(s)
	defer web.Close()
	file := t.TempDir() + "/key"
	if err := os.WriteFile(file, []byte(s.ManagerSecret("ACME")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DATASPOT_FRONT", "the-client-secret")
	user, err := s.AddServiceUser("ACME", "ci")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.AddServiceUser("ACME", "spare"); err != nil {
		t.Fatal(err)
	}
	for _, way := range []string{"header", "form"} {
		p := builtFrom(t, "dataspot", `base_url: `+web.URL+`/ctx, database: prod, tenant: ACME, access_key_file: `+file+`, type_name: Benutzer,
  auth: {oauth2: {token_url: `+web.URL+s.TokenPath()+`, client_id: id, client_secret_env: DATASPOT_FRONT, scope: s, client_auth: `+way+`}},
  create_keys: put, throwaway_user: spare, client_values: true, expiry_time: exact, propagation: 0s, rates: [{requests: 1000, per: 1s}],
  keys: [{user: ci, name: old, created: 2026-01-01, expires: 2126-01-01}]`)
		if _, ok := p.(*dataspot.Provider); !ok {
			t.Fatalf("a %T was made", p)
		}
		keys := scanKeys(t, p)
		if len(keys) != 1 || keys[0].UserID != user || keys[0].Created.Year() != 2026 || !keys[0].Expires.Equal(time.Date(2126, 1, 1, 23, 59, 59, 0, time.UTC)) {
			t.Errorf("the scan shows %+v", keys)
		}
		made, err := p.Mint(t.Context(), rotator.MintRequest{UserID: user, Name: "new-" + way, Lifetime: time.Hour})
		if err != nil {
			t.Fatalf("Mint: %v", err)
		}
		if left := time.Until(made.Expires); left > time.Hour || left < 50*time.Minute {
			t.Errorf("the new key lives for %v", left)
		}
		if err := p.Check(t.Context(), user, made.Secret); err != nil {
			t.Errorf("Check: %v", err)
		}
	}
	declared := scanKeys(t, builtFrom(t, "dataspot", `base_url: `+web.URL+`/ctx, database: prod, tenant: ACME, access_key_file: `+file+`, type_name: Benutzer, expiry_time: "18:00:00+01:00",
  auth: {oauth2: {token_url: `+web.URL+s.TokenPath()+`, client_id: id, client_secret_env: DATASPOT_FRONT, scope: s}}, propagation: 0s, rates: [{requests: 1000, per: 1s}],
  keys: [{user: ci, name: by-date, expires: 2126-01-01}, {user: ci, name: by-time, expires: 2126-01-01T09:00:00Z}]`))
	if len(declared) != 2 || !declared[0].Expires.Equal(time.Date(2126, 1, 1, 17, 0, 0, 0, time.UTC)) || !declared[1].Expires.Equal(time.Date(2126, 1, 1, 9, 0, 0, 0, time.UTC)) {
		t.Errorf("declared by a date and by a time are %+v; the date means its expiry_time", declared)
	}
	if guide, ok := builtFrom(t, "dataspot", `base_url: `+web.URL+`/ctx, database: prod, tenant: ACME, access_key_file: `+file).(rotator.Guide); !ok ||
		!strings.Contains(guide.HowToMake("id", "", "k", time.Time{}), "rotatord supply p/id/k") {
		t.Error("the guide does not know the provider's name")
	}
}

func TestManualIsWired(t *testing.T) {
	s := emulator.NewDataspot(emulator.DataspotOptions{})
	web := httptest.NewServer(s)
	defer web.Close()
	p := builtFrom(t, "manual", `keys: [{user: bank, name: sftp, created: 2026-01-01, expires: 2126-01-01, owner: ann}], make: 'ask {{.User}}',
  probe: {url: '`+web.URL+`/rest/prod/tenants/ACME', header: dataspot-access-key}`)
	if _, ok := p.(*manual.Provider); !ok {
		t.Fatalf("a %T was made", p)
	}
	if keys := scanKeys(t, p); len(keys) != 1 || keys[0].Name != "sftp" || keys[0].Created.Year() != 2026 ||
		!keys[0].Expires.Equal(time.Date(2126, 1, 1, 23, 59, 59, 0, time.UTC)) {
		t.Errorf("the scan shows %+v", keys)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := p.Check(ctx, "bank", rotator.SecretString(s.ManagerSecret("ACME"))); err != nil {
		t.Errorf("Check: %v", err)
	}
	if guide, ok := p.(rotator.Guide); !ok || guide.HowToMake("bank", "", "k", time.Time{}) != "ask bank" {
		t.Error("the instructions are not those of the configuration")
	}
}
