package dataspot_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/providers/dataspot"
	"github.com/rotatord/rotatord/rotator"
)

const (
	password     = "the-password-in-front"
	clientSecret = "the/client+secret=in%front"
)

var fronts = emulator.DataspotFront{BasicUser: "proxy", BasicPassword: password, ClientID: "rotatord", ClientSecret: clientSecret, Scope: "api://ds/.default"}

func (s *server) oauth(change func(*dataspot.OAuth2)) func(*dataspot.Options) {
	return func(o *dataspot.Options) {
		o.Front.OAuth2 = &dataspot.OAuth2{
			TokenURL: s.url + s.TokenPath(), ClientID: "rotatord", ClientSecret: fixed(clientSecret), Scope: "api://ds/.default",
		}
		if change != nil {
			change(o.Front.OAuth2)
		}
	}
}

func basic(secret string) func(*dataspot.Options) {
	return func(o *dataspot.Options) {
		o.Front.Basic = &dataspot.Basic{User: "proxy", Password: fixed(secret)}
	}
}

// users scans and counts.
type users struct{ n int }

func (u *users) User(rotator.ServiceUser) error { u.n++; return nil }
func (u *users) Key(rotator.Key) error          { return nil }

func TestFronts(t *testing.T) {
	s := newServer(t, emulator.DataspotOptions{Front: fronts})
	for _, tc := range []struct {
		name   string
		change func(*dataspot.Options)
		kind   rotator.Kind // empty where calls pass
		word   string
	}{
		{name: "basic", change: basic(password)},
		{name: "OAuth2, the client in the header", change: s.oauth(nil)},
		{name: "OAuth2, the client in the form", change: s.oauth(func(a *dataspot.OAuth2) { a.InForm = true })},
		{"no front where there is one", nil, rotator.Denied, "in front"},
		{"basic with another password", basic("wrong-password"), rotator.Denied, "in front"},
		{"OAuth2 with another secret", s.oauth(func(a *dataspot.OAuth2) { a.ClientSecret = fixed("wrong-secret") }), rotator.Denied, "client_secret"},
		{"OAuth2 with another scope", s.oauth(func(a *dataspot.OAuth2) { a.Scope = "other" }), rotator.Denied, "scope"},
		{"OAuth2 at another address", s.oauth(func(a *dataspot.OAuth2) { a.TokenURL = s.url + "/nothing" }), rotator.Denied, s.url + "/nothing"},
		{"a password that cannot be read", func(o *dataspot.Options) {
			o.Front.Basic = &dataspot.Basic{User: "proxy", Password: func() (rotator.Secret, error) { return rotator.Secret{}, errors.New("no such file") }}
		}, rotator.Transient, "no such file"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := s.provider(t, tc.change)
			seen := &users{}
			err := p.Scan(t.Context(), rotator.Scope{}, seen)
			if tc.kind == "" {
				if err != nil || seen.n != 1 {
					t.Errorf("the scan saw %d users: %v", seen.n, err)
				}
				return
			}
			wantFault(t, err, tc.kind, tc.word)
			for _, secret := range []string{password, clientSecret, "wrong-password", "wrong-secret", s.ManagerSecret("ACME")} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error holds a secret: %v", err)
				}
			}
		})
	}
}

