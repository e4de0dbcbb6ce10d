package certcentral_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/providers/certcentral"
	"github.com/rotatord/rotatord/rotator"
)

// valueOf is an attribute's values in one text; "" if it is not there.
func valueOf(u rotator.UserDetails, name string) string {
	for _, a := range u.Attributes {
		if a.Name == name {
			return strings.Join(a.Values, " ")
		}
	}
	return ""
}

func TestUserCalls(t *testing.T) {
	a := newAccount(t, emulator.CertCentralOptions{})
	service := a.AddUser(emulator.CertCentralUser{Email: "ci@example.com"})
	login := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	a.Login(service, login)
	p := a.provider(t, certcentral.Options{PageSize: 1})
	got, err := p.ShowUser(t.Context(), str(service))
	if err != nil || got.Email != "ci@example.com" || !got.LastLogin.Equal(login) || got.Kind != rotator.ServiceKind || valueOf(got, "container") != "5" || valueOf(got, "roles") != "5" {
		t.Errorf("ShowUser = %+v, %v", got, err)
	}
	admin := str(a.Keys(0)[0].UserID)
	me, err := p.ShowUser(t.Context(), "me")
	if err != nil || me.ID != admin || me.Kind != rotator.StandardKind {
		t.Errorf("ShowUser(me) = %+v, %v", me, err)
	}
	id, secret, err := p.Self(t.Context())
	if err != nil || id != admin || string(secret.Reveal()) != a.ManagerSecret() {
		t.Errorf("Self = %s, %v; the secret is the manager key: %v", id, err, string(secret.Reveal()) == a.ManagerSecret())
	}
	secret.Wipe()
	_, err = p.ShowUser(t.Context(), "99") // works only if the wiped secret was a copy
	mustKind(t, err, rotator.Gone)
	_, err = p.ShowUser(t.Context(), "me/../key")
	mustKind(t, err, rotator.Invalid)
	if roles, err := p.APIRoles(t.Context()); err != nil || !slices.ContainsFunc(roles, func(r certcentral.Role) bool { return r.ID == 102 }) {
		t.Errorf("APIRoles = %v, %v", roles, err)
	}
	if may, err := p.Permissions(t.Context()); err != nil || !slices.Contains(may, certcentral.Permission{Name: "view_users", Authorized: true}) {
		t.Errorf("Permissions = %v, %v", may, err)
	}
}

func listed(t *testing.T, p *certcentral.Provider, q rotator.UserQuery) (ids []string) {
	t.Helper()
	err := p.Users(t.Context(), q, func(u rotator.UserDetails) error {
		if q.Kind != "" && u.Kind != q.Kind {
			t.Errorf("user %s is of the kind %s", u.ID, u.Kind)
		}
		ids = append(ids, u.ID)
		return nil
	})
	if err != nil {
		t.Fatalf("Users(%+v): %v", q, err)
	}
	return ids
}

