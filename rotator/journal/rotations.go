package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

const rotationColumns = `id, stage, seq, body, sealed`

const (
	dueRotations = `SELECT ` + rotationColumns + ` FROM rotations
WHERE provider = $1 AND next_at <= $2 AND is_open = 1 ORDER BY next_at, id`

	dueRotationsOffline = `SELECT ` + rotationColumns + ` FROM rotations
WHERE provider = $1 AND next_at <= $2 AND is_open = 1 AND calls_provider = 0 ORDER BY next_at, id`

	nextDue = `SELECT next_at FROM rotations WHERE provider = $1 AND is_open = 1 ORDER BY next_at LIMIT 1`

	nextDueOffline = `SELECT next_at FROM rotations WHERE provider = $1 AND is_open = 1 AND calls_provider = 0 ORDER BY next_at LIMIT 1`

	rotationByID = `SELECT ` + rotationColumns + ` FROM rotations WHERE id = $1`

	openRotation = `SELECT ` + rotationColumns + ` FROM rotations WHERE provider = $1 AND user_id = $2 AND base = $3 AND is_open = 1`

	highestVersion = `SELECT highest_version FROM credentials WHERE provider = $1 AND user_id = $2 AND base = $3`

	lastEnded = `SELECT stage FROM rotations WHERE provider = $1 AND user_id = $2 AND base = $3 AND is_open = 0 ORDER BY stage_at DESC LIMIT $4`

	nameRecord = `SELECT rotation, version, sealed FROM names WHERE provider = $1 AND user_id = $2 AND name = $3`

	setAside = `UPDATE rotations SET next_at = $1 WHERE id = $2 AND is_open = 1`
)

// damagedRecheck is how often a rotation that cannot be read is looked at, and reported, again.
const damagedRecheck = time.Hour

// damage is a rotation that cannot be read.
type damage struct {
	id  string
	why error
}

// Due implements [rotator.Journal]. A rotation that cannot be read is skipped, reported, and not due again for an hour:
// it must not keep the others waiting, nor the loop from resting.
func (s *Store) Due(ctx context.Context, provider string, now time.Time, paused bool, limit int) ([]rotator.Rotation, error) {
	query := dueRotations
	if paused {
		query = dueRotationsOffline
	}
	due, damaged, err := s.rotations(ctx, "list due rotations", limit, query, provider, now.UnixMilli())
	if err != nil {
		return nil, err
	}
	s.putAside(ctx, damaged, now)
	return due, nil
}

// rotations reads up to limit rotations that can be read.
func (s *Store) rotations(ctx context.Context, op string, limit int, query string, args ...any) ([]rotator.Rotation, []damage, error) {
	var found []rotator.Rotation
	var damaged []damage
	if limit <= 0 {
		return nil, nil, nil
	}
	err := s.each(ctx, query, args, func(rows *sql.Rows) error {
		r, bad, err := scanRotation(rows)
		if err != nil {
			return err
		}
		if bad != nil {
			damaged = append(damaged, *bad)
			return nil
		}
		found = append(found, r)
		if len(found) == limit {
			return errStop
		}
		return nil
	})
	for _, d := range damaged {
		s.onDamaged(d.id, d.why)
	}
	return found, damaged, s.faults.of(op, err)
}

// putAside has no error to return: they were reported, the others are due all the same, and what could not be put aside
// now is found again at the next call.
func (s *Store) putAside(ctx context.Context, damaged []damage, now time.Time) {
	if len(damaged) == 0 {
		return
	}
	until := upMillis(now.Add(damagedRecheck))
	_ = s.write(ctx, "put damaged rotations aside", func(w *writer) error {
		for _, d := range damaged {
			if _, err := w.exec(setAside, until, d.id); err != nil {
				return err
			}
		}
		return nil
	})
}

// scanRotation reads a row of rotationColumns. The error is about the reading; a row that was read and holds no rotation
// is damage.
func scanRotation(rows *sql.Rows) (rotator.Rotation, *damage, error) {
	var id, stage string
	var seq int64
	var body, sealed sql.RawBytes
	if err := rows.Scan(&id, &stage, &seq, &body, &sealed); err != nil {
		return rotator.Rotation{}, nil, err
	}
	r, why := decodeRotation(body, id, rotator.Stage(stage), seq)
	if why != nil {
		return rotator.Rotation{}, &damage{id: id, why: why}, nil //nolint:nilerr // the damage carries it
	}
	r.Sealed = slices.Clone([]byte(sealed))
	return r, nil, nil
}

