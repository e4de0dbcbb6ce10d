package dataspot_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/providers/dataspot"
	"github.com/rotatord/rotatord/rotator"
)

func TestUsers(t *testing.T) {
	s := newServer(t, emulator.DataspotOptions{})
	s.addUser(t, "a")
	s.addUser(t, "b")
	if _, err := s.AddUser(emulator.DataspotUser{LoginID: "ann", Person: true}); err != nil {
		t.Fatal(err)
	}
	p := s.provider(t, nil)
	for _, tc := range []struct {
		name  string
		query rotator.UserQuery
		want  string
	}{
		{"all", rotator.UserQuery{}, "rotation-manager a b ann"},
		{"service users", rotator.UserQuery{Kind: rotator.ServiceKind}, "rotation-manager a b"},
		{"people", rotator.UserQuery{Kind: rotator.StandardKind}, "ann"},
		{"the second and third", rotator.UserQuery{Offset: 1, Limit: 2}, "a b"},
		{"beyond the end", rotator.UserQuery{Offset: 9}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got []string
			err := p.Users(t.Context(), tc.query, func(u rotator.UserDetails) error {
				got = append(got, u.Login)
				return nil
			})
			if err != nil || strings.Join(got, " ") != tc.want {
				t.Errorf("got %q, want %q: %v", got, tc.want, err)
			}
		})
	}
	nobody := func(rotator.UserDetails) error { return nil }
	wantFault(t, p.Users(t.Context(), rotator.UserQuery{Container: "1"}, nobody), rotator.Invalid, "no containers")
	wantFault(t, p.Users(t.Context(), rotator.UserQuery{Limit: -1}, nobody), rotator.Invalid, "negative")
	enough := errors.New("enough")
	if err := p.Users(t.Context(), rotator.UserQuery{}, func(rotator.UserDetails) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("the visitor's error came back as %v", err)
	}
}

func TestShowUser(t *testing.T) {
	s := newServer(t, emulator.DataspotOptions{ShowKeys: true})
	id := s.addUser(t, "ci")
	s.addKey(t, id, "deploy")
	p := s.provider(t, nil)
	for _, name := range []string{id, "ci"} {
		u, err := p.ShowUser(t.Context(), name)
		if err != nil {
			t.Fatalf("ShowUser(%s): %v", name, err)
		}
		if u.ID != id || u.Login != "ci" || u.Kind != rotator.ServiceKind || !u.Active || u.Created.IsZero() {
			t.Errorf("ShowUser(%s) = %+v", name, u)
		}
		got := map[string][]string{}
		for _, a := range u.Attributes {
			got[a.Name] = a.Values
		}
		if !cmp.Equal(got["access_level"], []string{"READ_ONLY"}) || !cmp.Equal(got["access_keys"], []string{"deploy"}) {
			t.Errorf("the attributes are %v", got)
		}
	}
	_, err := p.ShowUser(t.Context(), "me")
	wantFault(t, err, rotator.Invalid, "does not tell whose")
	_, err = p.ShowUser(t.Context(), "nobody")
	wantFault(t, err, rotator.Gone, "nobody")
}

