package web_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/web"
	"github.com/rotatord/rotatord/web/bearer"
	"github.com/rotatord/rotatord/web/bearer/issuertest"
)

func withIssuer(i *issuertest.Issuer) change {
	return func(o *web.Options, s *site) {
		fleet(o, s)
		o.Bearer = bearer.New(bearer.Settings{Issuer: i.URL, Audience: "rotatord", GroupsClaim: "groups", Viewers: []string{"readers"},
			Operators: []string{"ops"}, Transport: i.Client().Transport})
	}
}

func TestTokensLetInByGroup(t *testing.T) {
	i := issuertest.New(t)
	s := serveNetwork(t, withIssuer(i))
	token := func(group string) string {
		return "Bearer " + i.Token(t, "first", i.Claims(time.Now(), map[string]any{"groups": []string{group}, "email": "ada@example.com", "email_verified": true}))
	}
	hold := `{"provider":"cc","user":"u1","credential":"ci","until":"2199-01-02T00:00:00Z","reason":"x","actor":"somebody else"}`
	for _, c := range []struct {
		name, token string
		read, act   int
		why         string
	}{
		{"nobody", "", 401, 401, "sign in at the issuer"},
		{"a bad token", "Bearer x", 401, 401, "malformed"},
		{"no group", token("sales"), 403, 403, "in no group"},
		{"a viewer", token("readers"), 200, 403, ""},
		{"an operator", token("ops"), 200, 200, ""},
		{"an operator, in other letters", strings.Replace(token("ops"), "Bearer", "bEARER", 1), 200, 200, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.ask(http.MethodGet, "/api/v1/status", "", "Authorization", c.token).want(t, c.read, c.why)
			r := s.ask(http.MethodPost, "/api/v1/holds", hold, "Authorization", c.token)
			r.want(t, c.act, c.why)
			if challenge := r.header.Get("WWW-Authenticate"); (r.status == 401) != strings.HasPrefix(challenge, "Bearer ") {
				t.Errorf("status %d with the challenge %q", r.status, challenge)
			}
		})
	}
	for _, did := range s.operator.did() {
		if !strings.Contains(did, "oidc:ada@example.com (s-1)") {
			t.Errorf("%q is not by the token's subject", did)
		}
	}
	s.get("/-/healthy").want(t, 200)
	s.ask(http.MethodGet, "/-/healthy", "", "Authorization", "Bearer x").want(t, 200)
}

func TestIssuerDownClosesTheDoor(t *testing.T) {
	i := issuertest.New(t)
	s := serve(t, withIssuer(i))
	token := "Bearer " + i.Token(t, "first", i.Claims(time.Now(), map[string]any{"groups": []string{"ops"}}))
	i.SetDown(true)
	s.ask(http.MethodGet, "/api/v1/status", "", "Authorization", token).problem(t, 503, "issuer", "server.oidc")
	s.ask(http.MethodPost, "/api/v1/scan", "", "Authorization", token).problem(t, 503, "issuer")
	s.get("/api/v1/status").problem(t, 401, "Authorization: Bearer")
	if did := s.operator.did(); len(did) > 0 {
		t.Errorf("did %v", did)
	}
}
