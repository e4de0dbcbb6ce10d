package emulator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func (g d1Rig) order(t *testing.T, f ...Fault) {
	t.Helper()
	if err := g.Faults.Add(f...); err != nil {
		t.Fatal(err)
	}
}

func TestDigiCertOneEffectsBeforeAndAfter(t *testing.T) {
	for _, c := range []struct {
		name   string
		effect Effect
		made   int
		check  func(*testing.T, response, error)
	}{
		{"lost before", Effect{Kind: EffectLost}, 0, wantError(io.EOF)},
		{"lost after", Effect{Kind: EffectLost, AfterEffect: true}, 1, wantError(io.EOF)},
		{"reset before", Effect{Kind: EffectReset}, 0, wantError(syscall.ECONNRESET)},
		{"reset after", Effect{Kind: EffectReset, AfterEffect: true}, 1, wantError(syscall.ECONNRESET)},
		{"throttled", Effect{Kind: EffectStatus, Status: 429, RetryAfter: Duration(1500 * time.Millisecond)}, 0, wantStatus(429, "2", "rate_limit_exceeded")},
		{"maintenance", Effect{Kind: EffectStatus, Status: 503}, 0, wantStatus(503, "", "service_unavailable")},
		{"a bad key, they say", Effect{Kind: EffectStatus, Status: 401}, 0, wantStatus(401, "", "invalid_api_key")},
		{"denied, they say", Effect{Kind: EffectStatus, Status: 403}, 0, wantStatus(403, "", "access_denied")},
		{"not found, they say", Effect{Kind: EffectStatus, Status: 404}, 0, wantStatus(404, "", "resource_not_found")},
		{"invalid, they say", Effect{Kind: EffectStatus, Status: 400}, 0, wantStatus(400, "", "invalid_request")},
		{"failed after", Effect{Kind: EffectStatus, Status: 502, AfterEffect: true}, 1, wantStatus(502, "", "Bad Gateway")},
		{"status with a body", Effect{Kind: EffectStatus, Status: 500, Body: "oops"}, 0, wantStatus(500, "", "oops")},
		{"garbage", Effect{Kind: EffectGarbage}, 1, wantStatus(201, "", "<html>")},
		{"truncated", Effect{Kind: EffectTruncate, Bytes: 10}, 1, func(t *testing.T, r response, err error) {
			if err != nil || r.status != 201 || len(r.body) != 10 {
				t.Errorf("got %+v, %v", r, err)
			}
		}},
		{"cut", Effect{Kind: EffectCut, Bytes: 6}, 1, wantError(io.ErrUnexpectedEOF)},
		{"delayed before", Effect{Kind: EffectDelay, Delay: Duration(time.Millisecond)}, 1, wantStatus(201, "", `"token"`)},
		{"delayed after", Effect{Kind: EffectDelay, AfterEffect: true, Delay: Duration(time.Millisecond)}, 1, wantStatus(201, "", `"token"`)},
		{"slow", Effect{Kind: EffectSlow, Bytes: 100, Delay: Duration(time.Millisecond)}, 1, wantStatus(201, "", `"token"`)},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := d1Server(t, newD1(t, DigiCertOneOptions{}))
			user := g.addUser(t, DigiCertOneUser{FriendlyName: "ci"})
			g.order(t, Fault{Match: Match{Method: "post", Path: "/api-access-token", Caller: "manager"}, Count: 1, Effect: c.effect})
			mint := func(name string) (response, error) {
				r, err := g.try(t, g.ManagerSecret(), "POST", "/api-access-token", d1NewToken(user, "name", `"`+name+`"`))
				return r.response, err
			}
			r, err := mint("disturbed")
			c.check(t, r, err)
			if got := len(g.Tokens(user)); got != c.made {
				t.Errorf("%d tokens were made, want %d", got, c.made)
			}
			if r, err := mint("after"); err != nil || r.status != 201 {
				t.Errorf("the call after the fault: %d, %v", r.status, err)
			}
			if u := g.Usage(g.Tokens("")[0].ID); u.Disturbed != 1 {
				t.Errorf("%d calls were disturbed, want 1", u.Disturbed)
			}
		})
	}
}

