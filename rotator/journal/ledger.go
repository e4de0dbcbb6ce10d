package journal

import (
	"context"
	"database/sql"

	"github.com/rotatord/rotatord/rotator"
)

const (
	enterKey = `INSERT INTO ledger (provider, id, user_id, name, created, expires, state) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (provider, id) DO UPDATE SET user_id = excluded.user_id, name = excluded.name, created = excluded.created,
expires = excluded.expires, state = excluded.state`

	readLedger = `SELECT id, user_id, name, created, expires, state FROM ledger WHERE provider = $1 AND id > $2 ORDER BY id LIMIT $3`
)

// enterLedger runs in the committer, with the change that the keys come with.
func enterLedger(w *writer, provider string, keys []rotator.Key) error {
	for _, k := range keys {
		if _, err := w.exec(enterKey, provider, k.ID, k.UserID, k.Name, down(k.Created), down(k.Expires), string(k.State)); err != nil {
			return err
		}
	}
	return nil
}

// LedgerKeys implements [rotator.Ledger]. fn may call the store.
func (s *Store) LedgerKeys(ctx context.Context, provider string, fn func(rotator.Key) error) error {
	for after := ""; ; {
		keys, err := s.ledgerPage(ctx, provider, after)
		if err != nil {
			return s.faults.of("read the ledger of "+provider, err)
		}
		for _, k := range keys {
			if err := fn(k); err != nil {
				return err
			}
			after = k.ID
		}
		if len(keys) < page {
			return nil
		}
	}
}

func (s *Store) ledgerPage(ctx context.Context, provider, after string) ([]rotator.Key, error) {
	var keys []rotator.Key
	err := s.each(ctx, readLedger, []any{provider, after, page}, func(rows *sql.Rows) error {
		var k rotator.Key
		err := rows.Scan(&k.ID, &k.UserID, &k.Name, stamp{&k.Created}, stamp{&k.Expires}, &k.State)
		keys = append(keys, k)
		return err
	})
	return keys, err
}
