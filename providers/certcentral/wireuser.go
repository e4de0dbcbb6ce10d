package certcentral

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// wireContainer is a division as the service shows it with a user.
type wireContainer struct {
	ID         int64  `json:"id"`
	PublicID   string `json:"public_id"`
	Name       string `json:"name"`
	ParentID   int64  `json:"parent_id"`
	TemplateID int64  `json:"template_id"`
	EKey       string `json:"ekey"`
	HasLogo    bool   `json:"has_logo"`
	IsActive   bool   `json:"is_active"`
}

// wireVisible is a division that a user sees, with what can be ordered in it.
type wireVisible struct {
	wireContainer
	Domains       []string `json:"allowed_domain_names"`
	Organizations []struct {
		ID   int64  `json:"id"`
		Name string `json:"name"`
	} `json:"organization_assignments"`
}

// wireFullUser is a user with all that the pages "List users" and "User info" document.
type wireFullUser struct {
	wireUser
	AccountID      int64           `json:"account_id"`
	FirstName      string          `json:"first_name"`
	LastName       string          `json:"last_name"`
	JobTitle       string          `json:"job_title"`
	Telephone      string          `json:"telephone"`
	LastLogin      string          `json:"last_login_date"`
	Container      wireContainer   `json:"container"`
	AccessRoles    []Role          `json:"access_roles"`
	IsCertCentral  *bool           `json:"is_cert_central"` // nil in lists, as the two that follow
	IsEnterprise   *bool           `json:"is_enterprise"`
	IsSAMLOnly     *bool           `json:"is_saml_sso_only"`
	Type           string          `json:"type"`
	HasAssignments bool            `json:"has_container_assignments"`
	Assignments    []wireContainer `json:"container_assignments"`
	Visibility     []wireVisible   `json:"container_visibility"`
}

// serviceLastName is what the service calls its service users, after the first name "Service".
var serviceLastName = regexp.MustCompile(`^User(-[0-9]+)?$`)

func (u *wireFullUser) kind() rotator.UserKind {
	if u.FirstName == "Service" && serviceLastName.MatchString(u.LastName) {
		return rotator.ServiceKind
	}
	return rotator.StandardKind
}

// details leaves out a date of sign-in that cannot be read: nothing is decided by it.
func (u *wireFullUser) details(kind rotator.UserKind) rotator.UserDetails {
	login, err := parseDate(u.LastLogin)
	if err != nil {
		login = time.Time{}
	}
	return rotator.UserDetails{ServiceUser: u.serviceUser(), Kind: kind, Status: u.Status, LastLogin: login, Attributes: u.attributes()}
}

func (u *wireFullUser) attributes() []rotator.Attribute {
	var a attributes
	a.add("username", u.Username)
	a.add("first_name", u.FirstName)
	a.add("last_name", u.LastName)
	a.add("job_title", u.JobTitle)
	a.add("telephone", u.Telephone)
	a.id("account_id", u.AccountID)
	a.add("roles", u.roles()...)
	a.add("role_names", names(u.AccessRoles, func(r Role) string { return r.Name })...)
	a.container(u.Container)
	a.flag("has_container_assignments", &u.HasAssignments)
	a.add("containers", u.assigned()...)
	a.add("container_assignments", names(u.Assignments, wireContainer.assignment)...)
	a.add("type", u.Type)
	a.flag("sso_only", u.IsSAMLOnly)
	a.flag("is_cert_central", u.IsCertCentral)
	a.flag("is_enterprise", u.IsEnterprise)
	for _, v := range u.Visibility {
		a.add("visible_container_"+text(v.ID), v.lines()...)
	}
	return a
}

func (u *wireFullUser) roles() []string {
	return names(u.AccessRoles, func(r Role) string { return strconv.Itoa(r.ID) })
}

// assigned lists the containers that a user is confined to. The answer about a single user says only that there are some;
// what is visible to the user is taken for them then, which is inferred.
func (u *wireFullUser) assigned() []string {
	if len(u.Assignments) > 0 || !u.HasAssignments {
		return names(u.Assignments, func(c wireContainer) string { return text(c.ID) })
	}
	return names(u.Visibility, func(v wireVisible) string { return text(v.ID) })
}

// assignment reads: 6 Support, parent_id: 5, is_active: true.
func (c wireContainer) assignment() string {
	return fmt.Sprintf("%d %s, parent_id: %d, is_active: %t", c.ID, c.Name, c.ParentID, c.IsActive)
}

// attributes collects what the service has told.
type attributes []rotator.Attribute

func (a *attributes) add(name string, values ...string) {
	values = slices.DeleteFunc(values, func(v string) bool { return v == "" })
	if len(values) > 0 {
		*a = append(*a, rotator.Attribute{Name: name, Values: values})
	}
}

func (a *attributes) id(name string, id int64) {
	if id != 0 {
		a.add(name, text(id))
	}
}

func (a *attributes) flag(name string, value *bool) {
	if value != nil {
		a.add(name, strconv.FormatBool(*value))
	}
}

// container adds the user's own division; one without an id was not told.
func (a *attributes) container(c wireContainer) {
	if c.ID == 0 {
		return
	}
	a.id("container", c.ID)
	a.add("container_name", c.Name)
	a.add("container_public_id", c.PublicID)
	a.id("container_parent_id", c.ParentID)
	a.id("container_template_id", c.TemplateID)
	a.add("container_ekey", c.EKey)
	a.flag("container_has_logo", &c.HasLogo)
	a.flag("container_is_active", &c.IsActive)
}

// lines describes a visible division, one property a line.
func (v wireVisible) lines() []string {
	lines := []string{
		"name: " + v.Name, "public_id: " + v.PublicID, "parent_id: " + text(v.ParentID), "template_id: " + text(v.TemplateID),
		"ekey: " + v.EKey, "has_logo: " + strconv.FormatBool(v.HasLogo), "is_active: " + strconv.FormatBool(v.IsActive),
	}
	for _, domain := range v.Domains {
		lines = append(lines, "allowed_domain_name: "+domain)
	}
	for _, o := range v.Organizations {
		lines = append(lines, "organization: "+text(o.ID)+" "+o.Name)
	}
	return lines
}

func names[T any](list []T, name func(T) string) []string {
	found := make([]string, 0, len(list))
	for _, item := range list {
		found = append(found, name(item))
	}
	return found
}
