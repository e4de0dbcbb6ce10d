package emulator

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDataspotPage(t *testing.T) {
	g := newSpot(t, DataspotOptions{Tenants: []string{"ACME", "OTHER"}})
	user := g.addUser(t, DataspotUser{LoginID: "ci"})
	g.addUser(t, DataspotUser{LoginID: "jane", Person: true})
	expires := year().UTC()
	value, err := g.MakeKeyInPage("ACME", "ci", "deploy", expires)
	if err != nil || len(value) != 64 || g.probe(t, value) != 200 {
		t.Fatalf("the page made %q, %v", value, err)
	}
	if _, err := g.MakeKeyInPage("ACME", user, "second", expires); err != nil {
		t.Errorf("the user's id will do as well: %v", err)
	}
	for name, c := range map[string]struct {
		tenant, user, key string
		expires           time.Time
		says              string
	}{
		"no such tenant":       {"NONE", "ci", "x", expires, "no tenant"},
		"no such user":         {"ACME", "cd", "x", expires, "no user"},
		"a user elsewhere":     {"OTHER", user, "x", expires, "no user"},
		"a person":             {"ACME", "jane", "x", expires, "only service users"},
		"no name":              {"ACME", "ci", "", expires, "name is required"},
		"a name that is taken": {"ACME", "ci", "deploy", expires, "name is taken"},
		"no expiry":            {"ACME", "ci", "x", time.Time{}, "expiry date is required"},
		"an expiry in the past": {"ACME", "ci", "x", time.Now().Add(-time.Second),
			"must lie in the future"},
	} {
		if _, err := g.MakeKeyInPage(c.tenant, c.user, c.key, c.expires); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want an error with %q", name, err, c.says)
		}
	}
	seen, err := g.ListKeysInPage("ACME", "ci")
	want := []DataspotPageKey{{"deploy", value[:4] + "...", expires}, {"second", g.Keys(user)[1].Hint, expires}}
	if diff := cmp.Diff(want, seen); diff != "" || err != nil {
		t.Errorf("the page shows, %v (-want +got):\n%s", err, diff)
	}
	if err := g.RemoveKeyInPage("ACME", "ci", "deploy"); err != nil || g.probe(t, value) != 401 {
		t.Errorf("remove: %v, and the key answers %d", err, g.probe(t, value))
	}
	for _, err := range []error{
		g.RemoveKeyInPage("ACME", "ci", "deploy"), g.RemoveKeyInPage("ACME", "cd", "deploy"), g.RemoveKeyInPage("NONE", "ci", "second"),
	} {
		if err == nil {
			t.Error("what is not there was removed")
		}
	}
	if _, err := g.ListKeysInPage("ACME", "cd"); err == nil {
		t.Error("the keys of a user that is not there were shown")
	}
	if _, err := g.MakeKeyInPage("ACME", "ci", "deploy", expires); err != nil {
		t.Errorf("the name of a removed key is free again: %v", err)
	}
}

