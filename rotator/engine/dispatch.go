package engine

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/rotator"
)

// batch is how many due rotations or keys are fetched at once.
const batch = 256

// journalPause keeps the loops from spinning while the journal cannot be read or written (a full disk, say), and longestJournalPause
// is what it grows to for steps.
const (
	journalPause        = time.Second
	longestJournalPause = time.Minute
)

// dispatch hands what is due at one account to workers, until ctx ends. What is due is asked of the journal's indexes
// each time; nothing is kept in memory but what is in hand.
func (e *Engine) dispatch(ctx context.Context, a *account) {
	done := make(chan struct{}, 1)
	for ctx.Err() == nil {
		wakeAt, err := e.handOut(ctx, a, done)
		if err != nil && ctx.Err() == nil {
			e.obs.JournalFailed(err)
			e.log.Error("the journal cannot be read; nothing moves until it can", zap.String("provider", a.name), zap.Error(err))
			wakeAt = e.clock.Now().Add(journalPause)
		}
		e.sleep(ctx, a, done, wakeAt)
	}
}

// sleep waits until wakeAt, a request to look, or a worker that is done.
func (e *Engine) sleep(ctx context.Context, a *account, done <-chan struct{}, wakeAt time.Time) {
	t := time.NewTimer(max(0, min(e.clock.Until(wakeAt), e.look)))
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-a.wake:
	case <-done:
	case <-t.C:
	}
}

// handOut starts a worker for everything that is due and returns when something will be due next.
func (e *Engine) handOut(ctx context.Context, a *account, done chan struct{}) (time.Time, error) {
	now := e.clock.Now()
	if err := e.noticeSkew(ctx, a, now); err != nil && ctx.Err() == nil { // tried again at the next look
		e.journalFailed(a, err)
	}
	_, paused := a.paused(now)
	more := false
	rotations, err := e.store.Due(ctx, a.name, now, paused, batch)
	if err != nil {
		return now, err
	}
	for i := range rotations {
		r := &rotations[i]
		more = e.hand(ctx, a, done, r.CredentialID, func() { e.advance(ctx, a, r.ID) }) || more
	}
	if !paused {
		planned, err := e.handOutKeys(ctx, a, done, now)
		if err != nil {
			return now, err
		}
		more = more || planned
	}
	if more {
		return now, nil
	}
	return e.nextDue(ctx, a, now, paused)
}

func (e *Engine) handOutKeys(ctx context.Context, a *account, done chan struct{}, now time.Time) (bool, error) {
	keys, err := e.store.KeysToLookAt(ctx, a.name, now, batch)
	if err != nil {
		return false, err
	}
	if len(keys) == 0 {
		return e.judgeCap(ctx, a, now)
	}
	budget, err := e.budget(ctx, a, now)
	if err != nil {
		return false, err
	}
	more := false
	for _, k := range keys {
		more = e.hand(ctx, a, done, k.Credential(), func() { e.consider(ctx, a, k, budget) }) || more
	}
	return more, nil
}

// hand gives the credential to a worker unless one has it in hand; it waits until fewer than the configured number
// work. It reports whether it started one.
func (e *Engine) hand(ctx context.Context, a *account, done chan struct{}, c rotator.CredentialID, work func()) bool {
	id := c.String()
	for a.flight.count() >= max(1, e.setup.Load().Concurrent) {
		select {
		case <-done:
		case <-ctx.Done():
			return false
		}
	}
	if !a.flight.take(id) {
		return false
	}
	tenureOf(ctx).crew.Go(func() {
		defer func() {
			a.flight.release(id)
			signal(done)
		}()
		work()
	})
	return true
}

// nextDue returns the earliest time that the journal knows of. While something that is due is in hand, that is in the
// past, and the worker that has it wakes the dispatcher when it is done: so the past counts as far away.
func (e *Engine) nextDue(ctx context.Context, a *account, now time.Time, paused bool) (time.Time, error) {
	next := now.Add(e.look)
	rotation, err := e.store.NextDue(ctx, a.name, paused)
	if err != nil {
		return now, err
	}
	look, err := e.store.NextLook(ctx, a.name)
	if err != nil {
		return now, err
	}
	if until, paused := a.paused(now); paused {
		look = until
	}
	for _, t := range []time.Time{rotation, look} {
		if t.After(now) && t.Before(next) {
			next = t
		}
	}
	return next, nil
}
