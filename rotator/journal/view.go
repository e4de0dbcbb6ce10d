package journal

import (
	"context"
	"database/sql"

	"github.com/rotatord/rotatord/rotator"
)

const (
	managedKeys = `SELECT ` + keyColumns + ` FROM keys
WHERE policy <> '' AND state = 'active' AND missing_since IS NULL AND deadline IS NOT NULL AND (deadline, provider, id) > ($1, $2, $3)
ORDER BY deadline, provider, id LIMIT $4`

	managedKeysForEver = `SELECT ` + keyColumns + ` FROM keys
WHERE policy <> '' AND state = 'active' AND missing_since IS NULL AND deadline IS NULL AND (provider, id) > ($1, $2)
ORDER BY provider, id LIMIT $3`

	openRotations = `SELECT ` + rotationColumns + ` FROM rotations WHERE is_open = 1 ORDER BY stage_at, id`

	endedRotations = `SELECT ` + rotationColumns + ` FROM rotations WHERE is_open = 0 ORDER BY stage_at DESC, id DESC`

	waitingKeys = `SELECT ` + keyColumns + ` FROM keys WHERE waiting <> '' AND missing_since IS NULL
ORDER BY waiting_since, provider, id LIMIT $1`

	readHistory = `SELECT seq, at, from_stage, to_stage, note FROM history WHERE rotation = $1 ORDER BY seq`
)

// ManagedKeys implements [rotator.View]: keys without a deadline come last, and keys that the provider no longer shows
// do not come at all. fn may call the store and take its time; a key whose deadline changes meanwhile may come twice or
// not at all.
func (s *Store) ManagedKeys(ctx context.Context, fn func(rotator.TrackedKey) error) error {
	const op = "list managed keys"
	deadline, last := int64(-1)<<63, rotator.TrackedKey{}
	err := eachPage(fn, func() ([]rotator.TrackedKey, error) {
		return s.keys(ctx, op, managedKeys, deadline, last.Provider, last.ID, page)
	}, func(k rotator.TrackedKey) { deadline, last = k.Deadline.UnixMilli(), k })
	if err != nil {
		return err
	}
	last = rotator.TrackedKey{}
	return eachPage(fn, func() ([]rotator.TrackedKey, error) {
		return s.keys(ctx, op, managedKeysForEver, last.Provider, last.ID, page)
	}, func(k rotator.TrackedKey) { last = k })
}

// eachPage calls fn for every key of every page; next reads the page after the key that done was last told.
func eachPage(fn func(rotator.TrackedKey) error, next func() ([]rotator.TrackedKey, error), done func(rotator.TrackedKey)) error {
	for {
		keys, err := next()
		if err != nil {
			return err
		}
		for _, k := range keys {
			if err := fn(k); err != nil {
				return err
			}
		}
		if len(keys) < page {
			return nil
		}
		done(keys[len(keys)-1])
	}
}

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
