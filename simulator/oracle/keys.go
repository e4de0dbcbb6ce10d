package oracle

import (
	"slices"
	"time"
)

// Existing tells of a key that was there before the daemon.
func (o *Oracle) Existing(k Key) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.add(k).sealed = true // somebody has its secret
}

func (o *Oracle) add(k Key) *key {
	c := o.credential(k.Credential)
	added := &key{Key: k, places: map[Place]bool{}, told: map[string]bool{}}
	c.keys = append(c.keys, added)
	o.keys[k.ID] = added
	return added
}

// Made tells of a new key. G2: the intent was durable before. G4: it is within the cap.
func (o *Oracle) Made(k Key, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	added, c := o.add(k), o.credential(k.Credential)
	if !k.Daemon || k.Late || k.Born { // for one that came with its service user [Oracle.AskedForUser] speaks
		return
	}
	if c.open == nil || c.open.Stage != "minting" || c.open.NewName != k.Name {
		o.broken("G2", now, k.Credential, "key %s was made while the journal holds no intent to make it", k.Name)
	}
	acc := o.accountOf(k.Credential)
	if acc.MaxKeys == 0 || c.open == nil || now.Sub(o.blinded[accountName(k.Credential)]) < believed {
		return
	}
	seen := 0
	for _, other := range c.keys {
		if other != added && !other.gone && o.truth.Works(other.ID) && now.Sub(other.Made) > acc.ListLag+time.Minute {
			seen++
		}
	}
	if seen >= acc.MaxKeys+len(c.open.Discarded) {
		o.broken("G4", now, k.Credential, "key %s was made beside %d others, and the cap is %d", k.Name, seen, acc.MaxKeys)
	}
}

// believed is for how long a list that shows too little may be what the daemon goes by.
const believed = 10 * time.Minute

// Blinded tells that an account has just shown a list that leaves keys out and does not say so: nobody can count by it.
func (o *Oracle) Blinded(account string, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.blinded[account] = now
}

// question is a create call and what is known of its outcome.
type question struct {
	user, credential string
	unknown, looked  bool
}

// Asked tells that a create call is sent. G5: not if one of that name may have been carried out, nor while nobody has asked what
// became of an earlier one. late is true for a call that a daemon sent after it had stood still and had lost the account: others could
// not know of it.
func (o *Oracle) Asked(credential, user, name string, late bool, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for id, q := range o.asked {
		switch {
		case q.credential != credential || !q.unknown:
		case id == user+"/"+name:
			o.broken("G5", now, credential, "key %s was asked for again, though the answer to the first call was lost", name)
		case !q.looked && !late:
			o.broken("G5", now, credential, "key %s was asked for before anybody looked what became of %s", name, id)
		}
	}
	o.asked[user+"/"+name] = &question{user: user, credential: credential, unknown: true, looked: late}
}

// Refused tells that the create call was answered in a way that promises that no key was made.
func (o *Oracle) Refused(user, name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.asked, user+"/"+name)
}

// Looked tells that the daemon saw a complete list of a user's keys.
func (o *Oracle) Looked(user string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, q := range o.asked {
		if q.user == user {
			q.looked = true
		}
	}
}

// Off tells that a key was switched off or revoked. sent is when the call that did it left the daemon; daemon is false for a
// person.
func (o *Oracle) Off(id string, daemon bool, sent time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	k := o.known(id)
	if k == nil || k.gone {
		return
	}
	k.gone, k.byPerson = true, !daemon
	if !daemon {
		return
	}
	c := o.credential(k.Credential)
	o.mayGo(k, c, sent)
	o.keepsPromises(k.Credential, c, sent)
}

// On tells that a key was switched on again.
func (o *Oracle) On(id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if k := o.known(id); k != nil {
		k.gone, k.byPerson = false, false
	}
}

