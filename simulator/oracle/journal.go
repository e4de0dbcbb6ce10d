package oracle

import (
	"strings"
	"time"
)

// Wrote tells of a line that the journal has acknowledged.
func (o *Oracle) Wrote(r Row, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	c := o.credential(r.Credential)
	known := c.rotations[r.Rotation]
	if !known {
		c.rotations[strings.Clone(r.Rotation)] = true // what is kept for good is the oracle's own
	}
	if r.Stage == "done" || r.Stage == "abandoned" {
		if c.open != nil && c.open.Rotation == r.Rotation {
			c.open = nil
		}
	} else {
		if c.open != nil && c.open.Rotation != r.Rotation {
			o.broken("G6", now, r.Credential, "rotations %s and %s are open at the same time", c.open.Rotation, r.Rotation)
		}
		c.confirm(&r, now)
		c.open = &r
	}
	switch {
	case known || r.Reason == "missing": // a first key: how many service users are made at once is bounded apart
	case r.Actor == "":
		o.planned(r, now)
	case r.Actor == "schedule":
		o.planned(r, now)
		o.drilled(&r, now)
	}
	o.ownerWrote(&r, now)
	o.secretIsKept(c, &r, now)
	for _, p := range r.Places {
		if p.Read {
			c.promised[p.Place] = true
		}
	}
	o.keepsPromises(r.Credential, c, now)
}

// confirm notes since when the places of a rotation have been confirmed.
func (c *credential) confirm(r *Row, now time.Time) {
	if c.open == nil || c.open.Rotation != r.Rotation {
		c.confirmed = map[Place]time.Time{}
	}
	for _, p := range r.Places {
		if !p.Read {
			delete(c.confirmed, p.Place)
		} else if _, known := c.confirmed[p.Place]; !known {
			c.confirmed[p.Place] = now
		}
	}
}

// secretIsKept is the half of G2 that the journal shows: from the moment a key is made until its last sink is confirmed, the
// sealed secret is there.
func (o *Oracle) secretIsKept(c *credential, r *Row, now time.Time) {
	switch r.Stage {
	case "minted", "testing", "delivering":
	default:
		return
	}
	if !r.Sealed {
		o.broken("G2", now, r.Credential, "rotation %s is in stage %s, and the journal has no sealed secret", r.Rotation, r.Stage)
	}
	if k := c.named(r.NewName); k != nil {
		k.sealed = true
	}
}

// Scanned tells that a complete scan of the account has begun: the cap's count begins anew. managed is how many keys it saw.
func (o *Oracle) Scanned(account string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.plans[account] = 0
}

// approval is how many rotations a person lets through beyond the cap, and until when.
type approval struct {
	n     int
	until time.Time
}

// Approved tells that a person let so many rotations through beyond the cap, whatever scans come before they begin.
func (o *Oracle) Approved(account string, n int, until time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.approved[account] = approval{n, until}
}

// planned is the blast radius of G9: no more rotations than the cap allows begin by themselves between two scans.
func (o *Oracle) planned(r Row, now time.Time) {
	account := accountName(r.Credential)
	o.plans[account]++
	limit, let := o.accounts[account].Cap, o.approved[account]
	switch {
	case limit <= 0 || o.plans[account] <= limit:
	case let.n > 0 && now.Before(let.until):
		o.approved[account] = approval{let.n - 1, let.until}
		o.plans[account]--
	default:
		o.broken("G9", now, r.Credential, "%d rotations were begun between two scans of %s, the cap is %d, and nobody was asked", o.plans[account], account, limit)
	}
}
