package world

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// care is the on-call's round: what the daemon's page says needs a person gets one. Where nothing needed one on the last round, and
// nothing was written since that might, nothing does now.
func (w *World) care() {
	ctx, cancel := asking()
	defer cancel()
	page := w.anybody()
	needy := w.needy.Load()
	if page == nil || needy == w.caredFor {
		return
	}
	quiet := true
	for _, a := range w.accounts {
		state, err := page.store.ProviderState(ctx, a.spec.Name)
		quiet = quiet && err == nil && state.AwaitingSince.IsZero()
		if l := w.at(a.spec.Name); l != nil && err == nil && !state.AwaitingSince.IsZero() {
			w.happened(string(Approve))
			w.told(Approve, nil, w.approve(ctx, l, a.spec.Name))
		}
	}
	open, err := page.store.Rotations(ctx, false, 10000)
	if err != nil {
		w.tell("person", "cannot see the page: %v", err)
		return
	}
	for i := range open {
		if r := &open[i]; r.Blocked != "" {
			quiet = false
			w.careFor(ctx, r)
		}
	}
	if quiet {
		w.caredFor = needy
	}
}

// startedOver are the blocks that a person ends by giving up the new key.
var startedOver = []rotator.BlockReason{rotator.BlockSinkConflict, rotator.BlockSinkMismatch, rotator.BlockLastKey, rotator.BlockNewKeyRefused}

// careFor does what the runbook says.
func (w *World) careFor(ctx context.Context, r *rotator.Rotation) {
	at := slices.IndexFunc(w.creds, func(c *credential) bool { return c.id == r.CredentialID })
	if at < 0 || w.creds[at].spec.Cursed {
		return
	}
	c := w.creds[at]
	l := w.at(c.id.Provider)
	if l == nil {
		return
	}
	var err error
	switch r.Blocked {
	case rotator.BlockAwaitingSupply:
		err = w.supply(ctx, l, c, r)
	case rotator.BlockAwaitingRemoval:
		err = w.removed(ctx, l, c, r)
	case rotator.BlockSinkConflict, rotator.BlockSinkMismatch:
		for _, s := range w.sinks {
			s.mend(c.location())
		}
		_, err = l.engine.StartOver(ctx, c.id, "bob")
	case rotator.BlockLastKey, rotator.BlockNewKeyRefused:
		_, err = l.engine.StartOver(ctx, c.id, "bob")
	case rotator.BlockAtKeyCap:
		w.move(c)
		w.makeRoom(c)
	case rotator.BlockOldKeyInUse:
		w.move(c)
	default:
		return
	}
	if err == nil && slices.Contains(startedOver, r.Blocked) {
		w.happened(string(StartOver))
	}
	w.tell("person", "sees %s of %s and acts: %s", r.Blocked, c.id, outcome(err))
}

func (w *World) supply(ctx context.Context, l *life, c *credential, r *rotator.Rotation) error {
	expires := w.now().Add(max(r.Terms.Lifetime, 30*day1))
	secret, err := c.acc.sys.makeByHand(c.id.UserID, r.NewKey.Name, expires)
	if err != nil {
		return fmt.Errorf("making the key: %w", err)
	}
	w.knows(secret, c.acc.keyID(c.id.UserID, r.NewKey.Name))
	c.acc.settle(about{user: c.id.UserID}, by{}, w.daemonNow())
	supplied := rotator.Supplied{Secret: rotator.SecretString(secret)}
	if c.acc.spec.System == DataspotBlind {
		supplied.Expires = expires
	}
	for range 3 {
		time.Sleep(c.acc.spec.Propagation) // a person knows that a new key takes a moment
		if _, err = l.engine.Supply(ctx, c.id, supplied, "bob"); err == nil {
			return nil
		}
	}
	for _, k := range c.acc.sys.keys(c.id.UserID) {
		if k.name == r.NewKey.Name { // it is of no use: the person takes it away again
			w.remove(c, k)
		}
	}
	return err
}

func (w *World) removed(ctx context.Context, l *life, c *credential, r *rotator.Rotation) error {
	ending := r.Retiring()
	if r.Stage == rotator.StageAbandoning {
		ending = []rotator.KeyRef{r.NewKey} // the one that was given up; what it was to replace stays in use
	}
	for _, ref := range ending {
		for _, k := range c.acc.sys.keys(c.id.UserID) {
			if k.name == ref.Name && !k.off {
				w.remove(c, k)
			}
		}
	}
	_, err := l.engine.Removed(ctx, c.id, "bob")
	return err
}

// makeRoom takes away a key that a person made and no sink holds.
func (w *World) makeRoom(c *credential) {
	for _, k := range c.acc.sys.keys(c.id.UserID) {
		if k.works(w.now()) && !w.inUse(c, k.name) {
			w.remove(c, k)
			return
		}
	}
}

func (w *World) inUse(c *credential, name string) bool {
	id := c.acc.keyID(c.id.UserID, name)
	if w.stands(c, id) {
		return true
	}
	return slices.ContainsFunc(c.consumers, func(k *consumer) bool { return k.key == id })
}

// move helps the consumers that found their place in disorder: they get what stands in another place, or else the newest key.
func (w *World) move(c *credential) {
	keys := c.acc.sys.keys(c.id.UserID)
	var best string
	for _, k := range keys {
		if id := c.acc.keyID(c.id.UserID, k.name); k.works(w.now()) && (best == "" || !w.stands(c, best)) && w.secretOf(id) != "" {
			best = id
		}
	}
	for _, u := range c.consumers {
		if u.unlucky && best != "" {
			u.secret, u.key, u.readAt = w.secretOf(best), best, w.now()
		}
	}
}

// stands reports whether a sink holds the key at the credential's place.
func (w *World) stands(c *credential, key string) bool {
	return slices.ContainsFunc(w.sinks, func(s *sink) bool {
		i, ok := s.read(c.location(), w.now())
		return ok && w.keyOf(i.secret) == key
	})
}

// secretOf is the secret of a key; empty for one that nobody knows.
func (w *World) secretOf(key string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for secret, id := range w.ids {
		if id == key {
			return secret
		}
	}
	return ""
}