// mayGo holds a key that the daemon ended against G2, G3 and G4.
func (o *Oracle) mayGo(k *key, c *credential, sent time.Time) {
	r := c.open
	orphan := len(k.places) == 0 && k.Daemon && k.lastUse.IsZero()
	switch {
	case r != nil && (r.Stage == "deactivating" || r.Stage == "revoking") && k.ID != r.NewKey && (r.replaces(k) || !orphan):
		o.onEvidence(k, r, sent)
	case orphan:
		// Nobody ever had it: it was never sealed, or is a new key that was given up.
	case r != nil && r.Stage == "planned":
		o.makesRoom(k, c, r, sent)
	default:
		o.broken("G3", sent, k.Credential, "key %s, which was delivered, was ended outside of any rotation that may", k.Name)
	}
	// Nobody has got a new key yet that was refused when it was tried: nobody is worse off without it, also where the old one has expired.
	refused := orphan && r != nil && r.Stage == "abandoning" && k.ID == r.NewKey
	if o.working(c, k) == 0 && k.sealed && !refused {
		o.broken("G4", sent, k.Credential, "key %s was the last one that works, and was ended", k.Name)
	}
}

// makesRoom: at the cap only a key of ours goes that another has superseded and nobody uses.
func (o *Oracle) makesRoom(k *key, c *credential, r *Row, sent time.Time) {
	switch {
	case !k.Daemon:
		o.broken("G4", sent, k.Credential, "key %s was ended to make room, and is somebody else's", k.Name)
	case k.ID == r.OldKey:
		o.broken("G4", sent, k.Credential, "key %s was ended to make room, and is the one to be replaced", k.Name)
	case !o.skewed && !o.justSet(sent) && sent.Sub(k.lastUse) < max(r.Idle, r.Grace)-o.accountOf(k.Credential).UseLag-o.tolerance():
		o.broken("G4", sent, k.Credential, "key %s was ended to make room, and was used at %s", k.Name, day(k.lastUse))
	}
	for p := range k.places {
		if held, spoiled := o.truth.Holds(p); held == k.ID && !spoiled {
			o.broken("G4", sent, k.Credential, "key %s was ended to make room, and stands in %s", k.Name, p.Sink)
		}
	}
	_ = c
}

func (r *Row) replaces(k *key) bool { return k.ID == r.OldKey || slices.Contains(r.Discarded, k.ID) }

// onEvidence is G3.
func (o *Oracle) onEvidence(k *key, r *Row, sent time.Time) {
	if !r.replaces(k) {
		o.broken("G3", sent, k.Credential, "key %s was ended and is not what the rotation replaces", k.Name)
		return
	}
	if o.truth.Works(r.NewKey) && len(r.Places) > 0 {
		o.standsEverywhere(k, r, sent)
	} else {
		o.broken("G3", sent, k.Credential, "key %s was ended, and its successor does not work", k.Name)
	}
	if h, held := o.holds[k.Credential]; held && h.at.Before(sent) && sent.Before(o.heldUntil(h)) {
		o.broken("G3", sent, k.Credential, "key %s was ended while a person held it until %s", k.Name, day(h.until))
	}
	if r.Reason == "compromised" {
		k.hastened = true
		return
	}
	o.consumersKnow(k, r, sent)
	o.inTime(k, r, sent)
}

func (o *Oracle) standsEverywhere(k *key, r *Row, sent time.Time) {
	for _, p := range r.Places {
		if held, spoiled := o.truth.Holds(p.Place); held != r.NewKey && !spoiled {
			o.broken("G3", sent, k.Credential, "key %s was ended, and sink %s does not hold its successor", k.Name, p.Sink)
		}
	}
}

// inTime: the grace period is over, the calendar allows it, and the key lies idle.
func (o *Oracle) inTime(k *key, r *Row, sent time.Time) {
	if o.justSet(sent) {
		return
	}
	var last time.Time
	for _, at := range o.credential(k.Credential).confirmed {
		if at.After(last) {
			last = at
		}
	}
	if over := last.Add(r.Grace); sent.Before(over.Add(-o.tolerance())) {
		o.broken("G3", sent, k.Credential, "key %s was ended before its grace period was over at %s", k.Name, day(over))
	}
	if why := o.forbids(r.Policy, sent); why != "" {
		o.broken("G3", sent, k.Credential, "key %s was ended, and %s", k.Name, why)
	}
	acc := o.accountOf(k.Credential)
	if !acc.ReportsUse || o.skewed || k.lastUse.IsZero() {
		return
	}
	if idle := sent.Sub(k.lastUse); idle < r.Idle-acc.UseLag-o.tolerance() {
		o.broken("G3", sent, k.Credential, "key %s was ended %s after its last use, and must be idle for %s", k.Name, idle.Round(time.Minute), r.Idle)
	}
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }
