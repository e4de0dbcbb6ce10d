package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// firstKeySkew is how far the provider's clock may be from this one, where times are to tell whether a key came with a service
// user.
const firstKeySkew = 5 * time.Minute

// clearLostKey revokes the key that came with a service user whose create call's answer was lost: nobody has its secret. Where
// the provider names that key itself, so that its name proves nothing, it is known by the time it was made.
func (e *Engine) clearLostKey(ctx context.Context, a *account, p *rotator.Provision) error {
	keys, err := e.listKeys(ctx, a, p.UserID)
	if err != nil {
		return err
	}
	named, found := a.provider().Limits().NamesFirstKey, false
	for _, k := range keys {
		found = found || named || k.Name == p.Spec.KeyName
		if k.State != rotator.KeyActive || !k.LastUsed.IsZero() || !named && k.Name != p.Spec.KeyName {
			continue
		}
		rec, err := e.store.Name(ctx, a.name, p.UserID, k.Name)
		if err := unlessGone(err); err != nil {
			return journalError{err}
		}
		if rec.Sealed || named && err == nil {
			continue // the answer came, and only what came after it was lost; or a rotation made it, and answers for it
		}
		if named && k.Created.Before(cmp.Or(p.AskedAt, p.At).Add(-firstKeySkew)) {
			return fmt.Errorf("it has a key %s (id %s) that this daemon may not have made; if nobody has its secret, revoke it at the provider", k.Name, k.ID)
		}
		if err := e.revokeFirstKey(ctx, a, k); err != nil {
			return err
		}
	}
	if found {
		p.KeylessAt = time.Time{}
		return nil
	}
	return keyless(a, p, e.clock.Now())
}

// keyless is nil once two lists have lacked the key that may have come with a service user, neither of them so early that the provider need
// not show it: one list alone may leave it out, and nobody looks for it later.
func keyless(a *account, p *rotator.Provision, now time.Time) error {
	switch {
	case recent(a, p, now):
	case p.KeylessAt.IsZero() || p.KeylessAt.After(now):
		p.KeylessAt = now
	case now.Sub(p.KeylessAt) >= max(a.provider().Limits().Propagation, 1):
		p.KeylessAt = time.Time{}
		return nil
	}
	return errors.New("the key that came with it, if one did, is not listed yet")
}

// keyToCome is the name of the first key of a service user that is to be made. Where one of the same id was there before, the
// versions of its keys are not used again.
func (e *Engine) keyToCome(ctx context.Context, a *account, p *rotator.Provision) (string, error) {
	d, ok := a.provider().(rotator.UserIdentifier)
	id := ""
	if ok {
		id = d.UserIDOf(p.Spec)
	}
	if id == "" {
		return rotator.KeyName(p.Credential, 1), nil
	}
	f, err := e.factsOfNone(ctx, rotator.CredentialID{Provider: a.name, UserID: id, Base: p.Credential})
	if err != nil {
		return "", err
	}
	highest, err := e.highest(ctx, f)
	return rotator.KeyName(p.Credential, highest+1), err
}

// wentWithKey is the trouble of a service user that is made once more.
const wentWithKey = "the answer to its creation was lost, and it went with its key, whose secret nobody had; it is made again once that is seen everywhere"

// wentWithItsKey reports whether the service user is gone since its lost key was revoked: where a service user is its one key,
// there is nothing left to make another key for.
func (e *Engine) wentWithItsKey(ctx context.Context, a *account, p *rotator.Provision) bool {
	directory, ok := a.provider().(rotator.Directory)
	if !ok {
		return false
	}
	limited, cancel := patient(ctx)
	defer cancel()
	_, err := directory.ShowUser(limited, p.UserID)
	return rotator.KindOf(err) == rotator.Gone
}

// revokeFirstKey revokes a key that came with a service user and that nobody has, or is to have.
func (e *Engine) revokeFirstKey(ctx context.Context, a *account, k rotator.Key) error {
	if err := e.retire(ctx, a, k); err != nil {
		return fmt.Errorf("revoking key %s (id %s), which came with the service user and whose secret nobody has: %w", k.Name, k.ID, err)
	}
	e.obs.OrphanRetired(a.name, k)
	a.requestScan() // it shows that the key is gone, and plans another
	return nil
}