func TestDigiCertOneFaultsOnOtherCalls(t *testing.T) {
	g := newD1(t, DigiCertOneOptions{})
	user, token, secret := g.add(t, "ci", "")
	lost := Effect{Kind: EffectLost, AfterEffect: true}
	g.order(t,
		Fault{Match: Match{Method: "PUT", Path: "/api-access-token/*"}, Count: 1, Effect: lost},
		Fault{Match: Match{Method: "PUT", Path: "/user/*/disable"}, Count: 1, Effect: lost},
		Fault{Match: Match{Method: "DELETE", Path: "/user/*"}, Count: 1, Effect: lost},
		Fault{Match: Match{Caller: "c?"}, Count: 1, Effect: Effect{Kind: EffectStatus, Status: 401}})
	lose := func(method, path, body string) {
		t.Helper()
		if r, err := g.try(t, g.ManagerSecret(), method, path, body); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s %s: %+v, %v", method, path, r, err)
		}
	}
	g.do(t, secret, "GET", "/user/me", "").want(t, 401, "invalid_api_key")
	g.works(t, secret, true)
	lose("PUT", "/api-access-token/"+token, `{"name":"ci","status":"DISABLED"}`)
	if k, _ := g.Token(token); !k.Disabled || !k.Stopped.Equal(d1Start) {
		t.Errorf("the token is %+v", k)
	}
	lose("PUT", "/user/"+user+"/disable", "")
	if u, _ := g.User(user); !u.Disabled || !u.Stopped.Equal(d1Start) {
		t.Errorf("the user is %+v", u)
	}
	lose("DELETE", "/user/"+user, "")
	if _, ok := g.User(user); ok {
		t.Error("the user is still there")
	}
}

func TestDigiCertOneListsThatLie(t *testing.T) {
	g := newD1(t, DigiCertOneOptions{})
	user, token, _ := g.add(t, "a", "")
	g.addToken(t, DigiCertOneToken{UserID: user, Name: "b"})
	g.addUser(t, DigiCertOneUser{FriendlyName: "c"})
	names := func(path, field string) string {
		t.Helper()
		list := []string{}
		for _, o := range g.want(t, 200, "", "GET", path, "").list(t) {
			list = append(list, fmt.Sprint(o[field]))
		}
		return strings.Join(list, ",")
	}
	for _, c := range []struct {
		name          string
		effect        Effect
		users, tokens string
	}{
		{"empty", Effect{Kind: EffectEmptyList}, "", ""},
		{"forget by name", Effect{Kind: EffectForget, Entry: "a"}, "c", "b"},
		{"forget by id", Effect{Kind: EffectForget, Entry: token}, "a,c", "b"},
		{"duplicate", Effect{Kind: EffectDuplicate, Entry: "[ac]"}, "a,a,c,c", "a,a,b"},
		{"a page again, of a list without pages", Effect{Kind: EffectRepeatPage}, "a,c", "a,b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g.Faults.Remove("")
			g.order(t, Fault{Effect: c.effect})
			if got := names("/user?user_type=service", "friendly_name"); got != c.users {
				t.Errorf("the users are %q, want %q", got, c.users)
			}
			if got := names("/api-access-token?user_id="+user, "name"); got != c.tokens {
				t.Errorf("the tokens are %q, want %q", got, c.tokens)
			}
		})
	}
}