func TestWhichUsersAQueryLists(t *testing.T) {
	a := newAccount(t, emulator.CertCentralOptions{})
	admin := str(a.Keys(0)[0].UserID)
	s1, p1 := str(a.AddUser(emulator.CertCentralUser{})), str(a.AddUser(emulator.CertCentralUser{Person: true, Email: "p1@example.com"}))
	s2, s3 := str(a.AddUser(emulator.CertCentralUser{Container: 77})), str(a.AddUser(emulator.CertCentralUser{}))
	p := a.provider(t, certcentral.Options{PageSize: 2})
	for _, c := range []struct {
		name string
		q    rotator.UserQuery
		want []string
	}{
		{"service users", rotator.UserQuery{Kind: rotator.ServiceKind}, []string{s1, s2, s3}},
		{"standard users", rotator.UserQuery{Kind: rotator.StandardKind}, []string{admin, p1}},
		{"all", rotator.UserQuery{}, []string{s1, s2, s3, admin, p1}},
		{"of one container", rotator.UserQuery{Container: "77"}, []string{s2}},
		{"service users from the second", rotator.UserQuery{Kind: rotator.ServiceKind, Offset: 1}, []string{s2, s3}},
		{"one service user", rotator.UserQuery{Kind: rotator.ServiceKind, Offset: 1, Limit: 1}, []string{s2}},
		{"as many as there are", rotator.UserQuery{Kind: rotator.ServiceKind, Limit: 3}, []string{s1, s2, s3}},
		{"more than a page", rotator.UserQuery{Limit: 4, Offset: 1}, []string{s2, s3, admin, p1}},
		{"across both kinds", rotator.UserQuery{Limit: 2, Offset: 2}, []string{s3, admin}},
		{"the last standard user", rotator.UserQuery{Kind: rotator.StandardKind, Offset: 1, Limit: 5}, []string{p1}},
		{"beyond the end", rotator.UserQuery{Kind: rotator.ServiceKind, Offset: 9}, nil},
		{"beyond the end of all", rotator.UserQuery{Offset: 9, Limit: 1}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, listed(t, p, c.q)); diff != "" {
				t.Errorf("users differ (-want +got):\n%s", diff)
			}
		})
	}
	for _, q := range []rotator.UserQuery{{Kind: "robot"}, {Container: "x"}, {Container: "99999999999"}, {Offset: -1}, {Limit: -1}} {
		mustKind(t, p.Users(t.Context(), q, func(rotator.UserDetails) error { return nil }), rotator.Invalid)
	}
	stop := errors.New("enough")
	if err := p.Users(t.Context(), rotator.UserQuery{}, func(rotator.UserDetails) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the visitor's error became %v", err)
	}
	a.order(t, emulator.Fault{Effect: emulator.Effect{Kind: emulator.EffectTruncate}})
	mustKind(t, p.Users(t.Context(), rotator.UserQuery{}, func(rotator.UserDetails) error { return nil }), rotator.Transient)
}

func robot() rotator.UserSpec {
	return rotator.UserSpec{Kind: rotator.ServiceKind, Email: "ci@example.com", KeyName: "ci-r0001", RestrictedToRole: "102", Containers: []string{"6", "7"}}
}

func person() rotator.UserSpec {
	return rotator.UserSpec{
		Kind: rotator.StandardKind, Username: "jill.valentine", FirstName: "Jill", LastName: "Valentine", Email: "jill@example.com",
		JobTitle: "Alpha", Telephone: "555-0100", Roles: []string{"5"}, Container: "9",
	}
}