// dropFirstKey revokes the key that came with a new service user where the provider named it: a key belongs to a series by
// its name, and this one has neither that nor the end that the policy wants. Another is made at once.
func (e *Engine) dropFirstKey(ctx context.Context, a *account, p *rotator.Provision, m rotator.Minted) error {
	m.Secret.Wipe()
	if m.KeyID == "" {
		return e.clearLostKey(ctx, a, p)
	}
	return e.revokeFirstKey(ctx, a, rotator.Key{ID: m.KeyID, UserID: p.UserID, State: rotator.KeyActive})
}

// firstKey plans a first key for a service user that has none.
func (e *Engine) firstKey(ctx context.Context, a *account, p *rotator.Provision) error {
	c := rotator.CredentialID{Provider: a.name, UserID: p.UserID, Base: p.Credential}
	if !a.flight.take(c.String()) {
		return nil // its rotation is moving
	}
	defer a.flight.release(c.String())
	f, err := e.factsOfNone(ctx, c)
	if err != nil {
		return err
	}
	switch _, has := newestActive(f.Series); {
	case has || f.Rotating:
		return nil
	case f.Policy == nil || f.Policy.Observe:
		return errNoPolicy(c.String())
	case !f.UserActive:
		return errors.New("the service user is inactive, so no key is made for it")
	case f.Hold != nil:
		return nil // it says so itself
	}
	if off, why := e.lastStands(ctx, a, c, f.Series); off {
		return why
	}
	if _, err := e.plan(ctx, a, f, rotator.ReasonMissing, p.Actor, "the service user has no key yet"); err != nil {
		return err
	}
	a.requestLook()
	return nil
}

// lastStands says whether the last key of the credential stands against making a first one now, and why if somebody should know.
func (e *Engine) lastStands(ctx context.Context, a *account, c rotator.CredentialID, series []rotator.TrackedKey) (off bool, why error) {
	version, err := e.store.HighestVersion(ctx, c)
	if err != nil || version == 0 {
		return err != nil, asJournal(err)
	}
	last, err := e.madeAs(ctx, c, version)
	now := e.clock.Now()
	switch {
	case err != nil || last == nil:
		return err != nil, err
	case rotator.ClockWrong(max(0, last.StageAt.Sub(now))): // it has been set back since
		return false, nil
	case last.Stage == rotator.StageAbandoned:
		why = e.refusedBefore(ctx, last, now)
		return why != nil, why
	case last.Stage == rotator.StageDone:
		return unlisted(a, last, series, now)
	default:
		return false, nil
	}
}

// refusedBefore says why no first key is made yet, where the last ones were of no use: each costs the provider a key, so they are spaced
// like those that replace another, but by two hours at the most: somebody waits for this one, and there is no key that a person could have
// rotated.
func (e *Engine) refusedBefore(ctx context.Context, last *rotator.Rotation, now time.Time) error {
	n, err := e.store.Abandoned(ctx, last.CredentialID, countedFailures)
	if err != nil {
		return journalError{err}
	}
	again := last.StageAt.Add(min(rotator.RetryAbandoned(n), patientFirst))
	if n == 0 || !again.After(now) {
		return nil
	}
	return fmt.Errorf("its first key %s was of no use, and another is made after %s: %s", last.NewKey.Name, again.UTC().Format(time.RFC3339), last.Why)
}

const patientFirst = 2 * time.Hour

// unlisted says whether the first key may be in its places and no list may have shown it yet: a provider may be later than it says, and one
// list may leave it out. Once a list has shown it, it is known to be gone when none does any more.
func unlisted(a *account, last *rotator.Rotation, series []rotator.TrackedKey, now time.Time) (off bool, why error) {
	made := now.Sub(last.StageAt)
	seen := slices.ContainsFunc(series, func(k rotator.TrackedKey) bool { return k.Name == last.NewKey.Name })
	switch {
	case seen || made >= unlistedAtMost:
		return false, nil
	case made < 2*a.provider().Limits().Propagation:
		return true, nil
	default:
		return true, fmt.Errorf("its first key %s was made at %s and no list shows it yet; another is made if none does until %s", last.NewKey.Name,
			last.StageAt.UTC().Format(time.RFC3339), last.StageAt.Add(unlistedAtMost).UTC().Format(time.RFC3339))
	}
}

