package config

import "strings"

func (c *checker) seal() {
	const at = "store.seal"
	o := &c.cfg.Store.Seal
	if c.good("store", at, at+".key", at+".vault_transit") {
		switch {
		case o.Key.IsZero() && o.VaultTransit == nil:
			c.errorf(at, "write key_file: /etc/rotatord/seal.key (make one with: rotatord seal init), or vault_transit: {…}", "has no key")
		case !o.Key.IsZero() && o.VaultTransit != nil:
			c.errorf(at, "write either key_file or vault_transit; an exchange of one for the other is one reload", "has two keys")
		}
	}
	if o.VaultTransit != nil {
		c.transit(at+".vault_transit", o.VaultTransit)
	}
}

func (c *checker) transit(at string, o *VaultTransit) {
	c.baseURL(at+".address", o.Address)
	c.absolute(at+".ca_file", o.CAFile)
	c.absolute(at+".cert_file", o.CertFile)
	c.absolute(at+".key_file", o.KeyFile)
	c.timeout(at+".timeout", o.Timeout)
	c.vaultAuth(at+".auth", &o.Auth)
	if (o.CertFile == "") != (o.KeyFile == "") {
		c.errorf(at, "set both or neither", "cert_file and key_file belong together")
	}
	if c.good(at+".mount") && strings.Trim(o.Mount, "/") == "" {
		c.errorf(at+".mount", "", "is empty")
	}
	if c.good(at+".key") && strings.Contains(o.Key, "/") {
		c.errorf(at+".key", "write the name of the key alone, and the path of the engine into mount", "has a slash in it")
	}
}