func TestDigiCertOnePagesThatLie(t *testing.T) {
	g := newD1(t, DigiCertOneOptions{PageLimit: 2})
	for _, name := range []string{"a", "b", "c"} {
		g.addUser(t, DigiCertOneUser{FriendlyName: name})
	}
	for _, c := range []struct {
		kind         EffectKind
		query, want  string
		entryPattern string
	}{
		{EffectRepeatPage, "&offset=2", "2+2 of 3: a b", ""},
		{EffectRepeatPage, "", "0+2 of 3: a b", ""},
		{EffectEmptyList, "", "0+2 of 0:", ""},
		{EffectForget, "&offset=1", "1+2 of 2: c", "a"},
		{EffectDuplicate, "&offset=2", "2+2 of 4: b c", "a"},
	} {
		t.Run(string(c.kind)+c.query, func(t *testing.T) {
			g.Faults.Remove("")
			g.order(t, Fault{Effect: Effect{Kind: c.kind, Entry: c.entryPattern}})
			var p d1Paged
			g.want(t, 200, "", "GET", "/user?user_type=service"+c.query, "").into(t, &p)
			if p.String() != c.want {
				t.Errorf("the page is %s, want %s", p, c.want)
			}
		})
	}
}

func TestDigiCertOneAdmin(t *testing.T) {
	g := newD1(t, DigiCertOneOptions{})
	admin := func(status int, method, path, body string, into any) string {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, "http://one.example/_emulator"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := InMemory(g.AdminHandler()).RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != status {
			t.Fatalf("%s %s: %d %s, %v; want %d", method, path, resp.StatusCode, text, err, status)
		}
		if into != nil {
			if err := json.Unmarshal(text, into); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
		}
		return string(text)
	}
	var user, token struct{ ID, Token string }
	admin(200, "POST", "/users", "{friendly_name: ci, first_token: ci, end_date: 2028-03-31}", &user)
	g.works(t, user.Token, true)
	admin(200, "POST", "/tokens", "{user_id: "+user.ID+", name: deploy, created: 2026-01-01T00:00:00Z}", &token)
	g.works(t, token.Token, true)
	for path, body := range map[string]string{
		"/users":       "{friendly_name: ci}",
		"/tokens":      "{user_id: x, name: y}",
		"/maintenance": "{until: soon}",
		"/faults":      "faults: [{effect: {kind: explode}}]",
	} {
		if text := admin(400, "POST", path, body, nil); len(text) < 20 {
			t.Errorf("%s: the mistake is told as %q", path, text)
		}
	}
	if text := admin(400, "POST", "/users", "{login: ci}", nil); !strings.Contains(text, "login") {
		t.Errorf("an unknown field is told as %q", text)
	}
	var users []DigiCertOneUser
	admin(200, "GET", "/users", "", &users)
	var tokens []DigiCertOneToken
	text := admin(200, "GET", "/tokens?user_id="+user.ID, "", &tokens)
	if len(users) != 2 || users[1].ID != user.ID || len(tokens) != 2 || tokens[0].EndDate != "2028-03-31" || tokens[1].Created.Year() != 2026 {
		t.Errorf("the users are %+v, the tokens %+v", users, tokens)
	}
	if strings.Contains(text, token.Token) {
		t.Error("a secret is shown")
	}
	var usage map[string]Usage
	admin(200, "GET", "/usage", "", &usage)
	if usage[token.ID].OK != 1 || usage[""].OK != 0 {
		t.Errorf("the usage is %+v", usage)
	}
	admin(204, "POST", "/faults", "{seed: 7, faults: [{name: gone, match: {path: /user/me}, effect: {kind: status, status: 404}}]}", nil)
	g.want(t, 404, "resource_not_found", "GET", "/user/me", "")
	admin(200, "DELETE", "/faults?name=gone", "", nil)
	admin(204, "POST", "/maintenance", "{until: 2028-02-29T13:00:00Z}", nil)
	g.want(t, 503, "service_unavailable", "GET", "/user/me", "")
}

