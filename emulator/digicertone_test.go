package emulator

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// d1Rig is an instance on a settable clock, called in memory.
type d1Rig struct {
	*DigiCertOne
	clock *clock
	via   http.RoundTripper
	host  string
}

// d1Start is the time at which a rig begins: a leap day.
var d1Start = time.Date(2028, 2, 29, 12, 0, 0, 0, time.UTC)

func newD1(t *testing.T, o DigiCertOneOptions) d1Rig {
	t.Helper()
	c := &clock{d1Start}
	if o.Now == nil {
		o.Now = c.now
	}
	if o.Rates == nil {
		o.Rates = []Rate{}
	}
	s := NewDigiCertOne(o)
	return d1Rig{s, c, InMemory(s), "http://one.example"}
}

func (g d1Rig) do(t *testing.T, secret, method, path, body string) d1Response {
	t.Helper()
	r, err := g.try(t, secret, method, path, body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return r
}

func (g d1Rig) try(t *testing.T, secret, method, path, body string) (d1Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, g.host+g.BasePath()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if secret != "" {
		req.Header.Set("x-api-key", secret)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := g.via.RoundTrip(req)
	if err != nil {
		return d1Response{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return d1Response{response{resp.StatusCode, resp.Header, string(text)}}, err
}

func sameJSON(t *testing.T, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func (g d1Rig) manager(t *testing.T, method, path, body string) d1Response {
	t.Helper()
	return g.do(t, g.ManagerSecret(), method, path, body)
}

// want fails unless a manager's call is answered with that status, and with that code if it is an error.
func (g d1Rig) want(t *testing.T, status int, code, method, path, body string) d1Response {
	t.Helper()
	r := g.manager(t, method, path, body)
	r.want(t, status, code)
	return r
}

// add puts a service user with that name into the account, with a token of the same name, which ends on a day.
func (g d1Rig) add(t *testing.T, name, endDate string) (user, token, secret string) {
	t.Helper()
	user = g.addUser(t, DigiCertOneUser{FriendlyName: name})
	token, secret = g.addToken(t, DigiCertOneToken{UserID: user, Name: name, EndDate: endDate})
	return user, token, secret
}

func (g d1Rig) addUser(t *testing.T, u DigiCertOneUser) string {
	t.Helper()
	id, _, err := g.AddServiceUser(u)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func (g d1Rig) addToken(t *testing.T, k DigiCertOneToken) (id, secret string) {
	t.Helper()
	id, secret, err := g.AddToken(k)
	if err != nil {
		t.Fatal(err)
	}
	return id, secret
}

// works fails unless the secret authenticates, by the method and by the API, as wanted.
func (g d1Rig) works(t *testing.T, secret string, want bool) {
	t.Helper()
	if got := g.Authenticates(secret); got != want {
		t.Errorf("at %s: Authenticates is %v, want %v", g.clock.at.UTC().Format(time.RFC3339Nano), got, want)
	}
	if r := g.do(t, secret, "GET", "/user/me", ""); want {
		r.want(t, 200, "")
	} else {
		r.want(t, 401, "invalid_api_key")
	}
}

type d1Response struct{ response }

// code is that of an error body in either form.
func (r d1Response) code() string {
	type item struct{ Code, Message string }
	var e struct {
		Error  *item
		Errors []item
	}
	if json.Unmarshal([]byte(r.body), &e) != nil {
		return "no error body: " + r.body
	}
	if e.Error != nil {
		e.Errors = append(e.Errors, *e.Error)
	}
	if len(e.Errors) != 1 || e.Errors[0].Message == "" {
		return "no error body: " + r.body
	}
	return e.Errors[0].Code
}

func (r d1Response) want(t *testing.T, status int, code string) {
	t.Helper()
	if r.status != status {
		t.Errorf("status %d, want %d; the body is %s", r.status, status, r.body)
	} else if code != "" && r.code() != code {
		t.Errorf("code %s, want %s", r.code(), code)
	}
}

func (r d1Response) object(t *testing.T) (o map[string]any) {
	t.Helper()
	r.into(t, &o)
	return o
}

func (r d1Response) list(t *testing.T) (l []map[string]any) {
	t.Helper()
	r.into(t, &l)
	return l
}

// d1NewUser is the body of a create call, with the fields of the arguments changed: name, JSON, name, JSON; "" leaves one out.
func d1NewUser(changes ...string) string {
	return d1Body([]string{
		"user_type", `"service"`, "friendly_name", `"ci build"`, "description", `"builds"`, "email", `"ci@example.com"`, "end_date", `"2028-03-31"`,
		"accounts", `["` + accountID(1) + `"]`, "applications", `["` + d1Applications[0].ID + `"]`, "roles", `["` + d1Roles[0].ID + `"]`,
	}, changes)
}

func d1Body(fields, changes []string) string {
	values := map[string]json.RawMessage{}
	for pair := range slices.Chunk(append(fields, changes...), 2) {
		values[pair[0]] = json.RawMessage(pair[1])
		if pair[1] == "" {
			delete(values, pair[0])
		}
	}
	text, err := json.Marshal(values)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func d1NewToken(user string, changes ...string) string {
	return d1Body([]string{"name", `"ci-r2"`, "end_date", `"2028-03-31"`, "user_id", `"` + user + `"`}, changes)
}

func TestDigiCertOneCreatesAServiceUserWithItsToken(t *testing.T) {
	g := newD1(t, DigiCertOneOptions{})
	created := g.want(t, 201, "", "POST", "/user", d1NewUser()).object(t)
	id, _ := created["id"].(string)
	token, _ := created["api_token"].(map[string]any)
	secret, _ := token["token"].(string)
	want := map[string]any{
		"id": id, "user_type": "service", "friendly_name": "ci build", "description": "builds", "email": "ci@example.com", "end_date": "2028-03-31",
		"status": "ACTIVE", "access_scope": "account", "locale": "en_US", "created_at": "2028-02-29T12:00:00Z", "created_by": g.Users()[0].ID,
		"primary_account_id": accountID(1), "accounts": []any{accountID(1)},
		"applications": []any{map[string]any{"id": d1Applications[0].ID, "name": "Account Manager", "permissions": []any{}}},
		"roles":        []any{map[string]any{"id": d1Roles[0].ID, "name": "AM_DEFAULT_USER"}},
	}
	shown := g.want(t, 200, "", "GET", "/user/"+id, "")
	sameJSON(t, want, shown.object(t))
	want["api_token"] = map[string]any{"id": token["id"], "name": "ci build", "end_date": "2028-03-31", "token": secret}
	sameJSON(t, want, created)
	g.works(t, secret, true)
	for _, path := range []string{"/user/" + id, "/user", "/api-access-token?user_id=" + id, fmt.Sprint("/api-access-token/", token["id"])} {
		if body := g.want(t, 200, "", "GET", path, "").body; strings.Contains(body, secret) || strings.Contains(body, `"token"`) {
			t.Errorf("%s shows the value again: %s", path, body)
		}
	}
	if me := g.do(t, secret, "GET", "/user/me", "").object(t); me["id"] != id {
		t.Errorf("me is %v, want %s", me["id"], id)
	}
}

func TestDigiCertOneTokens(t *testing.T) {
	g := newD1(t, DigiCertOneOptions{})
	user, old, oldSecret := g.add(t, "ci", "")
	g.want(t, 400, "invalid_request", "GET", "/api-access-token", "")
	created := g.want(t, 201, "", "POST", "/api-access-token", d1NewToken(user)).object(t)
	id, _ := created["id"].(string)
	secret, _ := created["token"].(string)
	want := map[string]any{
		"id": id, "name": "ci-r2", "user_id": user, "status": "ACTIVE", "end_date": "2028-03-31", "created_at": "2028-02-29T12:00:00Z",
	}
	sameJSON(t, want, g.want(t, 200, "", "GET", "/api-access-token/"+id, "").object(t))
	list := g.want(t, 200, "", "GET", "/api-access-token?user_id="+user, "").list(t)
	if len(list) != 2 || list[0]["id"] != old {
		t.Errorf("the list is %v", list)
	}
	sameJSON(t, want, list[1])
	g.works(t, oldSecret, true)
	g.works(t, secret, true)

	put := func(status string) {
		t.Helper()
		body := d1Body([]string{"name", `"ci"`, "status", `"` + status + `"`}, nil)
		if got := g.want(t, 200, "", "PUT", "/api-access-token/"+old, body).object(t); got["status"] != status {
			t.Errorf("the status is %v, want %s", got["status"], status)
		}
	}
	put("DISABLED")
	g.works(t, oldSecret, false)
	put("ACTIVE")
	g.works(t, oldSecret, true)
	put("DISABLED")
	g.want(t, 204, "", "DELETE", "/api-access-token/"+old, "")
	g.works(t, oldSecret, false)
	for _, method := range []string{"GET", "DELETE"} {
		g.want(t, 404, "resource_not_found", method, "/api-access-token/"+old, "")
	}
	if _, ok := g.Token(old); ok || len(g.Tokens(user)) != 1 {
		t.Errorf("of the tokens %v are left", g.Tokens(user))
	}
}

// d1Server serves the API over a real socket.
func d1Server(t *testing.T, g d1Rig) d1Rig {
	t.Helper()
	server := httptest.NewServer(g.DigiCertOne)
	t.Cleanup(server.Close)
	g.via, g.host = http.DefaultTransport, server.URL
	return g
}
