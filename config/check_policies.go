package config

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

func (c *checker) policies() {
	things := make([]named, len(c.cfg.Policies))
	used := map[string]bool{}
	for i := range c.cfg.Policies {
		p := &c.cfg.Policies[i]
		at := fmt.Sprintf("policies[%d]", i)
		things[i] = named{p.Name, at}
		c.labels(at+".labels", p.Labels)
		c.match(at+".match", &p.Match)
		c.times(at, p)
		c.ages(at, p)
		c.window(at+".window", p.Window)
		c.policySinks(at+".sinks", p, used)
		c.shadowed(at, i)
	}
	c.names(things)
	c.unused(used)
}

// match checks the patterns and that the providers they name exist.
func (c *checker) match(at string, m *Match) {
	names := providerNames(c.cfg)
	for list, patterns := range map[string][]string{
		"providers": m.Providers, "service_users": m.ServiceUsers, "keys": m.Keys, "exclude": m.Exclude,
	} {
		for i, pattern := range patterns {
			field := fmt.Sprintf("%s.%s[%d]", at, list, i)
			if !c.good(field) {
				continue
			}
			if _, err := path.Match(pattern, ""); err != nil {
				c.errorf(field, `write * for any text, ? for one character, [a-z] for a range, and \ before any of them that is meant as such`,
					"%q is not a pattern", pattern)
				continue
			}
			if list == "providers" && c.given(field) && !slices.ContainsFunc(names, func(n string) bool { return glob(pattern, n) }) {
				c.nobody(field, pattern, names)
			}
		}
	}
}

