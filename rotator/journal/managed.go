package journal

import (
	"cmp"
	"context"
	"database/sql"
	"math"
	"slices"
	"strconv"

	"github.com/rotatord/rotatord/rotator"
)

const (
	isManaged = `policy <> '' AND state = 'active' AND missing_since IS NULL`

	managedOrder = `SELECT rowid, deadline FROM keys WHERE ` + isManaged

	managedKeys = `SELECT ` + keyColumns + `, rowid FROM keys WHERE rowid IN (SELECT value FROM json_each($1)) AND ` + isManaged

	managedKeysPostgres = `SELECT ` + keyColumns + `, rowid FROM keys
WHERE rowid IN (SELECT value::bigint FROM json_array_elements_text($1::json)) AND ` + isManaged
)

// place is where a key stands: 16 bytes of each key are all that is held of a fleet at once.
type place struct{ deadline, row int64 }

// ManagedKeys implements [rotator.View]: keys without a deadline come last, and keys that the provider no longer shows
// do not come at all. The order is that of the moment of the call; a key comes as it is when its turn is, once or, if
// it is no longer managed by then, not at all. fn may call the store and take its time.
//
// The keys are sorted here and not by an index: that index would be the dearest part of every scan that finds something
// new.
func (s *Store) ManagedKeys(ctx context.Context, fn func(rotator.TrackedKey) error) error {
	const op = "list managed keys"
	places, err := s.managedPlaces(ctx)
	if err != nil {
		return s.faults.of(op, err)
	}
	for chunk := range slices.Chunk(places, page) {
		byRow, err := s.keysByRow(ctx, chunk)
		if err != nil {
			return s.faults.of(op, err)
		}
		for _, p := range chunk {
			if k, ok := byRow[p.row]; ok {
				if err := fn(k); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (s *Store) managedPlaces(ctx context.Context) ([]place, error) {
	var places []place
	err := s.each(ctx, managedOrder, nil, func(rows *sql.Rows) error {
		var p place
		var deadline sql.NullInt64
		err := rows.Scan(&p.row, &deadline)
		p.deadline = math.MaxInt64
		if deadline.Valid {
			p.deadline = deadline.Int64
		}
		places = append(places, p)
		return err
	})
	slices.SortFunc(places, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.deadline, b.deadline), cmp.Compare(a.row, b.row))
	})
	return places, err
}

func (s *Store) keysByRow(ctx context.Context, places []place) (map[int64]rotator.TrackedKey, error) {
	list := []byte{'['}
	for i, p := range places {
		if i > 0 {
			list = append(list, ',')
		}
		list = strconv.AppendInt(list, p.row, 10)
	}
	byRow := make(map[int64]rotator.TrackedKey, len(places))
	err := s.each(ctx, s.db.managedKeys, []any{string(append(list, ']'))}, func(rows *sql.Rows) error {
		var k rotator.TrackedKey
		var row int64
		err := rows.Scan(append(keyFields(&k), &row)...)
		byRow[row] = k
		return err
	})
	return byRow, err
}
