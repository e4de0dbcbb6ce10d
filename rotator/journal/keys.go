package journal

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

const keyColumns = `provider, id, user_id, name, base, version, created, expires, last_used, state, policy, deadline, due, look_at, draw,
waiting, waiting_why, waiting_since, missing_since`

const (
	keysToLookAt = `SELECT ` + keyColumns + ` FROM keys
WHERE provider = $1 AND look_at <= $2 AND look_at IS NOT NULL ORDER BY look_at, id LIMIT $3`

	countDue = `SELECT count(*) FROM (
SELECT 1 FROM keys WHERE provider = $1 AND look_at <= $2 AND look_at IS NOT NULL LIMIT $3) AS due`

	// Those that countDue counts are left out: no key counts twice.
	countAwaiting = `SELECT count(*) FROM (
SELECT 1 FROM keys WHERE provider = $1 AND waiting = $2 AND waiting <> '' AND (look_at > $3 OR look_at IS NULL) LIMIT $4) AS awaiting`

	nextLook = `SELECT look_at FROM keys WHERE provider = $1 AND look_at IS NOT NULL ORDER BY look_at LIMIT 1`

	lookAgain = `UPDATE keys SET look_at = $1 WHERE provider = $2 AND waiting = $3 AND waiting <> ''`

	// due is rounded down and look_at up.
	lookEarlier = `UPDATE keys SET look_at = $1 WHERE provider = $2 AND look_at > $1 AND look_at > due + 1`

	setLook = `UPDATE keys SET look_at = $1, waiting = $2, waiting_why = $3,
waiting_since = CASE WHEN $2 = '' THEN NULL WHEN waiting = $2 THEN waiting_since ELSE $4 END
WHERE provider = $5 AND id = $6`

	readWaiting = `SELECT waiting FROM keys WHERE provider = $1 AND id = $2`

	keySeries = `SELECT ` + keyColumns + ` FROM keys WHERE provider = $1 AND user_id = $2 AND base = $3`

	readUser = `SELECT id, name, email, login, active FROM users WHERE provider = $1 AND id = $2`
)

func scanKey(rows *sql.Rows) (rotator.TrackedKey, error) {
	var k rotator.TrackedKey
	err := rows.Scan(keyFields(&k)...)
	return k, err
}

// keyFields are where the values of keyColumns go.
func keyFields(k *rotator.TrackedKey) []any {
	return []any{&k.Provider, &k.ID, &k.UserID, &k.Name, &k.Base, &k.Version, stamp{&k.Created}, stamp{&k.Expires}, stamp{&k.LastUsed},
		&k.State, &k.Policy, stamp{&k.Deadline}, stamp{&k.Due}, stamp{&k.LookAt}, &k.Draw,
		&k.Waiting, &k.WaitingWhy, stamp{&k.WaitingSince}, stamp{&k.MissingSince}}
}

func (s *Store) keys(ctx context.Context, op, query string, args ...any) ([]rotator.TrackedKey, error) {
	var keys []rotator.TrackedKey
	err := s.each(ctx, query, args, func(rows *sql.Rows) error {
		k, err := scanKey(rows)
		keys = append(keys, k)
		return err
	})
	if err != nil {
		return nil, s.faults.of(op, err)
	}
	return keys, nil
}

// KeysToLookAt implements [rotator.Inventory].
func (s *Store) KeysToLookAt(ctx context.Context, provider string, now time.Time, limit int) ([]rotator.TrackedKey, error) {
	if limit <= 0 {
		return nil, nil
	}
	return s.keys(ctx, "list keys to look at", keysToLookAt, provider, now.UnixMilli(), limit)
}

// CountDue implements [rotator.Inventory].
func (s *Store) CountDue(ctx context.Context, provider string, now time.Time, limit int) (int, error) {
	const op = "count due keys"
	if limit <= 0 {
		return 0, nil
	}
	var due, awaiting int
	if _, err := s.one(ctx, countDue, []any{provider, now.UnixMilli(), limit}, &due); err != nil {
		return 0, s.faults.of(op, err)
	}
	if due >= limit {
		return limit, nil
	}
	_, err := s.one(ctx, countAwaiting, []any{provider, string(rotator.BlockAwaitingApproval), now.UnixMilli(), limit - due}, &awaiting)
	return due + awaiting, s.faults.of(op, err)
}

// LookAgain implements [rotator.Inventory].
func (s *Store) LookAgain(ctx context.Context, provider string, reason rotator.BlockReason, at time.Time) error {
	return s.write(ctx, "look again at waiting keys", func(w *writer) error {
		_, err := w.exec(lookAgain, up(at), provider, string(reason))
		return err
	})
}

// LookEarlier implements [rotator.Inventory].
func (s *Store) LookEarlier(ctx context.Context, provider string, at time.Time) error {
	return s.write(ctx, "look earlier at keys that were put off", func(w *writer) error {
		_, err := w.exec(lookEarlier, up(at), provider)
		return err
	})
}

// NextLook implements [rotator.Inventory].
func (s *Store) NextLook(ctx context.Context, provider string) (time.Time, error) {
	var at time.Time
	_, err := s.one(ctx, nextLook, []any{provider}, stamp{&at})
	return at, s.faults.of("find the next key to look at", err)
}

// SetLook implements [rotator.Inventory]. A key that is not stored is a fault of kind [rotator.Gone].
func (s *Store) SetLook(ctx context.Context, k rotator.TrackedKey, at time.Time) error {
	op := "put off key " + k.ID
	return s.write(ctx, op, func(w *writer) error {
		was := k.Waiting
		if k.Waiting != "" {
			if _, err := w.one(readWaiting, []any{k.Provider, k.ID}, &was); err != nil {
				return err
			}
		}
		n, err := w.exec(setLook, up(k.LookAt), string(k.Waiting), k.WaitingWhy, down(at), k.Provider, k.ID)
		if err == nil && n == 0 {
			return rotator.NewFault(op, rotator.Gone, "the journal does not know the key")
		}
		if err != nil || was == k.Waiting {
			return err
		}
		return w.tell(waitEvent(&k))
	})
}

// Series implements [rotator.Inventory].
func (s *Store) Series(ctx context.Context, c rotator.CredentialID) ([]rotator.TrackedKey, error) {
	keys, err := s.keys(ctx, "list the keys of "+c.String(), keySeries, c.Provider, c.UserID, c.Base)
	slices.SortFunc(keys, newestFirst)
	return keys, err
}

func newestFirst(a, b rotator.TrackedKey) int {
	switch {
	case a.Newer(b):
		return -1
	case b.Newer(a):
		return 1
	default:
		return 0
	}
}

// User implements [rotator.Inventory].
func (s *Store) User(ctx context.Context, provider, userID string) (rotator.ServiceUser, error) {
	op := "read service user " + userID
	var u rotator.ServiceUser
	found, err := s.one(ctx, readUser, []any{provider, userID}, &u.ID, &u.Name, &u.Email, &u.Login, &u.Active)
	if err == nil && !found {
		err = rotator.NewFault(op, rotator.Gone, "no scan of %s has shown this user", provider)
	}
	return u, s.faults.of(op, err)
}
