package engine

import (
	"context"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/rotator"
)

// Freeze places a freeze. It is in force for every decision that is made from then on, of every replica.
func (e *Engine) Freeze(ctx context.Context, f rotator.PlacedFreeze) error {
	if err := e.store.PutFreeze(ctx, f); err != nil {
		return err
	}
	e.log.Warn("freeze placed", zap.String("freeze", f.ID), zap.String("by", f.By), zap.Time("from", f.From), zap.Time("to", f.To), zap.String("why", f.Reason))
	return nil
}

// Lift ends a freeze that an operator placed; what waited for its end is looked at again.
func (e *Engine) Lift(ctx context.Context, id, actor string) error {
	if err := e.store.LiftFreeze(ctx, id, actor, e.clock.Now()); err != nil {
		return err
	}
	e.log.Info("freeze lifted", zap.String("freeze", id), zap.String("by", actor))
	defer e.lookEverywhere()
	return e.resumeFrozen(ctx, "freeze "+id+" lifted by "+actor)
}

// resumeFrozen looks again at what a freeze stopped. Where it fails, or the daemon stops in it, the rest is looked at by
// itself within a day.
func (e *Engine) resumeFrozen(ctx context.Context, note string) error {
	return e.resumeThose(ctx, note, func(r *rotator.Rotation) bool { return r.Blocked == rotator.BlockFrozen })
}

func (e *Engine) lookEverywhere() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, a := range e.accounts {
		a.requestLook()
	}
}

// Freezes returns the freezes that are not over: those of the configuration and those that operators placed.
func (e *Engine) Freezes(ctx context.Context) ([]rotator.PlacedFreeze, error) {
	now := e.clock.Now()
	placed, err := e.store.PlacedFreezes(ctx, now)
	if err != nil {
		return nil, err
	}
	var all []rotator.PlacedFreeze
	for _, f := range e.setup.Load().Freezes {
		if f.To.After(now) {
			all = append(all, rotator.PlacedFreeze{Freeze: f})
		}
	}
	all = append(all, placed...)
	slices.SortStableFunc(all, func(a, b rotator.PlacedFreeze) int { return a.From.Compare(b.From) })
	return all, nil
}

// freezes are what decisions heed at now.
func (e *Engine) freezes(ctx context.Context, now time.Time) ([]rotator.Freeze, error) {
	configured := e.setup.Load().Freezes
	placed, err := e.store.PlacedFreezes(ctx, now)
	if err != nil || len(placed) == 0 {
		return configured, err
	}
	all := slices.Clone(configured)
	for _, f := range placed {
		all = append(all, f.Freeze)
	}
	return all, nil
}
