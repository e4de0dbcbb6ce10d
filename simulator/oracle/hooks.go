package oracle

import (
	"strings"
	"time"
)

// Requires tells which hooks a policy wants to have succeeded before an old key goes.
func (o *Oracle) Requires(policy string, hooks []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.required[policy] = hooks
}

// Told tells that a hook's consumers were told of a new key.
func (o *Oracle) Told(hook, key string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if k := o.known(key); k != nil {
		k.told[strings.Clone(hook)] = true
	}
}

// consumersKnow is what G3 wants of hooks: those that the policy requires have told of the new key.
func (o *Oracle) consumersKnow(k *key, r *Row, sent time.Time) {
	for _, hook := range o.required[r.Policy] {
		if successor := o.known(r.NewKey); successor == nil || !successor.told[hook] {
			o.broken("G3", sent, k.Credential, "key %s was ended before hook %s had told anybody of its successor", k.Name, hook)
		}
	}
}
