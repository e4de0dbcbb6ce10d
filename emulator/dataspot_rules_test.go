package emulator

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDataspotRefusesWhatMakesNoSense(t *testing.T) {
	g := newSpot(t, DataspotOptions{})
	user := g.addUser(t, DataspotUser{LoginID: "ci"})
	person := g.addUser(t, DataspotUser{LoginID: "jane", Person: true})
	g.addKey(t, user, "old", year())
	second, _ := g.addKey(t, user, "second", year())
	const expires = `"dateExpires":"2199-01-02T03:04:05Z"`
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		says                     string
	}{
		{"no such path", "GET", "/nothing", "", 404, ""},
		{"no such method", "POST", "/tenants/ACME", "", 404, ""},
		{"another tenant", "GET", "/tenants/OTHER", "", 404, ""},
		{"no such user", "GET", "/users/0d5a0001-0000-4000-8000-0000000000ff", "", 404, ""},
		{"a user that is no id", "GET", "/users/ci", "", 404, ""},
		{"deletion of no such user", "DELETE", "/users/x", "", 404, ""},
		{"a change of no such user", "PATCH", "/users/x", addOne, 404, ""},
		{"no JSON", "POST", "/users", `_type=User`, 400, "not the JSON object"},
		{"JSON that is no object", "PATCH", "/users/" + user, `[]`, 400, "not the JSON object"},
		{"a user without a type", "POST", "/users", `{"loginId":"x","name":"x"}`, 400, "_type must be User"},
		{"a user of another type", "POST", "/users", `{"_type":"Benutzer","loginId":"x","name":"x"}`, 400, "_type must be User"},
		{"a change to another type", "PATCH", "/users/" + user, `{"_type":"Benutzer"}`, 400, "_type must be User"},
		{"a replacement without a type", "PUT", "/users/" + user, `{"loginId":"ci","name":"x"}`, 400, "_type must be User"},
		{"a user without a login", "POST", "/users", `{"_type":"User","name":"x","serviceUser":true}`, 400, "loginId is required"},
		{"a service user without a name", "POST", "/users", `{"_type":"User","loginId":"x","serviceUser":true}`, 400, "name is required"},
		{"a replacement without a name", "PUT", "/users/" + user, `{"_type":"User","loginId":"ci"}`, 400, "name is required"},
		{"an access level that is none", "POST", "/users", `{"_type":"User","loginId":"x","name":"x","accessLevel":"ROOT"}`, 400, "accessLevel"},
		{"a service user that is a person", "POST", "/users", `{"_type":"User","loginId":"x","name":"x","serviceUser":true,"isPerson":"1"}`, 400, "person"},
		{"a service user with a password", "PATCH", "/users/" + user, `{"password":"correct horse"}`, 400, "no password"},
		{"a short password", "POST", "/users", `{"_type":"User","loginId":"x","password":"short"}`, 400, "8 characters"},
		{"a service user that becomes none", "PATCH", "/users/" + user, `{"serviceUser":false}`, 400, "cannot be changed"},
		{"a login that is taken", "POST", "/users", `{"_type":"User","loginId":"ci","name":"x","serviceUser":true}`, 409, "loginId is taken"},
		{"a change to a login that is taken", "PATCH", "/users/" + user, `{"loginId":"jane"}`, 409, "loginId is taken"},
		{"a key for a person", "PATCH", "/users/" + person, addOne, 400, "Only a service user"},
		{"a key without a name", "PATCH", "/users/" + user, `{"accessKeys":[{` + expires + `}]}`, 400, "name is required"},
		{"a key without an expiry", "PATCH", "/users/" + user, `{"accessKeys":[{"name":"x"}]}`, 400, "dateExpires is required"},
		{"a key whose expiry is null", "PATCH", "/users/" + user, `{"accessKeys":[{"name":"x","dateExpires":null}]}`, 400, "dateExpires is required"},
		{"a key that expires on a day", "PATCH", "/users/" + user, `{"accessKeys":[{"name":"x","dateExpires":"2199-01-02"}]}`, 400, "must be a date-time"},
		{"a key that expires at a number", "PATCH", "/users/" + user, `{"accessKeys":[{"name":"x","dateExpires":7226582645000}]}`, 400, "must be a date-time"},
		{"a key that has expired", "PATCH", "/users/" + user, `{"accessKeys":[{"name":"x","dateExpires":"2001-01-02T03:04:05Z"}]}`, 400, "in the future"},
		{"a key for ever", "PATCH", "/users/" + user, `{"accessKeys":[{"name":"x","dateExpires":"9999-12-31T23:59:59Z"}]}`, 400, "not after 2200"},
		{"a key name that is taken", "PATCH", "/users/" + user, `{"accessKeys":[{"name":"old",` + expires + `}]}`, 409, `"old"`},
		{"a change to a key name that is taken", "PATCH", "/users/" + user, `{"accessKeys":[{"id":"` + second + `","name":"old"}]}`, 409, `"old"`},
		{"a change to a new expiry that is none", "PATCH", "/users/" + user, `{"accessKeys":[{"id":"` + second + `","dateExpires":"soon"}]}`, 400, "must be a date-time"},
		{"one name twice", "PATCH", "/users/" + user, `{"accessKeys":[{"name":"x",` + expires + `},{"name":"x",` + expires + `}]}`, 409, `"x"`},
		{"a key id that is none", "PATCH", "/users/" + user, `{"accessKeys":[{"id":"7"}]}`, 400, "no key with the id"},
		{"one good key and one bad", "PATCH", "/users/" + user, `{"accessKeys":[{"name":"good",` + expires + `},{"name":"bad"}]}`, 400, "dateExpires is required"},
		{"a new user with a bad key", "POST", "/users", `{"_type":"User","loginId":"x","name":"x","serviceUser":true,"accessKeys":[{"name":"bad"}]}`, 400, "dateExpires"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := g.manager(t, c.method, c.path, c.body)
			var e spotError
			r.into(t, &e)
			if r.status != c.status || e.Method != c.method || e.Message == "" || !e.says(c.says) || e.Violations == nil || e.Errors == nil {
				t.Errorf("got %d %s, want %d that says %q", r.status, r.body, c.status, c.says)
			}
		})
	}
	if diff := cmp.Diff([]string{"old", "second"}, g.names(user)); diff != "" {
		t.Errorf("a refused write changed the keys (-want +got):\n%s", diff)
	}
	if n := len(g.Users("ACME")); n != 3 {
		t.Errorf("%d users are there, want the three from before", n)
	}
	if r := g.manager(t, "POST", "/users", `{"_type":"User","loginId":"x"}`, "Content-Type", "text/plain"); r.status != 415 {
		t.Errorf("undeclared JSON: %d %s", r.status, r.body)
	}
}

