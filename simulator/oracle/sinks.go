package oracle

import (
	"strings"
	"time"
)

// Delivered tells that the daemon wrote into a place of the credential. key is the key whose secret it wrote, empty for what is no
// secret of any key. G7: a place is given the secrets of its own credential alone.
func (o *Oracle) Delivered(credential string, p Place, key string, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	k := o.known(key)
	switch {
	case k == nil:
		o.broken("G1", now, credential, "something that is no key was written into sink %s", p.Sink)
		return
	case k.Credential != credential:
		o.broken("G7", now, credential, "sink %s was given the secret of %s", p.Sink, k.Credential)
	case !k.sealed:
		o.broken("G2", now, credential, "key %s was delivered before its secret was sealed", k.Name)
	}
	k.places[Place{strings.Clone(p.Sink), strings.Clone(p.Location)}] = true // what is kept for good is the oracle's own
	o.keepsPromises(k.Credential, o.credential(k.Credential), now)
}

// keepsPromises is G1 at this instant: each place that was confirmed once holds a key that works. What a person took away there,
// and what has run out because people or the world stood in the way, is not the daemon's doing; see [Oracle.Overdue].
func (o *Oracle) keepsPromises(id string, c *credential, now time.Time) {
	for p := range c.promised {
		held, spoiled := o.truth.Holds(p)
		if spoiled {
			continue
		}
		k := o.known(held)
		switch {
		case k == nil:
			o.broken("G1", now, id, "sink %s was confirmed and holds no key any more", p.Sink)
		case k.gone && !k.byPerson:
			o.broken("G1", now, id, "sink %s holds key %s, which the daemon ended", p.Sink, k.Name)
		}
	}
}

// Used tells what became of a consumer that used a key. read is when it read the place; patient is true for one that keeps what it
// read for longer than the grace period, and relies on being seen.
func (o *Oracle) Used(key string, accepted, patient bool, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	k := o.known(key)
	if k == nil {
		return
	}
	if accepted {
		k.lastUse = now
		return
	}
	excused := k.byPerson || k.hastened || patient && o.skewed
	switch {
	case excused:
	case k.gone:
		o.broken("G1", now, k.Credential, "a consumer was refused with key %s, which the daemon ended", k.Name)
	case k.Daemon && o.truth.Works(k.ID):
		o.broken("G1", now, k.Credential, "a consumer was refused with key %s, which was delivered before the provider accepted it", k.Name)
	}
}
