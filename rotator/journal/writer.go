package journal

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// writer is the one connection that writes. Only the committer's goroutine uses it. Its statements run without a context:
// a transaction that serves many callers must not end because one of them left.
type writer struct {
	db     database
	clock  rotator.Clock
	onLate func(rotator.Lease)
	conn   *sql.Conn
	byText map[string]*sql.Stmt
	// erased is set by whatever erased a secret: its old page images are still in the write-ahead log.
	erased bool
	chain  chain
}

func (w *writer) get(query string) (*sql.Stmt, error) {
	if st, ok := w.byText[query]; ok {
		return st, nil
	}
	ctx, cancel := w.patience()
	defer cancel()
	st, err := w.conn.PrepareContext(ctx, query) //nolint:sqlclosecheck // close closes it
	if err != nil {
		return nil, err
	}
	w.byText[query] = st
	return st, nil
}

// patience bounds one statement where the database is at the other end of a network.
func (w *writer) patience() (context.Context, context.CancelFunc) {
	if w.db.alone {
		return context.Background(), func() {}
	}
	return context.WithTimeout(context.Background(), answerPatience)
}

// lockTable keeps other processes from writing to the table until the transaction ends: for what is looked up before a row is
// there that could be locked.
func (w *writer) lockTable(name string) error {
	if w.db.alone {
		return nil
	}
	_, err := w.exec("LOCK TABLE " + name + " IN SHARE ROW EXCLUSIVE MODE")
	return err
}

// exec runs a statement and returns how many rows it touched.
func (w *writer) exec(query string, args ...any) (int64, error) {
	st, err := w.get(query) //nolint:sqlclosecheck // it belongs to w, which closes it
	if err != nil {
		return 0, err
	}
	ctx, cancel := w.patience()
	defer cancel()
	result, err := st.ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// one reads a single row inside the transaction; it is false if there is none.
func (w *writer) one(query string, args []any, dest ...any) (bool, error) {
	return w.row(query, args, func(scan func(dest ...any) error) error { return scan(dest...) })
}

// row is one for whoever reads the row in a way of their own.
func (w *writer) row(query string, args []any, read func(scan func(dest ...any) error) error) (bool, error) {
	st, err := w.get(query) //nolint:sqlclosecheck // it belongs to w, which closes it
	if err != nil {
		return false, err
	}
	ctx, cancel := w.patience()
	defer cancel()
	err = read(st.QueryRowContext(ctx, args...).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// transact runs fn in a transaction of its own and appends what it recorded to the audit record. When it returns an error,
// nothing of fn remains.
func (w *writer) transact(fn func() error) error {
	clear(w.chain.events)
	w.chain.events = w.chain.events[:0]
	if err := w.begin(); err != nil {
		return err
	}
	if err := w.complete(fn); err != nil {
		w.rollback()
		w.dropIfBroken(err)
		return err
	}
	return nil
}

// complete is the part of a transaction that is undone together.
func (w *writer) complete(fn func() error) error {
	if err := fn(); err != nil {
		return err
	}
	head, err := w.seal()
	if err != nil {
		return err
	}
	if _, err := w.exec("COMMIT"); err != nil {
		return err
	}
	w.chain.head = head
	return nil
}

// connectPatience bounds the making of a connection: callers wait for it.
const connectPatience = 10 * time.Second

// begin starts a transaction, on a new connection where the one before broke.
func (w *writer) begin() error {
	if w.conn == nil {
		if err := w.connect(); err != nil {
			return err
		}
	}
	_, err := w.exec(w.db.begin)
	w.dropIfBroken(err)
	return err
}

func (w *writer) connect() error {
	ctx, cancel := context.WithTimeout(context.Background(), connectPatience)
	defer cancel()
	conn, err := w.db.connect(ctx)
	if err == nil {
		w.conn, w.byText = conn, map[string]*sql.Stmt{}
	}
	return err
}

// dropIfBroken lets go of a connection that is of no use any more; the next transaction makes another.
func (w *writer) dropIfBroken(err error) {
	if err == nil || w.db.alone || isAnswer(err) {
		return
	}
	discard(w.conn)
	w.conn = nil
}

// rollback has nothing to report: SQLite rolls back by itself after the gravest errors, and then says that there is no
// transaction.
func (w *writer) rollback() { _, _ = w.exec("ROLLBACK") }

// truncateLog copies the write-ahead log into the database file and cuts it to nothing, so that the page images in it are
// gone. It is false when a reader still needs them. The wait for readers is short, because commits wait meanwhile.
func (w *writer) truncateLog() (bool, error) {
	if !w.db.alone {
		return true, nil
	}
	if _, err := w.exec("PRAGMA busy_timeout = 50"); err != nil {
		return false, err
	}
	defer func() { _, _ = w.exec("PRAGMA busy_timeout = 2000") }()
	var busy, pages, copied int64
	if _, err := w.one("PRAGMA wal_checkpoint(TRUNCATE)", nil, &busy, &pages, &copied); err != nil {
		return false, err
	}
	return busy == 0, nil
}

// shrink gives cached pages back. That it may fail only means that they stay.
func (w *writer) shrink() {
	if w.db.alone {
		_, _ = w.exec("PRAGMA shrink_memory")
	}
}

func (w *writer) close() error {
	if w.conn == nil {
		return nil
	}
	var errs []error
	for _, st := range w.byText {
		errs = append(errs, st.Close())
	}
	return errors.Join(append(errs, w.conn.Close())...)
}
