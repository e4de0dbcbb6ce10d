package certcentral

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rotatord/rotatord/rotator"
)

// The files in testdata have the fields of the documented sample answers, each of them, with values of their own.

func sample(t testing.TB, name string) []byte {
	t.Helper()
	body, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func attr(name string, values ...string) rotator.Attribute {
	return rotator.Attribute{Name: name, Values: values}
}

var bob = []rotator.Attribute{
	attr("username", "bob@example.com"), attr("first_name", "Bob"), attr("last_name", "Barker"), attr("job_title", "Clerk"),
	attr("telephone", "555-0101"), attr("account_id", "7"),
}

func TestEveryFieldOfAListOfUsersIsTold(t *testing.T) {
	var page wirePage
	var got []rotator.UserDetails
	l := userList(&page, func(u *wireFullUser) error {
		got = append(got, u.details(u.kind()))
		return nil
	})
	if err := l.Read(bytes.NewReader(sample(t, "users.json"))); err != nil {
		t.Fatal(err)
	}
	root := func(logo string) []rotator.Attribute {
		return []rotator.Attribute{
			attr("container", "5"), attr("container_name", "Root"), attr("container_public_id", "p5"), attr("container_template_id", "4"),
			attr("container_ekey", "e5"), attr("container_has_logo", logo), attr("container_is_active", "true"),
		}
	}
	ann := []rotator.Attribute{
		attr("username", "ann@example.com"), attr("first_name", "Ann"), attr("last_name", "Arbor"), attr("job_title", "Lead"),
		attr("telephone", "555-0100"), attr("account_id", "7"), attr("roles", "1"), attr("role_names", "Administrator"),
	}
	want := []rotator.UserDetails{
		{
			ServiceUser: rotator.ServiceUser{ID: "11", Name: "ann@example.com", Email: "ann@example.com", Active: true}, Kind: rotator.StandardKind, Status: "active",
			Attributes: join(ann, root("false"), []rotator.Attribute{attr("has_container_assignments", "false"), attr("type", "standard")}),
		},
		{
			ServiceUser: rotator.ServiceUser{ID: "12", Name: "bob@example.com", Email: "bob@example.com"}, Kind: rotator.StandardKind, Status: "inactive",
			Attributes: join(bob, []rotator.Attribute{attr("roles", "5"), attr("role_names", "Standard User")}, root("false"), []rotator.Attribute{
				attr("has_container_assignments", "true"), attr("containers", "6"), attr("container_assignments", "6 Branch, parent_id: 5, is_active: true"),
				attr("type", "standard"),
			}),
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("users differ (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(wirePage{Total: 2, Limit: 1000}, page); diff != "" {
		t.Errorf("the page differs (-want +got):\n%s", diff)
	}
}

func join(lists ...[]rotator.Attribute) (all []rotator.Attribute) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

func TestEveryFieldOfAUserIsTold(t *testing.T) {
	var u wireFullUser
	if err := json.Unmarshal(sample(t, "user.json"), &u); err != nil {
		t.Fatal(err)
	}
	want := rotator.UserDetails{
		ServiceUser: rotator.ServiceUser{ID: "12", Name: "bob@example.com", Email: "bob@example.com", Active: true}, Kind: rotator.StandardKind,
		Status: "active", LastLogin: time.Date(2019, 6, 21, 13, 37, 0, 0, time.UTC),
		Attributes: join(bob, []rotator.Attribute{
			attr("roles", "1"), attr("role_names", "Administrator"),
			attr("container", "5"), attr("container_name", "Root"), attr("container_public_id", "p5"), attr("container_template_id", "4"),
			attr("container_ekey", "e5"), attr("container_has_logo", "true"), attr("container_is_active", "true"),
			attr("has_container_assignments", "false"), attr("type", "standard"), attr("sso_only", "false"), attr("is_cert_central", "true"),
			attr("is_enterprise", "true"),
			attr("visible_container_5", "name: Root", "public_id: p5", "parent_id: 0", "template_id: 4", "ekey: e5", "has_logo: true", "is_active: true"),
			attr("visible_container_6", "name: Branch", "public_id: p6", "parent_id: 5", "template_id: 8", "ekey: e6", "has_logo: false", "is_active: true",
				"allowed_domain_name: example.com", "allowed_domain_name: example.net", "organization: 11 Example Ltd"),
		}),
	}
	if diff := cmp.Diff(want, u.details(u.kind())); diff != "" {
		t.Errorf("the user differs (-want +got):\n%s", diff)
	}
}

// A field of the samples that no struct has would be lost unseen.
func TestNoDocumentedFieldIsLeftUnread(t *testing.T) {
	for name, into := range map[string]any{
		"users.json": &struct {
			Users []wireFullUser `json:"users"`
			Page  wirePage       `json:"page"`
		}{},
		"user.json": &wireFullUser{}, "created.json": &wireCreated{}, "created_service.json": &wireCreated{},
	} {
		dec := json.NewDecoder(bytes.NewReader(sample(t, name)))
		dec.DisallowUnknownFields()
		if err := dec.Decode(into); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCreatedUserIsReadOrUnknown(t *testing.T) {
	person, err := readCreatedUser("POST /user", bytes.NewReader(sample(t, "created.json")), false)
	if err != nil || person.UserID != "13" || person.HasKey {
		t.Errorf("a standard user: %+v, %v", person, err)
	}
	robot, err := readCreatedUser("POST /user", bytes.NewReader(sample(t, "created_service.json")), true)
	if err != nil || robot.UserID != "14" || !robot.HasKey || string(robot.Key.Secret.Reveal()) != "PlantedSecretValue" {
		t.Errorf("a service user: %+v, %v", robot, err)
	}
	for name, body := range map[string]string{
		"nothing": "", "no id": `{"api_key":"PlantedSecretValue"}`, "no key": `{"id":14}`, "cut": `{"id":14,"api_key":"PlantedSecretValue`,
		"a key that is none": `{"id":14,"api_key":"Planted SecretValue"}`, "text": "PlantedSecretValue",
	} {
		got, err := readCreatedUser("POST /user", bytes.NewReader([]byte(body)), true)
		if rotator.KindOf(err) != rotator.UnknownOutcome || bytes.Contains([]byte(err.Error()), []byte("SecretValue")) || got.UserID != "" {
			t.Errorf("%s: got %+v, %v; want an unknown outcome without the value", name, got, err)
		}
	}
}

func TestKindIsToldByTheNamesThatTheServiceGives(t *testing.T) {
	for _, c := range []struct {
		first, last string
		want        rotator.UserKind
	}{
		{"Service", "User", rotator.ServiceKind}, {"Service", "User-2", rotator.ServiceKind}, {"Service", "Desk", rotator.StandardKind},
		{"Jane", "User", rotator.StandardKind}, {"Service", "User-X", rotator.StandardKind}, {"", "", rotator.StandardKind},
	} {
		if got := (&wireFullUser{FirstName: c.first, LastName: c.last}).kind(); got != c.want {
			t.Errorf("%s %s is %s, want %s", c.first, c.last, got, c.want)
		}
	}
}

func FuzzUserInfo(f *testing.F) {
	f.Add(sample(f, "user.json"))
	f.Add([]byte(`{"id":1,"has_container_assignments":true,"container_visibility":[{}],"last_login_date":"soon"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var u wireFullUser
		if json.Unmarshal(body, &u) != nil {
			return
		}
		for _, a := range u.details(u.kind()).Attributes {
			if a.Name == "" || len(a.Values) == 0 {
				t.Errorf("an attribute without a name or a value: %+v", a)
			}
		}
	})
}

func FuzzCreatedUser(f *testing.F) {
	f.Add(sample(f, "created.json"), false)
	f.Add(sample(f, "created_service.json"), true)
	f.Fuzz(func(t *testing.T, body []byte, service bool) {
		made, err := readCreatedUser("POST /user", bytes.NewReader(body), service)
		if err != nil && rotator.KindOf(err) != rotator.UnknownOutcome {
			t.Errorf("got %v, want an unknown outcome", err)
		}
		if err == nil && (made.UserID == "" || made.HasKey != service || made.HasKey == made.Key.Secret.Empty()) {
			t.Errorf("got %+v", made)
		}
	})
}

func FuzzErrorBody(f *testing.F) {
	f.Add([]byte(`{"errors":[{"code":"access_denied|x","message":"no"},{"code":"b","message":"c"}]}`))
	f.Add([]byte(`{"errors":{}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if code, said := readError(body); code != "" && said == "" {
			t.Errorf("the code %q was read and not told", code)
		}
	})
}
