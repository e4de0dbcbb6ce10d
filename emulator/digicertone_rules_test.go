package emulator

import (
	"fmt"
	"strings"
	"testing"
)

func TestDigiCertOneNames(t *testing.T) {
	for _, c := range []struct {
		name, given string
		ok          bool
	}{
		{"all of the alphabet", "Az 09-_", true},
		{"as long as may be", strings.Repeat("x", 128), true},
		{"too long", strings.Repeat("x", 129), false},
		{"empty", "", false},
		{"only a space", " ", false},
		{"space at the end", "ci ", false},
		{"a dot", "ci.r2", false},
		{"an at sign", "ci@example.com", false},
		{"a slash", "ci/r2", false},
		{"a letter beyond ASCII", "größe", false},
		{"a line break", "ci\\nr2", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newD1(t, DigiCertOneOptions{})
			user, token, _ := g.add(t, "seeded", "")
			name := `"` + c.given + `"`
			post, put, code := 201, 200, ""
			if !c.ok {
				post, put, code = 400, 400, "invalid_request"
			}
			g.want(t, put, code, "PUT", "/user/"+user, d1NewUser("friendly_name", name, "end_date", ""))
			g.want(t, put, code, "PUT", "/api-access-token/"+token, d1Body([]string{"name", name, "status", `"ACTIVE"`}, nil))
			if c.ok { // rules of names, not of duplicates
				g.want(t, 204, "", "DELETE", "/api-access-token/"+token, "")
			}
			g.want(t, post, code, "POST", "/api-access-token", d1NewToken(user, "name", name))
			if c.ok {
				g.want(t, 204, "", "DELETE", "/user/"+user, "")
			}
			g.want(t, post, code, "POST", "/user", d1NewUser("friendly_name", name))
			if _, _, err := g.AddServiceUser(DigiCertOneUser{FriendlyName: strings.ReplaceAll(c.given, `\n`, "\n")}); err == nil {
				t.Error("the name was seeded: it is taken, or it is none")
			}
		})
	}
}

func TestDigiCertOneNamesAreUnique(t *testing.T) {
	for _, c := range []struct {
		name    string
		options DigiCertOneOptions
		status  int
	}{
		{"by default", DigiCertOneOptions{}, 409},
		{"with another status", DigiCertOneOptions{DuplicateStatus: 400}, 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newD1(t, c.options)
			user, token, _ := g.add(t, "ci", "")
			other, otherToken, _ := g.add(t, "other", "2028-02-28") // an expired one keeps its name
			taken := func(method, path, body string) {
				t.Helper()
				g.want(t, c.status, "duplicate_error", method, path, body)
			}
			taken("POST", "/api-access-token", d1NewToken(user, "name", `"CI"`))
			taken("POST", "/api-access-token", d1NewToken(other, "name", `"ci"`))
			taken("POST", "/api-access-token", d1NewToken(user, "name", `"other"`))
			taken("PUT", "/api-access-token/"+token, `{"name":"other","status":"ACTIVE"}`)
			taken("POST", "/user", d1NewUser("friendly_name", `"ci"`))
			taken("PUT", "/user/"+user, d1NewUser("friendly_name", `"other"`, "end_date", ""))
			g.addToken(t, DigiCertOneToken{UserID: user, Name: "first"})
			taken("POST", "/user", d1NewUser("friendly_name", `"first"`)) // its first token would have that name
			for name, err := range map[string]error{"user": second(g.AddServiceUser(DigiCertOneUser{FriendlyName: "Ci"})),
				"token": second(g.AddToken(DigiCertOneToken{UserID: user, Name: "Ci"}))} {
				if err == nil || !strings.Contains(err.Error(), `"Ci" is taken`) {
					t.Errorf("a %s was seeded twice: %v", name, err)
				}
			}

			// Names become free by renaming and deleting, and one's own is not in one's way.
			g.want(t, 200, "", "PUT", "/api-access-token/"+token, `{"name":"CI","status":"ACTIVE"}`)
			g.want(t, 200, "", "PUT", "/api-access-token/"+token, `{"name":"moved","status":"ACTIVE"}`)
			g.want(t, 201, "", "POST", "/api-access-token", d1NewToken(user, "name", `"ci"`))
			g.want(t, 204, "", "DELETE", "/api-access-token/"+otherToken, "")
			g.want(t, 201, "", "POST", "/api-access-token", d1NewToken(user, "name", `"other"`))
			g.want(t, 204, "", "DELETE", "/user/"+user, "")
			g.want(t, 201, "", "POST", "/user", d1NewUser("friendly_name", `"ci"`))
		})
	}
}

