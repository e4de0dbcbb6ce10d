package emulator

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// userPage is what the documents say of a single user.
type userPage struct {
	AccessRoles    []ccNamed   `json:"access_roles"`
	HasAssignments bool        `json:"has_container_assignments"`
	Visibility     []ccVisible `json:"container_visibility"`
}

func (g rig) page(t *testing.T, id int64) (p userPage) {
	t.Helper()
	g.manager(t, "GET", fmt.Sprintf("/user/%d", id), "").into(t, &p)
	return p
}

func TestRolesAreReplaced(t *testing.T) {
	g := newRig(t, CertCentralOptions{})
	person := g.AddUser(CertCentralUser{Person: true, Email: "jane@example.com"})
	path := fmt.Sprintf("/user/%d/role", person)
	if r := g.manager(t, "PUT", path, `{"access_roles":[{"id":2},{"id":4}]}`); r.status != 204 || r.body != "" {
		t.Fatalf("got %d %s, want 204 and nothing", r.status, r.body)
	}
	if diff := cmp.Diff([]ccNamed{{2, "Limited User"}, {4, "Manager"}}, g.page(t, person).AccessRoles); diff != "" {
		t.Errorf("roles differ (-want +got):\n%s", diff)
	}
	for body, want := range map[string]int{
		`{}`: 400, `{"access_roles":[]}`: 400, `{"access_roles":[{"id":5},{"id":99}]}`: 400, `{"access_roles":5}`: 400, `[`: 400,
	} {
		if r := g.manager(t, "PUT", path, body); r.status != want {
			t.Errorf("%s: got %d %s, want %d", body, r.status, r.body, want)
		}
	}
	if r := g.manager(t, "PUT", "/user/99/role", `{"access_roles":[{"id":5}]}`); r.status != 404 || r.code() != "not_found" {
		t.Errorf("nobody's roles: %d %s", r.status, r.body)
	}
	if got := g.page(t, person).AccessRoles; len(got) != 2 {
		t.Errorf("what was refused has changed the roles to %v", got)
	}
}

func TestContainersAreReplacedAndNoneIsAll(t *testing.T) {
	g := newRig(t, CertCentralOptions{})
	robot := g.AddUser(CertCentralUser{})
	g.AddFleet(1, 0, time.Now())
	for _, user := range []int64{robot, robot + 1} { // the second has no profile of its own yet
		path := fmt.Sprintf("/user/%d/container-assignments", user)
		for _, body := range []string{`{"container_id_assignments":["6","7"]}`, `{"container_id_assignments":[6,7]}`} {
			if r := g.manager(t, "PUT", path, body); r.status != 204 {
				t.Fatalf("%s: %d %s", body, r.status, r.body)
			}
			got := g.page(t, user)
			if diff := cmp.Diff([]ccVisible{visibleOf(6), visibleOf(7)}, got.Visibility, cmp.AllowUnexported(ccVisible{})); diff != "" || !got.HasAssignments {
				t.Errorf("assigned: %v, visible containers differ (-want +got):\n%s", got.HasAssignments, diff)
			}
		}
		for _, body := range []string{`{}`, `{"container_id_assignments":null}`, `{"container_id_assignments":["x"]}`, `{"container_id_assignments":[0]}`, `{"container_id_assignments":6}`} {
			if r := g.manager(t, "PUT", path, body); r.status != 400 {
				t.Errorf("%s: got %d %s, want 400", body, r.status, r.body)
			}
		}
		if r := g.manager(t, "PUT", path, `{"container_id_assignments":[]}`); r.status != 204 || g.page(t, user).HasAssignments {
			t.Errorf("none: %d %s, and the user is %+v", r.status, r.body, g.page(t, user))
		}
	}
	if r := g.manager(t, "PUT", "/user/99/container-assignments", `{"container_id_assignments":[]}`); r.status != 404 {
		t.Errorf("nobody's containers: %d %s", r.status, r.body)
	}
}

