package digicertone

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/rotator"
)

func newBare(t testing.TB, o Options) *Provider {
	t.Helper()
	o.BaseURL = "https://one.example"
	o.Key = func() (rotator.Secret, error) { return rotator.SecretString("key"), nil }
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func decoded(t testing.TB, text string) object {
	t.Helper()
	var o object
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	return o
}

// documentedUser has the fields that the vendor's guide shows of GET /user?user_type=service, and no others.
const documentedUser = `{"id":"7b1c9d2e-1111-4222-8333-444455556666","email":"ci@example.com","status":"ACTIVE","access_scope":"account",
	"primary_account_id":"aaaa1111-0000-4000-8000-000000000001","created_at":"2025-03-04T05:06:07Z","created_by":"7b1c9d2e-0000-4222-8333-444455556666",
	"user_type":"service","friendly_name":"ci-deploy-r0002","description":"","locale":"en_US",
	"applications":[{"id":"bbbb2222-0000-4000-8000-000000000002","name":"Account Manager","permissions":["VIEW_USERS"]}]}`

// documentedAccount has the fields that the vendor's tutorial shows of GET /account.
const documentedAccount = `{"id":"aaaa1111-0000-4000-8000-000000000001","name":"Example","active":true,"service_period":{"from":"2025-01-01","to":"2027-01-01"},
	"friendly_identifier":"1234567","admins":[{"id":"7b1c9d2e-0000-4222-8333-444455556666","name":"A","email":"a@example.com"}],
	"sign_in_methods":[{"signInMethod":"STANDARD","status":"ENABLED","mfaStatus":"ENABLED","clientAuthCertLoginEnabled":true}],"locale":"en_US"}`

func TestDocumentedUser(t *testing.T) {
	p := newBare(t, Options{})
	u, err := p.readUser("GET /user", decoded(t, documentedUser))
	if err != nil {
		t.Fatal(err)
	}
	want := user{
		id: "7b1c9d2e-1111-4222-8333-444455556666", name: "ci-deploy-r0002", email: "ci@example.com", status: "ACTIVE", kind: "service",
		account: "aaaa1111-0000-4000-8000-000000000001", created: time.Date(2025, 3, 4, 5, 6, 7, 0, time.UTC),
		managers: []string{"bbbb2222-0000-4000-8000-000000000002"}, managerNames: []string{"Account Manager"},
	}
	if diff := cmp.Diff(want, u, cmp.AllowUnexported(user{})); diff != "" {
		t.Errorf("the user differs (-want +got):\n%s", diff)
	}
	if got := p.serviceUser(u); got != (rotator.ServiceUser{ID: u.id, Name: u.name, Email: u.email, Active: true}) {
		t.Errorf("the service user is %+v", got)
	}
	key := rotator.Key{ID: u.id, UserID: "ci-deploy", Name: u.name, Created: u.created, State: rotator.KeyActive}
	if got := p.userKey(u); got != key {
		t.Errorf("as a key it is %+v", got)
	}
}

func TestDocumentedAccount(t *testing.T) {
	got, err := readAccount("GET /account", decoded(t, documentedAccount))
	if want := (Account{ID: "aaaa1111-0000-4000-8000-000000000001", Name: "Example", Active: true}); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := readAccount("GET /account", decoded(t, `{"name":"x"}`)); rotator.KindOf(err) != rotator.Invalid {
		t.Errorf("an account without an id: %v", err)
	}
}

const inferredToken = `{"id":"t-1","name":"ci-r0001","user_id":"u-1","status":"ACTIVE","end_date":"2026-01-12","created_at":"2025-12-01T00:00:00Z"}`

func TestToken(t *testing.T) {
	got, err := newBare(t, Options{}).readToken("GET /api-access-token", "u-1", decoded(t, inferredToken))
	want := rotator.Key{ID: "t-1", UserID: "u-1", Name: "ci-r0001", State: rotator.KeyActive,
		Created: time.Date(2025, 12, 1, 0, 0, 0, 0, time.UTC), Expires: time.Date(2026, 1, 12, 23, 59, 59, 0, time.UTC)}
	if err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestStates(t *testing.T) {
	p := newBare(t, Options{})
	for word, want := range map[string]rotator.KeyState{
		"ACTIVE": rotator.KeyActive, "DISABLED": rotator.KeyDisabled, "EXPIRED": rotator.KeyExpired, "active": rotator.KeyOther, "PENDING": rotator.KeyOther,
	} {
		if got := p.state(word); got != want {
			t.Errorf("%s is %s, want %s", word, got, want)
		}
	}
}

func TestAnswersThatLackAField(t *testing.T) {
	p := newBare(t, Options{})
	for _, tc := range []struct {
		name, kind, old, new, field, setting string
	}{
		{"no id", "token", `"id":"t-1"`, `"key":"t-1"`, "id", "token_id"},
		{"an id that is a path", "token", `"id":"t-1"`, `"id":"../t-1"`, "id", "token_id"},
		{"an id that is the daemon's own user", "user", `"id":"7b1c9d2e-1111-4222-8333-444455556666"`, `"id":"me"`, "id", "user_id"},
		{"no name", "token", `"name":"ci-r0001"`, `"name":null`, "name", "token_name"},
		{"an empty name", "token", `"ci-r0001"`, `""`, "name", "token_name"},
		{"a status that is an object", "token", `"ACTIVE"`, `{"word":"ACTIVE"}`, "status", "token_status"},
		{"no user", "token", `"user_id"`, `"owner"`, "user_id", "token_user_id"},
		{"another user", "token", `"u-1"`, `"u-2"`, "user_id", "token_user_id"},
		{"an end date that is none", "token", `"2026-01-12"`, `"next year"`, "end_date", "token_end_date"},
		{"a time that is none", "token", `"2025-12-01T00:00:00Z"`, `"yesterday"`, "created_at", "token_created"},
		{"no friendly name", "user", `"friendly_name"`, `"display_name"`, "friendly_name", "user_name"},
		{"no status", "user", `"status"`, `"state"`, "status", "user_status"},
		{"managers that are no list", "user", `[{"id":"bbbb2222-0000-4000-8000-000000000002","name":"Account Manager","permissions":["VIEW_USERS"]}]`, `true`, "applications", "user_managers"},
		{"a manager without an id", "user", `{"id":"bbbb2222-0000-4000-8000-000000000002",`, `{`, "applications", "user_managers"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			text, read := inferredToken, func(o object) error { _, err := p.readToken("GET /path", "u-1", o); return err }
			if tc.kind == "user" {
				text, read = documentedUser, func(o object) error { _, err := p.readUser("GET /path", o); return err }
			}
			changed := strings.Replace(text, tc.old, tc.new, 1)
			if changed == text {
				t.Fatal("nothing was changed")
			}
			err := read(decoded(t, changed))
			if rotator.KindOf(err) != rotator.Invalid {
				t.Fatalf("got %v", err)
			}
			for _, part := range []string{"GET /path", `"` + tc.field + `"`, "fields." + tc.setting} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the error does not name %s: %v", part, err)
				}
			}
		})
	}
}