func TestCheckUser(t *testing.T) {
	p, err := dataspot.New(dataspot.Options{BaseURL: "https://acme.dataspot.io", Database: "prod", Tenant: "ACME", Key: fixed("x")})
	if err != nil {
		t.Fatal(err)
	}
	good := rotator.UserSpec{Kind: rotator.ServiceKind, LoginID: "ci-reader", Name: "CI", AccessLevel: "EDITOR"}
	for _, tc := range []struct {
		name   string
		change func(*rotator.UserSpec)
		want   []string // what each sentence begins with
	}{
		{"as it should be", func(*rotator.UserSpec) {}, nil},
		{"without a level", func(s *rotator.UserSpec) { s.AccessLevel = "" }, nil},
		{"a level that is none", func(s *rotator.UserSpec) { s.AccessLevel = "ROOT" }, []string{"access_level:"}},
		{"nothing", func(s *rotator.UserSpec) { *s = rotator.UserSpec{} }, []string{"login_id:", "name:"}},
		{"capitals", func(s *rotator.UserSpec) { s.LoginID = "CI" }, []string{"login_id:"}},
		{"a blank", func(s *rotator.UserSpec) { s.LoginID = "a b" }, []string{"login_id:"}},
		{"a person", func(s *rotator.UserSpec) { s.Kind = rotator.StandardKind }, []string{"kind:"}},
		{"another system's fields", func(s *rotator.UserSpec) {
			s.Email, s.Roles, s.RestrictedToRole, s.SSOOnly = "a@b", []string{"1"}, "100", true
		},
			[]string{"email:", "roles:", "restricted_to_role:", "sso_only:"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := good
			tc.change(&s)
			var got []string
			for _, sentence := range p.CheckUser(s) {
				word, _, _ := strings.Cut(sentence, " ")
				got = append(got, word)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCreateAndUpdateUser(t *testing.T) {
	s := newServer(t, emulator.DataspotOptions{UserType: "Benutzer"})
	p := s.provider(t, func(o *dataspot.Options) { o.TypeName = "Benutzer" })
	spec := rotator.UserSpec{Kind: rotator.ServiceKind, LoginID: "ci", Name: "CI"}
	made, err := p.CreateUser(t.Context(), spec)
	if err != nil || made.HasKey || made.UserID == "" {
		t.Fatalf("CreateUser = %+v, %v", made, err)
	}
	s.addKey(t, made.UserID, "deploy")
	_, err = p.CreateUser(t.Context(), spec)
	wantFault(t, err, rotator.Conflict, "taken")
	if err := p.UpdateUser(t.Context(), made.UserID, rotator.UserSpec{LoginID: "ci", Name: "CI reader", AccessLevel: "EDITOR"}); err != nil {
		t.Fatal(err)
	}
	want := emulator.DataspotUser{ID: made.UserID, Tenant: "ACME", LoginID: "ci", Name: "CI reader", AccessLevel: "EDITOR"}
	if diff := cmp.Diff(want, s.Users("ACME")[1]); diff != "" {
		t.Error(diff)
	}
	if got := names(s.Keys(made.UserID)); !cmp.Equal(got, []string{"deploy"}) {
		t.Errorf("after the change the user has the keys %v", got)
	}
	wantFault(t, p.UpdateUser(t.Context(), made.UserID, rotator.UserSpec{LoginID: "other"}), rotator.Invalid, "cannot be changed")
	wantFault(t, p.UpdateUser(t.Context(), made.UserID, rotator.UserSpec{Email: "a@b"}), rotator.Invalid, "email")
	s.forget()
	if err := p.UpdateUser(t.Context(), made.UserID, rotator.UserSpec{LoginID: "ci"}); err != nil || s.requests(isOp["mint"]) != 0 {
		t.Errorf("a change of nothing made %d writes: %v", s.requests(isOp["mint"]), err)
	}
}

// TestCreateUserThatMayExist: a lost answer is told from a refusal.
func TestCreateUserThatMayExist(t *testing.T) {
	for _, tc := range []struct {
		name string
		lie  emulator.Effect
		kind rotator.Kind
	}{
		{"lost", emulator.Effect{Kind: emulator.EffectLost, AfterEffect: true}, rotator.UnknownOutcome},
		{"garbage", emulator.Effect{Kind: emulator.EffectGarbage}, rotator.UnknownOutcome},
		{"failed", emulator.Effect{Kind: emulator.EffectStatus, Status: 502}, rotator.UnknownOutcome},
		{"refused", emulator.Effect{Kind: emulator.EffectStatus, Status: 403}, rotator.Denied},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newServer(t, emulator.DataspotOptions{})
			s.order(t, emulator.Fault{Match: emulator.Match{Method: http.MethodPost}, Effect: tc.lie})
			_, err := s.provider(t, nil).CreateUser(t.Context(), rotator.UserSpec{LoginID: "ci", Name: "CI"})
			wantFault(t, err, tc.kind)
			if n := s.requests(func(r string) bool { return r == "POST /users" }); n != 1 {
				t.Errorf("%d requests were made", n)
			}
		})
	}
}

func TestGuide(t *testing.T) {
	p, err := dataspot.New(dataspot.Options{Name: "ds-acme", BaseURL: "https://acme.dataspot.io", Database: "prod", Tenant: "ACME", Key: fixed("x")})
	if err != nil {
		t.Fatal(err)
	}
	until := time.Date(2027, 3, 1, 23, 59, 59, 0, time.UTC)
	make1 := p.HowToMake("id-1", "CI reader", "deploy-r0002", until)
	for _, want := range []string{"tenant ACME", `"CI reader"`, "name deploy-r0002", "2027-03-01", "one time", "`rotatord supply ds-acme/id-1/deploy --expires 2027-03-01`"} {
		if !strings.Contains(make1, want) {
			t.Errorf("%q lacks %q", make1, want)
		}
	}
	if make2 := p.HowToMake("id-1", "", "deploy", time.Time{}); !strings.Contains(make2, "beside id-1") || !strings.Contains(make2, "it is required") {
		t.Errorf("without a name and a date: %q", make2)
	}
	remove := p.HowToRemove("id-1", "CI reader", rotator.Key{Name: "deploy", Expires: until})
	for _, want := range []string{"tenant ACME", "named deploy, and no other", "2027-03-01 at 23:59 UTC"} {
		if !strings.Contains(remove, want) {
			t.Errorf("%q lacks %q", remove, want)
		}
	}
}