// nobody reports a pattern that no provider fits: an error where it is a plain name, since that is a slip.
func (c *checker) nobody(field, pattern string, names []string) {
	if strings.ContainsAny(pattern, `*?[\`) {
		c.warnf(field, "", "no provider has a name like %q", pattern)
		return
	}
	c.errorf(field, oneOf(pattern, names), "there is no provider %q", pattern)
}

// times checks that what happens to the old key fits between the start of a rotation and the deadline.
func (c *checker) times(at string, p *Policy) {
	renew := at + ".renew_before"
	if !c.good(renew, at+".grace", at+".idle", at+".soak") {
		return
	}
	if p.RenewBefore == 0 {
		c.errorf(renew, "write a span of time such as 30d", "is zero, so a rotation would start when the key is already dead")
		return
	}
	for _, part := range []struct {
		field string
		span  Duration
	}{{"grace", p.Grace}, {"idle", p.Idle}} {
		if needed := part.span + p.Soak; needed > p.RenewBefore || needed < 0 {
			c.errorf(at+"."+part.field, fmt.Sprintf("renew_before must be at least %s for that", needed),
				"%s %s%s and soak %s do not fit into renew_before %s",
				part.field, part.span, c.byDefault(at+"."+part.field), p.Soak, p.RenewBefore)
		}
	}
}

// byDefault marks, in an error, a value that the reader will not find in the file.
func (c *checker) byDefault(path string) string {
	if c.given(path) {
		return ""
	}
	return " (the default)"
}

// ages checks max_age and lifetime against renew_before and against what the providers can do.
func (c *checker) ages(at string, p *Policy) {
	if !c.good(at+".renew_before", at+".jitter", at+".max_age", at+".lifetime") {
		return
	}
	earliest := p.RenewBefore + Duration(float64(p.RenewBefore)*float64(p.Jitter))
	for _, age := range []struct {
		field string
		span  Duration
	}{{"max_age", p.MaxAge}, {"lifetime", p.Lifetime}} {
		field := at + "." + age.field
		switch {
		case c.given(field) && age.span == 0:
			c.errorf(field, "write a span of time such as 90d, or leave it out", "is zero")
		case age.span > 0 && earliest >= age.span:
			c.errorf(field, fmt.Sprintf("make it longer than %s", earliest),
				"%s %s is not longer than renew_before with its jitter (%s), so a new key would be due at once",
				age.field, age.span, earliest)
		}
	}
	if p.Extend && p.Lifetime == 0 && c.good(at+".extend") {
		c.errorf(at+".extend", "write by how much, as in lifetime: 90d", "needs lifetime")
	}
	c.abilities(at, p)
}

// abilities holds a policy against every provider that it matches. One policy may serve providers that set a lifetime and some
// that do not: only one that no provider can honour is worth a word.
func (c *checker) abilities(at string, p *Policy) {
	unable, able := "", false
	for i := range c.cfg.Providers {
		provider := &c.cfg.Providers[i]
		if !c.good(fmt.Sprintf("providers[%d].type", i)) || !matchesAny(p.Match.Providers, provider.Name) {
			continue
		}
		traits := provider.Traits()
		if p.Lifetime == 0 && traits.NeedsLifetime && !p.ObserveOnly && c.good(at+".lifetime") {
			c.errorf(at+".lifetime", "write one, as in lifetime: 90d", "is missing, and provider %q makes no key without an expiry", provider.Name)
			return
		}
		if p.Extend && !traits.Extends {
			c.errorf(at+".extend", "leave it out there, or narrow match.providers", "provider %q cannot move the expiry of a key", provider.Name)
			return
		}
		if p.MaxAge == 0 && !traits.KeysExpire && c.good(at+".max_age") {
			c.errorf(at+".max_age", "write one, as in max_age: 90d",
				"is missing, and keys of provider %q have no expiry: without it they would never be due", provider.Name)
			return
		}
		if traits.SetsLifetime {
			able = true
		} else {
			unable = provider.Name
		}
	}
	if p.Lifetime > 0 && !able && unable != "" {
		c.warnf(at+".lifetime", "max_age alone decides there", "provider %q cannot give keys a lifetime", unable)
	}
}

func (c *checker) window(at string, w *Window) {
	if w == nil || !c.good(at) {
		return
	}
	c.schedule(at+".cron", at+".timezone", w.Cron, w.Timezone)
	if c.good(at+".for") && w.For == 0 {
		c.errorf(at+".for", "write a span of time such as 6h", "is zero, so the window would never be open")
	}
}

func (c *checker) policySinks(at string, p *Policy, used map[string]bool) {
	known := sinkNames(c.cfg)
	seen := map[string]bool{}
	if len(p.Sinks) == 0 && !p.ObserveOnly && c.good(at) {
		c.errorf(at, "name the sinks that must hold the new key, or write observe_only: true", "is empty, so a new key would go nowhere")
	}
	for i, name := range p.Sinks {
		field := fmt.Sprintf("%s[%d]", at, i)
		switch {
		case !c.good(field):
		case seen[name]:
			c.errorf(field, "keep one of them", "sink %q is in the list twice", name)
		case !slices.Contains(known, name):
			c.errorf(field, oneOf(name, known), "there is no sink %q", name)
		}
		seen[name], used[name] = true, true
	}
}

// unused warns of sinks and providers that no policy needs.
func (c *checker) unused(used map[string]bool) {
	for i, s := range c.cfg.Sinks {
		if at := fmt.Sprintf("sinks[%d]", i); c.good(at+".name") && !used[s.Name] {
			c.warnf(at, "name it in the sinks of a policy, or remove it", "no policy delivers to sink %q", s.Name)
		}
	}
	for i, p := range c.cfg.Providers {
		matched := slices.ContainsFunc(c.cfg.Policies, func(policy Policy) bool { return matchesAny(policy.Match.Providers, p.Name) })
		if at := fmt.Sprintf("providers[%d]", i); c.good(at+".name") && !matched {
			c.warnf(at, "its keys will be listed as unmanaged", "no policy covers provider %q", p.Name)
		}
	}
}

// shadowed warns of a policy that never applies because one before it matches all that it matches.
func (c *checker) shadowed(at string, i int) {
	m := c.cfg.Policies[i].Match
	for j, earlier := range c.cfg.Policies[:i] {
		e := earlier.Match
		if len(e.Exclude) == 0 && covers(e.Providers, m.Providers) && covers(e.ServiceUsers, m.ServiceUsers) && covers(e.Keys, m.Keys) {
			c.warnf(at, "the first policy that matches applies: put the narrower one first",
				"never applies, since policies[%d] (%q) matches all that it matches", j, earlier.Name)
			return
		}
	}
}

// covers reports whether the patterns certainly match all that the others match.
func covers(patterns, others []string) bool {
	return slices.Contains(patterns, "*") ||
		!slices.ContainsFunc(others, func(o string) bool { return !slices.Contains(patterns, o) })
}

func matchesAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return glob(pattern, name) })
}

func glob(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}

func providerNames(cfg *Config) []string {
	var names []string
	for _, p := range cfg.Providers {
		names = append(names, p.Name)
	}
	return names
}

func sinkNames(cfg *Config) []string {
	var names []string
	for _, s := range cfg.Sinks {
		names = append(names, s.Name)
	}
	return names
}
