package config

import (
	"fmt"
	"slices"

	"github.com/rotatord/rotatord/rotator"
)

// serviceUsers checks that each declaration is of a provider that can have it, told apart from the others, and that a
// policy says where its first key goes. What the provider does not take of the attributes is checked where it is built.
func (c *checker) serviceUsers() {
	type identity struct{ provider, value string }
	first, same := map[identity]string{}, map[identity]string{}
	for i := range c.cfg.ServiceUsers {
		u := &c.cfg.ServiceUsers[i]
		at := fmt.Sprintf("service_users[%d]", i)
		c.owner(at, u)
		if !c.good(at+".provider", at+".label") {
			continue
		}
		if id := (identity{u.Provider, u.Label}); first[id] == "" {
			first[id] = at
		} else {
			c.errorf(at+".label", "give it another label", "%s has the label %q too", first[id], u.Label)
		}
		if id := (identity{u.Provider, told(u.Declared().Spec)}); id.value == "" {
			c.errorf(at, "write a name, a login_id or an email", "has nothing that it could be recognised by")
		} else if same[id] == "" {
			same[id] = at
		} else {
			c.errorf(at, "declare it once, or tell the two apart", "cannot be told from %s", same[id])
		}
	}
}

// owner checks the provider that the declaration names.
func (c *checker) owner(at string, u *ServiceUser) {
	if !c.good(at + ".provider") {
		return
	}
	i := slices.IndexFunc(c.cfg.Providers, func(p Provider) bool { return p.Name == u.Provider })
	if i < 0 {
		c.errorf(at+".provider", oneOf(u.Provider, providerNames(c.cfg)), "there is no provider %q", u.Provider)
		return
	}
	p := &c.cfg.Providers[i]
	if !c.good(fmt.Sprintf("providers[%d].type", i)) {
		return
	}
	if !p.Traits().CreatesUsers {
		c.errorf(at+".provider", "make the service user by hand", "provider %q (%s) has no service users that could be made", p.Name, p.Type)
		return
	}
	if told(u.Declared().Spec) != "" && !c.covered(u) {
		c.errorf(at, "add it to the match of a policy", "no policy selects its credential, so nobody has said where its first key goes")
	}
}

// covered reports whether some policy may select the declared user's credential. Its id is not known before it exists.
func (c *checker) covered(u *ServiceUser) bool {
	d := u.Declared()
	user := rotator.ServiceUser{Name: d.Spec.Name, Email: d.Spec.Email, Login: d.Spec.LoginID}
	return slices.ContainsFunc(c.cfg.Policies, func(p Policy) bool {
		m := rotator.Policy{Match: rotator.Match{Providers: p.Match.Providers, ServiceUsers: p.Match.ServiceUsers, Keys: p.Match.Keys, Exclude: p.Match.Exclude}}
		return !p.ObserveOnly && m.SelectsUser(u.Provider, user) && m.SelectsKey(d.Credential)
	})
}

// told is what a declared user is told from others by, as [rotator.DeclaredUser.Matches] does.
func told(s rotator.UserSpec) string {
	switch {
	case s.LoginID != "":
		return "login_id " + s.LoginID
	case s.Name != "":
		return "name " + s.Name
	case s.Email != "":
		return "email " + s.Email
	default:
		return ""
	}
}