func TestDataspotFilling(t *testing.T) {
	g := newSpot(t, DataspotOptions{})
	secret, err := g.AddTenant("OTHER")
	if err != nil || secret != g.ManagerSecret("OTHER") || !g.Authenticates("OTHER", secret) || g.ManagerSecret("NONE") != "" {
		t.Errorf("the tenant came with %q, %v", secret, err)
	}
	user := g.addUser(t, DataspotUser{LoginID: "ci", Tenant: "OTHER", AccessLevel: "EDITOR"})
	person := g.addUser(t, DataspotUser{LoginID: "jane", Name: "Jane", Person: true})
	if _, err := g.AddServiceUser("ACME", "ci"); err != nil {
		t.Errorf("a login is unique in its tenant only: %v", err)
	}
	var mistakes []error
	bad := func(err error) { mistakes = append(mistakes, err) }
	for _, name := range []string{"", "ACME"} {
		_, err := g.AddTenant(name)
		bad(err)
	}
	for _, u := range []DataspotUser{{}, {LoginID: "ci"}, {LoginID: "x", Tenant: "NONE"}, {LoginID: "x", AccessLevel: "ROOT"}} {
		_, err := g.AddUser(u)
		bad(err)
	}
	for _, k := range []DataspotKey{{UserID: "x", Name: "x", Expires: year()}, {UserID: person, Name: "x", Expires: year()}, {UserID: user, Name: "x"}, {UserID: user, Expires: year()}} {
		_, _, err := g.AddKey(k)
		bad(err)
	}
	bad(g.AddFleet("NONE", 1, 1, time.Now(), year()))
	for i, err := range mistakes {
		if err == nil {
			t.Errorf("mistake %d was let through", i)
		}
	}
	want := []DataspotUser{
		{ID: g.Users("OTHER")[0].ID, Tenant: "OTHER", LoginID: "rotation-manager", Name: "Rotation Manager", AccessLevel: "ADMINISTRATOR"},
		{ID: user, Tenant: "OTHER", LoginID: "ci", Name: "ci", AccessLevel: "EDITOR"},
	}
	if diff := cmp.Diff(want, g.Users("OTHER")); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
	if all := g.Users(""); len(all) != 5 {
		t.Errorf("%d users in all, want 5", len(all))
	}
	created := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	id, value, err := g.AddKey(DataspotKey{UserID: user, Name: "ci", Created: created, Expires: created.AddDate(50, 0, 0)})
	if k, ok := g.Key(id); err != nil || !ok || !k.Created.Equal(created) || k.Expires.Year() != 2070 || k.UserID != user {
		t.Errorf("the key is %+v, %v", k, err)
	}
	if k, ok := g.KeyOfSecret(value); !ok || k.ID != id {
		t.Errorf("the key of the value is %+v", k)
	}
	for _, none := range []string{"", "x", "0d5a0002-0000-4000-8000-zzzzzzzzzzzz", "0d5a0002-0000-4000-8000-0000000000ff"} {
		if _, ok := g.Key(none); ok {
			t.Errorf("there is a key %q", none)
		}
	}
	if _, ok := g.KeyOfSecret("nobody's"); ok {
		t.Error("nobody's value has a key")
	}
	g.RemoveUser(user)
	g.RemoveUser(user)
	if g.Authenticates("OTHER", value) || len(g.Keys(user)) != 0 || len(g.Users("OTHER")) != 1 {
		t.Error("a removed user is still there")
	}
}

