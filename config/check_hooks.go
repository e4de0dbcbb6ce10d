package config

import (
	"fmt"
	"slices"

	"github.com/rotatord/rotatord/hooks/argument"
	"github.com/rotatord/rotatord/hooks/command"
	"github.com/rotatord/rotatord/hooks/systemd"
)

// hooks checks the hooks, and that policies name no others.
func (c *checker) hooks() {
	things := make([]named, len(c.cfg.Hooks))
	for i := range c.cfg.Hooks {
		h := &c.cfg.Hooks[i]
		at := fmt.Sprintf("hooks[%d]", i)
		things[i] = named{h.Name, at}
		c.timeout(at+".timeout", h.Timeout)
		switch {
		case h.Webhook != nil:
			c.hookWebhook(at, h.Webhook)
		case h.Command != nil:
			c.hookCommand(at, h.Command)
		case h.Systemd != nil:
			c.hookSystemd(at, h.Systemd)
		}
		if c.cfg.Store.Postgres != nil && h.Webhook == nil && c.good(at+".type") {
			c.warnf(at+".type", "use a webhook, or have the command reach all machines",
				"tells consumers of the one machine whose replica happens to run the hooks")
		}
	}
	c.names(things)
	c.policyHooks(things)
}

func (c *checker) hookWebhook(at string, o *HookWebhook) {
	c.absolute(at+".ca_file", o.CAFile)
	if !o.URL.Value.Empty() {
		c.probeURL(at+".url", string(o.URL.Value.Reveal()))
	}
}

func (c *checker) hookCommand(at string, o *HookCommand) {
	if c.good(at + ".command") {
		if err := command.CheckProgram(o.Command); err != nil {
			c.errorf(at+".command", `write it as a list: ["/usr/local/bin/tell-app", "--user={{.ServiceUser}}"]`, "%v", err)
			return
		}
	}
	for i, text := range o.Command {
		field := fmt.Sprintf("%s.command[%d]", at, i)
		if !c.good(field) {
			continue
		}
		if _, err := argument.Parse(text); err != nil {
			c.errorf(field, "write fields as in {{.ServiceUser}}", "%v", err)
		}
	}
}

func (c *checker) hookSystemd(at string, o *HookSystemd) {
	for i, name := range o.Units {
		field := fmt.Sprintf("%s.units[%d]", at, i)
		if !c.good(field) {
			continue
		}
		if _, err := systemd.ParseUnit(name); err != nil {
			c.errorf(field, "write it as in app.service, or app@{{.ServiceUser}}.service", "%v", err)
		}
	}
}

// policyHooks checks that each policy names hooks that there are, and each of them once.
func (c *checker) policyHooks(known []named) {
	used := map[string]bool{}
	for i := range c.cfg.Policies {
		p := &c.cfg.Policies[i]
		seen := map[string]bool{}
		for _, list := range []struct {
			field string
			names []string
		}{{"hooks", p.Hooks}, {"required_hooks", p.RequiredHooks}} {
			for j, name := range list.names {
				at := fmt.Sprintf("policies[%d].%s[%d]", i, list.field, j)
				c.knownName(at, name, "hook", slices.ContainsFunc(known, func(k named) bool { return k.name == name }))
				if seen[name] && c.good(at) {
					c.errorf(at, "write it in hooks or in required_hooks", "%q is named twice", name)
				}
				seen[name], used[name] = true, true
			}
		}
	}
	for _, k := range known {
		if !used[k.name] && c.good(k.path+".name", "policies") {
			c.warnf(k.path+".name", "name it in the hooks of a policy, or take it out", "no policy uses the hook %q", k.name)
		}
	}
}
