package engine

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/rotator"
)

// noticeSetBack heals what was stored while the clock was ahead. Steps that were to be tried again "in ten minutes" would
// else wait until the clock is there once more, in a year if it was a year ahead. It cannot tell how long the clock was
// wrong: periods of grace and soak that began then keep the end that was stored.
func (e *Engine) noticeSetBack(ctx context.Context, a *account) {
	now := e.clock.Read().Wall
	ahead := a.snapshot().LastScan
	if !ahead.After(now.Add(e.look)) {
		return
	}
	e.log.Error("the clock was set back: the last scan lies in the future; everything that waits is looked at again",
		zap.String("provider", a.name), zap.Time("last_scan", ahead))
	if err := e.healSetBack(ctx, a, now); err != nil {
		e.obs.JournalFailed(err) // it is tried again before the next scan
	}
}

func (e *Engine) healSetBack(ctx context.Context, a *account, now time.Time) error {
	err := e.resumeThose(ctx, "the clock was set back", func(r *rotator.Rotation) bool {
		patient := r.Stage == rotator.StageGrace || r.Stage == rotator.StageSoaking
		return r.Provider == a.name && !patient && r.NextAt.After(now)
	})
	if err != nil {
		return err
	}
	if err := e.lookAtWaiting(ctx, a); err != nil {
		return err
	}
	defer a.requestLook()
	return e.update(ctx, a, func(s *rotator.ProviderState) {
		s.LastScan, s.PausedUntil, s.PausedWhy = now, time.Time{}, ""
		s.Approved, s.ApprovedUntil, s.AwaitingSince, s.WriteFailedAt = 0, time.Time{}, time.Time{}, time.Time{}
	})
}

// noticeRight has whatever waits for the clocks to agree looked at again, once they do: for the first time since the daemon began to act
// at the account, or since they last differed.
func (e *Engine) noticeRight(ctx context.Context, a *account, now time.Time) error {
	ahead, known := skewKnown(a)
	if !known {
		return nil
	}
	if rotator.ClockWrong(ahead) {
		a.clockRight.Store(false)
		return nil
	}
	if a.clockRight.Load() {
		return nil
	}
	if err := e.store.LookAgain(ctx, a.name, rotator.BlockClockSkew, now); err != nil {
		return err
	}
	err := e.resumeThose(ctx, "the clocks agree again", func(r *rotator.Rotation) bool {
		return r.Provider == a.name && r.Blocked == rotator.BlockClockSkew
	})
	if err != nil {
		return err
	}
	a.clockRight.Store(true)
	return nil
}

// skewOf is how far the provider's clock is ahead of ours, by its latest answer; zero if it has not said.
func skewOf(a *account) time.Duration {
	ahead, _ := skewKnown(a)
	return ahead
}

func skewKnown(a *account) (time.Duration, bool) {
	keeper, ok := a.provider().(rotator.Timekeeper)
	if !ok {
		return 0, false
	}
	ahead, known := keeper.Skew()
	if !known {
		return 0, false
	}
	return ahead, true
}
