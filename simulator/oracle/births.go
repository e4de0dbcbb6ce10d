package oracle

import "time"

// birth is a service user that the daemon is to make, and what is known of the calls that make it.
type birth struct {
	intended, unknown, looked bool
	first                     time.Time // when it was made; zero while it was not
}

func (o *Oracle) birthOf(account, label string) *birth {
	b := o.births[account+"/"+label]
	if b == nil {
		b = &birth{}
		o.births[account+"/"+label] = b
	}
	return b
}

// Intends tells whether the journal holds the intent to make a service user.
func (o *Oracle) Intends(account, label string, intended bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.birthOf(account, label).intended = intended
}

// AskedForUser tells that the call is sent that makes a service user. G2: the intent is durable. G5: not while nobody has looked what
// became of an earlier call. late is true for a call that a daemon sent after it had stood still and had lost the account.
func (o *Oracle) AskedForUser(account, label string, late bool, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	b := o.birthOf(account, label)
	switch {
	case late:
	case !b.intended:
		o.broken("G2", now, account+"/"+label, "the service user was asked for while the journal holds no intent to make it")
	case b.unknown && !b.looked:
		o.broken("G5", now, account+"/"+label, "the service user was asked for again before anybody looked what became of the first call")
	}
	b.unknown, b.looked = true, late
}

// RefusedUser tells that the call was answered in a way that promises that no service user was made.
func (o *Oracle) RefusedUser(account, label string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.birthOf(account, label).unknown = false
}

// LookedAtUsers tells that the daemon saw a complete list of the account's users.
func (o *Oracle) LookedAtUsers(account string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for id, b := range o.births {
		if accountName(id) == account {
			b.looked = true
		}
	}
}

// Born tells that a service user was made. G5: it was not there yet, unless lists have left something out since it is.
func (o *Oracle) Born(account, label string, late bool, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	b := o.birthOf(account, label)
	if b.first.IsZero() {
		b.first = now
		return
	}
	if !late && !o.blinded[account].After(b.first) {
		o.broken("G5", now, account+"/"+label, "the service user was made twice")
	}
}
