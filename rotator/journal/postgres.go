package journal

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"net"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/rotatord/rotatord/rotator"
)

const (
	// oldestPostgres is the first major version that still gets fixes and was tried.
	oldestPostgres = 13

	// postgresReaders are the connections for reading; one more writes, and one more says that this process lives.
	postgresReaders = 4

	// answerPatience bounds one statement on this side: a server that was cut off says nothing at all.
	answerPatience = 30 * time.Second

	readServer = `SELECT current_setting('transaction_read_only') = 'on', current_setting('server_version_num')::int / 10000,
current_setting('synchronous_commit') = 'off', current_setting('server_encoding')`
)

// serverSettings bound statements on the server's side, unless the connection string says otherwise.
var serverSettings = map[string]string{
	"application_name": "rotatord", "statement_timeout": "25s", "lock_timeout": "10s", "idle_in_transaction_session_timeout": "60s",
}

// inPostgres: several processes write. Row locks that a SELECT takes are held until its transaction ends.
var inPostgres = database{
	begin:       "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
	shareLock:   " FOR SHARE",
	rowLock:     " FOR UPDATE",
	clock:       `SELECT (EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::bigint`,
	managedKeys: managedKeysPostgres,
	folded:      `lower(%s COLLATE "C")`,
	presence:    `SELECT pg_try_advisory_xact_lock_shared(hashtextextended($1, 0))`,
}

// OpenPostgres opens the journal in a PostgreSQL database, making its tables or bringing them up to date if need be. Several
// processes may have it open: [rotator.Leases] say which of them acts. dsn is a connection string, as a URL or as keywords
// and values (https://www.postgresql.org/docs/current/libpq-connect.html). A role or password that is refused is a fault of
// kind [rotator.Denied]; a standby, a schema of a newer rotatord, and a pooler in between are of kind [rotator.Invalid].
//
// ctx bounds the opening alone.
func OpenPostgres(ctx context.Context, dsn rotator.Secret, opts Options) (*Store, error) {
	const op = "open journal"
	c, err := postgresConfig(dsn)
	if err != nil {
		return nil, err
	}
	s := newStore(placeOf(c), inPostgres, opts)
	if err := s.openPostgres(ctx, c, opts.Replica); err != nil {
		return nil, errors.Join(s.faults.of(op, err), s.shut())
	}
	return s, nil
}

// PingPostgres looks whether a journal could be opened there, without making anything. Its faults are those of [OpenPostgres].
func PingPostgres(ctx context.Context, dsn rotator.Secret) (err error) {
	const op = "reach the journal"
	c, err := postgresConfig(dsn)
	if err != nil {
		return err
	}
	db := connectTo(c, nil)
	defer func() { err = errors.Join(err, db.Close()) }()
	return faults{path: placeOf(c)}.of(op, checkServer(ctx, db, placeOf(c)))
}

func postgresConfig(dsn rotator.Secret) (*pgx.ConnConfig, error) {
	c, err := pgx.ParseConfig(string(dsn.Reveal()))
	if err != nil {
		// What could not be read may hold the password anywhere, so it is not repeated.
		return nil, rotator.NewFault("open journal", rotator.Invalid, "store.postgres holds no connection string: write it as "+
			"postgres://rotatord@db.example/rotatord?sslmode=verify-full, or as keywords and values")
	}
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, connectPatience)
	for name, value := range serverSettings {
		if _, set := c.RuntimeParams[name]; !set {
			c.RuntimeParams[name] = value
		}
	}
	return c, nil
}

// placeOf names a database in errors, without the password.
func placeOf(c *pgx.ConnConfig) string {
	return net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port))) + "/" + c.Database
}

func (s *Store) openPostgres(ctx context.Context, c *pgx.ConnConfig, replica string) error {
	s.writeDB = connectTo(c, nil)
	s.writeDB.SetMaxOpenConns(2)
	if err := checkServer(ctx, s.writeDB, s.path); err != nil {
		return err
	}
	if err := migratePostgres(ctx, c, s.path); err != nil {
		return err
	}
	s.readDB = connectTo(c, map[string]string{"default_transaction_read_only": "on"})
	s.readDB.SetMaxOpenConns(postgresReaders)
	s.readDB.SetMaxIdleConns(postgresReaders)
	s.reads.db = s.readDB
	if replica != "" {
		var err error
		if s.beacon, err = lightBeacon(ctx, s.writeDB, replica); err != nil {
			return err
		}
	}
	w := &writer{db: inPostgres, clock: s.clock, onLate: s.onLate}
	w.db.connect = s.writeDB.Conn
	if err := w.connect(); err != nil {
		return err
	}
	s.committer = startCommitter(w, s.faults, defaultWipeAfter)
	return nil
}

// connectTo makes a pool whose connections have the settings in addition.
func connectTo(c *pgx.ConnConfig, settings map[string]string) *sql.DB {
	with := c.Copy()
	maps.Copy(with.RuntimeParams, settings)
	return stdlib.OpenDB(*with, stdlib.OptionAfterConnect(refusePooler))
}

// refusePooler fails where something in between hands out other connections than its own: session locks, prepared statements
// and settings would end up in the sessions of others. The server tells the number of its process when a connection begins;
// a pooler tells a number of its own.
func refusePooler(ctx context.Context, conn *pgx.Conn) error {
	var pid uint32
	if err := conn.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&pid); err != nil {
		return err
	}
	if pid != conn.PgConn().PID() {
		return rotator.NewFault("open journal", rotator.Invalid, "a connection pooler (PgBouncer, say) stands between rotatord and PostgreSQL, and the "+
			"locks of sessions do not work through one: point store.postgres at the server itself; a rotatord opens %d connections", postgresReaders+2)
	}
	return nil
}

func checkServer(ctx context.Context, db *sql.DB, place string) error {
	const op = "open journal"
	var readOnly, unsafe bool
	var version int
	var encoding string
	if err := db.QueryRowContext(ctx, readServer).Scan(&readOnly, &version, &unsafe, &encoding); err != nil {
		return err
	}
	switch {
	case readOnly:
		return rotator.NewFault(op, rotator.Invalid, "PostgreSQL at %s is read-only, a standby for instance: point store.postgres at the primary, "+
			"or add target_session_attrs=read-write", place)
	case version < oldestPostgres:
		return rotator.NewFault(op, rotator.Invalid, "PostgreSQL at %s is version %d; rotatord needs %d or later", place, version, oldestPostgres)
	case unsafe:
		return rotator.NewFault(op, rotator.Invalid, "PostgreSQL at %s has synchronous_commit off, so that a crash of the server loses what was "+
			"committed, secrets of new keys included: switch it on, at least for rotatord's role", place)
	case encoding != "UTF8":
		return rotator.NewFault(op, rotator.Invalid, "the database at %s is encoded in %s; make one in UTF8", place, encoding)
	default:
		return nil
	}
}

// migratePostgres brings the schema up to date, one process at a time, and without the bounds of everyday statements.
func migratePostgres(ctx context.Context, c *pgx.ConnConfig, place string) (err error) {
	db := connectTo(c, map[string]string{"statement_timeout": "0", "lock_timeout": "0", "idle_in_transaction_session_timeout": "0"})
	defer func() { err = errors.Join(err, db.Close()) }()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // it holds a lock and nothing else
	if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('rotatord schema', 0))`); err != nil {
		return fmt.Errorf("waiting for another replica that brings the schema up to date: %w", err)
	}
	return migrate(ctx, db, place, postgresSchema)
}