func TestDigiCertOneSeedingMistakes(t *testing.T) {
	g := newD1(t, DigiCertOneOptions{})
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"account":     {second(g.AddServiceUser(DigiCertOneUser{FriendlyName: "ci", Accounts: []string{"x"}})), `accounts ["x"]`},
		"role":        {second(g.AddServiceUser(DigiCertOneUser{FriendlyName: "ci", Roles: []string{"root"}})), `roles ["root"]`},
		"date":        {second(g.AddServiceUser(DigiCertOneUser{FriendlyName: "ci", EndDate: "2027-02-29"})), `"2027-02-29"`},
		"name":        {second(g.AddServiceUser(DigiCertOneUser{FriendlyName: "c/i"})), "friendly_name"},
		"first token": {second(g.AddServiceUser(DigiCertOneUser{FriendlyName: "ci", FirstToken: "manager"})), "first_token"},
		"token":       {second(g.AddToken(DigiCertOneToken{UserID: g.Users()[0].ID, Name: "x", EndDate: "never"})), `"never"`},
		"no user":     {g.RemoveUser("x"), `"x"`},
		"no token":    {g.RemoveToken("x"), `"x"`},
		"no switch":   {g.DisableToken("x", true), `"x"`},
		"no user on":  {g.DisableUser("x", false), `"x"`},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: %v, want something about %s", name, c.err, c.want)
		}
	}
	if _, ok := g.TokenOfSecret("nobody's"); ok || len(g.Users()) != 1 || len(g.Tokens("")) != 1 {
		t.Errorf("something was made: %v, %v", g.Users(), g.Tokens(""))
	}
	if k, ok := g.TokenOfSecret(g.ManagerSecret()); !ok || k.Name != "manager" {
		t.Errorf("the manager's token is %+v, %v", k, ok)
	}
}

func TestDigiCertOneManyCallersAtOnce(t *testing.T) {
	g := newD1(t, DigiCertOneOptions{NamesPerUser: true})
	const callers, rounds = 8, 20
	var all sync.WaitGroup
	ids := make(chan any, callers*rounds)
	for n := range callers {
		user, _, secret := g.add(t, fmt.Sprintf("ci-%d", n), "")
		call := func(secret, method, path, body string, status int) (o map[string]any) {
			r, err := g.try(t, secret, method, path, body)
			if err != nil || r.status != status {
				t.Errorf("%s %s: %d %s, %v; want %d", method, path, r.status, r.body, err, status)
			}
			_ = json.Unmarshal([]byte(r.body), &o) // lists and nothing at all are not looked into
			return o
		}
		all.Go(func() {
			for i := range rounds {
				id := call(secret, "POST", "/api-access-token", d1NewToken(user, "name", fmt.Sprintf(`"r-%d"`, i)), 201)["id"]
				ids <- id
				call(g.ManagerSecret(), "GET", "/user", "", 200)
				call(secret, "GET", "/api-access-token?user_id="+user, "", 200)
				call(secret, "DELETE", fmt.Sprint("/api-access-token/", id), "", 204)
			}
		})
	}
	all.Wait()
	close(ids)
	seen := map[any]bool{}
	for id := range ids {
		seen[id] = true
	}
	if left := g.Tokens(""); len(seen) != callers*rounds || len(left) != callers+1 {
		t.Errorf("%d ids of %d tokens, and %d tokens are left", len(seen), callers*rounds, len(left))
	}
}

func TestDigiCertOneAClientThatLeavesDuringADelayLeavesNothingDone(t *testing.T) {
	g := d1Server(t, newD1(t, DigiCertOneOptions{}))
	g.order(t, Fault{Effect: Effect{Kind: EffectDelay, Delay: Duration(time.Hour)}})
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		req, err := http.NewRequestWithContext(ctx, http.MethodDelete, g.host+g.BasePath()+"/user/"+g.Users()[0].ID, nil)
		if err == nil {
			req.Header.Set("x-api-key", g.ManagerSecret())
			var resp *http.Response
			if resp, err = g.via.RoundTrip(req); err == nil {
				err = resp.Body.Close()
			}
		}
		left <- err
	}()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for g.Faults.List()[0].Hit == 0 {
		<-tick.C
	}
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("the client got %v", err)
	}
	if names := g.Users(); !slices.ContainsFunc(names, func(u DigiCertOneUser) bool { return u.Person }) {
		t.Errorf("the users are %v", names)
	}
}