func second(_, _ string, err error) error { return err }

func TestDigiCertOneNamesPerUser(t *testing.T) {
	g := newD1(t, DigiCertOneOptions{NamesPerUser: true})
	user, _, _ := g.add(t, "ci", "")
	other, _, _ := g.add(t, "other", "")
	g.want(t, 201, "", "POST", "/api-access-token", d1NewToken(other, "name", `"ci"`))
	g.want(t, 409, "duplicate_error", "POST", "/api-access-token", d1NewToken(other, "name", `"ci"`))
	g.want(t, 409, "duplicate_error", "POST", "/api-access-token", d1NewToken(user, "name", `"ci"`))
}

func TestDigiCertOneMaximumOfTokens(t *testing.T) {
	g := newD1(t, DigiCertOneOptions{MaxTokens: 2})
	user, token, _ := g.add(t, "ci", "")
	other, _, _ := g.add(t, "other", "")
	g.want(t, 200, "", "PUT", "/api-access-token/"+token, `{"name":"ci","status":"DISABLED"}`)
	g.want(t, 201, "", "POST", "/api-access-token", d1NewToken(user, "name", `"two"`))
	g.want(t, 400, "invalid_request", "POST", "/api-access-token", d1NewToken(user, "name", `"three"`))
	g.want(t, 201, "", "POST", "/api-access-token", d1NewToken(other, "name", `"three"`))
	g.want(t, 204, "", "DELETE", "/api-access-token/"+token, "")
	g.want(t, 201, "", "POST", "/api-access-token", d1NewToken(user, "name", `"four"`))
}

func TestDigiCertOneRefusesWhatMakesNoSense(t *testing.T) {
	g := newD1(t, DigiCertOneOptions{})
	user, token, _ := g.add(t, "ci", "")
	foreign := `["` + g.AddAccount("Elsewhere") + `"]`
	roles, applications := d1Roles, d1Applications
	list := func(ids ...string) string { return `["` + strings.Join(ids, `","`) + `"]` }
	for _, c := range []struct {
		name, method, path, body string
		status                   int
	}{
		{"a token of nobody", "POST", "/api-access-token", d1NewToken(""), 400},
		{"a token of an unknown user", "POST", "/api-access-token", d1NewToken("x"), 404},
		{"a token without a name", "POST", "/api-access-token", d1NewToken(user, "name", ""), 400},
		{"a token whose name is a number", "POST", "/api-access-token", d1NewToken(user, "name", "1"), 400},
		{"no JSON", "POST", "/api-access-token", "{", 400},
		{"no object", "POST", "/api-access-token", "[]", 400},
		{"null", "POST", "/api-access-token", "null", 400},
		{"a token edit without a status", "PUT", "/api-access-token/" + token, `{"name":"ci"}`, 400},
		{"a token edit without a name", "PUT", "/api-access-token/" + token, `{"status":"DISABLED"}`, 400},
		{"a token edit with an unknown status", "PUT", "/api-access-token/" + token, `{"name":"ci","status":"disabled"}`, 400},
		{"a token is made to be expired", "PUT", "/api-access-token/" + token, `{"name":"ci","status":"EXPIRED"}`, 400},
		{"a token is given to another user", "PUT", "/api-access-token/" + token, `{"name":"ci","status":"ACTIVE","user_id":"x"}`, 400},
		{"a token is given another id", "PUT", "/api-access-token/" + token, `{"name":"ci","status":"ACTIVE","id":"x"}`, 400},
		{"an edit of no token", "PUT", "/api-access-token/x", `{"name":"ci","status":"ACTIVE"}`, 404},
		{"tokens of an unknown user", "GET", "/api-access-token?user_id=x", "", 404},
		{"a user of no type", "POST", "/user", d1NewUser("user_type", ""), 400},
		{"a standard user", "POST", "/user", d1NewUser("user_type", `"standard"`), 400},
		{"a user without a name", "POST", "/user", d1NewUser("friendly_name", ""), 400},
		{"a user without an address", "POST", "/user", d1NewUser("email", ""), 400},
		{"a user with half an address", "POST", "/user", d1NewUser("email", `"ci@"`), 400},
		{"a user with a named address", "POST", "/user", d1NewUser("email", `"CI <ci@example.com>"`), 400},
		{"a description that is none", "POST", "/user", d1NewUser("description", `{}`), 400},
		{"a user without an account", "POST", "/user", d1NewUser("accounts", `[]`), 400},
		{"a user of an unknown account", "POST", "/user", d1NewUser("accounts", `["x"]`), 400},
		{"a user of an account that is out of reach", "POST", "/user", d1NewUser("accounts", foreign), 403},
		{"a user without a manager", "POST", "/user", d1NewUser("applications", ""), 400},
		{"a user with an unknown manager", "POST", "/user", d1NewUser("applications", `[7]`), 400},
		{"a user without a role", "POST", "/user", d1NewUser("roles", `[]`), 400},
		{"a user with an unknown role", "POST", "/user", d1NewUser("roles", `["AM_DEFAULT_USER"]`), 400},
		{"a manager without a role", "POST", "/user", d1NewUser("applications", list(applications[0].ID, applications[1].ID)), 400},
		{"a role without its manager", "POST", "/user", d1NewUser("roles", list(roles[0].ID, roles[4].ID)), 400},
		{"a status by way of an edit", "PUT", "/user/" + user, d1NewUser("end_date", "", "status", `"DISABLED"`), 400},
		{"a type by way of an edit", "PUT", "/user/" + user, d1NewUser("end_date", "", "user_type", `"standard"`), 400},
		{"an edit of no user", "PUT", "/user/x", d1NewUser(), 404},
		{"users of an unknown type", "GET", "/user?user_type=robot", "", 400},
		{"a user that is none", "GET", "/user/x", "", 404},
		{"a user whose id is written in another way", "GET", "/user/" + strings.ToUpper(user), "", 404},
		{"an account that is none", "GET", "/account/x", "", 404},
		{"roles of nothing", "GET", "/role", "", 400},
		{"a path that is none", "GET", "/users", "", 404},
		{"a method that is none", "PATCH", "/user/" + user, `{}`, 404},
	} {
		t.Run(c.name, func(t *testing.T) {
			code := map[int]string{400: "invalid_request", 403: "access_denied", 404: "resource_not_found"}[c.status]
			g.want(t, c.status, code, c.method, c.path, c.body)
		})
	}
	if len(g.Users()) != 2 || len(g.Tokens("")) != 2 {
		t.Errorf("something was made: %v, %v", g.Users(), g.Tokens(""))
	}
	if u, _ := g.User(user); u.Disabled || u.FriendlyName != "ci" {
		t.Errorf("the user became %+v", u)
	}
}

