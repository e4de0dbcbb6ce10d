package config

import (
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/rotatord/rotatord/rotator/outbound"
)

func (c *checker) server() {
	s := c.cfg.Server
	c.absolute("server.web_config_file", s.WebConfigFile)
	if c.given("server.allow") && s.WebConfigFile == "" && !onlyEveryone(s.Allow) {
		c.errorf("server.allow", "set server.web_config_file, or leave server.allow out",
			"names users, and nobody can sign in without a web_config_file")
	}
	if s.OIDC != nil && c.good("server.oidc") {
		c.oidc(s.OIDC)
	}
	if !c.good("server.listen") {
		return
	}
	host, port, err := net.SplitHostPort(s.Listen)
	if err != nil {
		c.errorf("server.listen", "write host:port, as in 127.0.0.1:9650", "is not an address to listen on")
		return
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		c.errorf("server.listen", "write a number from 1 to 65535 behind the colon", "has no valid port")
		return
	}
	if !isLoopback(host) && s.WebConfigFile == "" && s.OIDC != nil {
		c.warnf("server.listen", "set server.web_config_file with a certificate, or listen on 127.0.0.1 behind a proxy that ends TLS",
			"listens on the network without TLS: whoever listens in can take a token and act with it")
	} else if !isLoopback(host) && s.WebConfigFile == "" {
		c.warnf("server.listen", "set server.web_config_file, or listen on 127.0.0.1",
			"listens on the network without authentication: everybody can read, and acting is refused")
	}
}

func (c *checker) oidc(o *OIDC) {
	c.baseURL("server.oidc.issuer", o.Issuer)
	c.absolute("server.oidc.ca_file", o.CAFile)
	if len(o.Viewers)+len(o.Operators) == 0 {
		c.errorf("server.oidc", "list groups in viewers or operators", "lets nobody in")
	}
	if slices.Contains(o.Operators, "*") {
		c.warnf("server.oidc.operators", "name the groups", "lets everybody act whom the issuer gives a token")
	}
}

func onlyEveryone(a Allow) bool {
	everyone := func(name string) bool { return name == "*" }
	return !slices.ContainsFunc(slices.Concat(a.Read, a.Act), func(name string) bool { return !everyone(name) })
}

// isLoopback reports whether host can only be this machine. An empty host is every address.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// isForbidden reports whether host is written as an address that the daemon connects to under no circumstances. Names are judged
// when they are looked up.
func isForbidden(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && outbound.Refused(a) != nil
}

// absolute checks an optional path of a file that the daemon reads.
func (c *checker) absolute(path, file string) {
	if c.good(path) && file != "" && !filepath.IsAbs(file) {
		c.errorf(path, "write a path that begins with /", "is not the absolute path of a file")
	}
}

// baseURL checks the address of a system that secrets are sent to. It does not repeat the address: people put
// passwords into it.
func (c *checker) baseURL(path, address string) {
	if !c.good(path) {
		return
	}
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		c.errorf(path, "write it as https://host, with a port or a path where it needs one", "is not the address of a server")
	case u.User != nil:
		c.errorf(path, "take them out of the address", "holds a user name or a password")
	case u.RawQuery != "" || u.Fragment != "":
		c.errorf(path, "end it behind the path", "has a query or a fragment")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		c.errorf(path, "write https://", "would send secrets over the network unencrypted")
	case isForbidden(u.Hostname()):
		c.errorf(path, "write the address of the system itself", "is an address that nothing is sent to: link-local, a cloud's metadata service, or no single server")
	}
}
