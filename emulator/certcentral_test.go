package emulator

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// rig is an account over real HTTP.
type rig struct {
	*CertCentral
	url string
}

func newRig(t *testing.T, o CertCentralOptions) rig {
	t.Helper()
	s := NewCertCentral(o)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return rig{s, server.URL + s.BasePath()}
}

type response struct {
	status int
	header http.Header
	body   string
}

// code is the first code of an error body.
func (r response) code() string {
	var e struct {
		Errors []struct{ Code, Message string }
	}
	if json.Unmarshal([]byte(r.body), &e) != nil || len(e.Errors) != 1 || e.Errors[0].Message == "" {
		return "no error body: " + r.body
	}
	return e.Errors[0].Code
}

func (r response) into(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.body), v); err != nil {
		t.Fatalf("the body %q: %v", r.body, err)
	}
}

// try makes a request and returns what came, or the error.
func (g rig) try(t *testing.T, secret, method, path, body string, headers ...string) (response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, g.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-DC-DEVKEY", secret)
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

func (g rig) do(t *testing.T, secret, method, path, body string, headers ...string) response {
	t.Helper()
	r, err := g.try(t, secret, method, path, body, headers...)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return r
}

func (g rig) manager(t *testing.T, method, path, body string, headers ...string) response {
	t.Helper()
	return g.do(t, g.ManagerSecret(), method, path, body, headers...)
}

func (g rig) addKey(t *testing.T, k CertCentralKey) (int64, string) {
	t.Helper()
	id, secret, err := g.AddKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return id, secret
}

type usersAnswer struct {
	Users []struct {
		ID       int64
		Username string
		Email    string
	}
	Page struct{ Total, Limit, Offset int }
}

type keysAnswer struct {
	Keys []struct {
		ID         int64  `json:"id"`
		Name       string `json:"name"`
		Status     string `json:"status"`
		LastUsed   string `json:"last_used_date"`
		CreateDate string `json:"create_date"`
		User       struct{ ID int64 }
		Restricted int64 `json:"restricted_to_role_id"`
	} `json:"api_keys"`
}

func TestKeyLife(t *testing.T) {
	g := newRig(t, CertCentralOptions{})
	user := g.AddUser(CertCentralUser{})
	made := g.manager(t, "POST", fmt.Sprintf("/key/user/%d", user), `{"name":"ci","restricted_to_role_id":102}`)
	var created struct {
		ID     int64
		APIKey string `json:"api_key"`
	}
	made.into(t, &created)
	if made.status != http.StatusCreated || created.ID == 0 || len(created.APIKey) < 40 {
		t.Fatalf("create answered %d %s", made.status, made.body)
	}
	for _, path := range []string{"/key", fmt.Sprintf("/key?user_id=%d", user), fmt.Sprintf("/key/%d", created.ID)} {
		if seen := g.manager(t, "GET", path, ""); !strings.Contains(seen.body, `"name":"ci"`) || strings.Contains(seen.body, created.APIKey) {
			t.Errorf("GET %s shows %s; want the key without its value", path, seen.body)
		}
	}
	var me struct{ ID int64 }
	g.do(t, created.APIKey, "GET", "/user/me", "").into(t, &me)
	if me.ID != user {
		t.Errorf("me is %d, want %d", me.ID, user)
	}

	status := fmt.Sprintf("/key/%d/status", created.ID)
	if r := g.manager(t, "PUT", status, `{"status":"gone"}`); r.status != 400 {
		t.Errorf("a status word that is none: %d %s", r.status, r.body)
	}
	for range 2 {
		if r := g.manager(t, "PUT", status, `{"status":"revoked"}`); r.status != 204 || r.body != "" {
			t.Errorf("revoke: %d %s", r.status, r.body)
		}
	}
	if r := g.do(t, created.APIKey, "GET", "/user/me", ""); r.status != 403 || r.code() != "access_denied|access_denied_invalid_key" {
		t.Errorf("a revoked key: %d %s", r.status, r.body)
	}
	if r := g.manager(t, "PUT", status, `{"status":"active"}`); r.status != 204 {
		t.Errorf("activate: %d %s", r.status, r.body)
	}
	if r := g.do(t, created.APIKey, "GET", "/user/me", ""); r.status != 200 {
		t.Errorf("a key that was activated again: %d %s", r.status, r.body)
	}
	if r := g.manager(t, "PUT", fmt.Sprintf("/key/%d", created.ID), `{"name":"renamed"}`); r.status != 204 {
		t.Errorf("edit: %d %s", r.status, r.body)
	}
	if k, _ := g.Key(created.ID); k.Name != "renamed" || k.RestrictedTo != 102 {
		t.Errorf("after the edit the key is %+v", k)
	}
	usage := g.Usage(created.ID)
	if usage.OK != 2 || usage.Refused != 1 || len(usage.Refusals) != 1 || usage.Refusals[0].Path == "" {
		t.Errorf("the usage is %+v", usage)
	}
}

func TestRefusals(t *testing.T) {
	g := newRig(t, CertCentralOptions{})
	user := g.AddUser(CertCentralUser{})
	mint := fmt.Sprintf("/key/user/%d", user)
	for _, c := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		code                     string
	}{
		{"no such path", "GET", "/nothing", "", nil, 404, "not_found|route"},
		{"no such method", "DELETE", "/key/1", "", nil, 404, "not_found|route"},
		{"deletion is not documented", "DELETE", fmt.Sprintf("/user/%d", user), "", nil, 404, "not_found|route"},
		{"no such user", "GET", "/user/1", "", nil, 404, "not_found"},
		{"a user that is no number", "GET", "/user/x", "", nil, 404, "not_found"},
		{"no such key", "GET", "/key/1", "", nil, 404, "not_found"},
		{"status of no such key", "PUT", "/key/1/status", `{"status":"revoked"}`, nil, 404, "not_found"},
		{"edit of no such key", "PUT", "/key/1", `{"name":"x"}`, nil, 404, "not_found"},
		{"key for no such user", "POST", "/key/user/1", `{"name":"x"}`, nil, 404, "not_found"},
		{"key without a name", "POST", mint, `{}`, nil, 400, "bad_request_format"},
		{"key with a role that is none", "POST", mint, `{"name":"x","restricted_to_role_id":7}`, nil, 400, "bad_request_format"},
		{"no JSON", "POST", mint, `name=x`, nil, 400, "bad_request_format"},
		{"undeclared JSON", "POST", mint, `{"name":"x"}`, []string{"Content-Type", "text/plain"}, 400, "bad_request_format"},
		{"an offset that is none", "GET", "/user?offset=x", "", nil, 400, "bad_request_format"},
		{"a limit that is none", "GET", "/user?limit=-1", "", nil, 400, "bad_request_format"},
		{"a user filter that is none", "GET", "/key?user_id=me", "", nil, 400, "bad_request_format"},
		{"no such permission", "GET", "/authorization/fly", "", nil, 404, "not_found"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if r := g.manager(t, c.method, c.path, c.body, c.headers...); r.status != c.status || r.code() != c.code {
				t.Errorf("got %d %s, want %d %s", r.status, r.body, c.status, c.code)
			}
		})
	}
	if n := len(g.Keys(user)); n != 0 {
		t.Errorf("%d keys were made on the way", n)
	}
	for _, secret := range []string{"", "unknown"} {
		if r := g.do(t, secret, "GET", "/user/me", ""); r.status != 403 || r.code() != "access_denied|access_denied_invalid_key" {
			t.Errorf("the key %q: %d %s", secret, r.status, r.body)
		}
	}
	if got := g.Usage(0).Refused; got != 2 {
		t.Errorf("%d strangers were refused, want 2", got)
	}
}

