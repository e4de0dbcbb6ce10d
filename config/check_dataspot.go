package config

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/sinks/pathtemplate"
)

var validHeader = regexp.MustCompile(`^[A-Za-z0-9-]+$`)

func (c *checker) dataspot(path string, o *Dataspot) {
	c.baseURL(path+".base_url", o.BaseURL)
	c.absolute(path+".ca_file", o.CAFile)
	c.timeout(path+".timeout", o.Timeout)
	c.rates(path, o.Rates)
	c.segment(path+".database", o.Database)
	c.segment(path+".tenant", o.Tenant)
	c.header(path+".access_key_header", o.AccessKeyHeader)
	if o.TenantHeader != "" {
		c.header(path+".tenant_header", o.TenantHeader)
	}
	if field := path + ".probe_path"; c.good(field) && c.given(field) && (!strings.HasPrefix(o.ProbePath, "/") || strings.ContainsAny(o.ProbePath, "?#")) {
		c.errorf(field, "write one such as /rest/prod/tenants/ACME", "is not a path below base_url")
	}
	c.dataspotAuth(path+".auth", &o.Auth)
	c.dataspotKeys(path, o)
	c.dataspotCreation(path, o)
	if c.good(path+".max_keys_per_user", path+".max_keys") && o.MaxKeysPerUser > 0 && o.MaxKeysPerUser < 2 {
		c.errorf(path+".max_keys_per_user", "write 2 or more, or 0 for no cap", "leaves no room for the new key beside the old one")
	}
}

func (c *checker) rates(path string, rates []Rate) {
	for i, r := range rates {
		if field := fmt.Sprintf("%s.rates[%d].per", path, i); c.good(field) && r.Per == 0 && c.given(field) {
			c.errorf(field, "write a span of time such as 3m", "is zero")
		}
	}
}

