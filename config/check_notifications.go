package config

import (
	"fmt"
	"net"
	"net/mail"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// notifications checks the section, if it is there.
func (c *checker) notifications() {
	n := c.cfg.Notifications
	if n == nil || !c.good("notifications") {
		return
	}
	if len(n.Events) == 0 && c.good("notifications.events") {
		c.errorf("notifications.events", "name what is told, or leave the section notifications out", "is empty, so nobody is told anything")
	}
	if n.Mail == nil && len(n.Webhooks) == 0 && n.Alertmanager == nil && c.good("notifications.mail", "notifications.webhooks", "notifications.alertmanager") {
		c.errorf("notifications", "add mail: with server, from and recipients, or webhooks:, or alertmanager:", "does not say how anybody is told")
	}
	if n.Mail != nil {
		c.mailServer("notifications.mail", n.Mail)
		c.mailAddresses("notifications.mail", n.Mail)
	}
	if n.Alertmanager != nil {
		c.alertmanager("notifications.alertmanager", n.Alertmanager)
	}
	var webhooks []named
	for i, w := range n.Webhooks {
		at := fmt.Sprintf("notifications.webhooks[%d]", i)
		webhooks = append(webhooks, named{name: w.Name, path: at})
		c.webhook(at, w)
	}
	c.names(webhooks)
}

func (c *checker) alertmanager(at string, m *Alertmanager) {
	c.absolute(at+".ca_file", m.CAFile)
	c.labels(at+".labels", m.Labels)
	for i, address := range m.URLs {
		c.baseURL(fmt.Sprintf("%s.urls[%d]", at, i), address)
	}
	if m.PageURL != "" {
		c.baseURL(at+".page_url", m.PageURL)
	}
	if m.Every.Std() < time.Second && c.good(at+".every") {
		c.errorf(at+".every", "write a time such as 1m", "is shorter than a second")
	}
	if c.good(at+".username", at+".password") && (m.Username == "") != m.Password.IsZero() {
		c.errorf(at+".username", "set both, or neither", "username and password go together")
	}
}

func (c *checker) webhook(at string, w Webhook) {
	c.absolute(at+".ca_file", w.CAFile)
	if w.Timeout == 0 && c.good(at+".timeout") {
		c.errorf(at+".timeout", "write a time such as 30s", "leaves no time to send a message")
	}
	if !w.URL.Value.Empty() {
		c.probeURL(at+".url", string(w.URL.Value.Reveal()))
	}
	if w.Format != "cloudevents" && !w.SigningSecret.IsZero() && c.good(at+".signing_secret", at+".format") {
		c.errorf(at+".signing_secret", "leave it out", "signs nothing: %s does not know signatures", w.Format)
	}
	for i, name := range w.Providers {
		known := slices.ContainsFunc(c.cfg.Providers, func(p Provider) bool { return p.Name == name })
		c.knownName(fmt.Sprintf("%s.providers[%d]", at, i), name, "provider", known)
	}
	for i, name := range w.Policies {
		known := slices.ContainsFunc(c.cfg.Policies, func(p Policy) bool { return p.Name == name })
		c.knownName(fmt.Sprintf("%s.policies[%d]", at, i), name, "policy", known)
	}
}

func (c *checker) knownName(at, name, what string, known bool) {
	if !known && c.good(at) {
		c.errorf(at, "write the name of one that is configured", "there is no %s %q", what, name)
	}
}

func (c *checker) mailServer(at string, m *Mail) {
	c.absolute(at+".ca_file", m.CAFile)
	if m.Timeout == 0 && c.good(at+".timeout") {
		c.errorf(at+".timeout", "write a time such as 1m", "leaves no time to send a message")
	}
	if c.good(at+".username", at+".password") && (m.Username == "") != m.Password.IsZero() {
		c.errorf(at+".username", "set both, or neither", "username and password go together")
	}
	if !c.good(at+".server", at+".tls") {
		return
	}
	host, port, err := net.SplitHostPort(m.Server)
	if number, bad := strconv.ParseUint(port, 10, 16); err != nil || host == "" || bad != nil || number == 0 {
		c.errorf(at+".server", "write host:port, as in mail.example.com:587", "is not the address of a server")
		return
	}
	switch {
	case m.TLS == "none" && !isLoopback(host):
		c.errorf(at+".tls", "write starttls or implicit", "would send messages over the network unencrypted")
	case m.TLS == "none" && m.Username != "":
		c.errorf(at+".username", "write tls: starttls or implicit, or leave username and password out", "would send a password unencrypted")
	}
}

func (c *checker) mailAddresses(at string, m *Mail) {
	for _, f := range []struct{ path, value string }{{at + ".from", m.From}, {at + ".reply_to", m.ReplyTo}} {
		if _, err := mail.ParseAddress(f.value); f.value != "" && err != nil && c.good(f.path) {
			c.errorf(f.path, `write it as keys@example.com, or as "Keys <keys@example.com>"`, "is not an e-mail address")
		}
	}
	c.plainAddress(at+".fallback", m.Fallback)
	for i, address := range m.CC {
		c.plainAddress(fmt.Sprintf("%s.cc[%d]", at, i), address)
	}
	for i, pattern := range m.Recipients {
		c.recipients(fmt.Sprintf("%s.recipients[%d]", at, i), pattern)
	}
}

// plainAddress checks an optional address that has no name in front.
func (c *checker) plainAddress(at, address string) {
	if address == "" || !c.good(at) {
		return
	}
	if parsed, err := mail.ParseAddress(address); err != nil || parsed.Address != address {
		c.errorf(at, "write it as keys@example.com, without a name", "is not an e-mail address")
	}
}

func (c *checker) recipients(at, pattern string) {
	if !c.good(at) {
		return
	}
	_, err := path.Match(pattern, "")
	_, domain, found := strings.Cut(pattern, "@")
	switch {
	case pattern == "*" || pattern == "*@*":
		c.warnf(at, "name the domains that you write to, as in *@example.com", "lets rotatord write to any address that a provider holds")
	case err != nil || !found || domain == "":
		c.errorf(at, "write an address or a pattern of addresses, as in *@example.com", "is not a pattern of e-mail addresses")
	}
}