func TestUserLife(t *testing.T) {
	g := newRig(t, CertCentralOptions{AllowDeleteUser: true})
	const person = `"first_name":"Jill","last_name":"Valentine","email":"jill@example.com","access_roles":[{"id":5}],"container":{"id":93288}`
	for name, body := range map[string]string{
		"no username":            `{` + person + `}`,
		"a username with blanks": `{` + person + `,"username":"jill valentine"}`,
		"no name":                `{"username":"jill","email":"jill@example.com","access_roles":[{"id":5}]}`,
		"no role":                `{"username":"jill","first_name":"J","last_name":"V","email":"jill@example.com"}`,
		"no address":             `{"username":"jill","first_name":"J","last_name":"V","email":"jill","access_roles":[{"id":5}]}`,
		"a long title":           `{` + person + `,"username":"jill","job_title":"` + strings.Repeat("x", 65) + `"}`,
		"a robot without a key":  `{"is_api_only":true,"email":"ci@example.com"}`,
		"a robot with no role":   `{"is_api_only":true,"email":"ci@example.com","api_name":"ci","restricted_to_role_id":9}`,
	} {
		if r := g.manager(t, "POST", "/user", body); r.status != 400 {
			t.Errorf("%s: got %d %s, want 400", name, r.status, r.body)
		}
	}
	var jill, robot struct {
		ID     int64
		APIKey string `json:"api_key"`
	}
	g.manager(t, "POST", "/user", `{`+person+`,"username":"jill.valentine","job_title":"Alpha"}`).into(t, &jill)
	g.manager(t, "POST", "/user", `{"is_api_only":true,"email":"ci@example.com","api_name":"first"}`).into(t, &robot)
	if jill.APIKey != "" || robot.APIKey == "" {
		t.Fatalf("keys: %q for a person and %q for a service user", jill.APIKey, robot.APIKey)
	}
	if r := g.manager(t, "POST", "/user", `{`+person+`,"username":"jill.valentine"}`); r.status != 400 {
		t.Errorf("a username that is taken: %d %s", r.status, r.body)
	}
	if r := g.do(t, robot.APIKey, "GET", "/user/me", ""); r.status != 200 || !strings.Contains(r.body, `"first_name":"Service"`) {
		t.Errorf("the service user's own page: %d %s", r.status, r.body)
	}
	path := func(id int64) string { return fmt.Sprintf("/user/%d", id) }
	if r := g.manager(t, "PUT", path(jill.ID), `{"first_name":"Jill","last_name":"V","email":"j@example.com"}`); r.status != 204 {
		t.Errorf("edit: %d %s", r.status, r.body)
	}
	if r := g.manager(t, "GET", path(jill.ID), ""); strings.Contains(r.body, "Alpha") || !strings.Contains(r.body, "j@example.com") {
		t.Errorf("what an edit leaves out is cleared; the page is %s", r.body)
	}
	if r := g.manager(t, "PUT", path(robot.ID), `{"email":"new@example.com"}`); r.status != 204 {
		t.Errorf("edit of a service user: %d %s", r.status, r.body)
	}
	if r := g.manager(t, "DELETE", path(robot.ID), ""); r.status != 204 {
		t.Errorf("delete: %d %s", r.status, r.body)
	}
	if r := g.do(t, robot.APIKey, "GET", "/user/me", ""); r.status != 403 {
		t.Errorf("the key of a deleted user: %d %s", r.status, r.body)
	}
	if r := g.manager(t, "GET", "/key", ""); strings.Contains(r.body, `"first"`) {
		t.Errorf("the key of a deleted user is listed: %s", r.body)
	}
}

