package engine

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/rotator"
)

// verifyBySchedule verifies the account's credentials when the calendar says so, until ctx ends. When it last did is kept in
// the journal; a time that passed while nobody worked at the account is made up for at once.
func (e *Engine) verifyBySchedule(ctx context.Context, a *account) {
	for ctx.Err() == nil {
		renewed, schedule, now := a.nextSetup(), e.setup.Load().Verify, e.clock.Now()
		last := a.snapshot().VerifiedAt
		switch {
		case schedule.IsZero():
		case last.IsZero(), last.After(now.Add(e.look)): // the latter: the clock was set back
			_ = e.update(ctx, a, func(s *rotator.ProviderState) { s.VerifiedAt = now }) // tried again at the next look
		case !schedule.Next(last).After(now):
			e.verifyAll(ctx, a, now)
		}
		e.rest(ctx, renewed, !schedule.IsZero())
	}
}

// verifyAll verifies the account's credentials once, unless somebody verifies now: then it is done after that.
func (e *Engine) verifyAll(ctx context.Context, a *account, now time.Time) {
	if _, paused := a.paused(now); paused {
		return
	}
	count, began := verified{}, time.Now()
	err := e.Verify(ctx, rotator.VerifyQuery{Provider: a.name}, count)
	if rotator.KindOf(err) == rotator.Conflict || ctx.Err() != nil {
		return
	}
	if err != nil {
		e.log.Error("the verification by schedule failed; the next one tries again", zap.String("provider", a.name), zap.Error(err))
	} else {
		e.log.Info("verified by schedule", zap.String("provider", a.name), zap.Any("outcomes", count), zap.Duration("took", time.Since(began)))
	}
	_ = e.update(ctx, a, func(s *rotator.ProviderState) { s.VerifiedAt = now })
}

// verified counts what a verification finds.
type verified map[rotator.VerifyOutcome]int

// Total implements [rotator.VerifyProgress].
func (verified) Total(int) error { return nil }

// Verified implements [rotator.VerifyProgress].
func (v verified) Verified(found rotator.Verification) error {
	v[found.Outcome]++
	return nil
}
