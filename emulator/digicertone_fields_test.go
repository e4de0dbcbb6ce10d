package emulator

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestDigiCertOneFieldsUnderOtherNames(t *testing.T) {
	g := newD1(t, DigiCertOneOptions{
		Fields: map[string]string{
			"token.end_date": "expiry.date", "token.status": "state", "token.token": "value", "token.name": "user_id", "token.user_id": "name",
			"user.end_date": "expires_on", "user.friendly_name": "names.friendly", "user.api_token.token": "api_key", "user.accounts": "access.accounts",
		},
		Words: map[string]string{"ACTIVE": "enabled", "DISABLED": "off"},
	})
	user := g.want(t, 201, "", "POST", "/user", d1NewUser("end_date", "", "expires_on", `"2028-03-31"`, "friendly_name", "", "names", `{"friendly":"ci"}`,
		"accounts", "", "access", `{"accounts":["`+accountID(1)+`"]}`)).object(t)
	if user["expires_on"] != "2028-03-31" || user["names"].(map[string]any)["friendly"] != "ci" || user["status"] != "enabled" || user["access"] == nil {
		t.Errorf("the user is %v", user)
	}
	for _, name := range []string{"end_date", "friendly_name", "accounts"} {
		if _, ok := user[name]; ok {
			t.Errorf("the user has %s all the same", name)
		}
	}
	g.works(t, user["api_key"].(string), true)
	if inner := user["api_token"].(map[string]any); inner["token"] != nil || inner["name"] != "ci" {
		t.Errorf("api_token is %v", inner)
	}

	// A token's name and its user's id have changed places.
	id := user["id"].(string)
	body := fmt.Sprintf(`{"user_id":"deploy","name":%q,"expiry":{"date":"2028-03-31"},"end_date":"2027-01-01"}`, id)
	made := g.want(t, 201, "", "POST", "/api-access-token", body).object(t)
	want := map[string]any{
		"id": made["id"], "user_id": "deploy", "name": id, "expiry": map[string]any{"date": "2028-03-31"}, "state": "enabled", "created_at": "2028-02-29T12:00:00Z",
	}
	sameJSON(t, want, g.want(t, 200, "", "GET", fmt.Sprint("/api-access-token/", made["id"]), "").object(t))
	g.works(t, made["value"].(string), true)
	put := `{"user_id":"deploy","expiry":{"date":"2028-03-31"},"state":%q}`
	path := fmt.Sprint("/api-access-token/", made["id"])
	g.want(t, 400, "invalid_request", "PUT", path, fmt.Sprintf(put, "DISABLED"))
	want["state"] = "off"
	sameJSON(t, want, g.want(t, 200, "", "PUT", path, fmt.Sprintf(put, "off")).object(t))

	// The names that were given up mean nothing any more.
	g.want(t, 400, "invalid_request", "POST", "/user", d1NewUser("names", `{"friendly":"two"}`))
	g.want(t, 400, "invalid_request", "POST", "/user", `{"names":"two"}`)
}

func TestDigiCertOneWithoutMembersOnTheWay(t *testing.T) {
	o := d1Object{"a": "text"}
	if _, ok := o.take("a.b"); ok {
		t.Error("a text has a member")
	}
	if _, ok := o.take("b.c"); ok {
		t.Error("nothing has a member")
	}
	o.put("a.b", 1)
	o.put("a.c", 2)
	sameJSON(t, d1Object{"a": d1Object{"b": 1, "c": 2}}, o)
}

func TestDigiCertOneErrorBodies(t *testing.T) {
	one, array := `{"error":{"code":"resource_not_found","message":`, `{"errors":[{"code":"resource_not_found","message":`
	for _, c := range []struct {
		form DigiCertOneErrors
		want []string
	}{{ErrorsInTurn, []string{one, array, one}}, {ErrorsAsOne, []string{one, one}}, {ErrorsAsArray, []string{array, array}}} {
		t.Run(string(c.form), func(t *testing.T) {
			g := newD1(t, DigiCertOneOptions{Errors: c.form})
			for i, want := range c.want {
				if r := g.want(t, 404, "", "GET", "/nothing", ""); !strings.HasPrefix(r.body, want) || r.header.Get("Content-Type") != "application/json" {
					t.Errorf("error %d is %s (%s), want %s…", i+1, r.body, r.header.Get("Content-Type"), want)
				}
			}
		})
	}
}

