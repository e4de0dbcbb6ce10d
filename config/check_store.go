package config

import "time"

func (c *checker) postgres() {
	const at = "store.postgres"
	o := c.cfg.Store.Postgres
	if o == nil {
		return
	}
	if c.given("store.path") {
		c.errorf(at, "write either path, for one process, or postgres, for several replicas", "has the journal in two places")
	}
	if longest := c.longestTimeout(); c.good(at+".lease") && o.Lease.Std() < 2*longest {
		c.errorf(at+".lease", "write a longer one, or shorter timeouts", "%s is less than twice the longest timeout of a provider, %s: "+
			"a call could outlast the lease that it was begun under", o.Lease, longest)
	}
}

// longestTimeout is how long a call to a provider may take at most.
func (c *checker) longestTimeout() time.Duration {
	var longest time.Duration
	for _, p := range c.cfg.Providers {
		switch {
		case p.CertCentral != nil:
			longest = max(longest, p.CertCentral.Timeout.Std())
		case p.DigiCertOne != nil:
			longest = max(longest, p.DigiCertOne.Timeout.Std())
		case p.Dataspot != nil:
			longest = max(longest, p.Dataspot.Timeout.Std())
		case p.Manual != nil && p.Manual.Probe != nil:
			longest = max(longest, p.Manual.Probe.Timeout.Std())
		}
	}
	return max(longest, time.Second)
}
