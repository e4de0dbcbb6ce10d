package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/rotator"
)

// advance takes a rotation from step to step until it has to wait, is done, or the daemon stops. Between two steps it may
// be interrupted anywhere: what is committed is where it goes on.
//
// It reads the rotation anew, because the caller's copy was fetched before the credential was taken in hand and the
// worker that had it then may have moved it.
func (e *Engine) advance(ctx context.Context, a *account, id string) {
	r, err := e.store.Rotation(ctx, id)
	if err != nil {
		e.journalTrouble(ctx, a, err)
		return
	}
	e.run(ctx, a, r)
}

// run is advance for a rotation as the journal has it now.
func (e *Engine) run(ctx context.Context, a *account, r rotator.Rotation) {
	for ctx.Err() == nil && !r.Stage.Final() && !r.NextAt.After(e.clock.Now()) {
		if _, paused := a.paused(e.clock.Now()); paused && r.Stage.CallsProvider() {
			return
		}
		next, err := e.take(ctx, a, r)
		if err != nil {
			e.stepTrouble(ctx, a, &r, err)
			return
		}
		r = next
	}
}

// take takes one step, commits what came of it and returns the rotation that goes on: another one, where that was planned. The step runs under the context that outlives a stop by the drain
// time, so that a call that was begun can end.
func (e *Engine) take(ctx context.Context, a *account, r rotator.Rotation) (rotator.Rotation, error) {
	ctx = tenureOf(ctx).hard
	if r.Stage.CallsProvider() {
		if err := mayCall(ctx); err != nil {
			return r, err
		}
	}
	c, err := e.attempt(ctx, a, &r)
	if err != nil {
		if ctx.Err() != nil || isJournal(err) {
			return r, err
		}
		c = e.postpone(&r, err)
	}
	if err := e.addFollowUp(ctx, &c); err != nil {
		return r, err
	}
	err = e.commit(ctx, c)
	if c.Then != nil && errors.Is(err, rotator.ErrLocationTaken) {
		e.noFollowUp(&c, err)
		c.Then = nil
		err = e.commit(ctx, c)
	}
	if err == nil {
		a.unwritten.taken()
	}
	switch {
	case err != nil:
		return r, err
	case c.Then != nil:
		return c.Then.After, nil
	default:
		return c.After, nil
	}
}

// attempt is step within its bounds. A panic in an adapter is a failed attempt of this one rotation and ends nothing else:
// where it happened while a key was made, the stage says so, and the provider is asked what became of it.
func (e *Engine) attempt(ctx context.Context, a *account, r *rotator.Rotation) (c rotator.Change, err error) {
	ctx, cancel := patient(ctx)
	defer cancel()
	defer func() {
		if cause := recover(); cause != nil {
			err = e.defect("step in stage "+string(r.Stage), cause, rotationFields(r)...)
		}
	}()
	return e.step(ctx, a, r)
}

// defect turns a panic into an error. What the panic says is not repeated: it may hold anything, a secret too.
func (e *Engine) defect(op string, cause any, fields ...zap.Field) error {
	e.log.Error("a defect of rotatord: the code that was called panicked; please report it with the stack below",
		append(fields, zap.String("panic", fmt.Sprintf("%T", cause)), zap.Stack("stack"))...)
	return rotator.NewFault(op, rotator.Invalid, "a defect of rotatord stopped it (%T); the log has the place", cause)
}

// step does what the rotation's stage asks for. An error means that the attempt failed and is to be repeated.
func (e *Engine) step(ctx context.Context, a *account, r *rotator.Rotation) (rotator.Change, error) {
	if c, lost, err := e.afterLoss(ctx, r); lost {
		return c, err
	}
	switch r.Stage {
	case rotator.StagePlanned:
		return e.prepare(ctx, a, r)
	case rotator.StageMinting:
		return e.reconcile(ctx, a, r)
	case rotator.StageMinted:
		return e.minted(ctx, a, r)
	case rotator.StageTesting:
		return e.prove(ctx, a, r)
	case rotator.StageDelivering:
		return e.deliver(ctx, r)
	case rotator.StageConfirmed:
		return e.confirmed(a, r), nil
	case rotator.StageGrace:
		return e.graceOver(a, r), nil
	case rotator.StageDeactivating:
		return e.deactivate(ctx, a, r)
	case rotator.StageSoaking:
		return r.BeginRevoke(e.clock.Now()), nil
	case rotator.StageReactivating:
		return e.reactivate(ctx, a, r)
	case rotator.StageRevoking:
		return e.revoke(ctx, a, r)
	case rotator.StageExtending:
		return e.extend(ctx, a, r)
	case rotator.StageAbandoning:
		return e.abandon(ctx, a, r)
	default:
		return rotator.Change{}, rotator.NewFault("step", rotator.Invalid, "rotation %s is in stage %q, which this version does not know", r.ID, r.Stage)
	}
}

