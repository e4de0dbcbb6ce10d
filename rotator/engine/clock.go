package engine

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/rotator"
)

// noticeSetBack heals what was stored while the clock was ahead. Steps that were to be tried again "in ten minutes" would
// else wait until the clock is there once more, in a year if it was a year ahead. It cannot tell how long the clock was
// wrong: periods of grace and soak that began then begin anew.
// A daemon that runs sees that the clock is set; one that starts sees times that are still to come. read is when it last looked.
func (e *Engine) noticeSetBack(ctx context.Context, a *account, read *rotator.Reading) {
	by, moment := e.clock.SetSince(*read), e.clock.Read()
	now, s := moment.Wall, a.snapshot()
	latest := s.LastScan
	if s.SavedAt.After(latest) {
		latest = s.SavedAt
	}
	set := by < 0 && rotator.ClockWrong(by)
	if future := latest.Sub(now); !set && (future <= e.look || !rotator.ClockWrong(future)) {
		*read = moment
		return
	}
	e.log.Error("the clock was set back; everything that waits is looked at again", zap.String("provider", a.name), zap.Duration("set_by", by), zap.Time("last_saved", latest))
	if err := e.healSetBack(ctx, a, now); err != nil {
		e.journalFailed(a, err) // it is tried again before the next scan
		return
	}
	*read = moment
}

func (e *Engine) healSetBack(ctx context.Context, a *account, now time.Time) error {
	err := e.resumeThose(ctx, "the clock was set back", func(r *rotator.Rotation) bool {
		patient := (r.Stage == rotator.StageGrace || r.Stage == rotator.StageSoaking) && !r.NextAt.After(now.Add(max(r.Terms.Grace, r.Terms.Soak)))
		return r.Provider == a.name && !patient && r.NextAt.After(now)
	})
	if err != nil {
		return err
	}
	if err := errors.Join(e.lookAtWaiting(ctx, a), e.store.LookEarlier(ctx, a.name, now)); err != nil {
		return err
	}
	defer a.requestLook()
	return e.update(ctx, a, func(s *rotator.ProviderState) {
		s.LastScan, s.PausedUntil, s.PausedWhy = now, time.Time{}, ""
		s.Approved, s.ApprovedUntil, s.AwaitingSince, s.WriteFailedAt = 0, time.Time{}, time.Time{}, time.Time{}
	})
}

// noticeSkew keeps what the provider's page says of the clocks up to date: where nothing is due by a clock that is behind, nothing
// else would say that it is. Once they agree, for the first time since the daemon began to act at the account or since they last
// differed, it has whatever waits for that looked at again.
func (e *Engine) noticeSkew(ctx context.Context, a *account, now time.Time) error {
	ahead, known := skewKnown(a)
	if !known {
		return nil
	}
	before := a.snapshot().Skew
	switch {
	case rotator.ClockWrong(ahead):
		a.clockRight.Store(false)
		if before != 0 && (ahead-before).Abs() <= time.Minute {
			return nil
		}
		return e.noteSkew(ctx, a, ahead.Round(time.Minute))
	case before != 0 && ahead.Abs() > surelyRight, a.clockRight.Load():
		return nil
	}
	if err := e.noteSkew(ctx, a, 0); err != nil {
		return err
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

// surelyRight is a difference that is no longer told of once it was: what an answer tells is off by a second or two, and nobody is to be
// told now this and now that.
const surelyRight = 4 * time.Minute

func (e *Engine) noteSkew(ctx context.Context, a *account, skew time.Duration) error {
	before := a.snapshot().Skew
	if before == skew {
		return nil
	}
	if before == 0 {
		e.log.Error("nothing is decided by dates: "+rotator.SkewInWords(skew), zap.String("provider", a.name))
	}
	return e.update(ctx, a, func(s *rotator.ProviderState) { s.Skew = skew })
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