func TestDigiCertOneCreatedStatus(t *testing.T) {
	g := newD1(t, DigiCertOneOptions{CreatedStatus: 200})
	g.want(t, 200, "", "POST", "/user", d1NewUser())
	g.want(t, 200, "", "POST", "/api-access-token", d1NewToken(g.Users()[0].ID))
}

func TestDigiCertOneLists(t *testing.T) {
	g := newD1(t, DigiCertOneOptions{})
	user, _, _ := g.add(t, "ci", "")
	g.addUser(t, DigiCertOneUser{FriendlyName: "Jane", Person: true})
	for query, want := range map[string]string{
		"": "Rotation Manager,ci,Jane", "?user_type=service": "ci", "?user_type=standard": "Rotation Manager,Jane", "?limit=1&offset=1": "Rotation Manager,ci,Jane",
	} {
		var names []string
		for _, u := range g.want(t, 200, "", "GET", "/user"+query, "").list(t) {
			names = append(names, u["friendly_name"].(string))
		}
		if got := strings.Join(names, ","); got != want {
			t.Errorf("%q lists %s, want %s", query, got, want)
		}
	}
	if body := g.want(t, 200, "", "GET", "/api-access-token?user_id="+g.Users()[2].ID, "").body; body != "[]" {
		t.Errorf("no tokens are %s", body)
	}
	if body := g.want(t, 200, "", "GET", "/api-access-token?user_id="+user, "").body; !strings.HasPrefix(body, `[{"`) {
		t.Errorf("the list is %s", body)
	}
}

type d1Paged struct {
	Total, Offset, Limit int
	Items                []struct {
		Name string `json:"friendly_name"`
	}
}

func (p d1Paged) String() string {
	text := fmt.Sprintf("%d+%d of %d:", p.Offset, p.Limit, p.Total)
	for _, i := range p.Items {
		text += " " + i.Name
	}
	return text
}

func TestDigiCertOnePages(t *testing.T) {
	g := newD1(t, DigiCertOneOptions{PageLimit: 2})
	for _, name := range []string{"a", "b", "c"} {
		g.addUser(t, DigiCertOneUser{FriendlyName: name})
	}
	for query, want := range map[string]string{
		"":                     "0+2 of 3: a b",
		"&offset=1":            "1+2 of 3: b c",
		"&offset=2&limit=2":    "2+2 of 3: c",
		"&offset=0&limit=1":    "0+1 of 3: a",
		"&limit=0":             "0+2 of 3: a b",
		"&limit=500":           "0+2 of 3: a b",
		"&offset=500":          "500+2 of 3:",
		"&offset=3&limit=1000": "3+2 of 3:",
	} {
		var p d1Paged
		g.want(t, 200, "", "GET", "/user?user_type=service"+query, "").into(t, &p)
		if p.String() != want {
			t.Errorf("%q is %s, want %s", query, p, want)
		}
	}
	for _, query := range []string{"?offset=-1", "?limit=x", "?offset=99999999999"} {
		g.want(t, 400, "invalid_request", "GET", "/user"+query, "")
	}
	var tokens struct{ Items []any }
	g.want(t, 200, "", "GET", "/api-access-token?user_id="+g.Users()[0].ID, "").into(t, &tokens)
	if len(tokens.Items) != 1 {
		t.Errorf("the tokens are %v", tokens)
	}
}

func TestDigiCertOneFleet(t *testing.T) {
	g := newD1(t, DigiCertOneOptions{})
	const users = 3 * keysAtOnce
	if err := g.AddFleet(users, 2, d1Start.AddDate(-1, 0, 0), "2028-03-31"); err != nil {
		t.Fatal(err)
	}
	if err := g.AddFleet(1, 1, d1Start, "tomorrow"); err == nil {
		t.Error("a fleet ends on no day")
	}
	list := g.want(t, 200, "", "GET", "/user?user_type=service", "").list(t)
	ids := map[any]bool{}
	for _, u := range list {
		ids[u["id"]] = true
	}
	if len(list) != users || len(ids) != users {
		t.Errorf("%d users with %d ids, want %d", len(list), len(ids), users)
	}
	tokens := g.want(t, 200, "", "GET", fmt.Sprint("/api-access-token?user_id=", list[users-1]["id"]), "").list(t)
	if len(tokens) != 2 || tokens[1]["end_date"] != "2028-03-31" || tokens[1]["created_at"] != "2027-03-01T12:00:00Z" {
		t.Errorf("the last one's tokens are %v", tokens)
	}
}

