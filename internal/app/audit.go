package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/audit"
)

const (
	// auditEvery is how often the whole audit record is verified and what is old removed.
	auditEvery = 24 * time.Hour

	// After so many records, or so many segments removed, the journal is left to others for a while: the walk over years of
	// records has no haste.
	auditStride = 1000
	auditPause  = 20 * time.Millisecond
)

// record appends to the audit record what the daemon does as a whole. Where that fails the log has to do: it must not keep
// the daemon from starting, nor from stopping.
func (a *App) record(ctx context.Context, e rotator.AuditEvent) {
	if err := a.store.Record(context.WithoutCancel(ctx), e); err != nil {
		a.log.Error("the audit record cannot be written", zap.String("kind", string(e.Kind)), zap.String("note", e.Note), zap.Error(err))
	}
}

func (a *App) recordReload(ctx context.Context, err error) {
	e := rotator.AuditEvent{Kind: rotator.AuditReload, Outcome: rotator.AuditDone, Note: "the configuration was read anew"}
	if err != nil {
		e.Outcome, e.Note = rotator.AuditRefused, err.Error()
	}
	a.record(ctx, e)
}

// recordStart and recordStop put the head of the audit record into the log, too: a log that is shipped elsewhere is an
// anchor.
func (a *App) recordStart(ctx context.Context) {
	c := a.config.Load()
	a.record(ctx, rotator.AuditEvent{Kind: rotator.AuditStart, Outcome: rotator.AuditDone,
		Note: fmt.Sprintf("rotatord %s with %d providers, %d sinks and %d policies", a.o.Version, len(c.Providers), len(c.Sinks), len(c.Policies))})
	a.logAuditHead(ctx)
}

func (a *App) recordStop(ctx context.Context, why error) {
	e := rotator.AuditEvent{Kind: rotator.AuditStop, Outcome: rotator.AuditDone, Note: "rotatord " + a.o.Version}
	if why != nil {
		e.Outcome, e.Note = rotator.AuditFailed, e.Note+": "+why.Error()
	}
	a.record(ctx, e)
	a.logAuditHead(ctx)
}

func (a *App) logAuditHead(ctx context.Context) {
	head, err := a.store.AuditHead(context.WithoutCancel(ctx))
	if err != nil {
		a.log.Error("the head of the audit record cannot be read", zap.Error(err))
		return
	}
	a.log.Info("audit head", zap.Stringer("anchor", head), zap.Int64("records", head.Seq))
}

// lookAfterRecords verifies the audit record and removes what is old, at start and once a day.
func (a *App) lookAfterRecords(ctx context.Context) {
	tick := time.NewTicker(auditEvery)
	defer tick.Stop()
	var seen []rotator.AuditHead
	for {
		seen = a.verifyAudit(ctx, seen)
		if err := a.prune(ctx, time.Now()); err != nil && ctx.Err() == nil {
			a.log.Error("old records could not be removed from the journal; it is tried again in a day", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		a.logAuditHead(ctx)
	}
}

// verifyAudit walks over the whole chain. The head that the walk before saw is held against it: within a run, a chain that
// was written anew is found even without an anchor from elsewhere.
func (a *App) verifyAudit(ctx context.Context, seen []rotator.AuditHead) []rotator.AuditHead {
	result, err := audit.VerifyChain(ctx, a.store, func(n int64) error { return a.breathe(ctx, n) }, seen...)
	if err != nil {
		if ctx.Err() == nil {
			a.log.Error("the audit record could not be verified; it is tried again in a day", zap.Error(err))
		}
		return seen
	}
	a.metrics.AuditVerified(result.Wrong == 0)
	if result.Wrong == 0 {
		a.log.Info("the audit record is whole", zap.Int64("records", result.Records), zap.Stringer("anchor", result.Head))
		return []rotator.AuditHead{result.Head}
	}
	for _, f := range result.Findings {
		a.log.Error("the audit record was tampered with, or is damaged", zap.Int64("record", f.Seq), zap.Time("at", f.At), zap.String("what", f.What))
	}
	return seen
}

// breathe pauses after every auditStride.
func (a *App) breathe(ctx context.Context, n int64) error {
	if n%auditStride != 0 {
		return ctx.Err()
	}
	t := time.NewTimer(auditPause)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// prune removes what is older than the configuration wants kept, a little at a time.
func (a *App) prune(ctx context.Context, now time.Time) error {
	keep := a.config.Load().Store
	return errors.Join(a.pruneAudit(ctx, now, keep.Audit.Keep.Std()), a.pruneHistory(ctx, now, keep.KeepHistory.Std()))
}

// pruneAudit removes whole days.
func (a *App) pruneAudit(ctx context.Context, now time.Time, keep time.Duration) error {
	if keep == 0 {
		return nil
	}
	before := now.Add(-keep).UTC().Truncate(24 * time.Hour)
	total := 0
	for {
		n, err := a.store.PruneAudit(ctx, before)
		total += n
		if err != nil || n == 0 {
			if total > 0 {
				a.log.Info("old audit records were removed", zap.Int("records", total), zap.Time("before", before))
			}
			return err
		}
		if err := a.breathe(ctx, 0); err != nil {
			return err
		}
	}
}

func (a *App) pruneHistory(ctx context.Context, now time.Time, keep time.Duration) error {
	if keep == 0 {
		return nil
	}
	before := now.Add(-keep)
	total := 0
	for from := new(rotator.PruneCursor); from != nil; {
		n, next, err := a.store.PruneHistory(ctx, before, *from)
		if err != nil {
			return err
		}
		total, from = total+n, next
		if err := a.breathe(ctx, 0); err != nil {
			return err
		}
	}
	incidents, err := a.pruneIncidents(ctx, before)
	if total+incidents > 0 {
		a.log.Info("old rotations and incidents were removed from the journal", zap.Int("rotations", total), zap.Int("incidents", incidents), zap.Time("before", before))
	}
	return err
}

func (a *App) pruneIncidents(ctx context.Context, before time.Time) (total int, err error) {
	for {
		n, err := a.store.PruneIncidents(ctx, before)
		total += n
		if err != nil || n == 0 {
			return total, err
		}
		if err := a.breathe(ctx, 0); err != nil {
			return total, err
		}
	}
}