func TestDataspotKeysThatAreNotLetIn(t *testing.T) {
	c := &clock{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	g := newSpot(t, DataspotOptions{Now: c.now, Tenants: []string{"ACME", "OTHER"}})
	user := g.addUser(t, DataspotUser{LoginID: "ci"})
	id, key := g.addKey(t, user, "ci", c.at.Add(time.Hour))
	for _, x := range []struct {
		name, key, tenant string
		status            int
		says              string
	}{
		{"good", key, "ACME", 200, ""},
		{"good, of the tenant that is not named", key, "", 200, ""},
		{"none", "", "ACME", 401, ""},
		{"unknown", strings.Repeat("A", 64), "ACME", 401, ""},
		{"unknown, and shorter", strings.Repeat("A", 62), "ACME", 401, ""},
		{"of another tenant", g.ManagerSecret("OTHER"), "ACME", 401, ""},
		{"for another tenant", key, "OTHER", 401, ""},
		{"for no tenant that exists", key, "NONE", 401, ""},
		{"cut by three characters", key[:61], "ACME", 500, "Last unit does not have enough valid bits"},
		{"one character", "x", "ACME", 500, "Last unit does not have enough valid bits"},
		{"with a character of another alphabet", "a+b/", "ACME", 500, "Illegal base64 character 2b"},
		{"padded within", "ab=c", "ACME", 500, "Illegal base64 character 3d"},
	} {
		t.Run(x.name, func(t *testing.T) {
			var headers []string
			if x.tenant != "" {
				headers = []string{"dataspot-tenant", x.tenant}
			}
			r := g.do(t, x.key, "GET", "/tenants/ACME", "", headers...)
			if r.status != x.status || !strings.Contains(r.body, x.says) {
				t.Errorf("got %d %s, want %d that says %q", r.status, r.body, x.status, x.says)
			}
		})
	}
	if !g.Authenticates("ACME", key) || g.Authenticates("OTHER", key) || g.Authenticates("ACME", "unknown") || g.Authenticates("ACME", g.ManagerSecret("OTHER")) {
		t.Error("Authenticates does not say what the server says")
	}
	c.at = c.at.Add(time.Hour - time.Nanosecond)
	if got := g.probe(t, key); got != 200 {
		t.Errorf("just before its expiry: %d", got)
	}
	c.at = c.at.Add(time.Nanosecond)
	if got := g.probe(t, key); got != 401 || g.Authenticates("ACME", key) {
		t.Errorf("at its expiry: %d", got)
	}
	if u := g.Usage(id); u.OK != 3 || u.Refused != 3 || len(u.Refusals) != 3 || !u.LastOK.Before(c.at) {
		t.Errorf("the usage is %+v", u)
	}
	if u := g.Usage(""); u.Refused != 7 {
		t.Errorf("strangers were refused %d times, want 7", u.Refused)
	}
	if r := g.do(t, g.ManagerSecret("OTHER"), "GET", "/users/"+user, ""); r.status != 404 {
		t.Errorf("a user of another tenant: %d", r.status)
	}
}

func TestDataspotAccessLevels(t *testing.T) {
	g := newSpot(t, DataspotOptions{})
	for _, level := range []string{"READ_ONLY", "EDITOR", "ADMINISTRATOR"} {
		t.Run(level, func(t *testing.T) {
			user := g.addUser(t, DataspotUser{LoginID: level, AccessLevel: level})
			victim := g.addUser(t, DataspotUser{LoginID: "victim of " + level})
			_, key := g.addKey(t, user, "key", year())
			for _, c := range []struct {
				method, path, body string
				reads              bool
			}{
				{"GET", "/tenants/", "", true},
				{"GET", "/users", "", true},
				{"GET", "/users/" + victim, "", true},
				{"POST", "/users", fmt.Sprintf(`{"_type":"User","loginId":"new for %s","name":"x","serviceUser":true}`, level), false},
				{"PATCH", "/users/" + victim, addOne, false},
				{"PUT", "/users/" + victim, fmt.Sprintf(`{"_type":"User","loginId":"put by %s","name":"x"}`, level), false},
				{"DELETE", "/users/" + victim, "", false},
			} {
				r := g.do(t, key, c.method, c.path, c.body)
				if allowed := c.reads || level == "ADMINISTRATOR"; allowed != (r.status < 300) || (!allowed && r.status != 403) {
					t.Errorf("%s %s: %d %s; allowed should be %v", c.method, c.path, r.status, r.body, allowed)
				}
			}
		})
	}
}

func TestDataspotUserLife(t *testing.T) {
	for _, o := range []DataspotOptions{{}, {GoneIs410: true, UserType: "Benutzer", ContextPath: "spot/", Database: "test"}} {
		t.Run(fmt.Sprintf("%+v", o.GoneIs410), func(t *testing.T) {
			g := newSpot(t, o)
			word := "User"
			if o.UserType != "" {
				word = o.UserType
			}
			r := g.manager(t, "POST", "/users", `{"_type":"`+word+`","loginId":"ci","name":"CI","serviceUser":true,
				"accessKeys":[{"name":"first","dateExpires":"2199-01-02T03:04:05Z"}]}`)
			var u spotUser
			r.into(t, &u)
			if r.status != 201 || u.Type != word || u.LoginID != "ci" || u.AccessLevel != "READ_ONLY" || !u.ServiceUser || u.TenantID == "" {
				t.Fatalf("create answered %d %s", r.status, r.body)
			}
			if len(u.AccessKeys) != 1 || g.probe(t, u.AccessKeys[0].Value) != 200 {
				t.Errorf("the user began with %s", r.body)
			}
			if !strings.Contains(r.body, `"href":"`+g.BasePath()+"/rest/"+g.Database()+"/users/"+u.ID+`"`) {
				t.Errorf("the links of %s do not lead to the user", r.body)
			}
			path := "/users/" + u.ID
			g.manager(t, "PATCH", path, `{"accessLevel":"EDITOR"}`).into(t, &u)
			if u.Name != "CI" || u.AccessLevel != "EDITOR" || u.Version != 1 {
				t.Errorf("a PATCH changes what it has; got %+v", u)
			}
			g.manager(t, "PUT", path, `{"_type":"`+word+`","loginId":"ci-2","name":"Two"}`).into(t, &u)
			if u.LoginID != "ci-2" || u.Name != "Two" || u.AccessLevel != "READ_ONLY" || !u.ServiceUser {
				t.Errorf("a PUT replaces; got %+v", u)
			}
			if r := g.manager(t, "DELETE", path, ""); r.status != 204 || r.body != "" {
				t.Errorf("delete: %d %s", r.status, r.body)
			}
			gone := 404
			if o.GoneIs410 {
				gone = 410
			}
			for _, method := range []string{"GET", "PUT", "PATCH", "DELETE"} {
				if r := g.manager(t, method, path, `{"_type":"`+word+`"}`); r.status != gone {
					t.Errorf("%s of a deleted user: %d %s", method, r.status, r.body)
				}
			}
			if g.Authenticates("ACME", u.AccessKeys[0].Value) {
				t.Error("the key of a deleted user works")
			}
		})
	}
}

func TestDataspotLists(t *testing.T) {
	g := newSpot(t, DataspotOptions{Tenants: []string{"ACME", "OTHER"}})
	l := g.list(t, "?loginId=nobody")
	if l.Embedded != nil || l.Total != 0 || l.Links.Self.Href != "/rest/prod/users" {
		t.Errorf("an empty list is %+v, want no _embedded at all", l)
	}
	if err := g.AddFleet("ACME", 1200, 2, time.Now(), year()); err != nil {
		t.Fatal(err)
	}
	if _, err := g.AddServiceUser("OTHER", "elsewhere"); err != nil {
		t.Fatal(err)
	}
	if l = g.list(t, ""); l.Total != 1201 || len(l.logins()) != 1201 || slices.Contains(l.logins(), "elsewhere") {
		t.Errorf("the list has %d users and says %d, want the fleet and the administrator", len(l.logins()), l.Total)
	}
	if diff := cmp.Diff([]string{"service-700"}, g.list(t, "?loginId=service-700").logins()); diff != "" {
		t.Errorf("the filter (-want +got):\n%s", diff)
	}
	for _, path := range []string{"/tenants", "/tenants/"} {
		if r := g.manager(t, "GET", path, ""); !strings.Contains(r.body, `"tenantName":"ACME"`) || strings.Contains(r.body, "OTHER") || !strings.Contains(r.body, `"total":1`) {
			t.Errorf("GET %s: %s", path, r.body)
		}
	}
	loose := newSpot(t, DataspotOptions{IgnoreLoginFilter: true})
	if l := loose.list(t, "?loginId=nobody"); l.Total != 1 {
		t.Errorf("a server that knows no filter lists %v", l.logins())
	}
}

func TestDataspotWritesOfKeys(t *testing.T) {
	const first, second = `{"name":"one","dateExpires":"2199-01-02T03:04:05Z"}`, `{"name":"two","dateExpires":"2199-01-02T03:04:05Z"}`
	const all = `{"_type":"User","loginId":"ci","name":"CI"`
	for _, c := range []struct {
		name    string
		replace bool
		method  string
		body    string // OLD stands for the id of the key "old"
		want    []string
	}{
		{"PATCH adds", false, "PATCH", `{"accessKeys":[` + first + `,` + second + `]}`, []string{"old", "one", "two"}},
		{"PATCH of something else adds nothing", false, "PATCH", `{"name":"x"}`, []string{"old"}},
		{"PATCH of none adds none", false, "PATCH", `{"accessKeys":[]}`, []string{"old"}},
		{"PATCH with an id renames", false, "PATCH", `{"accessKeys":[{"id":"OLD","name":"renamed"}]}`, []string{"renamed"}},
		{"PATCH can give a name that it frees", false, "PATCH", `{"accessKeys":[{"id":"OLD","name":"renamed"},{"name":"old","dateExpires":"2199-01-02T03:04:05Z"}]}`, []string{"renamed", "old"}},
		{"PUT adds", false, "PUT", all + `,"accessKeys":[` + first + `]}`, []string{"old", "one"}},
		{"PUT without keys keeps them", false, "PUT", all + `}`, []string{"old"}},
		{"PATCH replaces", true, "PATCH", `{"accessKeys":[` + first + `]}`, []string{"one"}},
		{"PATCH replaces under the same name", true, "PATCH", `{"accessKeys":[{"name":"old","dateExpires":"2199-01-02T03:04:05Z"}]}`, []string{"old"}},
		{"PATCH replaces by nothing", true, "PATCH", `{"accessKeys":[]}`, nil},
		{"PATCH of something else keeps all", true, "PATCH", `{"name":"x"}`, []string{"old"}},
		{"PATCH keeps what it names by id", true, "PATCH", `{"accessKeys":[{"id":"OLD"},` + first + `]}`, []string{"old", "one"}},
		{"PUT replaces", true, "PUT", all + `,"accessKeys":[` + first + `]}`, []string{"one"}},
		{"PUT without keys takes them away", true, "PUT", all + `}`, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newSpot(t, DataspotOptions{Replace: c.replace})
			user := g.addUser(t, DataspotUser{LoginID: "ci"})
			old, key := g.addKey(t, user, "old", year())
			r := g.manager(t, c.method, "/users/"+user, strings.ReplaceAll(c.body, "OLD", old))
			if r.status != 200 {
				t.Fatalf("%d %s", r.status, r.body)
			}
			if diff := cmp.Diff(c.want, g.names(user)); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
			k, _ := g.Key(old)
			if works := g.probe(t, key) == 200; works != k.Removed.IsZero() {
				t.Errorf("the old key works: %v, but it is %+v", works, k)
			}
		})
	}
}