func TestDigiCertOneEditsAreOfTheFullObject(t *testing.T) {
	g := newD1(t, DigiCertOneOptions{})
	created := g.want(t, 201, "", "POST", "/user", d1NewUser()).object(t)
	path := fmt.Sprint("/user/", created["id"])
	shown := g.want(t, 200, "", "GET", path, "")
	g.want(t, 200, "", "PUT", path, shown.body) // what was read can be written back
	sameJSON(t, shown.object(t), g.want(t, 200, "", "GET", path, "").object(t))
	changed := g.want(t, 200, "", "PUT", path, d1NewUser("description", "", "end_date", "", "email", `"new@example.com"`,
		"applications", `["`+d1Applications[0].ID+`","`+d1Applications[1].ID+`"]`, "roles", `["`+d1Roles[3].ID+`","`+d1Roles[4].ID+`"]`)).object(t)
	want := shown.object(t)
	want["description"], want["end_date"], want["email"] = "", nil, "new@example.com"
	want["applications"] = []any{
		map[string]any{"id": d1Applications[0].ID, "name": "Account Manager", "permissions": []any{"VIEW_USERS", "MANAGE_USERS"}},
		map[string]any{"id": d1Applications[1].ID, "name": "Software Trust Manager", "permissions": []any{"SIGN"}},
	}
	want["roles"] = []any{map[string]any{"id": d1Roles[3].ID, "name": "AM_ACCOUNT_ADMIN"}, map[string]any{"id": d1Roles[4].ID, "name": "STM_SIGNER"}}
	sameJSON(t, want, changed)
}