// unlistedAtMost is how long a first key is believed to be there that no list shows.
const unlistedAtMost = 24 * time.Hour

// madeAs returns the rotation that intended a version of the credential's key, or nil.
func (e *Engine) madeAs(ctx context.Context, c rotator.CredentialID, version int) (*rotator.Rotation, error) {
	rec, err := e.store.Name(ctx, c.Provider, c.UserID, rotator.KeyName(c.Base, version))
	if err != nil {
		return nil, asJournal(unlessGone(err))
	}
	r, err := e.store.Rotation(ctx, rec.Rotation)
	if err != nil {
		return nil, asJournal(unlessGone(err))
	}
	return &r, nil
}

// factsOfNone are the facts about a credential that may have no key.
func (e *Engine) factsOfNone(ctx context.Context, c rotator.CredentialID) (rotator.Facts, error) {
	none := rotator.TrackedKey{Provider: c.Provider, Base: c.Base, Key: rotator.Key{UserID: c.UserID}}
	f, err := e.facts(ctx, none, e.clock.Now())
	if err != nil {
		return f, journalError{err}
	}
	user, err := e.store.User(ctx, c.Provider, c.UserID)
	if err := unlessGone(err); err != nil {
		return f, journalError{err}
	}
	user.ID = c.UserID
	f.Policy = rotator.FirstMatch(e.setup.Load().Policies, c.Provider, user, c.Base)
	return f, nil
}

// takeFirstKey plans the rotation that delivers the key that came with a new service user, and seals the key into it.
func (e *Engine) takeFirstKey(ctx context.Context, a *account, p *rotator.Provision, m rotator.Minted) error {
	c := rotator.CredentialID{Provider: a.name, UserID: p.UserID, Base: p.Credential}
	if !a.flight.take(c.String()) {
		return fmt.Errorf("a rotation of %s is moving", c)
	}
	defer a.flight.release(c.String())
	var r rotator.Rotation
	err := e.patiently(ctx, a, func() (err error) {
		r, err = e.planFirst(ctx, a, p, c)
		return err
	})
	if err != nil {
		return err
	}
	m = withID(a, &r, m)
	return e.patiently(ctx, a, func() error {
		_, err := e.sealSupplied(ctx, a, &r, m, "the new service user")
		return err
	})
}

// planFirst plans a rotation whose key was made already, under the name that was asked for; or returns the one that was planned and whose
// commit seemed to fail.
func (e *Engine) planFirst(ctx context.Context, a *account, p *rotator.Provision, c rotator.CredentialID) (rotator.Rotation, error) {
	open, err := e.store.OpenRotation(ctx, c)
	if err == nil && open.Stage == rotator.StagePlanned && open.Reason == rotator.ReasonMissing && rotator.KeyName(c.Base, open.Version) == p.Spec.KeyName {
		return open, nil
	}
	if err := unlessGone(err); err != nil {
		return rotator.Rotation{}, journalError{err}
	}
	f, err := e.factsOfNone(ctx, c)
	if err != nil {
		return rotator.Rotation{}, err
	}
	if f.Policy == nil || f.Policy.Observe {
		return rotator.Rotation{}, errNoPolicy(c.String())
	}
	highest, err := e.highest(ctx, f)
	if err != nil {
		return rotator.Rotation{}, journalError{err}
	}
	if name := rotator.KeyName(p.Credential, highest+1); name != p.Spec.KeyName {
		return rotator.Rotation{}, fmt.Errorf("the key was made under the name %s and the journal expects %s", p.Spec.KeyName, name)
	}
	r, err := e.plan(ctx, a, f, rotator.ReasonMissing, p.Actor, "created with its service user")
	if err != nil && rotator.KindOf(err) == rotator.Transient {
		err = journalError{err} // nothing else is asked there
	}
	return r, err
}