func TestDataspotAnswersToAWriteOfKeys(t *testing.T) {
	own := strings.Repeat("b64-", 16)
	for _, c := range []struct {
		name    string
		options DataspotOptions
		value   string // what the client sends
		status  int
		shown   []string // names in the answer
		carries bool     // whether the answer has the value
		getSees []string // names in a later look
	}{
		{"as documented", DataspotOptions{}, "", 200, []string{"next"}, true, nil},
		{"the server's value wins", DataspotOptions{}, own, 200, []string{"next"}, true, nil},
		{"no value", DataspotOptions{OmitValue: true}, "", 200, []string{"next"}, false, nil},
		{"keys are shown", DataspotOptions{ShowKeys: true}, "", 200, []string{"old", "next"}, true, []string{"old", "next"}},
		{"keys are shown without a value", DataspotOptions{ShowKeys: true, OmitValue: true}, "", 200, []string{"old", "next"}, false, []string{"old", "next"}},
		{"the client's value", DataspotOptions{ValueFromClient: true}, own, 200, []string{"next"}, true, nil},
		{"the client's value, not repeated", DataspotOptions{ValueFromClient: true, OmitValue: true}, own, 200, []string{"next"}, false, nil},
		{"the client has none", DataspotOptions{ValueFromClient: true}, "", 400, nil, false, nil},
		{"the client's is too short", DataspotOptions{ValueFromClient: true}, "b64-", 400, nil, false, nil},
		{"the client's is no Base64", DataspotOptions{ValueFromClient: true}, strings.Repeat("b64+", 16), 400, nil, false, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newSpot(t, c.options)
			user := g.addUser(t, DataspotUser{LoginID: "ci"})
			_, old := g.addKey(t, user, "old", year())
			r := g.manager(t, "PATCH", "/users/"+user, `{"accessKeys":[{"name":"next","dateExpires":"2199-01-02T03:04:05Z","value":"`+c.value+`"}]}`)
			var u, seen spotUser
			r.into(t, &u)
			if r.status != c.status {
				t.Fatalf("%d %s, want %d", r.status, r.body, c.status)
			}
			if diff := cmp.Diff(c.shown, u.keyNames()); diff != "" {
				t.Errorf("the answer shows (-want +got):\n%s", diff)
			}
			if strings.Contains(r.body, old) || strings.Contains(r.body, `"value"`) != c.carries {
				t.Errorf("the answer is %s; a value is wanted: %v", r.body, c.carries)
			}
			if c.carries {
				next := u.AccessKeys[len(u.AccessKeys)-1].Value
				if got := g.probe(t, next); got != 200 || (next == own) != c.options.ValueFromClient {
					t.Errorf("the value %s answers %d", next, got)
				}
			}
			if works := g.probe(t, own) == 200; works != (c.options.ValueFromClient && c.status == 200) {
				t.Errorf("the client's value works: %v", works)
			}
			look := g.manager(t, "GET", "/users/"+user, "")
			look.into(t, &seen)
			if diff := cmp.Diff(c.getSees, seen.keyNames()); diff != "" || strings.Contains(look.body, `"value"`) {
				t.Errorf("a look shows %s (-want +got):\n%s", look.body, diff)
			}
		})
	}
	for _, show := range []bool{true, false} {
		g := newSpot(t, DataspotOptions{ShowKeys: show})
		look := g.manager(t, "GET", "/users/"+g.addUser(t, DataspotUser{LoginID: "ci"}), "")
		if strings.Contains(look.body, `"accessKeys":[]`) != show || strings.Contains(look.body, "accessKeys") != show {
			t.Errorf("keys are shown: %v; a user without any is %s", show, look.body)
		}
	}
	g := newSpot(t, DataspotOptions{ValueFromClient: true})
	user := g.addUser(t, DataspotUser{LoginID: "ci"})
	twice := `{"name":"%s","dateExpires":"2199-01-02T03:04:05Z","value":"` + own + `"}`
	body := `{"accessKeys":[` + fmt.Sprintf(twice, "a") + `,` + fmt.Sprintf(twice, "b") + `]}`
	if r := g.manager(t, "PATCH", "/users/"+user, body); r.status != 400 || !strings.Contains(r.body, "in use") {
		t.Errorf("one value for two keys: %d %s", r.status, r.body)
	}
}

