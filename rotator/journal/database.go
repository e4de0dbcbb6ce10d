package journal

import (
	"context"
	"database/sql"
	"time"
)

// database is what differs between the databases that a journal can be in. The text of queries is the same for both.
type database struct {
	// begin starts a transaction.
	begin string
	// shareLock and rowLock follow a SELECT whose row must stay as it is until the transaction ends: against changes, and
	// against a second one that asks the same.
	shareLock, rowLock string
	// clock asks for the database's time in Unix milliseconds; empty where it is this machine's.
	clock string
	// alone is true where no other process can write.
	alone bool
	// presence asks whether the process that an owner of leases names is connected no more; empty where that cannot be known.
	presence string
	// managedKeys reads the keys that managedOrder named: a list of numbers is written differently in each.
	managedKeys string
	// folded is the format of a column whose ASCII letters LIKE, given small ones, matches in both cases, and no others so.
	folded string
	// connect makes the connection that writes.
	connect func(ctx context.Context) (*sql.Conn, error)
}

// inSQLite: one process has the file, and one connection writes.
var inSQLite = database{begin: "BEGIN IMMEDIATE", alone: true, managedKeys: managedKeys, folded: "%s"}

// now is the time that leases go by.
func (w *writer) now() (time.Time, error) {
	if w.db.clock == "" {
		return time.Now(), nil
	}
	var at time.Time
	_, err := w.one(w.db.clock, nil, stamp{&at})
	return at, err
}

// isGone reports whether the process that owns leases under this name is known to have ended.
func (w *writer) isGone(owner string) (gone bool, err error) {
	if w.db.presence == "" {
		return false, nil
	}
	_, err = w.one(w.db.presence, []any{owner}, &gone)
	return gone, err
}
