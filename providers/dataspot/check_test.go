package dataspot_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/providers/dataspot"
	"github.com/rotatord/rotatord/rotator"
)

func TestCheck(t *testing.T) {
	s := newServer(t, emulator.DataspotOptions{Tenants: []string{"ACME", "OTHER"}})
	user := s.addUser(t, "ci")
	_, good := s.addKey(t, user, "ci")
	_, value, err := s.AddKey(emulator.DataspotKey{UserID: user, Name: "old", Expires: time.Now().Add(-time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	p := s.provider(t, nil)
	for _, tc := range []struct {
		name   string
		secret string
		lie    emulator.Effect
		kind   rotator.Kind // empty for a key that works
		word   string
	}{
		{name: "a good key", secret: string(good.Reveal())},
		{name: "an expired key", secret: value, kind: rotator.Denied, word: "expired"},
		{name: "a key of another tenant", secret: s.ManagerSecret("OTHER"), kind: rotator.Denied, word: "another tenant"},
		{name: "a key that nobody has", secret: strings.Repeat("Zz", 32), kind: rotator.Denied},
		{name: "a key that lost its end", secret: "abcde", kind: rotator.Invalid, word: "cannot be a key"},
		{name: "a key of other characters", secret: "no+base/64", kind: rotator.Invalid, word: "cannot be a key"},
		{name: "a server that fails", secret: string(good.Reveal()), lie: emulator.Effect{Kind: emulator.EffectStatus, Status: 500}, kind: rotator.Transient},
		{name: "a server that fails in other words", secret: string(good.Reveal()), lie: emulator.Effect{Kind: emulator.EffectStatus, Status: 503,
			Body: "Last unit does not have enough valid bits"}, kind: rotator.Transient},
		{name: "a page that says welcome", secret: string(good.Reveal()), lie: garbage("<html>welcome</html>"), kind: rotator.Transient},
		{name: "another tenant's answer", secret: string(good.Reveal()), lie: garbage(`{"tenantName":"OTHER"}`), kind: rotator.Transient, word: "OTHER"},
		{name: "a path that is not there", secret: string(good.Reveal()), lie: emulator.Effect{Kind: emulator.EffectStatus, Status: 404}, kind: rotator.Transient},
		{name: "a redirect", secret: string(good.Reveal()), lie: emulator.Effect{Kind: emulator.EffectStatus, Status: 302}, kind: rotator.Transient},
		{name: "a user that may not look", secret: string(good.Reveal()), lie: emulator.Effect{Kind: emulator.EffectStatus, Status: 403}, kind: rotator.Denied, word: "permit"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.lie.Kind != "" {
				s.order(t, emulator.Fault{Name: "lie", Match: emulator.Match{Path: "/rest/*/tenants/*"}, Effect: tc.lie})
				defer s.Faults.Remove("lie")
			}
			err := p.Check(t.Context(), user, rotator.SecretString(tc.secret))
			if tc.kind == "" {
				if err != nil {
					t.Errorf("Check: %v", err)
				}
				return
			}
			wantFault(t, err, tc.kind, tc.word)
			if strings.Contains(err.Error(), tc.secret) {
				t.Errorf("the error holds the secret: %v", err)
			}
		})
	}
}

// TestSettingsOfRequests looks at what is sent.
func TestSettingsOfRequests(t *testing.T) {
	var got *http.Request
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		_, _ = w.Write([]byte(`{}`))
	}))
	defer web.Close()
	for _, tc := range []struct {
		name   string
		change func(*dataspot.Options)
		path   string
		header http.Header
	}{
		{"the defaults", nil, "/ctx/rest/prod/tenants/A%20B", http.Header{"Dataspot-Access-Key": {"own-key"}, "Dataspot-Tenant": {"A B"}, "User-Agent": {"rotatord"}}},
		{"another header", func(o *dataspot.Options) { o.AccessKeyHeader = "X-Key" }, "/ctx/rest/prod/tenants/A%20B", http.Header{"X-Key": {"own-key"}, "Dataspot-Access-Key": nil}},
		{"no tenant", func(o *dataspot.Options) { o.TenantHeader = "" }, "/ctx/rest/prod/tenants/A%20B", http.Header{"Dataspot-Tenant": nil}},
		{"another path", func(o *dataspot.Options) { o.ProbePath = "/rest/prod/tenants/" }, "/ctx/rest/prod/tenants/", nil},
		{"basic in front", basic(password), "/ctx/rest/prod/tenants/A%20B", http.Header{"Authorization": {"Basic cHJveHk6dGhlLXBhc3N3b3JkLWluLWZyb250"}}},
		{"a name for the client", func(o *dataspot.Options) { o.UserAgent = "x/1" }, "/ctx/rest/prod/tenants/A%20B", http.Header{"User-Agent": {"x/1"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := dataspot.Options{BaseURL: web.URL + "/ctx/", Database: "prod", Tenant: "A B", Key: fixed("own-key"), TenantHeader: "dataspot-tenant"}
			if tc.change != nil {
				tc.change(&o)
			}
			p, err := dataspot.New(o)
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Check(t.Context(), "0d5a0001-0000-4000-8000-000000000001", rotator.SecretString("own-key")); err != nil {
				t.Fatal(err)
			}
			if got.URL.EscapedPath() != tc.path {
				t.Errorf("the path is %s, want %s", got.URL.EscapedPath(), tc.path)
			}
			for name, values := range tc.header {
				if strings.Join(got.Header.Values(name), "|") != strings.Join(values, "|") {
					t.Errorf("%s is %q, want %q", name, got.Header.Values(name), values)
				}
			}
		})
	}
}

