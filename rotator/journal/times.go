package journal

import (
	"database/sql/driver"
	"fmt"
	"time"
)

// down is t in Unix milliseconds, rounded down; NULL for the zero time.
func down(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}

// up is down rounded up: for times at which something happens, so that it is never found too early.
func up(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return upMillis(t)
}

func upMillis(t time.Time) int64 {
	ms := t.UnixMilli()
	if time.UnixMilli(ms).Before(t) {
		ms++
	}
	return ms
}

// stamp reads what down and up wrote.
type stamp struct{ t *time.Time }

// Scan implements sql.Scanner.
func (s stamp) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*s.t = time.Time{}
	case int64:
		*s.t = time.UnixMilli(v).UTC()
	default:
		return fmt.Errorf("a time is stored as %T", src)
	}
	return nil
}

// flag is how a truth value is stored.
type flag bool

// Value implements driver.Valuer.
func (f flag) Value() (driver.Value, error) {
	if f {
		return int64(1), nil
	}
	return int64(0), nil
}
