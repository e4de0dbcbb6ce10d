package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/rotator"
)

// isOrphan reports whether the key stands under a name that a rotation intended and never sealed: then nobody has its
// secret. A key that has been used is no orphan, whatever the journal says: somebody has it. While its rotation is still
// finding out, it is undecided.
func (e *Engine) isOrphan(ctx context.Context, a *account, k rotator.Key) (orphan, undecided bool, err error) {
	if _, version := rotator.SplitName(k.Name); version == 0 || k.State != rotator.KeyActive || !k.LastUsed.IsZero() {
		return false, false, nil
	}
	rec, err := e.store.Name(ctx, a.name, k.UserID, k.Name)
	if err != nil {
		return false, false, unlessGone(err)
	}
	if rec.Sealed {
		return false, false, nil
	}
	r, err := e.store.Rotation(ctx, rec.Rotation)
	if err != nil {
		return false, false, err
	}
	undecided = r.Stage == rotator.StageMinting && r.Version == rec.Version
	return !undecided, undecided, nil
}

// retireOrphans revokes keys whose secret nobody has. The intent has been durable since before they were made.
func (e *Engine) retireOrphans(ctx context.Context, a *account, orphans []rotator.Key) {
	for _, k := range orphans {
		// Asked again, because its rotation may have sealed it between the two reads of the first time.
		if still, _, err := e.isOrphan(ctx, a, k); err != nil || !still {
			continue
		}
		log := e.log.With(zap.String("provider", a.name), zap.String("key_id", k.ID), zap.String("key_name", k.Name))
		owner, err := e.orphansOwner(ctx, a, k)
		if err != nil {
			log.Error("it cannot be told whether somebody has the secret of an orphan key; the next scan tries again", zap.Error(err))
			continue
		}
		if owner != "" {
			log.Warn("an orphan key is left alone, as if the journal were older than the key: " + owner)
			continue
		}
		e.retireOrphan(ctx, a, k, log)
	}
}

// retireOrphan revokes a key of which it is certain that nobody has its secret, and reports whether it did.
func (e *Engine) retireOrphan(ctx context.Context, a *account, k rotator.Key, log *zap.Logger) bool {
	if err := e.retire(ctx, a, k); err != nil {
		log.Error("an orphan key, whose secret nobody has, could not be revoked; the next scan tries again", zap.Error(err))
		return false
	}
	log.Warn("revoked an orphan key: it was made, but its secret was lost before it could be sealed")
	e.obs.OrphanRetired(a.name, k)
	return true
}

// withoutOrphans leaves out of the series the orphans that seem to supersede the key to replace, and revokes them, which may make room.
// Where that does not work they count against the caps, and the next scan tries again.
func (e *Engine) withoutOrphans(ctx context.Context, a *account, r *rotator.Rotation, s series) series {
	replaced := s.old(r)
	if replaced == nil {
		return s
	}
	old := *replaced // what it points at moves when keys are left out
	s.keys = slices.DeleteFunc(s.keys, func(k rotator.TrackedKey) bool {
		if k.State != rotator.KeyActive || !k.Newer(old) || !e.isNobodys(ctx, a, k.Key) {
			return false
		}
		if a.provider().Limits().RemovedByHand {
			return true
		}
		log := e.log.With(append(rotationFields(r), zap.String("key_id", k.ID), zap.String("key_name", k.Name))...)
		if e.retireOrphan(ctx, a, k.Key, log) {
			s.active--
			s.user--
		}
		return true
	})
	return s
}

// withoutOrphansOf leaves out of a stored series the orphans, by the names in the journal, that are newer than a key: they supersede it
// by nothing. Whether somebody has one all the same is asked before anything is done.
func (e *Engine) withoutOrphansOf(ctx context.Context, k rotator.TrackedKey, series []rotator.TrackedKey) ([]rotator.TrackedKey, error) {
	a, ok := e.account(k.Provider)
	if !ok || k.ID == "" { // where there is no key to supersede yet, an orphan is to go before another key is made
		return series, nil
	}
	var failed error
	kept := slices.DeleteFunc(series, func(other rotator.TrackedKey) bool {
		if other.State != rotator.KeyActive || !other.MissingSince.IsZero() || !other.Newer(k) {
			return false
		}
		orphan, _, err := e.isOrphan(ctx, a, other.Key)
		failed = errors.Join(failed, err)
		return orphan
	})
	return kept, failed
}