func TestDigiCertOneDisablingAUserIsReversible(t *testing.T) {
	g := newD1(t, DigiCertOneOptions{})
	user, token, secret := g.add(t, "ci", "")
	for _, c := range []struct {
		call, status string
		works        bool
	}{{"disable", "DISABLED", false}, {"enable", "ACTIVE", true}, {"enable", "ACTIVE", true}, {"disable", "DISABLED", false}} {
		g.want(t, 204, "", "PUT", "/user/"+user+"/"+c.call, "")
		g.works(t, secret, c.works)
		if got := g.want(t, 200, "", "GET", "/user/"+user, "").object(t)["status"]; got != c.status {
			t.Errorf("the status is %v, want %s", got, c.status)
		}
		if got := g.want(t, 200, "", "GET", "/api-access-token/"+token, "").object(t)["status"]; got != "ACTIVE" {
			t.Errorf("the token's own status is %v", got)
		}
	}
	g.want(t, 204, "", "DELETE", "/user/"+user, "")
	for _, call := range []string{"GET /user/" + user, "DELETE /user/" + user, "PUT /user/" + user + "/enable", "GET /api-access-token/" + token,
		"DELETE /api-access-token/" + token, "GET /api-access-token?user_id=" + user} {
		method, path, _ := strings.Cut(call, " ")
		g.want(t, 404, "resource_not_found", method, path, "")
	}
	g.works(t, secret, false)
}

func TestDigiCertOneUsersAreSwitchedByStatus(t *testing.T) {
	g := newD1(t, DigiCertOneOptions{SwitchUsersByStatus: true, Words: map[string]string{"DISABLED": "off"}})
	user, _, secret := g.add(t, "ci", "")
	for _, call := range []string{"enable", "disable"} {
		g.want(t, 404, "resource_not_found", "PUT", "/user/"+user+"/"+call, "")
	}
	put := func(want int, status string) {
		t.Helper()
		g.want(t, want, "", "PUT", "/user/"+user, d1NewUser("friendly_name", `"ci"`, "end_date", "", "status", status))
	}
	put(400, "")
	put(400, `"DISABLED"`)
	g.works(t, secret, true)
	put(200, `"off"`)
	g.works(t, secret, false)
	put(200, `"ACTIVE"`)
	g.works(t, secret, true)
}

func TestDigiCertOneCallsAtOtherPaths(t *testing.T) {
	g := newD1(t, DigiCertOneOptions{Paths: DigiCertOnePaths{
		UpdateUser: "/service-user/{id}", DeleteUser: "/user/{id}/delete", EnableUser: "/user/{id}/on", DisableUser: "/user/{id}/off",
	}})
	user, _, secret := g.add(t, "ci", "")
	body := d1NewUser("friendly_name", `"ci"`, "end_date", "", "email", `"new@example.com"`)
	for _, call := range []string{"PUT /user/%s", "DELETE /user/%s", "PUT /user/%s/enable", "PUT /user/%s/disable"} {
		method, path, _ := strings.Cut(fmt.Sprintf(call, user), " ")
		g.want(t, 404, "resource_not_found", method, path, body)
	}
	g.want(t, 200, "", "PUT", "/service-user/"+user, body)
	if u, _ := g.User(user); u.Email != "new@example.com" {
		t.Errorf("the user is %+v", u)
	}
	g.want(t, 204, "", "PUT", "/user/"+user+"/off", "")
	g.works(t, secret, false)
	g.want(t, 204, "", "PUT", "/user/"+user+"/on", "")
	g.works(t, secret, true)
	g.want(t, 204, "", "DELETE", "/user/"+user+"/delete", "")
	g.works(t, secret, false)
}