func TestPages(t *testing.T) {
	g := newRig(t, CertCentralOptions{})
	g.AddFleet(2500, 0, time.Now())
	g.AddUser(CertCentralUser{Container: 9, Inactive: true})
	for _, c := range []struct {
		query                       string
		total, limit, offset, users int
	}{
		{"", 2501, 1000, 0, 1000},
		{"?limit=5000", 2501, 1000, 0, 1000},
		{"?limit=300&offset=2400", 2501, 300, 2400, 101},
		{"?offset=2501", 2501, 1000, 2501, 0},
		{"?container_id=9", 1, 1000, 0, 1},
		{"?filters[status]=active&limit=1", 2500, 1, 0, 1},
	} {
		var got usersAnswer
		g.manager(t, "GET", "/user/api-only"+c.query, "").into(t, &got)
		if len(got.Users) != c.users || got.Page.Total != c.total || got.Page.Limit != c.limit || got.Page.Offset != c.offset {
			t.Errorf("%s: %d users and %+v, want %+v", c.query, len(got.Users), got.Page, c)
		}
	}
	var all usersAnswer
	g.manager(t, "GET", "/user", "").into(t, &all)
	if all.Page.Total != 2502 {
		t.Errorf("all users are %d, want the administrator among them", all.Page.Total)
	}
}

func TestCSV(t *testing.T) {
	g := newRig(t, CertCentralOptions{})
	g.addKey(t, CertCentralKey{UserID: g.AddUser(CertCentralUser{Email: "a,b@example.com"}), Name: `the "key"`})
	for path, want := range map[string]string{"/user/api-only": "a,b@example.com", "/key": `the "key"`} {
		r := g.manager(t, "GET", path, "", "Accept", "text/csv")
		rows, err := csv.NewReader(strings.NewReader(r.body)).ReadAll()
		if err != nil || len(rows) < 2 || rows[0][0] != "id" || !strings.HasPrefix(r.header.Get("Content-Type"), "text/csv") {
			t.Fatalf("%s: %v, %v", path, rows, err)
		}
		if !slices.Contains(rows[len(rows)-1], want) {
			t.Errorf("%s: no %q in %v", path, want, rows)
		}
	}
}