// decodeRotation reads a stored rotation and compares it with the columns beside it, which are what the next commit will
// be checked against.
func decodeRotation(body []byte, id string, stage rotator.Stage, seq int64) (rotator.Rotation, error) {
	var r rotator.Rotation
	if err := json.Unmarshal(body, &r); err != nil {
		return r, damaged(id, "its stored form is not valid JSON: %w", err)
	}
	if r.ID != id || r.Stage != stage || r.Seq != seq {
		return r, damaged(id, "its stored form says %q at %q (seq %d) and its row says %q at %q (seq %d)", r.ID, r.Stage, r.Seq, id, stage, seq)
	}
	if !slices.Contains(rotator.Stages(), r.Stage) {
		return r, damaged(id, "its stage %q is not known to this rotatord", r.Stage)
	}
	return r, nil
}

func damaged(id, format string, args ...any) error {
	return rotator.NewFault("read rotation "+id, rotator.Invalid, "rotation %s cannot be read and does not go on: %w; "+
		"stop rotatord, keep a copy of the journal, and restore its latest backup", id, fmt.Errorf(format, args...))
}

// NextDue implements [rotator.Journal].
func (s *Store) NextDue(ctx context.Context, provider string, paused bool) (time.Time, error) {
	query := nextDue
	if paused {
		query = nextDueOffline
	}
	var at time.Time
	_, err := s.one(ctx, query, []any{provider}, stamp{&at})
	return at, s.faults.of("find the next due rotation", err)
}

// Rotation implements [rotator.Journal]. One that cannot be read is a fault of kind [rotator.Invalid].
func (s *Store) Rotation(ctx context.Context, id string) (rotator.Rotation, error) {
	return s.rotation(ctx, "read rotation "+id, rotationByID, id)
}

// OpenRotation implements [rotator.Journal]. One that cannot be read is a fault of kind [rotator.Invalid].
func (s *Store) OpenRotation(ctx context.Context, c rotator.CredentialID) (rotator.Rotation, error) {
	return s.rotation(ctx, "read the open rotation of "+c.String(), openRotation, c.Provider, c.UserID, c.Base)
}

func (s *Store) rotation(ctx context.Context, op, query string, args ...any) (r rotator.Rotation, err error) {
	found := false
	err = s.each(ctx, query, args, func(rows *sql.Rows) error {
		found = true
		var bad *damage
		if r, bad, err = scanRotation(rows); err == nil && bad != nil {
			return bad.why
		}
		return err
	})
	if err == nil && !found {
		err = rotator.NewFault(op, rotator.Gone, "there is none in the journal")
	}
	return r, s.faults.of(op, err)
}

// Abandoned implements [rotator.Journal].
func (s *Store) Abandoned(ctx context.Context, c rotator.CredentialID, limit int) (int, error) {
	n := 0
	err := s.each(ctx, lastEnded, []any{c.Provider, c.UserID, c.Base, limit}, func(rows *sql.Rows) error {
		var stage rotator.Stage
		if err := rows.Scan(&stage); err != nil {
			return err
		}
		if stage != rotator.StageAbandoned {
			return errStop
		}
		n++
		return nil
	})
	return n, s.faults.of("count the abandoned rotations of "+c.String(), err)
}

// HighestVersion implements [rotator.Journal].
func (s *Store) HighestVersion(ctx context.Context, c rotator.CredentialID) (int, error) {
	var v int
	_, err := s.one(ctx, highestVersion, []any{c.Provider, c.UserID, c.Base}, &v)
	return v, s.faults.of("read the highest version of "+c.String(), err)
}

// Name implements [rotator.Journal].
func (s *Store) Name(ctx context.Context, provider, userID, name string) (rotator.NameRecord, error) {
	op := "look up key name " + name
	var n rotator.NameRecord
	found, err := s.one(ctx, nameRecord, []any{provider, userID, name}, &n.Rotation, &n.Version, &n.Sealed)
	if err == nil && !found {
		err = rotator.NewFault(op, rotator.Gone, "no rotation chose this name")
	}
	return n, s.faults.of(op, err)
}
