package journal

import (
	"context"
	"database/sql"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

const (
	// segment is how many audit records one checkpoint stands for at most, and how many rows one transaction removes.
	segment = 1000

	// oldSegment counts the oldest records up to the first that is to stay.
	oldSegment = `WITH oldest AS (SELECT seq, at FROM audit ORDER BY seq LIMIT $1)
SELECT count(*), COALESCE(max(seq), 0) FROM oldest
WHERE seq < COALESCE((SELECT min(seq) FROM oldest WHERE at >= $2), 9223372036854775807)`

	auditHash = `SELECT hash FROM audit WHERE seq = $1`

	dropAudit = `DELETE FROM audit WHERE seq <= $1`

	// pruneBatch is how many ended rotations are looked at in one transaction: each costs a few look-ups.
	pruneBatch = 100

	endedBefore = `SELECT id, stage_at FROM rotations
WHERE is_open = 0 AND stage_at < $1 AND (stage_at, id) > ($2, $3) ORDER BY stage_at, id LIMIT $4`

	// mayForget holds of a rotation that nothing can ask for any more.
	mayForget = `SELECT 1 FROM rotations r WHERE r.id = $1 AND r.is_open = 0 AND r.stage_at < $2
AND NOT EXISTS (SELECT 1 FROM rotations o WHERE o.provider = r.provider AND o.user_id = r.user_id AND o.base = r.base AND o.is_open = 1)
AND EXISTS (SELECT 1 FROM rotations l WHERE l.provider = r.provider AND l.user_id = r.user_id AND l.base = r.base AND l.is_open = 0
AND l.stage = 'done' AND (l.stage_at, l.id) > (r.stage_at, r.id))
AND NOT EXISTS (SELECT 1 FROM hook_runs h WHERE h.rotation = r.id AND h.ended_at IS NULL)
AND NOT EXISTS (SELECT 1 FROM names n WHERE n.rotation = r.id AND (n.sealed = 0 OR EXISTS (SELECT 1 FROM keys k
WHERE k.provider = n.provider AND k.user_id = n.user_id AND k.name = n.name
AND k.state <> 'revoked' AND (k.missing_since IS NULL OR k.missing_since >= $2))))`

	forgetHooks    = `DELETE FROM hook_runs WHERE rotation = $1`
	forgetHistory  = `DELETE FROM history WHERE rotation = $1`
	forgetNames    = `DELETE FROM names WHERE rotation = $1`
	forgetRotation = `DELETE FROM rotations WHERE id = $1`
)

// PruneAudit implements [rotator.Audit].
func (s *Store) PruneAudit(ctx context.Context, before time.Time) (int, error) {
	removed := 0
	err := s.write(ctx, "remove old audit records", func(w *writer) error {
		removed = 0
		var through int64
		if _, err := w.one(oldSegment, []any{segment, before.UnixMilli()}, &removed, &through); err != nil || removed == 0 {
			return err
		}
		gone := &rotator.AuditRemoved{Through: through, Count: int64(removed)}
		var sum []byte
		if _, err := w.one(auditHash, []any{through}, &sum); err != nil {
			return err
		}
		if err := fill(&gone.Hash, sum); err != nil {
			return err
		}
		if _, err := w.exec(dropAudit, through); err != nil {
			return err
		}
		return w.tell(rotator.AuditEvent{Kind: rotator.AuditCheckpoint, Outcome: rotator.AuditDone, Removed: gone,
			Note: "records from before " + before.UTC().Format(time.RFC3339) + " were removed"})
	})
	if err != nil {
		return 0, err // the write may still be under way, if it is the caller who gave up
	}
	return removed, nil
}

// PruneHistory implements [rotator.Audit].
func (s *Store) PruneHistory(ctx context.Context, before time.Time, from rotator.PruneCursor) (removed int, next *rotator.PruneCursor, err error) {
	const op = "remove old rotations"
	var ids []string
	at := from
	args := []any{before.UnixMilli(), from.At.UnixMilli(), from.ID, pruneBatch}
	err = s.each(ctx, endedBefore, args, func(rows *sql.Rows) error {
		err := rows.Scan(&at.ID, stamp{&at.At})
		ids = append(ids, at.ID)
		return err
	})
	if err != nil {
		return 0, nil, s.faults.of(op, err)
	}
	if len(ids) == pruneBatch {
		next = &at
	}
	if len(ids) == 0 {
		return 0, nil, nil
	}
	err = s.write(ctx, op, func(w *writer) error {
		removed, err = w.forget(ids, before)
		if err != nil || removed == 0 {
			return err
		}
		return w.tell(rotator.AuditEvent{Kind: rotator.AuditPrune, Outcome: rotator.AuditDone, Count: removed,
			Note: "rotations that ended before " + before.UTC().Format(time.RFC3339) + " were removed, with their histories"})
	})
	return removed, next, err
}

// forget removes those of the rotations that nothing asks for, and returns how many. They are looked at again here,
// because a rotation of the credential may have begun meanwhile.
func (w *writer) forget(ids []string, before time.Time) (int, error) {
	removed := 0
	for _, id := range ids {
		var one int
		may, err := w.one(mayForget, []any{id, before.UnixMilli()}, &one)
		if err != nil {
			return removed, err
		}
		if !may {
			continue
		}
		for _, query := range []string{forgetHooks, forgetHistory, forgetNames, forgetRotation} {
			if _, err := w.exec(query, id); err != nil {
				return removed, err
			}
		}
		removed++
	}
	return removed, nil
}
