package journal

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

const (
	// oldestSQLite is the first release without the race between a checkpoint and a commit that can lose committed
	// pages in WAL mode (https://www.sqlite.org/wal.html, section "The WAL-Reset Bug").
	oldestSQLite = "3.51.3"

	// readers is enough for a loop, a page and a scrape at once; each connection keeps a page cache of its own.
	readers = 3

	// defaultWipeAfter is short against the time that a backup or a snapshot takes, and long against a burst of work.
	defaultWipeAfter = 2 * time.Second
)

// Options are what a caller may set. The zero Options are good for production.
type Options struct {
	// OnDamaged is called for each rotation that was skipped because its stored form cannot be read, each time this is
	// found; an open one is looked at again every hour. nil ignores it.
	OnDamaged func(rotation string, err error)
	// OnLateWrite is called for each write that was refused because its lease is not in force; it returns at once. nil
	// ignores it.
	OnLateWrite func(l rotator.Lease)
	// Clock is what times of the history and of the audit record are told by; the zero value is the machine's. Leases go by the machine's
	// in SQLite, and by the server's in PostgreSQL.
	Clock rotator.Clock
	// WipeAfter is how long the journal must be idle before the copies of erased secrets are truncated out of the
	// write-ahead log; 0 is two seconds. A journal that is never idle does it all the same, now and then.
	WipeAfter time.Duration
	// Replica names this process among those that have the journal in PostgreSQL open: it owns leases under this name, and
	// the others see when it ends. Empty for one that owns none.
	Replica string
}

// Store is a [rotator.Store] in one SQLite file, or in a PostgreSQL database.
type Store struct {
	path      string // or what names the PostgreSQL database
	db        database
	clock     rotator.Clock
	onDamaged func(string, error)
	onLate    func(rotator.Lease)
	faults    faults
	lock      *fileLock
	writeDB   *sql.DB
	readDB    *sql.DB
	reads     statements
	committer *committer
	beacon    *beacon // nil in SQLite
	names     names
}

var _ rotator.Store = (*Store)(nil)

// Open opens the journal at path, making it (mode 0600) or bringing its schema up to date if need be. The folder must
// exist on a local file system and must not be writable by every user. A second process is refused with kind
// [rotator.Conflict], a newer or damaged file with kind [rotator.Invalid].
//
// ctx bounds the opening alone.
func Open(ctx context.Context, path string, opts Options) (*Store, error) {
	const op = "open journal"
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, &rotator.Fault{Op: op, Kind: rotator.Invalid, Err: err}
	}
	s := newStore(abs, inSQLite, opts)
	if err := s.open(ctx, cmp.Or(opts.WipeAfter, defaultWipeAfter)); err != nil {
		return nil, errors.Join(s.faults.of(op, err), s.shut())
	}
	return s, nil
}

func newStore(place string, db database, opts Options) *Store {
	s := &Store{path: place, db: db, faults: faults{path: place}, clock: opts.Clock, onDamaged: opts.OnDamaged, onLate: opts.OnLateWrite,
		names: names{seed: maphash.MakeSeed(), atMost: namesAtMost}}
	if s.onDamaged == nil {
		s.onDamaged = func(string, error) {}
	}
	if s.onLate == nil {
		s.onLate = func(rotator.Lease) {}
	}
	return s
}

func (s *Store) open(ctx context.Context, wipeAfter time.Duration) error {
	if err := checkFolder(filepath.Dir(s.path)); err != nil {
		return err
	}
	var err error
	if s.lock, err = takeLock(s.path + ".lock"); err != nil {
		return err
	}
	if err := ensureFile(s.path); err != nil {
		return err
	}
	if s.writeDB, err = sql.Open("sqlite", dsn(s.path, writePragmas)); err != nil {
		return err
	}
	s.writeDB.SetMaxOpenConns(1)
	if err := checkVersion(ctx, s.writeDB); err != nil {
		return err
	}
	if err := migrate(ctx, s.writeDB, s.path, sqliteSchema); err != nil {
		return err
	}
	if s.readDB, err = sql.Open("sqlite", dsn(s.path, readPragmas)); err != nil {
		return err
	}
	s.readDB.SetMaxOpenConns(readers)
	s.readDB.SetMaxIdleConns(readers)
	s.reads.db = s.readDB
	conn, err := s.writeDB.Conn(ctx)
	if err != nil {
		return err
	}
	w := &writer{db: inSQLite, clock: s.clock, onLate: s.onLate, conn: conn, byText: map[string]*sql.Stmt{}}
	if err := w.findHead(); err != nil {
		return errors.Join(err, w.close())
	}
	s.committer = startCommitter(w, s.faults, wipeAfter)
	return nil
}

