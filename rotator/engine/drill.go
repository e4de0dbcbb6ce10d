package engine

import (
	"context"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// Drill rotates a credential to see that rotating works, because actor asks for it. It is a rotation like those by date, with
// the same stages and the same evidence, and waits for what they wait for; unlike what is asked for in earnest it is refused
// where anything speaks against it, because it can be done another day. keyID, if set, is the key that the caller expects to be
// replaced.
func (e *Engine) Drill(ctx context.Context, c rotator.CredentialID, keyID, actor string) (rotator.Rotation, error) {
	const op = "drill"
	now := e.clock.Now()
	a, f, err := e.known(ctx, op, c, now, rotator.KeyActive)
	if err != nil {
		return rotator.Rotation{}, err
	}
	if keyID != "" && keyID != f.Key.ID {
		return rotator.Rotation{}, rotator.NewFault(op, rotator.Conflict, "the key of %s is %s (id %s) now and not %s; nothing was done: look again", c, f.Key.Name, f.Key.ID, keyID)
	}
	if err := mayDrill(a, &f, now); err != nil {
		return rotator.Rotation{}, err
	}
	r, err := e.plan(ctx, a, f, rotator.ReasonDrill, actor, "a drill, asked for by "+actor)
	if err == nil {
		a.requestLook()
	}
	return r, err
}

// ExplainDrill says what [Engine.Drill] would do. It changes nothing and calls no provider.
func (e *Engine) ExplainDrill(ctx context.Context, c rotator.CredentialID) (rotator.DrillPlan, error) {
	const op = "explain a drill"
	now := e.clock.Now()
	a, f, err := e.known(ctx, op, c, now, rotator.KeyActive)
	if err != nil {
		return rotator.DrillPlan{}, err
	}
	p := rotator.DrillPlan{CredentialID: c, OldKey: rotator.KeyRef{ID: f.Key.ID, Name: f.Key.Name}, Deadline: f.Key.Deadline}
	if err := mayDrill(a, &f, now); err != nil {
		p.Obstacle = err.Error()
	}
	if f.Policy == nil {
		return p, nil
	}
	highest, err := e.highest(ctx, f)
	if err != nil {
		return p, err
	}
	user, err := e.store.User(ctx, c.Provider, c.UserID)
	if err = unlessGone(err); err != nil {
		return p, err
	}
	p.ServiceUser, p.Policy, p.NewKey = user.Name, f.Policy.Name, rotator.KeyRef{Name: rotator.KeyName(c.Base, highest+1)}
	p.Terms = termsOf(f.Policy)
	limits := a.provider().Limits()
	p.Supplied, p.RemovedByHand = limits.Supplied, limits.RemovedByHand
	_, p.Disables = a.provider().(rotator.Disabler)
	if w := f.Policy.Window; w != nil && !w.Contains(now) {
		p.WindowOpens = w.NextOpen(now)
	}
	r := rotator.Rotation{CredentialID: c, ServiceUser: user.Name}
	if p.Sinks, err = e.locate(&r, f.Policy); err != nil && p.Obstacle == "" {
		p.Obstacle = err.Error()
	}
	return p, nil
}

// mayDrill says what stands against a drill.
func mayDrill(a *account, f *rotator.Facts, now time.Time) error {
	const op = "drill"
	c := f.Key.Credential()
	if err := rotates(op, f); err != nil {
		return err
	}
	if f.Rotating {
		return rotator.NewFault(op, rotator.Conflict, "a rotation of %s is under way already, and is as good as a drill; follow it with: rotatord history %s", c, c)
	}
	if !f.UserActive {
		return rotator.NewFault(op, rotator.Invalid, "the service user of %s cannot sign in, so no key of it could be proven", c)
	}
	return calmAt(a, f.Freezes, now)
}

// calmAt says what stands against any drill at the account.
func calmAt(a *account, freezes []rotator.Freeze, now time.Time) error {
	const op = "drill"
	if fr, ok := rotator.FrozenAt(freezes, now); ok {
		return rotator.NewFault(op, rotator.Conflict, "frozen until %s: %s; a drill can wait for its end", fr.To.UTC().Format(time.RFC3339), fr.Reason)
	}
	if skew := skewOf(a); rotator.ClockWrong(skew) { // it would not move, and the calendar's occasions are told apart by the clock
		return rotator.NewFault(op, rotator.Conflict, "nothing begins by a wrong clock: %s", rotator.SkewInWords(skew))
	}
	if until, paused := a.paused(now); paused {
		return rotator.NewFault(op, rotator.Conflict, "provider %s is paused until %s: %s; a drill can wait for that", a.name, until.UTC().Format(time.RFC3339), a.snapshot().PausedWhy)
	}
	return nil
}

// rotates says why nothing about the credential may be rotated, whoever asks.
func rotates(op string, f *rotator.Facts) error {
	c := f.Key.Credential()
	switch {
	case f.Policy == nil:
		return rotator.NewFault(op, rotator.Invalid, "no policy selects %s, so nobody has said where its keys are to be delivered; add it to a policy", c)
	case f.Policy.Observe:
		return rotator.NewFault(op, rotator.Invalid, "policy %s, which selects %s, only observes: put the credential under a policy that rotates, with sinks to deliver to", f.Policy.Name, c)
	case f.Hold != nil:
		return rotator.NewFault(op, rotator.Conflict, "%s is held by %s until %s: %s; release it first", c, f.Hold.By, f.Hold.Until.UTC().Format(time.RFC3339), f.Hold.Reason)
	}
	return nil
}