func TestIDs(t *testing.T) {
	for text, want := range map[string][]string{
		`{"accounts":["a","b"]}`:                        {"a", "b"},
		`{"accounts":[{"id":"a","name":"x"},{"id":7}]}`: {"a", "7"},
		`{"accounts":"a"}`:                              {"a"},
		`{"accounts":[]}`:                               nil,
		`{}`:                                            nil,
	} {
		r := &reader{o: decoded(t, text)}
		got, _ := r.ids(DefaultFields().userAccounts())
		if diff := cmp.Diff(want, got); diff != "" || r.err != nil {
			t.Errorf("%s: %v %s", text, r.err, diff)
		}
	}
}

func TestPathsIntoObjects(t *testing.T) {
	o := decoded(t, `{"a":{"b":{"c":1},"d":2},"n":null,"s":"text"}`)
	for path, want := range map[string]string{"a.b.c": "1", "a.d": "2", "n": "null", "s": `"text"`, "a.x": "", "s.x": "", "n.x": "", "x": ""} {
		if got, _ := o.at(path); string(got) != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
	for _, change := range []struct{ path, value string }{{"a.b.c", "new"}, {"n.x", "made"}, {"s.x", "made"}, {"e.f.g", "made"}} {
		if err := o.set(change.path, change.value); err != nil {
			t.Fatal(err)
		}
	}
	o.drop("a.d")
	o.drop("a.nothing.there")
	got, err := json.Marshal(o)
	if want := `{"a":{"b":{"c":"new"}},"e":{"f":{"g":"made"}},"n":{"x":"made"},"s":{"x":"made"}}`; err != nil || string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func FuzzReadUser(f *testing.F) {
	f.Add(documentedUser)
	f.Add(`{"id":1,"friendly_name":"x","status":"ACTIVE","accounts":[{"id":null}],"roles":"r","end_date":"2028-02-29"}`)
	p := newBare(f, Options{})
	f.Fuzz(func(t *testing.T, text string) {
		var o object
		if json.Unmarshal([]byte(text), &o) != nil {
			return
		}
		u, err := p.readUser("GET /user", o)
		if err != nil {
			return
		}
		if !validID(u.id) || u.status == "" || u.service() && u.name == "" {
			t.Fatalf("%s was read as %+v", text, u)
		}
	})
}

func FuzzReadToken(f *testing.F) {
	f.Add(inferredToken)
	p := newBare(f, Options{})
	f.Fuzz(func(t *testing.T, text string) {
		var o object
		if json.Unmarshal([]byte(text), &o) != nil {
			return
		}
		k, err := p.readToken("GET /api-access-token", "u-1", o)
		if err == nil && (!validID(k.ID) || k.UserID != "u-1" || k.Name == "") {
			t.Fatalf("%s was read as %+v", text, k)
		}
	})
}

func FuzzPaths(f *testing.F) {
	f.Add(`{"a":{"b":1}}`, "a.b")
	f.Fuzz(func(t *testing.T, text, path string) {
		var o object
		if json.Unmarshal([]byte(text), &o) != nil || o == nil || !utf8.ValidString(path) {
			return // YAML has no other text, so neither has the mapping
		}
		if err := o.set(path, "value"); err != nil {
			t.Fatal(err)
		}
		if got, ok := o.at(path); !ok || string(got) != `"value"` {
			t.Fatalf("%q was set and is %s", path, got)
		}
		o.drop(path)
		if _, ok := o.at(path); ok {
			t.Fatalf("%q was dropped and is there", path)
		}
	})
}
