package rotator

import (
	"fmt"
	"time"
)

// overtaken answers for a rotation that the world has left behind: the provider accepts neither the key that it made nor one that
// it was to revoke, and it does accept a later version. That is so when a backup of the journal was restored from before the end
// of the rotation, and another has come after it. The sinks hold the later key then, so no evidence about this one will ever be
// complete; and there is nothing left that this rotation could do, or break.
func overtaken(r *Rotation, ev Evidence) (_ Verdict, is bool) {
	later, ok := laterVersion(r, ev.Keys)
	if !ok {
		return Verdict{}, false
	}
	v := Verdict{OK: true, Why: fmt.Sprintf("key %s (id %s) came after it, and the provider accepts neither the key that it made nor the one that it replaced: "+
		"the journal is older than the provider, as after a backup was restored", later.Name, later.ID)}
	for _, ref := range append([]KeyRef{r.NewKey}, r.Retiring()...) {
		k, listed := findKey(ev.Keys, ref.ID)
		switch {
		case listed && !k.State.Refused():
			return Verdict{}, false
		case !listed && !r.unlistedForGood(ev):
			v = Verdict{Unlisted: true, LookAt: ev.Now.Add(max(ev.Propagation, time.Second)), Why: fmt.Sprintf(
				"the provider does not list key %s (id %s) and has key %s, which came after it; if that is still so after %s, this rotation was overtaken", ref.Name, ref.ID, later.Name, ev.Propagation)}
		}
	}
	return v, true
}

// laterVersion is an active key of the credential whose version is higher than that of the rotation's new key.
func laterVersion(r *Rotation, keys []Key) (Key, bool) {
	for _, k := range keys {
		if base, version := SplitName(k.Name); base == r.Base && version > r.Version && k.UserID == r.UserID && k.State == KeyActive {
			return k, true
		}
	}
	return Key{}, false
}
