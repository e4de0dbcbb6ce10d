package rotator

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestADeclaredUserIsKnownByWhatIsUnique(t *testing.T) {
	u := ServiceUser{ID: "7", Name: "ci-build", Login: "ci", Email: "Ci@Example.com"}
	tests := []struct {
		name string
		spec UserSpec
		want bool
	}{
		{"the login", UserSpec{LoginID: "ci"}, true},
		{"the login, whatever the name", UserSpec{LoginID: "ci", Name: "renamed", Email: "x@example.com"}, true},
		{"another login, though the name is the same", UserSpec{LoginID: "other", Name: "ci-build"}, false},
		{"the name", UserSpec{Name: "ci-build"}, true},
		{"the name in other letters", UserSpec{Name: "CI-build"}, false},
		{"another name, though the address is the same", UserSpec{Name: "other", Email: "ci@example.com"}, false},
		{"the address in other letters", UserSpec{Email: "ci@example.com"}, true},
		{"another address", UserSpec{Email: "cd@example.com"}, false},
		{"nothing to go by", UserSpec{Description: "ci-build"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := (DeclaredUser{Spec: tt.spec}).Matches(u); got != tt.want {
				t.Errorf("Matches = %v", got)
			}
		})
	}
	if (DeclaredUser{}).Matches(ServiceUser{ID: "7"}) || (DeclaredUser{Spec: UserSpec{Name: "x"}}).Matches(ServiceUser{ID: "x"}) {
		t.Error("a user without a name matches")
	}
}

// everything sets each field of a specification to its own name.
func everything() UserSpec {
	return UserSpec{Kind: ServiceKind, Name: "name", Email: "email", KeyName: "key_name", Description: "description", EndDate: "end_date",
		Accounts: []string{"accounts"}, Managers: []string{"managers"}, Roles: []string{"roles"}, Container: "container",
		Containers: []string{"containers"}, RestrictedToRole: "restricted_to_role", Username: "username", FirstName: "first_name",
		LastName: "last_name", JobTitle: "job_title", Telephone: "telephone", SSOOnly: true, LoginID: "login_id", AccessLevel: "access_level"}
}

// TestAttributesAreAllThatASpecificationSets compares them with the JSON form, so that no field is forgotten.
func TestAttributesAreAllThatASpecificationSets(t *testing.T) {
	text, err := json.Marshal(everything())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	for _, unread := range []string{"kind", "key_name", "restricted_to_role", "sso_only"} {
		if _, there := want[unread]; !there {
			t.Errorf("the specification does not set %s", unread)
		}
		delete(want, unread)
	}
	for _, a := range everything().Attributes() {
		if _, there := want[a.Name]; !there || len(a.Values) != 1 || a.Values[0] != a.Name {
			t.Errorf("attribute %+v", a)
		}
		delete(want, a.Name)
	}
	if len(want) > 0 {
		t.Errorf("not among the attributes: %v", want)
	}
	if set := (UserSpec{Kind: ServiceKind, KeyName: "x"}).Attributes(); len(set) != 0 {
		t.Errorf("of a specification that sets nothing: %+v", set)
	}
}

func TestDrift(t *testing.T) {
	want := UserSpec{Name: "ci", Email: "ci@example.com", Roles: []string{"1", "2"}, Description: "builds"}
	like := func(change func(d *UserDetails)) UserDetails {
		d := UserDetails{ServiceUser: ServiceUser{Name: "ci", Email: "ci@example.com"}, Attributes: []Attribute{
			{"roles", []string{"2", "1"}}, {"description", []string{"builds"}}, {"role_names", []string{"Two", "One"}},
		}}
		change(&d)
		return d
	}
	tests := []struct {
		name string
		have UserDetails
		want []Difference
	}{
		{"lists are sets, and what was not declared may be anything", like(func(*UserDetails) {}), nil},
		{"a list that names something twice", like(func(d *UserDetails) { d.Attributes[0].Values = []string{"1", "2", "2"} }), nil},
		{"one more", like(func(d *UserDetails) { d.Attributes[0].Values = []string{"1", "2", "3"} }),
			[]Difference{{"roles", []string{"1", "2"}, []string{"1", "2", "3"}}}},
		{"one less", like(func(d *UserDetails) { d.Attributes[0].Values = []string{"1"} }),
			[]Difference{{"roles", []string{"1", "2"}, []string{"1"}}}},
		{"not told", like(func(d *UserDetails) { d.Attributes = d.Attributes[:1] }), []Difference{{"description", []string{"builds"}, nil}}},
		{"the name and the address", like(func(d *UserDetails) { d.Name, d.Email = "cd", "" }),
			[]Difference{{"name", []string{"ci"}, []string{"cd"}}, {"email", []string{"ci@example.com"}, nil}}},
		{"an attribute counts more than the user's field", like(func(d *UserDetails) {
			d.Attributes = append(d.Attributes, Attribute{"name", []string{"cd"}})
		}), []Difference{{"name", []string{"ci"}, []string{"cd"}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, Drift(want, tt.have)); diff != "" {
				t.Error(diff)
			}
		})
	}
	if drift := Drift(UserSpec{}, UserDetails{Attributes: []Attribute{{"roles", []string{"1"}}}}); len(drift) != 0 {
		t.Errorf("nothing was declared: %+v", drift)
	}
}

func TestADifferenceInWords(t *testing.T) {
	d := Difference{Attribute: "roles", Want: []string{"1", "2"}}
	if got, want := d.String(), `roles is not set, declared "1", "2"`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestAStateThatGoesOnKeepsItsTime(t *testing.T) {
	p := Provision{State: ProvisionWanted, At: noon}
	if p.Reach(ProvisionWanted, noon.Add(time.Hour)); !p.At.Equal(noon) {
		t.Errorf("at %s", p.At)
	}
	if p.Reach(ProvisionPresent, noon.Add(time.Hour)); p.State != ProvisionPresent || !p.At.Equal(noon.Add(time.Hour)) {
		t.Errorf("%s at %s", p.State, p.At)
	}
}

func TestACompromisedKeyIsGivenNoMoreTime(t *testing.T) {
	r := Rotation{Stage: StagePlanned, ExtendTo: noon, Terms: Terms{Grace: 1, Idle: 1, Soak: 1}}
	if c := r.Hasten("ann", noon); !c.After.ExtendTo.IsZero() || c.After.Reason != ReasonCompromised || c.After.Terms != (Terms{}) {
		t.Errorf("%+v", c.After)
	}
}