// isNobodys reports whether it is certain that nobody has the key's secret: then the key supersedes no other.
func (e *Engine) isNobodys(ctx context.Context, a *account, k rotator.Key) bool {
	orphan, _, err := e.isOrphan(ctx, a, k)
	if err != nil || !orphan {
		return false
	}
	owner, err := e.orphansOwner(ctx, a, k)
	return err == nil && owner == ""
}

// orphansOwner is ownerOf for a key that a scan saw.
func (e *Engine) orphansOwner(ctx context.Context, a *account, k rotator.Key) (string, error) {
	rec, err := e.store.Name(ctx, a.name, k.UserID, k.Name)
	if err != nil {
		return "", err
	}
	r, err := e.store.Rotation(ctx, rec.Rotation)
	if err != nil {
		return "", err
	}
	series, err := e.store.Series(ctx, r.CredentialID)
	if err != nil {
		return "", err
	}
	return e.ownerOf(ctx, &r, rec.Version, k, series)
}

// ownerOf says why a key is not to be revoked whose secret, by the journal, nobody has; empty if it is. The journal may be
// older than the world, because a backup was restored: then the key was delivered, and may be all that its consumers
// have.
func (e *Engine) ownerOf(ctx context.Context, r *rotator.Rotation, version int, k rotator.Key, series []rotator.TrackedKey) (string, error) {
	if !k.LastUsed.IsZero() {
		return "it has been used, so somebody has its secret", nil
	}
	theOnly := fmt.Sprintf("it is the only active key of the credential; if nobody has its secret, have it replaced with: rotatord rotate %s", r.CredentialID)
	last := lastActive(series, k) && !e.unheard.of(r, version)
	if last && r.OldKey.ID != "" {
		return theOnly, nil
	}
	empty := true // a first key is the only one by its nature: somebody can have it only from a sink
	for _, p := range r.Sinks {
		sink, ok := e.setup.Load().Sinks[p.Sink]
		if !ok {
			empty = false
			continue
		}
		limited, cancel := context.WithTimeout(ctx, sinkPatience)
		seen, err := sink.Observe(limited, r.Coordinates(), p.Location)
		cancel()
		seen.Secret.Wipe()
		if err != nil {
			return "", fmt.Errorf("reading sink %s, to see whether it holds key %s: %w", p.Sink, k.Name, err)
		}
		if seen.Present && seen.Rotation == r.ID && seen.Version == version {
			return fmt.Sprintf("sink %s holds it at %s", p.Sink, p.Location), nil
		}
		empty = empty && !seen.Present
	}
	if last && !empty {
		return theOnly, nil
	}
	return "", nil
}

// lastActive reports whether no other key of the series is active.
func lastActive(series []rotator.TrackedKey, k rotator.Key) bool {
	for _, other := range series {
		if other.ID != k.ID && other.State == rotator.KeyActive && other.MissingSince.IsZero() {
			return false
		}
	}
	return true
}

// unheard are the keys that this process asked for and of which it heard no answer. No journal can be older than that: nobody has their
// secrets, even where one of them is the only key that is left.
type unheard struct {
	mu   sync.Mutex
	keys map[unheardKey]bool
}

// mostUnheard bounds what is remembered. Of a key that was forgotten it is only decided with more care.
const mostUnheard = 1000

type unheardKey struct {
	rotation string
	version  int
}

// note adds the key that the rotation has asked for.
func (u *unheard) note(r *rotator.Rotation) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.keys) >= mostUnheard || u.keys == nil {
		u.keys = map[unheardKey]bool{}
	}
	u.keys[unheardKey{r.ID, r.Version}] = true
}

// of reports whether that version of the rotation's key is among them.
func (u *unheard) of(r *rotator.Rotation, version int) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.keys[unheardKey{r.ID, version}]
}
