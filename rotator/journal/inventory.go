package journal

import (
	"context"
	"database/sql"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// page is how many rows are read at a time where the caller's code runs between them: no read transaction is open
// while it does, so a slow caller neither keeps the write-ahead log from being truncated nor a connection from others.
const page = 1000

// The upserts leave a row alone that is as it should be: a scan that sees nothing new writes nothing.
const (
	mergeUser = `INSERT INTO users (provider, id, name, email, login, active, sum) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (provider, id) DO UPDATE SET name = excluded.name, email = excluded.email, login = excluded.login, active = excluded.active, sum = excluded.sum
WHERE users.sum <> excluded.sum OR (users.name, users.email, users.login, users.active) <> (excluded.name, excluded.email, excluded.login, excluded.active)`

	mergeKey = `INSERT INTO keys (provider, id, user_id, name, base, version, created, expires, last_used, state, policy, deadline, due, look_at, draw, sum)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
ON CONFLICT (provider, id) DO UPDATE SET user_id = excluded.user_id, name = excluded.name, base = excluded.base, version = excluded.version,
created = excluded.created, expires = excluded.expires, last_used = excluded.last_used, state = excluded.state, policy = excluded.policy,
deadline = excluded.deadline, due = excluded.due, look_at = excluded.look_at, draw = excluded.draw, sum = excluded.sum, missing_since = NULL
WHERE keys.sum <> excluded.sum OR keys.missing_since IS NOT NULL OR keys.look_at IS DISTINCT FROM excluded.look_at
OR (keys.user_id, keys.name, keys.base, keys.version, keys.state, keys.policy, keys.draw)
<> (excluded.user_id, excluded.name, excluded.base, excluded.version, excluded.state, excluded.policy, excluded.draw)
OR keys.created IS DISTINCT FROM excluded.created OR keys.expires IS DISTINCT FROM excluded.expires
OR keys.last_used IS DISTINCT FROM excluded.last_used OR keys.deadline IS DISTINCT FROM excluded.deadline
OR keys.due IS DISTINCT FROM excluded.due`

	markMissing = `UPDATE keys SET missing_since = COALESCE(missing_since, $1), sum = 0
WHERE provider = $2 AND id = $3 AND (missing_since IS NULL OR sum <> 0)`

	// A key that was superseded by one that is gone may be needed. Keys at rest, which nothing is to look at, stay so. The plus
	// keeps SQLite from searching all looks to come in place of the one series.
	wakeBeside = `UPDATE keys SET look_at = $1 WHERE provider = $2 AND user_id = $3 AND base = $4
AND id <> $5 AND state = 'active' AND missing_since IS NULL AND +look_at > $1`

	readSeries = `SELECT user_id, base FROM keys WHERE provider = $1 AND id = $2`

	userDigests = `SELECT id, sum FROM users WHERE provider = $1 AND id > $2 ORDER BY id LIMIT $3`
	keyDigests  = `SELECT id, sum FROM keys WHERE provider = $1 AND id > $2 ORDER BY id LIMIT $3`
)

// Merge implements [rotator.Inventory]. While it runs, no other write does: merge a page of a scan at a time, not all of
// it. A few thousand rows at a time are good: with fewer, a large inventory's index pages are written again more often.
func (s *Store) Merge(ctx context.Context, provider string, users []rotator.UserRow, keys []rotator.KeyRow) error {
	if len(users)+len(keys) == 0 {
		return nil
	}
	return s.write(ctx, "merge a scan of "+provider, func(w *writer) error {
		s.names.merging(provider, users, keys)
		for i := range users {
			u := &users[i]
			if _, err := w.exec(mergeUser, provider, u.ID, u.Name, u.Email, u.Login, flag(u.Active), signed(u.Sum)); err != nil {
				return err
			}
		}
		for i := range keys {
			if err := mergeOne(w, provider, &keys[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

func mergeOne(w *writer, provider string, k *rotator.KeyRow) error {
	n, err := w.exec(mergeKey, provider, k.ID, k.UserID, k.Name, k.Base, k.Version, down(k.Created), down(k.Expires), down(k.LastUsed),
		string(k.State), k.Policy, down(k.Deadline), down(k.Due), up(k.LookAt), k.Draw, signed(k.Sum))
	if err != nil || n == 0 || k.State == rotator.KeyActive {
		return err
	}
	return wakeOthers(w, rotator.CredentialID{Provider: provider, UserID: k.UserID, Base: k.Base}, k.ID, w.clock.Now())
}

// signed and unsigned move a sum in and out of a column, bit by bit.
func signed(sum uint64) int64   { return int64(sum) }  //nolint:gosec // every bit is kept
func unsigned(sum int64) uint64 { return uint64(sum) } //nolint:gosec // every bit is kept

// MarkMissing implements [rotator.Inventory].
func (s *Store) MarkMissing(ctx context.Context, provider string, keyIDs []string, at time.Time) error {
	if len(keyIDs) == 0 {
		return nil
	}
	return s.write(ctx, "mark missing keys of "+provider, func(w *writer) error {
		for _, id := range keyIDs {
			if err := missOne(w, provider, id, at); err != nil {
				return err
			}
		}
		return nil
	})
}

func missOne(w *writer, provider, id string, at time.Time) error {
	n, err := w.exec(markMissing, down(at), provider, id)
	if err != nil || n == 0 {
		return err
	}
	c := rotator.CredentialID{Provider: provider}
	if _, err := w.one(readSeries, []any{provider, id}, &c.UserID, &c.Base); err != nil {
		return err
	}
	return wakeOthers(w, c, id, at)
}

// wakeOthers has the credential's keys other than this one looked at: something happened that they may have waited for.
func wakeOthers(w *writer, c rotator.CredentialID, id string, now time.Time) error {
	_, err := w.exec(wakeBeside, up(now), c.Provider, c.UserID, c.Base, id)
	return err
}

// Digests implements [rotator.Inventory]: first the users, then the keys. fn may call the store.
func (s *Store) Digests(ctx context.Context, provider string, fn func(d rotator.Digest) error) error {
	if err := s.digests(ctx, userDigests, provider, false, fn); err != nil {
		return err
	}
	return s.digests(ctx, keyDigests, provider, true, fn)
}

func (s *Store) digests(ctx context.Context, query, provider string, key bool, fn func(d rotator.Digest) error) error {
	last := ""
	batch := make([]rotator.Digest, 0, page)
	for {
		batch = batch[:0]
		err := s.each(ctx, query, []any{provider, last, page}, func(rows *sql.Rows) error {
			d := rotator.Digest{Key: key}
			var sum int64
			err := rows.Scan(&d.ID, &sum)
			d.Sum = unsigned(sum)
			batch = append(batch, d)
			return err
		})
		if err != nil {
			return s.faults.of("read the digests of "+provider, err)
		}
		for _, d := range batch {
			if err := fn(d); err != nil {
				return err
			}
		}
		if len(batch) < page {
			return nil
		}
		last = batch[len(batch)-1].ID
	}
}
