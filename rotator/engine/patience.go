package engine

import (
	"context"
	"errors"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// stepPatience bounds one step, and one call to a provider that belongs to none. Providers and sinks have limits of their own
// for each request; this one keeps a call that never ends from keeping what others wait for: the workers, or the scans.
const stepPatience = 15 * time.Minute

// patient bounds one call.
func patient(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, stepPatience)
}

// scanPatiently streams what the provider lists. A scan may take hours where there are many keys and few requests are allowed, so it
// is given up when nothing came for the time of a step: what we do with what came does not count.
func scanPatiently(ctx context.Context, p rotator.Provider, scope rotator.Scope, v rotator.Visitor) error {
	silent := rotator.NewFault("scan", rotator.Transient, "the provider's list brought nothing for %s and was given up", stepPatience)
	limited, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	t := time.AfterFunc(stepPatience, func() { cancel(silent) })
	defer t.Stop()
	err := p.Scan(limited, scope, alive{v, t})
	if err != nil && errors.Is(context.Cause(limited), silent) {
		return silent
	}
	return err
}

// alive is a visitor that notes that something came.
type alive struct {
	rotator.Visitor
	t *time.Timer
}

// User implements [rotator.Visitor].
func (a alive) User(u rotator.ServiceUser) error {
	a.t.Stop()
	defer a.t.Reset(stepPatience)
	return a.Visitor.User(u)
}

// Key implements [rotator.Visitor].
func (a alive) Key(k rotator.Key) error {
	a.t.Stop()
	defer a.t.Reset(stepPatience)
	return a.Visitor.Key(k)
}