// TestTokensAreKeptAndRenewed counts tokens on a clock of its own.
func TestTokensAreKeptAndRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		front := fronts
		front.TokenLifetime = 10 * time.Minute
		s := emulator.NewDataspot(emulator.DataspotOptions{Front: front})
		p, err := dataspot.New(dataspot.Options{
			BaseURL: "http://localhost", Database: "prod", Tenant: "ACME", Key: fixed(s.ManagerSecret("ACME")), Transport: emulator.InMemory(s),
			Front: dataspot.Front{OAuth2: &dataspot.OAuth2{
				TokenURL: "http://localhost" + s.TokenPath(), ClientID: "rotatord", ClientSecret: fixed(clientSecret), Scope: "api://ds/.default",
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
		scan := func(what string, tokens int) {
			t.Helper()
			if err := p.Scan(t.Context(), rotator.Scope{}, &users{}); err != nil {
				t.Errorf("%s: %v", what, err)
			}
			if got := s.TokensIssued(); got != tokens {
				t.Errorf("%s: %d tokens were issued, want %d", what, got, tokens)
			}
		}
		scan("the first call", 1)
		time.Sleep(8 * time.Minute)
		scan("a token with time left", 1)
		time.Sleep(time.Minute + time.Second)
		scan("a token that ends shortly", 2)
		s.RevokeTokens()
		scan("a token that was revoked", 3)
	})
}

// TestAFrontGivesNoKeyUp: what stands before the server refuses a call, and that says nothing about the key.
func TestAFrontGivesNoKeyUp(t *testing.T) {
	s := newServer(t, emulator.DataspotOptions{Front: fronts})
	user := s.addUser(t, "ci")
	_, good := s.addKey(t, user, "ci")
	bad := rotator.SecretString(strings.Repeat("Zz", 32))
	t.Run("the password is wrong", func(t *testing.T) {
		wantFault(t, s.provider(t, basic("wrong-password")).Check(t.Context(), user, good), rotator.Transient, "so is the daemon's own")
	})
	t.Run("the client is refused", func(t *testing.T) {
		p := s.provider(t, s.oauth(func(a *dataspot.OAuth2) { a.ClientSecret = fixed("wrong-secret") }))
		wantFault(t, p.Check(t.Context(), user, good), rotator.Transient, "no token")
	})
	t.Run("the token was revoked", func(t *testing.T) {
		p := s.provider(t, s.oauth(nil))
		for range 2 {
			if err := p.Check(t.Context(), user, good); err != nil {
				t.Errorf("Check: %v", err)
			}
			s.RevokeTokens()
		}
	})
	t.Run("the key is dead", func(t *testing.T) {
		wantFault(t, s.provider(t, basic(password)).Check(t.Context(), user, bad), rotator.Denied)
		wantFault(t, s.provider(t, s.oauth(nil)).Check(t.Context(), user, bad), rotator.Denied)
	})
}

// TestTokenEndpointsThatFail: the fault names the endpoint, and no part of a token.
func TestTokenEndpointsThatFail(t *testing.T) {
	s := newServer(t, emulator.DataspotOptions{})
	for _, tc := range []struct {
		name   string
		status int
		body   string
		kind   rotator.Kind
	}{
		{"it is down", 503, "down", rotator.Transient},
		{"it asks for patience", 429, "", rotator.Throttled},
		{"it answers a page", 200, "<html>hidden-token</html>", rotator.Transient},
		{"it answers no token", 200, `{"token_type":"Bearer"}`, rotator.Transient},
		{"it answers another kind", 200, `{"access_token":"hidden-token","token_type":"mac"}`, rotator.Invalid},
		{"it says what is wrong", 400, `{"error":"unauthorized_client","error_description":"not enabled"}`, rotator.Denied},
	} {
		t.Run(tc.name, func(t *testing.T) {
			endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "60") // a longer one than a read sits out
				w.WriteHeader(tc.status)
				_, _ = w.Write([]byte(tc.body))
			}))
			defer endpoint.Close()
			p := s.provider(t, s.oauth(func(a *dataspot.OAuth2) { a.TokenURL = endpoint.URL + "/token" }))
			err := p.Scan(t.Context(), rotator.Scope{}, &users{})
			wantFault(t, err, tc.kind, endpoint.URL+"/token")
			if strings.Contains(err.Error(), "hidden-token") {
				t.Errorf("the error holds the token: %v", err)
			}
		})
	}
	if n := s.requests(func(string) bool { return true }); n != 0 {
		t.Errorf("%d requests went on without a token", n)
	}
}