// segment checks text that stands between two slashes of an address.
func (c *checker) segment(path, text string) {
	if !c.good(path) {
		return
	}
	if text == "" || text == "." || text == ".." || strings.ContainsAny(text, `/\`) || strings.TrimSpace(text) != text {
		c.errorf(path, "write it as it stands in the server's addresses, without slashes", "is not one part of a path")
	}
}

func (c *checker) header(path, name string) {
	if c.good(path) && !validHeader.MatchString(name) {
		c.errorf(path, "use a-z, A-Z, 0-9 and dash", "is not the name of a header")
	}
}

func (c *checker) dataspotAuth(path string, a *DataspotAuth) {
	if !c.good(path, path+".basic", path+".oauth2") {
		return
	}
	if a.Basic != nil && a.OAuth2 != nil {
		c.errorf(path, "keep one of them", "has both basic and oauth2")
	}
	if a.OAuth2 != nil {
		c.baseURL(path+".oauth2.token_url", a.OAuth2.TokenURL)
	}
}

// dataspotKeys checks that each key is declared once.
func (c *checker) dataspotKeys(path string, o *Dataspot) {
	if c.good(path+".keys", path+".lists_keys") && o.ListsKeys && len(o.Keys) > 0 {
		c.errorf(path+".keys", "leave one of the two out", "is not used with lists_keys: the server says which keys there are")
	}
	things := make([]userAndName, len(o.Keys))
	for i, k := range o.Keys {
		things[i] = userAndName{k.User, k.Name}
		c.lifespan(fmt.Sprintf("%s.keys[%d]", path, i), k.Created, k.Expires)
		if k.User == o.ThrowawayUser && o.ThrowawayUser != "" {
			c.errorf(fmt.Sprintf("%s.keys[%d].user", path, i), "name another throwaway_user", "is the throw-away user, whose keys may all be deleted")
		}
	}
	c.declaredOnce(path, things)
}

type userAndName struct{ user, name string }

// declaredOnce checks that no key stands in the list twice, nor one without a user or a name.
func (c *checker) declaredOnce(path string, keys []userAndName) {
	first := map[userAndName]int{}
	for i, k := range keys {
		at := fmt.Sprintf("%s.keys[%d]", path, i)
		if !c.good(at, at+".user", at+".name") {
			continue
		}
		if strings.TrimSpace(k.user) == "" || strings.TrimSpace(k.name) == "" {
			c.errorf(at, "write both", "has an empty user or name")
			continue
		}
		if j, twice := first[k]; twice {
			c.errorf(at, "keep one of them", "is the key %q of %q, as %s.keys[%d] is", k.name, k.user, path, j)
			continue
		}
		first[k] = i
	}
}

func (c *checker) lifespan(at string, created, expires Moment) {
	if c.good(at+".created", at+".expires") && c.given(at+".created") && c.given(at+".expires") && !created.Start().Before(expires.End()) {
		c.errorf(at+".expires", "write a later date or time", "%s is not after %s, when the key was made", expires, created)
	}
}

// dataspotCreation checks what belongs to keys that are made by a call.
func (c *checker) dataspotCreation(path string, o *Dataspot) {
	if c.good(path+".create_keys", path+".throwaway_user") && o.CreateKeys != "" && o.ThrowawayUser == "" {
		c.errorf(path+".throwaway_user", "write the loginId of a service user none of whose keys anybody needs",
			"is missing, and create_keys is set: a write may delete all keys of a user, so it is tried there first")
	}
	if c.good(path+".create_keys", path+".client_values") && o.ClientValues && o.CreateKeys == "" {
		c.errorf(path+".client_values", "set create_keys, or leave it out", "is set without create_keys")
	}
	if field := path + ".expiry_time"; c.good(field) && o.ExpiryTime != "exact" {
		if _, err := time.Parse("15:04:05Z07:00", o.ExpiryTime); err != nil {
			c.errorf(field, `write it as in "23:59:59Z" or "18:00:00+01:00", or write exact`, "is not a time of day with its zone")
		}
	}
	if field := path + ".name_characters"; c.good(field) && o.NameCharacters != "" {
		if _, err := regexp.Compile("^[" + o.NameCharacters + "]$"); err != nil || strings.HasPrefix(o.NameCharacters, "^") {
			c.errorf(field, "write them as in a-zA-Z0-9_-", "is not a set of characters")
		}
	}
}

// tenants checks that no two dataspot providers deliver to one place: a key works in one tenant only, and a user may exist in
// several under the same names.
func (c *checker) tenants() {
	for _, p := range c.cfg.Policies {
		if p.ObserveOnly {
			continue
		}
		providers := c.dataspotsOf(&p)
		for i := range c.cfg.Sinks {
			if s := &c.cfg.Sinks[i]; isOneOf(s.Name, p.Sinks) {
				c.apart(fmt.Sprintf("sinks[%d].path", i), s, providers)
			}
		}
	}
}

// dataspotsOf names the dataspot providers of a policy.
func (c *checker) dataspotsOf(p *Policy) []string {
	var names []string
	for i := range c.cfg.Providers {
		if o := &c.cfg.Providers[i]; o.Dataspot != nil && matchesAny(p.Match.Providers, o.Name) {
			names = append(names, o.Name)
		}
	}
	return names
}

// apart renders the sink's path for the same credential of each provider.
func (c *checker) apart(field string, s *Sink, providers []string) {
	if !c.good(field) {
		return
	}
	path, ok := pathOf(s)
	if !ok {
		return
	}
	t, err := pathtemplate.Parse(path)
	if err != nil {
		return // reported where the sink is checked
	}
	at := map[string]string{}
	for _, name := range providers {
		place, err := t.Render(rotator.Coordinates{Provider: name, UserID: "id", ServiceUser: "user", Credential: "key"})
		if err != nil {
			continue
		}
		if other, taken := at[place]; taken {
			c.errorf(field, "put {{.Provider}} in the path",
				"is the same for providers %q and %q, and a key of dataspot works in one tenant only", other, name)
			return
		}
		at[place] = name
	}
}

func pathOf(s *Sink) (string, bool) {
	switch {
	case s.Vault != nil:
		return s.Vault.Path, true
	case s.File != nil:
		return s.File.Path, true
	default:
		return "", false
	}
}