func TestCheckUserNamesEveryField(t *testing.T) {
	p := newAccount(t, emulator.CertCentralOptions{}).provider(t, certcentral.Options{MaxNameLength: 10})
	is := func(base func() rotator.UserSpec, change func(*rotator.UserSpec)) rotator.UserSpec {
		s := base()
		change(&s)
		return s
	}
	long := func(n int) string { return strings.Repeat("é", n) }
	for _, c := range []struct {
		name string
		spec rotator.UserSpec
		want []string // the fields, in order
	}{
		{"a service user", robot(), nil},
		{"a service user with no restriction", is(robot, func(s *rotator.UserSpec) { s.RestrictedToRole = "0" }), nil},
		{"a standard user", person(), nil},
		{"every alphabet and limit used up", is(person, func(s *rotator.UserSpec) {
			s.Username, s.FirstName, s.LastName, s.JobTitle, s.Telephone = "aZ09@-_+.", long(128), long(128), long(64), long(64)
			s.Email = strings.Repeat("a", 64) + "@" + strings.Repeat("b", 190)
		}), nil},
		{"nothing", rotator.UserSpec{}, []string{"kind"}},
		{"an empty service user", rotator.UserSpec{Kind: rotator.ServiceKind}, []string{"email", "key_name"}},
		{"an empty standard user", rotator.UserSpec{Kind: rotator.StandardKind}, []string{"username", "first_name", "last_name", "email", "roles"}},
		{"too long", is(person, func(s *rotator.UserSpec) {
			s.FirstName, s.LastName, s.JobTitle, s.Telephone = long(129), long(129), long(65), long(65)
			s.Email = strings.Repeat("a", 64) + "@" + strings.Repeat("b", 191)
		}), []string{"first_name", "last_name", "job_title", "telephone", "email"}},
		{"odd characters", is(person, func(s *rotator.UserSpec) { s.Username, s.Email = "jill valentine", "Jill <jill@example.com>" }), []string{"username", "email"}},
		{"an accent in the username", is(person, func(s *rotator.UserSpec) { s.Username = "jéll" }), []string{"username"}},
		{"ids that are none", is(person, func(s *rotator.UserSpec) {
			s.Roles, s.Container, s.Containers = []string{"5", "Administrator"}, "0", []string{"-1"}
		}), []string{"container", "roles", "containers"}},
		{"a role that is none", is(robot, func(s *rotator.UserSpec) { s.RestrictedToRole = "104" }), []string{"restricted_to_role"}},
		{"a role that is a word", is(robot, func(s *rotator.UserSpec) { s.RestrictedToRole = "x" }), []string{"restricted_to_role"}},
		{"a key name that is too long", is(robot, func(s *rotator.UserSpec) { s.KeyName = "ci-production-r0001" }), []string{"key_name"}},
		{"an address without a host", is(robot, func(s *rotator.UserSpec) { s.Email = "ci" }), []string{"email"}},
		{"a service user with a profile", is(robot, func(s *rotator.UserSpec) {
			s.Name, s.Username, s.FirstName, s.LastName, s.JobTitle, s.Telephone, s.SSOOnly, s.Roles, s.Container = "x", "x", "x", "x", "x", "x", true, []string{"5"}, "5"
		}), []string{"container", "first_name", "job_title", "last_name", "name", "roles", "sso_only", "telephone", "username"}},
		{"a standard user with a key", is(person, func(s *rotator.UserSpec) { s.Name, s.KeyName, s.RestrictedToRole = "x", "x", "100" }), []string{"key_name", "name", "restricted_to_role"}},
		{"what other systems have", is(robot, func(s *rotator.UserSpec) {
			s.Description, s.EndDate, s.Accounts, s.Managers, s.LoginID, s.AccessLevel = "x", "x", []string{"x"}, []string{"x"}, "x", "x"
		}), []string{"access_level", "accounts", "description", "end_date", "login_id", "managers"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var fields []string
			for _, sentence := range p.CheckUser(c.spec) {
				field, _, _ := strings.Cut(sentence, " ")
				fields = append(fields, field)
			}
			if diff := cmp.Diff(c.want, fields); diff != "" {
				t.Errorf("%q, fields differ (-want +got):\n%s", p.CheckUser(c.spec), diff)
			}
		})
	}
}

func TestCreateAServiceUser(t *testing.T) {
	a := newAccount(t, emulator.CertCentralOptions{})
	p := a.provider(t, certcentral.Options{})
	made, err := p.CreateUser(t.Context(), robot())
	if err != nil {
		t.Fatal(err)
	}
	key, ok := a.KeyOfSecret(string(made.Key.Secret.Reveal()))
	if !ok || made.UserID != str(key.UserID) || !made.HasKey || made.Key.KeyID != str(key.ID) || key.Name != "ci-r0001" || key.RestrictedTo != 102 || made.Key.Created.IsZero() {
		t.Errorf("made %+v with the key %+v", made, key)
	}
	got, err := p.ShowUser(t.Context(), made.UserID)
	if err != nil || got.Kind != rotator.ServiceKind || len(rotator.Drift(robot(), got)) != 0 {
		t.Errorf("the user is %+v, %v; drift %v", got, err, rotator.Drift(robot(), got))
	}
	if text := fmt.Sprintf("%v %+v %#v", made, made, made); strings.Contains(text, string(made.Key.Secret.Reveal())) {
		t.Error("what was made prints its secret")
	}

	configured := robot()
	configured.RestrictedToRole = ""
	made, err = a.provider(t, certcentral.Options{RestrictedToRoleID: new(100)}).CreateUser(t.Context(), configured)
	if key, _ := a.KeyOfSecret(string(made.Key.Secret.Reveal())); err != nil || key.RestrictedTo != 100 {
		t.Errorf("a key restricted by the configuration: %+v, %v", key, err)
	}
}

