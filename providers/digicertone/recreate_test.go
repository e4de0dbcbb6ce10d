package digicertone_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/providers/digicertone"
	"github.com/rotatord/rotatord/rotator"
)

var recreate = digicertone.Options{Mode: digicertone.RecreateMode}

// aSeries puts a service user with a version and an old one into an instance.
func aSeries(t *testing.T, o emulator.DigiCertOneOptions) (i *instance, old string) {
	t.Helper()
	i = newInstance(t, o)
	old, _ = i.addUser(t, emulator.DigiCertOneUser{
		FriendlyName: "ci-r0001", Description: "builds", Email: "ci@example.com", Roles: []string{"AM_ACCOUNT_USER", "STM_SIGNER"}, EndDate: in(9),
	})
	return i, old
}

func TestRecreateMintsASuccessor(t *testing.T) {
	i, old := aSeries(t, emulator.DigiCertOneOptions{})
	p := i.provider(t, recreate)
	m, err := p.Mint(t.Context(), rotator.MintRequest{UserID: "ci", Name: "ci-r0002", Lifetime: 90 * day, Replaces: old})
	if err != nil {
		t.Fatal(err)
	}
	before, _ := i.User(old)
	after, _ := i.User(m.KeyID)
	want := before
	want.ID, want.FriendlyName, want.EndDate, want.Created = after.ID, "ci-r0002", m.Expires.Format(time.DateOnly), after.Created
	if diff := cmp.Diff(want, after); diff != "" {
		t.Errorf("the successor differs (-want +got):\n%s", diff)
	}
	if err := p.Check(t.Context(), "ci", m.Secret); err != nil {
		t.Error(err)
	}
	wantKind(t, p.Check(t.Context(), "other", m.Secret), rotator.Conflict)
	for _, scope := range []string{"", "ci"} {
		got := scan(t, p, scope)
		if len(got.users) != 1 || got.users[0] != (rotator.ServiceUser{ID: "ci", Name: "ci", Email: "ci@example.com", Active: true}) || len(got.keys) != 2 {
			t.Errorf("the scan of %q shows %+v", scope, got)
		}
	}
	if got := scan(t, p, "nobody"); len(got.keys) != 0 {
		t.Errorf("the scan of nobody shows %+v", got)
	}
	key := rotator.Key{ID: old, UserID: "ci", Name: "ci-r0001"}
	for _, step := range []func() error{
		func() error { return p.Disable(t.Context(), key) }, func() error { return p.Disable(t.Context(), key) },
		func() error { return p.Enable(t.Context(), key) }, func() error { return p.Enable(t.Context(), key) },
		func() error { return p.Disable(t.Context(), key) }, func() error { return p.Retire(t.Context(), key) },
		func() error { return p.Retire(t.Context(), key) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	if _, there := i.User(old); there {
		t.Error("the predecessor is still there")
	}
}

func TestRecreateRefusesBeforeAnythingIsMade(t *testing.T) {
	i, old := aSeries(t, emulator.DigiCertOneOptions{})
	good := rotator.MintRequest{UserID: "ci", Name: "ci-r0002", Lifetime: 90 * day, Replaces: old}
	fields := func(change func(*digicertone.Fields)) digicertone.Options {
		f := digicertone.DefaultFields()
		change(&f)
		return digicertone.Options{Mode: digicertone.RecreateMode, Fields: f}
	}
	for _, tc := range []struct {
		name  string
		o     digicertone.Options
		edit  func(*rotator.MintRequest)
		words string
	}{
		{"no accounts in the answer", fields(func(f *digicertone.Fields) { f.UserAccounts = "reach" }), nil, "fields.user_accounts"},
		{"no managers in the answer", fields(func(f *digicertone.Fields) { f.UserManagers = "reach" }), nil, "fields.user_managers"},
		{"no roles in the answer", fields(func(f *digicertone.Fields) { f.UserRoles = "reach" }), nil, "fields.user_roles"},
		{"no e-mail in the answer", fields(func(f *digicertone.Fields) { f.UserEmail = "mail" }), nil, "fields.user_email"},
		{"the predecessor is gone", recreate, func(r *rotator.MintRequest) { r.Replaces = strings.Replace(old, "0002", "0999", 1) }, "does not exist any more"},
		{"nothing to copy from", recreate, func(r *rotator.MintRequest) { r.Replaces = "" }, "copy accounts"},
		{"a name of another series", recreate, func(r *rotator.MintRequest) { r.Name = "cd-r0002" }, `"cd-r0002"`},
		{"a lifetime of minutes", recreate, func(r *rotator.MintRequest) { r.Lifetime = time.Nanosecond }, "end of today"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			req := good
			if tc.edit != nil {
				tc.edit(&req)
			}
			_, err := i.provider(t, tc.o).Mint(t.Context(), req)
			wantKind(t, err, rotator.Invalid, tc.words)
		})
	}
	if i.requests(func(s string) bool { return s == "POST /user" }) != 0 {
		t.Error("something was sent that makes a user")
	}
	i.order(t, emulator.Fault{Match: emulator.Match{Method: "GET", Path: "/user/*"}, Count: 1, Effect: emulator.Effect{Kind: emulator.EffectStatus, Status: 502}})
	_, err := i.provider(t, recreate).Mint(t.Context(), good)
	wantKind(t, err, rotator.Transient)
}

func TestRecreateExtends(t *testing.T) {
	i, old := aSeries(t, emulator.DigiCertOneOptions{})
	p := i.provider(t, recreate)
	for range 2 {
		got, err := p.Extend(t.Context(), rotator.Key{ID: old, UserID: "ci"}, endOf(t, in(60)).Add(time.Hour))
		if err != nil || !got.Equal(endOf(t, in(60))) {
			t.Fatalf("got %v, %v", got, err)
		}
	}
	after, _ := i.User(old)
	if after.EndDate != in(60) || after.Description != "builds" || len(after.Roles) != 2 || after.Email != "ci@example.com" {
		t.Errorf("the user is %+v afterwards", after)
	}
	if n := i.requests(func(s string) bool { return strings.HasPrefix(s, "PUT ") }); n != 1 {
		t.Errorf("%d updates were sent, want 1", n)
	}
}

func TestRecreateNeverHitsItself(t *testing.T) {
	i := newInstance(t, emulator.DigiCertOneOptions{})
	id, secret := i.addUser(t, emulator.DigiCertOneUser{FriendlyName: "rotator", FirstToken: "rotator", Roles: []string{"AM_ACCOUNT_ADMIN"}})
	p := i.provider(t, digicertone.Options{Mode: digicertone.RecreateMode, Key: fixed(secret)})
	key := rotator.Key{ID: id, UserID: "rotator"}
	wantKind(t, p.Retire(t.Context(), key), rotator.Invalid, "itself signs in")
	wantKind(t, p.Disable(t.Context(), key), rotator.Invalid, "itself signs in")
	if !i.Authenticates(secret) {
		t.Error("the daemon's own user is gone")
	}
}

func TestRecreateRefusesOneNameInTwoAccounts(t *testing.T) {
	i, _ := aSeries(t, emulator.DigiCertOneOptions{})
	other := i.AddAccount("Other")
	i.addUser(t, emulator.DigiCertOneUser{FriendlyName: "ci", Accounts: []string{other}})
	_, secret := i.addUser(t, emulator.DigiCertOneUser{
		FriendlyName: "manager of both", FirstToken: "both", Roles: []string{"AM_ACCOUNT_ADMIN"}, Accounts: []string{other, i.Users()[0].Accounts[0]},
	})
	o := digicertone.Options{Mode: digicertone.RecreateMode, Key: fixed(secret)}
	wantKind(t, i.provider(t, o).Scan(t.Context(), rotator.Scope{}, &seen{}), rotator.Invalid, "account_id", `"ci"`)
	o.AccountID = other
	if got := scan(t, i.provider(t, o), "ci"); len(got.keys) != 1 || got.keys[0].Name != "ci" {
		t.Errorf("with account_id the scan shows %+v", got)
	}
}

func TestAWrongPathIsNoSuccess(t *testing.T) {
	i, old := aSeries(t, emulator.DigiCertOneOptions{})
	o := recreate
	o.Paths = digicertone.Paths{UpdateUser: "/users/{id}", DeleteUser: "/users/{id}", EnableUser: "/users/{id}/on", DisableUser: "/users/{id}/off"}
	p := i.provider(t, o)
	key := rotator.Key{ID: old, UserID: "ci"}
	wantKind(t, p.Retire(t.Context(), key), rotator.Invalid, "paths.delete_user")
	wantKind(t, p.Disable(t.Context(), key), rotator.Invalid, "paths.disable_user")
	_, err := p.Extend(t.Context(), key, endOf(t, in(60)))
	wantKind(t, err, rotator.Invalid, "paths.update_user")
	if err := i.DisableUser(old, true); err != nil {
		t.Fatal(err)
	}
	wantKind(t, p.Enable(t.Context(), key), rotator.Invalid, "paths.enable_user")
}

// recorder is a service that holds one object and records the updates of it.
type recorder struct {
	object string
	puts   []string
}

// ServeHTTP implements http.Handler.
func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method == http.MethodPut {
		body, _ := io.ReadAll(req.Body)
		r.puts = append(r.puts, req.URL.Path+" "+string(body))
		return
	}
	_, _ = io.WriteString(w, r.object)
}

