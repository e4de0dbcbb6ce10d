package config

import (
	"fmt"
	"strings"
	"time"
)

func (c *checker) providers() {
	things := make([]named, len(c.cfg.Providers))
	for i := range c.cfg.Providers {
		p := &c.cfg.Providers[i]
		path := fmt.Sprintf("providers[%d]", i)
		things[i] = named{p.Name, path}
		c.labels(path+".labels", p.Labels)
		switch {
		case p.CertCentral != nil:
			c.certcentral(path, p.CertCentral)
		case p.DigiCertOne != nil:
			c.digicertone(path, p.DigiCertOne)
		case p.Dataspot != nil:
			c.dataspot(path, p.Dataspot)
		case p.Manual != nil:
			c.manual(path, p.Manual)
		}
	}
	c.names(things)
	c.tenants()
}

func (c *checker) certcentral(path string, o *CertCentral) {
	c.baseURL(path+".base_url", o.BaseURL)
	c.absolute(path+".ca_file", o.CAFile)
	c.timeout(path+".timeout", o.Timeout)
	if field := path + ".service_users_path"; c.good(field) && !strings.HasPrefix(o.ServiceUsersPath, "/") {
		c.errorf(field, "write one such as /user/api-only", "is not a path below base_url")
	}
	c.rates(path, o.Rates)
	if c.good(path+".max_keys_per_user", path+".max_keys") && o.MaxKeysPerUser > 0 && o.MaxKeysPerUser < 2 {
		c.errorf(path+".max_keys_per_user", "write 2 or more, or 0 for no cap", "leaves no room for the new key beside the old one")
	}
}

func (c *checker) timeout(path string, timeout Duration) {
	if c.good(path) && (timeout.Std() < time.Second || timeout.Std() > time.Hour) {
		c.errorf(path, "write one from 1s to 1h", "is %s", timeout)
	}
}