func TestCreateAStandardUser(t *testing.T) {
	a := newAccount(t, emulator.CertCentralOptions{})
	p := a.provider(t, certcentral.Options{})
	spec := person()
	spec.SSOOnly = true
	made, err := p.CreateUser(t.Context(), spec)
	if err != nil || made.HasKey || !made.Key.Secret.Empty() {
		t.Fatalf("made %+v, %v", made, err)
	}
	got, err := p.ShowUser(t.Context(), made.UserID)
	if err != nil || got.Kind != rotator.StandardKind || len(rotator.Drift(spec, got)) != 0 || valueOf(got, "sso_only") != "true" {
		t.Errorf("the user is %+v, %v; drift %v", got, err, rotator.Drift(spec, got))
	}
	if n := a.requests(func(s string) bool { return strings.HasPrefix(s, "GET /key") }); n != 0 {
		t.Errorf("%d look-ups of a key that there is not", n)
	}
	_, err = p.CreateUser(t.Context(), spec)
	mustKind(t, err, rotator.Invalid) // the name is taken
	before := a.requests(func(string) bool { return true })
	_, err = p.CreateUser(t.Context(), rotator.UserSpec{Kind: rotator.StandardKind})
	mustKind(t, err, rotator.Invalid)
	if !strings.Contains(err.Error(), "username") || !strings.Contains(err.Error(), "roles") || a.requests(func(string) bool { return true }) != before {
		t.Errorf("got %v, want every field and no call", err)
	}
}

func TestAKeyWhoseIdCannotBeFoundIsHandedOverAllTheSame(t *testing.T) {
	for name, effect := range map[string]emulator.Effect{
		"the list fails":   {Kind: emulator.EffectStatus, Status: 500},
		"the list is cut":  {Kind: emulator.EffectTruncate},
		"the list is late": {Kind: emulator.EffectEmptyList},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAccount(t, emulator.CertCentralOptions{})
			a.order(t, emulator.Fault{Match: emulator.Match{Method: "GET", Path: "/key"}, Effect: effect})
			made, err := a.provider(t, certcentral.Options{}).CreateUser(t.Context(), robot())
			if err != nil || made.UserID == "" || !made.HasKey || made.Key.Secret.Empty() || made.Key.KeyID != "" {
				t.Errorf("made %+v, %v; want the user and its key without an id", made, err)
			}
		})
	}
}

