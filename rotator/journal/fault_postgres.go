package journal

import (
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rotatord/rotatord/rotator"
)

// concernsRequest is concernsOne for what PostgreSQL says (https://www.postgresql.org/docs/current/errcodes-appendix.html).
// A deadlock, or a lock that was not to be had, is between two transactions of several rows each: one at a time they succeed.
func concernsRequest(answer *pgconn.PgError) bool {
	switch class := answer.Code[:min(2, len(answer.Code))]; class {
	case "21", "22", "23", "40", "42", "54", "55":
		return true
	default:
		return false
	}
}

// judgePostgres says in plain words what PostgreSQL, or the way to it, has; it is false for all other errors.
func judgePostgres(err error, place string) (rotator.Kind, string, bool) {
	if answer, ok := errors.AsType[*pgconn.PgError](err); ok {
		kind, words := judgeAnswer(answer, place)
		return kind, words, true
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return rotator.Transient, "PostgreSQL at " + place + " cannot be reached: check that it runs and that the network lets rotatord through; " +
			"rotatord goes on by itself when it answers", true
	}
	return "", "", false
}

func judgeAnswer(answer *pgconn.PgError, place string) (rotator.Kind, string) {
	switch code := answer.Code; {
	case strings.HasPrefix(code, "28"):
		return rotator.Denied, "PostgreSQL at " + place + " refuses the user or the password: check store.postgres; a role whose VALID UNTIL is over is refused in the same words"
	case code == "3D000":
		return rotator.Invalid, "PostgreSQL at " + place + " has no such database: make it, owned by rotatord's role"
	case code == "42501":
		return rotator.Denied, "the role may not do that in PostgreSQL at " + place + ": make rotatord's role the owner of its database"
	case code == "25006":
		return rotator.Transient, "PostgreSQL at " + place + " is read-only, a standby for instance: point store.postgres at the primary, or add target_session_attrs=read-write"
	case strings.HasPrefix(code, "53"):
		return rotator.Transient, "PostgreSQL at " + place + " is out of connections, memory or disk; rotatord goes on by itself when it is not"
	case strings.HasPrefix(code, "57"):
		return rotator.Transient, "PostgreSQL at " + place + " is stopping, starting, or gave up a statement that took too long; rotatord tries again"
	case strings.HasPrefix(code, "40"), strings.HasPrefix(code, "55"):
		return rotator.Transient, "another replica was writing the same rows in PostgreSQL at " + place + "; it is tried again"
	case strings.HasPrefix(code, "22"), strings.HasPrefix(code, "23"), strings.HasPrefix(code, "42"):
		return rotator.Invalid, "the journal refuses the row: this is a defect of rotatord, please report it"
	default:
		return rotator.Transient, "PostgreSQL at " + place + " refuses it"
	}
}
