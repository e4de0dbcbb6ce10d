package certcentral

import (
	"fmt"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/rotatord/rotatord/rotator"
)

// The documented limits on users, in characters (pages "Add user" and "Add service user").
const (
	maxName    = 128 // first_name, last_name
	maxEmail   = 255
	maxProfile = 64 // job_title, telephone
)

// apiRoles are the ids that restricted_to_role_id may have: 0 for none, and the API access roles of the glossary.
var apiRoles = []int{0, 100, 101, 102, 103}

// CheckUser implements [rotator.Directory] with the limits that the pages "Add user" and "Add service user" document.
func (p *Provider) CheckUser(s rotator.UserSpec) []string {
	c := &userCheck{spec: s}
	switch s.Kind {
	case rotator.ServiceKind:
		c.need("email", s.Email)
		c.need("key_name", s.KeyName)
	case rotator.StandardKind:
		c.need("username", s.Username)
		c.need("first_name", s.FirstName)
		c.need("last_name", s.LastName)
		c.need("email", s.Email)
		if len(s.Roles) == 0 {
			c.say("roles", "is missing: a standard user needs at least one access role, such as 5 (Standard User)")
		}
	}
	return c.values(p.limits)
}

// userCheck collects everything that is wrong with a specification.
type userCheck struct {
	spec  rotator.UserSpec
	wrong []string
}

func (c *userCheck) say(field, format string, args ...any) {
	c.wrong = append(c.wrong, field+" "+fmt.Sprintf(format, args...)+".")
}

func (c *userCheck) need(field, value string) {
	if strings.TrimSpace(value) == "" {
		c.say(field, "is missing")
	}
}

// values checks what is there, and that nothing is there that the kind of user does not have.
func (c *userCheck) values(limits rotator.Limits) []string {
	s := c.spec
	switch s.Kind {
	case rotator.ServiceKind:
		c.serviceOnly(limits)
	case rotator.StandardKind:
		c.standardOnly()
	default:
		c.say("kind", "is %q, and must be service or standard", s.Kind)
	}
	c.foreign("CertCentral does not have it", map[string]bool{
		"description": s.Description != "", "end_date": s.EndDate != "", "accounts": len(s.Accounts) > 0, "managers": len(s.Managers) > 0,
		"login_id": s.LoginID != "", "access_level": s.AccessLevel != "",
	})
	c.email(s.Email)
	c.ids("containers", s.Containers)
	return c.wrong
}

func (c *userCheck) serviceOnly(limits rotator.Limits) {
	s := c.spec
	c.foreign("CertCentral takes no such thing for a service user", map[string]bool{
		"name": s.Name != "", "username": s.Username != "", "first_name": s.FirstName != "", "last_name": s.LastName != "",
		"job_title": s.JobTitle != "", "telephone": s.Telephone != "", "sso_only": s.SSOOnly, "roles": len(s.Roles) > 0, "container": s.Container != "",
	})
	if err := rotator.CheckName(s.KeyName, limits); err != nil {
		c.say("key_name", "is refused: %v", err)
	}
	if role, err := strconv.Atoi(s.RestrictedToRole); s.RestrictedToRole != "" && (err != nil || !slices.Contains(apiRoles, role)) {
		c.say("restricted_to_role", "is %q, and must be 0 (none), 100, 101, 102 or 103", s.RestrictedToRole)
	}
}

func (c *userCheck) standardOnly() {
	s := c.spec
	c.foreign("a standard user does not have it", map[string]bool{
		"name": s.Name != "", "key_name": s.KeyName != "", "restricted_to_role": s.RestrictedToRole != "",
	})
	c.bounded("first_name", s.FirstName, maxName)
	c.bounded("last_name", s.LastName, maxName)
	c.bounded("job_title", s.JobTitle, maxProfile)
	c.bounded("telephone", s.Telephone, maxProfile)
	if strings.ContainsFunc(s.Username, func(r rune) bool { return !usernameRune(r) }) {
		c.say("username", "holds a character that is none of a-z A-Z 0-9 @ - _ + .")
	}
	if s.Container != "" {
		c.ids("container", []string{s.Container})
	}
	c.ids("roles", s.Roles)
}

func usernameRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("@-_+.", r)
}

// foreign refuses the fields that are set, in the order of their names.
func (c *userCheck) foreign(why string, set map[string]bool) {
	var found []string
	for field, is := range set {
		if is {
			found = append(found, field)
		}
	}
	slices.Sort(found)
	for _, field := range found {
		c.say(field, "must be left out: %s", why)
	}
}

func (c *userCheck) bounded(field, value string, most int) {
	if n := utf8.RuneCountInString(value); n > most {
		c.say(field, "has %d characters, and %d are the most", n, most)
	}
}

func (c *userCheck) email(value string) {
	if value == "" {
		return
	}
	c.bounded("email", value, maxEmail)
	if a, err := mail.ParseAddress(value); err != nil || a.Address != value {
		c.say("email", "is not an address such as team@example.com")
	}
}

func (c *userCheck) ids(field string, values []string) {
	for _, value := range values {
		if _, ok := number(value); !ok {
			c.say(field, "holds %q, which is not an id: a number above zero", value)
		}
	}
}
