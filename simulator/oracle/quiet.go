package oracle

import "time"

// Overdue tells that a key is past its deadline. sign is what a person can see of that on the daemon's page; empty is a breach of
// G8.
func (o *Oracle) Overdue(credential, key string, deadline time.Time, sign string, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if sign == "" {
		o.broken("G8", now, credential, "key %s is past its deadline of %s, and nothing says so", key, day(deadline))
	}
}

// Unscanned tells that an account has not been scanned completely since a time, although the daemon ran. sign is what a person can
// see of that.
func (o *Oracle) Unscanned(account string, since time.Time, sign string, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if sign == "" {
		o.broken("G8", now, "", "account %s has not been scanned since %s, and nothing says so", account, day(since))
	}
}

// Hammered tells that the daemon made that many calls within an hour to an account that answered none of them. G9: a breaker halts
// it.
func (o *Oracle) Hammered(account string, calls, most int, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if calls > most {
		o.broken("G9", now, "", "account %s was down and was called %d times in an hour; a breaker would have allowed %d", account, calls, most)
	}
}

// Stuck tells that a credential has not recovered, although nothing stood in its way for a long time. G9: one bad thing stays one.
func (o *Oracle) Stuck(credential, why string, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.broken("G9", now, credential, "it has not recovered though nothing stands in its way: %s", why)
}

// SecondActor tells whether a second daemon could open the journal while the first one had it: G6.
func (o *Oracle) SecondActor(refused bool, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !refused {
		o.broken("G6", now, "", "a second daemon was let into the journal of one that runs")
	}
}

// End is called when the world has been calm for long. G2: each key that the daemon made is sealed, or gone.
func (o *Oracle) End(now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for id, c := range o.creds {
		for _, k := range c.keys {
			minting := c.open != nil && c.open.NewName == k.Name
			if k.Daemon && !k.sealed && !k.gone && !minting && k.lastUse.IsZero() && o.truth.Works(k.ID) {
				o.broken("G2", now, id, "key %s was made, nobody has its secret, and it still works", k.Name)
			}
		}
	}
}
