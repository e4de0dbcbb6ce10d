package emulator

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// spot is a server over real HTTP.
type spot struct {
	*Dataspot
	url string
}

func newSpot(t *testing.T, o DataspotOptions) spot {
	t.Helper()
	s := NewDataspot(o)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return spot{s, server.URL + s.BasePath()}
}

// try makes a request below /rest/{database} and returns what came, or the error.
func (g spot) try(t *testing.T, key, method, path, body string, headers ...string) (response, error) {
	t.Helper()
	return g.tryAt(t, key, method, g.url+"/rest/"+g.Database()+path, body, headers...)
}

func (g spot) tryAt(t *testing.T, key, method, address, body string, headers ...string) (response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("dataspot-access-key", key)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return response{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return response{resp.StatusCode, resp.Header, string(text)}, err
}

func (g spot) do(t *testing.T, key, method, path, body string, headers ...string) response {
	t.Helper()
	r, err := g.try(t, key, method, path, body, headers...)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return r
}

func (g spot) manager(t *testing.T, method, path, body string, headers ...string) response {
	t.Helper()
	return g.do(t, g.ManagerSecret("ACME"), method, path, body, headers...)
}

// probe is the status of the look at the tenant that clients use to try a key.
func (g spot) probe(t *testing.T, key string) int {
	t.Helper()
	return g.do(t, key, "GET", "/tenants/ACME", "", "dataspot-tenant", "ACME").status
}

func (g spot) addUser(t *testing.T, u DataspotUser) string {
	t.Helper()
	id, err := g.AddUser(u)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func (g spot) addKey(t *testing.T, user, name string, expires time.Time) (id, value string) {
	t.Helper()
	id, value, err := g.AddKey(DataspotKey{UserID: user, Name: name, Expires: expires})
	if err != nil {
		t.Fatal(err)
	}
	return id, value
}

// spotUser is a user as clients decode it.
type spotUser struct {
	Type        string `json:"_type"`
	ID          string
	LoginID     string `json:"loginId"`
	Name        string
	AccessLevel string `json:"accessLevel"`
	ServiceUser bool   `json:"serviceUser"`
	TenantID    string `json:"tenantId"`
	Version     int    `json:"_version"`
	AccessKeys  []struct {
		ID, Name, Hint, Value string
		Created               json.RawMessage `json:"dateCreated"`
		Expires               json.RawMessage `json:"dateExpires"`
	} `json:"accessKeys"`
}

func (u spotUser) keyNames() (names []string) {
	for _, k := range u.AccessKeys {
		names = append(names, k.Name)
	}
	return names
}

type spotUsers struct {
	Links    struct{ Self struct{ Href string } } `json:"_links"`
	Embedded *struct{ Users []spotUser }          `json:"_embedded"`
	Total    int
}

func (l spotUsers) logins() (logins []string) {
	if l.Embedded != nil {
		for _, u := range l.Embedded.Users {
			logins = append(logins, u.LoginID)
		}
	}
	return logins
}

func (g spot) list(t *testing.T, query string) (l spotUsers) {
	t.Helper()
	g.manager(t, "GET", "/users"+query, "").into(t, &l)
	return l
}

// names are those of the keys that a user truly has.
func (g spot) names(user string) (names []string) {
	for _, k := range g.Keys(user) {
		names = append(names, k.Name)
	}
	return names
}

// spotError decodes an error body.
type spotError struct {
	Method, Message string
	Violations      []struct{ Message string }
	Errors          []any
}

// says reports whether the message or a violation contains text.
func (e spotError) says(text string) bool {
	return strings.Contains(e.Message, text) || slices.ContainsFunc(e.Violations, func(v struct{ Message string }) bool { return strings.Contains(v.Message, text) })
}

// year is far enough ahead for keys that are to be valid.
func year() time.Time { return time.Now().AddDate(1, 0, 0) }

const addOne = `{"_type":"User","accessKeys":[{"name":"next","dateExpires":"2199-01-02T03:04:05Z"}]}`

func TestDataspotKeyLife(t *testing.T) {
	g := newSpot(t, DataspotOptions{})
	user := g.addUser(t, DataspotUser{LoginID: "ci"})
	_, old := g.addKey(t, user, "old", year())
	if got := g.probe(t, old); got != 200 {
		t.Fatalf("a key that was put there: %d", got)
	}

	r := g.manager(t, "PATCH", "/users/"+user, addOne)
	var made spotUser
	r.into(t, &made)
	if r.status != 200 || len(made.AccessKeys) != 1 || made.AccessKeys[0].Name != "next" {
		t.Fatalf("the write answered %d %s, want the one key that it made", r.status, r.body)
	}
	next := made.AccessKeys[0]
	if len(next.Value) != 64 || next.ID == "" || next.Hint == "" || next.Hint == next.Value || string(next.Expires) != `"2199-01-02T03:04:05.000Z"` {
		t.Errorf("the key was shown as %+v", next)
	}
	if diff := cmp.Diff([]string{"old", "next"}, g.names(user)); diff != "" {
		t.Errorf("a write adds by default (-want +got):\n%s", diff)
	}
	if a, b := g.probe(t, old), g.probe(t, next.Value); a != 200 || b != 200 {
		t.Errorf("the old key %d and the new key %d; want both to work at once", a, b)
	}
	for _, path := range []string{"/users", "/users/" + user} {
		if seen := g.manager(t, "GET", path, ""); strings.Contains(seen.body, "accessKeys") || strings.Contains(seen.body, next.Value) {
			t.Errorf("GET %s shows what can only be written: %s", path, seen.body)
		}
	}
	if err := g.RemoveKeyInPage("ACME", "ci", "old"); err != nil {
		t.Fatal(err)
	}
	if a, b := g.probe(t, old), g.probe(t, next.Value); a != 401 || b != 200 {
		t.Errorf("after the removal the old key answers %d and the new key %d", a, b)
	}
	if k, ok := g.KeyOfSecret(old); !ok || k.Removed.IsZero() || k.Name != "old" {
		t.Errorf("the removed key is %+v", k)
	}
}