func TestPermissions(t *testing.T) {
	g := newRig(t, CertCentralOptions{})
	admin := g.Keys(0)[0].UserID
	user := g.AddUser(CertCentralUser{})
	own, ownSecret := g.addKey(t, CertCentralKey{UserID: user, Name: "own"})
	secrets := map[string]string{"none": g.ManagerSecret(), "plain": ownSecret}
	for name, role := range map[string]int64{"orders": 100, "organizations": 101, "read": 102, "users": 103} {
		_, secrets[name] = g.addKey(t, CertCentralKey{UserID: admin, Name: name, RestrictedTo: role})
	}
	mint := fmt.Sprintf("/key/user/%d", user)
	for _, c := range []struct {
		method, path, body string
		allowed            []string
	}{
		{"GET", "/user/me", "", []string{"none", "plain", "orders", "organizations", "read", "users"}},
		{"GET", "/user", "", []string{"none", "read", "users"}},
		{"PUT", fmt.Sprintf("/user/%d", user), `{"email":"x@example.com"}`, []string{"none", "users"}},
		{"GET", "/key", "", []string{"none", "plain", "read"}},
		{"POST", mint, `{"name":"x"}`, []string{"none"}},
		{"PUT", fmt.Sprintf("/key/%d/status", own), `{"status":"active"}`, []string{"none"}},
	} {
		for name, secret := range secrets {
			r := g.do(t, secret, c.method, c.path, c.body)
			if want := slices.Contains(c.allowed, name); (r.status < 300) != want {
				t.Errorf("%s %s with a key of kind %s: %d %s; allowed should be %v", c.method, c.path, name, r.status, r.body, want)
			} else if !want && r.code() != "access_denied|missing_permission" {
				t.Errorf("%s %s with a key of kind %s: code %s", c.method, c.path, name, r.code())
			}
		}
	}
	var mine keysAnswer
	g.do(t, ownSecret, "GET", "/key?user_id="+fmt.Sprint(admin), "").into(t, &mine)
	for _, k := range mine.Keys {
		if k.User.ID != user {
			t.Errorf("a plain user sees key %d of user %d", k.ID, k.User.ID)
		}
	}
}

func TestAuthorization(t *testing.T) {
	g := newRig(t, CertCentralOptions{})
	user := g.AddUser(CertCentralUser{})
	for path, want := range map[string]string{
		"/authorization":                                   `{"authorized":true,"permission":"view_users"}`,
		"/authorization/edit_users":                        `{"authorized":true,"permission":"edit_users"}`,
		fmt.Sprintf("/authorization/edit_users/%d", user):  `{"authorized":false,"permission":"edit_users"}`,
		"/authorization/edit_users/container":              `"containers":[{"id":5`,
		"/key/api-roles":                                   `{"id":102,"name":"View Only"}`,
		fmt.Sprintf("/user/%d", user):                      `"container_visibility":[`,
		fmt.Sprintf("/authorization/view_users/%d", 1<<40): `not_found`,
	} {
		if r := g.manager(t, "GET", path, ""); !strings.Contains(r.body, want) {
			t.Errorf("GET %s: %s, want %s in it", path, r.body, want)
		}
	}
}

func TestAFleetIsCheapAndItsListsAreStreamed(t *testing.T) {
	s := NewCertCentral(CertCentralOptions{Rates: []Rate{}})
	s.AddFleet(20_000, 2, time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC))
	r := httptest.NewRequest(http.MethodGet, s.BasePath()+"/key", nil)
	r.Header.Set("X-DC-DEVKEY", s.ManagerSecret())
	w := &pieces{}
	s.ServeHTTP(w, r)
	if n := bytes.Count(w.all, []byte(`"create_date":"2020-01-01`)); n != 40_000 {
		t.Errorf("%d keys came", n)
	}
	if w.largest > 64<<10 {
		t.Errorf("the list came in a piece of %d bytes", w.largest)
	}
}

// pieces notes the largest piece that was written.
type pieces struct {
	all     []byte
	largest int
}

func (p *pieces) Header() http.Header { return http.Header{} }
func (p *pieces) WriteHeader(int)     {}
func (p *pieces) Write(b []byte) (int, error) {
	p.largest = max(p.largest, len(b))
	p.all = append(p.all, b...)
	return len(b), nil
}
