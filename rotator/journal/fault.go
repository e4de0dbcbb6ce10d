package journal

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/rotatord/rotatord/rotator"
)

// errClosed says that the store was used after Close.
var errClosed = errors.New("the journal is closed")

// resultCode returns SQLite's primary result code (https://www.sqlite.org/rescode.html) of err, or 0.
func resultCode(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() & 0xff
	}
	return 0
}

// isRefusal reports whether err is a fault that an operation returned before it wrote anything: the transaction it ran in
// is still good.
func isRefusal(err error) bool {
	_, ok := errors.AsType[*rotator.Fault](err)
	return ok
}

// isAnswer reports whether err is something that a database said, as against a connection that broke.
func isAnswer(err error) bool {
	answer, answered := errors.AsType[*pgconn.PgError](err)
	return answered && answer.Severity != "FATAL" || isRefusal(err) || resultCode(err) != 0
}

// concernsOne reports whether err came from what one request wanted, so that others in the same transaction would
// succeed without it. All else (a full disk, say) stops them all.
func concernsOne(err error) bool {
	if answer, ok := errors.AsType[*pgconn.PgError](err); ok {
		return concernsRequest(answer)
	}
	switch resultCode(err) {
	case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_ERROR:
		return true
	default:
		return false
	}
}

// faults turns errors into faults that name the journal's file.
type faults struct{ path string }

// of classifies err. A fault, and nil, are returned as they are.
func (f faults) of(op string, err error) error {
	if err == nil || isRefusal(err) {
		return err
	}
	kind, words := f.judge(err)
	if words == "" {
		return &rotator.Fault{Op: op, Kind: kind, Err: err}
	}
	return &rotator.Fault{Op: op, Kind: kind, Err: fmt.Errorf("%s (%w)", words, err)}
}

func (f faults) judge(err error) (rotator.Kind, string) {
	if kind, words, ok := judgePostgres(err, f.path); ok {
		return kind, words
	}
	switch resultCode(err) {
	case sqlite3.SQLITE_FULL:
		return rotator.Transient, "the disk of " + filepath.Dir(f.path) + " is full: free some space there; rotatord goes on by itself then"
	case sqlite3.SQLITE_IOERR:
		return rotator.Transient, "the disk of " + f.path + " does not take or give data: look at the kernel log and at free space; rotatord goes on by itself when it does"
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM:
		return rotator.Transient, f.path + " cannot be written: its file system is read-only, or the file or folder belongs to another user"
	case sqlite3.SQLITE_CANTOPEN:
		return rotator.Transient, f.path + " cannot be opened: check that its folder exists and belongs to rotatord's user"
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return rotator.Transient, "another program keeps " + f.path + " locked: close it; look with: fuser " + f.path
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return rotator.Invalid, f.path + " is damaged: stop rotatord, keep a copy of the file for analysis, and restore the latest backup"
	case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH:
		return rotator.Invalid, "the journal refuses the row: this is a defect of rotatord, please report it"
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return rotator.Transient, "the call ended before the journal answered; what was queued may have been committed"
	}
	return rotator.Transient, ""
}