// writePragmas: a commit is synced before it is acknowledged (synchronous), erased secrets are overwritten where they
// stood (secure_delete), and nothing is spilled to temporary files elsewhere (temp_store).
var writePragmas = []string{
	"busy_timeout(2000)", "journal_mode(WAL)", "synchronous(FULL)", "secure_delete(ON)", "foreign_keys(ON)", "temp_store(MEMORY)",
	"cache_size(-8192)", "wal_autocheckpoint(4000)", "journal_size_limit(16777216)",
}

var readPragmas = []string{"busy_timeout(2000)", "query_only(ON)", "temp_store(MEMORY)", "cache_size(-1024)"}

// readOnly keeps the file from being written, and from being made.
func readOnly(dsn string) string { return dsn + "&mode=ro" }

func dsn(path string, pragmas []string) string {
	u := url.URL{Scheme: "file", OmitHost: true, Path: path}
	u.RawQuery = url.Values{"_pragma": pragmas, "_txlock": {"immediate"}}.Encode()
	return u.String()
}

func checkFolder(dir string) error {
	info, err := os.Stat(dir) //nolint:gosec // the operator's own path
	if errors.Is(err, fs.ErrNotExist) {
		return rotator.NewFault("open journal", rotator.Invalid, "the journal's folder does not exist: %w; make it as rotatord's user with: "+
			"install -d -m 0700 %s", err, dir)
	}
	if err != nil {
		return fmt.Errorf("the journal's folder cannot be used: %w; rotatord's user must be able to write in %s", err, dir)
	}
	if !info.IsDir() {
		return rotator.NewFault("open journal", rotator.Invalid, "%s is not a folder; set another store.path", dir)
	}
	if info.Mode().Perm()&0o002 != 0 {
		return rotator.NewFault("open journal", rotator.Invalid, "every user of this machine can write in %s and could replace the journal; "+
			"run: chmod o-w %s", dir, dir)
	}
	return nil
}

// ensureFile makes the database file itself, because SQLite would make it readable to all; its other files get the mode
// of this one. The folder is synced, or a power cut could undo the new file together with what was committed to it.
func ensureFile(path string) (err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the operator's own path
	if err != nil {
		return fmt.Errorf("the journal cannot be opened for writing: %w; it must belong to rotatord's user, on a disk that can be written", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Chmod(0o600); err != nil {
		return fmt.Errorf("the journal's mode cannot be set to 0600: %w", err)
	}
	return syncFolder(filepath.Dir(path))
}

func syncFolder(dir string) (err error) {
	d, err := os.Open(dir) //nolint:gosec // the operator's own path
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return d.Sync()
}

func checkVersion(ctx context.Context, db *sql.DB) error {
	var v string
	if err := db.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&v); err != nil {
		return err
	}
	if !atLeast(v, oldestSQLite) {
		return rotator.NewFault("open journal", rotator.Invalid, "this program was built with SQLite %s, which can lose committed data; "+
			"build it with %s or later", v, oldestSQLite)
	}
	return nil
}

// atLeast compares versions of three numbers. What is not such a version is not at least anything.
func atLeast(v, oldest string) bool {
	var a, b [3]int
	if _, err := fmt.Sscanf(v, "%d.%d.%d", &a[0], &a[1], &a[2]); err != nil {
		return false
	}
	if _, err := fmt.Sscanf(oldest, "%d.%d.%d", &b[0], &b[1], &b[2]); err != nil {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return a[i] > b[i]
		}
	}
	return true
}

// Close waits for what is queued, truncates erased secrets out of the write-ahead log and gives up the lock. Calls that
// come later fail; Close may be called again.
func (s *Store) Close() error {
	err := s.shut()
	if err != nil {
		return s.faults.of("close journal", err)
	}
	return nil
}

func (s *Store) shut() error {
	var errs []error
	s.names.close()
	if s.committer != nil {
		errs = append(errs, s.committer.close())
	}
	if s.beacon != nil {
		s.beacon.close()
	}
	if s.readDB != nil {
		errs = append(errs, s.reads.close(), s.readDB.Close())
	}
	if s.writeDB != nil {
		errs = append(errs, s.writeDB.Close())
	}
	if s.lock != nil {
		s.lock.release()
	}
	return errors.Join(errs...)
}
