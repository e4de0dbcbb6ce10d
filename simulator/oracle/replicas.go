package oracle

import "time"

// term is a time of owning an account, by the clock that leases go by, which nobody sets.
type term struct {
	owner string
	until time.Time
	given bool // back, before it was over
}

// Took tells that the journal made a replica the owner of an account until then. G6: nobody else owns it. Here and in [Oracle.Kept] and
// [Oracle.Called] times are by the clock of the leases.
func (o *Oracle) Took(account, owner string, until, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if t := o.terms[account]; t != nil && t.owner != owner && !t.given && now.Before(t.until) {
		o.broken("G6", now, "", "replica %s became the owner of %s, which %s owns until %s", owner, account, t.owner, day(t.until))
	}
	o.terms[account] = &term{owner: owner, until: until}
}

// Kept tells that the owner owns the account for longer.
func (o *Oracle) Kept(account, owner string, until time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if t := o.terms[account]; t != nil && t.owner == owner {
		t.until = until
	}
}

// Gave tells that the owner has given the account back, or is about to.
func (o *Oracle) Gave(account, owner string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if t := o.terms[account]; t != nil && t.owner == owner {
		t.given = true
	}
}

// Called tells that a replica sent a call that changes something at an account. G6: it owns the account. A call that left a replica late,
// because that stood still, is not told of: no program can take it back.
func (o *Oracle) Called(account, by, what string, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch t := o.terms[account]; {
	case t == nil || t.owner != by:
		o.broken("G6", now, "", "replica %s called %s (%s), which it does not own", by, account, what)
	case now.After(t.until):
		o.broken("G6", now, "", "replica %s called %s (%s) after its lease was over at %s", by, account, what, day(t.until))
	}
}

// ownerWrote is G6 in the journal: a replica that has lost an account writes nothing there.
func (o *Oracle) ownerWrote(r *Row, now time.Time) {
	if t := o.terms[accountName(r.Credential)]; t != nil && t.owner != r.By {
		o.broken("G6", now, r.Credential, "replica %s wrote rotation %s, stage %s, after %s had become the owner", r.By, r.Rotation, r.Stage, t.owner)
	}
}

// accountName is the part of an id before the first slash.
func accountName(id string) string {
	for i := range id {
		if id[i] == '/' {
			return id[:i]
		}
	}
	return id
}
