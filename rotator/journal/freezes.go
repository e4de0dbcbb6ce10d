package journal

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

const (
	putFreeze = `INSERT INTO freezes (id, frozen_from, frozen_to, reason, unless_expires_within, placed_by, placed_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (id) DO NOTHING`

	readFreeze = `SELECT frozen_to, reason FROM freezes WHERE id = $1`

	deleteFreeze = `DELETE FROM freezes WHERE id = $1`

	listFreezes = `SELECT id, frozen_from, frozen_to, reason, unless_expires_within, placed_by, placed_at FROM freezes
WHERE frozen_to > $1 ORDER BY frozen_to, id`

	wakeFrozenKeys = `UPDATE keys SET look_at = $1 WHERE waiting = $2 AND waiting <> ''`
)

// PutFreeze implements [rotator.Freezes].
func (s *Store) PutFreeze(ctx context.Context, f rotator.PlacedFreeze) error {
	op := "place freeze " + f.ID
	return s.write(ctx, op, func(w *writer) error {
		n, err := w.exec(putFreeze, f.ID, f.From.UnixMilli(), upMillis(f.To), f.Reason, f.UnlessExpiresWithin.Milliseconds(), f.By, f.At.UnixMilli())
		if err != nil {
			return err
		}
		if n == 0 {
			return rotator.NewFault(op, rotator.Conflict, "a freeze of this name was placed before; choose another")
		}
		return w.tell(rotator.AuditEvent{Kind: rotator.AuditFreeze, Outcome: rotator.AuditDone, Actor: f.By, Until: f.To,
			Note: fmt.Sprintf("%s, from %s: %s", f.ID, f.From.UTC().Format(time.RFC3339), f.Reason)})
	})
}

// LiftFreeze implements [rotator.Freezes]. Keys that wait are woken in the same transaction, whichever replica owns them.
func (s *Store) LiftFreeze(ctx context.Context, id, actor string, now time.Time) error {
	op := "lift freeze " + id
	return s.write(ctx, op, func(w *writer) error {
		var until time.Time
		var reason string
		found, err := w.one(readFreeze, []any{id}, stamp{&until}, &reason)
		if err != nil {
			return err
		}
		if !found {
			return rotator.NewFault(op, rotator.Gone, "no operator placed such a freeze; those of the configuration are lifted there")
		}
		if _, err := w.exec(wakeFrozenKeys, now.UnixMilli(), string(rotator.BlockFrozen)); err != nil {
			return err
		}
		if _, err := w.exec(deleteFreeze, id); err != nil {
			return err
		}
		return w.tell(rotator.AuditEvent{Kind: rotator.AuditLift, Outcome: rotator.AuditDone, Actor: actor, Until: until, Note: id + ": " + reason})
	})
}

// PlacedFreezes implements [rotator.Freezes].
func (s *Store) PlacedFreezes(ctx context.Context, now time.Time) ([]rotator.PlacedFreeze, error) {
	var found []rotator.PlacedFreeze
	err := s.each(ctx, listFreezes, []any{now.UnixMilli()}, func(rows *sql.Rows) error {
		var f rotator.PlacedFreeze
		var unless int64
		err := rows.Scan(&f.ID, stamp{&f.From}, stamp{&f.To}, &f.Reason, &unless, &f.By, stamp{&f.At})
		f.UnlessExpiresWithin = time.Duration(unless) * time.Millisecond
		found = append(found, f)
		return err
	})
	if err != nil {
		return nil, s.faults.of("list the freezes that were placed", err)
	}
	return found, nil
}