// meddler is a client that takes its time over the beginning of a list, in which something happens.
type meddler struct {
	*httptest.ResponseRecorder
	once   sync.Once
	happen func()
}

func (m *meddler) Write(p []byte) (int, error) {
	m.once.Do(m.happen)
	return m.ResponseRecorder.Write(p)
}

func TestDigiCertOneAListIsNoSnapshot(t *testing.T) {
	g := newD1(t, DigiCertOneOptions{})
	if err := g.AddFleet(2*keysAtOnce, 0, d1Start, ""); err != nil {
		t.Fatal(err)
	}
	user := g.addUser(t, DigiCertOneUser{FriendlyName: "last"})
	for n := range 2 * keysAtOnce {
		g.addToken(t, DigiCertOneToken{UserID: user, Name: fmt.Sprint("token ", n)})
	}
	tokens := g.Tokens(user)
	for _, c := range []struct {
		path, gone string
		remove     func(id string) error
	}{
		{"/api-access-token?user_id=" + user, tokens[len(tokens)-1].ID, g.RemoveToken},
		{"/user?user_type=service", user, g.RemoveUser},
	} {
		req := httptest.NewRequest(http.MethodGet, g.BasePath()+c.path, nil)
		req.Header.Set("x-api-key", g.ManagerSecret())
		client := &meddler{ResponseRecorder: httptest.NewRecorder(), happen: func() {
			if err := c.remove(c.gone); err != nil {
				t.Error(err)
			}
		}}
		g.ServeHTTP(client, req)
		list := d1Response{response{client.Code, nil, client.Body.String()}}.list(t)
		if len(list) < keysAtOnce || slices.ContainsFunc(list, func(o map[string]any) bool { return o["id"] == c.gone }) {
			t.Errorf("%s lists %d, and what was gone by then", c.path, len(list))
		}
	}
}

func TestDigiCertOneWantsAContentLength(t *testing.T) {
	g := d1Server(t, newD1(t, DigiCertOneOptions{}))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.host+g.BasePath()+"/user", io.MultiReader(strings.NewReader(d1NewUser())))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("x-api-key", g.ManagerSecret())
	req.Header.Set("Content-Type", "application/json")
	resp, err := g.via.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusBadRequest || len(g.Users()) != 1 {
		t.Errorf("a body of unknown length is answered with %d", resp.StatusCode)
	}
}

// TestDigiCertOneAccountsAndRoles holds the answers against the fields of the vendor's samples.
func TestDigiCertOneAccountsAndRoles(t *testing.T) {
	g := newD1(t, DigiCertOneOptions{})
	const account = `{"id":"acc04400-0000-4000-8000-000000000001","name":"Example","active":true,"locale":"en_US","friendly_identifier":"000000000001",
		"service_period":{"from":"2028-02-29","to":"2038-03-01"},
		"admins":[{"id":"0a11ce00-0000-4000-8000-000000000001","name":"Rotation Manager","email":"rotation.manager@example.com"}],
		"sign_in_methods":[{"signInMethod":"STANDARD","status":"ENABLED","mfaStatus":"ENABLED","clientAuthCertLoginEnabled":true}]}`
	var want map[string]any
	if err := json.Unmarshal([]byte(account), &want); err != nil {
		t.Fatal(err)
	}
	sameJSON(t, []map[string]any{want}, g.want(t, 200, "", "GET", "/account", "").list(t))
	sameJSON(t, want, g.want(t, 200, "", "GET", "/account/"+accountID(1), "").object(t))
	roles := g.want(t, 200, "", "GET", "/role?application_code=account_manager", "").list(t)
	if len(roles) != 4 {
		t.Fatalf("the roles are %v", roles)
	}
	sameJSON(t, map[string]any{"id": d1Roles[3].ID, "name": "AM_ACCOUNT_ADMIN", "permissions": []any{"VIEW_USERS", "MANAGE_USERS"}}, roles[3])
}