func TestAUserWhoseCreationWasNotAnsweredIsUnknown(t *testing.T) {
	for name, c := range map[string]struct {
		effect emulator.Effect
		want   rotator.Kind
		users  int
	}{
		"lost after":     {emulator.Effect{Kind: emulator.EffectLost, AfterEffect: true}, rotator.UnknownOutcome, 1},
		"lost before":    {emulator.Effect{Kind: emulator.EffectLost}, rotator.UnknownOutcome, 0},
		"502 after":      {emulator.Effect{Kind: emulator.EffectStatus, Status: 502, AfterEffect: true}, rotator.UnknownOutcome, 1},
		"cut":            {emulator.Effect{Kind: emulator.EffectTruncate}, rotator.UnknownOutcome, 1},
		"garbage":        {emulator.Effect{Kind: emulator.EffectGarbage}, rotator.UnknownOutcome, 1},
		"throttled":      {emulator.Effect{Kind: emulator.EffectStatus, Status: 429}, rotator.Throttled, 0},
		"not acceptable": {emulator.Effect{Kind: emulator.EffectStatus, Status: 400}, rotator.Invalid, 0},
		"no right":       {emulator.Effect{Kind: emulator.EffectStatus, Status: 403}, rotator.Denied, 0},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAccount(t, emulator.CertCentralOptions{})
			a.order(t, emulator.Fault{Match: emulator.Match{Method: "POST"}, Effect: c.effect})
			p := a.provider(t, certcentral.Options{})
			_, err := p.CreateUser(t.Context(), robot())
			mustKind(t, err, c.want)
			if n := a.requests(func(s string) bool { return s == "POST /user" }); n != 1 {
				t.Errorf("%d requests were made", n)
			}
			if got := listed(t, p, rotator.UserQuery{Kind: rotator.ServiceKind}); len(got) != c.users {
				t.Errorf("%d users were made, want %d", len(got), c.users)
			}
		})
	}
}

func TestUpdateUserChangesWhatIsSetAndNothingElse(t *testing.T) {
	a := newAccount(t, emulator.CertCentralOptions{})
	p := a.provider(t, certcentral.Options{})
	service, err := p.CreateUser(t.Context(), robot())
	if err != nil {
		t.Fatal(err)
	}
	standard, err := p.CreateUser(t.Context(), person())
	if err != nil {
		t.Fatal(err)
	}
	puts := func() (list []string) {
		a.mu.Lock()
		defer a.mu.Unlock()
		for _, s := range a.seen {
			if strings.HasPrefix(s, "PUT ") {
				list = append(list, s)
			}
		}
		a.seen = nil
		return list
	}
	one, two := "/user/"+standard.UserID, "/user/"+service.UserID
	for _, c := range []struct {
		name string
		id   string
		spec rotator.UserSpec
		puts []string
		want map[string]string // attributes afterwards
	}{
		{"nothing", standard.UserID, rotator.UserSpec{Kind: rotator.StandardKind}, nil, map[string]string{"job_title": "Alpha"}},
		{"what is so already", standard.UserID, person(), nil, map[string]string{"roles": "5"}},
		{"a first name alone", standard.UserID, rotator.UserSpec{Kind: rotator.StandardKind, FirstName: "Jo"}, []string{"PUT " + one},
			map[string]string{"first_name": "Jo", "last_name": "Valentine", "job_title": "Alpha", "telephone": "555-0100"}},
		{"roles", standard.UserID, rotator.UserSpec{Kind: rotator.StandardKind, Roles: []string{"4", "2"}}, []string{"PUT " + one + "/role"}, map[string]string{"roles": "4 2"}},
		{"everything, rights last", standard.UserID, rotator.UserSpec{Kind: rotator.StandardKind, JobTitle: "Beta", Roles: []string{"1"}, Containers: []string{"6"}},
			[]string{"PUT " + one, "PUT " + one + "/container-assignments", "PUT " + one + "/role"}, map[string]string{"job_title": "Beta", "roles": "1", "containers": "6"}},
		{"a service user's address", service.UserID, rotator.UserSpec{Kind: rotator.ServiceKind, Email: "new@example.com"}, []string{"PUT " + two}, map[string]string{"containers": "6 7"}},
		{"the same containers in another order", service.UserID, rotator.UserSpec{Kind: rotator.ServiceKind, Containers: []string{"7", "6"}}, nil, map[string]string{"containers": "6 7"}},
		{"other containers", service.UserID, rotator.UserSpec{Kind: rotator.ServiceKind, Containers: []string{"7"}}, []string{"PUT " + two + "/container-assignments"}, map[string]string{"containers": "7"}},
		{"no word of containers", service.UserID, rotator.UserSpec{Kind: rotator.ServiceKind}, nil, map[string]string{"containers": "7"}},
		{"explicitly none", service.UserID, rotator.UserSpec{Kind: rotator.ServiceKind, Containers: []string{}}, []string{"PUT " + two + "/container-assignments"}, map[string]string{"containers": "", "has_container_assignments": "false"}},
		{"explicitly none again", service.UserID, rotator.UserSpec{Kind: rotator.ServiceKind, Containers: []string{}}, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			puts()
			if err := p.UpdateUser(t.Context(), c.id, c.spec); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.puts, puts()); diff != "" {
				t.Errorf("writes differ (-want +got):\n%s", diff)
			}
			got, err := p.ShowUser(t.Context(), c.id)
			if err != nil {
				t.Fatal(err)
			}
			for name, want := range c.want {
				if value := valueOf(got, name); value != want {
					t.Errorf("%s is %q, want %q", name, value, want)
				}
			}
		})
	}
}

