package journal

import (
	"context"
	"database/sql"

	"github.com/rotatord/rotatord/rotator"
)

const (
	openRotations = `SELECT ` + rotationColumns + ` FROM rotations WHERE is_open = 1 ORDER BY stage_at, id`

	endedRotations = `SELECT ` + rotationColumns + ` FROM rotations WHERE is_open = 0 ORDER BY stage_at DESC, id DESC`

	waitingKeys = `SELECT ` + keyColumns + ` FROM keys WHERE waiting <> '' AND missing_since IS NULL
ORDER BY waiting_since, provider, id LIMIT $1`

	readHistory = `SELECT seq, at, from_stage, to_stage, note FROM history WHERE rotation = $1 ORDER BY seq`
)

// Rotations implements [rotator.View]: open ones, those that have stood in their stage the longest first. What cannot be
// read is skipped and reported.
func (s *Store) Rotations(ctx context.Context, final bool, limit int) ([]rotator.Rotation, error) {
	query := openRotations
	if final {
		query = endedRotations
	}
	found, _, err := s.rotations(ctx, "list rotations", limit, query)
	return found, err
}

// WaitingKeys implements [rotator.View].
func (s *Store) WaitingKeys(ctx context.Context, limit int) ([]rotator.TrackedKey, error) {
	if limit <= 0 {
		return nil, nil
	}
	return s.keys(ctx, "list waiting keys", waitingKeys, limit)
}

// History implements [rotator.View]. It is empty for a rotation that the journal does not know.
func (s *Store) History(ctx context.Context, rotation string) ([]rotator.Entry, error) {
	var entries []rotator.Entry
	err := s.each(ctx, readHistory, []any{rotation}, func(rows *sql.Rows) error {
		e := rotator.Entry{Rotation: rotation}
		err := rows.Scan(&e.Seq, stamp{&e.At}, &e.From, &e.To, &e.Note)
		entries = append(entries, e)
		return err
	})
	if err != nil {
		return nil, s.faults.of("read the history of rotation "+rotation, err)
	}
	return entries, nil
}