func TestDataspotDates(t *testing.T) {
	at := time.Date(2030, 2, 3, 4, 5, 6, 789_000_000, time.UTC)
	millis := strconv.FormatInt(at.UnixMilli(), 10)
	for _, c := range []struct {
		name         string
		epoch        bool
		sent, wanted string
	}{
		{"a string", false, `"2030-02-03T05:05:06.789+01:00"`, `"2030-02-03T04:05:06.789Z"`},
		{"a number", true, millis, millis},
		{"a string where numbers are shown", true, `"2030-02-03T04:05:06.789Z"`, millis},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newSpot(t, DataspotOptions{EpochDates: c.epoch, ShowKeys: true, Now: func() time.Time { return at.AddDate(-1, 0, 0) }})
			user := g.addUser(t, DataspotUser{LoginID: "ci"})
			var u spotUser
			g.manager(t, "PATCH", "/users/"+user, `{"accessKeys":[{"name":"next","dateExpires":`+c.sent+`}]}`).into(t, &u)
			if got := string(u.AccessKeys[0].Expires); got != c.wanted {
				t.Errorf("dateExpires is %s, want %s", got, c.wanted)
			}
			if k := g.Keys(user)[0]; !k.Expires.Equal(at) || !k.Created.Equal(at.AddDate(-1, 0, 0)) {
				t.Errorf("the key is %+v", k)
			}
			again := fmt.Sprintf(`{"accessKeys":[{"id":%q,"dateExpires":%s}]}`, u.AccessKeys[0].ID, c.wanted)
			if r := g.manager(t, "PATCH", "/users/"+user, again); r.status != 200 {
				t.Errorf("what was shown cannot be written back: %d %s", r.status, r.body)
			}
		})
	}
}