func TestUpdateUserRefusesBeforeItWrites(t *testing.T) {
	a := newAccount(t, emulator.CertCentralOptions{})
	p := a.provider(t, certcentral.Options{})
	standard, err := p.CreateUser(t.Context(), person())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		id    string
		spec  rotator.UserSpec
		want  rotator.Kind
		parts []string
	}{
		"what cannot be changed": {standard.UserID, rotator.UserSpec{Kind: rotator.StandardKind, Username: "x", Container: "6", SSOOnly: true, Email: "n@example.com"},
			rotator.Invalid, []string{"username", "container", "sso_only"}},
		"what the service would not take": {standard.UserID, rotator.UserSpec{Kind: rotator.StandardKind, Email: "x", Roles: []string{"x"}}, rotator.Invalid, []string{"email", "roles"}},
		"a service user's profile":        {standard.UserID, rotator.UserSpec{Kind: rotator.ServiceKind, FirstName: "x"}, rotator.Invalid, []string{"first_name"}},
		"no kind":                         {standard.UserID, rotator.UserSpec{}, rotator.Invalid, []string{"kind"}},
		"an id that is none":              {"me", person(), rotator.Invalid, []string{"not the id"}},
		"a user that is gone":             {"99", rotator.UserSpec{Kind: rotator.StandardKind}, rotator.Gone, nil},
	} {
		err := p.UpdateUser(t.Context(), c.id, c.spec)
		if rotator.KindOf(err) != c.want || slices.ContainsFunc(c.parts, func(part string) bool { return !strings.Contains(err.Error(), part) }) {
			t.Errorf("%s: got %v, want kind %s and %q", name, err, c.want, c.parts)
		}
	}
	// An answer that hides a name must not be written back without it.
	a.order(t, emulator.Fault{Match: emulator.Match{Method: "GET"}, Count: 1, Effect: emulator.Effect{
		Kind: emulator.EffectStatus, Status: 200, Body: `{"id":` + standard.UserID + `,"username":"jill.valentine","email":"jill@example.com"}`,
	}})
	err = p.UpdateUser(t.Context(), standard.UserID, rotator.UserSpec{Kind: rotator.StandardKind, Email: "new@example.com"})
	if rotator.KindOf(err) != rotator.Invalid || !strings.Contains(err.Error(), "first_name") {
		t.Errorf("a masked answer: got %v", err)
	}
	if n := a.requests(func(s string) bool { return strings.HasPrefix(s, "PUT ") }); n != 0 {
		t.Errorf("%d writes were made", n)
	}
	a.order(t, emulator.Fault{Match: emulator.Match{Method: "PUT"}, Effect: emulator.Effect{Kind: emulator.EffectLost, AfterEffect: true}})
	mustKind(t, p.UpdateUser(t.Context(), standard.UserID, rotator.UserSpec{Kind: rotator.StandardKind, Email: "new@example.com"}), rotator.UnknownOutcome)
}