func TestDigiCertOnePermissions(t *testing.T) {
	g := newD1(t, DigiCertOneOptions{})
	elsewhere := g.AddAccount("Elsewhere")
	caller := func(name, role, account string) (user, token, secret string) {
		user = g.addUser(t, DigiCertOneUser{FriendlyName: name, Roles: []string{role}, Accounts: []string{account}})
		token, secret = g.addToken(t, DigiCertOneToken{UserID: user, Name: name})
		return user, token, secret
	}
	_, _, plain := caller("plain", "AM_DEFAULT_USER", accountID(1))
	_, _, viewer := caller("viewer", "AM_ACCOUNT_MANAGER", accountID(1))
	_, _, admin := caller("admin", "AM_ACCOUNT_ADMIN", accountID(1))
	_, _, stranger := caller("stranger", "AM_ACCOUNT_ADMIN", elsewhere)
	user, token, _ := g.add(t, "ci", "")
	for _, c := range []struct {
		method, path, body             string
		plain, viewer, stranger, admin int
	}{
		{"GET", "/user/me", "", 200, 200, 200, 200},
		{"GET", "/account", "", 200, 200, 200, 200},
		{"GET", "/account/" + accountID(1), "", 200, 200, 404, 200},
		{"GET", "/role?application_code=account_manager", "", 200, 200, 200, 200},
		{"GET", "/user", "", 403, 200, 200, 200},
		{"GET", "/user/" + user, "", 403, 200, 404, 200},
		{"PUT", "/user/" + user + "/enable", "", 403, 403, 404, 204},
		{"PUT", "/user/" + user, d1NewUser("friendly_name", `"ci"`, "end_date", ""), 403, 403, 404, 200},
		{"GET", "/api-access-token?user_id=" + user, "", 403, 403, 404, 200},
		{"GET", "/api-access-token/" + token, "", 403, 403, 404, 200},
		{"PUT", "/api-access-token/" + token, `{"name":"ci","status":"ACTIVE"}`, 403, 403, 404, 200},
		{"POST", "/api-access-token", d1NewToken(user), 403, 403, 404, 201},
		{"POST", "/user", d1NewUser(), 403, 403, 403, 201},
		{"DELETE", "/api-access-token/" + token, "", 403, 403, 404, 204},
		{"DELETE", "/user/" + user, "", 403, 403, 404, 204},
	} {
		for _, who := range []struct {
			name, secret string
			want         int
		}{{"plain", plain, c.plain}, {"viewer", viewer, c.viewer}, {"stranger", stranger, c.stranger}, {"admin", admin, c.admin}} {
			r := g.do(t, who.secret, c.method, c.path, c.body)
			code := map[int]string{403: "access_denied", 404: "resource_not_found"}[who.want]
			if r.status != who.want || (code != "" && r.code() != code) {
				t.Errorf("%s: %s %s: %d %s, want %d", who.name, c.method, c.path, r.status, r.body, who.want)
			}
		}
	}
	if got := len(g.do(t, stranger, "GET", "/user", "").list(t)); got != 1 {
		t.Errorf("a stranger sees %d users, want itself", got)
	}
}

func TestDigiCertOneAnybodyManagesItsOwnTokens(t *testing.T) {
	g := newD1(t, DigiCertOneOptions{})
	user, token, secret := g.add(t, "ci", "")
	own := func(status int, method, path, body string) d1Response {
		t.Helper()
		r := g.do(t, secret, method, path, body)
		r.want(t, status, "")
		return r
	}
	id, _ := own(200, "GET", "/user/me", "").object(t)["id"].(string)
	own(200, "GET", "/user/"+user, "")
	made := own(201, "POST", "/api-access-token", d1NewToken(id)).object(t)
	if got := len(own(200, "GET", "/api-access-token?user_id="+id, "").list(t)); got != 2 {
		t.Errorf("%d tokens, want 2", got)
	}
	own(200, "GET", fmt.Sprint("/api-access-token/", made["id"]), "")
	fresh := made["token"].(string)
	g.do(t, fresh, "PUT", "/api-access-token/"+token, `{"name":"ci","status":"DISABLED"}`).want(t, 200, "")
	g.works(t, secret, false)
	g.do(t, fresh, "DELETE", "/api-access-token/"+token, "").want(t, 204, "")
	g.works(t, fresh, true)
}

func TestDigiCertOneTheOlderProductHasNoTokensPerUser(t *testing.T) {
	for status, code := range map[int]string{403: "access_denied", 404: "resource_not_found"} {
		t.Run(code, func(t *testing.T) {
			g := newD1(t, DigiCertOneOptions{TokensRefusedWith: status})
			user, secret, err := g.AddServiceUser(DigiCertOneUser{FriendlyName: "ci", FirstToken: "ci"})
			if err != nil {
				t.Fatal(err)
			}
			g.want(t, status, code, "POST", "/api-access-token", d1NewToken(user))
			g.want(t, status, code, "GET", "/api-access-token?user_id="+user, "")
			g.want(t, status, code, "DELETE", "/api-access-token/"+g.Tokens(user)[0].ID, "")
			created := g.want(t, 201, "", "POST", "/user", d1NewUser("friendly_name", `"ci-r2"`)).object(t)
			g.works(t, created["api_token"].(map[string]any)["token"].(string), true)
			g.want(t, 204, "", "PUT", "/user/"+user+"/disable", "")
			g.works(t, secret, false)
			g.want(t, 204, "", "DELETE", "/user/"+user, "")
		})
	}
}