// A client that reads all keys and writes them back with one more has expired ones among them.
func TestDataspotTakesBackAnExpiryThatIsPast(t *testing.T) {
	g := newSpot(t, DataspotOptions{Replace: true, ShowKeys: true})
	user := g.addUser(t, DataspotUser{LoginID: "ci"})
	id, _ := g.addKey(t, user, "old", time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC))
	body := `{"accessKeys":[{"id":"` + id + `","dateExpires":"%s"}]}`
	if r := g.manager(t, "PATCH", "/users/"+user, fmt.Sprintf(body, "2020-01-01T00:00:00.000Z")); r.status != 200 {
		t.Errorf("its own expiry: %d %s", r.status, r.body)
	}
	if r := g.manager(t, "PATCH", "/users/"+user, fmt.Sprintf(body, "2020-01-02T00:00:00.000Z")); r.status != 400 {
		t.Errorf("another day that is past: %d %s", r.status, r.body)
	}
	if r := g.manager(t, "PATCH", "/users/"+user, fmt.Sprintf(body, "2199-01-02T00:00:00Z")); r.status != 200 || g.Keys(user)[0].Expires.Year() != 2199 {
		t.Errorf("an extension: %d %s", r.status, r.body)
	}
}

func TestDataspotErrorsByOption(t *testing.T) {
	g := newSpot(t, DataspotOptions{NameTakenIsViolation: true, ErrorsNotJSON: true})
	user := g.addUser(t, DataspotUser{LoginID: "ci"})
	g.addKey(t, user, "next", year())
	for name, c := range map[string]struct {
		key    string
		status int
		says   string
	}{
		"a name that is taken": {g.ManagerSecret("ACME"), http.StatusBadRequest, "next&#34; is not unique"},
		"no key":               {"", http.StatusUnauthorized, "The access key is not valid."},
		"a malformed key":      {"x", http.StatusInternalServerError, "Last unit does not have enough valid bits"},
	} {
		r := g.do(t, c.key, "PATCH", "/users/"+user, addOne)
		if r.status != c.status || !strings.Contains(r.body, c.says) || !strings.HasPrefix(r.body, "<html>") || !strings.HasPrefix(r.header.Get("Content-Type"), "text/html") {
			t.Errorf("%s: %d %s %s", name, r.status, r.header.Get("Content-Type"), r.body)
		}
	}
	plain := newSpot(t, DataspotOptions{NameTakenIsViolation: true})
	user = plain.addUser(t, DataspotUser{LoginID: "ci"})
	plain.addKey(t, user, "next", year())
	var e spotError
	plain.manager(t, "PATCH", "/users/"+user, addOne).into(t, &e)
	if len(e.Violations) != 1 || !strings.Contains(e.Violations[0].Message, "not unique") {
		t.Errorf("the violations are %+v", e)
	}
}