func TestDataspotAdmin(t *testing.T) {
	g := newSpot(t, DataspotOptions{Front: DataspotFront{ClientID: "client", ClientSecret: "secret"}})
	server := httptest.NewServer(g.AdminHandler())
	defer server.Close()
	admin := func(method, path, body string) response {
		t.Helper()
		r, err := g.tryAt(t, "", method, server.URL+"/_emulator"+path, body)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	var made struct {
		ID, Value     string
		ManagerSecret string `json:"manager_secret"`
	}
	admin("POST", "/tenants", `{"name":"OTHER"}`).into(t, &made)
	if made.ManagerSecret == "" || !g.Authenticates("OTHER", made.ManagerSecret) {
		t.Errorf("the tenant came with %+v", made)
	}
	admin("POST", "/users", `{"tenant":"OTHER","login_id":"ci"}`).into(t, &made)
	user := made.ID
	admin("POST", "/keys", fmt.Sprintf(`{"user_id":%q,"name":"ci","created":"2020-01-01T00:00:00Z","expires":"2199-01-01T00:00:00Z"}`, user)).into(t, &made)
	if k, ok := g.Key(made.ID); !ok || k.Created.Year() != 2020 || !g.Authenticates("OTHER", made.Value) {
		t.Errorf("the key is %+v", k)
	}
	if r := admin("GET", "/users?tenant=OTHER", ""); !strings.Contains(r.body, `"login_id":"ci"`) {
		t.Errorf("the users are %s", r.body)
	}
	if r := admin("GET", "/keys?user_id="+user, ""); !strings.Contains(r.body, `"name":"ci"`) || strings.Contains(r.body, made.Value) {
		t.Errorf("the keys are %s", r.body)
	}

	admin("POST", "/page/keys", `{"tenant":"OTHER","user":"ci","name":"by hand","expires":"2199-01-01T00:00:00Z"}`).into(t, &made)
	if !g.Authenticates("OTHER", made.Value) {
		t.Errorf("the person was given %+v", made)
	}
	one := "/page/keys?" + url.Values{"tenant": {"OTHER"}, "user": {"ci"}, "name": {"by hand"}}.Encode()
	var shown []DataspotPageKey
	admin("GET", one, "").into(t, &shown)
	if len(shown) != 2 || shown[1].Name != "by hand" || shown[1].Expires.Year() != 2199 || strings.Contains(shown[1].Hint, made.Value) {
		t.Errorf("the person sees %+v", shown)
	}
	if r := admin("DELETE", one, ""); r.status != 204 || g.Authenticates("OTHER", made.Value) {
		t.Errorf("the person's deletion: %d %s", r.status, r.body)
	}
	for path, body := range map[string]string{
		"/users": `{"title":1}`, "/keys": `{"user_id":"x"}`, "/tenants": `{"name":"ACME"}`, "/page/keys": `{"tenant":"NONE"}`, "/faults": `{"faults":[{}]}`,
	} {
		if r := admin("POST", path, body); r.status != 400 {
			t.Errorf("POST %s %s: %d %s", path, body, r.status, r.body)
		}
	}
	for _, path := range []string{"/users", "/keys", "/tenants", "/page/keys"} {
		if r := admin("POST", path, `[1]`); r.status != 400 {
			t.Errorf("POST %s of a list: %d %s", path, r.status, r.body)
		}
	}
	if r := admin("GET", "/page/keys?tenant=NONE", ""); r.status != 400 {
		t.Errorf("the page of no tenant: %d %s", r.status, r.body)
	}
	if r := admin("DELETE", one, ""); r.status != 400 {
		t.Errorf("the second deletion: %d %s", r.status, r.body)
	}

	if r := admin("POST", "/faults", goodScenario); r.status != 204 || len(g.Faults.List()) != 2 {
		t.Errorf("order: %d %s", r.status, r.body)
	}
	g.bearer(t, url.Values{"grant_type": {"client_credentials"}, "client_id": {"client"}, "client_secret": {"secret"}})
	if r := admin("GET", "/calls", ""); r.body != `{"collection_deletes":0,"tokens_issued":1}`+"\n" {
		t.Errorf("the calls are %s", r.body)
	}
	var usage map[string]Usage
	admin("GET", "/usage", "").into(t, &usage)
	if _, ok := usage[""]; !ok {
		t.Errorf("the usage is %+v", usage)
	}
}

// What the server says of itself is what it serves.
func TestDataspotSpecification(t *testing.T) {
	g := newSpot(t, DataspotOptions{ContextPath: "/spot"})
	r, err := g.tryAt(t, "", "GET", g.url+"/specification/openapi.json", "")
	if err != nil || r.status != 200 {
		t.Fatalf("%d %s, %v", r.status, r.body, err)
	}
	var spec struct {
		OpenAPI string
		Paths   map[string]map[string]json.RawMessage
	}
	r.into(t, &spec)
	if spec.OpenAPI != "3.0.3" || len(spec.Paths) != 4 {
		t.Fatalf("the description has %d paths", len(spec.Paths))
	}
	for template, methods := range spec.Paths {
		path := strings.NewReplacer("{db}", g.Database(), "{name}", "ACME").Replace(template)
		delete(methods, "parameters")
		for method := range methods {
			user := g.addUser(t, DataspotUser{LoginID: method + template})
			_, key := g.addKey(t, user, "reader", year())
			r, err := g.tryAt(t, key, strings.ToUpper(method), g.url+strings.Replace(path, "{userId}", user, 1), "")
			if want := map[bool]int{true: 200, false: 403}[method == "get"]; err != nil || r.status != want {
				t.Errorf("%s %s: %d, %v; want %d for one who may read", method, template, r.status, err, want)
			}
		}
	}
}