func TestPreflight(t *testing.T) {
	s := newServer(t, emulator.DataspotOptions{})
	if problems, err := s.provider(t, nil).Preflight(t.Context()); err != nil || len(problems) != 0 {
		t.Errorf("a good key: %q, %v", problems, err)
	}
	dead := s.provider(t, func(o *dataspot.Options) { o.Key = fixed(strings.Repeat("Zz", 32)) })
	if problems, err := dead.Preflight(t.Context()); err != nil || len(problems) != 1 || !strings.Contains(problems[0], "of no use") {
		t.Errorf("a dead key: %q, %v", problems, err)
	}
	s.order(t, emulator.Fault{Effect: emulator.Effect{Kind: emulator.EffectStatus, Status: 503}})
	if problems, err := s.provider(t, nil).Preflight(t.Context()); err == nil {
		t.Errorf("a server that is down: %q", problems)
	}
}

func TestNewRefusesWhatMakesNoSense(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*dataspot.Options)
		word   string
	}{
		{"no key", func(o *dataspot.Options) { o.Key = nil }, "access key"},
		{"no encryption", func(o *dataspot.Options) { o.BaseURL = "http://acme.dataspot.io" }, "unencrypted"},
		{"a database with a slash", func(o *dataspot.Options) { o.Database = "a/b" }, "database"},
		{"no tenant", func(o *dataspot.Options) { o.Tenant = "" }, "tenant"},
		{"a header with a blank", func(o *dataspot.Options) { o.AccessKeyHeader = "a b" }, "header"},
		{"one header for two things", func(o *dataspot.Options) { o.AccessKeyHeader = "authorization"; basic("x")(o) }, "share"},
		{"a probe elsewhere", func(o *dataspot.Options) { o.ProbePath = "tenants" }, "probe path"},
		{"two fronts", func(o *dataspot.Options) {
			basic("x")(o)
			o.Front.OAuth2 = &dataspot.OAuth2{TokenURL: "https://x", ClientID: "x", ClientSecret: fixed("x")}
		}, "not both"},
		{"half a front", func(o *dataspot.Options) { o.Front.Basic = &dataspot.Basic{User: "x"} }, "password"},
		{"a token over the open network", func(o *dataspot.Options) {
			o.Front.OAuth2 = &dataspot.OAuth2{TokenURL: "http://x.example", ClientID: "x", ClientSecret: fixed("x")}
		}, "unencrypted"},
		{"no throw-away user", func(o *dataspot.Options) { o.CreateKeys = dataspot.ByPatch }, "throw-away"},
		{"another way to write", func(o *dataspot.Options) { o.CreateKeys, o.ThrowawayUser = "post", "x" }, "patch or put"},
		{"keys from two places", func(o *dataspot.Options) { o.ListsKeys, o.Keys = true, []dataspot.DeclaredKey{{User: "a", Name: "b"}} }, "not both"},
		{"a key twice", func(o *dataspot.Options) {
			o.Keys = []dataspot.DeclaredKey{{User: "a", Name: "b"}, {User: "a", Name: "b"}}
		}, "twice"},
		{"a key of nobody", func(o *dataspot.Options) { o.Keys = []dataspot.DeclaredKey{{Name: "b"}} }, "its user"},
		{"no time of day", func(o *dataspot.Options) { o.ExpiryTime = "midnight" }, "23:59:59Z"},
		{"no characters", func(o *dataspot.Options) { o.NameCharacters = "z-a" }, "a-zA-Z0-9_-"},
		{"negative bounds", func(o *dataspot.Options) { o.MaxNameLength = -1 }, "negative"},
		{"negative times", func(o *dataspot.Options) { o.Timeout = -1 }, "negative"},
		{"a rate of nothing", func(o *dataspot.Options) { o.Rates = []dataspot.Rate{{}} }, "rate"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := dataspot.Options{BaseURL: "https://acme.dataspot.io", Database: "prod", Tenant: "ACME", Key: fixed("x")}
			tc.change(&o)
			if _, err := dataspot.New(o); err == nil || !strings.Contains(err.Error(), tc.word) {
				t.Errorf("got %v, want %q", err, tc.word)
			}
		})
	}
}
