package emulator

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// ask asks for a token: the form, and optionally user and password in the header.
func (g spot) ask(t *testing.T, method string, form url.Values, basic ...string) response {
	t.Helper()
	headers := []string{"Content-Type", "application/x-www-form-urlencoded"}
	if len(basic) == 2 {
		headers = append(headers, "Authorization", basicAuth(basic[0], basic[1]))
	}
	r, err := g.tryAt(t, "", method, strings.TrimSuffix(g.url, g.BasePath())+g.TokenPath(), form.Encode(), headers...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (g spot) bearer(t *testing.T, form url.Values) (token string, lifetime int) {
	t.Helper()
	var got struct {
		AccessToken string `json:"access_token"`
		TokenType   string `json:"token_type"`
		ExpiresIn   int    `json:"expires_in"`
	}
	r := g.ask(t, "POST", form)
	r.into(t, &got)
	if r.status != 200 || got.TokenType != "Bearer" || r.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("the token: %d %s", r.status, r.body)
	}
	return got.AccessToken, got.ExpiresIn
}

func basicAuth(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func TestDataspotFrontBasic(t *testing.T) {
	g := newSpot(t, DataspotOptions{Front: DataspotFront{BasicUser: "proxy", BasicPassword: "pass"}})
	for authorization, want := range map[string]int{
		"":                          401,
		basicAuth("proxy", "pass"):  200,
		basicAuth("proxy", "wrong"): 401,
		basicAuth("other", "pass"):  401,
		"Basic proxy:pass":          401,
		"Bearer proxy:pass":         401,
	} {
		r := g.manager(t, "GET", "/users", "", "Authorization", authorization)
		if r.status != want || (want == 401) != strings.HasPrefix(r.header.Get("WWW-Authenticate"), "Basic ") {
			t.Errorf("%q: %d, challenge %q, want %d", authorization, r.status, r.header.Get("WWW-Authenticate"), want)
		}
	}
	// Behind the front the key still counts, and a refusal of the key is no challenge.
	if r := g.do(t, strings.Repeat("A", 64), "GET", "/users", "", "Authorization", basicAuth("proxy", "pass")); r.status != 401 || r.header.Get("WWW-Authenticate") != "" {
		t.Errorf("a bad key behind the front: %d %v", r.status, r.header)
	}
	if r := g.ask(t, "POST", url.Values{"grant_type": {"client_credentials"}}); r.status != 400 || !strings.Contains(r.body, "unauthorized_client") {
		t.Errorf("a token where none are issued: %d %s", r.status, r.body)
	}
}

func TestDataspotFrontTokens(t *testing.T) {
	c := &clock{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	g := newSpot(t, DataspotOptions{Now: c.now, ContextPath: "/spot", Front: DataspotFront{
		ClientID: "client", ClientSecret: "s:cret&", Scope: "api://spot/.default", TokenLifetime: time.Minute,
	}})
	good := func() url.Values {
		return url.Values{
			"grant_type": {"client_credentials"}, "client_id": {"client"}, "client_secret": {"s:cret&"}, "scope": {"openid api://spot/.default"},
		}
	}
	change := func(name, value string) url.Values {
		form := good()
		form.Set(name, value)
		return form
	}
	for _, x := range []struct {
		name, method string
		form         url.Values
		basic        []string
		status       int
		code         string
	}{
		{"GET", "GET", nil, nil, 400, "invalid_request"},
		{"the wrong secret", "POST", change("client_secret", "x"), nil, 401, "invalid_client"},
		{"an unknown client", "POST", change("client_id", "x"), nil, 401, "invalid_client"},
		{"no client", "POST", url.Values{"grant_type": {"client_credentials"}}, nil, 401, "invalid_client"},
		{"the wrong secret in the header", "POST", good(), []string{"client", "x"}, 401, "invalid_client"},
		{"another grant", "POST", change("grant_type", "password"), nil, 400, "unsupported_grant_type"},
		{"another scope", "POST", change("scope", "api://spot"), nil, 400, "invalid_scope"},
		{"no scope", "POST", change("scope", ""), nil, 400, "invalid_scope"},
		{"good in the form", "POST", good(), nil, 200, "access_token"},
		{"good in the header, escaped", "POST", good(), []string{"client", url.QueryEscape("s:cret&")}, 200, "access_token"},
	} {
		if r := g.ask(t, x.method, x.form, x.basic...); r.status != x.status || !strings.Contains(r.body, x.code) {
			t.Errorf("%s: %d %s, want %d %s", x.name, r.status, r.body, x.status, x.code)
		}
	}
	if got := g.TokensIssued(); got != 2 {
		t.Errorf("%d tokens were issued, want 2", got)
	}
	token, lifetime := g.bearer(t, good())
	if lifetime != 60 {
		t.Errorf("the token lives %d seconds, want 60", lifetime)
	}
	let := func(authorization string, want int) {
		t.Helper()
		r := g.manager(t, "GET", "/users", "", "Authorization", authorization)
		if r.status != want || (want == 401) != strings.Contains(r.header.Get("WWW-Authenticate"), `error="invalid_token"`) {
			t.Errorf("%q: %d, challenge %q, want %d", authorization, r.status, r.header.Get("WWW-Authenticate"), want)
		}
	}
	let("Bearer "+token, 200)
	let("bearer "+token, 200)
	let("Bearer x", 401)
	let("Basic "+token, 401)
	let("", 401)
	c.at = c.at.Add(time.Minute - time.Nanosecond)
	let("Bearer "+token, 200)
	c.at = c.at.Add(time.Nanosecond)
	let("Bearer "+token, 401)
	token, _ = g.bearer(t, good())
	let("Bearer "+token, 200)
	g.RevokeTokens()
	let("Bearer "+token, 401)
	token, _ = g.bearer(t, good())
	let("Bearer "+token, 200)
}

func TestDataspotFrontOfTwoKinds(t *testing.T) {
	g := newSpot(t, DataspotOptions{Front: DataspotFront{BasicUser: "proxy", BasicPassword: "pass", ClientID: "client", ClientSecret: "secret"}})
	token, lifetime := g.bearer(t, url.Values{"grant_type": {"client_credentials"}, "client_id": {"client"}, "client_secret": {"secret"}})
	if lifetime != 3600 {
		t.Errorf("a token lives %d seconds, want an hour by default", lifetime)
	}
	for _, authorization := range []string{"Bearer " + token, basicAuth("proxy", "pass")} {
		if r := g.manager(t, "GET", "/users", "", "Authorization", authorization); r.status != 200 {
			t.Errorf("%s: %d", authorization, r.status)
		}
	}
	if r := g.manager(t, "GET", "/users", ""); r.status != 401 || len(r.header.Values("WWW-Authenticate")) != 2 {
		t.Errorf("without either: %d %v", r.status, r.header)
	}
}

// The token endpoint misbehaves to order as everything else does.
func TestDataspotFaultsOfTheFront(t *testing.T) {
	g := newSpot(t, DataspotOptions{ContextPath: "/spot", Front: DataspotFront{ClientID: "client", ClientSecret: "secret"}})
	if err := g.Faults.Add(Fault{Match: Match{Path: "/oauth2/token"}, Count: 1, Effect: Effect{Kind: EffectStatus, Status: 503}}); err != nil {
		t.Fatal(err)
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"client"}, "client_secret": {"secret"}}
	if r := g.ask(t, "POST", form); r.status != http.StatusServiceUnavailable {
		t.Errorf("the fault did not strike: %d %s", r.status, r.body)
	}
	if token, _ := g.bearer(t, form); token == "" || g.TokensIssued() != 1 {
		t.Errorf("%d tokens were issued, want the one after the fault", g.TokensIssued())
	}
}