func TestDataspotIsWhereItIsSaidToBe(t *testing.T) {
	secret := strings.Repeat("own_", 16)
	g := newSpot(t, DataspotOptions{ContextPath: "spot", Database: "test", ManagerSecret: secret, Tenants: []string{"A B", "OTHER"}})
	if g.BasePath() != "/spot" || g.Database() != "test" || g.ManagerSecret("A B") != secret || g.ManagerSecret("OTHER") == secret {
		t.Errorf("it says that it is at %s %s", g.BasePath(), g.Database())
	}
	root := strings.TrimSuffix(g.url, "/spot")
	for address, want := range map[string]int{
		root + "/spot/rest/test/tenants/A%20B": 200,
		root + "/rest/test/tenants/A%20B":      404,
		root + "/spot/rest/prod/tenants/A%20B": 404,
		root + "/other/rest/test/users":        404,
		root + "/spot/oauth2/token":            404,
	} {
		r, err := g.tryAt(t, secret, "GET", address, "", "dataspot-tenant", "A B")
		if err != nil || r.status != want {
			t.Errorf("GET %s: %d, %v, want %d", address, r.status, err, want)
		}
	}
	// A key that the server could not decode is none, even if it was configured.
	if bad := newSpot(t, DataspotOptions{ManagerSecret: "x"}); bad.probe(t, "x") != 500 {
		t.Errorf("a malformed administrator's key: %d", bad.probe(t, "x"))
	}
}