func TestStylesOfUpdates(t *testing.T) {
	const token = `{"id":"t-1","name":"ci","user_id":"u-1","status":"ACTIVE","end_date":null,"big":12345678901234567890,"token":"****"}`
	const user = `{"id":"u-1","friendly_name":"ci","status":"ACTIVE","end_date":"2999-01-01","applications":[{"id":"m"}]}`
	for _, tc := range []struct {
		name, object, want string
		o                  digicertone.Options
	}{
		{"full", token, `/account/api/v1/api-access-token/t-1 {"big":12345678901234567890,"end_date":null,"id":"t-1","name":"ci","status":"DISABLED","user_id":"u-1"}`,
			digicertone.Options{}},
		{"partial", token, `/account/api/v1/api-access-token/t-1 {"status":"DISABLED"}`, digicertone.Options{UpdateStyle: digicertone.PartialUpdate}},
		{"users by a status", user, `/account/api/v1/user/u-1 {"status":"DISABLED"}`,
			digicertone.Options{Mode: digicertone.RecreateMode, UpdateStyle: digicertone.PartialUpdate, SwitchUsersByStatus: true}},
		{"users by a path", user, `/account/api/v1/user/u-1/disable `, digicertone.Options{Mode: digicertone.RecreateMode}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := &recorder{object: tc.object}
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				if strings.HasSuffix(req.URL.Path, "/user/me") {
					_, _ = io.WriteString(w, `{"id":"self","friendly_name":"self","status":"ACTIVE"}`)
					return
				}
				r.ServeHTTP(w, req)
			}))
			defer server.Close()
			tc.o.BaseURL, tc.o.Key = server.URL, fixed("key")
			p, err := digicertone.New(tc.o)
			if err != nil {
				t.Fatal(err)
			}
			var o struct{ ID string }
			if err := json.Unmarshal([]byte(tc.object), &o); err != nil {
				t.Fatal(err)
			}
			if err := p.Disable(t.Context(), rotator.Key{ID: o.ID}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{tc.want}, r.puts); diff != "" {
				t.Errorf("the updates differ (-want +got):\n%s", diff)
			}
		})
	}
}
