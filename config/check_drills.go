package config

import "fmt"

// drills checks the drills of the calendar.
func (c *checker) drills() {
	if v := c.cfg.Verify; v != nil {
		c.schedule("verify.schedule", "verify.timezone", v.Schedule, v.Timezone)
	}
	things := make([]named, len(c.cfg.Drills))
	for i := range c.cfg.Drills {
		d := &c.cfg.Drills[i]
		at := fmt.Sprintf("drills[%d]", i)
		things[i] = named{d.Name, at}
		c.match(at+".match", &d.Match)
		c.window(at+".window", d.Window)
		c.drillable(at, d)
	}
	c.names(things)
}

// drillable checks that a drill reaches a provider at which it needs nobody.
func (c *checker) drillable(at string, d *Drill) {
	byHand := ""
	for i := range c.cfg.Providers {
		p := &c.cfg.Providers[i]
		switch {
		case !c.good(fmt.Sprintf("providers[%d].type", i)):
			return
		case !matchesAny(d.Match.Providers, p.Name):
		case p.Manual == nil && p.Dataspot == nil:
			return
		default:
			byHand = p.Name
		}
	}
	if byHand != "" && c.good(at+".match") {
		c.errorf(at+".match", "leave it out, and drill by hand there: rotatord drill",
			"selects nothing but providers such as %q, where a person makes or removes keys", byHand)
	}
}