// postpone turns a failed attempt into a change: tried again later, or blocked where trying again alone is no help.
func (e *Engine) postpone(r *rotator.Rotation, err error) rotator.Change {
	now := e.clock.Now()
	next := e.retryAt(r, "", r.Attempt+1, now)
	if asked := now.Add(rotator.RetryAfterOf(err)); asked.After(next) {
		next = asked
	}
	c := r.Postpone(err, next)
	switch rotator.KindOf(err) {
	case rotator.Denied:
		c = c.WithBlock(rotator.BlockDenied, now)
	case rotator.Invalid:
		c = c.WithBlock(rotator.BlockInvalid, now)
	}
	return c
}

// commit applies a change and tells of it.
func (e *Engine) commit(ctx context.Context, c rotator.Change) error {
	notify := e.setup.Load().Notify
	c = c.Reminding(notify.Remind, e.clock.Now())
	c.Notices = append(c.Notices, notify.notices(c)...)
	if err := e.addHooks(ctx, &c); err != nil {
		return journalError{err}
	}
	if err := e.store.Commit(ctx, c); err != nil {
		return journalError{err}
	}
	e.moved(c)
	if c.Then != nil {
		e.moved(*c.Then)
	}
	return nil
}

// moved tells of a change that was committed.
func (e *Engine) moved(c rotator.Change) {
	r := &c.After
	e.obs.Moved(c.From, r, c.Note)
	fields := append(rotationFields(r), zap.String("from", string(c.From)), zap.String("note", c.Note))
	switch {
	case r.Blocked != "":
		e.log.Warn("rotation blocked", append(fields, zap.String("blocked", string(r.Blocked)), zap.Time("looks_again", r.NextAt))...)
	case r.Attempt > 0 && r.Trouble != "":
		e.log.Warn("rotation step failed and is tried again", append(fields, zap.Int("attempt", r.Attempt), zap.Time("next_at", r.NextAt))...)
	default:
		e.log.Info("rotation moved", fields...)
	}
}

// addHooks adds the consumers to tell to a change that confirms the last sink. They are committed with it, so that no crash comes
// between the two.
func (e *Engine) addHooks(ctx context.Context, c *rotator.Change) error {
	if c.After.Stage != rotator.StageConfirmed || c.From == rotator.StageConfirmed {
		return nil
	}
	p, err := e.policyNow(ctx, &c.After)
	if err != nil {
		return err
	}
	c.Hooks = rotator.HookRunsOf(c, p)
	return nil
}

// journalError marks an error of the journal, as against one of a provider or a sink.
type journalError struct{ error }

func (j journalError) Unwrap() error { return j.error }

// asJournal marks err, unless it is nil.
func asJournal(err error) error {
	if err == nil {
		return nil
	}
	return journalError{err}
}

func isJournal(err error) bool {
	_, ok := errors.AsType[journalError](err)
	return ok
}

// stepTrouble handles what could not be committed. The rotation stays as the journal has it.
func (e *Engine) stepTrouble(ctx context.Context, a *account, r *rotator.Rotation, err error) {
	if tenureOf(ctx).hard.Err() != nil {
		return // cut off by the end of the drain time, or of the lease
	}
	if isJournal(err) && outrun(err) {
		e.log.Info("the rotation was moved by somebody else meanwhile", append(rotationFields(r), zap.Error(err))...)
		return
	}
	e.log.Error("the journal did not take a step; the step is repeated once it does", append(rotationFields(r), zap.Error(err))...)
	if errors.Is(err, rotator.ErrLeaseLost) {
		e.journalTrouble(ctx, a, err)
		return
	}
	e.journalFailed(a, err)
	a.unwritten.refused(ctx)
}

// journalTrouble tells of an error of the journal and keeps the worker's slot for a moment, so that a journal that fails
// at once is not asked again at once.
func (e *Engine) journalTrouble(ctx context.Context, a *account, err error) {
	if ctx.Err() != nil {
		return
	}
	e.journalFailed(a, err)
	t := time.NewTimer(journalPause)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

func (e *Engine) journalFailed(a *account, err error) {
	e.obs.JournalFailed(err)
	e.log.Error("the journal failed", zap.String("provider", a.name), zap.Error(err))
}

func rotationFields(r *rotator.Rotation) []zap.Field {
	return []zap.Field{zap.String("rotation", r.ID), zap.String("provider", r.Provider), zap.String("service_user", r.ServiceUser),
		zap.String("user_id", r.UserID), zap.String("credential", r.Base), zap.String("stage", string(r.Stage)),
		zap.Int("version", r.Version), zap.String("reason", string(r.Reason)),
		zap.String("old_key_id", r.OldKey.ID), zap.String("new_key_name", r.NewKey.Name), zap.String("new_key_id", r.NewKey.ID)}
}