func TestOnlyAdministratorsChangeUsers(t *testing.T) {
	g := newRig(t, CertCentralOptions{})
	robot := g.AddUser(CertCentralUser{})
	_, secret := g.addKey(t, CertCentralKey{UserID: robot, Name: "ci"})
	for path, body := range map[string]string{"role": `{"access_roles":[{"id":1}]}`, "container-assignments": `{"container_id_assignments":[]}`} {
		if r := g.do(t, secret, "PUT", fmt.Sprintf("/user/%d/%s", robot, path), body); r.status != 403 || r.code() != "access_denied|missing_permission" {
			t.Errorf("%s: got %d %s, want 403", path, r.status, r.body)
		}
	}
}

// keysOf lists the members of a JSON object.
func keysOf(t *testing.T, raw json.RawMessage) []string {
	t.Helper()
	var object map[string]json.RawMessage
	if err := json.Unmarshal(raw, &object); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return slices.Sorted(maps.Keys(object))
}

func sorted(names string) []string { return slices.Sorted(slices.Values(strings.Fields(names))) }

// The fields are those that the pages "List users" and "User info" document.
func TestUsersHaveEveryDocumentedField(t *testing.T) {
	g := newRig(t, CertCentralOptions{})
	var made struct{ ID int64 }
	g.manager(t, "POST", "/user", `{"username":"jill","first_name":"J","last_name":"V","email":"j@example.com","job_title":"t","telephone":"1",
		"access_roles":[{"id":5}],"container":{"id":9},"container_id_assignments":[6]}`).into(t, &made)
	g.Login(made.ID, time.Date(2019, 6, 21, 13, 37, 0, 0, time.UTC))
	const entry = "id username account_id first_name last_name email job_title telephone status container access_roles type has_container_assignments "
	const container = "id public_id name parent_id template_id ekey has_logo is_active "

	var list struct{ Users []json.RawMessage }
	g.manager(t, "GET", "/user", "").into(t, &list)
	var listed struct {
		Container   json.RawMessage
		Assignments []json.RawMessage `json:"container_assignments"`
	}
	last := list.Users[len(list.Users)-1]
	if err := json.Unmarshal(last, &listed); err != nil || len(listed.Assignments) != 1 {
		t.Fatalf("%s: %v", last, err)
	}
	page := g.manager(t, "GET", fmt.Sprintf("/user/%d", made.ID), "")
	var info struct {
		LastLogin  string            `json:"last_login_date"`
		Visibility []json.RawMessage `json:"container_visibility"`
	}
	page.into(t, &info)
	if info.LastLogin != "2019-06-21 13:37:00" || len(info.Visibility) != 1 {
		t.Fatalf("the page is %s", page.body)
	}
	for _, c := range []struct {
		name string
		raw  json.RawMessage
		want string
	}{
		{"an entry", last, entry + "container_assignments"},
		{"its container", listed.Container, container},
		{"an assignment", listed.Assignments[0], "id parent_id name is_active"},
		{"a page", json.RawMessage(page.body), entry + "last_login_date is_cert_central is_enterprise is_saml_sso_only container_visibility"},
		{"a visible container", info.Visibility[0], container + "allowed_domain_names organization_assignments"},
	} {
		if diff := cmp.Diff(sorted(c.want), keysOf(t, c.raw)); diff != "" {
			t.Errorf("%s: the fields differ (-want +got):\n%s", c.name, diff)
		}
	}
	rows, err := csv.NewReader(strings.NewReader(g.manager(t, "GET", "/user", "", "Accept", "text/csv").body)).ReadAll()
	if err != nil || len(rows) != 3 || !slices.Contains(rows[2], "j@example.com") {
		t.Errorf("as CSV: %v, %v", rows, err)
	}
}

func TestLimitsAreInCharacters(t *testing.T) {
	g := newRig(t, CertCentralOptions{})
	user := func(n int) string {
		return `{"username":"jill` + fmt.Sprint(n) + `","first_name":"` + strings.Repeat("é", n) + `","last_name":"V","email":"j@example.com","access_roles":[{"id":5}]}`
	}
	for n, want := range map[int]int{128: 201, 129: 400} {
		if r := g.manager(t, "POST", "/user", user(n)); r.status != want {
			t.Errorf("%d characters: got %d %s, want %d", n, r.status, r.body, want)
		}
	}
}
